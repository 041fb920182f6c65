"""The web application that each worker of serve.py runs.

POST /invocations, /ALIAS/invocations   predictions, as `mlflow models serve` returns them
GET  /model, /ALIAS/model               the active version, and why a newer one was refused
GET  /ping, /health                     200 if the worker is alive
GET  /ready                             200 if a model is loaded
GET  /metrics                           metrics for Prometheus
GET  /version                           the version of MLflow
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
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from serving import errors, telemetry
from serving.errors import RequestError
from serving.fast_predict import RowCounter
from serving.middleware import EXCEPTION_HANDLERS, RequestMiddleware
from serving.model_versions import AliasState, LoadedVersion, ModelVersions
from serving.request_body import BodyReader
from serving.settings import Settings
from serving.telemetry import RequestRecord
from serving.tokens import TokenFile

VERSION_HEADER, LOGGED_MODEL_HEADER = "X-Model-Version", "X-Logged-Model-Id"
Endpoint = Callable[[Request], Awaitable[Response]]
MIN_REFRESH_SECONDS = 1.0  # between refreshes caused by requests for unknown versions
# they write parts of requests into the log
SILENCED_LOGGERS = ("mlflow.models", "mlflow.pyfunc", "mlflow.types", "mlflow.utils", "asyncio")
SCORING_THREADS = 2  # more would only wait for each other: Python runs one thread at a time


def create_app() -> Starlette:
    """Create the application of a worker, with the settings that serve.py passed to it."""
    for name in SILENCED_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")  # they may contain parts of requests too
    worker = Worker(Settings.from_environment())
    app = Starlette(
        routes=worker.routes(),
        middleware=[Middleware(RequestMiddleware)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=worker.lifespan,
    )
    app.router.redirect_slashes = False
    return app


class Worker:
    """The endpoints of a worker, and its background tasks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models = ModelVersions(settings)
        self._tokens = TokenFile(Path(settings.token_file)) if settings.token_file else None
        self._body_reader = BodyReader(settings)
        self._refresh_thread = ThreadPoolExecutor(1, "refresh")
        self._metrics_thread = ThreadPoolExecutor(1, "metrics")  # scoring does not delay it
        self._no_refresh_until = 0.0
        self._in_flight = 0

    def routes(self) -> list[Route]:
        score, describe = self._with_token(self.score), self._with_token(self.describe_model)
        return [
            Route("/invocations", score, methods=["POST"]),
            Route("/{alias}/invocations", score, methods=["POST"]),
            Route("/model", describe),
            Route("/{alias}/model", describe),
            Route("/ping", self.ping),
            Route("/health", self.ping),
            Route("/ready", self.ready),
            Route("/metrics", self._with_token(self.metrics)),
            Route("/version", self._with_token(self.version)),
        ]

    def _with_token(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint for clients with a valid token, if the server requires tokens."""

        async def authenticate_first(request: Request) -> Response:
            record: RequestRecord = request.state.record
            record.route = request.scope["route"].path
            if self._tokens:
                client = self._tokens.authenticate(request.headers.get("Authorization", ""))
                if client is None:
                    message = "A token is required: send `Authorization: Bearer TOKEN`."
                    headers = {"WWW-Authenticate": "Bearer"}
                    raise RequestError(401, "UNAUTHORIZED", message, headers)
                record.caller = client
            return await endpoint(request)

        return authenticate_first

    async def score(self, request: Request) -> Response:
        record: RequestRecord = request.state.record
        state = self._models.alias_state(request.path_params.get("alias", ""))
        record.alias = state.alias
        loaded = await self._select(state, request.headers.get(VERSION_HEADER))
        record.version = loaded.version.model_id
        record.headers[VERSION_HEADER] = record.version
        record.headers[LOGGED_MODEL_HEADER] = loaded.version.logged_model_id
        content_type = request.headers.get("Content-Type", "")
        if not content_type:
            raise errors.content_type_error()
        if self._in_flight >= self._settings.max_in_flight:
            raise errors.busy_error()
        self._count_in_flight(1)
        task = asyncio.ensure_future(self._predict(request, loaded, content_type))
        task.add_done_callback(self._finish)  # may run after the response with status 504
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._settings.timeout_seconds)
        except TimeoutError as error:
            seconds = f"{self._settings.timeout_seconds:g}"
            message = f"The server did not finish within {seconds} seconds."
            raise RequestError(504, "TIMEOUT", message) from error

    async def _select(self, state: AliasState, model_id: str | None) -> LoadedVersion:
        """Select the version that scores a request.

        A client may request a version that was promoted since the last refresh. Such a request
        causes a refresh, but at most one every `MIN_REFRESH_SECONDS`.
        """
        is_unknown = model_id and not self._models.is_loaded(model_id)
        if is_unknown and time.monotonic() > self._no_refresh_until:
            self._no_refresh_until = time.monotonic() + MIN_REFRESH_SECONDS
            await self._refresh()
        return self._models.select(state, model_id)

    def _finish(self, task: "asyncio.Future[Response]") -> None:
        self._count_in_flight(-1)
        if not task.cancelled():
            task.exception()  # otherwise asyncio would log it, with parts of the request

    def _count_in_flight(self, change: int) -> None:
        self._in_flight += change
        telemetry.IN_FLIGHT.inc(change)

    async def _predict(
        self, request: Request, loaded: LoadedVersion, content_type: str
    ) -> Response:
        model = RowCounter(loaded.model)
        try:
            async with self._body_reader.read(request, content_type, loaded.columns) as body:
                response = await asyncio.to_thread(
                    scoring_server.invocations, body, content_type, model, loaded.input_schema
                )
        except (RequestError, ClientDisconnect, TimeoutError):
            raise
        except MlflowException as error:
            raise errors.bad_rows_error(error.message, loaded.columns) from error
        except Exception as error:
            if model.rows:
                raise
            # MLflow failed to parse the body, so the body is wrong and not the server
            raise errors.bad_rows_error("", loaded.columns) from error
        if response.status != 200:
            raise errors.content_type_error()
        request.state.record.rows = model.rows
        return Response(response.response, response.status, media_type=response.mimetype)

    async def describe_model(self, request: Request) -> Response:
        state = self._models.alias_state(request.path_params.get("alias", ""))
        content: dict[str, Any] = {"alias": state.alias, "refused": state.refusal, "version": None}
        if loaded := state.active:
            content |= {
                "name": loaded.version.name,
                "version": loaded.version.number,
                "model_version": loaded.version.model_id,
                "logged_model_id": loaded.version.logged_model_id,
                "run_id": loaded.run_id,
                "signature": loaded.signature,
                "threshold": loaded.version.threshold,
                "uses_scorecard": loaded.model.uses_scorecard,
                "words": self._settings.outcome_labels,
                "loaded_at": loaded.loaded_at.isoformat(timespec="seconds"),
            }
        return JSONResponse(content)

    async def ping(self, _request: Request) -> Response:
        return PlainTextResponse("\n")

    async def ready(self, _request: Request) -> Response:
        if not self._models.is_ready:
            raise RequestError(503, "NOT_READY", "No model is loaded: GET /model shows why.")
        return PlainTextResponse("\n")

    async def metrics(self, _request: Request) -> Response:
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(self._metrics_thread, telemetry.render_metrics)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def version(self, _request: Request) -> Response:
        return PlainTextResponse(mlflow.__version__)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Load the models, then run the background tasks until the server stops."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(SCORING_THREADS, "scoring"))
        telemetry.remove_dead_workers()
        with self._refresh_thread:
            await self._refresh()
            tasks = [
                asyncio.create_task(self._refresh_regularly()),
                asyncio.create_task(self._stop_with_supervisor()),
            ]
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._refresh_thread, self._models.refresh)

    async def _refresh_regularly(self) -> None:
        logged_error = ""
        while True:
            await asyncio.sleep(self._settings.refresh_seconds)
            await self._refresh()
            if not self._tokens:
                continue
            self._tokens.refresh()
            if self._tokens.error != logged_error:
                logged_error = self._tokens.error
                telemetry.log_event("tokens", why=logged_error or "read again")

    async def _stop_with_supervisor(self) -> None:
        """Stop this worker when its supervisor is gone, so that the port becomes free."""
        while os.getppid() == self._settings.supervisor_pid:
            await asyncio.sleep(MIN_REFRESH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
