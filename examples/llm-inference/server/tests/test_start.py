"""Ready is what has answered a request, and not what has opened its port."""

from __future__ import annotations

import time

from conftest import Serve


def test_readiness_waits_for_the_warm_up(serve: Serve) -> None:
    began = time.monotonic()
    server = serve(MODEL_LOAD_SECONDS=0.8, CONTEXT_SECONDS=0.4)
    assert server.status("/healthz") == 200, "a model that loads is alive"
    assert server.status("/readyz") == 503
    refused = server.generate()
    assert refused.status_code == 503
    assert refused.headers["connection"] == "close", "the next try is to find another replica"
    assert server.metric("inference_ready") == 0

    server.until_ready()
    assert time.monotonic() - began >= 1.2
    assert server.metric("inference_ready") == 1
    assert server.metric("inference_startup_seconds", phase="weights") >= 0.8
    assert server.metric("inference_startup_seconds", phase="context") >= 0.4
    assert server.metric("inference_startup_seconds", phase="dummy_inference") > 0
    assert server.generate().status_code == 200


def test_the_dummy_inference_is_in_no_metric(serve: Serve) -> None:
    server = serve().until_ready()
    for name in ("requests_received_total", "generation_tokens_total", "ttft_seconds_count"):
        assert server.metric(f"inference_{name}") == 0


def test_told_to_go_while_it_loads_it_goes(serve: Serve) -> None:
    server = serve(MODEL_LOAD_SECONDS=60)
    server.terminate()
    assert server.process.wait(5) == 0
