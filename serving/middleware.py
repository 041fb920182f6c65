"""Around every request: its id, its line in the log, its metrics, and one shape for all errors."""

import uuid

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import telemetry
from serving.errors import RequestError
from serving.telemetry import RequestRecord

REQUEST_ID_HEADER = "X-Request-ID"


class RequestMiddleware:
    """An ASGI application around another, which finds its `Exchange` in the request's state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = RequestRecord(uuid.uuid4().hex)
        exchange.headers[REQUEST_ID_HEADER] = exchange.request_id
        scope["state"] = {"exchange": exchange}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                added = [(k.lower().encode(), v.encode()) for k, v in exchange.headers.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            await self._answer(scope, receive, answer, exchange)
        finally:
            exchange.update_metrics()
            exchange.log(scope["method"], (scope["client"] or ("",))[0])

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, exchange: RequestRecord
    ) -> None:
        try:
            await self._app(scope, receive, send)
            return
        except RequestError as error:
            refusal = error
        except HTTPException as error:  # the router's
            code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "REFUSED")
            refusal = RequestError(error.status_code, code, f"{error.detail}.", error.headers)
        except ClientDisconnect:
            exchange.error, exchange.status = "CLIENT_LEFT", 499
            return
        except Exception as error:
            telemetry.log_event(
                "fault", request_id=exchange.request_id, places=telemetry.error_locations(error)
            )
            refusal = RequestError(500, "INTERNAL_ERROR", "The server failed; its log tells where.")
        exchange.error = refusal.code
        if exchange.status == 0:
            await refusal.to_response(exchange.request_id)(scope, receive, send)
