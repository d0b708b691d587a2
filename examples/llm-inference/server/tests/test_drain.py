"""SIGTERM asks it to go; it goes when the last stream has ended."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from conftest import Serve, body


def test_a_stream_is_not_cut_by_sigterm(serve: Serve) -> None:
    server = serve().until_ready()
    with server.client.stream("POST", "/generate", json=body(300)) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("data:")
        server.terminate()
        server.wait(lambda: server.status("/readyz") == 503, seconds=1)
        assert server.status("/healthz") == 200, "a restart would cut what is left"
        assert server.metric("inference_requests_running") == 1, "it is scraped to its end"
        assert server.generate().status_code == 503
        assert server.process.poll() is None
        rest = list(lines)
    tokens = 1 + sum('"token"' in line for line in rest)
    assert tokens == 300
    assert any('"finish_reason": "length"' in line for line in rest)
    assert server.process.wait(5) == 0


def test_who_waits_when_it_comes_is_answered(serve: Serve) -> None:
    server = serve(MAX_CONCURRENCY=1).until_ready()
    with ThreadPoolExecutor(3) as clients:
        held = [clients.submit(server.generate, 40, stream=kind) for kind in (True, False, True)]
        server.wait(lambda: server.metric("inference_requests_waiting") == 2)
        server.terminate()
        assert [client.result().status_code for client in held] == [200] * 3
    assert server.process.wait(5) == 0


def test_without_requests_it_goes_at_once(serve: Serve) -> None:
    server = serve().until_ready()
    began = time.monotonic()
    server.terminate()
    assert server.process.wait(5) == 0
    assert time.monotonic() - began < 2


def test_a_second_signal_does_not_wait(serve: Serve) -> None:
    server = serve().until_ready()
    with server.client.stream("POST", "/generate", json=body(5000)) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("data:")
        server.terminate()
        server.wait(lambda: server.status("/readyz") == 503)
        server.terminate()
        server.process.wait(5)
