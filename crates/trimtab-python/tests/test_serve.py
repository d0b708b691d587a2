"""Ray Serve scales by a policy of trimtab, and by Ray's own rules where the policy is Ray's."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from trimtab import Policy, PolicyError

ray = pytest.importorskip("ray", reason="Ray is not installed: `trimtab.ray` is not tested")
pytest.importorskip("ray.serve", reason="Ray Serve is not installed")

from ray.serve import autoscaling_policy as ray_policy  # noqa: E402
from ray.serve._private.common import DeploymentID, ReplicaID  # noqa: E402
from ray.serve.config import AutoscalingConfig, AutoscalingContext  # noqa: E402
from trimtab.ray._context import TOTALS  # noqa: E402
from trimtab.ray.serve_policy import (  # noqa: E402
    ApplicationServePolicy,
    ServePolicy,
    autoscaling_config,
)

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DEPLOYMENT = DeploymentID(name="Chat", app_name="llm")


def ray_serve_policy(**spec: Any) -> dict[str, Any]:
    """A policy by Ray's own rules."""
    target = {"type": "AverageValue", "averageValue": spec.pop("target", "2")}
    external = {"metric": {"name": "ongoing_requests"}, "target": target}
    return {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": "chat"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "ray.io/v1", "kind": "RayService", "name": "chat"},
            "strategy": "rayServe",
            "metrics": [{"type": "External", "external": external}],
            **spec,
        },
    }


def hpa_policy(metric: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A policy by the rules of an HPA."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"},
            "minReplicas": 1,
            "maxReplicas": 20,
            "metrics": [metric],
            "behavior": {
                "scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 15}]},
                "scaleDown": {"stabilizationWindowSeconds": 0},
            },
            **spec,
        },
    }


def pods_metric(name: str, average: str) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": average}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}


def external_metric(name: str, average: str) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": average}
    return {"type": "External", "external": {"metric": {"name": name}, "target": target}}


def context(
    *,
    now: float,
    running: int,
    target: int,
    total: float = 0.0,
    queued: float = 0.0,
    recorded: dict[str, list[float]] | None = None,
    state: dict[str, Any] | None = None,
    config: AutoscalingConfig | None = None,
) -> AutoscalingContext:
    """What Ray's controller would hand over."""
    replicas = [ReplicaID(f"r{index}", DEPLOYMENT) for index in range(running)]
    config = config or AutoscalingConfig(max_replicas=20, upscale_delay_s=0, downscale_delay_s=0)
    return AutoscalingContext(
        deployment_id=DEPLOYMENT,
        deployment_name=DEPLOYMENT.name,
        app_name=DEPLOYMENT.app_name,
        current_num_replicas=running,
        target_num_replicas=target,
        running_replicas=replicas,
        total_num_requests=lambda: total,
        total_queued_requests=lambda: queued,
        aggregated_metrics=lambda: {
            name: dict(zip(replicas, values, strict=False))
            for name, values in (recorded or {}).items()
        },
        raw_metrics=dict,
        capacity_adjusted_min_replicas=config.min_replicas,
        capacity_adjusted_max_replicas=config.max_replicas,
        policy_state=dict(state or {}),
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=now,
        config=config,
    )


