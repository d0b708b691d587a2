"""A Ray Serve autoscaling policy that decides by a policy of trimtab.

Ray calls a policy with what it knows of a deployment, ten times a second, and scales to what it
returns::

    from ray import serve
    from trimtab.ray.serve_policy import autoscaling_config

    @serve.deployment(autoscaling_config=autoscaling_config("chat.yaml"))
    class Chat: ...

In a Serve config file it is named, and its settings are written as JSON or YAML:

.. code-block:: yaml

    autoscaling_config:
      max_replicas: 20
      upscale_delay_s: 0
      downscale_delay_s: 0
      policy:
        policy_function: trimtab.ray.serve_policy:ServePolicy
        policy_kwargs: {policy: /etc/trimtab/chat.yaml}
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from trimtab import Decision, Policy, State, _frames, decide, settle
from trimtab.errors import TrimtabError
from trimtab.ray._context import Context, Seen, observe, sources

__all__ = ["ApplicationServePolicy", "PolicySource", "ServePolicy", "autoscaling_config"]

#: A policy, the path of its file, its text, or the document as a mapping.
PolicySource: TypeAlias = Policy | str | PathLike[str] | Mapping[str, Any]

#: The key of Ray's policy state.
STATE_KEY = "trimtab"
#: The logger of Ray Serve's controller.
LOGGER_NAME = "ray.serve"


class ServePolicy:
    """A policy of a deployment, for Ray's ``AutoscalingPolicy(policy_function=...)``.

    The decision is trimtab's alone where ``upscale_delay_s``, ``downscale_delay_s`` and
    ``downscale_to_zero_delay_s`` are 0: Ray puts its delays behind every policy, and a warning says
    so. Its factors are undone. What remains of Ray is that the way to 0 leads over 1, that the
    first replica of a deployment that has none is started by Ray, and its bounds.

    ``policy`` is the policy, its file, its text or its document; in a Serve config, the path on the
    head node, or the document. ``name`` is its ``metadata.name``, where there are several.

    ``metrics`` says where a metric of the policy comes from, by its name. ``total_num_requests``,
    ``total_queued_requests`` or ``total_running_requests``; the name of a value that
    ``record_autoscaling_stats`` returns, for a metric of type ``Pods``; that name behind ``sum:``,
    ``mean:``, ``max:`` or ``min:`` for the others. A metric that Ray does not tell is a
    `ValueError`.
    """

    def __init__(
        self,
        policy: PolicySource,
        *,
        metrics: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        self._policy = read_policy(policy, name)
        refuse_what_ray_does(self._policy)
        self._sources = sources(self._policy, metrics or {})
        # Ray's own strategy looks at every call, as Ray does.
        self._period = 0.0 if self._policy.strategy == "rayServe" else self._policy.period
        self._log = logging.getLogger(LOGGER_NAME)
        self._warned = False

    @property
    def policy(self) -> Policy:
        """The policy that decides."""
        return self._policy

    # Ray's cached properties are no members of protocols to every type checker.
    def __call__(self, context: Any) -> tuple[int | float, dict[str, Any]]:
        """Give the count for Ray, and what to hand back with the next call."""
        self._warn_of_delays(context)
        now = time.time() if context.current_time is None else context.current_time
        memory = context.policy_state.get(STATE_KEY) or Memory.new(self._policy)
        memory = memory.settled(self._policy, context.target_num_replicas)
        due = memory.is_due(context, now, self._period)
        memory = replace(
            memory, seen=memory.seen.look(context, now), target=context.target_num_replicas
        )
        if due:
            memory = self._decide(context, now, memory)
        replicas = memory.replicas if memory.replicas is not None else context.target_num_replicas
        return through_factors(replicas, context), {STATE_KEY: memory}

    def _decide(self, context: Context, now: float, memory: Memory) -> Memory:
        try:
            observation = observe(context, now, self._sources, memory.seen)
            decision, state = decide(self._policy, memory.state, observation)
        except TrimtabError as error:
            self._log.error("trimtab: %s: nothing decided: %s", _named(context), error)
            return replace(memory, replicas=context.target_num_replicas, decided_at=now)
        self._explain(context, decision, memory.replicas)
        replicas = decision.scale_to if decision.scale_to is not None else decision.current_replicas
        return replace(memory, state=state, pending=decision, replicas=replicas, decided_at=now)

    def _explain(self, context: Context, decision: Decision, before: int | None) -> None:
        changes = decision.scale_to is not None and decision.scale_to != before
        level = logging.INFO if changes else logging.DEBUG
        if self._log.isEnabledFor(level):
            self._log.log(level, "trimtab: %s: %s", _named(context), decision.explain().rstrip())

    def _warn_of_delays(self, context: Context) -> None:
        config = context.config
        if self._warned or config is None:
            return
        self._warned = True
        delays = {
            "upscale_delay_s": config.upscale_delay_s,
            "downscale_delay_s": config.downscale_delay_s,
            "downscale_to_zero_delay_s": config.downscale_to_zero_delay_s or 0,
        }
        late = [f"{name} = {delay:g}" for name, delay in delays.items() if delay]
        if late:
            self._log.warning(
                "trimtab: %s: Ray delays what the policy `%s` decides: %s. Set them to 0, and say "
                "in the policy how long a change has to be wanted",
                _named(context),
                self._policy.name,
                ", ".join(late),
            )


class ApplicationServePolicy:
    """Policies of the deployments of an application, for its ``autoscaling_policy``.

    ``policies`` gives by the deployment's name what :class:`ServePolicy` takes: a policy, or its
    arguments as a mapping with ``policy`` and perhaps ``metrics`` and ``name``. Deployments that
    are not named keep their count.
    """

    def __init__(self, policies: Mapping[str, PolicySource | Mapping[str, Any]]) -> None:
        self._policies = {name: _deployment_policy(policy) for name, policy in policies.items()}

    def __call__(
        self, contexts: Mapping[Any, Any]
    ) -> tuple[dict[Any, int | float], dict[Any, dict[str, Any]]]:
        """Give the counts for Ray by deployment, and what to hand back with the next call."""
        counts: dict[Any, int | float] = {}
        states: dict[Any, dict[str, Any]] = {}
        for deployment, context in contexts.items():
            policy = self._policies.get(context.deployment_name)
            if policy is not None:
                counts[deployment], states[deployment] = policy(context)
        return counts, states


def autoscaling_config(
    policy: PolicySource,
    *,
    metrics: Mapping[str, str] | None = None,
    name: str | None = None,
    **settings: Any,
) -> Any:
    """Ray's ``AutoscalingConfig`` for a deployment that trimtab scales.

    The bounds are the policy's, and Ray's own delays and factors are off. Of a policy with
    ``strategy: rayServe`` the rest is Ray's, too: initial count, target, look-back and aggregation.
    The policy goes with it as text, so no other node needs its file; ``trimtab`` has to be
    installed where Serve's controller runs.

    ``policy``, ``metrics`` and ``name`` are as in :class:`ServePolicy`; ``settings`` are other
    fields of ``AutoscalingConfig``, such as ``look_back_period_s``.
    """
    ray = _frames.require("ray.serve.config", "`autoscaling_config`")
    parsed = read_policy(policy, name)
    kwargs: dict[str, Any] = {"policy": parsed.to_yaml()}
    if metrics:
        kwargs["metrics"] = dict(metrics)
    # What is wrong is told here, rather than by a controller that logs it.
    ServePolicy(parsed, metrics=metrics)
    fields: dict[str, Any] = {
        "min_replicas": parsed.min_replicas,
        "max_replicas": parsed.max_replicas,
        "upscale_delay_s": 0,
        "downscale_delay_s": 0,
        "downscale_to_zero_delay_s": 0,
        **_ray_fields(parsed),
        **settings,
    }
    function = f"{ServePolicy.__module__}:{ServePolicy.__name__}"
    chosen = ray.AutoscalingPolicy(policy_function=function, policy_kwargs=kwargs)
    return ray.AutoscalingConfig(policy=chosen, **fields)


@dataclass(frozen=True)
class Memory:
    """What is kept between two calls, in Ray's policy state."""

    state: State
    pending: Decision | None
    """Decided last, and not settled."""
    replicas: int | None
    """How many were decided last."""
    target: int | None
    """How many Ray had asked for at the last call."""
    decided_at: float
    seen: Seen

    @staticmethod
    def new(policy: Policy) -> Memory:
        """Before the first call."""
        return Memory(State.for_policy(policy), None, None, None, -math.inf, Seen.nothing())

    def is_due(self, context: Context, now: float, period: float) -> bool:
        """Say whether to decide: in the policy's rhythm, and where others changed the count."""
        by_others = context.target_num_replicas not in (self.target, self.replicas)
        # A tick may be a little early.
        return by_others or not 0 <= now - self.decided_at < period - 1e-3

    def settled(self, policy: Policy, target: int) -> Memory:
        """Settle the last decision: what became of it is known once the target is seen again."""
        if self.pending is None or self.pending.scale_to != target:
            return self
        return replace(self, pending=None, state=settle(policy, self.state, self.pending))


