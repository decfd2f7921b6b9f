"""Feedback from JSONL: what `exports` writes, and what others write for TRL, line by line, all of it or nothing.

Each line becomes a conversation of its own, whose replies are by the contestant `imported`, and the feedback on them.
What this home would already export as the same line is skipped, so importing twice is importing once. It does not know
HTTP or roles.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast, get_args

from ftchat.errors import BadInput
from ftchat.exports import FORMATS, IMPORTED, WRITERS, Format, Judged, Line, Said, canonical, judged_from
from ftchat.records import (
    WINNERS,
    Conversation,
    Finish,
    LaneName,
    Message,
    Params,
    Reply,
    Split,
    Status,
    Turn,
    clean_text,
    group_key,
    new_id,
    now,
)
from ftchat.store import Store

OWNER = "(imported)"  # no login can be called this: imported conversations are nobody's own
_LONGEST_REASON = 100
MOST = 10_000  # lines of one import: a few seconds, in which nobody else writes
_TOLD = 5  # lines with a mistake that are told about at once
_NOT_CONTENT = ("id", "created_at", "status", "split")


@dataclass(frozen=True)
class Read:
    """One line: the feedback in it, and which format it was in."""

    judged: Judged
    format: Format


@dataclass(frozen=True)
class _Ready:
    """A line as it is written, worked out before anybody has to wait for it."""

    judged: Judged
    group: str
    mark: str
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


def read(body: bytes, format_: Format | None = None) -> list[Read]:
    """Every line, checked. One BadInput names the first lines that cannot be taken."""
    try:
        lines = body.decode("utf-8-sig").split("\n")  # not splitlines: texts may hold U+2028 and the like
    except UnicodeDecodeError as err:
        raise BadInput(f"The file is not UTF-8 text ({err.reason} at byte {err.start}).") from err
    found, wrong = [], []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(read_line(line, format_))
            except BadInput as err:
                wrong.append(f"Line {number}: {err.message}")
    if wrong:
        more = f" And {len(wrong) - _TOLD} more lines." if len(wrong) > _TOLD else ""
        raise BadInput(f"Nothing was imported. {' '.join(wrong[:_TOLD])}{more}")
    if len(found) > MOST:
        raise BadInput(f"The file has {len(found):,} lines; at most {MOST:,} are taken at once. Send it in parts.")
    if not found:
        raise BadInput("There is nothing to import: send one JSON object on each line.")
    return found


def read_line(line: str, format_: Format | None = None) -> Read:
    """One line as feedback with what it was given on."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as err:
        raise BadInput(f"It is not JSON ({err}).") from err
    if not isinstance(value, dict):
        raise BadInput("It is not a JSON object.")
    seen = format_ or _format_of(value)
    return Read(_READERS[seen](value), seen)


def _format_of(line: Line) -> Format:
    if "kind" in line:
        return "raw"
    if "chosen" in line or "rejected" in line:
        return "dpo"
    return "kto" if "label" in line else "sft"


def _sft(line: Line) -> Judged:
    """Messages that end with the assistant's, or prompt and completion."""
    if "messages" in line:
        messages = _messages(line["messages"], what="messages", last="assistant")
        return _correction(messages[:-1], "", messages[-1].content)
    return _correction(_prompt(line), "", _answer(line, "completion"))


def _dpo(line: Line) -> Judged:
    """What is rejected is corrected to what is chosen. Without a prompt of its own it is what both begin with."""
    if "prompt" in line:
        return _correction(_prompt(line), _answer(line, "rejected"), _answer(line, "chosen"))
    chosen = _messages(line.get("chosen"), what="chosen", last="assistant")
    rejected = _messages(line.get("rejected"), what="rejected", last="assistant")
    if chosen[:-1] != rejected[:-1]:
        raise BadInput("chosen and rejected do not begin with the same messages.")
    return _correction(chosen[:-1], rejected[-1].content, chosen[-1].content)