class TestOneCall:
    def test_a_total_is_shared_among_the_running_replicas_of_a_pods_metric(self) -> None:
        policy = ServePolicy(hpa_policy(pods_metric("requests_in_flight", "4")))
        count, _ = policy(context(now=1_800_000_000.0, running=2, target=2, total=20))
        assert count == 5

    def test_what_replicas_record_is_theirs(self) -> None:
        policy = ServePolicy(hpa_policy(pods_metric("queue", "2")))
        count, _ = policy(
            context(now=1_800_000_000.0, running=3, target=3, recorded={"queue": [6, 4, 2]})
        )
        assert count == 6

    @pytest.mark.parametrize(("fold", "wanted"), [("sum", 6), ("mean", 2), ("max", 3), ("min", 1)])
    def test_values_are_put_together_as_told(self, fold: str, wanted: int) -> None:
        policy = ServePolicy(
            hpa_policy(external_metric("queue", "1")),
            metrics={"queue": f"{fold}:queue"},
        )
        count, _ = policy(
            context(now=1_800_000_000.0, running=3, target=3, recorded={"queue": [1, 2, 3]})
        )
        assert count == wanted

    @pytest.mark.parametrize("recorded", [{}, {"queue": [float("nan")] * 3}])
    def test_on_ignorance_nothing_changes(self, recorded: dict[str, list[float]]) -> None:
        for metric, from_ in (
            (pods_metric("queue", "1"), None),
            (external_metric("queue", "1"), {"queue": "max:queue"}),
        ):
            policy = ServePolicy(hpa_policy(metric), metrics=from_)
            count, _ = policy(context(now=1_800_000_000.0, running=3, target=3, recorded=recorded))
            assert count == 3

    def test_a_policy_decides_in_its_own_rhythm(self) -> None:
        policy = ServePolicy(hpa_policy(external_metric("ongoing_requests", "1")))
        counts: list[float] = []
        state: dict[str, Any] = {}
        start = 1_800_000_000.0
        for tick in range(160):
            # The load doubles at once, and is looked at every 15 s.
            total = 2.0 if tick == 0 else 4.0
            count, state = policy(
                context(now=start + tick / 10, running=2, target=2, total=total, state=state)
            )
            counts.append(count)
        assert counts == [2] * 150 + [4] * 10

    def test_a_count_that_others_change_is_looked_at_at_once(self) -> None:
        policy = ServePolicy(hpa_policy(external_metric("ongoing_requests", "1")))
        count, state = policy(context(now=1_800_000_000.0, running=2, target=2, total=2))
        assert count == 2
        count, _ = policy(context(now=1_800_000_000.1, running=2, target=9, total=12, state=state))
        assert count == 12

    def test_what_was_carried_out_is_settled(self) -> None:
        behavior = {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}
        policy = ServePolicy(
            hpa_policy(external_metric("ongoing_requests", "1"), behavior=behavior)
        )
        count, state = policy(context(now=1_800_000_000.0, running=2, target=2, total=9))
        assert count == 4
        # The limit counts what was done: nothing more within the minute.
        count, done = policy(
            context(now=1_800_000_015.0, running=2, target=4, total=9, state=state)
        )
        assert count == 4
        # Ray did not carry it out, so nothing was used up.
        count, _ = policy(context(now=1_800_000_015.0, running=2, target=2, total=9, state=state))
        assert count == 4
        count, _ = policy(context(now=1_800_000_061.0, running=4, target=4, total=9, state=done))
        assert count == 6

    @given(
        running=st.integers(1, 50),
        wanted=st.integers(0, 100),
        up=st.floats(0.05, 20),
        down=st.floats(0.05, 20),
    )
    def test_factors_of_ray_are_undone(
        self, running: int, wanted: int, up: float, down: float
    ) -> None:
        from trimtab.ray.serve_policy import through_factors

        config = AutoscalingConfig(max_replicas=200, upscaling_factor=up, downscaling_factor=down)
        at: Any = context(now=0, running=running, target=running, config=config)
        wish = through_factors(wanted, at)
        assert ray_policy._apply_scaling_factors(wish, running, config) == wanted

    def test_changes_are_explained_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        policy = ServePolicy(hpa_policy(external_metric("ongoing_requests", "1")))
        with caplog.at_level(logging.INFO, logger="ray.serve"):
            policy(context(now=1_800_000_000.0, running=2, target=2, total=9))
        (record,) = caplog.records
        assert "trimtab: llm/Chat: 2027-01-15T08:00:00Z  2 -> 9 replicas" in record.getMessage()
        assert "ongoing_requests  4.5 each of 1" in record.getMessage()

    def test_delays_of_ray_are_warned_of_once(self, caplog: pytest.LogCaptureFixture) -> None:
        policy = ServePolicy(hpa_policy(external_metric("ongoing_requests", "1")))
        config = AutoscalingConfig(max_replicas=20, upscale_delay_s=30, downscale_delay_s=0)
        with caplog.at_level(logging.WARNING, logger="ray.serve"):
            for tick in range(3):
                policy(context(now=tick, running=2, target=2, total=2, config=config))
        assert [record.getMessage() for record in caplog.records] == [
            "trimtab: llm/Chat: Ray delays what the policy `chat` decides: upscale_delay_s = 30. "
            "Set them to 0, and say in the policy how long a change has to be wanted"
        ]

    @pytest.mark.parametrize(
        "file", ["hpa.yaml", "keda.yaml", "knative.yaml", "ray-serve.yaml", "slo.yaml"]
    )
    def test_every_strategy_decides(self, examples: Path, file: str) -> None:
        known = Policy.from_file(examples / file)
        shapes = {metric["type"] for metric in known.spec.get("metrics", [])}
        totals = {name for names in TOTALS.values() for name in names}
        given = {
            metric: metric if "Pods" in shapes else f"max:{metric}"
            for metric in known.metrics
            if metric not in totals
        }
        policy = ServePolicy(examples / file, metrics=given)
        state: dict[str, Any] = {}
        count: float = 2
        for tick in range(40):
            now = 1_800_000_000.0 + 3 * tick
            at = context(
                now=now,
                running=2,
                target=int(count),
                total=400,
                queued=300,
                recorded={metric: [500.0, 500.0] for metric in known.metrics},
                state=state,
            )
            count, state = policy(at)
        assert count > 2

    def test_an_application_has_a_policy_for_each_deployment(self) -> None:
        policy = ApplicationServePolicy(
            {
                "Chat": hpa_policy(external_metric("ongoing_requests", "1")),
                "Other": {"policy": ray_serve_policy(maxReplicas=3)},
            }
        )
        other = DeploymentID(name="Rest", app_name="llm")
        rest = context(now=1_800_000_000.0, running=1, target=1, total=9)
        rest.deployment_name = "Rest"
        chat = context(now=1_800_000_000.0, running=2, target=2, total=4)
        counts, states = policy({DEPLOYMENT: chat, other: rest})
        assert counts == {DEPLOYMENT: 4}
        assert list(states) == [DEPLOYMENT]
        # Through what Ray puts around it.
        wrapped = ray_policy._apply_app_level_autoscaling_config(policy)
        counts, states = wrapped({DEPLOYMENT: chat, other: rest})
        assert counts == {DEPLOYMENT: 4}
        assert "trimtab" in states[DEPLOYMENT]


