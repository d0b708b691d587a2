"""The recordings of the real autoscalers, with the engine that is in this wheel."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trimtab


def vectors(root: Path, name: str) -> list[dict[str, Any]]:
    """Read the vectors of a file."""
    with gzip.open(root / "conformance" / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def test_the_wheel_conforms_and_python_decides_the_same(root: Path, tmp_path: Path) -> None:
    """The command checks all vectors; what it decided on the way, Python decides again."""
    files = sorted(map(str, (root / "conformance").glob("*.jsonl.gz")))
    assert len(files) >= 9
    log = tmp_path / "decisions.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "trimtab", "conform", "--log", str(log), *files],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" 0 failed") == len(files)
    policy, decided = None, 0
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if "policy" in entry:
            spec = json.dumps(entry["policy"])
            policy = trimtab.Policy._restore(spec, '{"name": "d"}', "ScalingPolicy")  # type: ignore[attr-defined]
            continue
        assert policy is not None
        record = entry["decision"]
        assert policy.digest == record["policy"]
        before = trimtab.State.from_dict(record["before"])
        seen = trimtab.Observation.from_dict(record["observation"])
        decision, state = trimtab.decide(policy, before, seen)
        if "update" in record:
            state = trimtab.settle(policy, state, decision, record["update"])
        assert decision.to_dict() == record["decision"]
        assert decision == trimtab.Decision.from_dict(record["decision"])
        assert state.digest == record["after"]
        autoscaler = trimtab.Autoscaler(policy, before)
        assert autoscaler.decide(seen) == decision
        decided += 1
    assert decided > 2000, decided


def test_what_the_api_server_refuses(root: Path) -> None:
    for vector in vectors(root, "hpa_validation"):
        document: dict[str, Any] = {
            "apiVersion": "trimtab.dev/v1alpha1",
            "kind": "ScalingPolicy",
            "metadata": {"name": "d"},
            "spec": {**vector["spec"], "strategy": "hpa"},
        }
        if vector["scale_to_zero"]:
            document["spec"]["hpa"] = {"featureGates": {"HPAScaleToZero": True}}
        if vector["errors"]:
            with pytest.raises(trimtab.PolicyError):
                trimtab.Policy.from_dict(document)
        else:
            policy = trimtab.Policy.from_dict(document)
            assert trimtab.Policy.from_dict(policy.to_dict()).digest == policy.digest


def test_quantities(root: Path) -> None:
    for vector in vectors(root, "hpa_quantity"):
        if vector["s"] != vector["s"].strip():
            continue  # documents are read without what stands around a text
        if vector.get("error"):
            with pytest.raises(trimtab.ObservationError):
                trimtab.Observation(0, readings={"q": vector["s"]})
            continue
        seen = trimtab.Observation(0, readings={"q": vector["s"]})
        assert seen.to_dict()["readings"][0]["value"] == vector["canonical"], vector
