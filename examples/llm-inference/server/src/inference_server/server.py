"""Everything that one process has, and how it starts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI

from .admission import Admission, Sequence
from .engine import Engine
from .kv_cache import KvCache
from .lifecycle import Lifecycle
from .metrics import Metrics
from .settings import Settings
from .timing import Timing


class Server:
    """The parts, put together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.lifecycle = Lifecycle(self.metrics)
        cache = KvCache(settings.kv_cache_tokens)
        self.admission = Admission(settings.max_concurrency, settings.queue_limit, cache)
        self.engine = Engine(self.admission, Timing(speed=settings.speed), self.metrics)
        self.metrics.follow(self.metrics.waiting, lambda: len(self.admission.waiting))
        self.metrics.follow(self.metrics.running, lambda: len(self.admission.running))
        self.metrics.follow(self.metrics.kv_cache_usage, lambda: cache.usage)
        self.metrics.follow(self.metrics.ready, lambda: float(self.lifecycle.is_ready))

    @contextlib.asynccontextmanager
    async def life(self, _: FastAPI) -> AsyncIterator[None]:
        """Loading goes on behind: the port is open meanwhile, and the probes are answered."""
        tasks = [asyncio.create_task(self.engine.run()), asyncio.create_task(self._start())]
        for task in tasks:
            task.add_done_callback(self._remember_failure)
        yield
        for task in tasks:
            task.cancel()

    async def _start(self) -> None:
        await self.lifecycle.start(
            {
                "weights": asyncio.sleep(self.settings.model_load_seconds),
                "context": asyncio.sleep(self.settings.context_seconds),
                "dummy_inference": self._dummy_inference(),
            }
        )

    async def _dummy_inference(self) -> None:
        """The first request pays for what is compiled and allocated late; so it is nobody's."""
        dummy = Sequence(prompt_tokens=16, max_tokens=2, arrived=time.monotonic(), measured=False)
        self.engine.submit(dummy)
        while await dummy.tokens.get() is not None:
            pass

    def _remember_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            self.lifecycle.failure = task.exception()
