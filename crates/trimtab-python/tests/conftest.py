"""What several tests need: the repository's examples, and policies by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import trimtab

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "llm-inference"

QUEUE = {
    "apiVersion": "trimtab.dev/v1alpha1",
    "kind": "ScalingPolicy",
    "metadata": {"name": "queue", "labels": {"team": "inference"}},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "strategy": "hpa",
        "minReplicas": 1,
        "maxReplicas": 50,
        "behavior": {},
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


@pytest.fixture
def queue() -> trimtab.Policy:
    """Give a policy of one External metric."""
    return trimtab.Policy.from_dict(QUEUE)


@pytest.fixture
def hpa() -> trimtab.Policy:
    """Give the policy of the article: a queue and a KV cache, per pod."""
    return trimtab.Policy.from_file(EXAMPLES / "hpa.yaml")


@pytest.fixture
def root() -> Path:
    """Give the repository."""
    return ROOT


@pytest.fixture
def examples() -> Path:
    """Give the folder of the examples."""
    return EXAMPLES
