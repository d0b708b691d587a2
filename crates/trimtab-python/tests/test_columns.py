"""Columns of every package and every type are read as what they say, or refused."""

from __future__ import annotations

import datetime
import decimal
import math
import subprocess
import sys
from typing import Any

import pytest
import trimtab
from conftest import QUEUE
from hypothesis import given, settings
from hypothesis import strategies as st

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")

WAITING = "inference_requests_waiting"
CACHE = "inference_kv_cache_usage_ratio"

values = st.one_of(
    st.none(), st.floats(0, 100), st.sampled_from([math.nan, math.inf, -3.5, 1e25, -1e300])
)
lists = st.one_of(st.none(), st.lists(values, max_size=6))


class Exported:
    """What another package exports, without anything else that a column may have."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Any:
        raise AssertionError("read one by one")

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.data.__arrow_c_stream__(requested_schema)


class ExportedArray:
    """One array of another package."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self.data.__arrow_c_array__(requested_schema)


def forms(column: list[Any]) -> list[Any]:
    """Give a column of lists in every form that has them."""
    arrow = pyarrow.array(column, pyarrow.list_(pyarrow.float64()), from_pandas=False)
    return [
        column,
        arrow,
        arrow.cast(pyarrow.large_list(pyarrow.float64())),
        pyarrow.chunked_array([arrow[:1], arrow[1:1], arrow[1:]]),
        Exported(polars.Series(column, dtype=polars.List(polars.Float64))),
        polars.Series([None, *column], dtype=polars.List(polars.Float64))[1:],
        pandas.Series(column, dtype=object),
    ]


