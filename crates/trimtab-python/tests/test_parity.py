"""Python decides as Rust does, bit for bit: what Python decided, the command decides again."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trimtab
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# One process has the whole log.
pytestmark = pytest.mark.xdist_group("parity")

#: Everything that the tests of this module decided, as a decision log.
LOG: dict[str, list[str]] = {}

EXAMPLES = [
    "hpa",
    "hpa-concurrency",
    "hpa-requests",
    "policy",
    "slo",
    "slo-model",
    "keda",
    "knative",
]


@pytest.fixture(scope="module", autouse=True)
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the command decide again what was decided, and compare decisions and digests."""
    LOG.clear()
    yield
    log = tmp_path_factory.mktemp("log") / "decisions.jsonl.gz"
    lines = [line for lines in LOG.values() for line in lines]
    log.write_bytes(gzip.compress("".join(lines).encode()))
    done = subprocess.run(
        [sys.executable, "-m", "trimtab", "replay", str(log)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    decided = sum(len(lines) - 1 for lines in LOG.values())
    assert decided > 100
    assert str(decided) in done.stdout.replace(",", "")


def policies(examples: Path) -> list[trimtab.Policy]:
    """Give a policy of each strategy."""
    found = []
    for name in EXAMPLES:
        text = (examples / f"{name}.yaml").read_text()
        try:
            found += trimtab.Policy.all_from_yaml(text)
        except trimtab.PolicyError:
            found += [one.policy for one in trimtab.import_manifest(text)]
    return found


def note(
    policy: trimtab.Policy,
    observation: trimtab.Observation,
    before: trimtab.State,
    decision: trimtab.Decision,
    update: str | None,
    after: trimtab.State,
) -> None:
    """Write a decision to the log."""
    record: dict[str, Any] = {
        "policy": policy.digest,
        "observation": observation.to_dict(),
        "before": before.to_dict(),
        "decision": decision.to_dict(),
        "after": after.digest,
    }
    if update is not None:
        record["update"] = update
    lines = LOG.setdefault(policy.digest, [json.dumps({"policy": policy.spec}) + "\n"])
    lines.append(json.dumps({"decision": record}) + "\n")


numbers = st.one_of(
    st.none(),
    st.floats(0, 500),
    st.floats(),
    st.integers(0, 10**6),
    st.sampled_from(["250m", "1k", "0.1", "stale", "failed", "1e3", "3Gi"]),
)
steps = st.lists(
    st.tuples(
        st.integers(0, 120),
        st.integers(0, 12),
        st.lists(numbers, min_size=8, max_size=8),
        st.sampled_from(["applied", "rejected", None]),
    ),
    min_size=1,
    max_size=6,
)


def observe(
    policy: trimtab.Policy, second: int, replicas: int, values: list[Any]
) -> trimtab.Observation:
    """Make an observation with a reading in the form that each metric takes."""
    pods = [f"pod-{n}" for n in range(replicas)]
    readings: dict[str, Any] = {}
    for index, metric in enumerate(policy.spec.get("metrics", [])):
        value = values[index % len(values)]
        if metric["type"] == "Pods":
            name = metric["pods"]["metric"]["name"]
            words = ("stale", "failed")
            readings[name] = {pod: value for pod in pods if value not in words} or None
        else:
            readings[metric["external"]["metric"]["name"]] = value
    return trimtab.Observation(second, replicas=replicas, pods=pods, readings=readings)


@given(steps=steps, which=st.integers(0, 100))
@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_courses(examples: Path, steps: list[Any], which: int) -> None:
    all_policies = policies(examples)
    policy = all_policies[which % len(all_policies)]
    state, second = trimtab.State.for_policy(policy), 1_800_000_000
    for later, replicas, values, update in steps:
        second += later
        seen = observe(policy, second, replicas, values)
        decision, after = trimtab.decide(policy, state, seen)
        # Without a change there is nothing to note, and a record says so.
        told = update if decision.scale_to is not None else None
        if told is not None:
            after = trimtab.settle(policy, after, decision, told)
        note(policy, seen, state, decision, told, after)
        assert trimtab.State.from_json(after.to_json()) == after
        assert trimtab.State.from_dict(after.to_dict()).digest == after.digest
        assert trimtab.Observation.from_json(seen.to_json()) == seen
        assert trimtab.Decision.from_json(decision.to_json()) == decision
        state = after


def test_one_decision_of_the_command(examples: Path, tmp_path: Path) -> None:
    policy = trimtab.Policy.from_file(examples / "hpa.yaml")
    for seen_file in ("observation.yaml", "observation-later.yaml"):
        text = (examples / seen_file).read_text()
        seen = trimtab.Observation.from_json(text)
        decision, after = trimtab.decide(policy, trimtab.State.for_policy(policy), seen)
        after = trimtab.settle(policy, after, decision)
        (tmp_path / "seen.json").write_text(seen.to_json())
        for file in (examples / seen_file, tmp_path / "seen.json"):
            state_file = tmp_path / "state.json"
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "trimtab", "decide", "--json"),
                    *("--policy", str(examples / "hpa.yaml"), "--observation", str(file)),
                    *("--state-out", str(state_file)),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            assert trimtab.Decision.from_json(done.stdout) == decision
            assert json.loads(done.stdout) == decision.to_dict()
            assert trimtab.State.from_json(state_file.read_bytes()).digest == after.digest
