"""One policy on one workload, and policies beside each other, as a backtest tells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trimtab import _frames

__all__ = ["Comparison", "Run", "comparison_of"]


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


def comparison_of(document: Mapping[str, Any]) -> Comparison:
    """Read one as `trimtab backtest --json` writes it."""
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


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
