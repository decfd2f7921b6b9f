"""Adapter folders: checked, made complete aside, renamed into place, and never changed again.

A folder with a manifest is complete. The names are `<slug>-v<N>`. It knows files and tensors, not where an adapter
stands or who asks for it.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftchat.base import sha256
from ftchat.errors import BadAdapter, NotFound

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}-v[1-9][0-9]{0,8}")
CONFIG, WEIGHTS, MANIFEST = "adapter_config.json", "adapter_model.safetensors", "manifest.json"
_SERVABLE = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "qkv_proj", "gate_up_proj"}
_MUST_BE_OFF = ("use_dora", "lora_bias", "modules_to_save", "layer_replication", "alora_invocation_tokens")


@dataclass(frozen=True)
class Registry:
    """The folder `adapters/` of a home."""

    root: Path
    max_rank: int

    def publish(self, candidate: Path, name: str, *, base: str, lineage: Mapping[str, Any]) -> Path:
        """Check a candidate and put it under its final name. The old folder may be gone afterwards."""
        if not NAME.fullmatch(name):
            raise BadAdapter(f"{name!r} is not a name of an adapter.")
        check(candidate, max_rank=self.max_rank)
        target, staged = self.root / name, self.root / f".{name}.part"
        if target.exists():
            raise BadAdapter(f"There is already an adapter called {name}; a version is never replaced.")
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        for file in (CONFIG, WEIGHTS):
            shutil.copyfile(candidate / file, staged / file)
        hashes = {file: sha256(staged / file) for file in (CONFIG, WEIGHTS)}
        manifest = {"name": name, "base": base, "files": hashes, **lineage}
        (staged / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for file in (CONFIG, WEIGHTS, MANIFEST):
            flush(staged / file)
        staged.rename(target)
        flush(self.root)
        return target

    def path(self, name: str) -> Path:
        """Where a complete adapter lies."""
        folder = self.root / name
        if not NAME.fullmatch(name) or not (folder / MANIFEST).is_file():
            raise NotFound(f"There is no adapter folder called {name}.")
        return folder

    def manifest(self, name: str) -> dict[str, Any]:
        """What an adapter says of itself."""
        try:
            found: dict[str, Any] = json.loads((self.path(name) / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as err:
            raise BadAdapter(f"{name}: its manifest cannot be read ({err}). Restore it from a backup.") from err
        return found

    def last_number(self, slug: str) -> int:
        """The highest version in the folder, complete or not: its number is taken."""
        found = [p.name.removeprefix(f"{slug}-v") for p in self.root.glob(f"{slug}-v*")]
        return max((int(number) for number in found if number.isdigit()), default=0)

    def names(self) -> list[str]:
        """Every complete adapter in the folder."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if NAME.fullmatch(p.name) and (p / MANIFEST).is_file())

    def verify(self, name: str) -> None:
        """Refuse an adapter whose files are not those that were published."""
        hashes = self.manifest(name).get("files", {})
        for file in (CONFIG, WEIGHTS):
            try:
                same = sha256(self.path(name) / file) == hashes.get(file)
            except OSError as err:
                raise BadAdapter(f"{name}: {file} cannot be read ({err}). Restore it from a backup.") from err
            if not same:
                raise BadAdapter(f"{name}: {file} has changed since it was published. Restore it from a backup.")


def check(folder: Path, *, max_rank: int) -> None:
    """Refuse what vLLM would choke on, serve wrongly, or run."""
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file() or (folder / file).is_symlink():
            raise BadAdapter(f"The adapter has no {file}.")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as err:
        raise BadAdapter(f"{CONFIG} is not JSON: {err}.") from err
    _check_config(config, max_rank=max_rank)
    _check_tensors(folder / WEIGHTS)


def _check_config(config: Any, *, max_rank: int) -> None:
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise BadAdapter("The adapter is not a LoRA: only LoRA can be served.")
    if on := [key for key in _MUST_BE_OFF if config.get(key)]:
        raise BadAdapter(f"The adapter uses {on[0]}, which vLLM cannot serve.")
    rank = config.get("r")
    if not isinstance(rank, int) or not 1 <= rank <= max_rank:
        raise BadAdapter(f"The adapter has rank {rank}; at most {max_rank} is served (setting max_lora_rank).")
    modules = config.get("target_modules")
    if not isinstance(modules, list) or not modules or not set(modules) <= _SERVABLE:
        raise BadAdapter(f"The adapter changes {modules!r}: only a list of linear layers of the decoder is served.")


def _check_tensors(file: Path) -> None:
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            names = list(tensors.keys())
            if not any("lora_B" in name for name in names):
                raise BadAdapter("The adapter has no LoRA weights.")
            for name in names:
                if not bool(torch.isfinite(tensors.get_tensor(name)).all()):
                    raise BadAdapter(f"The adapter's weights are not finite numbers (in {name}).")
    except SafetensorError as err:
        raise BadAdapter(f"{WEIGHTS} is damaged: {err}.") from err


def flush(path: Path) -> None:
    """Make sure that a file, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
