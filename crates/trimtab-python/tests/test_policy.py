from pathlib import Path

import pytest
import trimtab
from conftest import QUEUE

HPA = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop, annotations: {a: b}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 9
"""


def test_what_a_policy_says() -> None:
    policy = trimtab.Policy.from_yaml(HPA)
    assert (policy.name, policy.namespace) == ("web", "shop")
    assert (policy.labels, policy.annotations) == ({}, {"a": "b"})
    assert (policy.kind, policy.strategy) == ("HorizontalPodAutoscaler", "hpa")
    assert (policy.min_replicas, policy.max_replicas) == (2, 9)
    assert (policy.metrics, policy.period) == (("cpu",), 15.0)
    assert len(policy.digest) == 16
    assert policy.spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 80
    assert repr(policy) == f"<Policy 'web': hpa, 2 to 9 replicas, digest {policy.digest}>"


def test_every_example_is_the_same_policy_from_text_dict_and_yaml(examples: Path) -> None:
    read = 0
    for file in sorted(examples.glob("*.yaml")):
        if file.stem.endswith("_test") or not file.stem.startswith(("hpa", "policy", "slo")):
            continue
        for policy in trimtab.Policy.all_from_file(file):
            again = [
                trimtab.Policy.from_dict(policy.to_dict()),
                trimtab.Policy.from_yaml(policy.to_yaml()),
            ]
            for other in again:
                assert other == policy
                assert other.digest == policy.digest
                assert hash(other) == hash(policy)
            read += 1
    assert read >= 8


def test_one_of_several() -> None:
    several = HPA + "---\n" + HPA.replace("name: web, ", "name: api, ")
    assert trimtab.Policy.from_yaml(several, name="api").name == "api"
    assert [policy.name for policy in trimtab.Policy.all_from_yaml(several)] == ["web", "api"]
    with pytest.raises(trimtab.PolicyError, match="there are 2 policies") as refused:
        trimtab.Policy.from_yaml(several)
    assert refused.value.help == "choose one by `name`: `web`, `api`"
    with pytest.raises(trimtab.PolicyError, match="there is no policy `db`"):
        trimtab.Policy.from_yaml(several, name="db")


def test_fields_are_read_and_set(queue: trimtab.Policy) -> None:
    field = "metrics[0].external.target.averageValue"
    assert queue.get(field) == "8"
    tuned = queue.with_fields({field: 4, "maxReplicas": 99})
    assert (tuned.get(field), tuned.max_replicas) == ("4", 99)
    assert (tuned.name, tuned.labels) == (queue.name, queue.labels)
    assert tuned != queue
    assert tuned.digest != queue.digest
    assert queue.get("hpa.tolerance") is None
    with pytest.raises(KeyError):
        queue.get("metrics[")
    with pytest.raises(trimtab.PolicyError) as refused:
        queue.with_fields({"maxReplicas": "many"})
    assert refused.value.field == "maxReplicas"
    with pytest.raises(trimtab.PolicyError, match="has to be at least 1"):
        queue.with_fields({"maxReplicas": 0})


def test_a_path_is_no_document() -> None:
    with pytest.raises(trimtab.PolicyError) as refused:
        trimtab.Policy.from_yaml("hpa.yaml")
    assert refused.value.help == "`Policy.from_file` reads a file"
    assert str(refused.value).endswith("= help: `Policy.from_file` reads a file")


def test_a_refused_document_shows_the_line(tmp_path: Path) -> None:
    text = HPA.replace("maxReplicas", "maxReplica")
    with pytest.raises(trimtab.PolicyError) as refused:
        trimtab.Policy.from_yaml(text, file="web.yaml")
    error = refused.value
    assert (error.file, error.line, error.column) == ("web.yaml", 7, 3)
    assert (error.field, error.help) == ("spec.maxReplica", "did you mean `maxReplicas`?")
    assert error.message == "unknown field `maxReplica`"
    assert " --> web.yaml:7:3\n" in str(error)
    assert isinstance(error, ValueError)
    assert error.problems[0].message == error.message

    path = tmp_path / "web.yaml"
    path.write_text(text)
    with pytest.raises(trimtab.PolicyError) as refused:
        trimtab.Policy.from_file(path)
    assert refused.value.file == str(path)


def test_a_refused_dict_names_the_field() -> None:
    document = {**QUEUE, "spec": {**QUEUE["spec"], "minReplicas": 90}}  # type: ignore[dict-item]
    with pytest.raises(trimtab.PolicyError, match="maxReplicas") as refused:
        trimtab.Policy.from_dict(document)
    error = refused.value
    assert (error.file, error.line, error.column) == (None, None, None)
    assert error.field == "spec.maxReplicas"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        trimtab.Policy.from_file(tmp_path / "nothing.yaml")
    with pytest.raises(OSError, match="directory"):
        trimtab.Policy.from_file(tmp_path)