@given(rows=st.lists(st.tuples(st.integers(0, 6), lists, lists), min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_lists_are_what_the_pods_report_one_by_one(rows: list[Any]) -> None:
    policy = trimtab.Policy.from_dict(PODS)
    fleets: list[trimtab.Autoscalers] = []
    alone = [trimtab.Autoscaler(policy) for _ in rows]
    counts = [count for count, _, _ in rows]
    waiting, caches = [row[1] for row in rows], [row[2] for row in rows]
    for tick in range(2):
        wanted = []
        for (count, *readings), autoscaler in zip(rows, alone, strict=True):
            pods = [f"pod{n}" for n in range(max(count, *(len(one or []) for one in readings)))]
            named = zip((WAITING, CACHE), readings, strict=True)
            seen = trimtab.Observation(
                30 * tick,
                replicas=count,
                pods=pods,
                readings={
                    name: None if one is None else dict(zip(pods, one, strict=False))
                    for name, one in named
                },
            )
            decision = autoscaler.decide(seen)
            autoscaler.settle(decision)
            wanted.append(decision.desired_replicas)
        for index, (first, second) in enumerate(zip(forms(waiting), forms(caches), strict=True)):
            if tick == 0:
                fleets.append(trimtab.Autoscalers(policy, len(rows)))
            columns = {"replicas": counts, WAITING: first, CACHE: second}
            decided = fleets[index].decide(columns, time=30 * tick)
            assert decided.desired_replicas == wanted, index
            assert fleets[index].states() == [autoscaler.state for autoscaler in alone]


@given(rows=st.lists(lists, min_size=1, max_size=8))
@settings(deadline=None)
def test_lists_of_an_external_metric_are_its_series(rows: list[Any]) -> None:
    policy = trimtab.Policy.from_dict(QUEUE)
    decided = trimtab.decide_many(policy, {"replicas": [3] * len(rows), "queue": rows}, time=0)
    for row, series in enumerate(rows):
        # In a column, what is not there is NaN.
        known = series and [None if one != one else one for one in series]
        seen = trimtab.Observation(0, replicas=3, readings={"queue": known})
        decision, _ = trimtab.decide(policy, trimtab.State(), seen)
        assert decided.desired_replicas[row] == decision.desired_replicas
        assert decided.outcome[row] == decision.outcome


def test_rows_of_two_dimensions_are_lists() -> None:
    policy = trimtab.Policy.from_dict(PODS)
    table = numpy.array([[6.0, 30.0], [6.0, math.nan]])
    cache = numpy.full((2, 2), 0.2)
    fixed = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array([0.0, 0, 6, 30, 6, None]), 2)[1:]
    by_array = polars.Series([[6.0, 30.0], [6.0, None]], dtype=polars.Array(polars.Float64, 2))
    for waiting in (table, table.astype("float16"), numpy.asfortranarray(table), fixed, by_array):
        columns = {"replicas": [2, 2], WAITING: waiting, CACHE: cache}
        assert trimtab.decide_many(policy, columns, time=0).desired_replicas == [3, 2]


@pytest.mark.parametrize(
    "column",
    [
        numpy.array([8, 25, 0], "int8"),
        numpy.array([8, 25, 0], "uint64"),
        numpy.array([8, 25, 0], "float16"),
        numpy.array([8, 25, 0], "longdouble"),
        numpy.array([8, 25, 0], ">f8"),
        numpy.array([8, 25, 0], ">i4"),
        numpy.array([8, 25, 0], dtype=object),
        numpy.ma.masked_array([8, 25, 99], mask=[0, 0, 1]),
        pandas.Series([8, 25, None], dtype="Int64"),
        pandas.Series([8, 25, 0], dtype="UInt8"),
        pandas.Series([8, 25, None], dtype="Float64"),
        pandas.Series([8, 25, pandas.NA], dtype=object),
        pandas.Series([8, 25, 0], dtype="int32[pyarrow]"),
        pandas.Series([8, 25, None], dtype="double[pyarrow]"),
        pandas.Series([8, 25, None], index=[7, 7, 9]),
        pandas.Index([8, 25, 0]),
        [decimal.Decimal(8), decimal.Decimal("25.000"), None],
        polars.Series([8, 25, None], dtype=polars.UInt16),
        polars.Series([8, 25, None], dtype=polars.Decimal(10, 3)),
        pyarrow.array([8, 25, None], pyarrow.decimal128(8, 2)),
        pyarrow.array([8, 25, None], pyarrow.float16()),
        pyarrow.array([8, 25, None], pyarrow.int8()),
        pyarrow.array([99, 8, 25, None, 99], pyarrow.uint64())[1:4],
        pyarrow.chunked_array([pyarrow.array([8.0]), pyarrow.array([25.0, None])]),
        Exported(polars.Series([8, 25, None])),
        ExportedArray(pyarrow.array([8, 25, None])),
        iter([8, 25, None]),
    ],
    ids=lambda column: f"{type(column).__name__}-{getattr(column, 'dtype', '')}",
)
def test_numbers_of_every_type(queue: trimtab.Policy, column: Any) -> None:
    fleet = trimtab.Autoscalers(queue, 3)
    decided = fleet.decide({"replicas": [1, 2, 1], "queue": column}, time=0)
    assert decided.desired_replicas == [1, 4, 1]


def test_half_floats_are_read_as_they_are(queue: trimtab.Policy) -> None:
    bits = numpy.arange(0, 0x7C00, 7, dtype="uint16")
    halves = bits.view("float16")
    counts = numpy.full(len(bits), 1)
    by_half = trimtab.decide_many(queue, {"replicas": counts, "queue": halves}, time=0)
    doubles = halves.astype("float64")
    by_double = trimtab.decide_many(queue, {"replicas": counts, "queue": doubles}, time=0)
    assert by_half.desired_replicas == by_double.desired_replicas
    odd = numpy.array([math.nan, math.inf, -math.inf, -1], "float16")
    decided = trimtab.decide_many(queue, {"replicas": [1] * 4, "queue": odd}, time=0)
    assert decided.outcome[:3] == ["metricsUnknown"] * 3


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["1", "2"], "no numbers"),
        ([True, False], "no numbers"),
        ([b"1", 2], "no numbers"),
        ([[1.0], 2.0], "lists and numbers"),
        ([["a"], [1]], "no numbers"),
        ([datetime.datetime.now(), 1], "no time|no numbers"),
        (numpy.array(["1", "2"]), "no numbers: <U1"),
        (numpy.array(["1", "2"], dtype=object), "no numbers"),
        (numpy.array([True, False]), "no numbers: bool"),
        (numpy.array([1, 2], "complex128"), "no numbers: complex128"),
        (numpy.array([1, 2], "datetime64[s]"), "no numbers: times"),
        (numpy.array([1, 2], "timedelta64[s]"), "no numbers"),
        (pandas.Series(["1", "2"]), "no numbers"),
        (pandas.Series([True, None], dtype="boolean"), "no numbers"),
        (pandas.Series(["a", "b"], dtype="category"), "no numbers"),
        (polars.Series(["1", "2"]), "no numbers: text"),
        (polars.Series([True, False]), "no numbers: booleans"),
        (polars.Series(["a", "b"], dtype=polars.Categorical), "no numbers: dictionary"),
        (polars.Series([[["a"]], [["b"]]]), "no numbers"),
        (pyarrow.array([b"1", b"2"]), "no numbers: bytes"),
        (3.5, "no list of values"),
    ],
)
def test_what_are_no_numbers(queue: trimtab.Policy, column: Any, said: str) -> None:
    fleet = trimtab.Autoscalers(queue, 2)
    with pytest.raises((TypeError, ValueError), match=said) as refused:
        fleet.decide({"replicas": [1, 2], "queue": column}, time=0)
    assert "`queue`" in str(refused.value) or "no time" in str(refused.value)


