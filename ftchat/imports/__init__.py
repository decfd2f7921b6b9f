"""Feedback from JSONL: what `exports` writes, and what others write for TRL, line by line, all of it or nothing.

Each line becomes a conversation of its own, whose replies are by the contestant `imported`, and the feedback on them.
What this home would already export as the same line is skipped, so importing twice is importing once. How lines are
read is in `lines`. It does not know HTTP or roles.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from ftchat.errors import BadInput
from ftchat.exports import FORMATS, IMPORTED, WRITERS, Format, Judged, Said, judged_from
from ftchat.imports.lines import Read, read
from ftchat.records import Conversation, Params, Reply, Status, Turn, canonical, group_key, new_id, now, title_of
from ftchat.store import Store

__all__ = ["OWNER", "Imported", "read", "take"]

OWNER = "(imported)"  # no login can be called this: imported conversations are nobody's own
_NOT_CONTENT = ("id", "created_at", "status", "split")


@dataclass(frozen=True)
class _Ready:
    """A line as it is written, worked out before anybody has to wait for it."""

    judged: Judged
    group: str
    same: set[str]  # what of a home's own lines says the same
    marks: set[str]
    conversation: Conversation
    turn: Turn


@dataclass(frozen=True)
class Imported:
    """What an import did: the feedback that is new, and how many lines were there already."""

    ids: tuple[str, ...]
    skipped: int


def take(
    store: Store, body: bytes, *, by: str, status: Status, format_: str | None = None, key: str | None = None
) -> Imported:
    """Import the lines of a file. `status` is for lines that do not say one; `format_` None is seen line by line."""
    if format_ not in (None, *FORMATS):
        raise BadInput(f"format is {format_!r}: use {', '.join(FORMATS)}.")
    found = [_ready(line, by=by, status=status) for line in _in_time(read(body, format_))]
    with store.writing():
        if earlier := store.once(by, key):
            return Imported(tuple(earlier["ids"]), earlier["skipped"])
        made = _add(store, found, by=by)
        store.remember(by, key, asdict(made))
    return made


def _in_time(found: Sequence[Read]) -> list[Read]:
    """Oldest first. What says when it was said comes newest first, also within a millisecond."""
    timed = sorted((one for one in reversed(found) if one.judged.created_at), key=lambda one: one.judged.created_at)
    return [*(one for one in found if not one.judged.created_at), *timed]


def _ready(line: Read, *, by: str, status: Status) -> _Ready:
    judged = replace(line.judged, rater=line.judged.rater or by, status=line.judged.status or status)
    group = group_key(next(message.content for message in judged.messages if message.role == "user"))
    conversation, turn = _turn(judged)
    same = {_mark(judged, line.format), *([_mark(line.vote, "raw")] if line.vote else [])}
    return _Ready(judged, group, same, _marks(judged), conversation, turn)


def _add(store: Store, found: Sequence[_Ready], *, by: str) -> Imported:
    """Append what is not there yet; inside a transaction, in which nobody else can write."""
    store.turns.add_base(IMPORTED, IMPORTED)
    there: dict[str, set[str]] = {}  # by group: every line that this home would export, so far
    ids = []
    for line in found:
        if line.group not in there:
            known = store.feedback.all(groups=[line.group])
            there[line.group] = {mark for judged in judged_from(store, known) for mark in _marks(judged)}
        if line.same.isdisjoint(there[line.group]):
            ids.append(_append(store, line, by=by))
            there[line.group] |= line.marks
    return Imported(tuple(ids), len(found) - len(ids))


def _marks(judged: Judged) -> set[str]:
    """Every line that a piece of feedback gives, in every format."""
    lines = [line for format_ in FORMATS if format_ != "raw" for line in WRITERS[format_](judged)]
    return {*(canonical(line) for line in lines), _mark(judged, "raw")}


def _mark(judged: Judged, format_: Format) -> str:
    """What a line says, but for where and when it was said; and for what a loser was asked after, which is not kept."""
    if format_ == "raw":
        judged = replace(judged, replies=tuple(replace(said, messages=()) for said in judged.replies))
    (line,) = WRITERS[format_](judged)
    return canonical({name: value for name, value in line.items() if name not in _NOT_CONTENT})


def _append(store: Store, line: _Ready, *, by: str) -> str:
    judged, turn, rater = line.judged, line.turn, line.judged.rater
    store.turns.add(turn, new=line.conversation)
    if judged.kind == "vote":
        winner = cast("Any", judged.value)
        id_ = store.feedback.add_vote(turn, rater, winner, reasons=judged.reasons, comment=judged.comment)
    else:
        reply = turn.reply(judged.lane or "only").id
        if judged.kind == "correction":
            id_ = store.feedback.add_correction(reply, rater, judged.value)
            if judged.instruction:
                store.judged.add_origin(id_, judged.instruction)
        else:
            value, said = judged.value, (judged.reasons, judged.comment)
            id_ = store.feedback.add_rating(reply, rater, value, reasons=said[0], comment=said[1])
    if judged.split:
        store.feedback.settle(line.group, judged.split)
    if judged.status not in (None, "pending"):
        store.feedback.review(id_, judged.status, by)
    return id_


def _turn(judged: Judged) -> tuple[Conversation, Turn]:
    """A conversation that ends with this turn; what was said before is its context."""
    head = judged.messages[:1] if judged.messages[0].role == "system" else ()
    *context, asked = judged.messages[len(head) :]
    title = title_of(asked.content)
    system = head[0].content if head else ""
    conversation = Conversation(new_id("c"), OWNER, title, system, now(), tuple(context))
    turn_id = new_id("t")
    turn = Turn(
        id=turn_id,
        conversation=conversation.id,
        owner=OWNER,
        mode="compare" if judged.kind == "vote" else "chat",
        prompt=asked.content,
        blind=judged.blind,
        parent=None,
        params=Params(),
        created_at=now(),
        replies=tuple(_reply(turn_id, said) for said in judged.replies),
    )
    return conversation, turn


def _reply(turn: str, said: Said) -> Reply:
    return Reply(
        id=new_id("r"),
        turn=turn,
        lane=said.lane,
        contestant=IMPORTED,
        model=said.contestant,
        base=IMPORTED,
        text=said.text,
        finish=said.finish,
    )
