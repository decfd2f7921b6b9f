"""People who ask over `/v1/chat/completions` and read what comes: so many at once, each again when it is answered."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

GAP_S = 0.1  # at most so long between an answer and the next question


@dataclass
class Heard:
    """What the clients of one round saw."""

    ttft_ms: list[float] = field(default_factory=list)
    tokens: int = 0
    answers: int = 0
    wrong: list[str] = field(default_factory=list)  # answers that were not what they should be


async def ask(url: str, *, streams: int, answers: int, spread_s: float, seed: int, heard: Heard) -> None:
    """So many clients at once, that begin at chance moments within `spread_s`, until so many answers are there."""
    left = iter(range(answers))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1 << 20) as session:

        async def one(number: int) -> None:
            chance = random.Random(seed * 1000 + number)
            await asyncio.sleep(chance.uniform(0, spread_s))
            for turn in left:
                await _answer(session, url, f"Question {seed} {turn}: what does it cost?", heard)
                await asyncio.sleep(chance.uniform(0, GAP_S))

        await asyncio.gather(*(one(number) for number in range(streams)))


async def _answer(session: aiohttp.ClientSession, url: str, prompt: str, heard: Heard) -> None:
    started = time.perf_counter()
    first: float | None = None
    usage: dict[str, Any] = {}
    async with session.post(f"{url}/v1/chat/completions", json=question(prompt)) as response:
        if response.status != 200:
            heard.wrong.append(f"{response.status}: {(await response.text())[:200]}")
            return
        async for event in events(response):
            if first is None and any(choice["delta"].get("content") for choice in event.get("choices", ())):
                first = time.perf_counter()
            usage = event.get("usage") or usage
    if first is None or not usage:
        heard.wrong.append("no text, or no end")
        return
    heard.ttft_ms.append((first - started) * 1000)
    heard.tokens += usage["completion_tokens"]
    heard.answers += 1


def question(prompt: str, *, max_tokens: int = 256) -> dict[str, Any]:
    """A request for a stream that ends with its count."""
    messages = [{"role": "user", "content": prompt}]
    options = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": max_tokens}
    return {"model": "base", "messages": messages, **options}


async def events(response: aiohttp.ClientResponse) -> Any:
    """The JSON events of a stream."""
    async for line in response.content:
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


async def leave(url: str, prompt: str, *, after: int, key: str = "") -> float:
    """Read some events of a long answer and close the connection; when that was."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/v1/chat/completions", json=question(prompt)) as response,
    ):
        seen = 0
        async for event in events(response):
            seen += any(choice["delta"].get("content") for choice in event.get("choices", ()))
            if seen == after:
                break
        left_at = time.monotonic()
        response.close()
    return left_at
