"""Random checkpoints of a useful size, with tokenizer and adapters, made without any network: they know nothing, and
cost what a trained model of their shape costs.

    python -m bench.shapes [FOLDER]

writes `qwen2-0.5b` (the shape of Qwen2 0.5B: 24 layers of width 896 under 152 thousand words) and two adapters for it,
and says how large they are. Without a folder they are thrown away again.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from bench.machine import machine, report

HALF_BILLION = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "bos_token_id": None,
    "eos_token_id": 0,
    "dtype": "bfloat16",
}
FIRST_WORD = 300  # token ids from here on are words, all others are special or bytes
_SPREAD = 0.02  # of the weights, as models are initialised


def write_base(folder: Path, shape: dict[str, Any] | None = None) -> Path:
    """A Qwen2 of that shape with random weights."""
    shape = shape or HALF_BILLION
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(shape))
    _write_tokenizer(folder, shape["vocab_size"])
    chance = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.ones(size) if "norm" in name else torch.randn(size, generator=chance) * _SPREAD
        for name, size in _tensors(shape).items()
    }
    save_file({name: one.bfloat16() for name, one in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


def write_adapter(folder: Path, base: Path, *, rank: int = 16, seed: int = 1, spread: float = _SPREAD) -> Path:
    """A LoRA adapter on every linear layer, by default strong enough that no answer of it is one of base."""
    chance = torch.Generator().manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    tensors, targets = {}, set()
    for name, (height, width) in _linear_layers(base).items():
        stem = f"base_model.model.{name}"
        targets.add(name.rsplit(".", 1)[1])
        tensors[f"{stem}.lora_A.weight"] = torch.randn(rank, width, generator=chance) * width**-0.5
        tensors[f"{stem}.lora_B.weight"] = torch.randn(height, rank, generator=chance) * spread
    save_file({name: one.bfloat16() for name, one in tensors.items()}, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": 2 * rank,
        "target_modules": sorted(targets),
        "base_model_name_or_path": str(base),
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def _linear_layers(base: Path) -> dict[str, list[int]]:
    """Of a model whose layers are named as Llama's are: height and width of each."""
    with safe_open(base / "model.safetensors", "pt") as file:
        names = [name for name in file.keys() if name.endswith("_proj.weight")]  # noqa: SIM118 (it is no dict)
        return {name.removesuffix(".weight"): file.get_slice(name).get_shape() for name in names}


def _tensors(shape: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor of a Qwen2 and its size."""
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    keys = width // shape["num_attention_heads"] * shape["num_key_value_heads"]
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (shape["vocab_size"], width)}
    for number in range(shape["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        for name, size in (("q", width), ("k", keys), ("v", keys)):
            found[f"{layer}.self_attn.{name}_proj.weight"] = (size, width)
            found[f"{layer}.self_attn.{name}_proj.bias"] = (size,)
        found[f"{layer}.self_attn.o_proj.weight"] = (width, width)
        found |= {f"{layer}.mlp.{name}_proj.weight": (inner, width) for name in ("gate", "up")}
        found[f"{layer}.mlp.down_proj.weight"] = (width, inner)
        found |= {f"{layer}.{name}_layernorm.weight": (width,) for name in ("input", "post_attention")}
    return found | {"model.norm.weight": (width,)}


def _write_tokenizer(folder: Path, size: int) -> None:
    """Bytes, and made-up words up to the size of the vocabulary, so that taking tokens apart costs what it costs."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens += [f"Ġw{number:x}" for number in range(size - len(tokens))]
    core = Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(special)
    core.save(str(folder / "tokenizer.json"))
    facts = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": special[0], "pad_token": special[0]}
    template = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    template += "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(facts | {"chat_template": template}))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.shapes", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line (it always is)")
    given, _ = parser.parse_known_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ftchat-shapes-") as scratch:
        folder = given.folder or Path(scratch)
        base = write_base(folder / "qwen2-0.5b")
        for number in (1, 2):
            write_adapter(folder / f"random-v{number}", base, seed=number)
        size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    report({"bench": "shapes", "bytes": size, "seconds": round(time.monotonic() - began, 1), "machine": machine()})


if __name__ == "__main__":
    main()
