"""How many cores a run takes, and what is left of them to whoever chats meanwhile."""

import os
from pathlib import Path

import torch

from ftchat.sizing import shape_of
from ftchat.training.parent import take_what_is_left

# Of the base, from which on all cores are worth it. Two instead of one made a step 1.7 times as quick at 896, 1.3 times
# at 512, and not at all at 256 (bench/RESULTS.md).
_WIDE = 512
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def share(device: torch.device, base: Path) -> int:
    """All cores for a wide base on a processor; half of them where products are too small to be worth dividing.

    Half of them, too, where time on the cores is rationed: what the run took, the engine would not get.
    """
    cores = len(os.sched_getaffinity(0))
    wide = device.type == "cpu" and not _rationed(cores) and shape_of(base).hidden >= _WIDE
    return cores if wide else _half(cores)


def take(threads: int) -> None:
    """Compute with so many threads; with more than half the cores only while nobody else has something for them."""
    torch.set_num_threads(threads)
    if threads > _half(len(os.sched_getaffinity(0))):
        take_what_is_left()


def _half(cores: int) -> int:
    return max(1, cores // 2)


def _rationed(cores: int) -> bool:
    """Whether a container may use less than its cores' whole time."""
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return quota != "max" and int(quota) < cores * int(period)
    except (OSError, ValueError):  # none that can be read
        return False
