"""What can go wrong, and where.

Every error that trimtab raises by itself is a :class:`TrimtabError`. Wrong arguments are
``TypeError`` and ``ValueError``, as everywhere in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = [
    "ManifestError",
    "MissingDependencyError",
    "ObservationError",
    "PolicyError",
    "Problem",
    "SimulationError",
    "StateError",
    "TraceError",
    "TrimtabError",
]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a text, and where; lines and columns count from 1."""

    message: str
    line: int | None = None
    column: int | None = None
    field: str | None = None
    help: str | None = None


class TrimtabError(Exception):
    """What trimtab could not do, and where it lies.

    ``str()`` of it is meant for people: of a refused document it shows the line in question.
    The attributes are those of the first problem; ``problems`` has all of them.
    """

    #: What was wrong, in one line.
    message: str
    #: The file, if it was read from one.
    file: str | None
    #: The line in the file or text, from 1.
    line: int | None
    #: The column in characters, from 1.
    column: int | None
    #: The path of the field, such as ``spec.maxReplicas``.
    field: str | None
    #: What would be right.
    help: str | None
    #: All that is wrong, at least one thing.
    problems: tuple[Problem, ...]

    def __init__(
        self,
        message: str,
        *,
        text: str | None = None,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        field: str | None = None,
        help: str | None = None,
        problems: tuple[tuple[Any, ...], ...] = (),
    ) -> None:
        """Take a message, and what is known of its place; ``text`` is what ``str()`` gives."""
        super().__init__(text if text is not None else message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.field = field
        self.help = help
        own = (Problem(message, line, column, field, help),)
        self.problems = tuple(Problem(*problem) for problem in problems) or own

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), str(self), self.__dict__))


def _restore(kind: type[TrimtabError], text: str, attributes: dict[str, Any]) -> TrimtabError:
    error = kind(attributes["message"], text=text)
    error.__dict__.update(attributes)
    return error


class PolicyError(TrimtabError, ValueError):
    """A policy document is refused."""


class ManifestError(TrimtabError, ValueError):
    """A manifest, a test file or a cluster's description is refused."""


class ObservationError(TrimtabError, ValueError):
    """An observation is not one, or does not fit the policy."""


class StateError(TrimtabError, ValueError):
    """What was stored is no state."""


class TraceError(TrimtabError, ValueError):
    """A trace, a scenario or another load can't be used."""


class SimulationError(TrimtabError, RuntimeError):
    """A backtest, a sweep or an evaluation can't be run."""


class MissingDependencyError(TrimtabError, ImportError):
    """A package is missing that only this function needs."""
