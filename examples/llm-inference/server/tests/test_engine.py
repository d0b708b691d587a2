"""The stand-in takes the time of a GPU, and shares it as one does."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Serve

from inference_server.admission import Admission, QueueFullError, Sequence, TooLongError
from inference_server.kv_cache import KvCache
from inference_server.timing import Timing


def test_times_are_those_that_were_fitted() -> None:
    timing = Timing()
    # Llama-3.1-8B on an L40S: prompts of 1k and of 4k, a token in a batch of 1 and of 128 with 1k before it.
    assert timing.prefill(0, 1024) == pytest.approx(0.070, rel=0.1)
    assert timing.prefill(0, 4096) == pytest.approx(0.311, rel=0.1)
    assert timing.decode(1, 1024) == pytest.approx(0.022, rel=0.1)
    assert timing.decode(128, 128 * 1024) == pytest.approx(0.0533, rel=0.1)
    whole, parts = timing.prefill(0, 4096), timing.prefill(0, 2048) + timing.prefill(2048, 4096)
    assert parts == pytest.approx(whole)


def test_a_batch_shares_its_steps(serve: Serve) -> None:
    server = serve().until_ready()
    began = time.monotonic()
    server.generate(40)
    alone = time.monotonic() - began
    began = time.monotonic()
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda _: server.generate(40), range(8)))
    together = time.monotonic() - began
    assert together < 4 * alone, f"8 took {together:.2f} s, one {alone:.2f} s"


def test_nobody_overtakes() -> None:
    admission = Admission(max_concurrency=4, queue_limit=2, cache=KvCache(160))
    large, larger, small = (Sequence(tokens, 16, arrived=0.0) for tokens in (96, 112, 16))
    admission.submit(large)
    admission.submit(larger)
    admission.submit(small)
    assert admission.running == [large] and list(admission.waiting) == [larger, small]
    with pytest.raises(QueueFullError):
        admission.submit(Sequence(16, 16, arrived=0.0))
    with pytest.raises(TooLongError):
        admission.submit(Sequence(160, 16, arrived=0.0))
    admission.drop(large)
    assert admission.running == [larger, small] and not admission.waiting
    for sequence in (larger, larger, small):
        admission.drop(sequence)
    assert admission.cache.used == 0
