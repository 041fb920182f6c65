"""Raw HTTP over a socket, for requests that no client library sends."""

import socket
from urllib.parse import urlsplit


def connect(url: str, *, receive_buffer: int = 0) -> socket.socket:
    """Connect to the server at this URL; `receive_buffer` is in bytes."""
    parts = urlsplit(url)
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(60)
    client.connect((parts.hostname, parts.port))
    return client


def read_to_end(client: socket.socket) -> bytes:
    """Everything that the server sends until it closes the connection."""
    received = bytearray()
    try:
        while piece := client.recv(65536):
            received += piece
    except ConnectionError:  # the server closed the connection before it read everything
        pass
    return bytes(received)
