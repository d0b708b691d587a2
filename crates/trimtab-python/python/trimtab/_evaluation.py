"""A policy tried out on recorded load, open loop."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from typing import Any

from trimtab import _core, _frames, _html
from trimtab._core import Policy
from trimtab._csv import csv_of, recorded

__all__ = ["Evaluation", "evaluate"]

#: In seconds.
A_YEAR = 365 * 86_400


class Evaluation(_frames.Tabular):
    """What a policy would have done on recorded load, open loop: a row per decision."""

    def __init__(self, document: Mapping[str, Any], columns: Mapping[str, list[Any]]) -> None:
        """Take what the core computed; :func:`evaluate` does it."""
        self._document = dict(document)
        self._decisions = dict(columns)

    @property
    def totals(self) -> dict[str, Any]:
        """Sums over all decisions, such as ``replicaHours`` and ``scaleUps``."""
        totals: dict[str, Any] = self._document["totals"]
        return totals

    @property
    def changes(self) -> list[dict[str, Any]]:
        """The changes of the count: ``time``, ``from``, ``to``, ``why``."""
        changes: list[dict[str, Any]] = self._document["changes"]
        return changes

    @property
    def assumptions(self) -> list[str]:
        """What the numbers rest on."""
        assumptions: list[str] = self._document["assumptions"]
        return assumptions

    @property
    def decisions(self) -> dict[str, list[Any]]:
        """A row per decision, in columns: ``seconds``, ``replicas``, ``outcome``, ``reason``."""
        return self._decisions

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values, the same as ``trimtab evaluate --json``."""
        return dict(self._document)

    def to_json(self) -> str:
        """Give the report as JSON."""
        return json.dumps(self._document)

    def _columns(self) -> Mapping[str, Any]:
        return self._decisions

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the count over time with matplotlib, and give the axes."""
        pyplot = _frames.require("matplotlib.pyplot", "`plot`")
        if ax is None:
            ax = pyplot.subplots()[1]
        seconds = self._decisions["seconds"]
        # Recordings without dates begin about 0.
        is_dated = bool(seconds) and seconds[0] > A_YEAR
        if is_dated:
            utc = datetime.timezone.utc
            times: list[Any] = [datetime.datetime.fromtimestamp(at, utc) for at in seconds]
        else:
            times = [at / 3600 for at in seconds]
        ax.step(times, self._decisions["desired_replicas"], where="post")
        ax.set_xlabel("time in UTC" if is_dated else "hours")
        if is_dated:
            ax.figure.autofmt_xdate()
        ax.set_ylim(bottom=0)
        ax.set_ylabel("replicas")
        ax.set_title(self._document["policy"]["name"])
        return ax

    def _repr_html_(self) -> str:
        return _html.table(repr(self)[1:-1], self.changes)

    def __repr__(self) -> str:
        totals = self.totals
        return (
            f"<Evaluation of {self._document['policy']['name']!r}: "
            f"{totals['decisions']} decisions, {totals['replicaHours']:.1f} replica-hours>"
        )


def evaluate(
    policy: Policy,
    load: Any,
    *,
    requests: bool | None = None,
    sync: float | None = None,
    replicas: int | None = None,
    rate_scale: float = 1.0,
    maps: Mapping[str, str] | None = None,
    server: Mapping[str, float] | None = None,
) -> Evaluation:
    """Try a policy on recorded load, open loop, as ``trimtab evaluate`` does.

    ``load`` is the path of a CSV file, or columns: a mapping of names to values, or a DataFrame.
    With the columns ``timestamp_s``, ``input_tokens`` and ``output_tokens`` it is a recording of
    requests, else of series (``requests`` says it otherwise); one column is the time.
    ``server`` tells how requests are served: ``seconds_per_input_token``,
    ``seconds_per_output_token``, ``max_concurrency``, ``kv_tokens``.

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
    ...       metric: {name: queue}
    ...       target: {type: AverageValue, averageValue: 8}
    ... ''')
    >>> done = trimtab.evaluate(policy, {"time": [0, 60, 120], "queue": [8, 40, 8]})
    >>> done.totals["peakReplicas"]
    5
    """
    if isinstance(load, (str, os.PathLike)):
        path, text = os.fspath(load), None
        is_requests = bool(requests)
    else:
        columns = recorded(load)
        is_requests = {"input_tokens", "output_tokens"} <= set(columns)
        is_requests = is_requests if requests is None else requests
        # What the policy reads is never left out, so that what is wrong with it is said.
        wanted = {*policy.metrics, *(maps or {}).values()}
        wanted |= {f"{metric}/replica" for metric in policy.metrics}
        path, text = "<columns>", csv_of(columns, relative=is_requests, wanted=wanted)
    document, decided = _core._evaluate(
        policy,
        path,
        text,
        {
            "requests": is_requests,
            "sync": sync,
            "replicas": replicas,
            "rate_scale": rate_scale,
            "maps": list((maps or {}).items()),
            **(server or {}),
        },
    )
    return Evaluation(json.loads(document), decided)
