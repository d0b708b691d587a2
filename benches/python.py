"""What Python adds to a decision, and what a million cost in one call, beside Rust's own time.

    cargo xtask wheels && pip install target/dist/trimtab-*.whl numpy
    RAYON_NUM_THREADS=1 python benches/python.py

prints a table; Rust's time is that of `cargo run --release -p trimtab-benches --bin article`, which
it runs. The wheel has to be a release build. Rust and Python take turns, rounds are short, and the
least time of each counts: what else the machine does only ever adds.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import trimtab

ROOT = Path(__file__).resolve().parents[1]
TURNS, ROUNDS, DECISIONS, WORKLOADS = 4, 200, 2_000, 1_000_000

Seconds = dict[str, float]


def rust() -> Seconds:
    """Measure Rust alone."""
    command = ["cargo", "run", "--release", "--quiet", "-p", "trimtab-benches", "--bin", "article"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    seconds: Seconds = json.loads(done.stdout)
    return seconds


def best(work: Callable[[], object]) -> float:
    """Give the seconds of one call; the best of some rounds."""
    shortest = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(DECISIONS):
            work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest / DECISIONS


def one() -> Seconds:
    """Decide once by the article's policy."""
    policy = trimtab.Policy.from_file(ROOT / "examples/llm-inference/hpa.yaml")
    state = trimtab.State.for_policy(policy)
    pods = ["a", "b"]
    readings = {
        "inference_requests_waiting": {"a": 9, "b": 7.5},
        "inference_kv_cache_usage_ratio": {"a": 0.5, "b": 0.6},
    }

    def observe() -> trimtab.Observation:
        return trimtab.Observation(1_800_000_000, replicas=2, pods=pods, readings=readings)

    seen, decide = observe(), trimtab.decide
    return {"decide": best(lambda: decide(policy, state, seen)), "observe": best(observe)}


def million() -> Seconds:
    """Decide for a million workloads, as Rust does on one core."""
    policy = trimtab.Policy.from_yaml(SIMPLE)
    fleet = trimtab.Autoscalers(policy, WORKLOADS)
    replicas = numpy.full(WORKLOADS, 5)
    rows = numpy.arange(WORKLOADS)
    shortest = float("inf")
    for tick in range(40):
        load = 36.0 + ((rows + 7919 * tick) & 0xFFF) / 1000
        start = time.perf_counter()
        fleet.decide(
            {"replicas": replicas, "requests_in_flight": load}, time=1_800_000_000 + 15 * tick
        )
        if tick >= 30:
            shortest = min(shortest, time.perf_counter() - start)
    return {"million": shortest}


def table(alone: Seconds, python: Seconds) -> None:
    """Print what came of it."""
    own, decided = alone["resolve_and_decide_seconds"], python["decide"]
    print("| one decision of the article's policy, two pods | time |")
    print("| --- | ---: |")
    print(f"| Rust: `decide_traced` alone | {alone['decide_seconds'] * 1e6:.2f} µs |")
    print(f"| Rust: names matched, then `decide_traced` | {own * 1e6:.2f} µs |")
    print(f"| Python: `decide` | {decided * 1e6:.2f} µs |")
    print(f"| of which Python adds | {(decided - own) * 1e6:.2f} µs |")
    print(f"| Python: making the `Observation` of dicts | {python['observe'] * 1e6:.2f} µs |")
    own, decided = alone["million_seconds"], python["million"]
    threads = os.environ.get("RAYON_NUM_THREADS", str(os.cpu_count()))
    print(f"\n| a tick over {WORKLOADS:,} workloads, each settled | time |")
    print("| --- | ---: |")
    print(f"| Rust, on one core | {own:.3f} s |")
    print(f"| Python, threads: {threads} | {decided:.3f} s |")
    print(f"| Python over Rust | {decided / own:.2f} |")


SIMPLE = """
apiVersion: trimtab.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web}
spec:
  strategy: hpa
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 100
  behavior: {}
  metrics:
  - type: External
    external:
      metric: {name: requests_in_flight}
      target: {type: AverageValue, averageValue: "8"}
"""


def main() -> None:
    """Take turns, and keep the least of each."""
    alone: Seconds = {}
    python: Seconds = {}
    for _ in range(TURNS):
        for least, seconds in ((alone, rust()), (python, one() | million())):
            for name, taken in seconds.items():
                least[name] = min(taken, least.get(name, taken))
    table(alone, python)


if __name__ == "__main__":
    main()