def read_policy(policy: PolicySource, name: str | None = None) -> Policy:
    """Read the policy of a file, a text or a document."""
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, Mapping):
        return Policy.from_dict(policy, name=name)
    if isinstance(policy, str) and "\n" in policy:
        return Policy.from_yaml(policy, name=name)
    return Policy.from_file(Path(policy), name=name)


def refuse_what_ray_does(policy: Policy) -> None:
    """Refuse stages whose part somebody has to play, where Ray plays it its own way."""
    why = {
        "retire": "Ray chooses by itself which replicas stop, and drains them",
        "warmPool": "Ray has no replicas that stand by",
    }
    spec = policy.spec
    for field, reason in why.items():
        if spec.get(field) is not None:
            raise ValueError(f"`{field}` can't be carried out: {reason}; leave it out")


def through_factors(replicas: int, context: Context) -> int | float:
    """Give the wish that Ray's factors make this count of."""
    current, config = context.current_num_replicas, context.config
    if config is None or current == 0 or replicas == current:
        return replicas
    up = replicas > current
    factor = config.get_upscaling_factor() if up else config.get_downscaling_factor()
    if factor == 1:
        return replicas
    # Ray rounds up, and in the middle of a step no float error makes it another one.
    return current + (replicas - 0.5 - current) / factor


def _deployment_policy(policy: PolicySource | Mapping[str, Any]) -> ServePolicy:
    if isinstance(policy, Mapping) and "policy" in policy:
        return ServePolicy(**policy)
    return ServePolicy(policy)


def _ray_fields(policy: Policy) -> dict[str, Any]:
    """Give the fields for what Ray does before it asks, as a policy of Ray's has them."""
    if policy.strategy != "rayServe":
        return {}
    spec = policy.spec
    own = spec.get("rayServe") or {}
    names = {
        "initialReplicas": "initial_replicas",
        "lookBackPeriodSeconds": "look_back_period_s",
        "aggregationFunction": "aggregation_function",
        "upscalingFactor": "upscaling_factor",
    }
    fields = {ray: own[ours] for ours, ray in names.items() if own.get(ours) is not None}
    target = policy.get("metrics[0].external.target.averageValue")
    if target is not None:
        # Ray shows it in its metrics; trimtab decides.
        milli = target.endswith("m")
        fields["target_ongoing_requests"] = float(target.removesuffix("m")) / (1000 if milli else 1)
    return fields


def _named(context: Context) -> str:
    return f"{context.app_name or 'default'}/{context.deployment_name}"
