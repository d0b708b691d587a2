# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Test a policy with pytest
#
# A policy test is a YAML file beside the policy. Where `trimtab` is installed, pytest collects it:
# every test is an item of its own, and a failure shows the line that was expected and the decision
# that came instead.
#
# `pip install "trimtab[pytest]" jupytext`

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
(folder / "checkout.yaml").write_text("""
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: checkout}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}
  minReplicas: 2
  maxReplicas: 20
  behavior:
    scaleUp:
      policies: [{type: Pods, value: 4, periodSeconds: 60}]
    scaleDown: {stabilizationWindowSeconds: 300}
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}
""")
(folder / "checkout_test.yaml").write_text("""
policy: checkout.yaml
interval: 15s
tests:
- name: scales up at once, down only after the window
  initial: {replicas: 4}
  input_series:
  - {series: cpu_utilization, values: '60x3 120x7 30x39'}
  expect:
  - {at: 1m, replicas: 8, reasons: [metric.cpu]}
  - {at: 4m, replicas: 12, limited_by: stabilization.down}
- name: a missing metric never scales down
  initial: {replicas: 6}
  input_series:
  - {series: cpu_utilization, values: '_x40'}
  always:
  - {replicas: 6}
""")


def pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


# %%
passed = pytest("-v")
print(passed.stdout)

# %% [markdown]
# ## When somebody changes the policy
#
# A window of one minute instead of five, and the test says so.

# %%
text = (folder / "checkout.yaml").read_text()
(folder / "checkout.yaml").write_text(text.replace("300", "60"))
failed = pytest("-v")
print(failed.stdout)

# %% [markdown]
# ## In Python
#
# What YAML can't say, Python can: `run_tests` runs the same tests, and `decide` makes any decision.

# %%
import trimtab

report = trimtab.run_tests(folder)
for result in report:
    print(result.test.name, "passed" if result.passed else result.failures[0].code)


def test_never_more_than_four_at_once() -> None:
    policy = trimtab.Policy.from_file(folder / "checkout.yaml")
    for replicas in range(2, 17):
        readings = [{"metric": "cpu", "pods": {}}]
        observation = trimtab.Observation(0, replicas=replicas, readings=readings)
        decision, _ = trimtab.decide(policy, trimtab.State.for_policy(policy), observation)
        assert decision.desired_replicas <= replicas + 4


test_never_more_than_four_at_once()

# %%
assert passed.returncode == 0
assert "2 passed" in passed.stdout
assert failed.returncode == 1
assert "expected 12 replicas at 4m" in failed.stdout
assert not report.passed
