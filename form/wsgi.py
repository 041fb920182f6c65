"""A WSGI application in threads, which see a request only when all of it has arrived."""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.wsgi import build_environ
from werkzeug.test import run_wsgi_app

THREADS = 8


class ThreadedApp:
    """An ASGI application that gives each complete request to the WSGI application `app`."""

    def __init__(self, app: Callable[..., Any], most_bytes: int) -> None:
        """`most_bytes`: of a request's body; a longer one is answered with 413."""
        self._app, self._most_bytes = app, most_bytes
        self._threads = ThreadPoolExecutor(THREADS, "form")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        try:
            async for piece in Request(scope, receive).stream():
                body += piece
                if len(body) > self._most_bytes:
                    await PlainTextResponse("Too much was sent.", 413)(scope, receive, send)
                    return
        except ClientDisconnect:
            return
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._threads, self._respond, scope, bytes(body))
        await response(scope, receive, send)

    def _respond(self, scope: Scope, body: bytes) -> Response:
        message: Any = {"type": "http.request"}
        environ = cast(dict[str, Any], build_environ(cast(Any, scope), message, io.BytesIO(body)))
        environ["CONTENT_LENGTH"] = str(len(body))  # a body in chunks has no such header
        pieces, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        response = Response(b"".join(pieces), int(status.split()[0]))
        response.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return response
