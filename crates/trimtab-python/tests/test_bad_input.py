"""Bad input of every kind is an exception of its own kind, and never a crash or a wrong number."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import trimtab
from conftest import QUEUE

NAN = float("nan")


@pytest.mark.parametrize("time", [None, [], {}, b"0", object(), "yesterday", NAN, 1e300, 10**30])
def test_what_is_no_time(time: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        trimtab.Observation(time)


@pytest.mark.parametrize("replicas", ["3", 1.5, 2**31, -(2**40), 10**40, [], NAN, b"1"])
def test_what_is_no_count(replicas: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        trimtab.Observation(0, replicas=replicas)


def test_arrays_are_no_readings_and_what_pandas_has_for_nothing_is_nothing() -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    for array in (numpy.array([1.0, 2.0]), numpy.array([1]), pandas.Series([1.0])):
        with pytest.raises(TypeError, match="a list or a dict by pod has them"):
            trimtab.Observation(0, readings={"queue": array})
    for nothing in (pandas.NA, pandas.NaT, None):
        seen = trimtab.Observation(0, readings={"queue": nothing})
        assert seen.to_dict()["readings"] == [{"metric": "queue", "unavailable": "missing"}]
    assert trimtab.Observation(0, readings={"queue": numpy.array(3)}).to_dict()["readings"] == [
        {"metric": "queue", "value": "3"}
    ]


def test_a_negative_count_does_not_fit(queue: trimtab.Policy) -> None:
    seen = trimtab.Observation(0, replicas=-1)
    with pytest.raises(trimtab.ObservationError, match="a count is 0 or more"):
        trimtab.decide(queue, trimtab.State(), seen)
    with pytest.raises(trimtab.ObservationError):
        trimtab.Autoscaler(queue).decide(seen)


@pytest.mark.parametrize(
    "reading",
    [True, b"3", object(), {"a": object()}, {1: 2}, [object()], {"a": [1]}, {"a": b"1"}, 3 + 1j],
)
def test_what_is_no_reading(reading: Any) -> None:
    with pytest.raises(TypeError):
        trimtab.Observation(0, replicas=1, readings={"queue": reading})


@pytest.mark.parametrize(
    "text", ["", "many", "1 000", "--3", "1e", "0x10", "∞", "1\x00", "9" * 5000]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(trimtab.ObservationError, match="queue"):
        trimtab.Observation(0, replicas=1, readings={"queue": text})


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30, -(10**200), 1e300, -1e25])
def test_amounts_beyond_all_bounds_are_unknown_not_wrong(
    queue: trimtab.Policy, number: float
) -> None:
    seen = trimtab.Observation(0, replicas=5, readings={"queue": number})
    decision, _ = trimtab.decide(queue, trimtab.State(), seen)
    assert (decision.scale_to, decision.outcome) == (None, "metricsUnknown")


def test_integers_that_python_does_not_print() -> None:
    with pytest.raises((ValueError, trimtab.ObservationError)):
        trimtab.Observation(0, replicas=1, readings={"queue": 10**10_000})


@pytest.mark.parametrize(
    "pods", ["abc", 7, [7], [None], [["a"]], {"a": 1}, [{"nam": "a"}], [{"name": "a", "phase": 3}]]
)
def test_what_are_no_pods(pods: Any) -> None:
    with pytest.raises((TypeError, trimtab.ObservationError)):
        trimtab.Observation(0, replicas=1, pods=pods)


def test_an_unknown_field_says_what_was_meant() -> None:
    with pytest.raises(trimtab.ObservationError) as refused:
        trimtab.Observation(0, replicas=1, pods=[{"name": "a", "redy": True}])
    assert refused.value.help == "did you mean `ready`?"
    with pytest.raises(trimtab.ObservationError, match="is no state of a selector"):
        trimtab.Observation(0, selector="fine")  # type: ignore[arg-type]


def test_readings_that_do_not_fit_the_policy(queue: trimtab.Policy) -> None:
    cases: list[dict[str, Any]] = [{"other": 3}, {"queue": {"a": 3}}]
    for readings in cases:
        seen = trimtab.Observation(0, replicas=1, readings=readings)
        with pytest.raises(trimtab.ObservationError):
            trimtab.decide(queue, trimtab.State(), seen)
    twice = trimtab.Observation(0, replicas=1, pods=["a", "a"])
    with pytest.raises(trimtab.ObservationError, match="listed twice"):
        trimtab.decide(queue, trimtab.State(), twice)


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"spec: \xc3\x28", "\x00", "{", "- [", "", "a: 1\na: 2"]
)
def test_what_is_no_document(text: Any) -> None:
    with pytest.raises(trimtab.PolicyError):
        trimtab.Policy.from_yaml(text)
    with pytest.raises(trimtab.StateError):
        trimtab.State.from_json(text)
    with pytest.raises(trimtab.ObservationError):
        trimtab.Observation.from_json(text)


def test_surrogates_are_no_text() -> None:
    with pytest.raises((UnicodeError, trimtab.TrimtabError)):
        trimtab.Policy.from_yaml("a: '\ud800'")
    with pytest.raises((UnicodeError, trimtab.TrimtabError)):
        trimtab.Observation(0, replicas=1, readings={"queue": "\ud800"})


@pytest.mark.parametrize("value", [NAN, float("inf"), 2**70, object(), {1: 2}, {"a": {3}}, b"x"])
def test_what_no_document_has(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        trimtab.Policy.from_dict({**QUEUE, "spec": value})
    with pytest.raises((TypeError, ValueError)):
        trimtab.State.from_dict({"version": value})


def test_endless_nesting_ends() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="deeper"):
        trimtab.Policy.from_dict({"a": endless})
    with pytest.raises(trimtab.PolicyError, match=r"nested|deep"):
        trimtab.Policy.from_yaml("[" * 5000)


@pytest.mark.parametrize("wrong", [None, 3, "policy", object()])
def test_arguments_of_other_types(queue: trimtab.Policy, wrong: Any) -> None:
    seen = trimtab.Observation(0, replicas=1)
    with pytest.raises(TypeError):
        trimtab.decide(wrong, trimtab.State(), seen)
    with pytest.raises(TypeError):
        trimtab.decide(queue, wrong, seen)
    with pytest.raises(TypeError):
        trimtab.decide(queue, trimtab.State(), wrong)
    with pytest.raises(TypeError):
        trimtab.Autoscaler(wrong)
    with pytest.raises(TypeError):
        trimtab.Policy.from_yaml(bytearray(b"x") if wrong == "policy" else wrong)  # type: ignore[arg-type]


def test_a_state_of_another_version() -> None:
    with pytest.raises(trimtab.StateError, match="version 7 is not supported"):
        trimtab.State.from_dict({"version": 7})


class Changing(Mapping[str, Any]):
    """A mapping that changes while it is read."""

    def __init__(self) -> None:
        self.there = {"queue": 1.0}

    def __getitem__(self, key: str) -> Any:
        self.there[f"more{len(self.there)}"] = 1.0
        return self.there.get(key, 1.0)

    def __iter__(self) -> Iterator[str]:
        return iter(self.there)

    def __len__(self) -> int:
        return len(self.there)


class Growing:
    """A number that changes the dict that it is in."""

    def __init__(self, home: dict[str, Any]) -> None:
        self.home = home

    def __index__(self) -> int:
        self.home[f"more{len(self.home)}"] = 2
        self.home.pop("queue", None)
        return 3


def test_a_dict_that_changes_while_it_is_read() -> None:
    readings: dict[str, Any] = {"queue": 0}
    readings["queue"] = Growing(readings)
    seen = trimtab.Observation(0, replicas=1, readings=readings)
    assert seen.to_dict()["readings"] == [{"metric": "queue", "value": "3"}]
    with pytest.raises(RuntimeError, match="changed size"):
        trimtab.Observation(0, replicas=1, readings=Changing())
    document: dict[str, Any] = {"version": 1}
    document["version"] = Growing(document)
    with pytest.raises(trimtab.StateError):
        trimtab.State.from_dict(document)


def test_a_dict_that_another_thread_changes(queue: trimtab.Policy) -> None:
    readings: dict[str, Any] = {"queue": {f"pod{n}": n for n in range(100)}}
    pods = readings["queue"]
    done = threading.Event()

    def change() -> None:
        n = 0
        while not done.is_set():
            pods[f"new{n % 50}"] = n
            pods.pop(f"new{(n + 25) % 50}", None)
            n += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(500):
            seen = trimtab.Observation(0, replicas=1, readings=readings)
            assert len(seen.to_dict()["readings"][0]["pods"]) >= 100
    finally:
        done.set()
        thread.join()


class Angry:
    """An object whose every method fails in its own way."""

    def __index__(self) -> int:
        raise ZeroDivisionError("no")


def test_what_a_callers_object_raises_comes_through() -> None:
    with pytest.raises((ZeroDivisionError, TypeError)):
        trimtab.Observation(0, replicas=1, readings={"queue": Angry()})
