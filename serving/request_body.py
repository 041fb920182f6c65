"""Reading the bodies of a worker's requests within limits of size, time and memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request

from serving import body_limits, errors
from serving.settings import Settings

SMALL_BYTES, LARGE_BYTES = 2**14, 2**20
BODIES_IN_MEMORY = 2  # all requests of a worker together may hold this multiple of --max-body


class BodyReader:
    """Reads bodies for all requests of one worker, and counts how much memory they hold."""

    def __init__(self, settings: Settings) -> None:
        self._max_bytes = settings.max_body_bytes
        self._timeout = settings.timeout_seconds
        self._limits = body_limits.BodyLimits(settings.max_rows, settings.max_body_bytes)
        self._held_bytes = 0
        self._large_body_lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def read(
        self, request: Request, content_type: str, columns: Sequence[str]
    ) -> AsyncIterator[bytes]:
        """Read the body of a request to a model with these columns.

        The body counts towards the memory limit until the context ends.

        Raises:
            RequestError: it exceeds a limit, alone or together with others, or has no valid rows.
            TimeoutError: receiving it or waiting for other bodies took longer than `--timeout`.
        """
        held: list[bytes] = []
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._receive(request, held)
            rewritten = [await self._apply_limits(b"".join(held), content_type, columns, deadline)]
            self._release(held)
            # rewriting can make numbers longer: retrying would not help if this exceeds the total
            errors.check_body_size(len(rewritten[0]), self._max_bytes * BODIES_IN_MEMORY)
            self._hold(held, rewritten.pop())
            async with self._large_body_turn(len(held[0]) > LARGE_BYTES, deadline):
                yield held[0]
        finally:
            self._release(held)

    async def _receive(self, request: Request, held: list[bytes]) -> None:
        with contextlib.suppress(ValueError):
            size = int(request.headers.get("Content-Length", "0"))
            errors.check_body_size(size, self._max_bytes)
        size = 0
        async for piece in request.stream():
            size += len(piece)
            errors.check_body_size(size, self._max_bytes)
            self._hold(held, piece)

    async def _apply_limits(
        self, body: bytes, content_type: str, columns: Sequence[str], deadline: float
    ) -> bytes:
        """Apply the limits in a thread, except to bodies that take hardly any time."""
        if len(body) <= SMALL_BYTES and content_type.startswith(body_limits.JSON):
            return body_limits.apply_limits(body, content_type, columns, self._limits)
        # a small Parquet body can decompress to a large one
        is_large = len(body) > LARGE_BYTES or content_type.startswith(body_limits.PARQUET)
        async with self._large_body_turn(is_large, deadline):
            return await asyncio.to_thread(
                body_limits.apply_limits, body, content_type, columns, self._limits
            )

    @contextlib.asynccontextmanager
    async def _large_body_turn(self, is_large: bool, deadline: float) -> AsyncIterator[None]:
        """Process large bodies one at a time, as each may need a lot of memory."""
        if not is_large:
            yield
            return
        async with asyncio.timeout_at(deadline):
            await self._large_body_lock.acquire()
        try:
            yield
        finally:
            self._large_body_lock.release()

    def _hold(self, held: list[bytes], piece: bytes) -> None:
        """Add a piece to what a request holds.

        Raises:
            RequestError: all requests of this worker together hold too much.
        """
        held.append(piece)
        self._held_bytes += len(piece)
        del piece  # otherwise the error's traceback would keep it in memory
        if self._held_bytes > self._max_bytes * BODIES_IN_MEMORY:
            raise errors.busy_error()

    def _release(self, held: list[bytes]) -> None:
        self._held_bytes -= sum(map(len, held))
        held.clear()
