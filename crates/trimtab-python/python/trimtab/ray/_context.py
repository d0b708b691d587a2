"""What Ray Serve says of a deployment, as an observation.

Ray's classes have no types, so what is used of them is written down here as protocols.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from trimtab import Observation, Policy


class ReplicaName(Protocol):
    """Ray's ``ReplicaID``."""

    @property
    def unique_id(self) -> str:
        """Its own within the deployment."""
        ...


class ScalingConfig(Protocol):
    """Ray's ``AutoscalingConfig``."""

    @property
    def upscale_delay_s(self) -> float:
        """How long more has to be wanted."""
        ...

    @property
    def downscale_delay_s(self) -> float:
        """How long less has to be wanted."""
        ...

    @property
    def downscale_to_zero_delay_s(self) -> float | None:
        """How long nothing has to be wanted."""
        ...

    def get_upscaling_factor(self) -> float:
        """Which share of the way up is gone."""
        ...

    def get_downscaling_factor(self) -> float:
        """Which share of the way down is gone."""
        ...


class Context(Protocol):
    """Ray's ``AutoscalingContext``, as far as it is looked at."""

    @property
    def deployment_name(self) -> str:
        """Of the deployment."""
        ...

    @property
    def app_name(self) -> str | None:
        """Of its application."""
        ...

    @property
    def current_num_replicas(self) -> int:
        """Replicas that run."""
        ...

    @property
    def target_num_replicas(self) -> int:
        """Replicas that were asked for."""
        ...

    @property
    def running_replicas(self) -> Sequence[ReplicaName]:
        """Those that run."""
        ...

    @property
    def total_num_requests(self) -> float:
        """Requests that run or wait."""
        ...

    @property
    def total_queued_requests(self) -> float:
        """Requests that wait."""
        ...

    @property
    def total_running_requests(self) -> float:
        """Requests that run."""
        ...

    @property
    def aggregated_metrics(self) -> Mapping[str, Mapping[Any, float]] | None:
        """What the replicas recorded themselves, by name and replica."""
        ...

    @property
    def policy_state(self) -> Mapping[str, Any]:
        """What the policy returned last."""
        ...

    @property
    def current_time(self) -> float | None:
        """Seconds since the epoch."""
        ...

    @property
    def config(self) -> ScalingConfig | None:
        """How the deployment is configured."""
        ...


#: What Ray counts itself, and the names of metrics that take it unless told otherwise.
TOTALS: Mapping[str, tuple[str, ...]] = {
    "total_num_requests": ("ongoing_requests", "requests_in_flight"),
    "total_queued_requests": ("queued_requests", "requests_waiting"),
    "total_running_requests": ("running_requests", "requests_running"),
}

_FOLDS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": math.fsum,
    "mean": lambda values: math.fsum(values) / len(values),
    "max": max,
    "min": min,
}


@dataclass(frozen=True)
class Source:
    """Where a metric of the policy comes from."""

    metric: str
    """Its name in the policy."""
    name: str
    """One of :data:`TOTALS`, or what the replicas record under this name."""
    fold: str | None
    """How the values of replicas become one; ``None``: each replica has its own."""

    def read(self, context: Context) -> dict[str, Any]:
        """Give the reading as an observation has it."""
        running = [replica.unique_id for replica in context.running_replicas]
        if self.name in TOTALS:
            return self._total(float(getattr(context, self.name)), running)
        recorded = (context.aggregated_metrics or {}).get(self.name, {})
        values = {replica.unique_id: float(value) for replica, value in recorded.items()}
        if self.fold is None:
            return self._pods({pod: values[pod] for pod in running if pod in values})
        if not values:
            return self._unavailable("missing")
        return self._one(_FOLDS[self.fold](list(values.values())))

    def _total(self, total: float, running: Sequence[str]) -> dict[str, Any]:
        if self.fold is not None:
            return self._one(total)
        # The requests of a deployment are its replicas', each as many as the other.
        return self._pods(dict.fromkeys(running, total / max(len(running), 1)))

    def _one(self, value: float) -> dict[str, Any]:
        if not math.isfinite(value):
            return self._unavailable("invalid")
        return {"metric": self.metric, "value": quantity(value)}

    def _pods(self, values: Mapping[str, float]) -> dict[str, Any]:
        finite = {pod: quantity(value) for pod, value in values.items() if math.isfinite(value)}
        if values and not finite:
            return self._unavailable("invalid")
        return {"metric": self.metric, "pods": finite}

    def _unavailable(self, why: str) -> dict[str, Any]:
        return {"metric": self.metric, "unavailable": why}


