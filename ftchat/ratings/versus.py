"""One contestant against another: the win probability with its interval, and in words how sure that is.

What is not known about the probability is a Beta distribution: 1/2 on each side before any vote, a tie is half a win
for each. A both_bad says nothing about who is better. It is honest about one look; who looks after every vote and acts
on what they see uses `sequential`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ftchat.ratings.beta import cdf, quantile
from ftchat.records import Score

SURE = 0.975  # from here the 95% interval lies on one side of 1/2
SHOWN = 400  # votes still needed are said up to here
_FAR = 5_000  # and looked for up to here


@dataclass(frozen=True, kw_only=True)
class Versus:
    """How one contestant stands against another, from the votes between the two."""

    probability: float  # of winning a vote, a tie counted as half
    low: float
    high: float
    better: float  # how likely it wins more than half
    more: int | None  # votes until that is sure either way, at the present rate; None: too close to tell

    @property
    def sure(self) -> bool:
        """Whether it is decided which one is better."""
        return max(self.better, 1.0 - self.better) >= SURE


def versus(score: Score) -> Versus:
    """What the votes between two say about the first of them."""
    a, b = 0.5 + score.wins + score.ties / 2, 0.5 + score.losses + score.ties / 2
    mean = a / (a + b)

    def settled(more: int) -> bool:
        a_then, b_then = a + more * mean, b + more * (1.0 - mean)
        return cdf(0.5, min(a_then, b_then), max(a_then, b_then)) >= SURE

    return Versus(
        probability=mean,
        low=quantile(0.025, a, b),
        high=quantile(0.975, a, b),
        better=cdf(0.5, b, a),
        more=fewest(settled, limit=_FAR),
    )


def fewest(enough: Callable[[int], bool], *, limit: int) -> int | None:
    """The smallest number that is enough, where every larger one is too; None if not even the limit is."""
    if not enough(limit):
        return None
    low, high = -1, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def words(name: str, other: str, score: Score) -> str:
    """How a contestant stands against another, as a sentence."""
    if score.votes == 0:
        return f"{name} and {other} are not compared with each other yet."
    found = versus(score)
    if found.more is None:
        return f"{name} and {other} are too close to tell: {_votes(score.votes)}."
    first, second = (name, other) if found.better >= 0.5 else (other, name)
    return (
        f"{first} is {percent(max(found.better, 1 - found.better))} likely better than {second}: {_tail(found, score)}."
    )


def _tail(found: Versus, score: Score) -> str:
    if found.sure:
        return f"{_votes(score.votes)}, enough to be sure"
    return f"{_votes(score.votes)}, {missing(found.more)} to be sure"


def missing(more: int | None) -> str:
    """Votes still needed, as people say it."""
    if more is None or more > SHOWN:
        return f"more than {SHOWN} more"
    step = 1 if more < 20 else 5 if more < 100 else 10
    return f"about {-(-more // step) * step} more"


def percent(share: float) -> str:
    """A likelihood in whole percent, which never says 100%."""
    return "more than 99%" if share > 0.99 else f"{share:.0%}"


def _votes(number: int) -> str:
    return "1 vote" if number == 1 else f"{number:,} votes"
