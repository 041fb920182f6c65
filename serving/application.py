"""The application that each worker of serve.py runs: MLflow's own for each version, guarded.

POST /invocations, /ALIAS/invocations   scores, as `mlflow models serve` gives them
GET  /model, /ALIAS/model               which version answers, and why a newer one does not
GET  /ping, /health                     is it alive
GET  /ready                             is a model loaded
GET  /metrics                           for Prometheus
GET  /version                           MLflow's
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from serving import errors, fast_predict, telemetry
from serving.errors import RequestError
from serving.middleware import RequestMiddleware
from serving.model_versions import AliasState, LoadedVersion, ModelVersions
from serving.request_body import BodyReader
from serving.settings import Settings
from serving.telemetry import RequestRecord
from serving.tokens import TokenFile

VERSION, LOGGED_MODEL = "X-Model-Version", "X-Logged-Model-Id"
Endpoint = Callable[[Request], Awaitable[Response]]
MIN_REFRESH_SECONDS = 1.0  # that requests for a version which is not here may cause
# they write what was sent into the log
SILENCED_LOGGERS = ("mlflow.models", "mlflow.pyfunc", "mlflow.types", "mlflow.utils", "asyncio")
SCORING_THREADS = 2  # more of them would only wait for each other's turn with the interpreter


class Application:
    """One worker's; an ASGI application, which raises what it refuses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._deck = ModelVersions(settings)
        self._tokens = TokenFile(Path(settings.tokens)) if settings.tokens else None
        self._looking = ThreadPoolExecutor(1, "looking")
        self._telling = ThreadPoolExecutor(1, "telling")  # not behind what is being scored
        self._next_look = 0.0
        self._at_work = 0
        self._intake = BodyReader(settings)
        scoring, telling = self._guarded(self.scores), self._guarded(self.model)
        self._router = Router(
            [
                Route("/invocations", scoring, methods=["POST"]),
                Route("/{alias}/invocations", scoring, methods=["POST"]),
                Route("/model", telling),
                Route("/{alias}/model", telling),
                Route("/ping", self.ping),
                Route("/health", self.ping),
                Route("/ready", self.ready),
                Route("/metrics", self._guarded(self.metrics)),
                Route("/version", self._guarded(self.version)),
            ],
            redirect_slashes=False,
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self  # so that the router raises what it refuses
        await self._router(scope, receive, send)

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        """Only for holders of a token, where tokens are asked for."""

        async def guarded(request: Request) -> Response:
            exchange: RequestRecord = request.state.exchange
            exchange.route = request.scope["route"].path
            if self._tokens:
                holder = self._tokens.authenticate(request.headers.get("Authorization", ""))
                if holder is None:
                    raise RequestError(
                        401, "UNAUTHORIZED", "Send a token: Authorization: Bearer TOKEN.",
                        {"WWW-Authenticate": "Bearer"},
                    )  # fmt: skip
                exchange.caller = holder
            return await endpoint(request)

        return guarded

    async def scores(self, request: Request) -> Response:
        exchange: RequestRecord = request.state.exchange
        slot = self._deck.slot(request.path_params.get("alias", ""))
        exchange.alias = slot.alias
        loaded = await self._answering(slot, request.headers.get(VERSION))
        exchange.version = loaded.version.model_id
        exchange.headers |= {
            VERSION: exchange.version,
            LOGGED_MODEL: loaded.version.logged_model_id,
        }
        kind = request.headers.get("Content-Type", "")
        if not kind:
            raise RequestError(
                415, "CONTENT_TYPE", f"Send a Content-Type: {errors.SUPPORTED_CONTENT_TYPES}."
            )
        if self._at_work >= self._settings.in_flight:
            raise errors.busy_error()
        self._count(1)
        work = asyncio.ensure_future(self._score(request, loaded, kind))
        work.add_done_callback(self._done)  # which may be after its caller was told to give up
        try:
            return await asyncio.wait_for(asyncio.shield(work), self._settings.timeout)
        except TimeoutError as error:
            seconds = f"{self._settings.timeout:g}"
            raise RequestError(504, "TIMEOUT", f"No answer within {seconds} seconds.") from error

    async def _answering(self, slot: AliasState, wanted: str | None) -> LoadedVersion:
        """What is to answer; the registry is asked for a version that is not here, but not often.

        Whoever just promoted a version may ask for it before the next look.
        """
        if wanted and not self._deck.has(wanted) and time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + MIN_REFRESH_SECONDS
            await self._look()
        return self._deck.answering(slot, wanted)

    async def _look(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._looking, self._deck.look)

    def _done(self, work: "asyncio.Future[Response]") -> None:
        self._count(-1)
        if not work.cancelled():
            work.exception()  # else asyncio complains, with what was sent, where nobody waits

    def _count(self, by: int) -> None:
        self._at_work += by
        telemetry.IN_FLIGHT.inc(by)

    async def _score(self, request: Request, loaded: LoadedVersion, kind: str) -> Response:
        rows: list[int] = []
        fast_predict.scored.set(rows)
        try:
            async with self._intake.body(request, kind, loaded.columns) as body:
                status, headers, content = await asked(loaded, kind, body)
        except (RequestError, ClientDisconnect, TimeoutError):
            raise
        except Exception as error:
            if rows:
                raise
            # it came while MLflow read the body: nothing that it expects, nor a fault of ours
            raise errors.bad_rows_error(b"", loaded.columns) from error
        if status == 200:
            request.state.exchange.rows = sum(rows)
            return Response(content, status, media_type=headers.get("content-type"))
        if status == 415:
            raise RequestError(
                415, "CONTENT_TYPE", f"Send {errors.SUPPORTED_CONTENT_TYPES}, in UTF-8."
            )
        raise errors.bad_rows_error(content, loaded.columns)

    async def model(self, request: Request) -> Response:
        return JSONResponse(self._told(self._deck.slot(request.path_params.get("alias", ""))))

    def _told(self, slot: AliasState) -> dict[str, Any]:
        told: dict[str, Any] = {"alias": slot.alias, "refused": slot.refused, "version": None}
        if loaded := slot.loaded:
            told |= {
                "name": loaded.version.name,
                "version": loaded.version.number,
                "model_version": loaded.version.model_id,
                "logged_model_id": loaded.version.logged_model_id,
                "run_id": loaded.run_id,
                "signature": loaded.signature,
                "threshold": loaded.version.threshold,
                "words": self._settings.words,
                "loaded_at": loaded.loaded_at.isoformat(timespec="seconds"),
            }
        return told

    async def ping(self, _request: Request) -> Response:
        return PlainTextResponse("\n")

    async def ready(self, _request: Request) -> Response:
        if not self._deck.ready:
            raise RequestError(503, "NOT_READY", "No model is loaded; GET /model tells why.")
        return PlainTextResponse("\n")

    async def metrics(self, _request: Request) -> Response:
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(self._telling, telemetry.render_metrics)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def version(self, _request: Request) -> Response:
        return PlainTextResponse(mlflow.__version__)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Any) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(SCORING_THREADS, "scoring"))
        telemetry.remove_dead_workers()
        with self._looking:
            await self._look()
            tasks = [
                asyncio.create_task(self._look_again_and_again()),
                asyncio.create_task(self._end_with_the_supervisor()),
            ]
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_again_and_again(self) -> None:
        told = ""
        while True:
            await asyncio.sleep(self._settings.refresh)
            await self._look()
            if not self._tokens:
                continue
            self._tokens.refresh()
            if self._tokens.error != told:
                told = self._tokens.error
                telemetry.log_event("tokens", why=told or "read again")

    async def _end_with_the_supervisor(self) -> None:
        """It may be killed, and would leave its port to us for ever."""
        while os.getppid() == self._settings.supervisor:
            await asyncio.sleep(MIN_REFRESH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)


async def asked(loaded: LoadedVersion, kind: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """What MLflow's scoring application answers to a body: status, headers, content."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/invocations", "raw_path": b"/invocations", "root_path": "",
        "query_string": b"", "headers": [(b"content-type", kind.encode("latin-1"))],
        "client": None, "server": None,
    }  # fmt: skip
    sent: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    got: list[Message] = []

    async def receive() -> Message:
        return sent.pop() if sent else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        got.append(message)

    await loaded.app(scope, receive, send)
    headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in got[0]["headers"]}
    return got[0]["status"], headers, b"".join(m.get("body", b"") for m in got[1:])


def create() -> RequestMiddleware:
    """A worker's application, by the settings that serve.py left for it."""
    for noisy in SILENCED_LOGGERS:
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")  # likewise
    return RequestMiddleware(Application(Settings.from_environment()))
