"""Columns decide as rows do."""

from __future__ import annotations

import array
import math
from typing import Any

import pytest
import trimtab
from hypothesis import given, settings
from hypothesis import strategies as st

amounts = st.one_of(
    st.none(),
    st.floats(0, 1e6),
    st.floats(allow_nan=False, allow_infinity=True),
    st.integers(0, 2000).map(lambda milli: milli / 1000),
    st.integers(-(2**53), 2**53).map(float),
)


def single(load: float | None) -> Any:
    """In a column, what is not there is NaN."""
    return None if load is None or math.isnan(load) else load


@given(rows=st.lists(st.tuples(st.integers(0, 60), amounts), min_size=1, max_size=30))
@settings(deadline=None)
def test_a_batch_decides_as_its_rows(rows: list[tuple[int, float | None]]) -> None:
    policy = trimtab.Policy.from_dict(POLICY)
    fleet = trimtab.Autoscalers(policy, len(rows))
    alone = [trimtab.Autoscaler(policy) for _ in rows]
    columns = {"replicas": [count for count, _ in rows], "queue": [load for _, load in rows]}
    for tick in range(3):
        decided = fleet.decide(columns, time=30 * tick)
        for row, (count, load) in enumerate(rows):
            seen = trimtab.Observation(30 * tick, replicas=count, readings={"queue": single(load)})
            decision = alone[row].decide(seen)
            alone[row].settle(decision)
            assert decided.desired_replicas[row] == decision.desired_replicas
            assert decided.scale_to[row] == decision.scale_to
            assert decided.outcome[row] == decision.outcome
            assert decided.reason[row] == decision.reason
            assert decided.metric[row] == decision.metric
            assert fleet.state(row) == alone[row].state


@given(kept=st.lists(st.booleans(), min_size=1, max_size=8))
@settings(deadline=None)
def test_what_was_decided_stays(kept: list[bool]) -> None:
    """Rows that nobody has any more are written again, and no others."""
    fleet = trimtab.Autoscalers(trimtab.Policy.from_dict(POLICY), 50)
    held = []
    for tick, keep in enumerate(kept):
        columns = {"replicas": [3 + tick] * 50, "queue": [10.0 * row for row in range(50)]}
        decided = fleet.decide(columns, time=30 * tick)
        if keep:
            held.append((decided, decided.to_dict()))
        for before, told in held:
            assert before.to_dict() == told


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_the_amount_that_its_text_is(number: float) -> None:
    policy = trimtab.Policy.from_dict(POLICY)
    by_text = trimtab.Observation(
        0, replicas=3, readings=[{"metric": "queue", "value": repr(number)}]
    )
    by_number = trimtab.Observation(0, replicas=3, readings={"queue": number})
    in_document = trimtab.Observation(
        0, replicas=3, readings=[{"metric": "queue", "value": number}]
    )
    assert by_number == by_text == in_document
    batch = trimtab.decide_many(policy, {"replicas": [3], "queue": [number]}, time=0)
    decision, _ = trimtab.decide(policy, trimtab.State(), by_text)
    assert batch.desired_replicas == [decision.desired_replicas]
    assert batch.outcome == [decision.outcome]


def test_columns_of_pods(hpa: trimtab.Policy) -> None:
    rows = 3
    fleet = trimtab.Autoscalers(hpa, rows)
    columns: dict[str, list[Any]] = {
        "replicas": [2, 3, 0],
        "inference_requests_waiting": [24.0, 24.0, 24.0],
        "inference_kv_cache_usage_ratio/replica": [0.5, 0.5, 0.5],
    }
    alone = [trimtab.Autoscaler(hpa) for _ in range(rows)]
    wanted = []
    for tick in range(4):
        decided = fleet.decide(columns, time=15 * tick)
        for row, autoscaler in enumerate(alone):
            count = columns["replicas"][row]
            pods = [f"pod{n}" for n in range(int(count))]
            seen = trimtab.Observation(
                15 * tick,
                replicas=int(count),
                pods=pods,
                readings={
                    "inference_requests_waiting": {pod: 24.0 / len(pods) for pod in pods},
                    "inference_kv_cache_usage_ratio": dict.fromkeys(pods, 0.5),
                },
            )
            decision = autoscaler.decide(seen)
            autoscaler.settle(decision)
            assert decided.desired_replicas[row] == decision.desired_replicas
            assert fleet.state(row) == autoscaler.state
        wanted.append(decided.desired_replicas)
    assert wanted[2] == [6, 6, 0]


def test_columns_in_every_form(queue: trimtab.Policy) -> None:
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    plain: dict[str, list[float]] = {"replicas": [1, 2, 2], "queue": [8.0, 25.0, 20.5]}
    forms = [
        plain,
        {name: tuple(values) for name, values in plain.items()},
        {name: array.array("d", values) for name, values in plain.items()},
        {
            "replicas": array.array("i", [1, 2, 2]),
            "queue": memoryview(array.array("d", [8, 25, 20.5])),
        },
        {name: numpy.array(values) for name, values in plain.items()},
        {name: numpy.array([*values, 0, 0, 0])[:3] for name, values in plain.items()},
        {name: numpy.repeat(values, 2)[::2] for name, values in plain.items()},
        {
            "replicas": numpy.array([1, 2, 2], "uint8"),
            "queue": numpy.array([8, 25, 20.5], "float32"),
        },
        pandas.DataFrame(plain),
        polars.DataFrame(plain),
        pyarrow.table(plain),
        polars.DataFrame(plain).with_columns(polars.lit("x").alias("name")),
        pandas.DataFrame({**plain, "name": ["a", "b", "c"]}),
    ]
    for form in forms:
        decided = trimtab.decide_many(queue, form, time=0)
        assert decided.desired_replicas == [1, 4, 3], type(form)


