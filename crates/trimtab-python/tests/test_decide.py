import datetime

import pytest
import trimtab


def observe(second: float, replicas: int, queue: object) -> trimtab.Observation:
    return trimtab.Observation(second, replicas=replicas, readings={"queue": queue})


def test_a_decision_has_all_that_was_decided(queue: trimtab.Policy) -> None:
    decision, state = trimtab.decide(queue, trimtab.State(), observe(60.5, 2, 25))
    assert decision.at == datetime.datetime(
        1970, 1, 1, 0, 1, 0, 500_000, tzinfo=datetime.timezone.utc
    )
    assert (decision.current_replicas, decision.desired_replicas, decision.scale_to) == (2, 4, 4)
    assert (decision.outcome, decision.reason) == ("decided", "metricAbove")
    assert (decision.metric, decision.metric_index) == ("queue", 0)
    assert (decision.warm, decision.retire, decision.supply) == (None, None, None)
    able = decision.conditions[0]
    assert (able.type, able.status, able.reason) == ("AbleToScale", "True", "ReadyForNewScale")
    assert able.last_transition_time == decision.at
    assert decision.trace[0]["stage"] == "size"
    assert decision.to_dict()["scaleTo"] == 4
    assert repr(decision) == (
        "<Decision 1970-01-01T00:01:00.500Z  2 -> 4 replicas: `queue` asks for more>"
    )
    assert str(decision) == decision.explain()
    assert (state.current_replicas, state.last_scale_time) == (2, None)
    assert trimtab.settle(queue, state, decision).desired_replicas == 4


def test_html_is_escaped(queue: trimtab.Policy) -> None:
    named = queue.with_fields({"metrics[0].external.metric.name": "a<b>&c"})
    seen = trimtab.Observation(0, replicas=2, readings={"a<b>&c": 25})
    decision, _ = trimtab.decide(named, trimtab.State(), seen)
    html = decision._repr_html_()
    assert "a&lt;b&gt;&amp;c" in html
    assert "<b>&c" not in html
    assert "<b>&lt;- decided</b>" in html


def test_the_state_that_is_given_stays(queue: trimtab.Policy) -> None:
    before = trimtab.State.for_policy(queue)
    digest = before.digest
    first = trimtab.decide(queue, before, observe(0, 2, 25))
    second = trimtab.decide(queue, before, observe(0, 2, 25))
    assert before.digest == digest
    assert first == second
    assert first[1].digest == second[1].digest != digest


def test_settling_counts_the_change(queue: trimtab.Policy) -> None:
    decision, state = trimtab.decide(queue, trimtab.State(), observe(0, 2, 25))
    applied = trimtab.settle(queue, state, decision)
    rejected = trimtab.settle(queue, state, decision, "rejected")
    assert applied.to_dict()["scaleUps"][0]["change"] == 2
    assert applied.last_scale_time == decision.at
    assert rejected.to_dict()["scaleUps"] == []
    with pytest.raises(ValueError, match="`applied` and `rejected` are"):
        trimtab.settle(queue, state, decision, "done")  # type: ignore[arg-type]


def test_an_autoscaler_is_decide_and_settle(queue: trimtab.Policy) -> None:
    autoscaler = trimtab.Autoscaler(queue)
    state = trimtab.State.for_policy(queue)
    replicas = 1
    for second, load in enumerate([5, 30, 30, 4, 4, 400, None, "stale", float("nan"), 7.25]):
        seen = observe(15 * second, replicas, load)
        decision, state = trimtab.decide(queue, state, seen)
        assert autoscaler.decide(seen) == decision
        state = trimtab.settle(queue, state, decision)
        autoscaler.settle(decision)
        assert autoscaler.state == state
        assert autoscaler.state.digest == state.digest
        replicas = decision.desired_replicas
    again = trimtab.Autoscaler(queue, state)
    assert again.state == state
    again.policy = queue.with_fields({"maxReplicas": 3})
    assert again.policy.max_replicas == 3
    assert again.decide(observe(1000, 5, 400)).scale_to == 3


def test_what_is_not_known_is_never_a_number(queue: trimtab.Policy) -> None:
    unknowns: list[object] = [None, float("nan"), float("inf"), "missing", "stale", "failed", []]
    for unknown in unknowns:
        decision, _ = trimtab.decide(queue, trimtab.State(), observe(0, 5, unknown))
        assert (decision.scale_to, decision.outcome) == (None, "metricsUnknown"), unknown
    without, _ = trimtab.decide(queue, trimtab.State(), trimtab.Observation(0, replicas=5))
    assert without.outcome == "metricsUnknown"
    uncounted, _ = trimtab.decide(queue, trimtab.State(), trimtab.Observation(0))
    assert uncounted.outcome == "scaleUnavailable"


def test_pods_report_one_by_one(hpa: trimtab.Policy) -> None:
    readings = {
        "inference_requests_waiting": {"a": 12, "b": "12", "gone": None},
        "inference_kv_cache_usage_ratio": {"a": 0.5, "b": {"value": "0.5", "windowSeconds": 30}},
    }
    seen = trimtab.Observation(0, replicas=2, pods=["a", {"name": "b"}], readings=readings)
    decision, state = trimtab.decide(hpa, trimtab.State(), seen)
    assert decision.scale_to is None  # the queue has to last for half a minute
    seen = trimtab.Observation(31, replicas=2, pods=["a", "b"], readings=readings)
    decision, _ = trimtab.decide(hpa, state, seen)
    assert (decision.scale_to, decision.metric) == (6, "inference_requests_waiting")


def test_readings_in_every_form(queue: trimtab.Policy) -> None:
    forms = [25, 25.0, "25", "25000m", "0.025k", [10, 15], [10.0, "15", float("nan")], (25,)]
    made = [trimtab.decide(queue, trimtab.State(), observe(0, 2, form))[0] for form in forms]
    assert {decision.scale_to for decision in made} == {4}
    record = [{"metric": "queue", "value": "25"}]
    seen = trimtab.Observation(0, replicas=2, readings=record)
    assert trimtab.decide(queue, trimtab.State(), seen)[0] == made[0]


def test_a_deadline(queue: trimtab.Policy) -> None:
    decision, state = trimtab.decide(queue, trimtab.State(), observe(0, 10, 8))
    deadline = trimtab.next_deadline(queue, state, observe(0, 10, 8))
    assert deadline is None or deadline >= decision.at
    autoscaler = trimtab.Autoscaler(queue, state)
    assert autoscaler.next_deadline(observe(0, 10, 8)) == deadline


def test_times_in_every_form() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    forms = [
        1_800_000_000,
        1_800_000_000.0,
        "2027-01-15T08:00:00Z",
        "2027-01-15T10:00:00+02:00",
        datetime.datetime(2027, 1, 15, 8, tzinfo=datetime.timezone.utc),
        datetime.datetime(2027, 1, 15, 10, tzinfo=zone),
    ]
    times = {trimtab.Observation(form).time for form in forms}  # type: ignore[arg-type]
    assert times == {forms[4]}
