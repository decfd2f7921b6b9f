"""A vLLM that thinks nothing: answers at a fixed rate, in the words of the real one, for next to no processor time.

Run: python -m bench.serving.scripted PORT '{"first_ms": 50, "per_s": 20, "tokens": 20}'

`/v1/completions` is what ftchat asks, `/v1/chat/completions` what a client asks that goes to the engine directly; both
are answered alike. `GET /left` lists when (`time.monotonic`, one clock for all processes) streams were closed early.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

import httptools
import uvloop

_CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How an answer comes."""

    first_ms: float = 50.0  # from the question to the first token
    per_s: float = 20.0  # tokens of one stream
    tokens: int = 20


class Stream(asyncio.Protocol):
    """One connection: a question at a time, each answered on a timetable that no delay moves."""

    def __init__(self, pace: Pace, left: list[float]) -> None:
        self._pace, self._left = pace, left
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.TimerHandle | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._next is not None:
            self._next.cancel()
            self._left.append(self._loop.time())

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url, body = self._url, self._body
        self._loop.call_soon(self._begin)
        if url == b"/v1/models":
            self._say({"object": "list", "data": [{"id": "base", "object": "model"}]})
        elif url == b"/left":
            self._say(self._left)
        elif url in (b"/v1/completions", b"/v1/chat/completions"):
            self._answer(json.loads(body), chat=url.endswith(b"chat/completions"))
        else:
            self._say({})

    def _say(self, value: object) -> None:
        content = json.dumps(value).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content)
        self._transport.write(head + content)

    def _answer(self, body: dict[str, Any], *, chat: bool) -> None:
        events = _events(body, tokens=min(self._pace.tokens, body.get("max_tokens") or self._pace.tokens), chat=chat)
        started = self._loop.time() + self._pace.first_ms / 1000
        self._transport.write(_CHUNKED)
        self._next = self._loop.call_at(started, self._step, events, 0, started)

    def _step(self, events: list[bytes], number: int, started: float) -> None:
        self._transport.write(events[number])
        if number + 1 < len(events):
            at = started + (number + 1) / self._pace.per_s
            self._next = self._loop.call_at(at, self._step, events, number + 1, started)
        else:
            self._next = None


def _events(body: dict[str, Any], *, tokens: int, chat: bool) -> list[bytes]:
    """Chunks as vLLM writes them: one a token, the end and the count in the last."""
    kind, name = ("chat.completion.chunk", "chatcmpl-a1") if chat else ("text_completion", "cmpl-a1")
    head = {"id": name, "object": kind, "created": 1790000000, "model": body["model"]}
    usage = {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}
    found = []
    for number in range(tokens):
        said: dict[str, Any] = {"delta": {"content": f" word{number}"}} if chat else {"text": f" word{number}"}
        finish = "length" if number + 1 == tokens else None
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish, "stop_reason": None}
        found.append(_chunk({**head, "choices": [choice], "usage": None}))
    found[-1] += _chunk({**head, "choices": [], "usage": usage}) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
    return found


def _chunk(value: dict[str, Any]) -> bytes:
    event = b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


async def serve(port: int, pace: Pace) -> None:
    """Answer until the standard input ends, which it does with whoever started this."""
    loop, left = asyncio.get_running_loop(), list[float]()
    server = await loop.create_server(lambda: Stream(pace, left), "127.0.0.1", port)
    async with server:
        await loop.run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Pace(**json.loads(sys.argv[2]))))
