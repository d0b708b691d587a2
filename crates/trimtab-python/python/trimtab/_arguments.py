"""What simulations take: policies, loads and documents in the forms that people have them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from trimtab import _core
from trimtab._arrow import has_arrow
from trimtab._core import Policy, Scenario, Trace

__all__ = [
    "Document",
    "Load",
    "Policies",
    "Progress",
    "document",
    "field_text",
    "loads",
    "named",
    "profiles",
    "setting",
    "signals",
]

Policies: TypeAlias = "Policy | Iterable[Policy] | Mapping[str, Policy]"
#: A mapping of names to columns; a DataFrame is one too, to who has no types of its package.
Load: TypeAlias = "Scenario | Trace | str | os.PathLike[str] | Mapping[str, Any]"
Document: TypeAlias = "Mapping[str, Any] | str | os.PathLike[str]"
#: Hears how many requests of how many are simulated.
Progress: TypeAlias = Callable[[int, int], object]


def profiles() -> list[str]:
    """List the service profiles that are built in.

    >>> "llama-3.1-8b-a100" in profiles()
    True
    """
    return _core._profiles()


def signals() -> list[str]:
    """List the signals that a simulated server has, which metrics take by name.

    >>> "requests_waiting" in signals()
    True
    """
    return _core._signals()


def setting(
    objectives: Sequence[str],
    profile: Document,
    cluster: Document | None,
    lead_times: float | Sequence[float],
    metrics: Mapping[str, str] | None,
    seed: int,
    jobs: int | None,
    timelines: bool,
) -> dict[str, Any]:
    """Give what all simulations of a call have in common, as the core takes it."""
    if isinstance(objectives, str):
        objectives = [objectives]
    if isinstance(lead_times, (int, float)):
        lead_times = [lead_times]
    return {
        "objectives": list(objectives),
        "profile": profile if isinstance(profile, str) else document(profile),
        "cluster": None if cluster is None else document(cluster),
        "lead_times": [float(seconds) for seconds in lead_times],
        "metrics": list((metrics or {}).items()),
        "seed": seed,
        "jobs": jobs or 0,
        "timelines": timelines,
    }


def document(given: Document) -> Mapping[str, Any] | tuple[str, bytes]:
    """Give a mapping as it is, and a path as its name and bytes."""
    if isinstance(given, Mapping):
        return given
    path = Path(given)
    return (str(path), path.read_bytes())


def loads(load: Load | Iterable[Load], seed: int) -> list[Scenario | Trace]:
    """Give one load or several as a list, each made of its name or its path."""
    is_one = isinstance(load, (str, os.PathLike, Scenario, Trace)) or _is_table(load)
    several: list[Any] = [load] if is_one else list(load)  # type: ignore[arg-type]
    return [_load(one, seed) for one in several]


def _load(load: Any, seed: int) -> Scenario | Trace:
    if isinstance(load, (Scenario, Trace)):
        return load
    if _is_table(load):
        return Trace.from_columns(load, seed=seed)
    # What looks like a name and is no file was meant as one, and the error lists them.
    if isinstance(load, str) and not Path(load).exists() and not {*"./\\"} & {*load}:
        return Scenario(load, seed=seed)
    return Trace(load, seed=seed)


def _is_table(load: Any) -> bool:
    return isinstance(load, Mapping) or hasattr(load, "columns") or has_arrow(load)


def named(policies: Policies) -> tuple[list[str], list[Policy]]:
    """Give policies with names that tell them apart."""
    if isinstance(policies, (Policy, str, os.PathLike)):
        policies = [policies]
    if isinstance(policies, Mapping):
        return [str(name) for name in policies], list(policies.values())
    given = list(policies)
    for policy in given:
        if not isinstance(policy, Policy):
            kind = type(policy).__name__
            raise TypeError(
                f"`{policy!r}` is a `{kind}`, and no Policy: `Policy.from_file` reads one"
            )
    names = [policy.name for policy in given]
    repeated = {name for name in names if names.count(name) > 1}
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in repeated:
            seen[name] = seen.get(name, 0) + 1
            names[index] = f"{name} #{seen[name]}"
    return names, given


def field_text(value: object) -> str:
    """Write a field's value as an axis of a sweep has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
