"""Whether base stays base while adapters fill every slot of the same batches.

Two ways to read what base thinks of a text that it is forced along: the log-probability of each token of it, as exams
are scored, and those of the likeliest next tokens after it. vLLM without ftchat's plugin knows only the second: the
first ends it as soon as anything else runs beside.

Each text is scored beside base's own traffic twice: how far these two are apart is what the make-up of a batch alone
does to the rounding. Twice the worst of that is the tolerance for the third time, beside adapters. An adapter that is
not further from base than that would show nothing, and is an error.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from bench.lora.servers import SLOTS, Served
from ftchat.engine import Engine, Request
from ftchat.records import BASE, Params

LENGTH = 20
AT_ONCE = 4
SETTLE_S = 1.0  # until the traffic is under way
READ = 5  # next tokens that are compared, of 20 that are asked for

Scores = dict[str, float]
Way = Callable[[Served, str, Sequence[int]], Awaitable[Scores]]


async def forced(served: Served, model: str, ids: Sequence[int]) -> Scores:
    """The log-probability of each token from the fourth on."""
    return {str(at): one for at, one in enumerate(await served.engine.score(model, ids, 4))}


async def next_tokens(served: Served, model: str, ids: Sequence[int]) -> Scores:
    """The log-probabilities of the twenty likeliest next tokens."""
    body = {"model": model, "prompt": list(ids), "max_tokens": 1, "temperature": 0.0, "logprobs": 20}
    headers = {"Authorization": f"Bearer {served.endpoint.key}"}
    async with httpx.AsyncClient(base_url=served.endpoint.url, headers=headers, timeout=300) as client:
        response = await client.post("/v1/completions", json=body | {"return_tokens_as_token_ids": True})
        response.raise_for_status()
        found: Scores = response.json()["choices"][0]["logprobs"]["top_logprobs"][0]
        return found


async def purity(served: Served, way: Way, *, texts: int, vocabulary: range, seed: int) -> dict[str, Any]:
    """How many texts base scored otherwise beside adapters, and by what measure."""
    chance = random.Random(seed)
    asked = [chance.choices(vocabulary, k=LENGTH) for _ in range(texts)]
    async with traffic(served.engine, [BASE] * SLOTS, vocabulary):
        first = await _all(served, way, BASE, asked)
        second = await _all(served, way, BASE, asked)
    async with traffic(served.engine, served.adapters, vocabulary):
        beside = await _all(served, way, BASE, asked)
    adapted = await _all(served, way, served.adapters[-1], asked[:8])
    rounding = max(apart(one, other) for one, other in zip(first, second, strict=True))
    found = [apart(one, other) for one, other in zip(first, beside, strict=True)]
    effect = min(apart(one, other) for one, other in zip(first, adapted, strict=False))
    if effect <= 2 * rounding:
        told = f"{served.adapters[-1]} scores a text as base does, within {2 * rounding:.4f}"
        raise RuntimeError(f"{told}: beside adapters without effect every base is pure.")
    return {
        "mismatches": sum(one > 2 * rounding for one in found),
        "of": texts,
        "tolerance": round(2 * rounding, 4),
        "furthest": round(max(found), 4),
        "an_adapter_is_apart_by": round(effect, 4),
    }


def apart(one: Scores, other: Scores) -> float:
    """The largest difference; of next tokens, over the likeliest of the first."""
    likeliest = sorted(one, key=lambda token: -one[token])[: READ if len(one) == 20 else len(one)]
    floor = min(other.values())  # of a token that is not even among the twenty
    return max(abs(one[token] - other.get(token, floor - 1.0)) for token in likeliest)


async def _all(served: Served, way: Way, model: str, texts: Sequence[Sequence[int]]) -> list[Scores]:
    few = asyncio.Semaphore(AT_ONCE)

    async def one(ids: Sequence[int]) -> Scores:
        async with few:
            return await way(served, model, ids)

    return list(await asyncio.gather(*(one(ids) for ids in texts)))


@asynccontextmanager
async def traffic(engine: Engine, models: Sequence[str], vocabulary: range) -> AsyncIterator[None]:
    """Each of the models writes all the time, an answer after the other."""

    async def write(model: str, seed: int) -> None:
        chance = random.Random(seed)
        while True:
            ids = chance.choices(vocabulary, k=12)
            await engine.answer(Request(model=model, token_ids=ids, params=Params(temperature=0.0, max_tokens=200)))

    writing = [asyncio.create_task(write(model, seed)) for seed, model in enumerate(models)]
    await asyncio.sleep(SETTLE_S)
    try:
        yield
        for task in writing:
            if task.done():
                task.result()  # raises what ended it: without traffic nothing was measured
    finally:
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
