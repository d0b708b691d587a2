"""Simulations on a Ray cluster tell what they tell here, whatever becomes of the workers."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trimtab

ray = pytest.importorskip("ray", reason="Ray is not installed: `trimtab.ray` is not tested")

import trimtab.ray as on_ray  # noqa: E402
from trimtab.ray import _tasks  # noqa: E402
from trimtab.ray._tasks import Task  # noqa: E402

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TARGET = "metrics[0].pods.target.averageValue"
OBJECTIVES = ("ttft<=2s@99%", "e2e<=60s@90%")


def policy(
    name: str = "llm", average: str = "16", metric: str = "requests_in_flight"
) -> trimtab.Policy:
    return trimtab.Policy.from_dict(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
                "maxReplicas": 6,
                "metrics": [
                    {
                        "type": "Pods",
                        "pods": {
                            "metric": {"name": metric},
                            "target": {"type": "AverageValue", "averageValue": average},
                        },
                    }
                ],
            },
        }
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two workers on this machine."""
    if ray.is_initialized():
        ray.shutdown()
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 1024 * 1024,
        log_to_driver=False,
        configure_logging=False,
    )
    yield
    ray.shutdown()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A recording of ten minutes, two requests a second."""
    path = tmp_path / "requests.csv"
    rows = (f"{second / 2},512,{64 + second % 7}" for second in range(1200))
    path.write_text("timestamp_s,input_tokens,output_tokens\n" + "\n".join(rows) + "\n")
    return path


def local_rows(done: trimtab.Backtest, seed: int) -> list[dict[str, Any]]:
    return [{"seed": seed, **run.row(), "error": None} for run in done.runs]


def test_a_backtest_has_the_rows_of_a_local_one(cluster: None, trace: Path) -> None:
    policies = [policy(), policy("queue", "2", "requests_waiting")]
    steady = trimtab.Scenario("steady", duration=600, rate_scale=0.1)
    told: list[tuple[int, int, int]] = []
    results = on_ray.backtest(
        policies,
        [steady, trace],
        seeds=[1, 2],
        objectives=OBJECTIVES,
        lead_times=[30, 120],
        metrics={"requests_in_flight": "requests_running"},
        progress=lambda done, total, failed: told.append((done, total, failed)),
    )
    expected = []
    for seed in (1, 2):
        done = trimtab.backtest(
            policies,
            [steady, trace],
            seed=seed,
            objectives=OBJECTIVES,
            lead_times=[30, 120],
            metrics={"requests_in_flight": "requests_running"},
            timelines=False,
        )
        expected += local_rows(done, seed)
    assert results.rows() == expected
    assert len(results) == 16
    assert results.failed == []
    assert results.promised == (0.99, 0.9)
    assert told[-1] == (16, 16, 0)


def test_a_sweep_has_the_rows_of_a_local_one(cluster: None) -> None:
    axes = [f"{TARGET}=log:4..64/4", "llm:maxReplicas=3,6"]
    policies = [policy(), policy("other")]
    arguments: dict[str, Any] = {"random": 5, "lead_times": 60, "objectives": OBJECTIVES}
    load = trimtab.Scenario("steady", duration=300, rate_scale=0.1)
    results = on_ray.sweep(policies, axes, load, seeds=[3, 4], progress=None, **arguments)
    expected = []
    for seed in (3, 4):
        done = trimtab.sweep(policies, axes, load, seed=seed, timelines=False, **arguments)
        expected += local_rows(done, seed)
    assert results.rows() == expected
    named = on_ray.sweep(policy(), {TARGET: [4, 16]}, load, progress=None)
    assert [row.tuning for row in named] == [{TARGET: "4"}, {TARGET: "16"}]


def test_results_are_tables(cluster: None) -> None:
    pytest.importorskip("pandas")
    load = trimtab.Scenario("steady", duration=300, rate_scale=0.1)
    results = on_ray.backtest([policy(), policy("two")], load, progress=None)
    frame = results.to_pandas()
    assert list(frame["policy"]) == ["llm", "two"]
    assert list(frame["error"].isna()) == [True, True]
    assert results.to_arrow().num_rows == 2
    dataset = results.to_dataset()
    assert sorted(dataset.schema().names) == sorted(frame.columns)
    assert [row["policy"] for row in dataset.take_all()] == ["llm", "two"]


def test_what_fails_is_a_row_with_its_error(cluster: None) -> None:
    load = trimtab.Scenario("steady", duration=300, rate_scale=0.1)
    policies = [policy(), policy("unknown", metric="moon_phase"), policy("two")]
    results = on_ray.backtest(policies, load, progress=None)
    assert [row.error is None for row in results] == [True, False, True]
    (failed,) = results.failed
    assert failed.policy == "unknown"
    assert failed.error is not None
    assert "moon_phase" in failed.error
    assert results.rows()[1]["error"] == failed.error
    # The others are as if it had not been there.
    alone = on_ray.backtest([policies[0], policies[2]], load, progress=None)
    assert [results[0], results[2]] == list(alone)


def test_who_took_a_worker_along_is_found_out_one_by_one(
    cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _tasks.run

    def losing(tasks: list[Task], **arguments: Any) -> list[_tasks.Outcome[Any]]:
        """Lose the worker of whoever has the second policy."""
        outcomes = run(tasks, **arguments)
        return [
            _tasks.Outcome(at, None, "WorkerCrashedError: it died")
            if any(one.name == "two" for one in task.arguments[3])
            else outcome
            for at, (task, outcome) in enumerate(zip(tasks, outcomes, strict=True))
        ]

    monkeypatch.setattr(_tasks, "run", losing)
    policies = [policy(name) for name in ("one", "two", *map(str, range(14)))]
    load = trimtab.Scenario("steady", duration=60, rate_scale=0.1)
    results = on_ray.backtest(policies, load, progress=None)
    assert [row.policy for row in results.failed] == ["two"]
    assert [row.policy for row in results] == [policy.name for policy in policies]


def test_an_override_that_nobody_takes_is_refused(cluster: None) -> None:
    with pytest.raises(trimtab.SimulationError, match="no policy has a metric `queue`"):
        on_ray.backtest(policy(), "steady", metrics={"queue": "requests_waiting"}, progress=None)


def dies_once(marker: str, value: int) -> int:
    """Takes its worker along, the first time."""
    if not os.path.exists(marker):
        Path(marker).touch()
        os._exit(1)
    return value


def dies_always() -> None:
    """Takes every worker along."""
    os._exit(1)


def raises(marker: str) -> None:
    """Fails, and counts how often."""
    with open(marker, "a") as file:
        file.write("x")
    raise ValueError("no")


def test_a_killed_workers_task_is_done_again(cluster: None, tmp_path: Path) -> None:
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    tasks = [Task(dies_once, (str(tmp_path / "once"), 7)), *(Task(int, (n,)) for n in range(9))]
    outcomes = _tasks.run(tasks, retries=2)
    assert [outcome.value for outcome in outcomes] == [7, *range(9)]
    assert [outcome.index for outcome in outcomes] == list(range(10))


def test_a_task_that_fails_for_good_does_not_end_the_others(cluster: None, tmp_path: Path) -> None:
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    marker = tmp_path / "raised"
    tasks = [Task(dies_always, ()), Task(raises, (str(marker),)), Task(int, (5,))]
    told: list[tuple[int, int, int]] = []
    outcomes = _tasks.run(
        tasks, retries=1, progress=lambda done, total, failed: told.append((done, total, failed))
    )
    assert outcomes[0].error is not None
    assert "WorkerCrashedError" in outcomes[0].error
    assert outcomes[1].error == "ValueError: no"
    assert outcomes[2].value == 5
    # What raises would raise again.
    assert marker.read_text() == "x"
    assert told[-1] == (3, 3, 2)


def test_a_load_is_stored_once(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[Any] = []
    put = ray.put

    def counting(value: Any) -> Any:
        stored.append(value)
        return put(value)

    monkeypatch.setattr(ray, "put", counting)
    load = trimtab.Scenario("steady", duration=300, rate_scale=0.1)
    on_ray.backtest([policy(), policy("two")], load, seeds=range(3), progress=None)
    assert sum(isinstance(value, trimtab.Scenario) for value in stored) == 1


def test_progress_is_a_line_on_a_terminal_and_few_elsewhere() -> None:
    import io

    out = io.StringIO()
    line = _tasks.Line(out)
    line(1, 3, 0)
    line(3, 3, 1)
    assert out.getvalue() == "3 of 3 simulated, 1 failed\n"


def test_loads_are_the_same_in_another_process(trace: Path) -> None:
    for load in (
        trimtab.Scenario("on-off", seed=7, duration=600, rate_scale=0.2, interarrival_cv=2),
        trimtab.Scenario("steady", duration=60, input_tokens=300, output_tokens=(100, 400)),
        trimtab.Trace(trace, seed=3, rate_scale=1.5, time_scale=2),
        trimtab.Trace.from_text(trace.read_bytes(), name="memory", spread=True),
    ):
        there = pickle.loads(pickle.dumps(load))
        assert type(there) is type(load)
        assert there.name == load.name
        assert there.requests() == load.requests()


def test_a_recording_that_is_gone_can_not_be_sent(trace: Path) -> None:
    load = trimtab.Trace(trace)
    trace.unlink()
    with pytest.raises(trimtab.TraceError, match="can't be read"):
        pickle.dumps(load)
