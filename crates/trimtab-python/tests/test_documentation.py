"""Every example in a docstring runs, and everything public has one or a sentence."""

from __future__ import annotations

import doctest
import importlib
import inspect
from types import ModuleType

import pytest
import trimtab
from trimtab import _core

MODULES = [
    "trimtab",
    "trimtab._arguments",
    "trimtab._batch",
    "trimtab._evaluation",
    "trimtab._manifests",
    "trimtab._policy_tests",
    "trimtab.admission",
    "trimtab.errors",
]


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_what_is_written_in_rust() -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    finder, parser = doctest.DocTestFinder(), doctest.DocTestParser()
    ran = 0
    for name, value in vars(_core).items():
        texts = [(name, inspect.getdoc(value))]
        if inspect.isclass(value):
            texts += [(f"{name}.{of}", inspect.getdoc(own)) for of, own in vars(value).items()]
        for title, text in texts:
            example = parser.get_doctest(text or "", {"trimtab": trimtab}, title, None, 0)
            ran += len(example.examples)
            runner.run(example)
    assert finder is not None
    assert runner.summarize(verbose=False).failed == 0
    assert ran > 20


def public(module: ModuleType) -> list[tuple[str, object]]:
    return [(name, getattr(module, name)) for name in module.__all__]


def test_everything_public_has_a_sentence() -> None:
    silent = []
    for name, value in public(trimtab):
        if isinstance(value, (str, ModuleType)):
            continue
        if not inspect.getdoc(value):
            silent.append(name)
        if inspect.isclass(value):
            silent += [
                f"{name}.{own}"
                for own, member in vars(value).items()
                if not own.startswith("_")
                and (callable(member) or isinstance(member, (property, staticmethod)))
                and not inspect.getdoc(getattr(value, own))
            ]
    assert silent == []