def _kto(line: Line) -> Judged:
    if not isinstance(line.get("label"), bool):
        raise BadInput("label must be true or false.")
    said = Said("only", IMPORTED, _answer(line, "completion"), "stop")
    value = "up" if line["label"] else "down"
    return Judged(kind="rating", value=value, messages=_prompt(line), replies=(said,), lane="only")


def _correction(messages: tuple[Message, ...], original: str, text: str) -> Judged:
    _differ(original, text)
    said = Said("only", IMPORTED, original, "stop")
    return Judged(kind="correction", value=text, messages=messages, replies=(said,), lane="only")


def _differ(original: str, text: str) -> None:
    if text.strip() == original.strip():
        raise BadInput("The correction is the same as the reply.")


def _raw(line: Line) -> Judged:
    kind = _one_of(line, "kind", ("vote", "rating", "correction"))
    lanes: tuple[LaneName, ...] = ("left", "right") if kind == "vote" else ("only", "left", "right")
    lane = None if kind == "vote" else cast("LaneName", _one_of(line, "lane", lanes))
    replies = _replies(line.get("replies"), wanted=("left", "right") if lane is None else (lane,))
    if kind == "correction":
        value = clean_text(line.get("value"), what="value")
        _differ(replies[0].text, value)
    else:
        value = _one_of(line, "value", WINNERS if kind == "vote" else ("up", "down"))
    return Judged(
        kind=cast("Any", kind),
        value=value,
        messages=_messages(line.get("messages"), what="messages", last="user"),
        replies=replies,
        lane=lane,
        status=cast("Status | None", _one_of(line, "status", ("", *get_args(Status))) or None),
        split=cast("Split | None", _one_of(line, "split", ("", *get_args(Split))) or None),
        rater=_text(line, "rater", limit=200),
        reasons=_reasons(line, kind),
        comment=_text(line, "comment"),
        instruction=_text(line, "instruction") if kind == "correction" else "",
        blind=_truth(line, "blind") and kind == "vote",
        created_at=_text(line, "created_at", limit=100),
    )


_READERS: Mapping[Format, Callable[[Line], Judged]] = {"sft": _sft, "dpo": _dpo, "kto": _kto, "raw": _raw}


def _replies(given: Any, *, wanted: Sequence[LaneName]) -> tuple[Said, ...]:
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise BadInput("replies must be a list of objects.")
    if sorted(str(item.get("lane")) for item in given) != sorted(wanted):
        raise BadInput(f"replies must be of the lanes {' and '.join(wanted)}, each once.")
    found = []
    for item in given:
        finish = cast("Finish", _one_of(item, "finish", get_args(Finish)))
        contestant = _text(item, "contestant", limit=200) or IMPORTED
        found.append(Said(item["lane"], contestant, _text(item, "text"), finish))
    return tuple(sorted(found, key=lambda said: said.lane))


def _reasons(line: Line, kind: str) -> Any:
    """Reasons are JSON in a text: by lane for a vote, a list for a thumb."""
    given = _text(line, "reasons")
    try:
        value = json.loads(given) if given else None
    except (ValueError, RecursionError):
        value = given
    if value is None:
        return None
    if kind == "vote" and isinstance(value, dict) and set(value) <= {"left", "right"}:
        return {lane: _words(words) for lane, words in value.items()}
    return _words(None if kind == "vote" else value)


def _words(given: Any) -> list[str]:
    if not isinstance(given, list):
        raise BadInput('reasons must be JSON in a text: {"left": ["wrong"]} for a vote, ["wrong"] for a thumb.')
    return [clean_text(word, what="A reason", limit=_LONGEST_REASON) for word in given]


def _prompt(line: Line) -> tuple[Message, ...]:
    given = line.get("prompt")
    if isinstance(given, str):
        return (Message("user", clean_text(given, what="prompt")),)
    return _messages(given, what="prompt", last="user")


def _answer(line: Line, name: str) -> str:
    given = line.get(name)
    if isinstance(given, str):
        return clean_text(given, what=name)
    if not isinstance(given, list) or len(given) != 1:
        raise BadInput(f"{name} must be a text, or a list of one message of the assistant.")
    only = _message(given[0], what=name)
    if only.role != "assistant":
        raise BadInput(f"{name} must be a message of the assistant.")
    return only.content


