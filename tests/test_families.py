"""Model families through real vLLM: base and an adapter that is loaded at run time say what transformers and PEFT say.

Each family is a tiny random checkpoint made here, its adapter is on every linear layer. Every start of vLLM costs half
a minute: with `make test` Llama is tried, as the practice model in test_engine_real; with `make soak` all.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_llama import write_base
from transformers import AutoModelForCausalLM, PretrainedConfig

from ftchat.config import Settings
from ftchat.engine import Engine
from ftchat.server import Server

SIZES = {
    "vocab_size": 259,  # of the tokenizer of tiny_llama
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 256,
    "initializer_range": 0.15,  # as strong as weights of this width need to be for a layer to matter
    "bos_token_id": None,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LENGTH, START = 120, 10


def family(name: str, **others: Any) -> Callable[[], PretrainedConfig]:
    """The configuration of a tiny model of that family, by the name of its class in transformers."""

    def made() -> PretrainedConfig:
        import transformers

        config: PretrainedConfig = getattr(transformers, f"{name}Config")(**{**SIZES, **others})
        return config

    return made


FAMILIES = {
    "llama": family("Llama", tie_word_embeddings=True),
    "qwen2": family("Qwen2", tie_word_embeddings=True),  # biases on q, k and v
    "qwen3": family("Qwen3", tie_word_embeddings=False),  # norms on q and k
    "mistral": family("Mistral", sliding_window=64, tie_word_embeddings=False),
    "gemma": family("Gemma"),  # scaled embeddings, GELU
    "phi3": family("Phi3", tie_word_embeddings=False),  # q, k, v and gate, up are one layer each in the checkpoint
    "granite": family("Granite", embedding_multiplier=4.0, residual_multiplier=0.5, logits_scaling=2.0),
}


def write_family(folder: Path, name: str) -> tuple[Path, Path]:
    """A random model of the family, and a random adapter on all its linear layers but the output's."""
    base, adapter = write_base(folder / name), folder / f"{name}-v1"
    for path in [*base.glob("*.safetensors"), base / "config.json"]:
        path.unlink()
    torch.manual_seed(len(name))
    model = AutoModelForCausalLM.from_config(FAMILIES[name](), dtype=torch.float32).to(torch.bfloat16)
    model.save_pretrained(base)
    shape = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(model, shape).save_pretrained(adapter)
    return base, adapter


def token_ids() -> list[int]:
    return torch.randint(3, 259, (LENGTH,), generator=torch.Generator().manual_seed(3)).tolist()


def log_probabilities(base: Path, adapter: Path | None, dtype: torch.dtype) -> torch.Tensor:
    """By transformers and PEFT: of each token from START on, given all before it."""
    ids = token_ids()
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, START - 1 : -1].float().log_softmax(-1)
    return logits.gather(1, torch.tensor(ids[START:]).unsqueeze(1)).squeeze(1)


async def scored(folder: Path, base: Path, adapter: Path) -> list[torch.Tensor]:
    """By vLLM, as the app starts it: base, the adapter, and base again with both asked for at once."""
    server = Server(Settings(home=folder, max_loras=2, kv_cache_gib=0.0625), base=base, state_dir=folder / "engine")
    await server.start()
    engine = Engine([server.endpoint])
    try:
        await engine.load(adapter.name, adapter)
        alone = [await engine.score(model, token_ids(), START) for model in ("base", adapter.name)]
        beside = await asyncio.gather(*(engine.score(model, token_ids(), START) for model in ("base", adapter.name)))
        return [torch.tensor(one) for one in [*alone, *beside]]
    finally:
        await engine.close()
        await server.stop()


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().mean())


async def check(folder: Path, names: list[str]) -> None:
    """That vLLM's figures are those of float32 but for rounding.

    vLLM computes in bfloat16, and so does transformers when asked to: other orders of summing, same rounding at the
    same places. So vLLM may be off from float32 by what transformers in bfloat16 is off, on average over the tokens,
    and as much again, since where the two round differently is chance. That a wrong adapter is further off than this
    has its own test below.
    """
    made = {name: write_family(folder, name) for name in names}
    for name in names:
        (folder / f"home-{name}").mkdir()
    found = await asyncio.gather(*(scored(folder / f"home-{name}", *made[name]) for name in names))
    for name, (base, adapted, base_beside, adapted_beside) in zip(names, found, strict=True):
        folders = made[name]
        exact = [log_probabilities(folders[0], which, torch.float32) for which in (None, folders[1])]
        rounded = [log_probabilities(folders[0], which, torch.bfloat16) for which in (None, folders[1])]
        allowed = [2 * apart(one, other) for one, other in zip(exact, rounded, strict=True)]
        assert max(apart(base, exact[0]), apart(base_beside, exact[0])) < allowed[0], name
        assert max(apart(adapted, exact[1]), apart(adapted_beside, exact[1])) < allowed[1], name
        shutil.rmtree(folders[0])


@pytest.mark.soak
@pytest.mark.engine
@pytest.mark.parametrize(
    "names", [["llama", "qwen2"], ["mistral", "gemma"], ["granite", "qwen3"], ["phi3"]], ids="-".join
)
async def test_each_family_says_what_transformers_and_peft_say(tmp_path, names):
    await check(tmp_path, names)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "granite" else pytest.mark.soak) for name in FAMILIES]
)
def test_an_adapter_left_out_of_one_projection_of_one_layer_is_further_off_than_allowed(tmp_path, name):
    base, adapter = write_family(tmp_path, name)
    exact = log_probabilities(base, adapter, torch.float32)
    allowed = 2 * apart(exact, log_probabilities(base, adapter, torch.bfloat16))
    tensors = load_file(adapter / "adapter_model.safetensors")
    left_out = [key for key in tensors if "layers.1." in key and "lora_B" in key]
    assert len(left_out) == (4 if name == "phi3" else 7)
    for key in left_out:
        without = tensors | {key: torch.zeros_like(tensors[key])}
        save_file(without, adapter / "adapter_model.safetensors")
        assert apart(log_probabilities(base, adapter, torch.float32), exact) > allowed, key
