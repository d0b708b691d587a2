"""From the start to the end: loading, ready, draining."""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Awaitable

from .metrics import Metrics


class Phase(enum.Enum):
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"


class Lifecycle:
    """What the probes ask, and what the end of the process waits for."""

    def __init__(self, metrics: Metrics) -> None:
        self.phase = Phase.LOADING
        self.failure: BaseException | None = None
        self._metrics = metrics
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_ready(self) -> bool:
        return self.phase is Phase.READY

    async def start(self, phases: dict[str, Awaitable[object]]) -> None:
        """Does one after the other, and is ready only after the last."""
        for name, work in phases.items():
            began = time.monotonic()
            await work
            self._metrics.startup.labels(name).set(time.monotonic() - began)
        # It may have been told to go before it ever was ready.
        if self.phase is Phase.LOADING:
            self.phase = Phase.READY

    def drain(self) -> None:
        """No new requests from now on."""
        self.phase = Phase.DRAINING

    def enter(self) -> None:
        self._requests += 1
        self._idle.clear()

    def leave(self) -> None:
        self._requests -= 1
        if self._requests == 0:
            self._idle.set()

    async def idle(self) -> None:
        """Until no request is left."""
        await self._idle.wait()
