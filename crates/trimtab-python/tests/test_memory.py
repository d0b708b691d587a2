"""A million decisions leave nothing behind."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
import trimtab

MEGABYTE = 1 << 20


def resident() -> int:
    """Give the memory of this process that is in use, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_million_decisions(queue: trimtab.Policy) -> None:
    autoscaler = trimtab.Autoscaler(queue)

    def decide(rounds: int) -> None:
        for tick in range(rounds):
            load = tick * 7919 % 400
            seen = trimtab.Observation(15 * tick, replicas=5, readings={"queue": load})
            decision = autoscaler.decide(seen)
            if tick % 3 == 0:
                autoscaler.settle(decision)
            if tick % 1000 == 0:
                decision.to_dict()
                decision.explain()
                autoscaler.state.to_json()

    decide(20_000)
    gc.collect()
    before = resident()
    decide(980_000)
    gc.collect()
    assert resident() - before < 16 * MEGABYTE


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_errors_and_batches(queue: trimtab.Policy) -> None:
    fleet = trimtab.Autoscalers(queue, 10_000)
    columns = {"replicas": [5] * 10_000, "queue": [25.0] * 10_000}

    def work(rounds: int) -> None:
        for tick in range(rounds):
            fleet.decide(columns, time=15 * tick).to_dict()
            for _ in range(100):
                with pytest.raises(trimtab.PolicyError):
                    trimtab.Policy.from_yaml("spec: {")

    work(60)
    gc.collect()
    before = resident()
    work(60)
    gc.collect()
    assert resident() - before < 16 * MEGABYTE


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_arrow_data_is_released(queue: trimtab.Policy) -> None:
    polars = pytest.importorskip("polars")
    rows = 20_000
    table = polars.DataFrame({"replicas": [5] * rows, "queue": [[25.0, None]] * rows})
    fleet = trimtab.Autoscalers(queue, rows)

    def work(rounds: int) -> None:
        for tick in range(rounds):
            # A new table each time, of nearly a megabyte.
            fleet.decide(table.with_columns(polars.col("replicas") + 0), time=15 * tick)

    work(10)
    gc.collect()
    before = resident()
    work(50)
    gc.collect()
    assert resident() - before < 16 * MEGABYTE
