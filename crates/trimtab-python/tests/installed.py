"""Decide where nothing but the package is: what is published works by itself."""

import trimtab

policy = trimtab.Policy.from_dict(
    {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 10,
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
)
seen = trimtab.Observation(0, replicas=2, readings={"queue": 25})
decision, state = trimtab.decide(policy, trimtab.State(), seen)
assert decision.scale_to == 4, decision
assert trimtab.decide_many(policy, {"replicas": [2], "queue": [25]}, time=0).scale_to == [4]
print(trimtab.__version__, decision)
