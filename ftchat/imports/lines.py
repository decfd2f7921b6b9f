"""Lines of JSONL as feedback with what it was given on, checked: one sentence names the first that cannot be taken.

A line is one of `exports`' own formats, or what others write for TRL. It knows no store.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from ftchat.errors import BadInput
from ftchat.exports import IMPORTED, WRITERS, Format, Judged, Line, Said
from ftchat.records import WINNERS, Finish, LaneName, Message, Split, Status, clean_text

_LONGEST_REASON = 100
MOST = 10_000  # lines of one import: a few seconds, in which nobody else writes
_TOLD = 5  # lines with a mistake that are told about at once


@dataclass(frozen=True)
class Read:
    """One line: the feedback in it, and which format it was in; of a thumb that a vote became, the vote."""

    judged: Judged
    format: Format
    vote: Judged | None = None


def read(body: bytes, format_: Format | None = None) -> list[Read]:
    """Every line, checked. One BadInput names the first lines that cannot be taken."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise BadInput(f"The file is not UTF-8 text ({err.reason} at byte {err.start}).") from err
    found, wrong = list[Read](), list[str]()
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    for number, line in lines:  # not splitlines: texts may hold U+2028 and the like
        try:
            found += read_line(line, format_)
        except BadInput as err:
            wrong.append(f"Line {number}: {err.message}")
    if wrong:
        more = f" And {len(wrong) - _TOLD} more lines." if len(wrong) > _TOLD else ""
        raise BadInput(f"Nothing was imported. {' '.join(wrong[:_TOLD])}{more}")
    if len(lines) > MOST:
        raise BadInput(f"The file has {len(lines):,} lines; at most {MOST:,} are taken at once. Send it in parts.")
    if not found:
        raise BadInput("There is nothing to import: send one JSON object on each line.")
    return found


def read_line(line: str, format_: Format | None = None) -> list[Read]:
    """One line as feedback with what it was given on; nearly always one piece."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as err:
        raise BadInput(f"It is not JSON ({err}).") from err
    if not isinstance(value, dict):
        raise BadInput("It is not a JSON object.")
    seen = format_ or _format_of(value)
    judged = _READERS[seen](value)
    return (_apart(judged) if seen == "raw" else []) or [Read(judged, seen)]


def _apart(vote: Judged) -> list[Read]:
    """Two answers that were bad, each after a conversation of its own: a thumb down on each, as here a turn has one."""
    if vote.value != "both_bad" or not any(said.messages for said in vote.replies):
        return []
    thumbs = [
        replace(
            vote,
            kind="rating",
            value="down",
            lane=said.lane,
            messages=said.messages or vote.messages,
            replies=(replace(said, messages=()),),
            reasons=(vote.reasons or {}).get(said.lane),
            blind=False,
        )
        for said in vote.replies
    ]
    return [Read(thumb, "raw", vote) for thumb in thumbs if WRITERS["kto"](thumb)]


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
        own = _decoded(_text(item, "messages"))
        messages = _messages(own, what="a reply's messages", last="user") if own else ()
        found.append(Said(item["lane"], contestant, _text(item, "text"), finish, messages))
    return tuple(sorted(found, key=lambda said: said.lane))


def _reasons(line: Line, kind: str) -> Any:
    """Reasons are JSON in a text: by lane for a vote, a list for a thumb."""
    value = _decoded(_text(line, "reasons"))
    if value is None:
        return None
    if kind == "vote" and isinstance(value, dict) and set(value) <= {"left", "right"}:
        return {lane: _words(words) for lane, words in value.items()}
    return _words(None if kind == "vote" else value)


def _decoded(text: str) -> Any:
    """JSON in a text; a text that is none stays one."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text


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
