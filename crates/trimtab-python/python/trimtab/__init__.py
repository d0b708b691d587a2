"""Decide how many replicas there should be, and say why.

One pure function decides; everything that a decision depends on is an argument:

>>> import trimtab
>>> policy = trimtab.Policy.from_yaml('''
... apiVersion: autoscaling/v2
... kind: HorizontalPodAutoscaler
... metadata: {name: llm}
... spec:
...   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
...   maxReplicas: 10
...   metrics:
...   - type: External
...     external:
...       metric: {name: requests_in_flight}
...       target: {type: AverageValue, averageValue: 8}
... ''')
>>> observation = trimtab.Observation(0, replicas=2, readings={"requests_in_flight": 25})
>>> decision, state = trimtab.decide(policy, trimtab.State(), observation)
>>> decision.scale_to
4
>>> print(decision.explain().splitlines()[0])
1970-01-01T00:00:00Z  2 -> 4 replicas: `requests_in_flight` asks for more
"""

from trimtab import admission, errors
from trimtab._arguments import profiles, signals
from trimtab._backtest import Backtest, Sweep, backtest, sweep
from trimtab._batch import Autoscalers, decide_many
from trimtab._core import (
    Autoscaler,
    Condition,
    Decision,
    Decisions,
    Observation,
    Policy,
    Scenario,
    State,
    Trace,
    __version__,
    decide,
    next_deadline,
    settle,
)
from trimtab._evaluation import Evaluation, evaluate
from trimtab._manifests import (
    Finding,
    Imported,
    ImportedPolicy,
    LintReport,
    Note,
    Place,
    import_manifest,
    lint,
)
from trimtab._policy_tests import Failure, PolicyTest, TestReport, TestResult, find_tests, run_tests
from trimtab._runs import Comparison, Run
from trimtab._tune import Study, Trial, tune
from trimtab.errors import (
    ManifestError,
    MissingDependencyError,
    ObservationError,
    PolicyError,
    SimulationError,
    StateError,
    TraceError,
    TrimtabError,
)

__all__ = [
    "Autoscaler",
    "Autoscalers",
    "Backtest",
    "Comparison",
    "Condition",
    "Decision",
    "Decisions",
    "Evaluation",
    "Failure",
    "Finding",
    "Imported",
    "ImportedPolicy",
    "LintReport",
    "ManifestError",
    "MissingDependencyError",
    "Note",
    "Observation",
    "ObservationError",
    "Place",
    "Policy",
    "PolicyError",
    "PolicyTest",
    "Run",
    "Scenario",
    "SimulationError",
    "State",
    "StateError",
    "Study",
    "Sweep",
    "TestReport",
    "TestResult",
    "Trace",
    "TraceError",
    "Trial",
    "TrimtabError",
    "__version__",
    "admission",
    "backtest",
    "decide",
    "decide_many",
    "errors",
    "evaluate",
    "find_tests",
    "import_manifest",
    "lint",
    "next_deadline",
    "profiles",
    "run_tests",
    "settle",
    "signals",
    "sweep",
    "tune",
]
