"""What contestants answer to the exam's questions, to the pins, and to what was bad or liked; and how good that is.

The answers are greedy, so that asking again gives the same ones. It does not know what follows from it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from ftchat.exam.guards import broken, degenerate
from ftchat.exam.judging import Judge
from ftchat.exam.measure import Examiner, all_of
from ftchat.exam.paper import Paper, bad_text
from ftchat.exam.scores import Answers, Pinned
from ftchat.records import BASE, Finish, Message, Row
from ftchat.store.exams import Pin

PIN_ROOM = 128  # tokens of an answer to a pinned question

Said = tuple[str, Finish]


@dataclass(frozen=True)
class Asking:
    """Whose answers are judged: the candidate's above all, beside those of the others."""

    candidate: str
    champion: str
    who: Sequence[str]  # all of them, candidate, champion and base included
    limit: int  # exam rows that are answered, at most


async def answered(examiner: Examiner, asking: Asking, *, paper: Paper, pins: Sequence[Pin], judge: Judge) -> Answers:
    """Ask, and have it judged."""
    fitting = await asyncio.to_thread(_fitting, examiner, paper)
    asked = _spread(fitting, asking.limit)
    said = {name: await all_of(partial(_row, examiner, name), asked) for name in asking.who}
    pinned = {name: await all_of(partial(_pin, examiner, name), pins) for name in _both(asking)}
    again = [*paper.bad, *paper.liked]
    now = await all_of(partial(_row, examiner, asking.candidate), again)
    judged, held = await judge.judge(
        {
            "candidate": asking.candidate,
            "champion": asking.champion,
            "rows": [_told(row, at, said) for at, row in enumerate(asked)],
            "bad": [_was_bad(row, text) for row, (text, _) in zip(paper.bad, now, strict=False)],
            "liked": [
                {"liked": r.target, "now": t} for r, (t, _) in zip(paper.liked, now[len(paper.bad) :], strict=True)
            ],
            "patterns": [
                (p.matches, t) for name in pinned for p, t in zip(pins, pinned[name], strict=True) if p.matches
            ],
        }
    )
    return Answers(
        asked=len(asked),
        closer=judged["closer"],
        degenerate={name: sum(bool(degenerate(*one)) for one in answers) for name, answers in said.items()},
        length={name: _length(asked, answers) for name, answers in said.items()} if asked else {},
        texts=judged["texts"],
        against={name: (low, high) for name, (low, high) in judged["against"].items()},
        pins=_judged_pins(pins, pinned, held),
        flaws={**judged["flaws"], "marked": paper.marked},
    )


def _spread(rows: Sequence[Row], most: int) -> list[Row]:
    """So many of them, spread over all that was ever asked."""
    count = min(len(rows), most)
    return [rows[at * len(rows) // count] for at in range(count)]


def _fitting(examiner: Examiner, paper: Paper) -> list[Row]:
    return [row for row in paper.wanted if examiner.takes(row)]


async def _row(examiner: Examiner, name: str, row: Row) -> Said:
    return await examiner.says(name, row.messages, room=examiner.room(row.target))


async def _pin(examiner: Examiner, name: str, pin: Pin) -> str:
    return (await examiner.says(name, [Message("user", pin.prompt)], room=PIN_ROOM))[0]


def _both(asking: Asking) -> list[str]:
    return list(dict.fromkeys((asking.candidate, asking.champion)))


def _told(row: Row, at: int, said: Mapping[str, Sequence[Said]]) -> dict[str, Any]:
    """A row as it is judged. Before: the reply that was corrected, or what base says."""
    before = row.rejected if row.rejected is not None else said[BASE][at][0]
    return {"wanted": row.target, "before": before, "said": {name: answers[at][0] for name, answers in said.items()}}


def _was_bad(row: Row, now: str) -> dict[str, Any]:
    wanted = row.target if row.role == "target" else None
    return {"bad": bad_text(row), "wanted": wanted, "now": now, "unseen": row.split == "exam"}


def _length(rows: Sequence[Row], answers: Sequence[Said]) -> float:
    """How many times as long as the wanted text, in the middle."""
    return median(len(text) / len(row.target) for row, (text, _) in zip(rows, answers, strict=True))


def _judged_pins(
    pins: Sequence[Pin], said: Mapping[str, Sequence[str]], held: Sequence[bool | None]
) -> tuple[Pinned, ...]:
    """Every pin with how each contestant breaks it; `held` are the patterns' matches in the order they were given."""
    matches = iter(held)
    found: list[dict[str, str]] = [{} for _ in pins]
    for name, texts in said.items():
        for at, (pin, text) in enumerate(zip(pins, texts, strict=True)):
            found[at][name] = broken(pin, text, matched=next(matches) if pin.matches else None)
    return tuple(Pinned(pin.prompt, words) for pin, words in zip(pins, found, strict=True))
