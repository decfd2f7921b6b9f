"""What bench.engine measures with: checkpoints that are what they say, and a purity that notices adapters."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench import shapes
from bench.lora import purity

SMALL = {**shapes.HALF_BILLION, "vocab_size": 400, "hidden_size": 28, "intermediate_size": 40, "num_hidden_layers": 2}


def test_random_checkpoint_is_a_whole_model_with_its_tokenizer_and_an_adapter_that_matters(tmp_path):
    base = shapes.write_base(tmp_path / "base", SMALL)
    model, loaded = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, output_loading_info=True)
    assert {name: list(found) for name, found in loaded.items() if found} == {}
    tokenizer = AutoTokenizer.from_pretrained(base)
    assert len(tokenizer) == SMALL["vocab_size"]
    assert tokenizer.decode([300, 399]) == f" w{300 - 259:x} w{399 - 259:x}"
    ids = torch.arange(300, 320).unsqueeze(0)
    with torch.no_grad():
        plain = model(ids).logits
        adapter = shapes.write_adapter(tmp_path / "random-v1", base, rank=4)
        adapted = PeftModel.from_pretrained(model, adapter)
        assert float((adapted(ids).logits - plain).abs().mean()) > 0.01
    layers = {name for name, _ in adapted.named_modules() if name.endswith("lora_A.default")}
    assert len(layers) == 7 * SMALL["num_hidden_layers"]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ({"4": -1.0, "5": -3.0}, {"4": -1.0, "5": -3.0}, 0.0),
        ({"4": -1.0, "5": -3.0}, {"4": -1.5, "5": -4.0}, 1.0),
        ({str(n): -float(n) for n in range(20)}, {str(n): -float(n) - (n > 8) for n in range(20)}, 0.0),
        ({str(n): -float(n) for n in range(20)}, {str(n): -float(n) for n in range(1, 21)}, 21.0),
    ],
    ids=["same", "furthest token", "unlikely tokens do not count", "likeliest token is not among them"],
)
def test_scores_are_as_far_apart_as_their_furthest_token(one, other, found):
    assert purity.apart(one, other) == found


async def found(*, beside: float, adapter: float) -> dict[str, Any]:
    """Of a base 0.01 off the second time, as batches make it, and `beside` off for three texts once adapters write.

    `adapter` is what an adapter thinks of every text.
    """
    served: Any = SimpleNamespace(engine=SimpleNamespace(), adapters=("shop-v1", "shop-v2"))
    writing: list[str] = []

    async def answer(request: Any) -> None:
        writing.append(request.model)
        await asyncio.sleep(0.01)

    served.engine.answer = answer
    asked: dict[tuple[int, ...], int] = {}

    async def way(_: Any, model: str, ids: Any) -> dict[str, float]:
        if model != "base":
            return {"4": adapter}
        times = asked[tuple(ids)] = asked.get(tuple(ids), 0) + 1
        assert (writing[-1] == "base") == (times < 3)
        wrong = times == 3 and list(asked).index(tuple(ids)) < 3
        return {"4": -1.0 - (beside if wrong else 0.01 if times == 2 else 0.0)}

    return await purity.purity(served, way, texts=10, vocabulary=range(300, 400), seed=1)


@pytest.mark.parametrize(("beside", "mismatches"), [(0.011, 0), (0.5, 3)])
async def test_purity_counts_the_texts_that_base_scores_otherwise_beside_adapters(beside, mismatches, monkeypatch):
    monkeypatch.setattr(purity, "SETTLE_S", 0.05)
    assert await found(beside=beside, adapter=-9.0) == {
        "mismatches": mismatches,
        "of": 10,
        "tolerance": 0.02,
        "furthest": beside,
        "an_adapter_is_apart_by": 8.0,
    }


@pytest.mark.parametrize("adapter", [-1.0, -1.02], ids=["the same", "as far as rounding"])
async def test_beside_adapters_without_effect_nothing_was_measured(adapter, monkeypatch):
    monkeypatch.setattr(purity, "SETTLE_S", 0.05)
    with pytest.raises(RuntimeError, match=r"shop-v2 scores a text as base does, within 0\.02"):
        await found(beside=0.011, adapter=adapter)
