"""What came of simulations on a cluster: a row each, failed ones included."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trimtab import _frames
from trimtab._runs import Run
from trimtab.ray import _tasks

__all__ = ["Results", "Row", "mark_front"]


@dataclass(frozen=True)
class Row:
    """One policy on one load, with one lead time and one seed."""

    seed: int
    #: The name of what arrived.
    workload: str
    #: How long a start took; as it was given, where nothing ran.
    lead_time: str | float | None
    policy: str
    #: The fields that a sweep set, by path.
    tuning: dict[str, str]
    #: What :func:`trimtab.backtest` tells of it; ``None`` where it failed.
    run: Run | None = field(repr=False)
    #: Why it failed.
    error: str | None

    def row(self) -> dict[str, Any]:
        """Give it as a row of a table: that of the run, with the seed and the error."""
        if self.run is not None:
            return {"seed": self.seed, **self.run.row(), "error": None}
        lead_time = self.lead_time if self.lead_time is None else str(self.lead_time)
        row = {"seed": self.seed, "workload": self.workload, "lead_time": lead_time}
        return {**row, "policy": self.policy, **self.tuning, "error": self.error}


class Results(_frames.Tabular, Sequence[Row]):
    """All rows, one per simulation, in the order of seeds, loads, lead times and policies."""

    def __init__(self, rows: Sequence[Row], promised: tuple[float, ...] = ()) -> None:
        self._rows = tuple(rows)
        #: The share that each objective promises.
        self.promised = promised

    @property
    def failed(self) -> list[Row]:
        """Those without a result."""
        return [row for row in self._rows if row.error is not None]

    def rows(self) -> list[dict[str, Any]]:
        """Give all rows as dictionaries."""
        return [row.row() for row in self._rows]

    def to_dataset(self) -> Any:
        """Give a row per simulation as a Ray Dataset."""
        _tasks.start()
        data = _frames.require("ray.data", "`to_dataset`")
        return data.from_arrow(self.to_arrow())

    def _columns(self) -> dict[str, list[Any]]:
        rows = self.rows()
        names = dict.fromkeys(name for row in rows for name in row if name != "error")
        return {name: [row.get(name) for row in rows] for name in (*names, "error")}

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Results) and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Results: {len(self)} rows, {len(self.failed)} failed>"


def mark_front(rows: Sequence[Row], cases: Sequence[Hashable]) -> list[Row]:
    """Say of each run whether no other in the same case attains as much for less.

    A worker does not know what the others did.
    """
    worths: dict[Hashable, list[tuple[float, float]]] = {}
    for row, case in zip(rows, cases, strict=True):
        if row.run is not None:
            worths.setdefault(case, []).append(_worth(row.run))
    return [
        row if row.run is None else replace(row, run=_marked(row.run, worths[case]))
        for row, case in zip(rows, cases, strict=True)
    ]


def _worth(run: Run) -> tuple[float, float]:
    return (run.attainment[0] if run.attainment else 0.0, run.cost)


def _marked(run: Run, others: Sequence[tuple[float, float]]) -> Run:
    share, cost = _worth(run)
    beaten = any(
        theirs >= share and price <= cost and (theirs > share or price < cost)
        for theirs, price in others
    )
    return replace(run, on_front=not beaten)
