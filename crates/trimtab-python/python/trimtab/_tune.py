"""Tuning: Optuna proposes values of a policy's fields, and backtests answer."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from trimtab import _frames, _html
from trimtab._arguments import Document, Load
from trimtab._core import Policy
from trimtab._runs import Run
from trimtab._search_space import Axis, Space, parse_space
from trimtab._trials import Judge, Settings, Verdict
from trimtab.errors import PolicyError, SimulationError

__all__ = ["Study", "Trial", "tune"]

#: Hears how many trials of how many are over.
Progress: TypeAlias = Callable[[int, int], object]
State: TypeAlias = Literal["met", "missed", "pruned", "refused", "failed"]


@dataclass(frozen=True)
class Trial:
    """One tuning, and what came of it."""

    number: int
    #: The fields that were searched, by path; of the first trial those that the policy sets.
    tuning: dict[str, str]
    #: ``met`` and ``missed`` say whether every objective was met; ``pruned`` was given up early,
    #: since it could not win any more; ``refused`` breaks a rule of policies; ``failed`` could
    #: not be simulated.
    state: State
    #: Over all loads and lead times, in the unit of the backtests; ``None`` without a whole run.
    cost: float | None
    #: The share of an objective that was missed by most, or by which it was met most narrowly.
    attainment: float | None
    #: How far that is from what was promised; at most 0 where all is met.
    shortfall: float | None
    #: Why it was refused, pruned or failed.
    reason: str | None
    #: With the fields set; ``None`` where it was refused.
    policy: Policy | None = field(repr=False)
    #: By load and lead time.
    runs: tuple[Run, ...] = field(repr=False)

    def row(self) -> dict[str, Any]:
        """Give it as a row of a table."""
        return {
            "number": self.number,
            "state": self.state,
            **self.tuning,
            "cost": self.cost,
            "attainment": self.attainment,
            "shortfall": self.shortfall,
            "reason": self.reason,
        }


@dataclass(frozen=True, repr=False)
class Study(_frames.Tabular):
    """What came of a tuning, a row per trial. The first trial is the policy as it was."""

    policy: Policy
    objectives: tuple[str, ...]
    trials: tuple[Trial, ...]
    #: Optuna's own study, for its plots and importances.
    optuna: Any = field(repr=False, compare=False)

    @property
    def best(self) -> Trial:
        """The cheapest trial that meets every objective, or else the one that comes nearest."""
        whole = [trial for trial in self.trials if trial.cost is not None]
        if not whole:
            reasons = {trial.reason for trial in self.trials if trial.reason}
            raise SimulationError(f"no trial came to its end: {'; '.join(sorted(reasons))}")
        return min(whole, key=_rank)

    @property
    def best_policy(self) -> Policy:
        """The policy of the best trial."""
        best = self.best
        # What came to its end has a policy.
        return best.policy or self.policy

    def to_yaml(self) -> str:
        """Give the best policy as a document, with what it is best at above it."""
        best = self.best
        lines = [f"The best of {len(self.trials)} trials:"]
        for run in best.runs:
            shares = ", ".join(
                f"{objective}: {share:.2%}"
                for objective, share in zip(self.objectives, run.attainment, strict=True)
            )
            lines.append(
                f"on {run.workload}, lead time {run.lead_time}: {shares}, cost {run.cost:.4g}"
            )
        lines += [f"{name}={value}" for name, value in best.tuning.items()]
        return "".join(f"# {line}\n" for line in lines) + self.best_policy.to_yaml()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the best policy to a file that every command of trimtab reads."""
        Path(path).write_text(self.to_yaml(), encoding="utf-8")

    def __repr__(self) -> str:
        best = min(
            (trial for trial in self.trials if trial.cost is not None), key=_rank, default=None
        )
        told = "none came to its end" if best is None else f"the best is number {best.number}"
        return f"<Study of {self.policy.name!r}: {len(self.trials)} trials, {told}>"

    def _repr_html_(self) -> str:
        whole = [trial for trial in self.trials if trial.cost is not None]
        # The best first, and behind it how it was found.
        rows = [trial.row() for trial in sorted(whole, key=_rank)]
        rows += [trial.row() for trial in self.trials if trial.cost is None]
        return _html.table(repr(self)[1:-1], rows, bold=[0] if whole else [])

    def _columns(self) -> dict[str, list[Any]]:
        rows = [trial.row() for trial in self.trials]
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def __len__(self) -> int:
        return len(self.trials)


