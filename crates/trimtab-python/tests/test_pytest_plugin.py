"""Policy tests are items of pytest, and fail as `trimtab test` does."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

POLICY = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: checkout}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}
  minReplicas: 2
  maxReplicas: 20
  metrics:
  - type: Pods
    pods:
      metric: {name: queue}
      target: {type: AverageValue, averageValue: "4"}
"""

TESTS = """
policy: checkout.yaml
interval: 15s
tests:
- name: goes up with the queue
  initial: {replicas: 2}
  input_series:
  - {series: queue/replica, values: '8x10'}
  expect:
  - {at: 0s, replicas: 4}
- name: stays without a reading
  initial: {replicas: 6}
  input_series:
  - {series: queue, values: '_x10'}
  always:
  - {replicas: 6}
"""

BACKTEST = """
policy: checkout.yaml
tests:
- name: serves
  backtest: {scenario: steady, duration: 2m, rate_scale: 0.05, attainment: {min: 0}}
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A policy and its tests."""
    # Other plugins take a second each time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (pytester.path / "checkout.yaml").write_text(POLICY)
    (pytester.path / "checkout_test.yaml").write_text(TESTS)
    return pytester


def run(folder: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return folder.runpytest_inprocess("-p", "no:cacheprovider", "-p", "trimtab", *arguments)


def test_every_test_of_a_file_is_an_item(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    # As somebody starts it who has installed trimtab and said nothing else.
    result = folder.runpytest_subprocess("-p", "no:cacheprovider", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "checkout_test.yaml::goes up with the queue PASSED*",
            "checkout_test.yaml::stays without a reading PASSED*",
        ]
    )


def test_items_are_chosen_by_name_and_marker(folder: pytest.Pytester) -> None:
    run(folder, "-k", "queue").assert_outcomes(passed=1, deselected=1)
    run(folder, "-m", "not trimtab").assert_outcomes(deselected=2)
    one = run(folder, "checkout_test.yaml::stays without a reading")
    one.assert_outcomes(passed=1)
    run(folder, "--strict-markers", "-m", "trimtab").assert_outcomes(passed=2)


def test_a_failure_shows_the_line_and_the_decision(folder: pytest.Pytester) -> None:
    (folder.path / "checkout_test.yaml").write_text(TESTS.replace("replicas: 4}", "replicas: 3}"))
    result = run(folder)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*goes up with the queue*",
            "error[[]T001[]]: expected 3 replicas at 0s, got 4",
            "*checkout_test.yaml:10:*",
            "*decision at 0s: 1970-01-01T00:00:00Z  2 -> 4 replicas*",
            "FAILED checkout_test.yaml::goes up with the queue*",
        ]
    )
    # No traceback: nothing in Python is wrong.
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_failure_is_told_as_the_command_tells_it(folder: pytest.Pytester) -> None:
    (folder.path / "checkout_test.yaml").write_text(TESTS.replace("replicas: 4}", "replicas: 3}"))
    command = [sys.executable, "-m", "trimtab", "test", "checkout_test.yaml"]
    told = subprocess.run(command, cwd=folder.path, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    start = told.stdout.index("error[T001]")
    failure = told.stdout[start : told.stdout.index("results:")].strip()
    here = run(folder).stdout.str().replace(f"{folder.path}/", "")
    # The command to explain it names the file as it was given.
    for line in failure.splitlines()[:8]:
        assert line in here, here


def test_a_file_that_can_not_be_used_is_an_error_with_its_place(folder: pytest.Pytester) -> None:
    (folder.path / "checkout_test.yaml").write_text(TESTS.replace("expect:", "expct:"))
    result = run(folder)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*unknown field `expct`*", "*checkout_test.yaml:9:*"])


def test_files_of_other_tools_are_left_alone(folder: pytest.Pytester) -> None:
    (folder.path / "rules_test.yaml").write_text("rule_files: [a.yaml]\ntests:\n- interval: 1m\n")
    (folder.path / "other_test.yml").write_text("just: a document\n")
    run(folder).assert_outcomes(passed=2)


def test_names_of_files_are_configured(folder: pytest.Pytester) -> None:
    (folder.path / "checkout_test.yaml").rename(folder.path / "checkout.policytest.yaml")
    assert run(folder).ret == pytest.ExitCode.NO_TESTS_COLLECTED
    run(folder, "-o", "trimtab_files=*.policytest.yaml").assert_outcomes(passed=2)
    (folder.path / "checkout.policytest.yaml").rename(folder.path / "checkout_test.yaml")
    assert run(folder, "-o", "trimtab_files=").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert run(folder, "-p", "no:trimtab").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_backtests_are_left_out_on_demand(folder: pytest.Pytester) -> None:
    (folder.path / "checkout_test.yaml").write_text(BACKTEST.replace("checkout.yaml", "slo.yaml"))
    (folder.path / "slo.yaml").write_text(POLICY.replace("queue", "requests_waiting"))
    run(folder).assert_outcomes(passed=1)
    run(folder, "--trimtab-no-backtests").assert_outcomes(skipped=1)
    run(folder, "-m", "not trimtab_backtest").assert_outcomes(deselected=1)


def test_warnings_are_shown_and_may_be_denied(folder: pytest.Pytester) -> None:
    silent = TESTS.replace("  expect:\n  - {at: 0s, replicas: 4}\n", "")
    (folder.path / "checkout_test.yaml").write_text(silent)
    result = run(folder, "-W", "default")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*PolicyTestWarning*expects nothing*"])
    run(folder, "--trimtab-deny-warnings").assert_outcomes(passed=1, failed=1)


def test_a_policy_test_stands_beside_python_tests(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_python="def test_python(): pass\n")
    run(folder).assert_outcomes(passed=3)
