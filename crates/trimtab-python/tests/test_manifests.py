from pathlib import Path

import pytest
import trimtab


def test_what_is_imported_reads_back() -> None:
    imported = trimtab.import_manifest(SCALED_OBJECT)
    assert len(imported) == 1
    for one in imported:
        assert one.kind == "KEDA ScaledObject"
        assert trimtab.Policy.from_yaml(one.yaml).digest == one.policy.digest
    assert trimtab.Policy.all_from_yaml(imported.yaml)


def test_what_an_import_says() -> None:
    imported = trimtab.import_manifest(SCALED_OBJECT)
    (one,) = imported
    assert (one.policy.strategy, one.policy.max_replicas) == ("keda", 8)
    assert {note.kind for note in one.notes} <= {"noCounterpart", "assumed", "defect"}
    proposed = trimtab.import_manifest(SCALED_OBJECT, strategy="slo", lead_time=240)
    assert proposed.policies[0].policy.strategy == "slo"
    assert "proposed for `strategy: slo`" in proposed.yaml
    with pytest.raises(ValueError, match="can't be proposed"):
        trimtab.import_manifest(SCALED_OBJECT, strategy="magic")


def test_a_manifest_that_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "so.yaml"
    path.write_text(SCALED_OBJECT.replace("maxReplicaCount: 8", "maxReplicaCount: many"))
    with pytest.raises(trimtab.ManifestError) as refused:
        trimtab.import_manifest(path)
    error = refused.value
    assert (error.file, error.field) == (str(path), "spec.maxReplicaCount")
    assert error.line == path.read_text().splitlines().index("  maxReplicaCount: many") + 1
    with pytest.raises(trimtab.ManifestError):
        trimtab.import_manifest(b"\xff")


def test_findings(examples: Path) -> None:
    clean = trimtab.lint(examples / "policy.yaml")
    assert (len(clean), str(clean), clean.errors) == (0, "nothing found", 0)
    text = (examples / "hpa-gpu-utilization.yaml").read_text().replace("# trimtab: allow", "#")
    report = trimtab.lint(text)
    rules = [finding.rule for finding in report]
    assert "gpu-utilization-only" in rules
    finding = report.findings[rules.index("gpu-utilization-only")]
    line = text.splitlines()[finding.line - 1]
    assert line[finding.column - 1 : finding.end_column - 1].strip()
    assert finding.severity in ("error", "warning", "note")
    assert finding.why
    assert finding.documentation.endswith("#gpu-utilization-only")
    assert str(finding).startswith(finding.severity)
    assert report.errors + report.warnings <= len(report)
    broken = trimtab.lint("a: [", examples / "hpa.yaml")
    assert len(broken.unreadable) == 1
    with pytest.raises(TypeError):
        trimtab.lint()


SCALED_OBJECT = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: llm, namespace: inference}
spec:
  scaleTargetRef: {name: llm}
  maxReplicaCount: 8
  triggers:
  - type: prometheus
    metadata: {serverAddress: "http://p:9090", query: sum(q), threshold: "4"}
"""
