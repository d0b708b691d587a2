"""The stand-in for a model: continuous batching in real time, with everything but the arithmetic."""

from __future__ import annotations

import asyncio
import time

from .admission import Admission, Sequence
from .metrics import Metrics
from .timing import Timing

# Tokens that one step reads at most; a longer prompt is read in several, and answers go on between them.
MAX_BATCHED_TOKENS = 2048


class Engine:
    """A loop of steps. Each reads some of the prompts and makes one token of every answer that has begun."""

    def __init__(self, admission: Admission, timing: Timing, metrics: Metrics) -> None:
        self.admission = admission
        self.timing = timing
        self.metrics = metrics
        self.last_step = time.monotonic()
        self._work = asyncio.Event()

    def submit(self, sequence: Sequence) -> None:
        """Raises what `Admission.submit` does."""
        self.admission.submit(sequence)
        if not self._work.is_set():
            self.last_step = time.monotonic()
            self._work.set()

    def drop(self, sequence: Sequence) -> None:
        self.admission.drop(sequence)

    def hangs(self, seconds: float) -> bool:
        """Whether there has been work for so long, and no step."""
        return bool(self.admission.running) and time.monotonic() - self.last_step > seconds

    async def run(self) -> None:
        """For ever."""
        while True:
            self._expire()
            if not self.admission.running:
                self._work.clear()
                await self._work.wait()
            await self._step()

    async def _step(self) -> None:
        batch = list(self.admission.running)
        answers = [sequence for sequence in batch if not sequence.reads]
        context = sum(sequence.read + sequence.generated for sequence in answers)
        seconds = self.timing.decode(len(answers), context)
        budget = MAX_BATCHED_TOKENS - len(answers)
        chunks: list[tuple[Sequence, int]] = []
        for sequence in batch:
            if sequence.reads and budget > 0:
                end = min(sequence.prompt_tokens, sequence.read + budget)
                seconds += self.timing.prefill(sequence.read, end)
                budget -= end - sequence.read
                chunks.append((sequence, end))
        await asyncio.sleep(seconds)
        now = time.monotonic()
        self.last_step = now
        # Whoever left during the step is in neither list any more.
        here = set(self.admission.running)
        for sequence in answers:
            if sequence in here:
                self._token(sequence, now)
                if sequence.measured:
                    self.metrics.token_time.observe(seconds)
        for sequence, end in chunks:
            if sequence in here:
                self._read(sequence, end, now)

    def _read(self, sequence: Sequence, end: int, now: float) -> None:
        if sequence.measured:
            self.metrics.prompt_tokens.inc(end - sequence.read)
        sequence.read = end
        if not sequence.reads:
            # The last chunk of a prompt brings the first token.
            if sequence.measured:
                self.metrics.ttft.observe(now - sequence.arrived)
            self._token(sequence, now)

    def _token(self, sequence: Sequence, now: float) -> None:
        sequence.tokens.put_nowait(sequence.generated)
        sequence.generated += 1
        if sequence.measured:
            self.metrics.generation_tokens.inc()
        if sequence.generated >= sequence.max_tokens:
            self._end(sequence, "length", now)

    def _expire(self) -> None:
        now = time.monotonic()
        for sequence in [*self.admission.running, *self.admission.waiting]:
            if now > sequence.deadline:
                self._end(sequence, "session_limit", now)

    def _end(self, sequence: Sequence, reason: str, now: float) -> None:
        sequence.finish_reason = reason
        self.admission.drop(sequence, now)
        sequence.tokens.put_nowait(None)
