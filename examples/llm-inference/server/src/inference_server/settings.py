"""What the server is told, by environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Settings:
    """Each field is the environment variable of its name in upper case."""

    host: str = "0.0.0.0"
    port: int = 8080
    # Sequences in one batch. Beyond it, and beyond the KV cache, requests wait.
    max_concurrency: int = 64
    # Requests that may wait. One more is turned away, so that none waits longer than it is worth.
    queue_limit: int = 256
    # The longest that a request may take, its wait included; terminationGracePeriodSeconds has to be longer.
    max_session_seconds: float = 900.0
    # What a start takes: the weights, and the CUDA context with its kernels.
    model_load_seconds: float = 20.0
    context_seconds: float = 3.0
    # Tokens that the KV cache holds: Llama-3.1-8B in bfloat16 on an L40S.
    kv_cache_tokens: int = 177_175
    # How many times faster than that GPU the stand-in is; for tests.
    speed: float = 1.0
    # Without a step for so long while there is work, the engine hangs.
    hang_seconds: float = 60.0

    @staticmethod
    def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
        given: dict[str, str | int | float] = {}
        for field in fields(Settings):
            text = environment.get(field.name.upper())
            if text is None:
                continue
            kind = type(getattr(Settings, field.name))
            try:
                given[field.name] = kind(text)
            except ValueError:
                raise SystemExit(f"{field.name.upper()}: `{text}` is no {kind.__name__}") from None
        settings = Settings(**given)  # type: ignore[arg-type]
        if settings.max_concurrency < 1 or settings.queue_limit < 0 or settings.speed <= 0:
            raise SystemExit("MAX_CONCURRENCY is at least 1, QUEUE_LIMIT at least 0, SPEED above 0")
        return settings
