"""The arithmetic of votes: against exact values, against scipy and choix, and by simulation with fixed seeds."""

import math
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import choix
import numpy as np
import pytest
from scipy import stats

from ftchat.ratings import Versus, board, sequential, strengths, versus
from ftchat.ratings.beta import cdf, quantile
from ftchat.ratings.strength import ELO
from ftchat.ratings.versus import words
from ftchat.records import BASE, Ballots, Score


def ballots(*counts: tuple[str, str, str, int]) -> Ballots:
    """Counts by left, right and winner; all by one rater."""
    given: Any = {(left, right, winner): n for left, right, winner, n in counts if n}
    return Ballots(counts=given, raters={"ann": sum(given.values())} if given else {}, excluded={})


def duel(wins: int, losses: int, ties: int = 0) -> Ballots:
    """Votes between v1 and base, sides as even as they can be."""
    half, less = wins - wins // 2, losses - losses // 2
    return ballots(
        ("v1", "base", "left", half),
        ("base", "v1", "right", wins - half),
        ("base", "v1", "left", less),
        ("v1", "base", "right", losses - less),
        ("v1", "base", "tie", ties),
    )


# -- Beta --


@pytest.mark.parametrize("b", [0.5, 1.0, 3.5, 40.5, 100_000.5])
@pytest.mark.parametrize("a", [0.5, 2.0, 17.5, 99_000.5])
def test_the_beta_distribution_is_that_of_scipy(a: float, b: float) -> None:
    xs = stats.beta.ppf([0.001, 0.025, 0.5, 0.975, 0.999], a, b)
    assert [cdf(x, a, b) for x in (0.0, *xs, 1.0)] == pytest.approx([0.0, *stats.beta.cdf(xs, a, b), 1.0], abs=1e-9)
    assert [quantile(q, a, b) for q in (0.025, 0.5, 0.975)] == pytest.approx(
        stats.beta.ppf([0.025, 0.5, 0.975], a, b), abs=1e-9
    )


# -- one against another --


def test_three_wins_of_three_are_likely_and_not_sure() -> None:
    found = versus(Score(wins=3))
    rounded = Versus(
        probability=found.probability,
        low=round(found.low, 3),
        high=round(found.high, 4),
        better=round(found.better, 3),
        more=found.more,
    )
    assert rounded == Versus(probability=0.875, low=0.464, high=0.9998, better=0.967, more=11)


def test_a_tie_is_half_a_win_for_each_and_both_bad_is_nothing() -> None:
    tied, halves = versus(Score(wins=3, losses=1, ties=2)), versus(Score(wins=4, losses=2))
    assert replace(tied, more=None) == replace(halves, more=None)
    assert versus(Score(wins=3, losses=1, both_bad=9)) == versus(Score(wins=3, losses=1))
    one, other = versus(Score(wins=3, losses=1)), versus(Score(wins=1, losses=3))
    assert (one.probability + other.probability, one.better + other.better) == pytest.approx((1.0, 1.0))
    assert (one.low, one.high) == pytest.approx((1.0 - other.high, 1.0 - other.low))


@pytest.mark.parametrize("score", [Score(wins=2), Score(wins=15, losses=9), Score(wins=4, losses=9, ties=3)])
def test_the_board_is_sure_when_the_test_is_that_one_may_ask_after_every_vote(score: Score) -> None:
    look = sequential(score.wins, score.losses)
    assert look.more
    assert versus(score).more == math.ceil(look.more * score.votes / (score.wins + score.losses)), "ties decide nothing"
    assert "to be sure" in words("v4", "base", score)
    assert versus(Score(wins=9)).more == 0
    assert sequential(9, 0).decision == "better"
    assert versus(Score(wins=4)).more != 0, "four of four may be chance, looked at after each"


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (Score(both_bad=2), "v4 and base are not compared with each other yet."),
        (Score(wins=1), "v4 is 82% likely better than base: 1 vote, about 35 more to be sure."),
        (Score(losses=1), "base is 82% likely better than v4: 1 vote, about 35 more to be sure."),
        (Score(wins=15, losses=9), "v4 is 89% likely better than base: 24 votes, about 150 more to be sure."),
        (
            Score(wins=52, losses=46, ties=2),
            "v4 is 73% likely better than base: 100 votes, more than 400 more to be sure.",
        ),
        (Score(wins=50, losses=50), "v4 and base are too close to tell: 100 votes."),
        (Score(wins=60, losses=40), "v4 is 98% likely better than base: 100 votes, about 170 more to be sure."),
        (Score(wins=900, losses=300), "v4 is more than 99% likely better than base: 1,200 votes, enough to be sure."),
    ],
)
def test_words_say_who_is_likely_better_and_how_many_votes_that_takes(score: Score, said: str) -> None:
    assert words("v4", "base", score) == said


