"""Manifests of other autoscalers: what they say as policies, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, TypeAlias

from trimtab import _core, _html
from trimtab._core import Policy

__all__ = [
    "Finding",
    "Imported",
    "ImportedPolicy",
    "LintReport",
    "Note",
    "Place",
    "import_manifest",
    "lint",
]

#: A text, or the path of a file: a `str` is always the text itself.
Source: TypeAlias = "str | bytes | os.PathLike[str]"


@dataclass(frozen=True)
class Place:
    """Where something is; lines and columns count from 1, columns in characters."""

    file: str
    line: int
    column: int
    end_column: int | None = None


@dataclass(frozen=True)
class Note:
    """Something to know about an imported policy."""

    #: ``noCounterpart``, ``assumed`` or ``defect``.
    kind: str
    message: str
    #: The field of the manifest.
    field: str | None
    #: The field of the policy that it belongs to.
    policy_field: str | None
    line: int
    column: int


@dataclass(frozen=True)
class ImportedPolicy:
    """A policy made of another autoscaler's manifest."""

    #: Whose manifest it was, such as ``KEDA ScaledObject``.
    kind: str
    policy: Policy
    notes: tuple[Note, ...]
    #: The policy as a document, with its notes as comments.
    yaml: str


@dataclass(frozen=True)
class Imported:
    """What the manifests of a source say as policies."""

    policies: tuple[ImportedPolicy, ...]
    #: What holds no policy, and why.
    skipped: tuple[str, ...]
    #: What concerns more than one of the policies.
    notes: tuple[Note, ...]
    #: All policies as one YAML file.
    yaml: str
    #: The notes for people, each with the line in question.
    text: str = dataclass_field(repr=False)

    def _repr_html_(self) -> str:
        return _html.report(f"{len(self.policies)} policies", f"{self.yaml}\n{self.text}")

    def __iter__(self) -> Iterator[ImportedPolicy]:
        return iter(self.policies)

    def __len__(self) -> int:
        return len(self.policies)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a manifest."""

    #: The rule, such as ``gpu-utilization-only``.
    rule: str
    #: ``error``, ``warning`` or ``note``.
    severity: str
    message: str
    file: str
    line: int
    column: int
    end_column: int
    #: The path of the field.
    field: str
    #: Why the rule exists.
    why: str
    #: What would be right.
    help: str | None
    #: Other places that belong to it.
    related: tuple[tuple[str, Place], ...]
    #: Where the rule is described.
    documentation: str
    #: For people, with the line in question.
    text: str = dataclass_field(repr=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class LintReport:
    """All that was found in manifests."""

    findings: tuple[Finding, ...]
    #: What could not be read, for people.
    unreadable: tuple[str, ...]
    documents: int
    #: Found, and allowed by a comment.
    allowed: int

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return sum(finding.severity == "warning" for finding in self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.findings), *self.unreadable]) or "nothing found"

    def _repr_html_(self) -> str:
        told = f"{self.documents} documents: {self.errors} errors, {self.warnings} warnings"
        return _html.report(told, str(self))


def import_manifest(
    source: Source, *, strategy: str | None = None, lead_time: int | None = None
) -> Imported:
    """Turn another autoscaler's manifest into policies.

    HorizontalPodAutoscalers, KEDA's ScaledObjects, Knative's services, Ray Serve's configs and
    RayServices, and KServe's InferenceServices are read. With ``strategy="slo"`` a policy of
    trimtab's own strategy is proposed, for starts that take ``lead_time`` seconds.

    >>> imported = import_manifest('''
    ... apiVersion: keda.sh/v1alpha1
    ... kind: ScaledObject
    ... metadata: {name: llm}
    ... spec:
    ...   scaleTargetRef: {name: llm}
    ...   maxReplicaCount: 8
    ...   triggers:
    ...   - type: prometheus
    ...     metadata: {serverAddress: "http://p:9090", query: sum(q), threshold: "4"}
    ... ''')
    >>> [(one.kind, one.policy.max_replicas) for one in imported]
    [('KEDA ScaledObject', 8)]
    """
    if strategy not in (None, "slo"):
        raise ValueError(f"`{strategy}` can't be proposed: `slo` can")
    text, file = read(source)
    found = _core._import(text, file, strategy is not None, lead_time)
    policies = [
        ImportedPolicy(one["kind"], one["policy"], notes_of(one["notes"]), one["yaml"])
        for one in found["policies"]
    ]
    return Imported(
        policies=tuple(policies),
        skipped=tuple(found["skipped"]),
        notes=notes_of(found["notes"]),
        yaml=found["yaml"],
        text=found["text"],
    )


def lint(*sources: Source) -> LintReport:
    """Say what is wrong with manifests: texts, or paths of files.

    >>> report = lint('''
    ... apiVersion: autoscaling/v2
    ... kind: HorizontalPodAutoscaler
    ... metadata: {name: llm}
    ... spec:
    ...   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
    ...   minReplicas: 2
    ...   maxReplicas: 9
    ...   metrics:
    ...   - type: Pods
    ...     pods:
    ...       metric: {name: DCGM_FI_DEV_GPU_UTIL}
    ...       target: {type: AverageValue, averageValue: 80}
    ... ''')
    >>> report.findings[0].rule, report.findings[0].line
    ('gpu-utilization-only', 12)
    """
    if not sources:
        raise TypeError("nothing to lint: give texts, or paths of files")
    read_all = [read(source) for source in sources]
    found = _core._lint([(text, file or "<text>") for text, file in read_all])
    findings = [
        Finding(
            **{**one, "related": tuple((said, Place(**place)) for said, place in one["related"])}
        )
        for one in found["findings"]
    ]
    return LintReport(
        findings=tuple(findings),
        unreadable=tuple(found["unreadable"]),
        documents=found["documents"],
        allowed=found["allowed"],
    )


def read(source: Source) -> tuple[str | bytes, str | None]:
    """Give a source's text, and the file that it is from."""
    if isinstance(source, (str, bytes)):
        return source, None
    path = Path(source)
    return path.read_bytes(), str(path)


def notes_of(notes: list[dict[str, Any]]) -> tuple[Note, ...]:
    """Make notes of what the core says of them."""
    return tuple(Note(**note) for note in notes)
