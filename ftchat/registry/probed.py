"""What the manifest of an adapter says that its trainer computed, and how far an engine is from that.

It knows neither the engine nor what is near enough.
"""

import math
from collections.abc import Sequence

from ftchat.errors import BadAdapter


def computed(trained: object) -> tuple[list[int], int, list[float]]:
    """What a trainer computed: token ids, where the scored ones begin, and their log-probabilities."""
    told = trained if isinstance(trained, dict) else {}
    ids, start, logprobs = told.get("token_ids"), told.get("start"), told.get("logprobs")
    damaged = BadAdapter("What its manifest says that its trainer computed is damaged.")
    if not (isinstance(ids, list) and isinstance(logprobs, list) and isinstance(start, int)):
        raise damaged
    numbers = all(isinstance(i, int) for i in ids) and all(isinstance(p, int | float) for p in logprobs)
    if not numbers or not 1 <= start < len(ids):
        raise damaged
    return ids, start, logprobs


def distance(served: Sequence[float], trained: Sequence[float]) -> float:
    """The mean distance of two lists of log-probabilities; without measure where their lengths differ."""
    if len(served) != len(trained) or not served:
        return math.inf
    return sum(abs(a - b) for a, b in zip(served, trained, strict=True)) / len(served)
