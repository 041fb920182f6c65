"""Bodies of the requests that a worker is at work on: received, limited, in bounded memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request

from serving import body_limits, errors
from serving.settings import Settings

SMALL, LARGE = 2**14, 2**20  # bytes of a body
BODIES_AT_ONCE = 2  # as many times --max-body may be held by all requests of a worker


class BodyReader:
    """What all requests of one worker hold together."""

    def __init__(self, settings: Settings) -> None:
        self._most_bytes = settings.max_body
        self._seconds = settings.timeout
        self._limits = body_limits.BodyLimits(settings.max_rows, settings.max_body)
        self._held_bytes = 0
        self._large = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def body(
        self, request: Request, content_type: str, columns: Sequence[str]
    ) -> AsyncIterator[bytes]:
        """The body of a request for the model with these columns, held until the `with` ends.

        Raises:
            Refusal: it is too large, alone or together with others, or is no body of rows.
            TimeoutError: it did not come, or waited for others, until `--timeout`.
        """
        held: list[bytes] = []
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._receive(request, held)
            limited = [await self._limited(b"".join(held), content_type, columns, deadline)]
            self._release(held)
            # rewritten, numbers may be longer: more than all may hold is too much for ever
            errors.check_body_size(len(limited[0]), self._most_bytes * BODIES_AT_ONCE)
            self._hold(held, limited.pop())
            async with self._turn(len(held[0]) > LARGE, deadline):
                yield held[0]
        finally:
            self._release(held)

    async def _receive(self, request: Request, held: list[bytes]) -> None:
        with contextlib.suppress(ValueError):
            size = int(request.headers.get("Content-Length", "0"))
            errors.check_body_size(size, self._most_bytes)
        size = 0
        async for piece in request.stream():
            size += len(piece)
            errors.check_body_size(size, self._most_bytes)
            self._hold(held, piece)

    async def _limited(
        self, body: bytes, content_type: str, columns: Sequence[str], deadline: float
    ) -> bytes:
        """The body, once its data frame is known not to be too large."""
        if len(body) <= SMALL and content_type.startswith(body_limits.JSON):
            return body_limits.apply_limits(body, content_type, columns, self._limits)
        is_parquet = content_type.startswith(body_limits.PARQUET)  # a small body may hold much
        async with self._turn(len(body) > LARGE or is_parquet, deadline):
            return await asyncio.to_thread(
                body_limits.apply_limits, body, content_type, columns, self._limits
            )

    @contextlib.asynccontextmanager
    async def _turn(self, is_large: bool, deadline: float) -> AsyncIterator[None]:
        """Large bodies take turns: each may need much memory."""
        if not is_large:
            yield
            return
        async with asyncio.timeout_at(deadline):
            await self._large.acquire()
        try:
            yield
        finally:
            self._large.release()

    def _hold(self, held: list[bytes], piece: bytes) -> None:
        """Count what a request holds.

        Raises:
            Refusal: all requests of this worker together hold too much.
        """
        held.append(piece)
        self._held_bytes += len(piece)
        del piece  # otherwise the traceback of the refusal keeps it
        if self._held_bytes > self._most_bytes * BODIES_AT_ONCE:
            raise errors.busy_error()

    def _release(self, held: list[bytes]) -> None:
        self._held_bytes -= sum(map(len, held))
        held.clear()
