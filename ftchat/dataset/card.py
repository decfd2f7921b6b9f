"""What a snapshot made now would hold, in numbers and in words: what each piece of feedback becomes, and what is odd.

It reads a store and writes nothing. What it shows of personal data is where it is, never what it is.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from ftchat.dataset import personal
from ftchat.dataset.candidates import WHY, Dropped
from ftchat.dataset.gathering import Gathered, gathered, of_split
from ftchat.dataset.settling import ENOUGH_PEOPLE, shares
from ftchat.records import DECIDING, ROW_ROLES, Feedback, Row
from ftchat.store import Store
from ftchat.store.feedback import split_of
from ftchat.store.lessons import feedback_of

LEAST = 8  # votes and thumbs that are enough by themselves; one correction is, since it says what is wanted
_FEW, _SOME = 8, 40
_LOPSIDED = 1.5  # chosen over rejected, in length
_SHOWN = 50  # of what is likely to be personal


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a press of Retrain would use, in numbers and in words."""

    corrections: int
    train: int
    tune: int
    exam: int
    exam_groups: int
    pending: int
    votes: int
    new: int
    enough: bool
    advice: str
    becomes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by split, then role
    dropped: Mapping[str, int] = field(default_factory=dict)  # by reason, most first
    why: Mapping[str, str] = field(default_factory=dict)  # these reasons in words
    duplicates: int = 0
    contradictions: int = 0
    people: Sequence[Mapping[str, Any]] = ()  # rows that train, their weight and share, largest first
    lengths: Mapping[str, Any] | None = None  # of what was chosen over what was rejected
    personal: Sequence[Mapping[str, str]] = ()  # the first of what is likely to be personal
    personal_rows: int = 0
    notes: Sequence[str] = ()  # what is odd about all this, in words


@dataclass(frozen=True, kw_only=True)
class Became:
    """One piece of feedback, or one half of it, and what it becomes."""

    id: str
    role: str
    split: str | None
    weight: float | None
    rater: str
    why: str = ""
    of: str | None = None
    personal: tuple[str, ...] = ()


def card(store: Store, *, trained: set[str], exam_groups: int) -> Card:
    """What a snapshot made now would hold, and what more would help."""
    found = gathered(store)
    train = of_split(found.rows, "train")
    groups = len({row.group for row in of_split(found.rows, "exam") if row.role in DECIDING})
    counts = store.feedback.counts()
    lost = Counter(item.why for item in found.dropped)
    hints = list(_personal(found.rows))
    lengths = _lengths(train)
    return Card(
        corrections=sum(row.role == "target" for row in found.rows),
        train=len(train),
        tune=len(of_split(found.rows, "tune")),
        exam=len(of_split(found.rows, "exam")),
        exam_groups=groups,
        pending=sum(n for what, n in counts.items() if what.endswith("/pending")),
        votes=counts.get("vote/approved", 0),
        new=len({feedback_of(row.id) for row in found.rows} - trained),
        enough=is_enough(train),
        advice=_advice(train, groups, needed=exam_groups, questions=store.feedback.groups()),
        becomes=_becomes(found.rows),
        dropped=dict(lost.most_common()),
        why={why: WHY[why] for why in lost},
        duplicates=lost["duplicate"],
        contradictions=lost["contradicted"] + lost["divided"],
        people=_people(train),
        lengths=lengths,
        personal=hints[:_SHOWN],
        personal_rows=len({hint["row"] for hint in hints}),
        notes=tuple(_notes(found, train, lengths, hints)),
    )


def became(store: Store, *, groups: Collection[str] | None = None, besides: Sequence[Feedback] = ()) -> list[Became]:
    """Each piece of approved feedback and what it becomes, by id, as if what is given `besides` were approved, too;
    with `groups`, in these, and without a weight."""
    found = gathered(store, groups=groups, besides=besides)
    kinds: dict[str, dict[str, None]] = {}
    for hint in _personal(found.rows):
        kinds.setdefault(hint["row"], {})[hint["kind"]] = None
    rows = [
        Became(
            id=row.id,
            role=row.role,
            split=row.split,
            weight=row.weight if groups is None else None,
            rater=row.rater,
            personal=tuple(kinds.get(row.id, {})),
        )
        for row in found.rows
    ]
    lost = [_lost(item) for item in found.dropped]
    return sorted(rows + lost, key=lambda item: item.id)


def is_enough(train: Iterable[Row]) -> bool:
    """Whether there is something to learn from: one correction; or enough votes and thumbs, not all of them down."""
    count = Counter(row.role for row in train)
    good = count["pair"] + count["positive"]
    return count["target"] > 0 or (good > 0 and good + count["negative"] >= LEAST)


def _lost(item: Dropped) -> Became:
    return Became(id=item.id, role=item.role, split=None, weight=None, rater=item.rater, why=WHY[item.why], of=item.of)


