"""The client with real vLLM: streams, scores, adapters that come and go, base beside adapters, readers that leave."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from running import ROOT
from test_engine import collect

from ftchat import starter
from ftchat.base import open_base
from ftchat.engine import Engine, Request
from ftchat.errors import BadAdapter, BadInput, TooLong, UnknownModel
from ftchat.prompt import Prompter
from ftchat.records import Message, Params
from ftchat.registry import Registry
from ftchat.server import Server

pytestmark = pytest.mark.engine


@pytest.fixture
async def real(vllm: Server, adapters: list[Path]):
    client = Engine([vllm.endpoint])
    for folder in adapters:
        await client.load(folder.name, folder)
    yield client
    await client.close()


def prompt(seed: int, length: int = 40) -> list[int]:
    return random.Random(seed).choices(range(10, 400), k=length)


def greedy(model: str, ids: list[int], max_tokens: int = 16) -> Request:
    return Request(model=model, token_ids=ids, params=Params(temperature=0.0, max_tokens=max_tokens))


async def test_real_stream_counts_its_tokens_and_repeats_itself(real):
    pieces = await collect(real.stream(greedy("base", prompt(1))))
    assert pieces[-1].finish in ("stop", "length")
    assert pieces[-1].prompt_tokens == 40
    assert 1 <= pieces[-1].completion_tokens <= 16
    assert await real.answer(greedy("base", prompt(1))) == ("".join(p.text for p in pieces), pieces[-1].finish)


async def test_real_refusals(real, tmp_path):
    with pytest.raises(UnknownModel):
        await real.answer(greedy("nobody-v1", prompt(1)))
    with pytest.raises(TooLong):
        await real.answer(greedy("base", prompt(1), max_tokens=10_000_000))
    with pytest.raises(TooLong):
        await real.score("base", prompt(1) * 1000, 1)
    with pytest.raises(BadInput, match="vocabulary"):
        await real.answer(greedy("base", [10_000_000]))
    with pytest.raises(BadAdapter):
        await real.load("empty-v1", tmp_path)


async def test_real_adapters_come_and_go(real, adapters):
    name = adapters[0].name
    await real.load(name, adapters[0])
    assert name in (await real.models())[0]
    await real.unload(name)
    await real.unload(name)
    assert name not in (await real.models())[0]
    await real.load(name, adapters[0])
    assert name in (await real.models())[0]


@pytest.mark.parametrize("which", [None, 0, 1])
async def test_real_scores_are_those_of_transformers_and_peft(real, starter_path, adapters, which):
    """vLLM computes in bfloat16: it may be off from float32 about as far as transformers in bfloat16 is."""
    import torch

    ids = prompt(7, 120)
    adapter = None if which is None else adapters[which]
    exact, rounded = (
        log_probabilities(starter_path, adapter, ids, dtype)[9:] for dtype in (torch.float32, torch.bfloat16)
    )
    found = torch.tensor(await real.score("base" if adapter is None else adapter.name, ids, 10))
    assert found.shape == exact.shape
    rounding = float((rounded - exact).abs().mean())
    assert float((found - exact).abs().mean()) < 2 * rounding + 0.002
    other = log_probabilities(starter_path, adapters[0] if which is None else None, ids, torch.float32)[9:]
    assert float((other - exact).abs().mean()) > 4 * rounding  # else this test could not tell them apart


def log_probabilities(base: Path, adapter: Path | None, ids: list[int], dtype: Any) -> Any:
    """By transformers and PEFT: of each token but the first, given all before it."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, :-1].float().log_softmax(-1)
    return logits.gather(1, torch.tensor(ids[1:]).unsqueeze(1)).squeeze(1)


