"""The leaderboard: every contestant against the champion in words, all of them rated against base, and what to doubt.

Who no votes connect with base is "not compared yet" and has neither rating nor rank.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import exp
from typing import Any, Literal

from ftchat.ratings.strength import ELO, Span, Strengths, strengths
from ftchat.ratings.versus import Versus, versus, words
from ftchat.records import BASE, Ballots, Score

Badge = Literal["not compared yet", "preliminary", "usable", "established"]

# Widths of a rating's interval in Elo points: 150 is 11 percent of wins either way, 300 is 20. Between two that are
# near each other they take about 90 and 20 votes.
_ESTABLISHED, _USABLE = 150.0, 300.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One contestant. Its votes are those against all; the win probability is from those against the champion."""

    contestant: str
    votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    against_champion: Score | None
    win_probability: float | None
    low: float | None
    high: float | None
    likely_better: float | None
    more: int | None  # votes against the champion still needed, at the present rate
    words: str
    rating: float | None
    rating_low: float | None
    rating_high: float | None
    rating_ties_ignored: float | None
    badge: Badge | None  # base's rating is 1000 by definition and has none
    rank_low: int | None
    rank_high: int | None


@dataclass(frozen=True, kw_only=True)
class LeftSide:
    """Of two equally good replies, how many votes the left one gets."""

    share: float
    low: float
    high: float
    elo: float
    warning: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """What all blind votes on contestants of one base say."""

    champion: str
    rows: tuple[Line, ...]
    matrix: Mapping[str, Mapping[str, Score]]  # of the first against the second
    left_bias: LeftSide
    ties_matter: bool  # whether the order would change if ties were not counted
    votes: int
    both_bad: int
    raters: int
    top_rater_share: float | None
    excluded: Mapping[str, int]


def board(ballots: Ballots, *, contestants: Iterable[str], champion: str, level: float = 0.05) -> Board:
    """The leaderboard of these contestants, and of everyone who was voted on; `level` is the one votes decide at."""
    names = tuple(dict.fromkeys([*contestants, champion, BASE, *ballots.contestants()]))
    found = strengths(ballots, names=names)
    decisive = strengths(ballots, names=names, ties=False)
    rated = _by_rating(found.connected(), found)
    ranks = found.ranks(rated)
    shares = sorted(ballots.raters.values())
    return Board(
        champion=champion,
        rows=tuple(
            _line(name, ballots, champion=champion, level=level, found=found, decisive=decisive, ranks=ranks)
            for name in (*rated, *(name for name in names if name not in ranks))
        ),
        matrix={n: {o: ballots.between(n, o) for o in names if ballots.between(n, o).shown} for n in names},
        left_bias=_left_side(found.left()),
        ties_matter=rated != _by_rating(rated, decisive),
        votes=sum(ballots.counts.values()),
        both_bad=sum(n for (_, _, winner), n in ballots.counts.items() if winner == "both_bad"),
        raters=len(shares),
        top_rater_share=round(shares[-1] / sum(shares), 4) if shares else None,
        excluded=dict(ballots.excluded),
    )


def _by_rating(names: Iterable[str], found: Strengths) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: -found.contrast(name, BASE).value))


def _line(
    name: str,
    ballots: Ballots,
    *,
    champion: str,
    level: float,
    found: Strengths,
    decisive: Strengths,
    ranks: Mapping[str, tuple[int, int]],
) -> Line:
    score = ballots.of(name)
    duel = None if name == champion else ballots.between(name, champion)
    odds = versus(duel, level=level) if duel is not None and duel.votes else None
    span = _rating(found.contrast(name, BASE)) if name in ranks else None
    low, high = ranks.get(name, (None, None))
    return Line(
        contestant=name,
        votes=score.shown,
        **asdict(score),
        against_champion=duel,
        **_shown(odds),
        words=f"{name} is in service." if duel is None else words(name, champion, duel, level=level),
        rating=span.value if span else None,
        rating_low=span.low if span else None,
        rating_high=span.high if span else None,
        rating_ties_ignored=_rating(decisive.contrast(name, BASE)).value if span else None,
        badge=_badge(name, span),
        rank_low=low,
        rank_high=high,
    )


def _shown(odds: Versus | None) -> dict[str, Any]:
    if odds is None:
        return dict.fromkeys(("win_probability", "low", "high", "likely_better", "more"))
    return {
        "win_probability": round(odds.probability, 4),
        "low": round(odds.low, 4),
        "high": round(odds.high, 4),
        "likely_better": round(odds.better, 4),
        "more": odds.more,
    }


def _rating(span: Span) -> Span:
    """A difference to base on the scale on which base is 1000."""
    value, low, high = (round(float(1000.0 + ELO * x), 1) for x in (span.value, span.low, span.high))
    return Span(value=value, low=low, high=high)


def _badge(name: str, span: Span | None) -> Badge | None:
    if span is None:
        return "not compared yet"
    if name == BASE:
        return None
    width = span.high - span.low
    return "established" if width <= _ESTABLISHED else "usable" if width <= _USABLE else "preliminary"


def _left_side(span: Span) -> LeftSide:
    share, low, high = (round(1.0 / (1.0 + exp(-x)), 4) for x in (span.value, span.low, span.high))
    warning = ""
    if span.low > 0.0 or span.high < 0.0:
        side, part, least, most = (
            ("left", share, low, high) if span.low > 0.0 else ("right", 1 - share, 1 - high, 1 - low)
        )
        warning = (
            f"The {side} answer is preferred for its place: of two equally good ones it gets {part:.0%} of the votes "
            f"({least:.0%} to {most:.0%}). The ratings allow for that; ask raters to read both before they vote."
        )
    return LeftSide(share=share, low=low, high=high, elo=round(float(ELO * span.value), 1), warning=warning)
