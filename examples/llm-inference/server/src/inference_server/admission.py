"""Who runs, who waits, and who is turned away. No clock and no I/O."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field

from .kv_cache import KvCache


class TooLongError(Exception):
    """The request could never run, however long it waits."""


class QueueFullError(Exception):
    """The request may come again later."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("the queue is full")
        self.retry_after_seconds = retry_after_seconds


@dataclass(eq=False)
class Sequence:
    """One request: its prompt, what it may generate, and how far it is."""

    prompt_tokens: int
    max_tokens: int
    arrived: float
    deadline: float = math.inf
    # The dummy request of the warm-up is in no metric.
    measured: bool = True
    read: int = 0
    generated: int = 0
    finish_reason: str | None = None
    # The number of each token as it is made, and None at the end.
    tokens: asyncio.Queue[int | None] = field(default_factory=asyncio.Queue)

    @property
    def most_tokens(self) -> int:
        return self.prompt_tokens + self.max_tokens

    @property
    def reads(self) -> bool:
        return self.read < self.prompt_tokens


class Admission:
    """First come, first served: a batch of so many, bounded by the KV cache, and a queue of so many."""

    def __init__(self, max_concurrency: int, queue_limit: int, cache: KvCache) -> None:
        self.max_concurrency = max_concurrency
        self.queue_limit = queue_limit
        self.cache = cache
        self.running: list[Sequence] = []
        self.waiting: deque[Sequence] = deque()
        self._seconds_per_request = 1.0

    def submit(self, sequence: Sequence) -> None:
        """Runs it, or lets it wait; an error turns it away."""
        if not self.cache.ever_fits(sequence.most_tokens):
            raise TooLongError
        if not self.waiting and self._start(sequence):
            return
        if len(self.waiting) >= self.queue_limit:
            raise QueueFullError(self.retry_after_seconds())
        self.waiting.append(sequence)

    def drop(self, sequence: Sequence, now: float | None = None) -> None:
        """It is done, or nobody wants it: its room is free at once. Nothing if it has gone already."""
        if sequence in self.running:
            self.running.remove(sequence)
            self.cache.give_back(sequence.most_tokens)
            if now is not None:
                took = max(now - sequence.arrived, 0.0)
                self._seconds_per_request += 0.1 * (took - self._seconds_per_request)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)
        self.advance()

    def advance(self) -> None:
        """Starts those who waited longest while there is room. Nobody overtakes, however short."""
        while self.waiting and self._start(self.waiting[0]):
            self.waiting.popleft()

    def retry_after_seconds(self) -> int:
        """When those who wait will have started, roughly: a batch leaves in about the time of a request."""
        batches = len(self.waiting) / self.max_concurrency
        return max(1, min(60, math.ceil(batches * self._seconds_per_request)))

    def _start(self, sequence: Sequence) -> bool:
        room = len(self.running) < self.max_concurrency and self.cache.take(sequence.most_tokens)
        if room:
            self.running.append(sequence)
        return room
