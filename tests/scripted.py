"""A scripted vLLM behind httpx's transport: answers per model name, at a pace, with failures on request.

Only the far edge is scripted; the client, the lanes, the store and the prompts are the real ones.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class ScriptedVllm(httpx.AsyncBaseTransport):
    """`answers[model]` is what a model says, word by word, `pace_s` apart."""

    answers: dict[str, str] = field(default_factory=lambda: {"base": "The answer is plain."})
    pace_s: float = 0.0
    paces: dict[str, float] = field(default_factory=dict)  # of single models, instead
    logprobs: dict[str, float] = field(default_factory=dict)  # of every token, per model; -1.0 unless told
    copies: float = 0.0  # what is added for a token that stood before, as if it were copied from the question
    dead: bool = False  # nobody listens, as when vLLM was killed
    fails: set[str] = field(default_factory=set)  # models that answer 500
    known: dict[str, str] = field(default_factory=dict)  # what adapters said before it was killed
    bodies: list[dict[str, Any]] = field(default_factory=list)
    scored: int = 0  # calls that asked for log-probabilities
    when_scored: Callable[[int], None] = lambda count: None
    closed: int = 0  # streams that were closed before their end

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.dead:
            raise httpx.ConnectError("Nobody listens here.", request=request)
        path = request.url.path
        if path == "/health":
            return httpx.Response(200)
        if path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": name} for name in self.answers]})
        body = json.loads(await request.aread())
        if path == "/v1/load_lora_adapter":
            name = body["lora_name"]
            self.answers.setdefault(name, self.known.get(name, f"{name} says so."))
            return httpx.Response(200)
        if path == "/v1/unload_lora_adapter":
            return httpx.Response(404 if self.answers.pop(body["lora_name"], None) is None else 200)
        self.bodies.append(body)
        if body["model"] in self.fails:
            return httpx.Response(500, json={"error": {"message": "broken", "type": "InternalServerError"}})
        if "prompt_logprobs" in body:
            return self._scored(body)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Words(self, body))

    def _scored(self, body: dict[str, Any]) -> httpx.Response:
        self.scored += 1
        self.when_scored(self.scored)
        logprob = self.logprobs.get(body["model"], -1.0)
        ids = body["prompt"]
        scores = [{str(token): {"logprob": self._logprob(logprob, token, ids[:at])}} for at, token in enumerate(ids)]
        return httpx.Response(200, json={"choices": [{"prompt_logprobs": scores}]})

    def kill(self) -> None:
        """As SIGKILL does: it answers nobody any more, and has forgotten every adapter when it is back."""
        self.dead = True
        self.known = dict(self.answers)
        self.answers = {"base": self.answers["base"]}

    def _logprob(self, plain: float, token: int, before: list[int]) -> float:
        return plain + self.copies if self.copies and token in before else plain


@dataclass
class _Words(httpx.AsyncByteStream):
    vllm: ScriptedVllm
    body: dict[str, Any]
    ended: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        words = self.vllm.answers[self.body["model"]].split(" ")
        for i, word in enumerate(words):
            await asyncio.sleep(self.vllm.paces.get(self.body["model"], self.vllm.pace_s))
            finish = "stop" if i == len(words) - 1 else None
            yield self._event([{"index": 0, "text": (" " if i else "") + word, "finish_reason": finish}], None)
        usage = {"prompt_tokens": len(self.body["prompt"]), "completion_tokens": len(words)}
        yield self._event([], usage)
        yield b"data: [DONE]\n\n"
        self.ended = True

    async def aclose(self) -> None:
        self.vllm.closed += not self.ended

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, int] | None) -> bytes:
        return f"data: {json.dumps({'choices': choices, 'usage': usage})}\n\n".encode()
