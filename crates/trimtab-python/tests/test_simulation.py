"""Backtests, sweeps and evaluations: the same as the command's, and interruptible."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trimtab

IN_FLIGHT = "metrics[0].pods.target.averageValue"


@pytest.fixture
def concurrency(examples: Path) -> trimtab.Policy:
    return trimtab.Policy.from_file(examples / "hpa-concurrency.yaml")


def short(**asked: Any) -> trimtab.Scenario:
    return trimtab.Scenario("steady", duration=600, rate_scale=0.1, **asked)


def command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "trimtab", *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_a_backtest_is_the_commands_to_the_byte(examples: Path) -> None:
    policy = str(examples / "hpa-concurrency.yaml")
    told: list[tuple[int, int]] = []
    ours = trimtab.backtest(
        trimtab.Policy.from_file(policy),
        short(),
        lead_times=[60, 240],
        progress=lambda done, of: told.append((done, of)),
    )
    theirs = command(
        *("backtest", "--policy", policy, "--scenario", "steady", "--duration", "10m"),
        *("--rate-scale", "0.1", "--lead-time", "1m,4m", "--json", "-"),
    )
    assert ours.to_json() + "\n" == theirs
    assert trimtab.Backtest.from_json(theirs) == ours
    assert told[-1][0] <= told[-1][1]


def test_what_a_backtest_gives(concurrency: trimtab.Policy) -> None:
    tuned = concurrency.with_fields({IN_FLIGHT: 4})
    done = trimtab.backtest([concurrency, tuned], short(), seed=7, lead_times=120)
    names = ["hpa-concurrency #1", "hpa-concurrency #2"]
    (comparison,) = done.comparisons
    assert [run.policy for run in done.runs] == [run.policy for run in comparison] == names
    assert comparison.workload["name"] == "steady"
    assert comparison.lead_time == "120s"
    run = comparison[names[0]]
    assert run.digest == concurrency.digest
    assert run.requests["arrived"] == sum(run.requests[k] for k in ("served", "rejected", "cut"))
    assert 0 <= run.attainment[0] <= 1
    assert run.cost == pytest.approx(run.gpu_hours)
    assert done.met == all(all(run.met) for run in done.runs)
    assert done.settings["seed"] == 7
    with pytest.raises(KeyError):
        comparison["nobody"]
    assert done.to_html().startswith("<!")
    assert done.to_svg().startswith("<svg")
    assert done._repr_html_().count("<svg") == 1
    assert names[0] in str(done)
    with pytest.raises(IndexError):
        done.to_svg(3)
    assert repr(done) == "<Backtest: 1 comparisons, 2 runs>"
    assert pickle.loads(pickle.dumps(done)) == done
    assert done.to_dict() == json.loads(done.to_json())


def test_the_same_whatever_the_threads(concurrency: trimtab.Policy) -> None:
    one = trimtab.backtest(concurrency, short(), jobs=1)
    two = trimtab.backtest({"hpa-concurrency": concurrency}, [short()], jobs=2)
    assert one == two


def test_tables_and_plots(concurrency: trimtab.Policy) -> None:
    done = trimtab.backtest(concurrency, short())
    pytest.importorskip("pandas")
    frame = done.to_pandas()
    assert frame["policy"].tolist() == ["hpa-concurrency"]
    assert frame["requests_arrived"].tolist() == [done.runs[0].requests["arrived"]]
    course = done.runs[0].course()
    assert {"seconds", "ready", "arrivals_per_second", "ttft_p95"} <= set(course.columns)
    pytest.importorskip("polars")
    assert done.to_polars()["cost"].to_list() == [done.runs[0].cost]
    pytest.importorskip("pyarrow")
    assert done.to_arrow().num_rows == 1
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = done.plot()
    assert axes.get_xlabel() == "cost in GPU-hours"
    assert axes.get_ylabel() == "requests within 2 s TTFT, in %"
    assert axes.get_ylim()[1] <= 100.5
    named = concurrency.metrics[0]
    hours = {"time": [0, 3600], named: [8, 40]}
    assert trimtab.evaluate(concurrency, hours).plot().get_xlabel() == "hours"
    days = {"time": ["2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z"], named: [8, 40]}
    assert trimtab.evaluate(concurrency, days).plot().get_xlabel() == "time in UTC"


def test_a_sweep(concurrency: trimtab.Policy) -> None:
    values = [4, 48, 200]
    done = trimtab.sweep(concurrency, {IN_FLIGHT: values}, short(), timelines=False)
    assert [run.tuning[IN_FLIGHT] for run in done.runs] == ["4", "48", "200"]
    best = done.best()["hpa-concurrency"]
    assert best.get(IN_FLIGHT) in ("4", "48", "200")
    assert best.name == "hpa-concurrency"
    by_text = trimtab.sweep(concurrency, [f"{IN_FLIGHT}=4,48,200"], short(), timelines=False)
    assert by_text == done
    again = pickle.loads(pickle.dumps(done))
    assert again.best() == done.best()
    with pytest.raises(ValueError, match="what `sweep` returned"):
        trimtab.Sweep.from_json(done.to_json()).best()
    some = trimtab.sweep(concurrency, {IN_FLIGHT: range(1, 60)}, short(), random=2)
    assert len(some.runs) == 2


def test_documents_of_profiles_and_clusters(concurrency: trimtab.Policy, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("start: {leadTime: 2m}\n")
    with pytest.raises(trimtab.ManifestError) as refused:
        trimtab.backtest(concurrency, short(), cluster=file)
    assert refused.value.file == str(file)
    assert refused.value.line == 1
    with pytest.raises(trimtab.ManifestError):
        trimtab.backtest(concurrency, short(), cluster={"nothing": 1})
    with pytest.raises(trimtab.SimulationError, match="there is no profile") as unknown:
        trimtab.backtest(concurrency, short(), profile="gpt-9")
    assert "llama-3.1-8b-a100" in (unknown.value.help or "")
    assert "llama-3.1-8b-a100" in trimtab.profiles()


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"objectives": ["soon"]}, trimtab.SimulationError),
        ({"objectives": []}, trimtab.SimulationError),
        ({"lead_times": [-1]}, trimtab.SimulationError),
        ({"metrics": {"nobody": "requests_waiting"}}, trimtab.SimulationError),
        ({"metrics": {"requests_in_flight": "nothing"}}, trimtab.SimulationError),
        ({"seed": -1}, OverflowError),
        ({"seed": "x"}, TypeError),
        ({"load": []}, trimtab.SimulationError),
        ({"load": "nowhere.csv"}, trimtab.TraceError),
        ({"load": [object()]}, TypeError),
        ({"policies": []}, trimtab.SimulationError),
        ({"policies": [3]}, TypeError),
        ({"policies": "hpa.yaml"}, TypeError),
        ({"load": "diurna"}, trimtab.TraceError),
    ],
)
def test_settings_that_are_none(
    concurrency: trimtab.Policy, asked: dict[str, Any], error: type[Exception]
) -> None:
    given: dict[str, Any] = {"policies": concurrency, "load": short(), **asked}
    with pytest.raises(error):
        trimtab.backtest(**given)


def test_what_hears_of_it_may_end_it(concurrency: trimtab.Policy) -> None:
    class EnoughError(Exception):
        pass

    def progress(done: int, of: int) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        trimtab.backtest(
            concurrency, trimtab.Scenario("diurnal"), progress=progress, timelines=False
        )


def test_an_interrupt_ends_it(concurrency: trimtab.Policy) -> None:
    def interrupt() -> None:
        time.sleep(0.4)
        signal.raise_signal(signal.SIGINT)

    # Whoever starts the tests in the background has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            trimtab.backtest(concurrency, trimtab.Scenario("weekly", rate_scale=10))
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - start < 30


def test_other_threads_run_on(concurrency: trimtab.Policy) -> None:
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.wait(0.01):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    trimtab.backtest(concurrency, trimtab.Scenario("steady", duration=3600), timelines=False)
    done.set()
    thread.join()
    assert ticks > 0


def test_traces_from_everywhere(tmp_path: Path) -> None:
    columns = {"timestamp_s": [0.1, 2.5], "input_tokens": [300, 150], "output_tokens": [20, 80]}
    text = "timestamp_s,input_tokens,output_tokens\n0.1,300,20\n2.5,150,80\n"
    file = tmp_path / "afternoon.csv"
    file.write_text(text)
    from_file = trimtab.Trace(file)
    assert (from_file.name, from_file.format) == ("afternoon", "requests")
    expected = from_file.requests()
    assert expected["seconds"] == [0.1, 2.5]
    forms: list[Any] = [columns]
    for package in ("pandas", "polars"):
        module = pytest.importorskip(package)
        forms.append(module.DataFrame(columns))
    forms.append(pytest.importorskip("pyarrow").table(columns))
    numpy = pytest.importorskip("numpy")
    forms.append({name: numpy.array(values) for name, values in columns.items()})
    for form in forms:
        assert trimtab.Trace.from_columns(form).requests() == expected
    assert trimtab.Trace.from_text(text).requests() == expected
    assert trimtab.Trace.from_text(text.encode(), time_scale=2).requests()["seconds"] == [0.2, 5]
    rates = trimtab.Trace.from_columns({"window_start_s": [0, 60, 120], "rate_rps": [1, 2, 1]})
    assert rates.format == "rates"
    answer = {
        "status": "success",
        "data": {"resultType": "matrix", "result": [{"values": [[0, "1"], [60, "2.5"]]}]},
    }
    by_dict = trimtab.Trace.from_prometheus(answer)
    assert by_dict.format == "prometheus"
    assert trimtab.Trace.from_prometheus(json.dumps(answer)).requests() == by_dict.requests()


def test_traces_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(trimtab.TraceError) as refused:
        trimtab.Trace.from_text(
            "timestamp_s,input_tokens,output_tokens\n0,1,1\n1,x,1\n", name="mine"
        ).requests()
    assert (refused.value.file, refused.value.line) == ("mine", 3)
    with pytest.raises(trimtab.TraceError, match=r"[Nn]o such file"):
        trimtab.Trace(tmp_path / "nothing.csv")
    for text in ("", "a,b\n1,2\n", "{", b"\xff\xff"):
        with pytest.raises(trimtab.TraceError):
            trimtab.Trace.from_text(text)
    with pytest.raises(ValueError, match="different lengths"):
        trimtab.Trace.from_columns({"timestamp_s": [1], "input_tokens": []})
    with pytest.raises(trimtab.TraceError, match="no median"):
        trimtab.Scenario("steady", input_tokens=(5, 1))
    with pytest.raises(trimtab.TraceError, match="out of range"):
        trimtab.Scenario("steady", rate_scale=float("nan"))
    with pytest.raises(trimtab.TraceError, match="there is no scenario") as unknown:
        trimtab.Scenario("calm")
    assert "`steady`" in (unknown.value.help or "")


def test_columns_are_a_load(concurrency: trimtab.Policy) -> None:
    pandas = pytest.importorskip("pandas")
    columns = {"timestamp_s": [0.5, 60], "input_tokens": [300, 150], "output_tokens": [20, 80]}
    expected = trimtab.backtest(concurrency, trimtab.Trace.from_columns(columns))
    for load in (columns, pandas.DataFrame(columns), [columns]):
        assert trimtab.backtest(concurrency, load) == expected
    with pytest.raises(trimtab.TraceError) as unknown:
        trimtab.backtest(concurrency, "diurna")
    assert "`diurnal`" in (unknown.value.help or "")
    missing = pandas.DataFrame({**columns, "input_tokens": [300, None]})
    with pytest.raises(trimtab.TraceError) as refused:
        trimtab.backtest(concurrency, missing)
    assert refused.value.line == 3


def test_scenarios_repeat() -> None:
    assert "diurnal" in trimtab.Scenario.names()
    assert short(seed=3).requests() == short(seed=3).requests()
    assert short(seed=3).requests() != short(seed=4).requests()
    tokens = set(short(input_tokens=100, output_tokens=(10, 20)).requests()["input_tokens"])
    assert tokens == {100}


def test_an_evaluation_is_the_commands(examples: Path) -> None:
    policy, series = examples / "hpa.yaml", examples / "series.csv"
    ours = trimtab.evaluate(trimtab.Policy.from_file(policy), series)
    theirs = command("evaluate", "--policy", str(policy), "--series", str(series), "--json")
    assert ours.to_dict() == json.loads(theirs)
    columns = ours.decisions
    assert len(columns["seconds"]) == ours.totals["decisions"]
    assert max(columns["desired_replicas"]) == ours.totals["peakReplicas"]
    changes = sum(a != b for a, b in zip(*two(columns), strict=True))
    assert changes == ours.totals["scaleUps"] + ours.totals["scaleDowns"]
    pandas = pytest.importorskip("pandas")
    frame = trimtab.evaluate(trimtab.Policy.from_file(policy), pandas.read_csv(series))
    assert frame.totals == ours.totals
    assert len(ours.to_pandas()) == ours.totals["decisions"]


def two(columns: dict[str, list[Any]]) -> tuple[list[Any], list[Any]]:
    return columns["current_replicas"], columns["desired_replicas"]


def test_an_evaluation_on_requests(queue: trimtab.Policy) -> None:
    columns = {
        "timestamp_s": [float(second) for second in range(600)],
        "input_tokens": [1000] * 600,
        "output_tokens": [200] * 600,
    }
    done = trimtab.evaluate(
        queue, columns, maps={"queue": "requests_in_flight"}, server={"max_concurrency": 4}
    )
    assert done.totals["decisions"] > 30
    assert done.to_dict()["server"]["maxConcurrency"] == 4
    with pytest.raises(TypeError, match="nothing that a server has"):
        trimtab.evaluate(queue, columns, server={"speed": 3})
    with pytest.raises(trimtab.TraceError, match="queue") as refused:
        trimtab.evaluate(queue, {"time": [0, 60], "other": [1, 2]})
    assert refused.value.file == "<columns>"
    with pytest.raises(trimtab.TraceError) as refused:
        trimtab.evaluate(queue, {"time": [60, 0], "queue": [1, 2]})
    assert refused.value.line == 3
