"""HTTP as bytes on a socket, for requests that no client library sends."""

import socket
from urllib.parse import urlsplit


def connect(url: str, *, receive_buffer: int = 0) -> socket.socket:
    """A connection to the server at this address, with a receive buffer of so many bytes."""
    parts = urlsplit(url)
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(60)
    client.connect((parts.hostname, parts.port))
    return client


def read_to_end(client: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    received = bytearray()
    try:
        while piece := client.recv(65536):
            received += piece
    except ConnectionError:  # closed before the server read all that was sent
        pass
    return bytes(received)
