"""A batch of so many, a queue of so many, and no for the rest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from conftest import Serve


def test_the_queue_is_bounded_and_what_is_turned_away_is_counted(serve: Serve) -> None:
    server = serve(MAX_CONCURRENCY=2, QUEUE_LIMIT=3).until_ready()
    with ThreadPoolExecutor(9) as clients:
        held = [clients.submit(server.generate, 60) for _ in range(5)]
        server.wait(lambda: server.metric("inference_requests_waiting") == 3)
        assert server.metric("inference_requests_running") == 2
        assert 0 < server.metric("inference_kv_cache_usage_ratio") < 1
        for _ in range(4):
            refused = server.generate()
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert server.metric("inference_requests_total", status="429") == 4
        assert server.metric("inference_requests_received_total") == 9, "who was turned away came, too"
        answers = [client.result() for client in held]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert all(answer.text.count('"token"') == 60 for answer in answers)
    assert server.metric("inference_requests_total", status="200") == 5
    assert server.metric("inference_generation_tokens_total") == 300
    assert server.metric("inference_ttft_seconds_count") == 5
    for gauge in ("requests_waiting", "requests_running", "kv_cache_usage_ratio"):
        assert server.metric(f"inference_{gauge}") == 0


def test_the_kv_cache_bounds_the_batch(serve: Serve) -> None:
    # Room for two of 16 + 60 tokens, in blocks of 16.
    server = serve(KV_CACHE_TOKENS=160).until_ready()
    prompt = "x" * 64
    with ThreadPoolExecutor(3) as clients:
        held = [clients.submit(server.generate, 60, prompt) for _ in range(3)]
        server.wait(lambda: server.metric("inference_requests_waiting") == 1)
        assert server.metric("inference_requests_running") == 2
        assert server.metric("inference_kv_cache_usage_ratio") == 1
        assert [client.result().status_code for client in held] == [200] * 3


def test_what_could_never_run_does_not_wait(serve: Serve) -> None:
    server = serve(KV_CACHE_TOKENS=160).until_ready()
    assert server.generate(max_tokens=1000).status_code == 400
    assert server.metric("inference_requests_total", status="400") == 1


def test_no_session_outlasts_its_limit(serve: Serve) -> None:
    server = serve(MAX_SESSION_SECONDS=0.5).until_ready()
    answer = server.generate(10_000)
    assert answer.status_code == 200
    assert '"finish_reason": "session_limit"' in answer.text
    # Reading this takes longer than that.
    assert server.generate(prompt="x" * 200_000).status_code == 504
    assert server.metric("inference_requests_total", status="504") == 1
