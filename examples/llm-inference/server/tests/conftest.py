"""A server as a container runs it: a process of its own, on a port, told what to do by its environment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

# A start, and a step of the engine, as short as they can be and still be seen.
QUICK = {"MODEL_LOAD_SECONDS": "0.1", "CONTEXT_SECONDS": "0.1", "SPEED": "4"}
PROMPT = "one two three"


class Running:
    """The process, and how to talk to it."""

    def __init__(self, environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host, self.port = free.getsockname()
        environment = {**os.environ, **QUICK, "HOST": self.host, "PORT": str(self.port), **environment}
        self.process = subprocess.Popen([sys.executable, "-m", "inference_server"], env=environment)
        self.client = httpx.Client(base_url=f"http://{self.host}:{self.port}", timeout=20)
        self.wait(lambda: self.status("/healthz") == 200)

    def status(self, path: str) -> int:
        """0 if nobody listens."""
        try:
            return self.client.get(path).status_code
        except httpx.TransportError:
            return 0

    def metric(self, name: str, **labels: str) -> float:
        """The value of a sample; it has to be there."""
        for family in text_string_to_metric_families(self.client.get("/metrics").text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        raise AssertionError(f"no {name}{labels}")

    def generate(self, max_tokens: int = 4, prompt: str = PROMPT, stream: bool = True) -> httpx.Response:
        return self.client.post("/generate", json=body(max_tokens, prompt, stream))

    def ask(self, max_tokens: int, stream: bool = True) -> socket.socket:
        """Asks, and does not wait for the answer: to close what is returned is to hang up."""
        connection = socket.create_connection((self.host, self.port))
        text = json.dumps(body(max_tokens, stream=stream))
        head = f"POST /generate HTTP/1.1\r\nhost: {self.host}\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(text)}\r\n\r\n{text}".encode())
        return connection

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def until_ready(self) -> Running:
        self.wait(lambda: self.status("/readyz") == 200)
        return self

    def wait(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}"
            time.sleep(0.01)


def body(max_tokens: int, prompt: str = PROMPT, stream: bool = True) -> dict[str, object]:
    return {"prompt": prompt, "max_tokens": max_tokens, "stream": stream}


Serve = Callable[..., Running]


@contextlib.contextmanager
def servers() -> Iterator[Serve]:
    """Starts servers, and ends them at its own end."""
    started: list[Running] = []

    def start(**environment: object) -> Running:
        started.append(Running({name: str(value) for name, value in environment.items()}))
        return started[-1]

    yield start
    for running in started:
        running.client.close()
        running.process.kill()
        running.process.wait()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Servers that end with the test."""
    with servers() as start:
        yield start
