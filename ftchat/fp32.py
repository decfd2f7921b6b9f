"""How long a product takes in fp32 beside one in bf16, on this processor.

Many processors know bf16 in name only or not at all: on an Intel Xeon without AMX an fp32 product takes 0.6 of the time
of one in bf16 (bench/RESULTS.md). On a GPU it is the other way round, and on processors that are built for bf16. So it
is measured, which takes a moment, with the threads that will compute.
"""

import time

import torch

_ROWS, _TIMES = 512, 5


def share(width: int) -> float:
    """The time of a product of a block of this width in fp32, by that of one in bf16: below 1 where fp32 is quicker."""
    return _took(width, torch.float32) / _took(width, torch.bfloat16)


def _took(width: int, kind: torch.dtype) -> float:
    """Seconds of one product, the quickest of a few."""
    rows, weights = torch.ones(_ROWS, width, dtype=kind), torch.ones(3 * width, width, dtype=kind)
    found = []
    for _ in range(_TIMES + 1):  # the first is slow in other ways
        began = time.perf_counter()
        torch.nn.functional.linear(rows, weights)
        found.append(time.perf_counter() - began)
    return min(found[1:])
