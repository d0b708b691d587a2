"""Many threads and processes decide at once, and decide the same."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import pickle
import sys
import sysconfig
import threading

import pytest
import trimtab

LOADS = [5, 30, 30, 4, 4, 400, None, "stale", 7.25, 0, 0, 0, 90.125] * 20


def course(policy: trimtab.Policy) -> list[str]:
    """Give the digests of a course of decisions."""
    autoscaler = trimtab.Autoscaler(policy)
    replicas, digests = 1, []
    for tick, load in enumerate(LOADS):
        decision = autoscaler.decide(
            trimtab.Observation(15 * tick, replicas=replicas, readings={"queue": load})
        )
        autoscaler.settle(decision)
        replicas = decision.desired_replicas
        digests.append(f"{replicas} {autoscaler.state.digest}")
    return digests


def test_eight_threads_decide_as_one(queue: trimtab.Policy) -> None:
    expected = course(queue)
    gate = threading.Barrier(8)

    def work() -> list[str]:
        gate.wait()
        return course(queue)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(work) for _ in range(8)]
        for future in futures:
            assert future.result() == expected


def test_eight_threads_share_an_autoscaler(queue: trimtab.Policy) -> None:
    autoscaler = trimtab.Autoscaler(queue)
    fleet = trimtab.Autoscalers(queue, 1000)
    columns = {"replicas": [5] * 1000, "queue": [25.0] * 1000}

    def work(number: int) -> None:
        for tick in range(200):
            seen = trimtab.Observation(15 * tick, replicas=5, readings={"queue": number})
            decision = autoscaler.decide(seen)
            autoscaler.settle(decision)
            assert autoscaler.state.current_replicas == 5
            autoscaler.policy = queue
            if tick % 20 == 0:
                assert len(fleet.decide(columns, time=15 * tick)) == 1000
                assert fleet.state(number).current_replicas == 5

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work, number) for number in range(8)]:
            future.result()


def test_free_threading() -> None:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip(
            "this interpreter has its lock: run the tests with a free-threaded one, 3.14t or later"
        )
    assert not sys._is_gil_enabled()  # type: ignore[attr-defined]


def test_values_pickle_across_processes(queue: trimtab.Policy) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(course, (queue,)) == course(queue)


def test_everything_that_is_a_value_pickles(queue: trimtab.Policy, hpa: trimtab.Policy) -> None:
    seen = trimtab.Observation(
        "2026-11-24T10:00:00Z",
        replicas=2,
        pods=["a", {"name": "b", "zone": "z"}],
        readings={"queue": 25.5},
    )
    decision, state = trimtab.decide(queue, trimtab.State(), seen)
    autoscaler = trimtab.Autoscaler(queue, state)
    fleet = trimtab.Autoscalers.from_states(queue, [state, trimtab.State()])
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):

        def again(value: object, protocol: int = protocol) -> object:
            return pickle.loads(pickle.dumps(value, protocol))

        for value in (queue, hpa, state, seen, decision):
            assert again(value) == value
        restored = again(decision)
        assert isinstance(restored, trimtab.Decision)
        assert (restored.metric, restored.explain()) == (decision.metric, decision.explain())
        other = again(autoscaler)
        assert isinstance(other, trimtab.Autoscaler)
        assert (other.policy, other.state) == (queue, state)
        batch = again(fleet)
        assert isinstance(batch, trimtab.Autoscalers)
        assert (batch.policy, batch.states()) == (queue, fleet.states())
    error = pickle.loads(pickle.dumps(refused()))
    assert (error.line, error.field, str(error)) == (
        refused().line,
        refused().field,
        str(refused()),
    )


def refused() -> trimtab.PolicyError:
    """Give an error with a place."""
    with pytest.raises(trimtab.PolicyError) as caught:
        trimtab.Policy.from_yaml("apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n")
    return caught.value
