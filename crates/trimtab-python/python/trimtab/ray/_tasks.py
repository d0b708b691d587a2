"""Many tasks on Ray: one is done again where its worker died, and none takes others along."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TextIO, TypeVar

from trimtab import _frames

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a task."""

    index: int
    """Which one it was."""
    value: T | None
    """What it returned; ``None`` where it failed."""
    error: str | None
    """Why it failed for good."""


class Progress(Protocol):
    """Who hears how far the tasks have come."""

    def __call__(self, done: int, total: int, failed: int) -> None:
        """So many of them are done, failed ones included."""


@dataclass(frozen=True)
class Task:
    """A call: what is shared among many is a reference to Ray's object store."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def start() -> Any:
    """Ray, connected to a cluster; one on this machine where there is none."""
    ray = load()
    if not ray.is_initialized():
        # `RAY_ADDRESS` names another.
        ray.init(log_to_driver=False, configure_logging=False)
    return ray


def load() -> Any:
    """Import the module, which has no types."""
    return _frames.require("ray", "`trimtab.ray`")


def run(
    tasks: Sequence[Task],
    *,
    retries: int = 3,
    num_cpus: float = 1.0,
    most_in_flight: int | None = None,
    progress: Progress | None = None,
) -> list[Outcome[Any]]:
    """Do them, and give what came of each in their order.

    A task whose worker or node is lost is done again, up to ``retries`` times. One that raises is
    not: it would raise again. Tasks are handed over as others are done, so a long list needs no
    more memory than a short one; Ray has ``most_in_flight`` at once, or twice its CPUs.
    """
    ray = start()
    remote = ray.remote(_call).options(
        max_retries=retries, num_cpus=num_cpus, name="trimtab", retry_exceptions=False
    )
    if most_in_flight is None:
        cpus = ray.cluster_resources().get("CPU", 1.0)
        most_in_flight = max(4, int(2 * cpus / max(num_cpus, 0.1)))
    outcomes: list[Outcome[Any] | None] = [None] * len(tasks)
    waiting = iter(enumerate(tasks))
    flying: dict[Any, int] = {}
    failed = 0
    try:
        while True:
            for index, task in waiting:
                flying[remote.remote(task.function, *task.arguments)] = index
                if len(flying) >= most_in_flight:
                    break
            if not flying:
                break
            for reference in _done(ray, flying):
                outcome = _outcome(ray, reference, flying.pop(reference))
                outcomes[outcome.index] = outcome
                failed += outcome.error is not None
            if progress is not None:
                done = sum(outcome is not None for outcome in outcomes)
                progress(done, len(tasks), failed)
    finally:
        for reference in flying:
            ray.cancel(reference, force=True)
    return [outcome for outcome in outcomes if outcome is not None]


def _done(ray: Any, flying: Iterable[Any]) -> list[Any]:
    done, _ = ray.wait(list(flying), num_returns=1)
    return list(done)


def _outcome(ray: Any, reference: Any, index: int) -> Outcome[Any]:
    try:
        value, error = ray.get(reference)
    except ray.exceptions.RayError as lost:
        return Outcome(index, None, f"{type(lost).__name__}: {_first_line(lost)}")
    return Outcome(index, value, error)


def _call(function: Callable[..., Any], *arguments: Any) -> tuple[Any, str | None]:
    """In the worker. What it raises is told as text, since not every exception can be sent."""
    try:
        return function(*arguments), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no reason given"


class Line:
    """One line that says how far it is, on a terminal; elsewhere a line every ten seconds."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._told = time.monotonic()

    def __call__(self, done: int, total: int, failed: int) -> None:
        """See :class:`Progress`."""
        terminal = self._out.isatty()
        now = time.monotonic()
        if not terminal and now - self._told < 10 and done < total:
            return
        self._told = now
        text = f"{done} of {total} simulated"
        if failed:
            text += f", {failed} failed"
        self._out.write(f"\r{text}" if terminal else f"{text}\n")
        if terminal and done == total:
            self._out.write("\n")
        self._out.flush()
