"""The exam paper: which rows of a snapshot are asked, for what, and how many.

It reads the frozen files, so that a run that lost its app asks the same questions. It knows no engine.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftchat.dataset import is_whole
from ftchat.errors import TrainingError
from ftchat.records import DECIDING, Message, Row, group_key

_FILES = ("rows.jsonl", "exam.jsonl")


@dataclass(frozen=True)
class Paper:
    """What an exam asks."""

    wanted: tuple[Row, ...]  # what people wrote themselves: their text should become likelier
    pairs: tuple[Row, ...]  # of two replies the better one: it should be likelier than the other
    even: tuple[Row, ...]  # of two replies none is better: what is answered instead must not be broken
    bad: tuple[Row, ...]  # questions with a reply that people marked as bad
    liked: tuple[Row, ...]  # questions with a reply that people liked
    unseen: frozenset[str]  # the ids of the rows whose question training never saw
    marked: int = 0  # bad ones, of which so many are asked again
    taught: int = 0  # exam rows that are left out, because training saw their question in another conversation


def frozen(folder: Path) -> list[Row]:
    """Every row of a snapshot's folder, as it was frozen."""
    if not is_whole(folder):
        raise TrainingError(f"The snapshot {folder.name} of this run is gone or changed. Press Retrain to start again.")
    found = []
    for name in _FILES:
        for line in (folder / name).read_text(encoding="utf-8").split("\n"):  # texts may hold U+2028
            if not line:
                continue
            values = json.loads(line)
            found.append(Row(**{**values, "messages": tuple(Message(**m) for m in values["messages"])}))
    return sorted(found, key=lambda row: row.id)


def paper(rows: Sequence[Row], *, wrote: Collection[str] | None = None, bad: int = 16, liked: int = 8) -> Paper:
    """The questions in a set of rows; `bad` and `liked` are how many of those are asked again, newest first; of the bad
    ones those in `wrote`, the ids of rows about replies of whom it is about, if that is given."""
    taught = {_question(row) for row in rows if row.split in ("train", "tune")}
    kept = [row for row in rows if row.split == "exam"]
    exam = [row for row in kept if _question(row) not in taught]
    unseen = frozenset(row.id for row in exam)
    flawed = _once((row for row in _flawed(rows) if wrote is None or row.id in wrote), first=unseen)
    return Paper(
        wanted=tuple(row for row in exam if row.role == "target"),
        pairs=tuple(row for row in exam if row.role == "pair"),
        even=tuple(row for row in exam if row.role == "tie"),
        bad=tuple(flawed[:bad]),
        liked=tuple(_once((row for row in rows if row.role == "positive"), first=unseen)[:liked]),
        unseen=unseen,
        marked=len(flawed),
        taught=len(kept) - len(exam),
    )


def _question(row: Row) -> str:
    """What was asked last, however a conversation began: the same question asked later in another is the same."""
    return group_key(next((said.content for said in reversed(row.messages) if said.role == "user"), ""))


def has_rejected(row: Row) -> bool:
    """Whether it says that one text is better than another."""
    return row.role in DECIDING and row.rejected is not None


def bad_text(row: Row) -> str:
    """The reply that people marked as bad."""
    return row.target if row.role == "negative" else row.rejected or ""


def _flawed(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.role == "negative" or (row.role == "target" and row.rejected)]


def _once(rows: Iterable[Row], *, first: Collection[str]) -> list[Row]:
    """Those never taught first, then the newest; a question once."""
    newest = sorted(rows, key=lambda row: row.id[2:], reverse=True)
    once: dict[tuple[Message, ...], Row] = {}
    for row in sorted(newest, key=lambda row: row.id not in first):
        once.setdefault(row.messages, row)
    return list(once.values())
