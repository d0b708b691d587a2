"""Optuna's proposals, answered by backtests: the same study for the same arguments."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import trimtab
from trimtab._search_space import number_text, parse_space
from trimtab._trials import _begin

pytest.importorskip("optuna", reason="Optuna is not installed: `trimtab.tune` is not tested")

TARGET = "metrics[0].pods.target.averageValue"
WINDOW = "behavior.scaleDown.stabilizationWindowSeconds"


def surge() -> trimtab.Trace:
    """A quarter of an hour with a surge in its middle: 4, 40 and again 4 requests a second."""
    gaps = [0.25] * 1200 + [0.025] * 12_000 + [0.25] * 1200
    times = [round(time, 3) for time in itertools.accumulate(gaps)]
    columns = {
        "timestamp_s": times,
        "input_tokens": [512] * len(times),
        "output_tokens": [192] * len(times),
    }
    return trimtab.Trace.from_columns(columns, name="surge")


LOAD = surge()


def policy(average: str = "2", **spec: Any) -> trimtab.Policy:
    target = {"type": "AverageValue", "averageValue": average}
    pods = {"metric": {"name": "requests_in_flight"}, "target": target}
    return trimtab.Policy.from_dict(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "llm"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
                "minReplicas": 1,
                "maxReplicas": 12,
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
                "metrics": [{"type": "Pods", "pods": pods}],
                **spec,
            },
        }
    )


def study(**arguments: Any) -> trimtab.Study:
    settings: dict[str, Any] = {"trials": 9, "lead_times": 60, "seed": 5, **arguments}
    return trimtab.tune(policy(), {TARGET: "log:2..256", WINDOW: [60, 300]}, LOAD, **settings)


def plain(done: trimtab.Study) -> list[dict[str, Any]]:
    return [dataclasses.asdict(dataclasses.replace(trial, policy=None)) for trial in done]


def test_the_best_meets_the_objective_for_less_than_before() -> None:
    told: list[tuple[int, int]] = []
    done = study(progress=lambda over, total: told.append((over, total)))
    assert [trial.number for trial in done] == list(range(9))
    assert done.trials[0].tuning == {TARGET: "2", WINDOW: "300"}
    assert done.trials[0].policy == policy()
    best = done.best
    assert best.state == "met"
    assert best.cost is not None
    assert done.trials[0].cost is not None
    assert best.cost < done.trials[0].cost
    assert told[-1] == (9, 9)


def test_a_trial_is_what_a_backtest_says() -> None:
    best = study(prune=None).best
    assert best.policy is not None
    done = trimtab.backtest(best.policy, LOAD, lead_times=60)
    (run,) = done.runs
    assert best.cost == run.cost
    assert best.attainment == run.attainment[0]
    assert (
        dict(best.tuning).items()
        <= {
            TARGET: best.policy.get(TARGET),
            WINDOW: best.policy.get(WINDOW),
        }.items()
    )


def test_the_same_arguments_give_the_same_study_whatever_runs_it() -> None:
    assert plain(study(jobs=1)) == plain(study(jobs=2))
    assert plain(study()) != plain(study(seed=6))


@pytest.mark.xdist_group("ray")
def test_on_ray_the_study_is_the_same() -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    ray.shutdown()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        there = study(on="ray", trials=5)
    finally:
        ray.shutdown()
    assert plain(there) == plain(study(trials=5))


def test_what_can_not_win_is_given_up_early_and_nothing_else() -> None:
    whole = {tuple(trial.tuning.items()): trial for trial in study(prune=None, trials=16)}
    pruned = study(trials=16, prune=0.4)
    given_up = [trial for trial in pruned if trial.state == "pruned"]
    assert given_up
    for trial in given_up:
        assert trial.reason is not None
        assert trial.cost is None
        other = whole.get(tuple(trial.tuning.items()))
        # It would have missed, or cost more than the best.
        if other is not None and other.state == "met":
            assert other.cost is not None
            assert pruned.best.cost is not None
            assert other.cost >= pruned.best.cost


@pytest.mark.parametrize("name", ["ramp", "markov", "on-off", "flash-crowd"])
def test_a_first_part_is_the_beginning_of_the_whole(name: str) -> None:
    for whole in (trimtab.Scenario(name, duration=1200, rate_scale=0.2, seed=3), LOAD):
        part = _begin(whole, 0.25).requests()
        count = len(part["seconds"])
        assert 0 < count < len(whole.requests()["seconds"])
        assert part == {column: values[:count] for column, values in whole.requests().items()}


def test_nothing_is_given_up_while_nothing_meets_the_objective() -> None:
    impossible = study(objectives="ttft<=150ms@99.9%", trials=5)
    assert {trial.state for trial in impossible} == {"missed"}
    shares = [trial.attainment for trial in impossible if trial.attainment is not None]
    assert impossible.best.attainment == max(shares)


def test_a_tuning_that_breaks_a_rule_is_refused_and_the_study_goes_on() -> None:
    done = trimtab.tune(
        policy(), {"minReplicas": (1, 30)}, LOAD, trials=10, lead_times=60, prune=None
    )
    refused = [trial for trial in done if trial.state == "refused"]
    assert refused
    assert all(trial.policy is None and trial.reason for trial in refused)
    assert done.best.state in ("met", "missed")


def test_the_study_is_a_table_and_the_best_is_a_policy_file(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    done = study(trials=5)
    frame = done.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["number"]) == list(range(5))
    assert {"state", TARGET, WINDOW, "cost", "attainment", "shortfall"} <= set(frame.columns)
    done.write(tmp_path / "best.yaml")
    assert trimtab.Policy.from_file(tmp_path / "best.yaml") == done.best.policy
    text = (tmp_path / "best.yaml").read_text()
    assert text.startswith("# The best of 5 trials:\n# on surge, lead time ")
    assert f"# {TARGET}={done.best.tuning[TARGET]}\n" in text


def test_several_loads_and_lead_times_add_up() -> None:
    steady = trimtab.Scenario("steady", duration=300, rate_scale=0.1)
    done = trimtab.tune(
        policy(), {TARGET: [4, 64]}, [LOAD, steady], trials=3, lead_times=[30, 90], prune=None
    )
    for trial in done:
        assert [run.workload for run in trial.runs] == ["surge", "surge", "steady", "steady"]
        assert trial.cost == sum(run.cost for run in trial.runs)


@pytest.mark.parametrize(
    ("space", "error", "message"),
    [
        ({}, ValueError, "`space` has no fields"),
        ({TARGET: "64..1"}, ValueError, "has to begin below its end"),
        ({TARGET: "log:0..4"}, ValueError, "above 0 behind `log:`"),
        ({TARGET: "log:1..64/4"}, ValueError, "write LOW..HIGH or log:LOW..HIGH"),
        ({TARGET: []}, ValueError, "has no values"),
        ({TARGET: "many..64"}, ValueError, "`many` is no number"),
        ({"maxReplica": (1, 2)}, trimtab.PolicyError, "did you mean `maxReplicas`"),
        ({TARGET: ["4 apples"]}, trimtab.PolicyError, "is not a quantity"),
    ],
)
def test_a_space_that_can_not_be_searched_is_refused(
    space: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        trimtab.tune(policy(), space, LOAD, trials=2)


def test_fields_get_the_numbers_that_they_take() -> None:
    whole, fraction, small = parse_space(
        policy(), {"maxReplicas": (3, 40), TARGET: (1, 64), "hpa.tolerance": (0.01, 0.2)}
    )
    assert getattr(whole, "whole", None) is True
    assert getattr(fraction, "whole", None) is False
    assert getattr(small, "whole", None) is False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.012346, "0.01235"),
        (3.0, "3"),
        (12.3456, "12.35"),
        (12345.6, "12346"),
        (10.0, "10"),
    ],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number_text(value) == text