@pytest.mark.parametrize(
    ("column", "error", "said"),
    [
        (numpy.array([1, 2.5]), ValueError, "`2.5`, which is no whole number"),
        (numpy.array([1, math.nan]), ValueError, "has a null"),
        (numpy.array([1, math.inf]), OverflowError, "beyond 64 bits"),
        ([1, 2**70], OverflowError, "beyond 64 bits"),
        ([1, None], ValueError, "has a null"),
        (numpy.array([1, 2**63], "uint64"), OverflowError, "beyond 64 bits"),
        (numpy.array([1, 1e300]), OverflowError, "beyond 64 bits"),
        (polars.Series([1, None]), ValueError, "has a null"),
        (pandas.Series([1, None], dtype="Int64"), ValueError, "has a null"),
        (numpy.array([1, 2], "datetime64[s]"), TypeError, "has times"),
        (numpy.ones((2, 2)), TypeError, "no numbers"),
        (numpy.ones((2, 2, 2)), ValueError, "3 dimensions"),
        (pyarrow.array([1, 2, 3]), ValueError, "3 rows, and there are 2"),
    ],
)
def test_what_are_no_counts(
    queue: trimtab.Policy, column: Any, error: type[Exception], said: str
) -> None:
    fleet = trimtab.Autoscalers(queue, 2)
    with pytest.raises(error, match=said):
        fleet.decide({"replicas": column, "queue": [1, 2]}, time=0)


NOON = 1_795_521_600
BERLIN = datetime.timezone(datetime.timedelta(hours=1))


def berlin() -> Any:
    return pandas.to_datetime([NOON, NOON + 60], unit="s", utc=True).tz_convert("Europe/Berlin")


@pytest.mark.parametrize(
    "times",
    [
        ["2026-11-24T12:00:00Z", "2026-11-24T13:01:00+01:00"],
        [
            datetime.datetime(2026, 11, 24, 13, tzinfo=BERLIN),
            datetime.datetime(2026, 11, 24, 12, 1, tzinfo=datetime.timezone.utc),
        ],
        [pandas.Timestamp("2026-11-24T12:00Z"), NOON + 60],
        pandas.Series(berlin()),
        berlin(),
        pandas.Series(berlin()).astype("datetime64[s, Europe/Berlin]"),
        pandas.Series(berlin()).dt.tz_convert(None),
        pandas.Series(berlin()).astype("timestamp[us, tz=UTC][pyarrow]"),
        pandas.Series(list(berlin()), dtype=object),
        numpy.array(["2026-11-24T12:00", "2026-11-24T12:01"], "datetime64[m]"),
        numpy.array(["2026-11-24T12:00", "2026-11-24T12:01"], "datetime64[ms]"),
        polars.Series([NOON, NOON + 60]).cast(polars.Int64) * 1.0,
        polars.from_epoch(polars.Series([NOON, NOON + 60])),
        polars.from_epoch(polars.Series([NOON, NOON + 60])).dt.replace_time_zone("UTC"),
        polars.from_epoch(polars.Series([NOON, NOON + 60])).dt.cast_time_unit("ns"),
        pyarrow.array([NOON, NOON + 60], pyarrow.timestamp("s", "Europe/Berlin")),
        ExportedArray(pyarrow.array([NOON, NOON + 60], pyarrow.timestamp("s"))),
        Exported(polars.from_epoch(polars.Series([NOON, NOON + 60]))),
    ],
    ids=lambda times: f"{type(times).__name__}-{getattr(times, 'dtype', '')}",
)
def test_times_of_every_type(queue: trimtab.Policy, times: Any) -> None:
    fleet = trimtab.Autoscalers(queue, 2)
    fleet.decide({"replicas": [2, 2], "queue": [25, 25], "time": times})
    assert [state.to_dict()["status"]["lastScaleTime"] for state in fleet.states()] == [
        "2026-11-24T12:00:00Z",
        "2026-11-24T12:01:00Z",
    ]


