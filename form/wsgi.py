"""Run a WSGI application in threads, which get a request only when it is complete."""

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
    """An ASGI application that passes each complete request to a WSGI application."""

    def __init__(self, app: Callable[..., Any], max_body_bytes: int) -> None:
        """A request whose body exceeds `max_body_bytes` gets a response with status 413."""
        self._app, self._max_body_bytes = app, max_body_bytes
        self._threads = ThreadPoolExecutor(THREADS, "form")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        try:
            async for piece in Request(scope, receive).stream():
                body += piece
                if len(body) > self._max_body_bytes:
                    await PlainTextResponse("The request is too large.", 413)(scope, receive, send)
                    return
        except ClientDisconnect:
            return
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._threads, self._respond, scope, bytes(body))
        await response(scope, receive, send)

    def _respond(self, scope: Scope, body: bytes) -> Response:
        message: Any = {"type": "http.request"}
        environ = cast(dict[str, Any], build_environ(cast(Any, scope), message, io.BytesIO(body)))
        environ["CONTENT_LENGTH"] = str(len(body))  # a chunked request has no such header
        pieces, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        response = Response(b"".join(pieces), int(status.split()[0]))
        response.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return response
