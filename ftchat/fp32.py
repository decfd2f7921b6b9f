"""How long a product takes in fp32 beside one in bf16 on this processor, and what it is spared in fp32.

Many processors know bf16 in name only or not at all: on an Intel Xeon without AMX an fp32 product takes 0.6 of the time
of one in bf16 (bench/RESULTS.md). On a GPU it is the other way round, and on processors that are built for bf16. So it
is measured, which takes a moment, with one thread: several would wait for each other where something else runs.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_ROWS, _TIMES = 512, 12


@contextmanager
def tiny_is_nought() -> Iterator[None]:
    """Within it, what is smaller than 1e-38 is nought: a processor takes many times as long for such a number.

    What a trained model attends to has plenty of them (bench/RESULTS.md). It holds for the thread that calls, and for
    those that torch starts within.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def share(width: int) -> float:
    """The time of a product of a block of this width in fp32, by that of one in bf16: below 1 where fp32 is quicker."""
    best = dict.fromkeys((torch.float32, torch.bfloat16), math.inf)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(_TIMES):  # in turn, so that what else runs here slows both
            best = {kind: min(quickest, _took(width, kind)) for kind, quickest in best.items()}
    finally:
        torch.set_num_threads(threads)
    return best[torch.float32] / best[torch.bfloat16]


def _took(width: int, kind: torch.dtype) -> float:
    """Seconds of one product."""
    rows, weights = torch.ones(_ROWS, width, dtype=kind), torch.ones(3 * width, width, dtype=kind)
    began = time.perf_counter()
    torch.nn.functional.linear(rows, weights)
    return time.perf_counter() - began
