"""Backtests and sweeps on a Ray cluster: one row per policy, load, lead time and seed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from trimtab import _arguments, _core
from trimtab._arguments import Document, Load, Policies
from trimtab._backtest import Backtest
from trimtab._core import Policy, Scenario, Trace
from trimtab._runs import Run
from trimtab.errors import SimulationError
from trimtab.ray import _tasks
from trimtab.ray._results import Results, Row, mark_front
from trimtab.ray._tasks import Line, Outcome, Progress, Task

__all__ = ["backtest", "sweep"]


@dataclass(frozen=True)
class Candidate:
    """A policy that takes part, or one of its tunings."""

    name: str
    tuning: Mapping[str, str]
    policy: Policy


@dataclass(frozen=True)
class Case:
    """What candidates are compared on."""

    seed: int
    #: Which of the loads.
    load: int
    #: In seconds; ``None`` is what the cluster's phases take.
    lead_time: float | None


@dataclass(frozen=True)
class Setting:
    """What all simulations have in common."""

    objectives: tuple[str, ...]
    profile: Any
    cluster: Any
    metrics: Mapping[str, str]


def backtest(
    policies: Policies,
    load: Load | Iterable[Load] = "diurnal",
    *,
    seeds: Sequence[int] = (1,),
    objectives: str | Sequence[str] = ("ttft<=2s@99%",),
    profile: Document = "llama-3.1-8b-a100",
    cluster: Document | None = None,
    lead_times: float | Sequence[float] = (),
    metrics: Mapping[str, str] | None = None,
    retries: int = 3,
    num_cpus: float = 1.0,
    progress: Progress | Literal["line"] | None = "line",
) -> Results:
    """Compare policies on simulated GPU servers, on the machines of a Ray cluster.

    The rows are those of :func:`trimtab.backtest`, seed by seed, whatever the cluster. Ray is
    connected to if it is not yet: ``RAY_ADDRESS`` names the cluster, else one is started here.

    Each of ``seeds`` is a repetition of everything, and each load goes into Ray's object store
    once. Simulations whose worker died are begun again, up to ``retries`` times; what fails for
    good is a row with its error. A task takes ``num_cpus`` of Ray's CPUs, and has one thread.
    ``progress`` hears how many simulations are done; ``"line"`` says it on standard error. The rest
    is as in :func:`trimtab.backtest`.
    """
    names, given = _arguments.named(policies)
    candidates = [Candidate(name, {}, one) for name, one in zip(names, given, strict=True)]
    setting = _setting(objectives, profile, cluster, metrics, candidates)
    plan = dict.fromkeys(seeds, candidates)
    return _compare(plan, load, lead_times, setting, retries, num_cpus, progress)


def sweep(
    policies: Policies,
    axes: Mapping[str, Iterable[object]] | Sequence[str],
    load: Load | Iterable[Load] = "diurnal",
    *,
    random: int | None = None,
    seeds: Sequence[int] = (1,),
    objectives: str | Sequence[str] = ("ttft<=2s@99%",),
    profile: Document = "llama-3.1-8b-a100",
    cluster: Document | None = None,
    lead_times: float | Sequence[float] = (),
    metrics: Mapping[str, str] | None = None,
    retries: int = 3,
    num_cpus: float = 1.0,
    progress: Progress | Literal["line"] | None = "line",
) -> Results:
    """Try tunings of policies on the machines of a Ray cluster.

    The rows are those of :func:`trimtab.sweep`, seed by seed.

    With ``random``, other seeds choose other combinations. The rest is as in :func:`backtest` and
    :func:`trimtab.sweep`.
    """
    names, given = _arguments.named(policies)
    named = list(zip(names, given, strict=True))
    texts = list(axes) if not isinstance(axes, Mapping) else _axis_texts(axes)
    plan = {
        seed: [Candidate(*tuned) for tuned in _core._tunings(named, texts, random, seed)]
        for seed in seeds
    }
    untuned = [Candidate(name, {}, policy) for name, policy in named]
    setting = _setting(objectives, profile, cluster, metrics, untuned)
    return _compare(plan, load, lead_times, setting, retries, num_cpus, progress)


def _axis_texts(axes: Mapping[str, Iterable[object]]) -> list[str]:
    field_text = _arguments.field_text
    return [f"{name}={','.join(map(field_text, values))}" for name, values in axes.items()]


def _setting(
    objectives: str | Sequence[str],
    profile: Document,
    cluster: Document | None,
    metrics: Mapping[str, str] | None,
    candidates: Sequence[Candidate],
) -> Setting:
    given = dict(metrics or {})
    known = {metric for candidate in candidates for metric in candidate.policy.metrics}
    unknown = sorted(set(given) - known)
    if unknown:
        raise SimulationError(f"no policy has a metric `{unknown[0]}`")
    return Setting(
        objectives=(objectives,) if isinstance(objectives, str) else tuple(objectives),
        # Files are read here: workers may be other machines.
        profile=profile if isinstance(profile, str) else _arguments.document(profile),
        cluster=None if cluster is None else _arguments.document(cluster),
        metrics=given,
    )


def _compare(
    plan: Mapping[int, Sequence[Candidate]],
    load: Load | Iterable[Load],
    lead_times: float | Sequence[float],
    setting: Setting,
    retries: int,
    num_cpus: float,
    progress: Progress | Literal["line"] | None,
) -> Results:
    ray = _tasks.start()
    loads = list(_loads(load))
    several: list[float | None] = (
        [lead_times] if isinstance(lead_times, (int, float)) else list(lead_times) or [None]
    )
    jobs = [
        (Case(seed, at, lead_time), candidate)
        for seed, candidates in plan.items()
        for at in range(len(loads))
        for lead_time in several
        for candidate in candidates
    ]
    stored = [ray.put(one) for one in loads]
    common = ray.put(setting)

    def task(case: Case, candidates: Sequence[Candidate]) -> Task:
        # In a list a reference stays one: the worker fetches it only if it has not yet.
        return Task(_simulate, (common, [stored[case.load]], case, list(candidates)))

    cpus = max(ray.cluster_resources().get("CPU", 1.0) / max(num_cpus, 0.1), 1.0)
    chunks = list(_chunks(jobs, most=max(1, min(16, int(len(jobs) / (4 * cpus))))))
    counted = _Counted(progress, len(jobs), [len(chunk) for chunk in chunks])
    outcomes = _tasks.run(
        [task(chunk[0][0], [candidate for _, candidate in chunk]) for chunk in chunks],
        retries=retries,
        num_cpus=num_cpus,
        progress=counted.chunks,
    )
    answers: list[Answer] = []
    for chunk, outcome in zip(chunks, outcomes, strict=True):
        if outcome.error is None or len(chunk) == 1:
            answers += _answers(outcome)
        else:
            # One of them may have taken the worker along: which one, is found out one by one.
            singly = _tasks.run(
                [task(case, [candidate]) for case, candidate in chunk],
                retries=retries,
                num_cpus=num_cpus,
            )
            for one in singly:
                answers += _answers(one)
    rows = [
        _row(case, candidate, loads[case.load], answer)
        for (case, candidate), answer in zip(jobs, answers, strict=True)
    ]
    promised = next((answer.promised for answer in answers if answer.promised), ())
    return Results(mark_front(rows, [case for case, _ in jobs]), promised)


@dataclass(frozen=True)
class Answer:
    """What a worker says of a candidate."""

    run: Run | None
    promised: tuple[float, ...]
    error: str | None


def _answers(outcome: Outcome[list[Answer]]) -> list[Answer]:
    return outcome.value or [Answer(None, (), outcome.error)]


#: Loads that this worker has fetched, by reference and seed.
_fetched: dict[tuple[Any, int], Scenario | Trace] = {}
_MOST_FETCHED = 4


def _simulate(
    setting: Setting, stored: list[Any], case: Case, candidates: list[Candidate]
) -> list[Answer]:
    """In a worker."""
    try:
        return _run(setting, _load(stored[0], case.seed), case, candidates)
    except Exception as error:
        if len(candidates) == 1:
            return [Answer(None, (), f"{type(error).__name__}: {error}")]
    return [
        answer
        for candidate in candidates
        for answer in _simulate(setting, stored, case, [candidate])
    ]


def _run(
    setting: Setting, load: Scenario | Trace, case: Case, candidates: Sequence[Candidate]
) -> list[Answer]:
    named = {str(index): candidate.policy for index, candidate in enumerate(candidates)}
    taken = {metric for candidate in candidates for metric in candidate.policy.metrics}
    done = Backtest(
        _core._backtest(
            list(named.items()),
            [load],
            {
                "objectives": list(setting.objectives),
                "profile": setting.profile,
                "cluster": setting.cluster,
                "lead_times": [] if case.lead_time is None else [float(case.lead_time)],
                "metrics": [pair for pair in setting.metrics.items() if pair[0] in taken],
                "seed": case.seed,
                "jobs": 1,
                "timelines": False,
            },
            None,
        )
    )
    promised = tuple(one["share"] for one in done.settings["objectives"])
    return [
        Answer(replace(run, policy=one.name, tuning=dict(one.tuning)), promised, None)
        for run, one in zip(done.runs, candidates, strict=True)
    ]


@dataclass(frozen=True)
class Text:
    """A recording as it is in its file."""

    name: str
    content: bytes


def _loads(load: Load | Iterable[Load]) -> Iterator[Scenario | Trace | Text | str]:
    """Give loads as they are stored: a name and a file take the seed of each repetition."""
    single = isinstance(load, (str, os.PathLike, Scenario, Trace))
    several: list[Any] = [load] if single else list(cast("Iterable[Load]", load))
    for one in several:
        if isinstance(one, (Scenario, Trace)) or one in Scenario.names():
            yield one
        else:
            path = os.fspath(one)
            name = Trace(path).name
            with open(path, "rb") as file:
                yield Text(name, file.read())


def _load(reference: Any, seed: int) -> Scenario | Trace:
    load = _fetched.get((reference, seed))
    if load is None:
        while len(_fetched) >= _MOST_FETCHED:
            _fetched.pop(next(iter(_fetched)))
        load = _seeded(_tasks.load().get(reference), seed)
        _fetched[reference, seed] = load
    return load


def _seeded(load: Scenario | Trace | Text | str, seed: int) -> Scenario | Trace:
    if isinstance(load, str):
        return Scenario(load, seed=seed)
    if isinstance(load, Text):
        return Trace.from_text(load.content, name=load.name, seed=seed)
    return load


def _chunks(
    jobs: Sequence[tuple[Case, Candidate]], most: int
) -> Iterator[list[tuple[Case, Candidate]]]:
    """Candidates on the same load go together, so that it is surveyed once for several of them."""
    chunk: list[tuple[Case, Candidate]] = []
    for job in jobs:
        if chunk and (job[0] != chunk[0][0] or len(chunk) >= most):
            yield chunk
            chunk = []
        chunk.append(job)
    if chunk:
        yield chunk


def _row(case: Case, candidate: Candidate, load: Any, answer: Answer) -> Row:
    name = load if isinstance(load, str) else load.name
    return Row(
        seed=case.seed,
        workload=answer.run.workload if answer.run else name,
        lead_time=answer.run.lead_time if answer.run else case.lead_time,
        policy=candidate.name,
        tuning=dict(candidate.tuning),
        run=answer.run,
        error=answer.error,
    )


class _Counted:
    """Progress in simulations rather than in tasks."""

    def __init__(
        self, progress: Progress | Literal["line"] | None, total: int, sizes: Sequence[int]
    ) -> None:
        self._progress = Line() if progress == "line" else progress
        self._total = total
        self._sizes = sizes

    def chunks(self, done: int, total: int, failed: int) -> None:
        """So many chunks are done."""
        if self._progress is not None:
            share = done / total if total else 1.0
            self._progress(round(share * self._total), self._total, failed)
