"""Scale an application of Ray Serve up under load, and down after it; keep its controller's log."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray import serve
from trimtab.ray.serve_policy import autoscaling_config

POLICY = """
apiVersion: trimtab.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: chat}
spec:
  scaleTargetRef: {apiVersion: ray.io/v1, kind: RayService, name: chat}
  strategy: hpa
  minReplicas: 1
  maxReplicas: 3
  metrics:
  - type: External
    external:
      metric: {name: ongoing_requests}
      target: {type: AverageValue, averageValue: 2}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 3}
  hpa: {syncPeriodSeconds: 1}
"""
IN_FLIGHT = 6
SECONDS_EACH = 0.5


@serve.deployment(
    ray_actor_options={"num_cpus": 0.1},
    max_ongoing_requests=100,
    autoscaling_config=autoscaling_config(POLICY, look_back_period_s=2, metrics_interval_s=0.5),
)
class Chat:
    async def __call__(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds


class Load:
    """So many requests at once, for as long as it is entered."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._over = threading.Event()
        # One thread: a handle does not take its first requests from several.
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._over.is_set():
            answers = [self._handle.remote(SECONDS_EACH) for _ in range(IN_FLIGHT)]
            for answer in answers:
                answer.result(timeout_s=60)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def wait_for(wanted: int, within: float = 80) -> None:
    """Until so many replicas run, and no other is on its way."""
    end = time.monotonic() + within
    counts: dict[str, int] = {}
    while counts != {"RUNNING": wanted}:
        if time.monotonic() > end:
            raise TimeoutError(f"{counts} after {within} s instead of {wanted} that run")
        time.sleep(0.2)
        chat = serve.status().applications["chat"].deployments["Chat"]
        counts = {
            str(getattr(state, "value", state)): count
            for state, count in chat.replica_states.items()
        }
    print(wanted, "replicas run", flush=True)


def main(log: Path, folder: str) -> None:
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 1024 * 1024,
        log_to_driver=False,
        _temp_dir=folder,
    )
    chat: Any = Chat
    handle = serve.run(chat.bind(), name="chat", route_prefix=None)
    try:
        wait_for(1)
        with Load(handle):
            wait_for(3)
        wait_for(1)
    finally:
        logs = Path(folder, "session_latest", "logs", "serve").glob("controller_*.log")
        log.write_text("".join(path.read_text() for path in logs))
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    # Not where tests have their files: the paths of Ray's sockets have to be short.
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        main(Path(sys.argv[1]), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.flush()
    os._exit(0)