def test_tables_out(queue: trimtab.Policy) -> None:
    pytest.importorskip("numpy")
    columns = {"replicas": [1, 2, 2], "queue": [8, 25, None]}
    decided = trimtab.decide_many(queue, columns, time=0)
    assert decided.changed == [1]
    assert decided.to_dict()["scale_to"] == [None, 4, None]
    expected = {
        "current_replicas": [1, 2, 2],
        "desired_replicas": [1, 4, 2],
        "changed": [False, True, False],
        "outcome": ["decided", "decided", "metricsUnknown"],
        "reason": ["none", "metricAbove", "none"],
        "metric": ["queue", "queue", None],
    }
    arrays = decided.to_numpy()
    assert {name: list(column) for name, column in arrays.items()} == expected
    pytest.importorskip("pandas")
    frame = decided.to_pandas()
    names = list(expected)
    expected = (
        {name: expected[name] for name in names[:2]} | {"scale_to": [None, 4, None]} | expected
    )
    assert list(frame.columns) == list(expected)
    assert frame["desired_replicas"].tolist() == [1, 4, 2]
    assert frame["scale_to"].fillna(0).tolist() == [0, 4, 0]
    assert frame["outcome"].tolist() == expected["outcome"]
    assert frame["metric"].isna().tolist() == [False, False, True]
    assert frame.groupby("reason", observed=False)["current_replicas"].sum().to_dict() == {
        "metricAbove": 2,
        "none": 3,
    }
    pytest.importorskip("polars")
    assert decided.to_polars().to_dict(as_series=False) == expected
    pytest.importorskip("pyarrow")
    assert decided.to_arrow().to_pydict() == expected


def test_times(queue: trimtab.Policy) -> None:
    numpy = pytest.importorskip("numpy")
    columns: dict[str, Any] = {"replicas": [2, 2], "queue": [25, 25]}
    forms = [
        [0, 60],
        [0.0, 60.0],
        numpy.array([0, 60]),
        numpy.array([0, 60], "datetime64[s]"),
        numpy.array([0, 60_000_000_000], "datetime64[ns]"),
    ]
    for times in forms:
        fleet = trimtab.Autoscalers(queue, 2)
        fleet.decide({**columns, "time": times})
        assert [state.to_dict()["status"]["lastScaleTime"] for state in fleet.states()] == [
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:01:00Z",
        ]


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"queue": [1.0, 2.0]}, TypeError),
        ({"replicas": [1, 2]}, trimtab.ObservationError),
        ({"replicas": [1], "queue": [1.0, 2.0]}, ValueError),
        ({"replicas": [1, 2], "queue": [1.0]}, ValueError),
        ({"replicas": [1, -2], "queue": [1.0, 1.0]}, trimtab.ObservationError),
        ({"replicas": [1, 2**40], "queue": [1.0, 1.0]}, trimtab.ObservationError),
        ({"replicas": [1, 2**70], "queue": [1.0, 1.0]}, OverflowError),
        ({"replicas": [1, 1.5], "queue": [1.0, 1.0]}, ValueError),
        ({"replicas": [1, None], "queue": [1.0, 1.0]}, ValueError),
        ({"replicas": [[1], [2]], "queue": [1.0, 1.0]}, TypeError),
        ({"replicas": [1, 2], "queue": ["a", "b"]}, TypeError),
        ({"replicas": [1, 2], "queue": "ab"}, TypeError),
        ({"replicas": 3, "queue": [1.0, 1.0]}, TypeError),
        ({"replicas": [1, 2], "queue": [[[1.0]], [2.0]]}, TypeError),
        ([1, 2], TypeError),
        (None, TypeError),
    ],
)
def test_columns_that_are_none(queue: trimtab.Policy, columns: Any, error: type) -> None:
    fleet = trimtab.Autoscalers(queue, 2)
    before = fleet.states()
    with pytest.raises(error):
        fleet.decide(columns, time=0)
    assert fleet.states() == before


def test_rows(queue: trimtab.Policy) -> None:
    fleet = trimtab.Autoscalers(queue, 3)
    decided = fleet.decide({"replicas": [1, 2, 3], "queue": [9, 9, 9]}, time=0)
    assert (len(fleet), len(decided)) == (3, 3)
    assert fleet.state(-1).current_replicas == 3
    for row in (3, -4, 2**40):
        with pytest.raises(IndexError):
            fleet.state(row)
    fleet.set_state(0, fleet.state(2))
    assert fleet.state(0).current_replicas == 3
    assert fleet.size_in_bytes() > 0
    with pytest.raises(TypeError, match="no `time`"):
        fleet.decide({"replicas": [1, 2, 3], "queue": [9, 9, 9]})
    empty = trimtab.Autoscalers(queue, 0)
    assert len(empty.decide({"replicas": [], "queue": []}, time=0)) == 0


POLICY = {
    "apiVersion": "trimtab.dev/v1alpha1",
    "kind": "ScalingPolicy",
    "metadata": {"name": "queue"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "strategy": "hpa",
        "maxReplicas": 50,
        "behavior": {"scaleUp": {"stabilizationWindowSeconds": 30}},
        "metrics": [
            {
                "type": "External",
                "external": {
                    "metric": {"name": "queue"},
                    "target": {"type": "AverageValue", "averageValue": 8},
                },
            }
        ],
    },
}
