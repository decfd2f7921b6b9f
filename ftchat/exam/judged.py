"""Figures over answers: the metrics of each contestant, how many come closer, the paired bootstrap, and old flaws.

It knows texts. It runs in the process of `python -m ftchat.exam`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ftchat.exam.chance import interval, mean
from ftchat.exam.texts import bleu_of, bleu_over, likeness, metrics, of, rouge_l, squeezed

_NEARER = 1.0  # points of chrF from which an answer is nearer than another
_ANOTHER = 50.0  # points of chrF below which an answer is another one
_FEW = 8  # groups, below which an interval would be too narrow to be true


def judge(asked: Mapping[str, Any]) -> dict[str, Any]:
    """All figures of what was asked."""
    rows, candidate, champion = asked["rows"], asked["candidate"], asked["champion"]
    names = list(rows[0]["said"]) if rows else []
    wanted = [row["wanted"] for row in rows]
    by = metrics()
    return {
        "texts": {name: of([row["said"][name] for row in rows], wanted, by=by) for name in names},
        "closer": {name: sum(_closer(row, name) for row in rows) for name in names},
        "against": _against(rows, candidate, champion),
        "flaws": _flaws(asked["bad"], asked["liked"], candidate, champion),
    }


def _closer(row: Mapping[str, Any], name: str) -> bool:
    """Whether an answer is nearer to the wanted text than what was said before."""
    return likeness(row["said"][name], row["wanted"]) > likeness(row["before"], row["wanted"]) + _NEARER


def _against(rows: Sequence[Mapping[str, Any]], candidate: str, champion: str) -> dict[str, tuple[float, float]]:
    """Candidate minus champion: where the mean of the rows' lies, or for BLEU, which is of all at once, that of all.

    Rows of a group are drawn together, as they are not independent; of few groups nothing is said.
    """
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(row["group"], []).append(at)
    if len(groups) < _FEW or candidate == champion:
        return {}
    units = list(groups.values())
    ours, theirs = ([bleu_of(row["said"][name], row["wanted"]) for row in rows] for name in (candidate, champion))

    def bleu(drawn: Sequence[int]) -> float:
        return bleu_over([ours[at] for at in drawn]) - bleu_over([theirs[at] for at in drawn])

    def of_the_mean(score: Callable[[str, str], float]) -> tuple[float, float]:
        gains = [score(r["said"][candidate], r["wanted"]) - score(r["said"][champion], r["wanted"]) for r in rows]
        return interval(units, lambda drawn: mean([gains[at] for at in drawn]))

    means = {"chrf": likeness, "rouge_l": rouge_l, "exact": _same}
    return {"bleu": interval(units, bleu), **{name: of_the_mean(score) for name, score in means.items()}}


def _same(text: str, wanted: str) -> float:
    return float(squeezed(text) == squeezed(wanted))


def _flaws(
    bad: Sequence[Mapping[str, Any]], liked: Sequence[Mapping[str, Any]], candidate: str, champion: str
) -> dict[str, int]:
    """What became of replies that people marked as bad, and how many that they liked are others now; and what the
    champion makes of the same, since it was not asked greedily when it wrote them."""
    unseen = [item for item in bad if item["unseen"]]

    def fixed(name: str, items: Sequence[Mapping[str, Any]]) -> int:
        return sum(_fixed(item, item["now"][name]) for item in items)

    def new(name: str) -> int:
        return sum(likeness(item["now"][name], item["liked"]) < _ANOTHER for item in liked)

    return {
        **{"fixed": fixed(candidate, bad), "still": len(bad) - fixed(candidate, bad), "new": new(candidate)},
        **{"unseen": len(unseen), "unseen_fixed": fixed(candidate, unseen)},
        **{"fixed_before": fixed(champion, bad), "new_before": new(champion)},
    }


def _fixed(item: Mapping[str, Any], now: str) -> bool:
    """Whether the bad reply is gone; where somebody wrote the right one, whether it is nearer to that."""
    if squeezed(now) == squeezed(item["bad"]) or not now.strip():
        return False
    if item["wanted"] is None:
        return likeness(now, item["bad"]) < _ANOTHER
    return likeness(now, item["wanted"]) > likeness(item["bad"], item["wanted"]) + _NEARER
