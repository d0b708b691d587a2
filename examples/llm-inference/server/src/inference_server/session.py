"""One request from its arrival to its end, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from .admission import QueueFullError, Sequence, TooLongError
from .server import Server

T = TypeVar("T")


class RefusedError(Exception):
    """The answer has no stream: its status, and what else the client is told."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class Session:
    """Holds a place in the engine until `close`, which counts how it ended."""

    def __init__(self, server: Server, prompt_tokens: int, max_tokens: int) -> None:
        self._server = server
        self._open = False
        self._first: int | None = None
        now = time.monotonic()
        deadline = now + server.settings.max_session_seconds
        self.sequence = Sequence(prompt_tokens, max_tokens, arrived=now, deadline=deadline)
        server.metrics.received.inc()
        refusal = self._submit()
        if refusal:
            server.metrics.requests.labels(str(refusal.status)).inc()
            raise refusal
        server.lifecycle.enter()
        self._open = True

    def _submit(self) -> RefusedError | None:
        if not self._server.lifecycle.is_ready:
            # Elsewhere is another replica: a kept connection would come here again.
            headers = {"retry-after": "1", "connection": "close"}
            return RefusedError(503, f"the server is {self._server.lifecycle.phase.value}", headers)
        try:
            self._server.engine.submit(self.sequence)
        except QueueFullError as error:
            return RefusedError(429, str(error), {"retry-after": str(error.retry_after_seconds)})
        except TooLongError:
            tokens = self._server.settings.kv_cache_tokens
            return RefusedError(400, f"prompt and max_tokens together are more than {tokens} tokens")
        return None

    async def first_token(self, request: Request) -> None:
        """Waits for it, or for the client to give up. The status is decided by then, and is the true one."""
        self._first = await self._while_connected(request, self.sequence.tokens.get())
        if self._first is None:
            self.close(504)
            raise RefusedError(504, "no first token in time")

    async def tokens(self) -> AsyncIterator[int]:
        """All of them, after `first_token`."""
        token = self._first
        while token is not None:
            yield token
            token = await self.sequence.tokens.get()
        self.close(200)

    async def whole(self, request: Request) -> list[int]:
        """All of them at once, after `first_token`."""

        async def collect() -> list[int]:
            return [token async for token in self.tokens()]

        return await self._while_connected(request, collect())

    async def _while_connected(self, request: Request, work: Coroutine[None, None, T]) -> T:
        """The work, unless the client goes away first. Nobody else may read from the connection meanwhile."""
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(disconnected(request))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise RefusedError(499, "the client has gone")
            return task.result()
        except BaseException:
            self.close(499)
            raise
        finally:
            task.cancel()
            gone.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    def close(self, status: int) -> None:
        """Frees its place at once. Only the first time counts."""
        if self._open:
            self._open = False
            self._server.engine.drop(self.sequence)
            self._server.metrics.requests.labels(str(status)).inc()
            self._server.lifecycle.leave()


class TokenStream(StreamingResponse):
    """Server-sent events of a session. A client that goes away frees its place, whatever it was doing."""

    def __init__(self, session: Session, events: Callable[[Session], AsyncIterator[str]]) -> None:
        super().__init__(
            events(session),
            media_type="text/event-stream",
            # A proxy that buffers makes a stream one late answer.
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._session.close(499)


async def disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
