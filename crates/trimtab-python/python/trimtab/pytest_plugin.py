"""Policy tests in pytest: every test of a ``*_test.yaml`` fails as ``trimtab test`` does.

The wheel registers it, so it needs no configuration; ``-p no:trimtab`` leaves it out.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trimtab import ManifestError, PolicyTest, TestResult, find_tests, run_tests

__all__ = ["PolicyTestError", "PolicyTestFile", "PolicyTestItem", "PolicyTestWarning"]

_PATTERNS = ("*_test.yaml", "*_test.yml")
#: What a file of another tool with such a name has not got.
_OURS = re.compile(r"^(policy|manifest)\s*:", re.MULTILINE)
_TESTS = re.compile(r"^tests\s*:", re.MULTILINE)
#: Where a warning says that it belongs.
_PLACE = re.compile(r"^ *--> .*:(\d+):\d+$", re.MULTILINE)
_SNIFFED_BYTES = 1 << 20


class PolicyTestWarning(pytest.PytestWarning):
    """Something about a policy test is perhaps not meant as it is."""


class PolicyTestError(Exception):
    """A policy does not do what its test expects."""

    def __init__(self, result: TestResult) -> None:
        super().__init__(f"{len(result.failures)} not as expected")
        self.result = result


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the command line and of the configuration."""
    group = parser.getgroup("trimtab", "policy tests of trimtab")
    group.addoption(
        "--trimtab-no-backtests",
        action="store_true",
        help="Skip what policy tests expect of backtests, which take seconds.",
    )
    group.addoption(
        "--trimtab-deny-warnings",
        action="store_true",
        help="Let a policy test fail that `trimtab test` warns of.",
    )
    parser.addini(
        "trimtab_files",
        "Names of files with policy tests, as patterns; none turns them off.",
        type="args",
        default=list(_PATTERNS),
    )


def pytest_configure(config: pytest.Config) -> None:
    """Markers, to choose with ``-m``."""
    config.addinivalue_line("markers", "trimtab: a policy test of trimtab")
    config.addinivalue_line("markers", "trimtab_backtest: a policy test that runs a backtest")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PolicyTestFile | None:
    """Give a collector for a file with policy tests."""
    patterns = parent.config.getini("trimtab_files")
    named = any(file_path.match(pattern) for pattern in patterns)
    if not named or not is_policy_test(file_path):
        return None
    return PolicyTestFile.from_parent(parent, path=file_path)


def is_policy_test(path: Path) -> bool:
    """Whether there are policy tests in this file, right or wrong ones."""
    with path.open("rb") as file:
        text = file.read(_SNIFFED_BYTES).decode(errors="replace")
    return bool(_OURS.search(text) and _TESTS.search(text))


class PolicyTestFile(pytest.File):
    """A file with policy tests."""

    def collect(self) -> Iterator[PolicyTestItem]:
        """Its tests, in their order."""
        for test in find_tests(self.path):
            yield PolicyTestItem.from_parent(self, name=test.name, policy_test=test)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Say what is wrong with the file, and where."""
        if isinstance(excinfo.value, ManifestError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class PolicyTestItem(pytest.Item):
    """One policy test."""

    def __init__(self, *, policy_test: PolicyTest, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.policy_test = policy_test
        self.add_marker("trimtab")
        if policy_test.has_backtest:
            self.add_marker("trimtab_backtest")

    def runtest(self) -> None:
        """Decide, and compare."""
        backtests = not self.config.getoption("--trimtab-no-backtests")
        report = run_tests(tests=[self.policy_test], backtests=backtests)
        told = [text for text in report.warnings if self._concerns(text)]
        if told and self.config.getoption("--trimtab-deny-warnings"):
            pytest.fail("\n\n".join(told), pytrace=False)
        for text in told:
            warnings.warn_explicit(
                PolicyTestWarning(text), None, str(self.path), self.policy_test.line
            )
        (result,) = report
        if not result.passed:
            raise PolicyTestError(result)
        if result.skipped_backtests and not result.decisions:
            pytest.skip("its backtests are left out")

    def _concerns(self, warning: str) -> bool:
        """Say whether a warning of the file stands in this test; the first has what is above it."""
        place = _PLACE.search(warning)
        line = int(place[1]) if place else 0
        lines = [test.line for test in find_tests(self.path)]
        above = [start for start in lines if start <= line]
        return self.policy_test.line == (max(above) if above else min(lines))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Say what was expected, what was decided instead, and how it was made."""
        if isinstance(excinfo.value, PolicyTestError):
            return "\n\n".join(str(failure) for failure in excinfo.value.result.failures)
        if isinstance(excinfo.value, ManifestError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it stands."""
        return self.path, self.policy_test.line - 1, self.name
