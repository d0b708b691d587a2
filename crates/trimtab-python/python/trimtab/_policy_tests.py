"""Policy tests: what is expected of a policy on given readings, and whether it is so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimtab import _core, _html

__all__ = ["Failure", "PolicyTest", "TestReport", "TestResult", "find_tests", "run_tests"]


@dataclass(frozen=True)
class PolicyTest:
    """One test of a file."""

    __test__ = False

    file: str
    name: str
    #: Its place in the file, from 1.
    number: int
    line: int
    #: Whether it runs a backtest, which takes a while.
    has_backtest: bool

    @property
    def id(self) -> str:
        """The file and the name, as ``trimtab test`` calls it."""
        return f"{self.file}::{self.name}"


@dataclass(frozen=True)
class Failure:
    """One thing that is not as expected."""

    #: Such as ``T001``.
    code: str | None
    message: str
    line: int
    column: int
    #: How long after the start the decision was made that it is about, such as ``10m``.
    at: str | None
    #: How that decision was made.
    explanation: str | None
    #: For people, with the line in question.
    text: str = field(repr=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class TestResult:
    """What came of a test."""

    __test__ = False

    test: PolicyTest
    decisions: int
    failures: tuple[Failure, ...]
    #: Backtests that were not run.
    skipped_backtests: int

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.failures

    def __bool__(self) -> bool:
        return self.passed


@dataclass(frozen=True)
class TestReport:
    """What came of the tests of some files."""

    __test__ = False

    results: tuple[TestResult, ...]
    #: What is perhaps not meant as it is, for people.
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there were tests and all of them passed."""
        return bool(self.results) and all(self.results)

    def __bool__(self) -> bool:
        return self.passed

    def __iter__(self) -> Iterator[TestResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __str__(self) -> str:
        failed = [result for result in self.results if not result.passed]
        texts = [str(failure) for result in failed for failure in result.failures]
        texts.append(f"results: {len(self.results) - len(failed)} passed, {len(failed)} failed")
        return "\n\n".join(texts)

    def _repr_html_(self) -> str:
        told = "all passed" if self.passed else "not all passed" if self.results else "no tests"
        return _html.report(f"{len(self.results)} tests: {told}", str(self))


def find_tests(*paths: str | os.PathLike[str]) -> list[PolicyTest]:
    """List the tests of files, and of folders, where ``*_test.yaml`` are looked for."""
    return [test for file in files_of(paths) for test in tests_of(file)]


def run_tests(
    *paths: str | os.PathLike[str],
    tests: Iterable[PolicyTest] | None = None,
    backtests: bool = True,
) -> TestReport:
    """Run the tests of files and folders, or only those that are named.

    A file that can't be used is a :class:`trimtab.ManifestError`. With ``backtests=False`` the
    backtests of tests are skipped.
    """
    if tests is None:
        chosen: dict[str, set[int] | None] = dict.fromkeys(files_of(paths))
    elif paths:
        raise TypeError("give paths or `tests`, not both")
    else:
        chosen = {}
        for test in tests:
            numbers = chosen.setdefault(test.file, set())
            if numbers is not None:
                numbers.add(test.number)
    results: list[TestResult] = []
    warnings: list[str] = []
    for file, wanted in chosen.items():
        numbers_wanted = None if wanted is None else sorted(wanted)
        ran = _core._run_tests(file, numbers_wanted, backtests)
        results += [result_of(file, one) for one in ran["tests"]]
        warnings += ran["warnings"]
    return TestReport(tuple(results), tuple(warnings))


def files_of(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """List the files that paths name or hold, in order, each once."""
    found: dict[str, None] = {}
    for path in map(Path, paths):
        inside = path.is_dir()
        files = (
            sorted(
                file
                for pattern in ("*_test.yaml", "*_test.yml")
                for file in path.rglob(pattern)
                if not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
            if inside
            else [path]
        )
        found.update(dict.fromkeys(map(str, files)))
    return list(found)


def tests_of(file: str) -> list[PolicyTest]:
    """List the tests of one file."""
    return [PolicyTest(file=file, **test) for test in _core._list_tests(file)]


def result_of(file: str, one: dict[str, Any]) -> TestResult:
    """Make a result of what the core says of it."""
    return TestResult(
        test=PolicyTest(file=file, **one["test"]),
        decisions=one["decisions"],
        failures=tuple(Failure(**failure) for failure in one["failures"]),
        skipped_backtests=one["skipped_backtests"],
    )
