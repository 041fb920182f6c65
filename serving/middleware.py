"""What every request gets: an id, a log line, metrics, and error responses in one format."""

import uuid

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import telemetry
from serving.errors import RequestError
from serving.telemetry import RequestRecord

REQUEST_ID_HEADER = "X-Request-ID"
ROUTING_ERRORS = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}  # error codes by status


class RequestMiddleware:
    """ASGI middleware that puts a `RequestRecord` into the state of each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(uuid.uuid4().hex)
        record.headers[REQUEST_ID_HEADER] = record.request_id
        scope["state"] = {"record": record}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                added = [(k.lower().encode(), v.encode()) for k, v in record.headers.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            response = await handle_error(Request(scope), error)
            if record.status == 0:
                await response(scope, receive, send_with_headers)
        finally:
            record.update_metrics()
            record.log(scope["method"], (scope["client"] or ("",))[0])


async def handle_error(request: Request, error: Exception) -> Response:
    """The response for an exception that the router or an endpoint has raised."""
    record: RequestRecord = request.state.record
    if isinstance(error, ClientDisconnect):
        record.error = "CLIENT_LEFT"
        return Response(status_code=499)  # seen only in the log and the metrics
    if isinstance(error, HTTPException):
        code = ROUTING_ERRORS.get(error.status_code, "REFUSED")
        error = RequestError(error.status_code, code, f"{error.detail}.", error.headers)
    elif not isinstance(error, RequestError):
        locations = telemetry.error_locations(error)
        telemetry.log_event("fault", request_id=record.request_id, places=locations)
        error = RequestError(500, "INTERNAL_ERROR", "The server failed: its log shows where.")
    record.error = error.code
    return error.to_response(record.request_id)


# Starlette calls the handler for these; all other exceptions reach the middleware
EXCEPTION_HANDLERS = dict.fromkeys((RequestError, HTTPException, ClientDisconnect), handle_error)
