"""Which numbers the frozen base is held in: bf16, or fp32 where a processor is notably quicker with that.

Where an fp32 product takes 0.6 of the time of one in bf16, the steps of a run take 0.57 (bench/RESULTS.md). The weights
are the same numbers.
"""

from pathlib import Path

import torch

from ftchat import fp32, sizing

_WORTH = 0.8  # of the time of bf16, from which on fp32 is worth twice the memory
_NARROWEST, _WIDEST = 256, 512  # that is measured: below it is too short a time, and above it too long


def quickest(base: Path, device: torch.device) -> torch.dtype:
    """What to hold the base in; bf16 wherever fp32 would be no gain, or could want more memory than is free."""
    if device.type != "cpu":
        return torch.bfloat16
    shape = sizing.shape_of(base)
    if 2 * sizing.trainer_needs(shape, "cpu") > sizing.look("cpu").free:
        return torch.bfloat16
    width = max(_NARROWEST, min(shape.hidden, _WIDEST))
    return torch.float32 if fp32.share(width) < _WORTH else torch.bfloat16
