"""What an adapter's files may hold: what vLLM would choke on, serve wrongly or run is refused with its reason.

Files are judged by what is in them, never by what they are called; nothing is unpickled and no code is run. It does not
know where an adapter comes from or where it goes.
"""

import json
import math
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftchat.errors import BadAdapter, SetupError
from ftchat.registry.weights import check_weights

CONFIG, WEIGHTS, MANIFEST = "adapter_config.json", "adapter_model.safetensors", "manifest.json"
MAX_JSON = 1 << 20  # bytes of a configuration or a manifest
_MAX_ALPHA = 10_000
UNSAFE = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".py", ".pyc", ".so")
SERVABLE = frozenset(
    {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "qkv_proj", "gate_up_proj"}
)
# Ways of starting that change the base's own weights, which vLLM does not do: only these do not.
_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
# Said and harmless. Of every other key only "off" is taken: what PEFT adds tomorrow is not served before it is read.
_HARMLESS = frozenset(
    {
        *("peft_type", "task_type", "peft_version", "base_model_name_or_path", "revision", "inference_mode"),
        *("r", "lora_alpha", "lora_dropout", "target_modules", "init_lora_weights", "use_rslora", "bias"),
        *("megatron_core", "qalora_group_size", "runtime_config", "auto_mapping"),
    }
)
_NAMED = {  # what people know some of the others as
    "use_dora": "DoRA",
    "lora_bias": "biases of its own",
    "modules_to_save": "whole layers beside the LoRA (modules_to_save)",
    "trainable_token_indices": "tokens of its own (trainable_token_indices)",
}


def check(folder: Path, *, max_rank: int, base: Path | None = None) -> None:
    """Refuse an adapter folder that must not be served; with `base`, one that does not fit that model folder."""
    for file in (CONFIG, WEIGHTS):
        if not is_plain(folder / file):
            raise BadAdapter(f"The adapter has no {file}.")
    config = check_config(read_object(folder / CONFIG), max_rank=max_rank)
    try:
        check_weights(folder / WEIGHTS, config=config, max_rank=max_rank, base=base)
    except SetupError as err:
        raise BadAdapter(f"{WEIGHTS} is damaged: {err.message}") from err
    except RecursionError as err:
        raise BadAdapter(f"{WEIGHTS} is damaged: its header is nested too deeply.") from err


def is_plain(file: Path) -> bool:
    """Whether this is a file: no link, no pipe, no folder."""
    try:
        return stat.S_ISREG(os.lstat(file).st_mode)
    except OSError:
        return False


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a small file, read strictly: each key once, plain numbers, not endlessly deep."""
    if (size := file.stat().st_size) > MAX_JSON:
        raise BadAdapter(f"{file.name} has {size:,} bytes; at most {MAX_JSON:,} are read.")
    try:
        found = json.loads(file.read_bytes(), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError as err:
        raise BadAdapter(f"{file.name} is nested too deeply.") from err
    except (OSError, ValueError) as err:
        raise BadAdapter(f"{file.name} is not JSON: {err}.") from err
    if not isinstance(found, dict):
        raise BadAdapter(f"{file.name} holds no JSON object.")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("it gives a key twice, so that two programs may read two things")
    return made


def _no_number(name: str) -> Any:
    raise ValueError(f"it says {name}, which is no number")


def check_config(config: Mapping[str, Any], *, max_rank: int) -> Mapping[str, Any]:
    """Refuse a LoRA that vLLM cannot serve as it was trained."""
    if config.get("peft_type") != "LORA":
        raise BadAdapter(f"The adapter is not a LoRA but {_short(config.get('peft_type'))}: only LoRA can be served.")
    if on := sorted(key for key, value in config.items() if key not in _HARMLESS and not _is_off(value)):
        what = next((key for key in on if key in _NAMED), on[0])
        named = f"{_NAMED[what]}: {what}" if what in _NAMED and what not in _NAMED[what] else _NAMED.get(what, what)
        raise BadAdapter(f"The adapter uses {_short(named, bare=True)}, which vLLM cannot serve.")
    if not _is_off(mapping := config.get("auto_mapping")) and not _is_plain_mapping(mapping):
        raise BadAdapter(f"The adapter wants {_short(mapping)} imported (auto_mapping): only transformers' own are.")
    if config.get("bias", "none") != "none":
        raise BadAdapter(f"The adapter trains biases (bias is {_short(config['bias'])}), which vLLM cannot serve.")
    if config.get("init_lora_weights", True) not in _STARTS:
        how = _short(config["init_lora_weights"])
        raise BadAdapter(f"The adapter began as {how}, which changes the base itself: convert it to a plain LoRA.")
    _check_sizes(config, max_rank=max_rank)
    modules = config.get("target_modules")
    if not isinstance(modules, list) or not modules or not all(isinstance(m, str) and m in SERVABLE for m in modules):
        raise BadAdapter(
            f"The adapter changes {_short(modules)}: only a list of the decoder's linear layers is served."
        )
    return config


def _check_sizes(config: Mapping[str, Any], *, max_rank: int) -> None:
    rank, alpha = config.get("r"), config.get("lora_alpha", 8)
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= max_rank:
        raise BadAdapter(f"The adapter has rank {_short(rank)}; at most {max_rank} is served (setting max_lora_rank).")
    usable = isinstance(alpha, int | float) and not isinstance(alpha, bool) and math.isfinite(alpha)
    if not usable or not 0 < alpha <= _MAX_ALPHA:
        raise BadAdapter(f"The adapter's lora_alpha is {_short(alpha)}: it must be above 0 and at most {_MAX_ALPHA:,}.")
    if not isinstance(config.get("use_rslora", False), bool):
        raise BadAdapter(f"The adapter's use_rslora is {_short(config['use_rslora'])}: it must be true or false.")


def _is_plain_mapping(mapping: Any) -> bool:
    """What PEFT writes where no task was named: the base's class, and its module in transformers."""
    if not isinstance(mapping, dict) or set(mapping) != {"base_model_class", "parent_library"}:
        return False
    library, name = mapping["parent_library"], mapping["base_model_class"]
    named = isinstance(library, str) and isinstance(name, str) and name.isidentifier()
    return named and library.startswith("transformers.models.") and library.replace(".", "").isidentifier()


def _is_off(value: Any) -> bool:
    return value is None or value is False or value in ({}, [], "")


def _short(value: Any, *, bare: bool = False) -> str:
    """A value as a sentence may quote it."""
    text = str(value) if bare else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
