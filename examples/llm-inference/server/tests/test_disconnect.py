"""A client that goes away takes nothing with it."""

from __future__ import annotations

import pytest
from conftest import Running, Serve, body


def everything_is_free(server: Running) -> bool:
    names = ("requests_running", "requests_waiting", "kv_cache_usage_ratio")
    return all(server.metric(f"inference_{name}") == 0 for name in names)


def test_in_the_middle_of_a_stream(serve: Serve) -> None:
    server = serve().until_ready()
    with server.client.stream("POST", "/generate", json=body(5000)) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("data:")
        assert server.metric("inference_kv_cache_usage_ratio") > 0
    server.wait(lambda: everything_is_free(server))
    assert server.metric("inference_requests_total", status="499") == 1
    assert server.metric("inference_requests_total", status="200") == 0


@pytest.mark.parametrize("stream", [True, False])
def test_while_it_waits_and_while_it_collects(serve: Serve, stream: bool) -> None:
    server = serve(MAX_CONCURRENCY=1).until_ready()
    collects = server.ask(5000, stream=False)
    server.wait(lambda: server.metric("inference_requests_running") == 1)
    waits = server.ask(5000, stream=stream)
    server.wait(lambda: server.metric("inference_requests_waiting") == 1)
    waits.close()
    server.wait(lambda: server.metric("inference_requests_waiting") == 0)
    assert server.metric("inference_requests_running") == 1, "only the one that waited has gone"
    collects.close()
    server.wait(lambda: everything_is_free(server))
    assert server.metric("inference_requests_total", status="499") == 2


def test_its_place_is_the_next_ones(serve: Serve) -> None:
    server = serve(MAX_CONCURRENCY=1, QUEUE_LIMIT=0).until_ready()
    with server.client.stream("POST", "/generate", json=body(5000)) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("data:")
        assert server.generate().status_code == 429
    server.wait(lambda: everything_is_free(server))
    assert server.generate().status_code == 200
