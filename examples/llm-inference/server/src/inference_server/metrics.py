"""What the server says of itself. An autoscaler decides by these names: they are an interface."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

# Around the objectives that people set, and far enough out to tell slow from hopeless.
TTFT_BUCKETS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.2, 1.5, 2.0, 5.0, 10.0, 30.0, 60.0)
TOKEN_BUCKETS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)
# Every way a request can end, so that there is a rate before one ended so: done, never possible, turned away,
# given up by its client, refused while not ready, out of time.
STATUSES = ("200", "400", "429", "499", "503", "504")


class Metrics:
    """A registry of its own: two servers in one process do not mix."""

    def __init__(self) -> None:
        # A second series beside each counter, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.waiting = self._gauge("requests_waiting", "Requests that wait for a place in the batch")
        self.running = self._gauge("requests_running", "Requests that are being read or answered")
        self.kv_cache_usage = self._gauge("kv_cache_usage_ratio", "Used share of the KV cache, 0 to 1")
        self.ready = self._gauge("ready", "1 while the server wants requests")
        self.startup = Gauge(
            "inference_startup_seconds",
            "What each phase of the start took",
            ["phase"],
            registry=self.registry,
        )
        self.received = self._counter("requests_received", "Requests that came, those turned away included")
        self.requests = Counter(
            "inference_requests", "Requests that ended, by HTTP status", ["status"], registry=self.registry
        )
        for status in STATUSES:
            self.requests.labels(status)
        self.prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts that were read")
        self.generation_tokens = self._counter("generation_tokens", "Tokens that were generated")
        self.ttft = self._histogram("ttft_seconds", "From a request to its first token", TTFT_BUCKETS)
        self.token_time = self._histogram(
            "time_per_output_token_seconds", "From one token of a request to its next", TOKEN_BUCKETS
        )

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def follow(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """The gauge is read when it is scraped, and so is never behind."""
        gauge.set_function(read)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"inference_{name}", documentation, registry=self.registry)

    def _counter(self, name: str, documentation: str) -> Counter:
        return Counter(f"inference_{name}", documentation, registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"inference_{name}", documentation, buckets=buckets, registry=self.registry)