# -- intervals cover the truth as often as they say --


@cache
def interval(wins: int, losses: int) -> tuple[float, float]:
    found = versus(Score(wins=wins, losses=losses))
    return found.low, found.high


@pytest.mark.parametrize("votes", [10, 30, 100])
def test_the_interval_of_a_win_probability_covers_the_truth(votes: int) -> None:
    """Truths drawn as the board believes before any vote: two strengths of N(0,1), their difference as log-odds."""
    draw = np.random.default_rng(votes)
    truths = 1.0 / (1.0 + np.exp(-draw.normal(0.0, 2.0**0.5, 500)))
    inside = 0
    for truth, wins in zip(truths, draw.binomial(votes, truths), strict=True):
        low, high = interval(int(wins), votes - int(wins))
        inside += low <= truth <= high
    assert 0.93 <= inside / 500 <= 0.99


@pytest.mark.parametrize("votes", [10, 30, 100])
def test_at_no_ordinary_win_rate_does_the_interval_miss_much_more_often_than_it_says(votes: int) -> None:
    """Exactly, not by drawing: at one fixed truth the coverage of any such interval goes up and down around 95%."""
    ends = np.array([interval(wins, votes - wins) for wins in range(votes + 1)])
    covered = {
        truth: stats.binom.pmf(np.arange(votes + 1), votes, truth) @ ((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
        for truth in (0.5, 0.6, 0.7, 0.8, 0.9)
    }
    assert min(covered.values()) >= 0.92, covered


def simulated(
    names: list[str], votes: int, *, draw: np.random.Generator, tied: float = 0.0, likes: float = 0.3
) -> tuple[Ballots, np.ndarray]:
    """Votes on random pairs of contestants of strength N(0,1) by people who like a side, N(0,likes); and the truth."""
    truth, liking = draw.normal(0.0, 1.0, len(names)), draw.normal(0.0, likes)
    left = draw.integers(0, len(names), votes)
    right = (left + draw.integers(1, len(names), votes)) % len(names)
    chance = 1.0 / (1.0 + np.exp(-(truth[left] - truth[right] + liking)))
    ties = tied * 2.0 * np.minimum(chance, 1.0 - chance)  # so that wins and half the ties are still `chance`
    at = draw.random(votes)
    winner = np.where(at < chance - ties / 2, "left", np.where(at < chance + ties / 2, "tie", "right"))
    counts = Counter((names[one], names[two], str(won)) for one, two, won in zip(left, right, winner, strict=True))
    return ballots(*((one, two, won, n) for (one, two, won), n in counts.items())), truth


@pytest.mark.parametrize("tied", [0.0, 0.3])
@pytest.mark.parametrize("others", [1, 3])
@pytest.mark.parametrize("votes", [10, 30, 100])
def test_the_interval_of_a_rating_covers_the_truth(votes: int, others: int, tied: float) -> None:
    """Of one contestant against base, among two and among four. Ties make it wider than needed, never narrower."""
    draw = np.random.default_rng([votes, others, int(10 * tied)])
    names = [BASE, *(f"v{n + 1}" for n in range(others))]
    inside = 0
    for _ in range(500):
        given, truth = simulated(names, votes, draw=draw, tied=tied)
        span = strengths(given, names=names).contrast("v1", BASE)
        inside += span.low <= truth[1] - truth[0] <= span.high
    assert 0.93 <= inside / 500 <= 0.99


# -- Bradley-Terry --


def test_strengths_are_those_of_a_library_with_the_same_prior() -> None:
    """choix knows no side: mirrored votes have none. Its penalty of 0.5 is the N(0,1) prior."""
    draw = np.random.default_rng(5)
    names = [BASE, "v1", "v2", "v3", "v4"]
    given, _ = simulated(names, 500, draw=draw)
    mirrored = {"left": "right", "right": "left"}
    both = Counter(given.counts)
    both.update({(right, left, mirrored[won]): n for (left, right, won), n in given.counts.items()})
    pairs = [
        (names.index(left), names.index(right)) if won == "left" else (names.index(right), names.index(left))
        for (left, right, won), n in both.items()
        for _ in range(n)
    ]
    assert len(pairs) == 1_000

    library = choix.opt_pairwise(len(names), pairs, alpha=0.5, tol=1e-8)
    ours = strengths(replace(given, counts=both))

    def chances(at: Any) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(np.subtract.outer(at, at)))

    assert ours.names == tuple(names)
    assert chances(ours.likeliest[:-1]) == pytest.approx(chances(np.array(library)), rel=0.0001)
    assert ours.left().value == pytest.approx(0.0, abs=1e-9)


def test_ratings_of_20000_votes_are_within_one_percent_of_a_library() -> None:
    """Its maximum likelihood, which has neither prior nor side: at so many votes both hardly matter."""
    names = [BASE, "v1", "v2", "v3", "v4"]
    given, _ = simulated(names, 20_000, draw=np.random.default_rng(6), likes=0.0)
    wins = np.zeros((5, 5))
    for (left, right, won), n in given.counts.items():
        one, two = names.index(left), names.index(right)
        wins[(one, two) if won == "left" else (two, one)] += n
    library, ours = choix.ilsr_pairwise_dense(wins), strengths(given)
    for at, name in enumerate(names[1:], start=1):
        chance = choix.probabilities([at, 0], library)[0]
        assert 1.0 / (1.0 + np.exp(-ours.contrast(name, BASE).value)) == pytest.approx(chance, rel=0.01)


def test_few_votes_give_nearly_the_exact_posterior() -> None:
    """Three wins of three, summed over a grid of differences, N(0,2), and likings for a side, N(0,1)."""
    difference, side = np.meshgrid(np.linspace(-8, 10, 1801), np.linspace(-6, 6, 601))
    height = -(difference**2) / 4 - side**2 / 2
    height -= np.logaddexp(0, -difference - side) + 2 * np.logaddexp(0, -difference + side)  # left once, right twice
    mass = np.exp(height).sum(axis=0)
    exact = np.interp([0.025, 0.975], np.cumsum(mass) / mass.sum(), difference[0])
    span = strengths(duel(3, 0)).contrast("v1", BASE)
    assert span.value == pytest.approx(difference.flat[np.argmax(height)], abs=0.01)
    assert (span.low, span.high) == pytest.approx(exact, abs=0.12)


def test_three_wins_of_three_are_no_ranking() -> None:
    line = board(duel(3, 0), contestants=["v1"], champion=BASE).rows[0]
    assert line.contestant == "v1"
    assert (line.rating, line.rating_low, line.rating_high) == (1220.8, 906.8, 1614.9)
    assert (line.badge, line.rank_low, line.rank_high) == ("preliminary", 1, 2)


def test_a_tie_rates_as_half_a_win_for_each_and_both_bad_not_at_all() -> None:
    tied = strengths(ballots(("v1", "base", "tie", 4), ("v1", "base", "left", 6)))
    halves = strengths(ballots(("v1", "base", "left", 8), ("v1", "base", "right", 2)))
    more = strengths(ballots(("v1", "base", "tie", 4), ("v1", "base", "left", 6), ("v1", "base", "both_bad", 50)))
    assert tied.contrast("v1", BASE) == halves.contrast("v1", BASE) == more.contrast("v1", BASE)


def test_a_liking_for_the_left_is_measured_said_and_taken_out_of_the_ratings() -> None:
    """v1 mostly stood on the left, is as good as base, and the left gets 70%."""
    given = ballots(
        ("v1", "base", "left", 280),
        ("v1", "base", "right", 120),
        ("base", "v1", "left", 70),
        ("base", "v1", "right", 30),
    )
    found = board(given, contestants=["v1"], champion=BASE)
    line = next(line for line in found.rows if line.contestant == "v1")
    assert line.rating == pytest.approx(1000, abs=2)
    assert (found.left_bias.share, found.left_bias.elo) == (pytest.approx(0.70, abs=0.003), pytest.approx(147, abs=3))
    assert found.left_bias.low > 0.64
    assert found.left_bias.warning == (
        "The left answer is preferred for its place: of two equally good ones it gets 70% of the votes "
        "(65% to 75%). The ratings allow for that; ask raters to read both before they vote."
    )
    swapped = {("left", "right")[winner == "left"]: winner for winner in ("left", "right")}
    other = replace(given, counts={(a, b, swapped[w]): n for (a, b, w), n in given.counts.items()})
    assert (
        "The right answer is preferred for its place" in board(other, contestants=[], champion=BASE).left_bias.warning
    )
    assert board(duel(30, 20), contestants=[], champion=BASE).left_bias.warning == ""


def test_whom_no_votes_connect_with_base_is_not_ranked() -> None:
    given = ballots(("v1", "base", "left", 5), ("v2", "v3", "left", 9), ("v4", "base", "both_bad", 3))
    found = board(given, contestants=[BASE, "v5"], champion="v2")
    shown = {line.contestant: (line.rating is None, line.badge, line.rank_low is None) for line in found.rows}
    unknown = (True, "not compared yet", True)
    assert shown == {
        "v1": (False, "preliminary", False),
        BASE: (False, None, False),
        **dict.fromkeys(("v5", "v2", "v3", "v4"), unknown),
    }
    assert [line.contestant for line in found.rows[:2]] == ["v1", BASE]
    # Against the champion there is still something to say.
    v3 = next(line for line in found.rows if line.contestant == "v3")
    assert v3.words == "v2 is more than 99% likely better than v3: 9 votes, enough to be sure."
    assert {line.rating for line in board(duel(0, 0), contestants=["v1"], champion=BASE).rows} == {None}


def test_ranks_are_as_wide_as_what_is_not_known() -> None:
    sure = ballots(
        *(
            ("v1", "base", "left", 75),
            ("base", "v1", "right", 75),
            ("v1", "base", "right", 25),
            ("base", "v1", "left", 25),
        ),
        *(("v2", "v1", "left", 75), ("v1", "v2", "right", 75), ("v2", "v1", "right", 25), ("v1", "v2", "left", 25)),
    )
    found = board(sure, contestants=[], champion=BASE)
    assert [(line.contestant, line.rank_low, line.rank_high, line.badge) for line in found.rows] == [
        ("v2", 1, 1, "usable"),
        ("v1", 2, 2, "established"),
        (BASE, 3, 3, None),
    ]
    few = ballots(("v1", "base", "left", 3), ("base", "v1", "left", 1), ("v2", "v1", "left", 3))
    assert [(line.rank_low, line.rank_high) for line in board(few, contestants=[], champion=BASE).rows] == [
        (1, 3),
        (1, 3),
        (1, 3),
    ]


def test_variance_falls_with_votes_and_is_largest_where_there_are_none() -> None:
    nothing, some, many = (strengths(duel(n, m), names=("v1", "v2", BASE)) for n, m in ((0, 0), (6, 4), (60, 40)))
    assert nothing.variance("v1", BASE) == pytest.approx(2.0)
    assert 2.0 > some.variance("v1", BASE) > many.variance("v1", BASE) > 0.0
    assert many.variance("v2", BASE) > 1.0 > many.variance("v1", BASE)
    assert many.variance("v1", BASE) == many.variance(BASE, "v1")


def test_the_whole_board() -> None:
    given = Ballots(
        counts={
            ("v1", BASE, "left"): 6,
            ("v1", BASE, "tie"): 1,
            (BASE, "v1", "left"): 2,
            (BASE, "v1", "both_bad"): 1,
        },
        raters={"ann": 6, "bob": 4},
        excluded={"error": 2},
    )
    found = board(given, contestants=[BASE, "few-shot", "v1"], champion=BASE)
    best, base, unseen = found.rows
    assert [line.contestant for line in found.rows] == ["v1", BASE, "few-shot"]
    assert (best.votes, best.wins, best.losses, best.ties, best.both_bad) == (10, 6, 2, 1, 1)
    assert (best.win_probability, best.low, best.high) == (0.7, 0.3999, 0.9251)
    assert (best.likely_better, best.more) == (0.9102, 40)
    assert best.words == "v1 is 91% likely better than base: 9 votes, about 40 more to be sure."
    assert best.against_champion == Score(wins=6, losses=2, ties=1, both_bad=1)
    assert (base.words, base.rating, base.rating_low, base.badge) == ("base is in service.", 1000.0, 1000.0, None)
    assert (unseen.words, unseen.votes, unseen.rating) == (
        "few-shot and base are not compared with each other yet.",
        0,
        None,
    )
    assert best.rating_ties_ignored is not None
    assert best.rating is not None
    assert best.rating_ties_ignored > best.rating
    assert found.matrix["v1"] == {BASE: Score(wins=6, losses=2, ties=1, both_bad=1)}
    assert found.matrix[BASE] == {"v1": Score(wins=2, losses=6, ties=1, both_bad=1)}
    assert (found.votes, found.both_bad, found.raters, found.top_rater_share) == (10, 1, 2, 0.6)
    assert (found.excluded, found.ties_matter) == ({"error": 2}, False)


def test_it_is_said_when_the_order_hangs_on_how_ties_count() -> None:
    """v2 has the better record in decisive votes, v1 with ties as halves."""
    given = ballots(
        *(("v1", "base", "left", 30), ("base", "v1", "left", 10)),
        *(("v2", "base", "left", 9), ("base", "v2", "left", 1), ("v2", "base", "tie", 40)),
    )
    assert board(given, contestants=[], champion=BASE).ties_matter


def test_a_hundred_thousand_wins_and_none_lost_still_give_numbers() -> None:
    line = board(duel(100_000, 0), contestants=[], champion=BASE).rows[0]
    assert line.rating is not None
    assert line.rating_low is not None
    assert line.rating_high is not None
    assert 1000 < line.rating_low < line.rating < line.rating_high < 1000 + 12 * ELO
    assert (line.win_probability, line.likely_better, line.more) == (1.0, 1.0, 0)


# -- a test that may be looked at after every vote --


@cache
def needed(votes: int) -> np.ndarray:
    """For each number of decisive votes, the fewest wins that decide; one more than all of them where none do."""
    found, wins = [], 0
    for n in range(1, votes + 1):
        while wins <= n and sequential(wins, n - wins).decision != "better":
            wins += 1
        found.append(wins)
    return np.array(found)


def ends(chance: float, *, seed: int, repetitions: int, votes: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Simulated votes, looked at after each: how many it took to promote and to retire; one more than all for never."""
    wins = (np.random.default_rng(seed).random((repetitions, votes)) < chance).cumsum(axis=1)
    losses = np.arange(1, votes + 1) - wins
    better, worse = wins >= needed(votes), losses >= needed(votes)
    first = [np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, votes + 1) for hit in (better, worse)]
    return first[0], first[1]


def test_a_look_judges_wins_as_it_judges_losses() -> None:
    """What the simulations below rely on."""
    for wins, n in zip(needed(500)[5::50], range(6, 501, 50), strict=True):
        looks = [sequential(int(w), n - int(w)).decision for w in (wins - 1, wins, n - wins + 1, n - wins)]
        assert looks == [None, "better", None, "worse"]


def test_equal_models_looked_at_after_each_of_500_votes_are_hardly_ever_promoted() -> None:
    promoted, retired = ends(0.5, seed=1, repetitions=200)
    assert (promoted <= 500).sum() <= 0.05 * 200
    assert (retired <= 500).sum() <= 0.05 * 200
    many = ends(0.5, seed=2, repetitions=5_000)
    assert [float((found <= 500).mean()) <= 0.025 for found in many] == [True, True]


@pytest.mark.parametrize(("chance", "within"), [(0.8, 40), (0.7, 90), (0.65, 170)])
def test_a_better_model_is_promoted_and_a_worse_one_retired(chance: float, within: int) -> None:
    """In four of five cases within so many decisive votes."""
    promoted, wrongly_retired = ends(chance, seed=3, repetitions=500)
    wrongly_promoted, retired = ends(1 - chance, seed=4, repetitions=500)
    assert (float(np.quantile(promoted, 0.8)) <= within, float(np.quantile(retired, 0.8)) <= within) == (True, True)
    assert (wrongly_promoted.min(), wrongly_retired.min()) == (501, 501)


def test_the_stake_is_a_fair_bet_for_equal_models() -> None:
    """Its mean over all ways that 12 votes can fall is exactly 1 on its side, and less for a worse model."""
    from ftchat.ratings.sequential import _stake

    for chance, fair in ((0.5, True), (0.45, False), (0.3, False)):
        mean = sum(stats.binom.pmf(wins, 12, chance) * np.exp(_stake(wins, 12 - wins)) for wins in range(13))
        assert (mean == pytest.approx(1.0)) if fair else mean < 1.0


@pytest.mark.parametrize(
    ("wins", "losses", "decision", "more", "said"),
    [
        (0, 0, None, None, "0 to 0 in decisive votes: too close to say how many more it takes."),
        (5, 5, None, None, "5 to 5 in decisive votes: too close to say how many more it takes."),
        (8, 2, None, 18, "8 to 2 in decisive votes: about 18 more of them at this rate decide it."),
        (2, 8, None, 18, "2 to 8 in decisive votes: about 18 more of them at this rate decide it."),
        (52, 48, None, None, "52 to 48 in decisive votes: too close to say how many more it takes."),
        (300, 260, None, 1906, "300 to 260 in decisive votes: more than 400 more of them at this rate decide it."),
        (20, 3, "better", 0, "20 to 3 in decisive votes: that decides it, it is better."),
        (3, 20, "worse", 0, "3 to 20 in decisive votes: that decides it, it is worse."),
        (90_000, 10_000, "better", 0, "90000 to 10000 in decisive votes: that decides it, it is better."),
    ],
)
def test_a_look_says_what_it_decides_or_what_is_missing(
    wins: int, losses: int, decision: str | None, more: int | None, said: str
) -> None:
    look = sequential(wins, losses)
    assert (look.decision, look.more, look.words) == (decision, more, said)
    assert (look.evidence >= look.needed) == (decision is not None)
