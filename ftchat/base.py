"""The base model: a folder that is checked before anything starts, and its fingerprint.

Only safetensors are taken, and code from a model folder is never run. The fingerprint is a hash over the files that
decide what the model says; file hashes are cached by size and time, so that a large model is read once.
"""

import ast
import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ftchat.errors import SetupError

_DECIDING = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
_UNSAFE = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
INDEX = "model.safetensors.index.json"
_TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"), ("vocab.txt",))
_AGAIN = "Copy or download the model again."
_SHARD = re.compile(r".+-\d+-of-\d+\.safetensors")
# Where vLLM lists what it can serve as a chat model, in vllm/model_executor/models/registry.py.
_CHAT_LISTS = ("_TEXT_GENERATION_MODELS", "_MULTIMODAL_MODELS", "_TRANSFORMERS_SUPPORTED_MODELS")


@dataclass(frozen=True)
class Base:
    """A model folder that passed the checks."""

    path: Path
    name: str
    fingerprint: str
    practice: bool


def open_base(path: Path, *, practice: bool, cache: Path, name: str = "") -> Base:
    """The base in a folder, checked; an error says what is wrong with it and what to do. `cache` keeps file hashes.

    `name` is what people call it, when that is not the folder's name.
    """
    check_folder(path)
    return Base(path, "starter" if practice else name or path.name, fingerprint(path, cache=cache), practice)


def check_folder(path: Path) -> None:
    """Refuse a folder that no vLLM could or should load, before half a minute of imports."""
    if not path.is_dir():
        raise SetupError(f"There is no model folder {path}. Give --model the folder of a downloaded model.")
    if (path / "adapter_config.json").is_file():
        raise SetupError(f"{path} holds an adapter, not a base model. Give --model the model that it was trained on.")
    if not (path / "config.json").is_file():
        raise SetupError(f"{path} has no config.json: it is not a complete model folder.{_other_kind(path)}")
    read_json(path / "config.json")
    _check_weights(path)
    if not (path / "tokenizer_config.json").is_file():
        raise SetupError(f"{path} has no tokenizer_config.json: it is not a complete model folder. {_AGAIN}")
    if not any(all((path / name).is_file() for name in names) for names in _TOKENIZERS):
        raise SetupError(f"{path} has no tokenizer, such as tokenizer.json or tokenizer.model. {_AGAIN}")


def check_architecture(path: Path, *, served: Collection[str]) -> None:
    """Refuse a model that the vLLM of this machine has no code for; `served` is what it can serve, empty if unknown."""
    named = read_json(path / "config.json").get("architectures")
    if not isinstance(named, list) or not named:
        raise SetupError(f"{path}/config.json names no architectures, so vLLM cannot tell what it is. {_AGAIN}")
    if served and not set(map(str, named)) & set(served):
        raise SetupError(
            f"The vLLM installed here does not serve {named[0]} as a chat model. Choose a model of another family, "
            "such as Llama, Qwen, Mistral, Gemma or Phi in its instruct variant."
        )


def served_here() -> frozenset[str]:
    """Architectures that the installed vLLM serves as chat models, read from its source: importing it takes seconds.

    Empty where there is no vLLM, or one that lists them elsewhere.
    """
    found = find_spec("vllm")
    folder = next(iter(found.submodule_search_locations or ()), "") if found else ""
    try:
        tree = ast.parse((Path(folder) / "model_executor/models/registry.py").read_text(encoding="utf-8"))
    except OSError:
        return frozenset()
    lists = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _CHAT_LISTS
    ]
    keys = [key for made in lists if isinstance(made, ast.Dict) for key in made.keys]
    return frozenset(str(key.value) for key in keys if isinstance(key, ast.Constant))


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file of a model folder."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise SetupError(f"{file} cannot be read ({err}). {_AGAIN}") from err
    if not isinstance(found, dict):
        raise SetupError(f"{file} holds no JSON object. {_AGAIN}")
    return found


def _other_kind(path: Path) -> str:
    """What a folder holds instead of safetensors, and what to do about it."""
    files = sorted(p.name for p in path.iterdir())
    if gguf := [name for name in files if name.endswith(".gguf")]:
        return f" It has {gguf[0]}, a format for other programs: download the model in its safetensors form."
    if pickled := [name for name in files if name.endswith(_UNSAFE)]:
        return f" It has {pickled[0]}, which can run code when loaded: convert it to safetensors."
    return ""


def _check_weights(path: Path) -> None:
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise SetupError(f"{path} has no .safetensors file.{_other_kind(path) or f' {_AGAIN}'}")
    if (path / INDEX).is_file():
        shards = read_json(path / INDEX).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise SetupError(f"{path / INDEX} names no weights. {_AGAIN}")
        wanted = set(map(str, shards.values()))
        if missing := sorted(name for name in wanted if not (path / name).is_file()):
            count = f"{len(missing)} of {len(wanted)} weight files are missing"
            raise SetupError(f"{path} lacks {missing[0]} ({count}). {_AGAIN}")
    elif any(_SHARD.fullmatch(file.name) for file in files):
        raise SetupError(f"{path} lacks {INDEX}, which says what is in its weight files. {_AGAIN}")
    for file in files:
        tensors_of(file)


def tensors_of(file: Path) -> dict[str, Any]:
    """What the header of a safetensors file says of its tensors; a file that is not as long as it says is refused.

    The file begins with eight bytes, the header's length; then the header; then the tensors.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            head = stream.read(8)
            length = int.from_bytes(head, "little")
            header: Any = json.loads(stream.read(length)) if 0 < length <= size - 8 and head != b"version " else None
    except (OSError, ValueError) as err:
        raise SetupError(f"{file} cannot be read ({err}). {_AGAIN}") from err
    if head == b"version ":
        raise SetupError(f"{file} is a Git LFS pointer, not the weights: run `git lfs pull` in that folder.")
    try:
        tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        whole = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except (KeyError, TypeError, AttributeError, IndexError) as err:
        raise SetupError(f"{file} is cut off or damaged: it is no safetensors file. {_AGAIN}") from err
    if whole != size:
        raise SetupError(f"{file} has {size:,} bytes of {whole:,}: it was cut off. {_AGAIN}")
    return tensors


def fingerprint(path: Path, *, cache: Path) -> str:
    """A hash over the folder's deciding files and weights."""
    known = _cached(cache)
    before = len(known)
    files = [path / name for name in _DECIDING if (path / name).is_file()] + sorted(path.glob("*.safetensors"))
    parts: dict[str, Any] = {}
    for file in files:
        stat = file.stat()
        key = f"{file.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
        if key not in known:
            known[key] = sha256(file)
        parts[file.name] = known[key]
    if len(known) > before:
        cache.parent.mkdir(parents=True, exist_ok=True)
        part = cache.with_suffix(".part")
        part.write_text(json.dumps(known, indent=1), encoding="utf-8")
        part.rename(cache)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _cached(cache: Path) -> dict[str, str]:
    """The hashes known so far; a cache that cannot be read is as good as none."""
    try:
        found = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sha256(file: Path) -> str:
    """The hash of a file, read in pieces."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
