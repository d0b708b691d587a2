"""What is asked for beside this folder is what the server has: the preset, the manifests, the probes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Running, Serve, servers

from inference_server.settings import Settings

EXAMPLES = Path(__file__).parents[3]
MANIFESTS = EXAMPLES / "llm-inference/manifests"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def wanted(policy: Any) -> set[str]:
    """The metrics of a policy or an HPA."""
    return {metric[metric["type"].lower()]["metric"]["name"] for metric in policy["spec"]["metrics"]}


def adapter() -> Any:
    return yaml.safe_load(read(MANIFESTS / "platform/prometheus-adapter.yaml")["data"]["config.yaml"])


def exported(server: Running) -> set[str]:
    """The names of all series, after a request has been through every metric."""
    assert server.generate(4).status_code == 200
    lines = server.client.get("/metrics").text.splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


@pytest.fixture(scope="module")
def names() -> Iterator[set[str]]:
    with servers() as serve:
        yield exported(serve().until_ready())


def test_the_preset_asks_for_what_is_exported(names: set[str]) -> None:
    metrics = wanted(read(EXAMPLES / "presets/fastapi.yaml"))
    assert len(metrics) == 4
    for metric in metrics:
        # A quantile is made of the buckets.
        histogram = re.sub(r"_p\d+$", "", metric)
        assert metric in names or f"{histogram}_bucket" in names, metric


def test_the_adapter_makes_every_metric_of_the_preset_and_of_the_hpas(names: set[str]) -> None:
    rules = adapter()
    [pods] = rules["rules"]
    series = re.search(r'__name__=~"([^"]+)"', pods["seriesQuery"])
    assert series
    served = {name for name in names if re.fullmatch(series[1], name)}
    served |= {rule["name"]["as"] for rule in rules["externalRules"]}
    for file in (
        EXAMPLES / "presets/fastapi.yaml",
        EXAMPLES / "llm-inference/hpa.yaml",
        EXAMPLES / "llm-inference/hpa-requests.yaml",
        MANIFESTS / "overlays/hpa/hpa.yaml",
    ):
        assert wanted(read(file)) <= served, file


def test_every_query_is_of_series_that_are_exported(names: set[str]) -> None:
    [trigger] = read(MANIFESTS / "overlays/keda/scaled-object.yaml")["spec"]["triggers"]
    queries = [trigger["metadata"]["query"]]
    for rule in adapter()["rules"] + adapter()["externalRules"]:
        queries += [rule["seriesQuery"], rule["metricsQuery"]]
    asked = set()
    for query in queries:
        for name in re.findall(r"inference_[a-z0-9_]*(?:\([a-z_|]+\))?", query):
            stem, _, ends = name.partition("(")
            asked |= {stem + end for end in ends.rstrip(")").split("|")}
    assert len(asked) >= 5
    assert asked <= names


def test_the_deployment_is_told_what_the_server_does(serve: Serve) -> None:
    document = read(MANIFESTS / "base/deployment.yaml")
    deployment = document["spec"]["template"]["spec"]
    [container] = deployment["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    settings = Settings.from_environment(environment)
    assert {name.lower() for name in environment} <= set(vars(settings))
    assert container["ports"][0]["containerPort"] == settings.port
    slept = int(container["lifecycle"]["preStop"]["exec"]["command"][-1].removeprefix("sleep "))
    assert deployment["terminationGracePeriodSeconds"] > settings.max_session_seconds + slept
    told = {name: float(value) for name, value in document["metadata"]["annotations"].items()}
    assert told["trimtab.dev/max-session-seconds"] == settings.max_session_seconds
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] > told["trimtab.dev/lead-time-seconds"]
    hung = container["livenessProbe"]
    assert hung["periodSeconds"] * hung["failureThreshold"] >= settings.hang_seconds
    server = serve().until_ready()
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server.status(container[probe]["httpGet"]["path"]) == 200
    monitor = read(MANIFESTS / "base/service-monitor.yaml")["spec"]["endpoints"][0]
    assert server.status(monitor["path"]) == 200


def test_spot_sessions_end_within_the_notice() -> None:
    [patch] = read(MANIFESTS / "overlays/keda/kustomization.yaml")["patches"]
    values = {step["path"]: step["value"] for step in yaml.safe_load(patch["patch"])}
    pod = "/spec/template/spec"
    grace = values[f"{pod}/terminationGracePeriodSeconds"]
    session = values[f"{pod}/containers/0/env/2"]
    assert session["name"] == "MAX_SESSION_SECONDS"
    assert values["/metadata/annotations/trimtab.dev~1max-session-seconds"] == session["value"]
    assert int(session["value"]) + 20 < grace < 120


def test_a_setting_that_makes_no_sense_is_refused() -> None:
    for wrong in ({"PORT": "http"}, {"SPEED": "0"}, {"MAX_CONCURRENCY": "0"}):
        with pytest.raises(SystemExit):
            Settings.from_environment(wrong)
