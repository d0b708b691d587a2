"""`/v1/completions`, as clients of OpenAI's interface read it."""

from __future__ import annotations

import json

from conftest import Serve


def test_a_stream_and_a_whole_say_the_same(serve: Serve) -> None:
    server = serve().until_ready()
    asked = {"model": "stand-in", "prompt": "to be or not", "max_tokens": 6, "temperature": 0.1}
    whole = server.client.post("/v1/completions", json=asked).json()
    assert whole["object"] == "text_completion"
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 6}
    stream = server.client.post("/v1/completions", json={**asked, "stream": True})
    assert stream.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in stream.text.splitlines() if line]
    assert events[-1] == "[DONE]"
    choices = [json.loads(event)["choices"][0] for event in events[:-1]]
    assert "".join(choice["text"] for choice in choices).strip() == whole["choices"][0]["text"]
    assert [choice["finish_reason"] for choice in choices] == [None] * 6 + ["length"]
