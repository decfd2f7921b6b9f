"""One contestant against another: the win probability with its interval, and in words how sure that is.

What is not known about the probability is a Beta distribution: 1/2 on each side before any vote, a tie is half a win
for each. A both_bad says nothing about who is better. Interval and likelihood are honest about one look. Pages show
them after every vote, so whether that is enough to be sure, and how many more it takes, `sequential` says.
"""

from dataclasses import dataclass
from math import ceil

from ftchat.ratings.beta import cdf, quantile
from ftchat.ratings.sequential import missing, sequential
from ftchat.records import Score


@dataclass(frozen=True, kw_only=True)
class Versus:
    """How one contestant stands against another, from the votes between the two."""

    probability: float  # of winning a vote, a tie counted as half
    low: float
    high: float
    better: float  # how likely it wins more than half
    more: int | None  # votes until that is sure, at the present rate, 0 where it is; None: too close to tell


def versus(score: Score, *, level: float = 0.05) -> Versus:
    """What the votes between two say about the first of them; it is sure where votes may decide at this level."""
    more = sequential(score.wins, score.losses, level=level).more
    a, b = 0.5 + score.wins + score.ties / 2, 0.5 + score.losses + score.ties / 2
    return Versus(
        probability=a / (a + b),
        low=quantile(0.025, a, b),
        high=quantile(0.975, a, b),
        better=cdf(0.5, b, a),
        more=more and ceil(more * score.votes / (score.wins + score.losses)),  # ties will be among them
    )


def words(name: str, other: str, score: Score, *, level: float = 0.05) -> str:
    """How a contestant stands against another, as a sentence."""
    if score.votes == 0:
        return f"{name} and {other} are not compared with each other yet."
    found = versus(score, level=level)
    if found.more is None:
        return f"{name} and {other} are too close to tell: {_votes(score.votes)}."
    first, second = (name, other) if found.better >= 0.5 else (other, name)
    return (
        f"{first} is {percent(max(found.better, 1 - found.better))} likely better than {second}: {_tail(found, score)}."
    )


def _tail(found: Versus, score: Score) -> str:
    if found.more == 0:
        return f"{_votes(score.votes)}, enough to be sure"
    return f"{_votes(score.votes)}, {missing(found.more)} to be sure"


def percent(share: float) -> str:
    """A likelihood in whole percent, which never says 100%."""
    return "more than 99%" if share > 0.99 else f"{share:.0%}"


def _votes(number: int) -> str:
    return "1 vote" if number == 1 else f"{number:,} votes"
