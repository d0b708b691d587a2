"""Policies tried out on simulated GPU servers: `backtest` and `sweep`, and what comes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trimtab import _core, _frames
from trimtab._arguments import (
    Document,
    Load,
    Policies,
    Progress,
    field_text,
    loads,
    named,
    setting,
)
from trimtab._core import Policy
from trimtab._runs import Comparison, Run, comparison_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Backtest", "Sweep", "backtest", "sweep"]


class Backtest(_frames.Tabular):
    """What came of a backtest: every policy on every workload at every lead time, a row per run."""

    def __init__(self, core: _core.Backtest) -> None:
        """Take what the core computed; :func:`backtest` does it."""
        self._core = core

    @cached_property
    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._core.to_json())
        return document

    @property
    def settings(self) -> dict[str, Any]:
        """What was assumed."""
        settings: dict[str, Any] = self._document["settings"]
        return settings

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """One per workload and lead time."""
        return tuple(map(comparison_of, self._document["comparisons"]))

    @property
    def runs(self) -> list[Run]:
        """All runs, comparison by comparison."""
        return [run for comparison in self.comparisons for run in comparison.runs]

    @property
    def met(self) -> bool:
        """Whether every policy met every objective."""
        return all(all(run.met) for run in self.runs)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what :meth:`to_json` or ``trimtab backtest --json`` wrote."""
        return cls(_core.Backtest.from_json(text))

    def to_json(self) -> str:
        """Give the whole as JSON, the same as ``trimtab backtest --json``."""
        return self._core.to_json()

    def to_dict(self) -> dict[str, Any]:
        """Give the whole as plain values."""
        document: dict[str, Any] = json.loads(self._core.to_json())
        return document

    def to_html(self) -> str:
        """Give the report, one page that needs no other file, as ``--report`` does."""
        return self._core.to_html()

    def to_svg(self, comparison: int = 0) -> str:
        """Draw a comparison, as ``--plot`` does."""
        return self._core.to_svg(comparison)

    def to_text(self, width: int = 100) -> str:
        """Give the table that the command prints."""
        return self._core.to_text(width)

    def _columns(self) -> dict[str, list[Any]]:
        rows = [run.row() for run in self.runs]
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}

    def plot(self, comparison: int = 0, *, ax: Any = None) -> Any:
        """Draw attainment over cost with matplotlib, and give the axes."""
        pyplot = _frames.require("matplotlib.pyplot", "`plot`")
        shown = self.comparisons[comparison]
        if ax is None:
            ax = pyplot.subplots()[1]
        for run in shown.runs:
            marker = "o" if run.on_front else "."
            ax.plot(run.cost, 100 * run.attainment[0], marker, label=_label(run))
        ax.axvline(shown.bound_cost, linestyle=":", color="gray", label="bound")
        objective = self.settings["objectives"][0]
        ax.axhline(100 * objective["share"], linestyle="--", color="gray")
        ax.set_xlabel(f"cost in {self.settings['costUnit']}")
        within = f"{objective['seconds']:g} s {objective['measure'].upper()}"
        ax.set_ylabel(f"requests within {within}, in %")
        # More than all there is not.
        ax.set_ylim(top=min(ax.get_ylim()[1], 100.5))
        ax.set_title(f"{shown.workload['name']}, lead time {shown.lead_time}")
        ax.legend()
        return ax

    def __repr__(self) -> str:
        runs = sum(len(comparison.runs) for comparison in self.comparisons)
        return f"<{type(self).__name__}: {len(self.comparisons)} comparisons, {runs} runs>"

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return "".join(self.to_svg(index) for index in range(len(self.comparisons)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backtest) and self._core == other._core

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).from_json, (self.to_json(),))


class Sweep(Backtest):
    """What came of tunings of policies."""

    _best: tuple[dict[str, Policy], ...] | None = None

    def best(self, comparison: int = 0) -> dict[str, Policy]:
        """Give the best tuning of each policy by its name.

        The best is the cheapest that meets every objective, or else the one that comes nearest.
        Raises ``ValueError`` for a sweep that was read from JSON, which has no policies.
        """
        if self._best is None:
            raise ValueError("JSON has no policies: the best are known to what `sweep` returned")
        return dict(self._best[comparison])

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__(), {"_best": self._best})


def backtest(
    policies: Policies,
    load: Load | Iterable[Load] = "diurnal",
    *,
    objectives: Sequence[str] = ("ttft<=2s@99%",),
    profile: Document = "llama-3.1-8b-a100",
    cluster: Document | None = None,
    lead_times: float | Sequence[float] = (),
    metrics: Mapping[str, str] | None = None,
    seed: int = 1,
    jobs: int | None = None,
    timelines: bool = True,
    progress: Progress | None = None,
) -> Backtest:
    """Compare policies on simulated GPU servers, as ``trimtab backtest`` does.

    ``load`` is a :class:`Scenario`, a :class:`Trace`, the name of a scenario, the path of a trace,
    the columns of one (a DataFrame, or a mapping of names to values), or several of them.
    ``profile`` is the name of a service profile, or a document; so is ``cluster``. ``metrics``
    gives metrics of the policies the signals that they take.

    The same arguments give the same result, whatever ``jobs`` is. Other Python threads run on, and
    an interrupt ends it.
    """
    names, given = named(policies)
    ran = _core._backtest(
        list(zip(names, given, strict=True)),
        loads(load, seed),
        setting(objectives, profile, cluster, lead_times, metrics, seed, jobs, timelines),
        progress,
    )
    return Backtest(ran)


def sweep(
    policies: Policies,
    axes: Mapping[str, Iterable[object]] | Sequence[str],
    load: Load | Iterable[Load] = "diurnal",
    *,
    random: int | None = None,
    objectives: Sequence[str] = ("ttft<=2s@99%",),
    profile: Document = "llama-3.1-8b-a100",
    cluster: Document | None = None,
    lead_times: float | Sequence[float] = (),
    metrics: Mapping[str, str] | None = None,
    seed: int = 1,
    jobs: int | None = None,
    timelines: bool = True,
    progress: Progress | None = None,
) -> Sweep:
    """Try tunings of policies, as ``trimtab sweep`` does.

    ``axes`` are fields by their path with the values to try, or texts as the command takes them,
    such as ``"metrics[0].pods.target.averageValue=log:1..64/7"``. With ``random``, so many
    combinations of each policy are tried by chance, instead of all.
    """
    names, given = named(policies)
    if isinstance(axes, Mapping):
        texts = [f"{name}={','.join(map(field_text, values))}" for name, values in axes.items()]
    else:
        texts = list(axes)
    ran, best = _core._sweep(
        list(zip(names, given, strict=True)),
        texts,
        random,
        loads(load, seed),
        setting(objectives, profile, cluster, lead_times, metrics, seed, jobs, timelines),
        progress,
    )
    swept = Sweep(ran)
    swept._best = tuple(best)
    return swept


def _label(run: Run) -> str:
    tuned = ", ".join(f"{name}={value}" for name, value in run.tuning.items())
    return f"{run.policy} ({tuned})" if tuned else run.policy