class TestSettings:
    @pytest.mark.parametrize(
        ("document", "metrics", "message"),
        [
            (
                hpa_policy(external_metric("queue", "1")),
                None,
                "metric `queue` is one value, and replicas record one each: give it one of "
                "`total_num_requests`, `total_queued_requests`, `total_running_requests`, or say "
                "how they are put together, such as `mean:queue`",
            ),
            (
                hpa_policy(external_metric("queue", "1")),
                {"queue": "median:queue"},
                "`median:queue` does not say how to put values together: `sum`, `mean`, `max`, "
                "`min`",
            ),
            (
                hpa_policy(external_metric("queue", "1")),
                {"queue": "waiting"},
                "`waiting` can't be metric `queue` of type `External`: write `mean:waiting`",
            ),
            (
                hpa_policy(pods_metric("queue", "1")),
                {"queue": "sum:waiting"},
                "`sum:waiting` can't be metric `queue` of type `Pods`: write `waiting`, since each "
                "replica has its own",
            ),
            (
                hpa_policy(pods_metric("queue", "1")),
                {"queu": "waiting"},
                "the policy has no metric `queu`: it has `queue`",
            ),
            (
                hpa_policy(
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "AverageValue", "averageValue": "1"},
                        },
                    }
                ),
                None,
                "Ray Serve does not tell the `cpu` of replicas: record it in "
                "`record_autoscaling_stats`, and take it by a metric of type `Pods`",
            ),
        ],
    )
    def test_a_metric_without_a_source_is_refused(
        self, document: dict[str, Any], metrics: dict[str, str] | None, message: str
    ) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            ServePolicy(document, metrics=metrics)

    @pytest.mark.parametrize(
        ("name", "settings"), [("retire", {}), ("warmPool", {"size": {"fixed": 1}})]
    )
    def test_what_ray_does_by_itself_is_refused(self, name: str, settings: dict[str, Any]) -> None:
        document = ray_serve_policy(maxReplicas=9)
        document["spec"] |= {"strategy": "hpa", name: settings}
        with pytest.raises(ValueError, match=f"`{name}` can't be carried out: Ray "):
            ServePolicy(document)

    def test_a_document_that_is_no_policy_is_refused(self) -> None:
        with pytest.raises(PolicyError):
            autoscaling_config("kind: ScalingPolicy\nspec: {}\n")

    def test_a_config_has_the_bounds_and_no_delays(self) -> None:
        config = autoscaling_config(
            ray_serve_policy(
                minReplicas=2,
                maxReplicas=9,
                target="2500m",
                rayServe={
                    "initialReplicas": 4,
                    "upscalingFactor": 2,
                    "lookBackPeriodSeconds": 20,
                    "aggregationFunction": "max",
                },
            ),
            metrics_interval_s=5,
        )
        assert (config.min_replicas, config.initial_replicas, config.max_replicas) == (2, 4, 9)
        assert (config.upscale_delay_s, config.downscale_delay_s) == (0, 0)
        assert config.downscale_to_zero_delay_s == 0
        assert config.target_ongoing_requests == 2.5
        assert config.get_upscaling_factor() == 2
        assert (config.look_back_period_s, config.aggregation_function) == (20, "max")
        assert config.metrics_interval_s == 5

    def test_a_policy_comes_to_the_controller_as_ray_sends_it(self) -> None:
        config = autoscaling_config(hpa_policy(external_metric("ongoing_requests", "1")))
        sent = AutoscalingConfig(**config.model_dump(exclude={"policy"}), policy=config.policy)
        policy = sent.policy.get_policy()(**sent.policy.policy_kwargs)
        count, _ = policy(context(now=1_800_000_000.0, running=2, target=2, total=4))
        assert count == 4


