"""Adapters imported and promoted while many ask the champion: how long streams are silent, and who wrote what.

Each answer is compared with what every adapter says to its question when it is asked alone.
"""

import asyncio
import json
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from safetensors.torch import load_file, save_file

from bench import shapes
from bench.swapping.api import Api, tell
from ftchat.cli.own_app import OwnApp
from ftchat.starter import model_path, sample_prompts

STREAMS, ANSWER, REFERENCE = 16, 96, 24  # the last: tokens of what an answer is compared with
LOUDER = 40.0  # how much stronger than usual: the practice model hardly minds a usual one of random weights
PAUSE_S = 1.0


@dataclass
class Reply:
    """One streamed answer: who was in service when it was asked, when its texts came, and what was recorded."""

    prompt: str
    asked_of: int  # the number of the swap that was the newest then
    began: float
    came: list[float] = field(default_factory=list)
    text: str = ""
    finish: str = ""
    turn: str = ""
    contestant: str = ""


class Streams:
    """People who ask the champion again and again."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.replies: list[list[Reply]] = [[] for _ in range(STREAMS)]
        self.newest = 0
        self._session, self._on = session, True

    async def ask(self, number: int) -> None:
        prompts = sample_prompts()
        turn = number
        while self._on:
            reply = Reply(prompts[turn % len(prompts)], self.newest, time.monotonic())
            self.replies[number].append(reply)
            await self._one(reply)
            turn += 1

    async def _one(self, reply: Reply) -> None:
        messages = [{"role": "user", "content": reply.prompt}]
        body = {"model": "champion", "messages": messages, "stream": True, "temperature": 0, "max_tokens": ANSWER}
        try:
            async with self._session.post("/v1/chat/completions", json=body) as answer:
                reply.turn = answer.headers.get("x-ftchat-turn", "")
                async for line in answer.content:
                    if line.startswith(b"data: {"):
                        choice = json.loads(line[6:])["choices"][0]
                        if text := choice["delta"].get("content"):
                            reply.came.append(time.monotonic())
                            reply.text += text
                        reply.finish = choice["finish_reason"] or reply.finish
        except (aiohttp.ClientError, ValueError, KeyError, IndexError) as err:
            reply.finish = f"{type(err).__name__}: {err}"

    def end(self) -> None:
        self._on = False

    def silences(self, start: float, end: float) -> list[float]:
        """Per stream, its longest time between two texts of one answer that touches this time, in milliseconds."""
        found = []
        for replies in self.replies:
            gaps = [
                (later - earlier) * 1000
                for reply in replies
                for earlier, later in zip(reply.came, reply.came[1:], strict=False)
                if later >= start and earlier <= end
            ]
            found += [max(gaps)] if gaps else []
        return found

    def firsts(self, start: float, end: float) -> list[float]:
        """Per stream, its longest wait for a first text that touches this time, in milliseconds."""
        found = []
        for replies in self.replies:
            waits = [
                (reply.came[0] - reply.began) * 1000
                for reply in replies
                if reply.came and reply.came[0] >= start and reply.began <= end
            ]
            found += [max(waits)] if waits else []
        return found


def zipped(folder: Path, *, seed: int, base: Path) -> bytes:
    """A random adapter of the base as a zip, loud enough that no two say the same."""
    made = shapes.write_adapter(folder / f"random-{seed}", base, rank=8, seed=seed)
    tensors = load_file(made / "adapter_model.safetensors")
    louder = {name: one * LOUDER if ".lora_B." in name else one for name, one in tensors.items()}
    save_file(louder, made / "adapter_model.safetensors")
    return Path(shutil.make_archive(str(folder / f"random-{seed}"), "zip", made)).read_bytes()


async def swaps(api: Api, folder: Path, app: OwnApp, *, count: int) -> dict[str, Any]:
    """Import and promote, again and again, under load."""
    sent = [zipped(folder, seed=seed, base=model_path()) for seed in range(count + 1)]
    names = [await swapped(api, sent[0])]
    quiet, spans = [], []
    headers = {"Authorization": f"Bearer {app.at.key}"}
    async with aiohttp.ClientSession(app.at.url, headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        streams = Streams(session)
        asking = [asyncio.create_task(streams.ask(number)) for number in range(STREAMS)]
        await asyncio.sleep(3)  # what is only slow once
        for number in range(1, count + 1):
            quiet.append((time.monotonic(), time.monotonic() + PAUSE_S))
            await asyncio.sleep(PAUSE_S)
            start = time.monotonic()
            names.append(await swapped(api, sent[number]))
            streams.newest = number
            spans.append((start, time.monotonic()))
            tell(f"swap {number} of {count}: {names[-1]}")
        await asyncio.sleep(PAUSE_S)
        streams.end()
        await asyncio.gather(*asking)
    stalls = [gap for start, end in spans for gap in streams.silences(start, end + 0.2)]
    calm = [gap for span in quiet for gap in streams.silences(*span)]
    firsts = [wait for start, end in spans for wait in streams.firsts(start, end + 0.2)]
    calm_firsts = [wait for span in quiet for wait in streams.firsts(*span)]
    replies = [reply for of_one in streams.replies for reply in of_one]
    return {
        "swaps": count,
        "streams": STREAMS,
        "answers": len(replies),
        "stall_p50_ms": round(statistics.median(stalls), 1),
        "stall_p99_ms": _p99(stalls),
        "stall_max_ms": round(max(stalls), 1),
        "quiet_p50_ms": round(statistics.median(calm), 1),
        "quiet_p99_ms": _p99(calm),
        "first_text_p99_ms": _p99(firsts),
        "quiet_first_text_p99_ms": _p99(calm_firsts),
        "swap_p50_s": round(statistics.median(end - start for start, end in spans), 3),
        **await attributed(api, replies, names),
    }


async def swapped(api: Api, sent: bytes) -> str:
    """An adapter taken in and put into service; its name."""
    name: str = (await api.post("/api/adapters/import", content=sent))["name"]
    await api.post(f"/api/adapters/{name}/promote")
    return name


async def attributed(api: Api, replies: Sequence[Reply], names: Sequence[str]) -> dict[str, Any]:
    """Whether each answer ended well and is by whom it is recorded for."""
    wrong = [reply for reply in replies if reply.finish not in ("stop", "length")]
    sound = [reply for reply in replies if reply.finish in ("stop", "length")]
    for reply in sound:
        reply.contestant = (await api.get(f"/api/turns/{reply.turn}"))["lanes"][0]["contestant"]
    by_name = {name: number for number, name in enumerate(names)}
    stale = [reply for reply in sound if by_name.get(reply.contestant, -1) < reply.asked_of]
    alone = await references(api, names, sorted({reply.prompt for reply in sound}))
    judged = [_whose(reply, alone[reply.prompt]) for reply in sound if reply.contestant in by_name]
    return {
        "failed": len(wrong),
        "first_failure": wrong[0].finish if wrong else None,
        "misattributed": len(stale) + judged.count("another"),
        "of_an_old_champion": len(stale),
        "told_apart": round(judged.count("own") / max(1, len(judged)), 4),  # else two adapters say the same there
    }


async def references(api: Api, names: Sequence[str], prompts: Sequence[str]) -> dict[str, dict[str, str]]:
    """What each adapter says to each question, greedily, without anybody else asking."""
    found: dict[str, dict[str, str]] = {prompt: {} for prompt in prompts}
    limit = asyncio.Semaphore(4)

    async def one(name: str, prompt: str) -> None:
        messages = [{"role": "user", "content": prompt}]
        body = {"model": name, "messages": messages, "temperature": 0, "max_tokens": REFERENCE}
        async with limit:
            answer = await api.client.post("/v1/chat/completions", json=body, headers={"x-ftchat-record": "no"})
        found[prompt][name] = answer.json()["choices"][0]["message"]["content"]

    for name in names:
        await asyncio.gather(*(one(name, prompt) for prompt in prompts))
    return found


def _whose(reply: Reply, alone: dict[str, str]) -> str:
    """By the length of the common beginning: batches round differently, so that late tokens may differ."""
    alike = {name: _common(reply.text, text) for name, text in alone.items()}
    own = alike.pop(reply.contestant)
    best = max(alike.values(), default=0)
    return "own" if own > best else "both" if own == best else "another"


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _p99(values: Sequence[float]) -> float:
    return round(statistics.quantiles(values, n=100, method="inclusive")[98], 1)
