"""What contestants answer to the exam's questions, to the pins, and to what was bad or liked; and how good that is.

The answers are greedy, so that asking again gives the same ones. It does not know what follows from it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
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
_AGAIN_ROOM = 256  # and of one where nobody wrote how long it should be, at most
_JUDGED = frozenset({"positive", "negative"})

Said = tuple[str, Finish]


@dataclass(frozen=True)
class Asking:
    """Whose answers are judged: the candidate's above all, beside those of the others."""

    candidate: str
    champion: str
    who: Sequence[str]  # all of them, candidate, champion and base included
    limit: int  # exam rows that are answered, at most: first those whose text people wrote


async def answered(examiner: Examiner, asking: Asking, *, paper: Paper, pins: Sequence[Pin], judge: Judge) -> Answers:
    """Ask, and have it judged."""
    asked = _spread(await asyncio.to_thread(_fitting, examiner, paper.wanted), asking.limit)
    voted = await asyncio.to_thread(_fitting, examiner, [*paper.pairs, *paper.even])
    looked_at = [*asked, *_spread(voted, asking.limit - len(asked))]
    both = list(dict.fromkeys((asking.candidate, asking.champion)))
    more = [*looked_at, *paper.bad, *paper.liked]
    said = {name: await _said(examiner, name, more if name in both else asked) for name in asking.who}
    pinned = {name: await all_of(partial(_pin, examiner, name), pins) for name in both}
    judged, held = await judge.judge(
        {
            "candidate": asking.candidate,
            "champion": asking.champion,
            "rows": [_told(row, said) for row in asked],
            "bad": [_was_bad(row, paper, _texts(row, both, said)) for row in paper.bad],
            "liked": [{"liked": row.target, "now": _texts(row, both, said)} for row in paper.liked],
            "patterns": [
                (p.matches, t) for name in pinned for p, t in zip(pins, pinned[name], strict=True) if p.matches
            ],
        }
    )
    return Answers(
        asked=len(asked),
        looked_at=len(looked_at),
        closer=judged["closer"],
        degenerate={name: sum(bool(degenerate(*said[name][row.id])) for row in looked_at) for name in both},
        length={name: _length(looked_at, said[name]) for name in both} if looked_at else {},
        texts=judged["texts"],
        against={name: (low, high) for name, (low, high) in judged["against"].items()},
        pins=_judged_pins(pins, pinned, held),
        flaws={**judged["flaws"], "marked": paper.marked},
    )


def _spread(rows: Sequence[Row], most: int) -> list[Row]:
    """So many of them, spread over all that was ever asked."""
    count = min(len(rows), most)
    return [rows[at * len(rows) // count] for at in range(count)]


def _fitting(examiner: Examiner, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if examiner.takes(row)]


async def _said(examiner: Examiner, name: str, rows: Sequence[Row]) -> dict[str, Said]:
    """What a contestant answers to each row, by its id; to each once."""
    once = {row.id: row for row in rows}
    return dict(zip(once, await all_of(partial(_row, examiner, name), list(once.values())), strict=True))


async def _row(examiner: Examiner, name: str, row: Row) -> Said:
    room = examiner.room(row.target)
    return await examiner.says(name, row.messages, room=min(room, _AGAIN_ROOM) if row.role in _JUDGED else room)


async def _pin(examiner: Examiner, name: str, pin: Pin) -> str:
    return (await examiner.says(name, [Message("user", pin.prompt)], room=PIN_ROOM))[0]


def _texts(row: Row, names: Iterable[str], said: Mapping[str, Mapping[str, Said]]) -> dict[str, str]:
    return {name: said[name][row.id][0] for name in names}


def _told(row: Row, said: Mapping[str, Mapping[str, Said]]) -> dict[str, Any]:
    """A row as it is judged. Before: the reply that was corrected, or what base says."""
    texts = _texts(row, said, said)
    before = row.rejected if row.rejected is not None else texts[BASE]
    return {"group": row.group, "wanted": row.target, "before": before, "said": texts}


def _was_bad(row: Row, paper: Paper, now: Mapping[str, str]) -> dict[str, Any]:
    wanted = row.target if row.role == "target" else None
    return {"bad": bad_text(row), "wanted": wanted, "now": now, "unseen": row.id in paper.unseen}


def _length(rows: Sequence[Row], said: Mapping[str, Said]) -> float:
    """How many times as long as the wanted text, in the middle."""
    return median(len(said[row.id][0]) / len(row.target) for row in rows)


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
