"""Is the challenger better than the champion? A test that may be looked at after every vote.

Looking at a win probability again and again promotes an equal model sooner or later. This test counts evidence that
cannot be fooled that way: a bet against "it wins at most half of the decisive votes", one to a question, whose stake,
whenever one looks, has a mean of at most 1 if that is true, so that it ever reaches 1/level with a probability of at
most level (Ville).
The bet is spread over win rates above 1/2 by a Beta(2, 2): of those tried it needs about the fewest votes between win
rates of 55 and 90%. Ties and both_bad decide nothing; sides are random, so a liking for the left side does not tilt it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import exp, inf, log
from typing import Literal

from ftchat.ratings.beta import cdf, log_beta

_SPREAD = 2.0
_FAR = 5_000  # votes still needed are looked for up to here,
_SHOWN = 400  # and said up to here
_OVERFLOW = 700.0  # exp of more is no float


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the test says now."""

    decision: Literal["better", "worse"] | None
    evidence: float  # the larger of the two stakes
    needed: float  # from which it decides
    more: int | None  # decisive votes until then, at the present rate; None: no end in sight
    words: str


def sequential(wins: int, losses: int, *, level: float = 0.05) -> Look:
    """Whether the votes decide yet. `level` bounds being wrong, looked at as often as one likes: half of it either way.

    Two equal models: promoted in at most level/2 of all cases, retired in at most level/2.
    """
    needed = log(2.0 / level)
    better, worse = _stake(wins, losses), _stake(losses, wins)
    decision: Literal["better", "worse"] | None = "better" if better >= needed else "worse" if worse >= needed else None
    mean = (max(wins, losses) + 0.5) / (wins + losses + 1.0)

    def enough(more: int) -> bool:
        return _stake(max(wins, losses) + more * mean, min(wins, losses) + more * (1.0 - mean)) >= needed

    more = 0 if decision else fewest(enough, limit=_FAR) if wins != losses else None
    return Look(
        decision=decision,
        evidence=exp(min(max(better, worse), _OVERFLOW)),
        needed=exp(needed),
        more=more,
        words=_words(decision, wins=wins, losses=losses, more=more),
    )


@cache
def sweep(level: float) -> int:
    """The fewest decisive votes that decide, all of them for one side."""
    return fewest(lambda votes: sequential(votes, 0, level=level).decision is not None, limit=_FAR) or _FAR


def _stake(wins: float, losses: float) -> float:
    """The logarithm of the stake against "wins at most half"."""
    a, b = _SPREAD + wins, _SPREAD + losses
    above = cdf(0.5, b, a)
    if above == 0.0:
        return -inf
    return (wins + losses + 1.0) * log(2.0) + log_beta(a, b) - log_beta(_SPREAD, _SPREAD) + log(above)


def _words(decision: str | None, *, wins: int, losses: int, more: int | None) -> str:
    counted = f"{wins} to {losses} in decisive votes"
    if decision:
        return f"{counted}: that decides it, it is {decision}."
    if more is None:
        return f"{counted}: too close to say how many more it takes."
    return f"{counted}: {missing(more)} of them at this rate decide it."


def fewest(enough: Callable[[int], bool], *, limit: int) -> int | None:
    """The smallest number that is enough, where every larger one is too; None if not even the limit is."""
    if not enough(limit):
        return None
    low, high = -1, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def missing(more: int | None) -> str:
    """Votes still needed, as people say it."""
    if more is None or more > _SHOWN:
        return f"more than {_SHOWN} more"
    step = 1 if more < 20 else 5 if more < 100 else 10
    return f"about {-(-more // step) * step} more"
