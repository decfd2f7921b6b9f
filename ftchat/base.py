"""The base model: a folder that is checked before anything starts, and its fingerprint.

Only safetensors are taken, and code from a model folder is never run. The fingerprint is a hash over the files that
decide what the model says; file hashes are cached by size and time, so that a large model is read once.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftchat.errors import SetupError

_DECIDING = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
_UNSAFE = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


@dataclass(frozen=True)
class Base:
    """A model folder that passed the checks."""

    path: Path
    name: str
    fingerprint: str
    practice: bool


def open_base(path: Path, *, practice: bool, cache: Path) -> Base:
    """The base in a folder, checked; an error says what is wrong with it and what to do. `cache` keeps file hashes."""
    check_folder(path)
    return Base(path, "starter" if practice else path.name, fingerprint(path, cache=cache), practice)


def check_folder(path: Path) -> None:
    """Refuse a folder that vLLM could not or should not load."""
    if not path.is_dir():
        raise SetupError(f"There is no model folder {path}. Give --model the folder of a downloaded model.")
    for name in ("config.json", "tokenizer_config.json"):
        if not (path / name).is_file():
            raise SetupError(f"{path} has no {name}: it is not a complete model folder.")
    if not list(path.glob("*.safetensors")):
        pickled = [p.name for p in path.iterdir() if p.suffix in _UNSAFE]
        hint = f" It has {pickled[0]}, which can run code when loaded: convert it to safetensors." if pickled else ""
        raise SetupError(f"{path} has no .safetensors file.{hint}")
    index = path / "model.safetensors.index.json"
    if index.is_file():
        wanted = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if missing := sorted(name for name in wanted if not (path / name).is_file()):
            raise SetupError(f"{path} lacks {missing[0]} ({len(missing)} of {len(wanted)} weight files are missing).")


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
