"""What people see: in a terminal, and in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trimtab
from conftest import QUEUE


def test_a_policy_shows_its_document(queue: trimtab.Policy) -> None:
    shown: Any = queue._repr_html_()
    assert "<b>Policy 'queue': hpa, 1 to 50 replicas, digest " in shown
    assert "maxReplicas: 50" in shown


def test_markup_in_names_is_text() -> None:
    document = {**QUEUE, "metadata": {"name": "queue", "annotations": {"a": "<script>&"}}}
    policy: Any = trimtab.Policy.from_dict(document)
    assert "<script>" not in policy._repr_html_()
    assert "&lt;script&gt;&amp;" in policy._repr_html_()


def test_a_batch_shows_what_changes_first(queue: trimtab.Policy) -> None:
    rows = 100
    loads = [8.0 if row < 50 else 80.0 for row in range(rows)]
    decided: Any = trimtab.decide_many(queue, {"replicas": [1] * rows, "queue": loads}, time=0)
    shown = decided._repr_html_()
    assert shown.startswith("<div><b>Decisions: 100 rows, 50 to be changed</b><table>")
    assert "<tr><td>50</td><td>1</td><td>5</td><td>decided</td><td>metricAbove</td>" in shown
    assert "<td>49</td>" not in shown
    assert shown.endswith("<p>and 30 more</p></div>")
    still: Any = trimtab.decide_many(queue, {"replicas": [1], "queue": [8]}, time=0)
    assert "<td>0</td><td>1</td><td>1</td><td>decided</td><td>none</td>" in still._repr_html_()


def test_an_evaluation_shows_its_changes(queue: trimtab.Policy) -> None:
    done: Any = trimtab.evaluate(queue, {"time": [0, 60, 120], "queue": [8, 40, 8]})
    assert "<th>from</th><th>to</th>" in done._repr_html_()
    assert "Evaluation of &#x27;queue&#x27;" in done._repr_html_()


def test_reports_show_their_text(examples: Path) -> None:
    linted: Any = trimtab.lint(examples / "hpa.yaml")
    assert "errors" in linted._repr_html_()
    tested: Any = trimtab.run_tests(examples / "hpa_test.yaml", backtests=False)
    assert "all passed" in tested._repr_html_()
    imported: Any = trimtab.import_manifest(examples.parent / "manifests" / "hpa-v2beta2.yaml")
    assert "maxReplica" in imported._repr_html_()


def test_a_study_shows_the_best_first(queue: trimtab.Policy) -> None:
    pytest.importorskip("optuna")
    policy = trimtab.Policy.from_dict({**QUEUE, "spec": {**QUEUE["spec"], "maxReplicas": 10}})  # type: ignore[dict-item]
    load = trimtab.Scenario("steady", duration=120, rate_scale=0.05)
    study: Any = trimtab.tune(
        policy,
        {"metrics[0].external.target.averageValue": [4, 8]},
        load,
        metrics={"queue": "requests_in_flight"},
        trials=3,
        batch=3,
    )
    assert repr(study).startswith("<Study of 'queue': 3 trials, the best is number ")
    assert f"<tr><th>{study.best.number}</th>" in study._repr_html_()
    assert study.best_policy == study.best.policy
