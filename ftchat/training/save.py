"""The adapter folder: PEFT's two files, written aside, flushed to the disk, then renamed.

A candidate folder that exists is complete. It names the base by its folder's name only: a path would tell about this
machine and be wrong on any other.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import save_file

from ftchat.disk import flush
from ftchat.errors import TrainingError
from ftchat.registry import CONFIG, PROBE, WEIGHTS
from ftchat.training.model import Learner


def save_adapter(learner: Learner, out: Path, *, base_name: str, probe: Mapping[str, Any] | None = None) -> None:
    """Write the learner's LoRA to `out`, which must not exist; with what it gives some tokens, where that is known."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in get_peft_model_state_dict(learner.model).items()}
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise TrainingError(f"The trained adapter has values that are no numbers (in {name}), so it was not kept.")
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)  # left by a trainer that was killed while saving
    aside.mkdir(parents=True)
    try:
        save_file(tensors, aside / WEIGHTS, metadata={"format": "pt"})
    except SafetensorError as err:  # which does not say in which way the disk refused
        shutil.rmtree(aside)
        raise OSError(str(err)) from err
    text = json.dumps(_config(learner, base_name), indent=1, sort_keys=True)
    (aside / CONFIG).write_text(text + "\n", encoding="utf-8")
    if probe is not None:
        (aside / PROBE).write_text(json.dumps(probe), encoding="utf-8")
    (aside / WEIGHTS).chmod((aside / CONFIG).stat().st_mode & 0o777)  # safetensors writes for its own user only
    for path in (*sorted(aside.iterdir()), aside):
        flush(path)
    aside.rename(out)
    flush(out.parent)


def _config(learner: Learner, base_name: str) -> dict[str, Any]:
    """PEFT's settings, the same bytes for the same training: sets have no order of their own."""
    found: dict[str, Any] = learner.config.to_dict()  # type: ignore[no-untyped-call]
    found = {key: sorted(value) if isinstance(value, set) else value for key, value in found.items()}
    return {**found, "base_model_name_or_path": base_name, "inference_mode": True}
