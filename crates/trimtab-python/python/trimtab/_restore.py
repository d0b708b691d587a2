"""Loads, made again in another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab._core import Scenario, Trace

__all__ = ["scenario", "trace"]


def scenario(name: str, arguments: Mapping[str, Any]) -> Scenario:
    """Make a scenario as it was made."""
    return Scenario(name, **arguments)


def trace(content: bytes, arguments: Mapping[str, Any]) -> Trace:
    """Make a trace of what its file had."""
    return Trace.from_text(content, **arguments)
