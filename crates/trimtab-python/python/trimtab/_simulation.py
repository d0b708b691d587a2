"""Policies tried out: on simulated GPU servers, and on recorded load."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from trimtab import _core, _frames
from trimtab._core import Policy, Scenario, Trace

__all__ = [
    "Backtest",
    "Comparison",
    "Evaluation",
    "Run",
    "Sweep",
    "backtest",
    "evaluate",
    "profiles",
    "signals",
    "sweep",
]

Policies: TypeAlias = "Policy | Iterable[Policy] | Mapping[str, Policy]"
Load: TypeAlias = "Scenario | Trace | str | os.PathLike[str]"
Document: TypeAlias = "Mapping[str, Any] | str | os.PathLike[str]"
#: Hears how many requests of how many are simulated.
Progress: TypeAlias = Callable[[int, int], object]


@dataclass(frozen=True)
class Run:
    """One policy on one workload."""

    #: The policy's name.
    policy: str
    #: Its fingerprint.
    digest: str
    #: The fields that a sweep set, by path.
    tuning: dict[str, str]
    #: The name of what arrived.
    workload: str
    #: How long a start took.
    lead_time: str
    #: Of the requests, how many ``arrived``, were ``served``, ``rejected``, ``cut``.
    requests: dict[str, int]
    #: The share of the requests within each objective, in their order.
    attainment: tuple[float, ...]
    #: Whether each objective was met.
    met: tuple[bool, ...]
    #: Seconds by measure (``ttft``, ``itl``, ``tpot``, ``e2e``) and quantile.
    latency: dict[str, dict[str, float]] = field(repr=False)
    #: By state: ``pending``, ``starting``, ``busy``, ``idle``, ``warm``, ``draining``.
    replica_seconds: dict[str, float] = field(repr=False)
    #: One per pool.
    pools: tuple[dict[str, Any], ...] = field(repr=False)
    #: In the unit of the backtest.
    cost: float
    starts: int
    stops: int
    #: Replicas whose node was lost or taken back.
    losses: int
    #: Seconds in which the ready replicas could do less than the work that arrived.
    under_provisioned_seconds: float
    #: The least replica-seconds that serve what this run served.
    bound_replica_seconds: float
    #: That over what was spent, in [0, 1].
    efficiency: float
    #: No other run attains more for less.
    on_front: bool
    decisions: int
    #: The course in equal steps, in columns; empty where none was recorded.
    timeline: dict[str, Any] = field(repr=False)

    @property
    def gpu_hours(self) -> float:
        """GPU-hours of all pools."""
        return float(sum(pool["gpuHours"] for pool in self.pools))

    def row(self) -> dict[str, Any]:
        """Give the numbers as one row of a table."""
        row: dict[str, Any] = {"workload": self.workload, "lead_time": self.lead_time}
        row |= {"policy": self.policy, **self.tuning}
        row |= {f"attainment_{n}": share for n, share in enumerate(self.attainment, 1)}
        row |= {"met": all(self.met), "cost": self.cost, "gpu_hours": self.gpu_hours}
        row |= {"efficiency": self.efficiency, "on_front": self.on_front}
        row |= {"starts": self.starts, "stops": self.stops, "losses": self.losses}
        row |= {f"requests_{name}": count for name, count in self.requests.items()}
        row["under_provisioned_seconds"] = self.under_provisioned_seconds
        for measure, quantiles in self.latency.items():
            row |= {f"{measure}_{quantile}": value for quantile, value in quantiles.items()}
        row |= {f"{state}_seconds": value for state, value in self.replica_seconds.items()}
        row["decisions"] = self.decisions
        row["digest"] = self.digest
        return row

    def course(self, package: str = "pandas") -> Any:
        """Give the timeline as a DataFrame of ``pandas`` or ``polars``, or a table of ``arrow``."""
        step = self.timeline.get("stepSeconds", 0.0)
        series = {
            _snake(name): values
            for name, values in self.timeline.items()
            if isinstance(values, list) and name not in ("decision", "decisions")
        }
        count = len(series.get("ready", ()))
        columns = {"seconds": [step * index for index in range(count)], **series}
        return _frames.to_frame(columns, package, "a timeline as a table")


@dataclass(frozen=True)
class Comparison:
    """The policies on one workload, with one lead time."""

    #: What arrived: ``name``, ``requests``, ``seconds`` and more.
    workload: dict[str, Any]
    #: How long a start took.
    lead_time: str
    #: The least that serving every request within the objectives takes.
    bound_replica_seconds: float
    #: That in the unit of the costs.
    bound_cost: float
    runs: tuple[Run, ...]

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __getitem__(self, policy: str) -> Run:
        """Give the run of a policy."""
        for run in self.runs:
            if run.policy == policy:
                return run
        raise KeyError(policy)


class Backtest:
    """What came of a backtest: every policy on every workload at every lead time."""

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
        return tuple(map(_comparison, self._document["comparisons"]))

    @property
    def runs(self) -> list[Run]:
        """All runs, comparison by comparison."""
        return [run for comparison in self.comparisons for run in comparison.runs]

    @property
    def met(self) -> bool:
        """Whether every policy met every objective."""
        return all(all(run.met) for run in self.runs)

    @classmethod
    def from_json(cls, text: str | bytes) -> Backtest:
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

    def to_pandas(self) -> Any:
        """Give a row per run as a DataFrame of pandas."""
        return _frames.to_frame(self._columns(), "pandas", "`to_pandas`")

    def to_polars(self) -> Any:
        """Give a row per run as a DataFrame of polars."""
        return _frames.to_frame(self._columns(), "polars", "`to_polars`")

    def to_arrow(self) -> Any:
        """Give a row per run as a table of Arrow."""
        return _frames.to_frame(self._columns(), "pyarrow", "`to_arrow`")

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
        ax.set_ylabel(f"requests within {objective['seconds']} s {objective['measure']}, in %")
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
        return (_restore, (type(self), self.to_json(), self.__dict__.get("_best")))


class Sweep(Backtest):
    """What came of tunings of policies."""

    _best: tuple[dict[str, Policy], ...]

    def best(self, comparison: int = 0) -> dict[str, Policy]:
        """Give the best tuning of each policy by its name.

        The best is the cheapest that meets every objective, or else the one that comes nearest.
        """
        return dict(self._best[comparison])


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
    or several of them. ``profile`` is the name of a service profile, or a document; so is
    ``cluster``. ``metrics`` gives metrics of the policies the signals that they take.

    The same arguments give the same result, whatever ``jobs`` is. Other Python threads run on, and
    an interrupt ends it.
    """
    names, given = _named(policies)
    ran = _core._backtest(
        list(zip(names, given, strict=True)),
        _loads(load, seed),
        _setting(objectives, profile, cluster, lead_times, metrics, seed, jobs, timelines),
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
    names, given = _named(policies)
    if isinstance(axes, Mapping):
        texts = [f"{name}={','.join(map(_field_text, values))}" for name, values in axes.items()]
    else:
        texts = list(axes)
    ran, best = _core._sweep(
        list(zip(names, given, strict=True)),
        texts,
        random,
        _loads(load, seed),
        _setting(objectives, profile, cluster, lead_times, metrics, seed, jobs, timelines),
        progress,
    )
    swept = Sweep(ran)
    swept._best = tuple(best)
    return swept


class Evaluation:
    """What a policy would have done on recorded load, open loop."""

    def __init__(self, document: Mapping[str, Any], columns: Mapping[str, list[Any]]) -> None:
        """Take what the core computed; :func:`evaluate` does it."""
        self._document = dict(document)
        self._columns = dict(columns)

    @property
    def totals(self) -> dict[str, Any]:
        """Sums over all decisions, such as ``replicaHours`` and ``scaleUps``."""
        totals: dict[str, Any] = self._document["totals"]
        return totals

    @property
    def changes(self) -> list[dict[str, Any]]:
        """The changes of the count: ``time``, ``from``, ``to``, ``why``."""
        changes: list[dict[str, Any]] = self._document["changes"]
        return changes

    @property
    def assumptions(self) -> list[str]:
        """What the numbers rest on."""
        assumptions: list[str] = self._document["assumptions"]
        return assumptions

    @property
    def decisions(self) -> dict[str, list[Any]]:
        """A row per decision, in columns: ``seconds``, ``replicas``, ``outcome``, ``reason``."""
        return self._columns

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values, the same as ``trimtab evaluate --json``."""
        return dict(self._document)

    def to_json(self) -> str:
        """Give the report as JSON."""
        return json.dumps(self._document)

    def to_pandas(self) -> Any:
        """Give a row per decision as a DataFrame of pandas."""
        return _frames.to_frame(self._columns, "pandas", "`to_pandas`")

    def to_polars(self) -> Any:
        """Give a row per decision as a DataFrame of polars."""
        return _frames.to_frame(self._columns, "polars", "`to_polars`")

    def to_arrow(self) -> Any:
        """Give a row per decision as a table of Arrow."""
        return _frames.to_frame(self._columns, "pyarrow", "`to_arrow`")

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the count over time with matplotlib, and give the axes."""
        pyplot = _frames.require("matplotlib.pyplot", "`plot`")
        if ax is None:
            ax = pyplot.subplots()[1]
        hours = [seconds / 3600 for seconds in self._columns["seconds"]]
        ax.step(hours, self._columns["desired_replicas"], where="post")
        ax.set_xlabel("hours")
        ax.set_ylabel("replicas")
        ax.set_title(self._document["policy"]["name"])
        return ax

    def __repr__(self) -> str:
        totals = self.totals
        return (
            f"<Evaluation of {self._document['policy']['name']!r}: "
            f"{totals['decisions']} decisions, {totals['replicaHours']:.1f} replica-hours>"
        )


def evaluate(
    policy: Policy,
    load: Any,
    *,
    requests: bool | None = None,
    sync: float | None = None,
    replicas: int | None = None,
    rate_scale: float = 1.0,
    maps: Mapping[str, str] | None = None,
    server: Mapping[str, float] | None = None,
) -> Evaluation:
    """Try a policy on recorded load, open loop, as ``trimtab evaluate`` does.

    ``load`` is the path of a CSV file, or columns: a mapping of names to values, or a DataFrame.
    With the columns ``timestamp_s``, ``input_tokens`` and ``output_tokens`` it is a recording of
    requests, else of series (``requests`` says it otherwise); one column is the time.
    ``server`` tells how requests are served: ``seconds_per_input_token``,
    ``seconds_per_output_token``, ``max_concurrency``, ``kv_tokens``.

    >>> import trimtab
    >>> policy = trimtab.Policy.from_yaml('''
    ... apiVersion: autoscaling/v2
    ... kind: HorizontalPodAutoscaler
    ... metadata: {name: llm}
    ... spec:
    ...   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
    ...   maxReplicas: 10
    ...   metrics:
    ...   - type: External
    ...     external:
    ...       metric: {name: queue}
    ...       target: {type: AverageValue, averageValue: 8}
    ... ''')
    >>> done = trimtab.evaluate(policy, {"time": [0, 60, 120], "queue": [8, 40, 8]})
    >>> done.totals["peakReplicas"]
    5
    """
    if isinstance(load, (str, os.PathLike)):
        path, text = os.fspath(load), None
        is_requests = bool(requests)
    else:
        columns = _frames.columns_of(load)
        path, text = "<columns>", _frames.csv_of(columns)
        is_requests = {"input_tokens", "output_tokens"} <= set(columns)
        is_requests = is_requests if requests is None else requests
    document, decided = _core._evaluate(
        policy,
        path,
        text,
        {
            "requests": is_requests,
            "sync": sync,
            "replicas": replicas,
            "rate_scale": rate_scale,
            "maps": list((maps or {}).items()),
            **(server or {}),
        },
    )
    return Evaluation(json.loads(document), decided)


def profiles() -> list[str]:
    """List the service profiles that are built in.

    >>> "llama-3.1-8b-a100" in profiles()
    True
    """
    return _core._profiles()


def signals() -> list[str]:
    """List the signals that a simulated server has, which metrics take by name.

    >>> "requests_waiting" in signals()
    True
    """
    return _core._signals()


def _setting(
    objectives: Sequence[str],
    profile: Document,
    cluster: Document | None,
    lead_times: float | Sequence[float],
    metrics: Mapping[str, str] | None,
    seed: int,
    jobs: int | None,
    timelines: bool,
) -> dict[str, Any]:
    if isinstance(objectives, str):
        objectives = [objectives]
    if isinstance(lead_times, (int, float)):
        lead_times = [lead_times]
    return {
        "objectives": list(objectives),
        "profile": profile if isinstance(profile, str) else _document(profile),
        "cluster": None if cluster is None else _document(cluster),
        "lead_times": [float(seconds) for seconds in lead_times],
        "metrics": list((metrics or {}).items()),
        "seed": seed,
        "jobs": jobs or 0,
        "timelines": timelines,
    }


def _document(given: Document) -> Mapping[str, Any] | tuple[str, bytes]:
    """Give a mapping as it is, and a path as its name and bytes."""
    if isinstance(given, Mapping):
        return given
    path = Path(given)
    return (str(path), path.read_bytes())


def _loads(load: Load | Iterable[Load], seed: int) -> list[Scenario | Trace]:
    several = [load] if isinstance(load, (str, os.PathLike, Scenario, Trace)) else list(load)
    return [_load(one, seed) for one in several]


def _load(load: Load, seed: int) -> Scenario | Trace:
    if isinstance(load, (Scenario, Trace)):
        return load
    if isinstance(load, str) and load in Scenario.names():
        return Scenario(load, seed=seed)
    return Trace(load, seed=seed)


def _named(policies: Policies) -> tuple[list[str], list[Policy]]:
    """Give policies with names that tell them apart."""
    if isinstance(policies, Policy):
        policies = [policies]
    if isinstance(policies, Mapping):
        return [str(name) for name in policies], list(policies.values())
    given = list(policies)
    names = [policy.name for policy in given]
    repeated = {name for name in names if names.count(name) > 1}
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in repeated:
            seen[name] = seen.get(name, 0) + 1
            names[index] = f"{name} #{seen[name]}"
    return names, given


def _field_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _comparison(document: Mapping[str, Any]) -> Comparison:
    workload = document["workload"]
    runs = [_run(run, workload["name"], document["leadTime"]) for run in document["runs"]]
    return Comparison(
        workload=workload,
        lead_time=document["leadTime"],
        bound_replica_seconds=document["bound"]["replicaSeconds"],
        bound_cost=document["bound"]["cost"],
        runs=tuple(runs),
    )


def _run(document: Mapping[str, Any], workload: str, lead_time: str) -> Run:
    return Run(
        policy=document["policy"],
        digest=document["digest"],
        tuning=document.get("tuning", {}),
        workload=workload,
        lead_time=lead_time,
        requests=document["requests"],
        attainment=tuple(one["share"] for one in document["attainment"]),
        met=tuple(one["met"] for one in document["attainment"]),
        latency=document["latency"],
        replica_seconds=document["replicaSeconds"],
        pools=tuple(document["pools"]),
        cost=document["cost"],
        starts=document["starts"],
        stops=document["stops"],
        losses=document["losses"],
        under_provisioned_seconds=document["underProvisionedSeconds"],
        bound_replica_seconds=document["boundReplicaSeconds"],
        efficiency=document["efficiency"],
        on_front=document["onFront"],
        decisions=document["decisions"],
        timeline=document["timeline"],
    )


def _label(run: Run) -> str:
    tuned = ", ".join(f"{name}={value}" for name, value in run.tuning.items())
    return f"{run.policy} ({tuned})" if tuned else run.policy


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def _restore(kind: type[Backtest], text: str, best: Any) -> Backtest:
    made = kind.from_json(text)
    if best is not None:
        made.__dict__["_best"] = best
    return made
