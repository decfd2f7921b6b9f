"""Which numbers the frozen base is held in: bf16, or fp32 where a processor is notably quicker with that.

Many processors know bf16 in name only or not at all: on an Intel Xeon without AMX an fp32 product takes 0.6 of the time
of one in bf16, and the steps of a run 0.57 (bench/RESULTS.md). On a GPU it is the other way round, and on processors
that are built for bf16. So it is measured, which takes a moment, with the threads that will train. The weights are the
same numbers.
"""

import time
from pathlib import Path

import torch

from ftchat import sizing

_WORTH = 0.8  # of the time of bf16, from which on fp32 is worth twice the memory
_ROWS, _WIDEST, _TIMES = 512, 1024, 5


def quickest(base: Path, device: torch.device) -> torch.dtype:
    """What to hold the base in; bf16 wherever fp32 would be no gain, or could want more memory than is free."""
    if device.type != "cpu":
        return torch.bfloat16
    shape = sizing.shape_of(base)
    if 2 * sizing.trainer_needs(shape, "cpu") > sizing.look("cpu").free:
        return torch.bfloat16
    width = max(64, min(shape.hidden, _WIDEST))
    return torch.float32 if _took(width, torch.float32) < _WORTH * _took(width, torch.bfloat16) else torch.bfloat16


def _took(width: int, kind: torch.dtype) -> float:
    """Seconds of one product of a block, the quickest of a few."""
    rows, weights = torch.ones(_ROWS, width, dtype=kind), torch.ones(3 * width, width, dtype=kind)
    found = []
    for _ in range(_TIMES + 1):  # the first is slow in other ways
        began = time.perf_counter()
        torch.nn.functional.linear(rows, weights)
        found.append(time.perf_counter() - began)
    return min(found[1:])
