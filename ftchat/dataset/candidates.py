"""What one piece of approved feedback becomes, by itself: rows with a role, or the reason why it teaches nothing.

| feedback      | becomes                                                   |
| ------------- | --------------------------------------------------------- |
| correction    | a target, over what it corrects where that was finished   |
| left or right | a pair: the winner over the other                         |
| tie           | a row for the exam, and nothing outside it                |
| both_bad      | two negatives                                             |
| up, down      | a positive, a negative                                    |

A reply that was cut off (by a person, an early vote or an error) was not given its chance. One that hit the length
limit may be worse than another, but it is no example to follow: it would teach to stop in the middle of a sentence.
"""

from dataclasses import dataclass
from typing import Literal

from ftchat.records import Reply, Row, RowRole
from ftchat.store.lessons import Answered, Lesson

Why = Literal[
    "duplicate", "replaced", "contradicted", "divided", "corrected", "cut", "too long", "empty", "same", "tie"
]
WHY: dict[Why, str] = {
    "duplicate": "says the same as another row",
    "replaced": "a newer correction of the same answer to the same question stands",
    "contradicted": "more people, or a newer correction, say otherwise",
    "divided": "as many people say the opposite",
    "corrected": "a correction says what this reply should have been",
    "cut": "a reply was cut off before its end",
    "too long": "the better reply stopped at the longest answer allowed, and would teach to stop there",
    "empty": "a reply has no text",
    "same": "both replies say the same",
    "tie": "a tie says nothing that can be trained; only the exam uses ties",
}


@dataclass(frozen=True)
class Dropped:
    """Feedback, or one half of it, that becomes no row; `of` is the row that stands instead, if one does."""

    id: str
    rater: str
    role: RowRole
    why: Why
    of: str | None = None


def candidates(lesson: Lesson) -> tuple[list[Row], list[Dropped]]:
    """The rows that a piece of feedback asks for, each of weight 1, and what it cannot be."""
    feedback = lesson.feedback
    if feedback.kind == "correction":
        return _correction(lesson)
    if feedback.kind == "rating":
        return _single(lesson, lesson.replies[0], "positive" if feedback.value == "up" else "negative")
    if feedback.value in ("left", "right"):
        return _pair(lesson)
    if feedback.value == "tie":
        return _tie(lesson)
    left, right = (_single(lesson, one, "negative", name=f"{feedback.id} {one.reply.lane}") for one in lesson.replies)
    return left[0] + right[0], left[1] + right[1]


def _correction(lesson: Lesson) -> tuple[list[Row], list[Dropped]]:
    one, wanted = lesson.replies[0], lesson.feedback.value
    text, finished = one.reply.text, one.reply.finish in ("stop", "length")
    replaced = finished and text.strip() not in ("", wanted.strip())
    return [_row(lesson, one, "target", target=wanted, rejected=text if replaced else None)], []


def _single(lesson: Lesson, one: Answered, role: RowRole, *, name: str = "") -> tuple[list[Row], list[Dropped]]:
    name, reply = name or lesson.feedback.id, one.reply
    if why := _unfit(reply) or ("too long" if role == "positive" and reply.finish == "length" else None):
        return [], [Dropped(name, lesson.feedback.rater, role, why)]
    return [_row(lesson, one, role, target=reply.text, name=name)], []


def _pair(lesson: Lesson) -> tuple[list[Row], list[Dropped]]:
    better, worse = sorted(lesson.replies, key=lambda one: one.reply.lane != lesson.feedback.value)
    long: Why | None = "too long" if better.reply.finish == "length" else None
    if why := _unfit_together(better.reply, worse.reply) or long:
        return [], [Dropped(lesson.feedback.id, lesson.feedback.rater, "pair", why)]
    return [_row(lesson, better, "pair", target=better.reply.text, rejected=worse.reply.text)], []


def _tie(lesson: Lesson) -> tuple[list[Row], list[Dropped]]:
    left, right = lesson.replies
    why = _unfit_together(left.reply, right.reply) or (None if lesson.feedback.split == "exam" else "tie")
    if why:
        return [], [Dropped(lesson.feedback.id, lesson.feedback.rater, "tie", why)]
    return [_row(lesson, left, "tie", target=left.reply.text, rejected=right.reply.text)], []


def _unfit(reply: Reply) -> Why | None:
    if not reply.text.strip():
        return "empty"
    return "cut" if reply.finish in (None, "cut", "error") else None


def _unfit_together(one: Reply, other: Reply) -> Why | None:
    same: Why | None = "same" if one.text.strip() == other.text.strip() else None
    return _unfit(one) or _unfit(other) or same


def _row(
    lesson: Lesson, one: Answered, role: RowRole, *, target: str, rejected: str | None = None, name: str = ""
) -> Row:
    feedback = lesson.feedback
    assert feedback.split is not None  # lessons are of groups that have one
    return Row(
        id=name or feedback.id,
        role=role,
        split=feedback.split,
        weight=1.0,
        group=feedback.group,
        messages=one.messages,
        target=target,
        rejected=rejected,
        rater=feedback.rater,
    )