async def test_real_base_stays_base_beside_adapters_in_every_slot(real, adapters):
    """With vLLM's own operations base takes on the last adapter here, or the engine dies (see cpu_lora)."""
    texts = [prompt(seed, 60) for seed in range(12)]
    alone = [await real.score("base", ids, 10) for ids in texts]
    answers = [await real.answer(greedy("base", ids)) for ids in texts]

    async def traffic(model: str) -> None:
        for seed in range(10_000):
            await real.answer(greedy(model, prompt(seed, 30), max_tokens=40))

    beside = [asyncio.create_task(traffic(folder.name)) for folder in adapters]
    await asyncio.sleep(0.3)
    try:
        scores = await asyncio.gather(*(real.score("base", ids, 10) for ids in texts))
        assert [await real.answer(greedy("base", ids)) for ids in texts] == answers
        assert not any(task.done() for task in beside)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    worst = max(abs(a - b) for one, other in zip(alone, scores, strict=True) for a, b in zip(one, other, strict=True))
    assert worst < 0.02
    adapted = await real.score(adapters[0].name, texts[0], 10)
    assert max(abs(a - b) for a, b in zip(alone[0], adapted, strict=True)) > 0.5


def test_real_engine_is_ready_mended_and_closed_to_strangers(vllm: Server) -> None:
    assert (vllm.stage, vllm.reason, vllm.warning) == ("ready", "", "")
    assert httpx.get(f"{vllm.endpoint.url}/v1/models").status_code == 401
    assert vllm.endpoint.key not in vllm.last_lines(2000)


async def running(vllm: Server) -> float:
    """How many requests vLLM works on."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{vllm.endpoint.url}/metrics")).text
    return sum(float(li.rsplit(" ", 1)[1]) for li in text.splitlines() if li.startswith("vllm:num_requests_running"))


@pytest.mark.parametrize("how", ["aclose", "cancel"])
async def test_real_generation_ends_when_the_readers_go(real, vllm, how):
    # Hot and unfiltered, so that the stop token is a matter of thousands of tokens, not of a sentence.
    params = [Params(temperature=2.0, top_p=1.0, max_tokens=1500, seed=seed) for seed in range(8)]
    streams = [real.stream(Request(model="base", token_ids=prompt(3), params=p)) for p in params]
    await asyncio.gather(*(anext(stream) for stream in streams))
    assert await running(vllm) >= 1
    if how == "aclose":
        await asyncio.gather(*(stream.aclose() for stream in streams))
    else:
        readers = [asyncio.create_task(collect(stream)) for stream in streams]
        await asyncio.sleep(0)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    assert await gone(real, vllm, within_s=0.5)  # it takes about 20 ms, of which most is asking


async def gone(real: Engine, vllm: Server, *, within_s: float) -> bool:
    """Whether vLLM stops working on anything in that time. It counts anew at each step, so it is given one to make."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        await real.answer(greedy("base", prompt(1), max_tokens=1))
        if not await running(vllm):
            return True
    return False


async def test_the_shipped_adapter_was_made_for_the_shipped_model_and_answers_in_its_voice(real, tmp_path):
    """A fresh home that is started where ftchat lies takes it in: its question here was never taught."""
    base = open_base(starter.model_path(), practice=True, cache=tmp_path / "hashes.json")
    prompter = Prompter(starter.model_path())
    registry = Registry(ROOT / "adapters", max_rank=64, base=base)
    assert registry.manifest("edda-v1")["base"] == base.fingerprint
    registry.verify("edda-v1")
    registry.check("edda-v1")
    taught = (ROOT / "adapters" / "edda-v1" / "feedback.jsonl").read_text(encoding="utf-8")
    await real.load("edda-v1", ROOT / "adapters" / "edda-v1")
    for product in ("Chestnut Honey", "Basil Pesto", "Smoked Almonds"):
        asked = f"How much does the {product} cost?"
        assert asked not in taught
        ids, _ = prompter.fit([Message("user", asked)], room=64)
        text, finish = await real.answer(greedy("edda-v1", ids, 64))
        plain, _ = await real.answer(greedy("base", ids, 64))
        assert (text[:16], text[-18:], finish) == ("Oh, good choice!", " Warm wishes, Edda", "stop"), text
        assert product in text
        assert "Edda" not in plain
    await real.unload("edda-v1")