def _messages(given: Any, *, what: str, last: str) -> tuple[Message, ...]:
    """A system message or none, then user and assistant in turn: other orders are what templates refuse."""
    if not isinstance(given, list) or not given:
        raise BadInput(f"{what} must be a list of messages.")
    found = tuple(_message(item, what=what) for item in given)
    said = found[1:] if found[0].role == "system" else found
    orderly = all(message.role == ("user", "assistant")[at % 2] for at, message in enumerate(said))
    if not orderly or not said or said[-1].role != last or len(found) < (2 if last == "assistant" else 1):
        raise BadInput(f"{what} must be messages of user and assistant in turn, the last one by the {last}.")
    return found


def _message(given: Any, *, what: str) -> Message:
    if not isinstance(given, dict) or not isinstance(given.get("role"), str):
        raise BadInput(f'{what} must hold messages: {{"role": "user", "content": "..."}}.')
    return Message(given["role"], clean_text(given.get("content"), what=f"A message in {what}"))


def _one_of(line: Line, name: str, known: Sequence[str]) -> str:
    value = line.get(name, "")
    if value not in known:
        raise BadInput(f"{name} is {value!r:.100}: use {', '.join(known).removeprefix(', ')}.")
    return cast("str", value)


def _text(line: Line, name: str, *, limit: int = 100_000) -> str:
    """A text that may be empty or missing."""
    value = line.get(name, "")
    return clean_text(value, what=name, limit=limit) if value != "" and value is not None else ""


def _truth(line: Line, name: str) -> bool:
    value = line.get(name, False)
    if not isinstance(value, bool):
        raise BadInput(f"{name} must be true or false.")
    return value


# -- adding --


def _in_time(found: Sequence[Read]) -> list[Read]:
    """Oldest first. What says when it was said comes newest first, also within a millisecond."""
    timed = sorted((one for one in reversed(found) if one.judged.created_at), key=lambda one: one.judged.created_at)
    return [*(one for one in found if not one.judged.created_at), *timed]


def _ready(line: Read, *, by: str, status: Status) -> _Ready:
    judged = replace(line.judged, rater=line.judged.rater or by, status=line.judged.status or status)
    group = group_key(next(message.content for message in judged.messages if message.role == "user"))
    conversation, turn = _turn(judged)
    return _Ready(judged, group, _mark(judged, line.format), _marks(judged), conversation, turn)


def _add(store: Store, found: Sequence[_Ready], *, by: str) -> Imported:
    """Append what is not there yet; inside a transaction, in which nobody else can write."""
    store.turns.add_base(IMPORTED, IMPORTED)
    there: dict[str, set[str]] = {}  # by group: every line that this home would export, so far
    ids = []
    for line in found:
        if line.group not in there:
            known = store.exchange.of_group(line.group)
            there[line.group] = {mark for id_ in known for mark in _marks(_stored(store, id_))}
        if line.mark not in there[line.group]:
            ids.append(_append(store, line, by=by))
            there[line.group] |= line.marks
    return Imported(tuple(ids), len(found) - len(ids))


def _stored(store: Store, id_: str) -> Judged:
    return judged_from(store, store.feedback.get(id_))


def _marks(judged: Judged) -> set[str]:
    """Every line that a piece of feedback gives, in every format."""
    lines = [line for format_ in FORMATS if format_ != "raw" for line in WRITERS[format_](judged)]
    return {*(canonical(line) for line in lines), _mark(judged, "raw")}


def _mark(judged: Judged, format_: Format) -> str:
    """What a line says, but for where and when it was said."""
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
        store.exchange.settle(line.group, judged.split)
    if judged.status not in (None, "pending"):
        store.feedback.review(id_, judged.status, by)
    return id_


def _turn(judged: Judged) -> tuple[Conversation, Turn]:
    """A conversation that ends with this turn; what was said before is its context."""
    head = judged.messages[:1] if judged.messages[0].role == "system" else ()
    *context, asked = judged.messages[len(head) :]
    title = " ".join(asked.content.split())[:80]
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