@pytest.mark.parametrize(
    "times",
    [
        numpy.array([0, "NaT"], "datetime64[s]"),
        pandas.Series([pandas.Timestamp(0), None]),
        [pandas.NaT, pandas.Timestamp(0)],
        [0, None],
        [0, math.nan],
        ["yesterday", "today"],
        numpy.array([0, 2**62]),
        numpy.array([0, 1e300]),
        polars.Series([datetime.datetime(2026, 1, 1), None]),
        [True, "2026-11-24T12:00:00Z"],
        [datetime.date(2026, 1, 1), "x"],
    ],
)
def test_what_are_no_times(queue: trimtab.Policy, times: Any) -> None:
    fleet = trimtab.Autoscalers(queue, 2)
    with pytest.raises((TypeError, ValueError, OverflowError)):
        fleet.decide({"replicas": [2, 2], "queue": [25, 25], "time": times})


def test_dates_are_midnights(queue: trimtab.Policy) -> None:
    for times in (
        polars.Series([datetime.date(2026, 11, 24)]),
        pyarrow.array([datetime.date(2026, 11, 24)], pyarrow.date64()),
        numpy.array(["2026-11-24"], "datetime64[D]"),
    ):
        fleet = trimtab.Autoscalers(queue, 1)
        fleet.decide({"replicas": [2], "queue": [25], "time": times})
        last = fleet.state(0).last_scale_time
        assert last == datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc)


def test_tables_that_only_export(queue: trimtab.Policy) -> None:
    columns = {"replicas": [1, 2, 2], "queue": [8, 25, None], "name": ["a", "b", "c"]}
    table = polars.DataFrame(columns)
    batch = table.to_arrow().combine_chunks().to_batches()[0]
    pieces = pyarrow.Table.from_batches([batch[:1], batch[1:]])
    for shown in (Exported(table), Exported(pieces), pieces.to_reader(), ExportedArray(batch)):
        decided = trimtab.decide_many(queue, shown, time=0)
        assert decided.desired_replicas == [1, 4, 2]
    nothing = trimtab.decide_many(queue, Exported(table[:0]), time=0)
    assert len(nothing) == 0
    with pytest.raises(TypeError, match="is a column itself"):
        trimtab.decide_many(queue, Exported(polars.Series([1])), time=0)


def test_what_a_stream_says_is_wrong_is_told(queue: trimtab.Policy) -> None:
    def broken() -> Any:
        yield pyarrow.record_batch({"replicas": [1], "queue": [1.0]})
        raise RuntimeError("the disk is gone")

    schema = pyarrow.schema({"replicas": pyarrow.int64(), "queue": pyarrow.float64()})
    reader = pyarrow.RecordBatchReader.from_batches(schema, broken())
    with pytest.raises(ValueError, match="the disk is gone"):
        trimtab.decide_many(queue, Exported(reader), time=0)


