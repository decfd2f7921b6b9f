"""The adapter that a quick run goes on from: its LoRA's shape and weights, checked before anything is built on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ftchat.errors import BadInput, NotFound
from ftchat.registry import CONFIG, WEIGHTS
from ftchat.training.job import Job, read_json


@dataclass(frozen=True)
class Start:
    """An adapter to continue: `weights` are named as PEFT's files name them."""

    rank: int
    alpha: int
    weights: Mapping[str, Tensor]


def read_start(job: Job) -> Start | None:
    """The job's start, if it has one; a rank that the arguments fix must be the adapter's."""
    folder = job.start
    if folder is None:
        return None
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise NotFound(f"There is no adapter to continue from in {folder}. Train with effort normal instead.")
    config = read_json(folder / CONFIG, "The configuration of the adapter to continue from")
    rank, alpha = _shape(config)
    for name, given, own in (("rank", job.args.rank, rank), ("alpha", job.args.alpha, alpha)):
        if given not in (0, own):
            raise BadInput(f"{name} is {given} and start is an adapter of {name} {own}: leave out one of the two.")
    return Start(rank, alpha, _weights(folder))


def _shape(config: object) -> tuple[int, int]:
    found = [config.get(key) for key in ("r", "lora_alpha")] if isinstance(config, dict) else [None]
    if not all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in found):
        raise BadInput("The adapter to continue from does not say its rank and alpha: r and lora_alpha are missing.")
    return int(found[0] or 0), int(found[1] or 0)


def _weights(folder: Path) -> dict[str, Tensor]:
    try:
        found = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as err:
        raise BadInput(f"The weights of the adapter to continue from cannot be read: {err}.") from err
    if not all(torch.isfinite(value).all() for value in found.values()):
        raise BadInput("The adapter to continue from has values that are no numbers. Train with effort normal instead.")
    return found
