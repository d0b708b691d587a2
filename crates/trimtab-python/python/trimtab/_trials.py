"""What comes of tunings: met, missed, or given up after a part of the load."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trimtab._arguments import Document, Load, loads
from trimtab._backtest import backtest
from trimtab._core import Policy, Scenario, Trace
from trimtab._runs import Run

__all__ = ["Judge", "Settings", "Verdict"]


@dataclass(frozen=True)
class Settings:
    """What all backtests of a tuning have in common."""

    objectives: tuple[str, ...]
    profile: Document
    cluster: Document | None
    lead_times: float | Sequence[float]
    metrics: Mapping[str, str]
    seed: int
    jobs: int | None
    on_ray: bool


@dataclass(frozen=True)
class Verdict:
    """What came of one tuning."""

    state: Literal["met", "missed", "pruned", "refused", "failed"]
    reason: str | None = None
    cost: float | None = None
    cost_so_far: float = 0.0
    attainment: float | None = None
    shortfall: float | None = None
    runs: tuple[Run, ...] = field(default=())


class Judge:
    """Simulates tunings, those that it has seen before only once."""

    def __init__(
        self, load: Load | Iterable[Load], settings: Settings, prune: float | None
    ) -> None:
        if prune is not None and not 0 < prune < 1:
            raise ValueError("`prune` is a part of the load, above 0 and below 1")
        self._settings = settings
        self._whole = loads(load, settings.seed)
        self._first = None if prune is None else [_begin(one, prune) for one in self._whole]
        self._promised: tuple[float, ...] | None = None
        #: How many requests arrive in all, by load and lead time; known after the first whole run.
        self._arrive: tuple[int, ...] | None = None
        self._least_cost: float | None = None
        self._seen: dict[str, Verdict] = {}

    def judge(self, policies: Mapping[int, Policy]) -> dict[int, Verdict]:
        """Say what comes of each policy, by its number."""
        new: dict[str, Policy] = {}
        for policy in policies.values():
            if policy.digest not in self._seen:
                new[policy.digest] = policy
        verdicts = self._prune(new)
        rest = {digest: policy for digest, policy in new.items() if digest not in verdicts}
        verdicts |= {digest: self._conclude(runs) for digest, runs in self._run(rest, self._whole)}
        self._seen |= verdicts
        met = [one.cost for one in verdicts.values() if one.state == "met" and one.cost is not None]
        if met:
            self._least_cost = min([*met, *([self._least_cost] if self._least_cost else [])])
        return {number: self._seen[policy.digest] for number, policy in policies.items()}

    def _prune(self, policies: Mapping[str, Policy]) -> dict[str, Verdict]:
        """Rule out those that can't win after the first part of the load."""
        if self._first is None or self._arrive is None or self._least_cost is None:
            return {}
        verdicts = {}
        for digest, runs in self._run(policies, self._first):
            if isinstance(runs, str):
                verdicts[digest] = Verdict("failed", runs)
                continue
            reason = self._why_not(runs)
            if reason is not None:
                cost = sum(run.cost for run in runs)
                verdicts[digest] = Verdict("pruned", reason, cost_so_far=cost)
        return verdicts

    def _why_not(self, runs: Sequence[Run]) -> str | None:
        """Misses and costs only grow, so what the first part has too many of the whole has, too."""
        cost = sum(run.cost for run in runs)
        if cost >= (self._least_cost or math.inf):
            return f"a first part costs {cost:.4g}, and all of the best {self._least_cost:.4g}"
        for run, arrive in zip(runs, self._arrive or (), strict=True):
            for share, promised, objective in zip(
                run.attainment, self._promised or (), self._settings.objectives, strict=True
            ):
                missed = run.requests["arrived"] * (1 - share)
                if missed > arrive * (1 - promised) + 0.5:
                    return (
                        f"{missed:.0f} requests of a first part of {run.workload} miss {objective}"
                    )
        return None

    def _conclude(self, runs: Sequence[Run] | str) -> Verdict:
        if isinstance(runs, str):
            return Verdict("failed", runs)
        self._arrive = tuple(run.requests["arrived"] for run in runs)
        promised = self._promised or ()
        gaps = [
            (wanted - share, share)
            for run in runs
            for share, wanted in zip(run.attainment, promised, strict=True)
        ]
        met = all(all(run.met) for run in runs)
        worst, attainment = max(gaps, key=lambda gap: gap[0])
        shortfall = min(worst, 0.0) if met else max(worst, 1e-12)
        cost = sum(run.cost for run in runs)
        state: Literal["met", "missed"] = "met" if met else "missed"
        return Verdict(state, None, cost, cost, attainment, shortfall, tuple(runs))

    def _run(
        self, policies: Mapping[str, Policy], loads: Sequence[Scenario | Trace]
    ) -> list[tuple[str, Sequence[Run] | str]]:
        """Give each policy's runs by load and lead time in their order, or why there are none."""
        if not policies:
            return []
        settings = self._settings
        arguments: dict[str, Any] = {
            "objectives": settings.objectives,
            "profile": settings.profile,
            "cluster": settings.cluster,
            "lead_times": settings.lead_times,
            "metrics": settings.metrics,
        }
        if settings.on_ray:
            return self._run_on_ray(policies, loads, arguments)
        done = backtest(
            dict(policies),
            loads,
            seed=settings.seed,
            jobs=settings.jobs,
            timelines=False,
            **arguments,
        )
        self._promised = tuple(one["share"] for one in done.settings["objectives"])
        return [(digest, [run for run in done.runs if run.policy == digest]) for digest in policies]

    def _run_on_ray(
        self,
        policies: Mapping[str, Policy],
        loads: Sequence[Scenario | Trace],
        arguments: Mapping[str, Any],
    ) -> list[tuple[str, Sequence[Run] | str]]:
        from trimtab import ray

        done = ray.backtest(
            dict(policies), loads, seeds=(self._settings.seed,), progress=None, **arguments
        )
        self._promised = done.promised
        found: list[tuple[str, Sequence[Run] | str]] = []
        for digest in policies:
            mine = [one for one in done if one.policy == digest]
            errors = [one.error for one in mine if one.error is not None]
            runs = [one.run for one in mine if one.run is not None]
            found.append((digest, errors[0] if errors else runs))
        return found


def _begin(load: Scenario | Trace, part: float) -> Scenario | Trace:
    """Cut off what arrives after the first part."""
    if isinstance(load, Scenario):
        # It goes on as long as it is told to, and begins the same.
        _, (name, arguments) = load.__reduce__()
        return Scenario(name, **{**arguments, "duration": load.duration * part})
    columns = load.requests()
    times = columns["seconds"]
    end = times[0] + (times[-1] - times[0]) * part if times else 0.0
    count = max(sum(time <= end for time in times), 1)
    kept = {
        "timestamp_s": times[:count],
        "input_tokens": columns["input_tokens"][:count],
        "output_tokens": columns["output_tokens"][:count],
    }
    return Trace.from_columns(kept, name=load.name)