def test_decisions_are_arrow_data(queue: trimtab.Policy) -> None:
    decided = trimtab.decide_many(queue, {"replicas": [1, 2], "queue": [8, 25]}, time=0)
    assert polars.DataFrame(decided)["scale_to"].to_list() == [None, 4]
    assert pyarrow.table(decided).num_rows == 2


def test_no_package_is_needed_for_arrow_data() -> None:
    code = """
import sys
for name in ("numpy", "pandas", "pyarrow"):
    sys.modules[name] = None
import polars, trimtab
from conftest import QUEUE
policy = trimtab.Policy.from_dict(QUEUE)
frame = polars.DataFrame({"replicas": [1, 2], "queue": [8.0, None]})
print(trimtab.decide_many(policy, frame, time=0).outcome)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="tests")
    assert done.stdout == "['decided', 'metricsUnknown']\n", done.stderr


def test_recordings_of_every_type(queue: trimtab.Policy) -> None:
    load = [8, 40, 8]
    expected = trimtab.evaluate(
        queue, {"time": [f"2026-11-24T12:0{m}:00Z" for m in range(3)], "queue": load}
    )
    assert expected.totals["peakReplicas"] == 5
    stamps = pandas.date_range("2026-11-24T13:00", periods=3, freq="min", tz="Europe/Berlin")
    seconds = polars.Series([NOON, NOON + 60, NOON + 120])
    for times in (
        stamps,
        pandas.Series(stamps),
        list(stamps),
        stamps.tz_convert(None),
        stamps.tz_convert(None).to_numpy(),
        polars.from_epoch(seconds),
        pyarrow.array(seconds.to_list(), pyarrow.timestamp("s", "UTC")),
    ):
        done = trimtab.evaluate(queue, {"time": times, "queue": load})
        assert done.to_dict() == expected.to_dict(), type(times)
    frame = pandas.DataFrame({"time": stamps, "queue": pandas.array(load, "Int64")})
    assert trimtab.evaluate(queue, frame).to_dict() == expected.to_dict()
    exported = Exported(polars.DataFrame({"time": polars.from_epoch(seconds), "queue": load}))
    assert trimtab.evaluate(queue, exported).to_dict() == expected.to_dict()


def test_what_a_policy_does_not_read_may_be_words(queue: trimtab.Policy) -> None:
    stamps = pandas.date_range("2026-11-24T13:00", periods=3, freq="min", tz="Europe/Berlin")
    frame = pandas.DataFrame({"time": stamps, "queue": [8, 40, 8], "pod": ["a", "b", None]})
    expected = trimtab.evaluate(queue, frame.drop(columns="pod")).to_dict()
    assert trimtab.evaluate(queue, frame).to_dict() == expected
    assert trimtab.evaluate(queue, frame.set_index("time")).to_dict() == expected
    assert trimtab.evaluate(queue, polars.from_pandas(frame)).to_dict() == expected
    with pytest.raises(trimtab.TraceError, match="column `queue`: `many` is not a number"):
        trimtab.evaluate(queue, frame.assign(queue=["many", "8", "8"]))


def test_requests_with_dates_begin_at_the_first() -> None:
    stamps = pandas.date_range("2026-11-24T13:00", periods=2, freq="1500ms", tz="Europe/Berlin")
    tokens = {"input_tokens": [300, 150], "output_tokens": [20, 80]}
    for times in (stamps, list(stamps), stamps.tz_convert(None).to_numpy()):
        trace = trimtab.Trace.from_columns({"timestamp_s": times, **tokens})
        assert trace.requests()["seconds"] == [0.0, 1.5]
    frame = polars.DataFrame({"timestamp_s": [0.0, 1.5], **tokens})
    frame = frame.cast({"input_tokens": polars.Float64, "output_tokens": polars.Int16})
    trace = trimtab.Trace.from_columns(Exported(frame))
    assert trace.requests() == {"seconds": [0.0, 1.5], **tokens}


PODS: dict[str, Any] = {
    **QUEUE,
    "spec": {
        **QUEUE["spec"],  # type: ignore[dict-item]
        "metrics": [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": name},
                    "target": {"type": "AverageValue", "averageValue": target},
                },
            }
            for name, target in ((WAITING, 12), (CACHE, "800m"))
        ],
    },
}
