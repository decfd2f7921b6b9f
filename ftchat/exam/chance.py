"""What chance alone would do: the sign-flip test, the shuffle test and the paired bootstrap.

Pure, seeded, and exact where there are few rows. They know numbers only.
"""

import itertools
import math
import random
from collections.abc import Callable, Sequence

import numpy as np

_EXACT = 14  # rows up to which every flip of signs is tried; above, so many are drawn:
_FLIPS = 20_000
_PARTS = 20  # of the flips, each in memory by itself
_ORDERS = 7  # questions up to which every order is tried
_RESAMPLES = 1_000


def sign_flip(gains: Sequence[float], *, seed: int = 0) -> float:
    """How often random signs give a mean at least this large: exact for few rows, drawn (seeded) for many."""
    observed = sum(gains) - 1e-12
    sizes = [abs(g) for g in gains]
    if len(sizes) <= _EXACT:
        signs = itertools.product((1, -1), repeat=len(sizes))
        hits = sum(sum(s * x for s, x in zip(flips, sizes, strict=True)) >= observed for flips in signs)
        return hits / (1 << len(sizes))
    draw, large = np.random.default_rng(seed), np.array(sizes)
    drawn = (draw.integers(0, 2, (_FLIPS // _PARTS, len(sizes)), np.int8) * 2 - 1 for _ in range(_PARTS))
    hits = sum(int((signs @ large >= observed).sum()) for signs in drawn)
    return (hits + 1) / (_FLIPS + 1)


def shuffled(costs: Sequence[Sequence[float]], *, seed: int = 0) -> float:
    """How often texts dealt to questions at random cost no more than each with its own.

    `costs[i][j]` is the cost of text j after question i. If the texts had nothing to do with their questions, every
    dealing were as likely as the one that is there, so this is a valid p-value whatever the texts are like.
    """
    n = len(costs)
    observed = sum(costs[i][i] for i in range(n)) + 1e-9

    def no_more(order: Sequence[int]) -> bool:
        return sum(costs[i][j] for i, j in enumerate(order)) <= observed

    if n <= _ORDERS:
        return sum(no_more(order) for order in itertools.permutations(range(n))) / math.factorial(n)
    draw, order, hits = random.Random(seed), list(range(n)), 0
    for _ in range(_FLIPS):
        draw.shuffle(order)
        hits += no_more(order)
    return (hits + 1) / (_FLIPS + 1)


def interval(
    units: Sequence[Sequence[int]], difference: Callable[[Sequence[int]], float], *, level: float = 0.05, seed: int = 0
) -> tuple[float, float]:
    """The paired bootstrap: where a difference over rows lies when these are drawn again and again, those of a unit
    together."""
    draw = random.Random(seed)
    drawn = (itertools.chain.from_iterable(draw.choices(units, k=len(units))) for _ in range(_RESAMPLES))
    found = sorted(difference(list(rows)) for rows in drawn)
    low = int(level / 2 * _RESAMPLES)
    return found[low], found[-1 - low]


def mean(values: Sequence[float]) -> float:
    """Their mean; 0 of none."""
    return math.fsum(values) / len(values) if values else 0.0