def _becomes(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    count = Counter((row.split, row.role) for row in rows)
    return {
        split: {role: count[split, role] for role in ROW_ROLES if role != "tie" or split == "exam"}
        for split in ("train", "tune", "exam")
    }


def _people(train: Sequence[Row]) -> list[dict[str, Any]]:
    rows = Counter(row.rater for row in train)
    # What is only to be avoided weighs less, whoever says so.
    weight = {row.rater: row.weight for row in train if row.role != "negative"}
    return [
        {"name": who, "rows": rows[who], "weight": round(weight.get(who, 1.0), 4), "share": round(share, 4)}
        for who, share in shares(train).items()
    ]


def _lengths(train: Sequence[Row]) -> dict[str, Any] | None:
    """How long what was chosen is beside what was rejected, in characters: a model may learn just that."""
    ratios = [len(row.target) / len(row.rejected) for row in train if row.role in DECIDING and row.rejected]
    if not ratios:
        return None
    longer = sum(ratio > 1 for ratio in ratios)
    return {"pairs": len(ratios), "median_ratio": round(median(ratios), 3), "longer": longer}


def _personal(rows: Iterable[Row]) -> Iterator[dict[str, str]]:
    for row in rows:
        texts = {message.content: "question" for message in row.messages}
        texts |= {text: place for text, place in ((row.rejected, "rejected"), (row.target, "answer")) if text}
        for text, place in texts.items():
            for hint in personal.found(text):
                yield {"row": row.id, "kind": hint.kind, "where": place, "shown": hint.shown}


def _notes(
    found: Gathered, train: Sequence[Row], lengths: Mapping[str, Any] | None, hints: Sequence[Mapping[str, str]]
) -> Iterator[str]:
    if lengths and lengths["pairs"] >= _FEW and not 1 / _LOPSIDED <= lengths["median_ratio"] <= _LOPSIDED:
        longer = "longer" if lengths["median_ratio"] > 1 else "shorter"
        yield f"What you prefer is mostly {longer} than the rest: it may learn to be {longer} above all."
    if hints:
        kinds = ", ".join(sorted({hint["kind"] for hint in hints}))
        rows = len({hint["row"] for hint in hints})
        what = f"{_count(rows, 'row')} may hold personal data or secrets ({kinds})."
        yield f"{what} An adapter can repeat what it learned."
    held_back = [person for person in _people(train) if person["weight"] < 1]
    if held_back:
        names = ", ".join(person["name"] for person in held_back[:3])
        yield (
            f"{names} gave more than a fifth of what trains; from {ENOUGH_PEOPLE} people on each of their rows counts "
            "for less, so that nobody outweighs the others."
        )
    if any(item.why == "divided" for item in found.dropped):
        yield "On some answers as many people said yes as no: talk about them, since nothing is learned from those."
    count = Counter(row.role for row in train)
    if count["negative"] and not is_enough(train):
        yield "Thumbs down say what to avoid; without a correction, a vote or a thumb up there is nothing to move to."


def _advice(train: Sequence[Row], groups: int, *, needed: int, questions: int) -> str:
    if not is_enough(train):
        return _too_little(train)
    count = Counter(row.role for row in train)
    if count["target"] >= len(train) / 2:
        what, word = _count(count["target"], "correction"), "corrections"
    else:
        what, word = f"{_count(len(train), 'row')} of feedback", "votes or corrections"
    if len(train) < _FEW:
        first = f"{what}: enough to see something change, too few to be sure of it."
    elif len(train) < _SOME:
        first = f"{what}: enough to teach one habit well."
    else:
        first = f"{what}: a solid set."
    if groups >= needed:
        return (
            f"{first} {_count(groups, 'question')} kept aside will decide by themselves whether the result is better."
        )
    more = _until(needed - groups, questions=questions)
    return (
        f"{first} Some new questions, at first every sixth, are kept aside for the exam: {groups} of {needed} so far. "
        f"Until then you decide, by blind votes or by using it; {more} more {word} on new questions and the exam "
        "can decide."
    )


def _too_little(train: Sequence[Row]) -> str:
    start = "Correct a few replies first: five corrections of one kind are enough to see something change."
    if not train:
        return f"{start} Votes and thumbs teach too, from {LEAST} of them on."
    have = _count(len(train), "vote or thumb") if len(train) == 1 else f"{len(train)} votes and thumbs"
    if len(train) >= LEAST:
        return f"{have}, and all of them down: that says what to avoid and not what to do instead. {start}"
    return f"{have} so far: {LEAST - len(train)} more are enough to learn from; one correction is enough by itself."


def _until(exams: int, *, questions: int) -> int:
    """How many more new questions bring so many more for the exam."""
    coming = itertools.count(questions + 1)
    for _ in range(exams):
        last = next(n for n in coming if split_of(n) == "exam")
    return last - questions


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