def tune(
    policy: Policy,
    space: Space,
    load: Load | Iterable[Load] = "diurnal",
    *,
    objectives: str | Sequence[str] = ("ttft<=2s@99%",),
    trials: int = 40,
    batch: int = 4,
    seed: int = 1,
    prune: float | None = 0.25,
    profile: Document = "llama-3.1-8b-a100",
    cluster: Document | None = None,
    lead_times: float | Sequence[float] = (),
    metrics: Mapping[str, str] | None = None,
    on: Literal["threads", "ray"] = "threads",
    jobs: int | None = None,
    sampler: Any = None,
    progress: Progress | None = None,
) -> Study:
    """Look for the values of a policy's fields that meet the objectives for the least.

    Optuna's sampler learns from the trials before, so it needs fewer of them than
    :func:`trimtab.sweep` does. The first trial is the policy as it is, so the best is never worse.
    Over several loads and lead times costs add up, and each has to meet every objective.

    The same arguments give the same study, wherever it runs: proposals are made ``batch`` at a
    time, and learned from in their order.

    ``space`` gives fields by their path, such as ``"metrics[0].pods.target.averageValue"``, and
    what to try: a list of values, a pair ``(low, high)``, or a text as ``trimtab sweep`` takes it
    without the count: ``"2,4,8"``, ``"1..64"``, ``"log:1..64"``. More proposals in a ``batch`` keep
    more CPUs busy, and learn later. ``seed`` is that of the proposals and of the simulations.

    ``prune`` is the part of each load that is simulated first. A tuning that has missed more there
    than it may on the whole, or already costs more than the best, is given up, once something has
    met the objectives. ``None`` simulates the whole at once.

    ``on="ray"`` simulates on a Ray cluster, ``jobs`` says how many threads do it here, ``sampler``
    is another one of Optuna's, and ``progress`` hears how many trials are over. The rest is as in
    :func:`trimtab.backtest`.
    """
    optuna = _frames.require("optuna", "`tune`")
    if trials < 1 or batch < 1:
        raise ValueError("`trials` and `batch` have to be 1 at least")
    axes = parse_space(policy, space)
    settings = Settings(
        objectives=(objectives,) if isinstance(objectives, str) else tuple(objectives),
        profile=profile,
        cluster=cluster,
        lead_times=lead_times,
        metrics=dict(metrics or {}),
        seed=seed,
        jobs=jobs,
        on_ray=on == "ray",
    )
    judge = Judge(load, settings, prune)
    study = _create(optuna, sampler or _sampler(optuna, seed, trials))
    done = [_as_it_is(optuna, study, policy, axes, judge)]
    while len(done) < trials:
        count = min(batch, trials - len(done))
        done += _batch(optuna, study, policy, axes, judge, range(len(done), len(done) + count))
        if progress is not None:
            progress(len(done), trials)
    return Study(policy, settings.objectives, tuple(done), study)


def _create(optuna: Any, sampler: Any) -> Any:
    # Optuna says on standard error that it made a study.
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        return optuna.create_study(sampler=sampler)
    finally:
        logger.setLevel(level)


def _sampler(optuna: Any, seed: int, trials: int) -> Any:
    # A quarter by chance, before there is anything to learn from.
    startup = max(4, min(10, math.ceil(trials / 4)))
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)


def _as_it_is(optuna: Any, study: Any, policy: Policy, axes: Sequence[Axis], judge: Judge) -> Trial:
    """Try the policy that there is; the sampler learns from it if it lies in the space."""
    verdict = judge.judge({0: policy})[0]
    present = {axis.field: axis.present(policy) for axis in axes}
    if None not in present.values():
        study.enqueue_trial(present)
        asked = study.ask()
        for axis in axes:
            axis.suggest(asked)
        _tell(optuna, study, asked, verdict)
    tuning = {axis.field: value for axis in axes if (value := policy.get(axis.field)) is not None}
    return _trial(0, tuning, verdict, policy)


def _batch(
    optuna: Any,
    study: Any,
    policy: Policy,
    axes: Sequence[Axis],
    judge: Judge,
    numbers: Sequence[int],
) -> list[Trial]:
    """Propose, simulate, and tell what came of it in the order of the proposals."""
    asked = {number: study.ask() for number in numbers}
    tunings = {
        number: {axis.field: axis.suggest(trial) for axis in axes}
        for number, trial in asked.items()
    }
    tuned: dict[int, Policy] = {}
    verdicts: dict[int, Verdict] = {}
    for number, tuning in tunings.items():
        try:
            tuned[number] = policy.with_fields(tuning)
        except PolicyError as error:
            verdicts[number] = Verdict("refused", " ".join(error.message.split()))
    verdicts |= judge.judge(tuned)
    for number, trial in asked.items():
        _tell(optuna, study, trial, verdicts[number])
    return [
        _trial(number, tuning, verdicts[number], tuned.get(number))
        for number, tuning in tunings.items()
    ]


def _tell(optuna: Any, study: Any, trial: Any, verdict: Verdict) -> None:
    states = optuna.trial.TrialState
    if verdict.shortfall is not None:
        trial.set_constraint("shortfall", verdict.shortfall)
    if verdict.state == "pruned":
        trial.report(verdict.cost_so_far, 0)
        study.tell(trial, state=states.PRUNED)
    elif verdict.cost is None:
        study.tell(trial, state=states.FAIL)
    else:
        study.tell(trial, verdict.cost)


def _trial(number: int, tuning: dict[str, str], verdict: Verdict, policy: Policy | None) -> Trial:
    return Trial(
        number=number,
        tuning=tuning,
        state=verdict.state,
        cost=verdict.cost,
        attainment=verdict.attainment,
        shortfall=verdict.shortfall,
        reason=verdict.reason,
        policy=policy,
        runs=verdict.runs,
    )


def _rank(trial: Trial) -> tuple[float, float, int]:
    missed = max(trial.shortfall or 0.0, 0.0)
    return (missed, trial.cost or 0.0, trial.number)