milli = st.integers(0, 40_000).map(lambda value: value / 1000)


@st.composite
def deployments(draw: st.DrawFn) -> tuple[dict[str, Any], AutoscalingConfig]:
    """A deployment with Ray's own policy, as trimtab and as Ray have it."""
    least = draw(st.integers(0, 4))
    most = draw(st.integers(max(least, 1), 12))
    target = draw(st.integers(100, 8_000))
    own = {
        "upscaleDelaySeconds": draw(st.sampled_from([0, 0.1, 1, 3])),
        "downscaleDelaySeconds": draw(st.sampled_from([0, 0.1, 1, 5])),
        "upscalingFactor": draw(st.sampled_from([0.3, 0.5, 1, 1.5, 3])),
        "downscalingFactor": draw(st.sampled_from([0.3, 0.5, 1, 1.5, 3])),
    }
    to_zero = draw(st.sampled_from([None, 0, 2]))
    if to_zero is not None:
        own["downscaleToZeroDelaySeconds"] = to_zero
    document = ray_serve_policy(
        minReplicas=least, maxReplicas=most, target=f"{target}m", rayServe=own
    )
    config = AutoscalingConfig(
        min_replicas=least,
        max_replicas=most,
        target_ongoing_requests=target / 1000,
        upscale_delay_s=own["upscaleDelaySeconds"],
        downscale_delay_s=own["downscaleDelaySeconds"],
        downscale_to_zero_delay_s=to_zero,
        upscaling_factor=own["upscalingFactor"],
        downscaling_factor=own["downscalingFactor"],
    )
    return document, config


steps = st.lists(
    st.tuples(
        st.sampled_from([0.1, 0.1, 0.5, 1.0, 4.0]),
        milli,
        # How many of the target's replicas run, and a count that somebody else writes.
        st.sampled_from(["all", "all", "most", "none"]),
        st.one_of(st.none(), st.none(), st.none(), st.integers(0, 12)),
    ),
    min_size=1,
    max_size=30,
)


class Clock:
    """Ray's policy looks at the time by itself."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


@hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deployment=deployments(), start=st.integers(0, 12), course=steps)
def test_ray_serve_by_trimtab_decides_as_ray_does(
    monkeypatch: pytest.MonkeyPatch,
    deployment: tuple[dict[str, Any], AutoscalingConfig],
    start: int,
    course: list[tuple[float, float, str, int | None]],
) -> None:
    document, theirs = deployment
    ours = autoscaling_config(document)
    policies = {
        "ray": (
            ray_policy._apply_autoscaling_config(ray_policy.default_autoscaling_policy),
            theirs,
        ),
        "trimtab": (ray_policy._apply_autoscaling_config(ServePolicy(document)), ours),
    }

    def bounded(count: float) -> int:
        return int(max(theirs.min_replicas, min(theirs.max_replicas, count)))

    clock = Clock(1_800_000_000.0)
    monkeypatch.setattr(ray_policy, "time", clock)
    target = bounded(start)
    states: dict[str, dict[str, Any]] = {"ray": {}, "trimtab": {}}
    for seconds, total, share, written in course:
        clock.now = round(clock.now + seconds, 3)
        target = bounded(written) if written is not None else target
        running = {"all": target, "most": target - target // 3, "none": 0}[share]
        counts = {}
        for name, (policy, config) in policies.items():
            at = context(
                now=clock.now,
                running=running,
                target=target,
                total=total,
                state=states[name],
                config=config,
            )
            count, states[name] = policy(at)
            counts[name] = bounded(count)
        assert counts["trimtab"] == counts["ray"]
        target = counts["ray"]


def test_an_application_scales_up_under_load_and_down_after_it(tmp_path: Path) -> None:
    # In a process of its own: the threads of a handle go on when Ray is shut down.
    script = Path(__file__).with_name("serve_application.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path / "controller.log"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    told = [line for line in done.stdout.splitlines() if line.endswith("replicas run")]
    assert told == ["1 replicas run", "3 replicas run", "1 replicas run"]
    # Each change stands in the controller's log, with how it came about.
    log = (tmp_path / "controller.log").read_text()
    assert re.search(r"trimtab: chat/Chat: \S+Z  1 -> [23] replicas: `ongoing_requests` asks", log)
    assert re.search(r"trimtab: chat/Chat: \S+Z  [23] -> [12] replicas", log)
    assert "Ray delays" not in log
