"""Figures over answers: the metrics of each contestant, how many come closer, the paired bootstrap, and old flaws.

It knows texts. It runs in the process of `python -m ftchat.exam`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ftchat.exam.chance import interval, mean
from ftchat.exam.texts import bleu_of, bleu_over, likeness, metrics, of, rouge_l, squeezed

_NEARER = 1.0  # points of chrF from which an answer is nearer than another
_ANOTHER = 50.0  # points of chrF below which an answer is another one


def judge(asked: Mapping[str, Any]) -> dict[str, Any]:
    """All figures of what was asked."""
    rows, candidate, champion = asked["rows"], asked["candidate"], asked["champion"]
    names = list(rows[0]["said"]) if rows else []
    wanted = [row["wanted"] for row in rows]
    by = metrics()
    return {
        "texts": {name: of([row["said"][name] for row in rows], wanted, by=by) for name in names},
        "closer": {name: sum(_closer(row, name) for row in rows) for name in names},
        "against": _against(rows, candidate, champion) if rows and candidate != champion else {},
        "flaws": _flaws(asked["bad"], asked["liked"]),
    }


def _closer(row: Mapping[str, Any], name: str) -> bool:
    """Whether an answer is nearer to the wanted text than what was said before."""
    return likeness(row["said"][name], row["wanted"]) > likeness(row["before"], row["wanted"]) + _NEARER


def _against(rows: Sequence[Mapping[str, Any]], candidate: str, champion: str) -> dict[str, tuple[float, float]]:
    """Candidate minus champion: where the mean of the rows' lies, or for BLEU, which is of all at once, that of all."""
    ours, theirs = ([bleu_of(row["said"][name], row["wanted"]) for row in rows] for name in (candidate, champion))

    def bleu(drawn: Sequence[int]) -> float:
        return bleu_over([ours[at] for at in drawn]) - bleu_over([theirs[at] for at in drawn])

    found = {"bleu": interval(len(rows), bleu)}
    for name, score in (("chrf", likeness), ("rouge_l", rouge_l), ("exact", _same)):
        gains = [score(r["said"][candidate], r["wanted"]) - score(r["said"][champion], r["wanted"]) for r in rows]
        found[name] = interval(len(gains), lambda drawn, gains=gains: mean([gains[at] for at in drawn]))  # type: ignore[misc]
    return found


def _same(text: str, wanted: str) -> float:
    return float(squeezed(text) == squeezed(wanted))


def _flaws(bad: Sequence[Mapping[str, Any]], liked: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What became of replies that people marked as bad, and how many that they liked are others now."""
    fixed, unseen = sum(_fixed(item) for item in bad), [item for item in bad if item["unseen"]]
    new = sum(likeness(item["now"], item["liked"]) < _ANOTHER for item in liked)
    apart = {"unseen": len(unseen), "unseen_fixed": sum(_fixed(item) for item in unseen)}
    return {"fixed": fixed, "still": len(bad) - fixed, "new": new, **apart}


def _fixed(item: Mapping[str, Any]) -> bool:
    """Whether the bad reply is gone; where somebody wrote the right one, whether it is nearer to that."""
    if squeezed(item["now"]) == squeezed(item["bad"]) or not item["now"].strip():
        return False
    if item["wanted"] is None:
        return likeness(item["now"], item["bad"]) < _ANOTHER
    return likeness(item["now"], item["wanted"]) > likeness(item["bad"], item["wanted"]) + _NEARER