def quantity(value: float) -> str:
    """Write a float as a quantity, digit by digit."""
    return format(Decimal(repr(value)), "f")


def sources(policy: Policy, given: Mapping[str, str]) -> tuple[Source, ...]:
    """Say where every metric of the policy comes from.

    A metric without a source, or with one that is none, is a `ValueError`.
    """
    metrics = policy.spec.get("metrics") or [_default_metric(policy)]
    found = [_named(metric) for metric in metrics]
    unknown = sorted(set(given) - {name for name, _ in found})
    if unknown:
        known = ", ".join(f"`{name}`" for name, _ in found)
        raise ValueError(f"the policy has no metric `{unknown[0]}`: it has {known}")
    return tuple(_source(name, kind, given.get(name)) for name, kind in found)


def _default_metric(policy: Policy) -> dict[str, Any]:
    """Make the metric that strategies of one total may leave out."""
    name = policy.metrics[0] if policy.metrics else "ongoing_requests"
    return {"type": "External", "external": {"metric": {"name": name}}}


def _named(metric: Mapping[str, Any]) -> tuple[str, str]:
    kind = str(metric["type"])
    details = metric[kind[:1].lower() + kind[1:]]
    name = details["name"] if kind.endswith("Resource") else details["metric"]["name"]
    return str(name), kind


def _source(metric: str, kind: str, given: str | None) -> Source:
    if kind.endswith("Resource"):
        raise ValueError(
            f"Ray Serve does not tell the `{metric}` of replicas: record it in "
            "`record_autoscaling_stats`, and take it by a metric of type `Pods`"
        )
    per_replica = kind == "Pods"
    if given is None:
        total = _total_named(metric)
        if total is not None:
            return Source(metric, total, None if per_replica else "sum")
        if per_replica:
            return Source(metric, metric, None)
        raise ValueError(
            f"metric `{metric}` is one value, and replicas record one each: give it one of "
            f"{_listed(TOTALS)}, or say how they are put together, such as `mean:{metric}`"
        )
    fold, colon, name = given.rpartition(":")
    if given in TOTALS:
        return Source(metric, given, None if per_replica else "sum")
    if colon and fold not in _FOLDS:
        raise ValueError(f"`{given}` does not say how to put values together: {_listed(_FOLDS)}")
    if per_replica == bool(colon):
        right = f"`{name}`, since each replica has its own" if per_replica else f"`mean:{name}`"
        raise ValueError(f"`{given}` can't be metric `{metric}` of type `{kind}`: write {right}")
    return Source(metric, name, fold or None)


def _total_named(metric: str) -> str | None:
    """Give the total that a metric's name ends with, as it takes signals of a simulation."""
    for total, names in TOTALS.items():
        for name in (total, *names):
            before = metric.removesuffix(name)
            if before != metric and (not before or before[-1] in "_:.-/"):
                return total
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


@dataclass(frozen=True)
class Seen:
    """Since when replicas run, or are missing: Ray does not say."""

    running: Mapping[str, float]
    """Since when, by the replica's own name."""
    missing: tuple[float, ...]
    """Since when each replica was asked for that does not run yet, the oldest first."""

    @staticmethod
    def nothing() -> Seen:
        """Before the first look."""
        return Seen({}, ())

    def look(self, context: Context, now: float) -> Seen:
        """Give what is known after this look."""
        names = [replica.unique_id for replica in context.running_replicas]
        running = {name: self.running.get(name, now) for name in names}
        count = max(context.target_num_replicas - context.current_num_replicas, 0)
        # Whoever was asked for first is the first to run.
        kept = self.missing[max(len(self.missing) - count, 0) :]
        return Seen(running, kept + (now,) * (count - len(kept)))


def observe(context: Context, now: float, from_: Sequence[Source], seen: Seen) -> Observation:
    """Observe the deployment. ``seen`` has looked at the context already."""
    pods: list[dict[str, Any]] = [
        {
            "name": name,
            "startTime": since,
            "ready": {"status": "True", "lastTransitionTime": since},
        }
        for name, since in seen.running.items()
    ]
    pods += [
        {"name": f"starting-{number}", "phase": "Pending", "creationTimestamp": since}
        for number, since in enumerate(seen.missing)
    ]
    return Observation.from_dict(
        {
            "time": now,
            "replicas": context.target_num_replicas,
            "statusReplicas": len(pods),
            "pods": pods,
            "readings": [source.read(context) for source in from_],
        }
    )
