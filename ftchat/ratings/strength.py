"""Bradley-Terry: one strength for each contestant, such that differences of strengths explain who wins.

A strength is on the scale of log-odds, N(0,1) before any vote, so that three wins of three are no ranking. The side is
part of the model: how much more the left reply wins than its contestant explains. A tie is half a win for each;
both_bad is left out. The estimate is the most likely one (MAP, by Newton's steps). Intervals are of differences to
base, from the curvature at the mean of what is still possible, which at few votes lies a little beside the most likely.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from ftchat.records import BASE, Ballots

ELO = 400.0 / np.log(10.0)  # points in one unit of log-odds
Z95 = 1.959964
_DRAWS = 4_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Span:
    """An estimate and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """What the votes say about the strengths of all, in log-odds. The last entry is the left side's."""

    names: tuple[str, ...]
    likeliest: Floats
    mean: Floats
    covariance: Floats
    islands: tuple[int, ...]  # contestants with the same number are connected by votes

    def contrast(self, name: str, other: str) -> Span:
        """How much stronger one is than another."""
        return self._span(self._difference(name, other))

    def variance(self, name: str, other: str) -> float:
        """How little is known about that."""
        weights = self._difference(name, other)
        return float(weights @ self.covariance @ weights)

    def left(self) -> Span:
        """How much stronger a reply is for standing on the left."""
        weights = np.zeros(len(self.mean))
        weights[-1] = 1.0
        return self._span(weights)

    def connected(self) -> tuple[str, ...]:
        """Base and those that votes compare with it, along others or directly; none where base has no votes."""
        home = self.islands[self.names.index(BASE)]
        found = tuple(name for name, island in zip(self.names, self.islands, strict=True) if island == home)
        return found if len(found) > 1 else ()

    def ranks(self, names: tuple[str, ...], *, seed: int = 0) -> dict[str, tuple[int, int]]:
        """The best and the worst rank of each among these that are possible (95%), from drawn strengths."""
        if not names:
            return {}
        at = [self.names.index(name) for name in names]
        root = np.linalg.cholesky(self.covariance[np.ix_(at, at)])
        drawn = self.mean[at] + np.random.default_rng(seed).standard_normal((_DRAWS, len(at))) @ root.T
        places = 1 + np.argsort(np.argsort(-drawn, axis=1), axis=1)
        low, high = np.percentile(places, [2.5, 97.5], axis=0, method="inverted_cdf")
        return {name: (int(best), int(worst)) for name, best, worst in zip(names, low, high, strict=True)}

    def _difference(self, name: str, other: str) -> Floats:
        weights = np.zeros(len(self.mean))
        weights[self.names.index(name)] += 1.0
        weights[self.names.index(other)] -= 1.0
        return weights

    def _span(self, weights: Floats) -> Span:
        half = Z95 * sqrt(float(weights @ self.covariance @ weights))
        middle = float(weights @ self.mean)
        return Span(value=float(weights @ self.likeliest), low=middle - half, high=middle + half)


def strengths(ballots: Ballots, *, names: Iterable[str] = (), ties: bool = True) -> Strengths:
    """Strengths of everyone who was voted on, and of `names`. Without `ties`, only decisive votes count."""
    everyone = tuple(sorted({BASE, *names, *ballots.contestants()}))
    design, won, votes = _table(ballots, everyone, ties=ties)
    likeliest = _climb(design, won, votes)
    chance, covariance = _curvature(design, votes, likeliest)
    # The mean of what is possible, to first order: it lies on the flatter side of the most likely.
    spread = np.einsum("ia,ab,ib->i", design, covariance, design)
    pull = design.T @ (votes * chance * (1.0 - chance) * (1.0 - 2.0 * chance) * spread)
    mean = likeliest - 0.5 * covariance @ pull
    return Strengths(
        names=everyone,
        likeliest=likeliest,
        mean=mean,
        covariance=_curvature(design, votes, mean)[1],
        islands=_islands(design[:, :-1]),
    )


def _table(ballots: Ballots, names: tuple[str, ...], *, ties: bool) -> tuple[Floats, Floats, Floats]:
    """One line for each ordered pair: +1 at the left, -1 at the right, 1 for the side; left wins; votes."""
    lines, won, votes = [], [], []
    for left, right in ballots.pairs():
        wins, losses, even = (ballots.counts.get((left, right, w), 0) for w in ("left", "right", "tie"))
        halves = even if ties else 0
        if wins + losses + halves == 0:
            continue
        line = np.zeros(len(names) + 1)
        line[names.index(left)], line[names.index(right)], line[-1] = 1.0, -1.0, 1.0
        lines.append(line)
        won.append(wins + halves / 2)
        votes.append(wins + losses + halves)
    return np.array(lines).reshape(-1, len(names) + 1), np.array(won, float), np.array(votes, float)


def _climb(design: Floats, won: Floats, votes: Floats) -> Floats:
    """The most likely strengths. The prior makes the hill concave everywhere; a step that overshoots is halved."""
    at = np.zeros(design.shape[1])
    height = _height(design, won, votes, at)
    for _ in range(100):
        chance, covariance = _curvature(design, votes, at)
        step = covariance @ (design.T @ (won - votes * chance) - at)
        while (reached := _height(design, won, votes, at + step)) < height - 1e-9 * (1.0 + abs(height)):
            step = step / 2.0
        at, height = at + step, reached
        if float(np.abs(step).max(initial=0.0)) < 1e-10:
            break
    return at


def _height(design: Floats, won: Floats, votes: Floats, at: Floats) -> float:
    """The logarithm of likelihood times prior, but for a constant."""
    odds = design @ at
    return float(won @ odds - votes @ np.logaddexp(0.0, odds) - at @ at / 2.0)


def _curvature(design: Floats, votes: Floats, at: Floats) -> tuple[Floats, Floats]:
    """The left's chance in each pair, and the covariance that the curvature there stands for."""
    chance = 0.5 * (1.0 + np.tanh(design @ at / 2.0))
    weights = votes * chance * (1.0 - chance)
    information = design.T @ (weights[:, None] * design) + np.eye(design.shape[1])
    return chance, np.linalg.inv(information).astype(np.float64)


def _islands(pairs: Floats) -> tuple[int, ...]:
    """A number for each contestant, the same for those that votes connect."""
    island = list(range(pairs.shape[1]))
    for line in pairs:
        one, other = (island[at] for at in np.flatnonzero(line))
        island = [one if number == other else number for number in island]
    return tuple(island)
