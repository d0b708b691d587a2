"""The HTTP interface: what is generated, what the probes ask, what Prometheus scrapes."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from .admission import Sequence
from .server import Server
from .session import RefusedError, Session, TokenStream


class Generate(BaseModel):
    """What both paths take. Fields of OpenAI's that a stand-in has no use for are ignored."""

    prompt: str = Field(min_length=1)
    max_tokens: int = Field(default=128, ge=1)
    stream: bool = True


class Completion(Generate):
    model: str = "stand-in"
    # As OpenAI has it.
    max_tokens: int = Field(default=16, ge=1)
    stream: bool = False


def create_app(server: Server) -> FastAPI:
    app = FastAPI(title="inference-server", lifespan=server.life)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse({"error": error.message}, error.status, error.headers)

    @app.get("/healthz")
    async def healthz() -> Response:
        """Whether a restart would not help. Neither loading nor a long queue is a reason for one."""
        if server.lifecycle.failure:
            return JSONResponse({"status": "failed", "error": repr(server.lifecycle.failure)}, 500)
        if server.engine.hangs(server.settings.hang_seconds):
            return JSONResponse({"status": "the engine hangs"}, 500)
        return JSONResponse({"status": "alive"})

    @app.get("/readyz")
    async def readyz() -> Response:
        """Whether it wants requests: after the dummy inference, and until it is told to go."""
        phase = server.lifecycle.phase.value
        return JSONResponse({"status": phase}, 200 if server.lifecycle.is_ready else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(server.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.post("/generate")
    async def generate(body: Generate, request: Request) -> Response:
        return await answer(body, request, Plain())

    @app.post("/v1/completions")
    async def completions(body: Completion, request: Request) -> Response:
        return await answer(body, request, OpenAi(body.model))

    async def answer(body: Generate, request: Request, form: Plain | OpenAi) -> Response:
        session = Session(server, count_tokens(body.prompt), body.max_tokens)
        await session.first_token(request)
        words = body.prompt.split() or [body.prompt]

        async def events(session: Session) -> AsyncIterator[str]:
            async for number in session.tokens():
                yield event(form.token(words[number % len(words)]))
            yield event(form.end(session.sequence))
            if form.last:
                yield f"data: {form.last}\n\n"

        if body.stream:
            return TokenStream(session, events)
        text = " ".join([words[number % len(words)] for number in await session.whole(request)])
        return JSONResponse(form.whole(text, session.sequence))

    return app


class Plain:
    last: str | None = None

    def token(self, text: str) -> object:
        return {"token": text}

    def end(self, sequence: Sequence) -> object:
        return {"finish_reason": sequence.finish_reason, "usage": usage(sequence)}

    def whole(self, text: str, sequence: Sequence) -> object:
        return {"text": text, "finish_reason": sequence.finish_reason, "usage": usage(sequence)}


class OpenAi:
    last: str | None = "[DONE]"

    def __init__(self, model: str) -> None:
        self._head = {"id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "model": model}

    def token(self, text: str) -> object:
        return self._choice(f"{text} ", None)

    def end(self, sequence: Sequence) -> object:
        return {**self._choice("", "length"), "usage": usage(sequence)}

    def whole(self, text: str, sequence: Sequence) -> object:
        return {**self._choice(text, "length"), "usage": usage(sequence)}

    def _choice(self, text: str, reason: str | None) -> dict[str, object]:
        return {**self._head, "choices": [{"index": 0, "text": text, "finish_reason": reason}]}


def usage(sequence: Sequence) -> dict[str, int]:
    return {"prompt_tokens": sequence.prompt_tokens, "completion_tokens": sequence.generated}


def event(data: object) -> str:
    return f"data: {json.dumps(data)}\n\n"


def count_tokens(text: str) -> int:
    """Four bytes each, as English has them on average."""
    return math.ceil(len(text.encode()) / 4)
