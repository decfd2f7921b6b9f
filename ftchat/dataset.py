"""Approved feedback to a snapshot: a frozen, hashed set of rows; and the card that says what will be trained.

The same feedback gives the same bytes. Rows of exam groups are written to a file of their own, which training never
opens. It does not know models or engines.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftchat.records import Message, Replay, Row, Split, group_key
from ftchat.store import Store
from ftchat.store.feedback import split_of

ROWS, EXAM, REPLAY, MANIFEST = "rows.jsonl", "exam.jsonl", "replay.jsonl", "manifest.json"
NEAR = 0.4  # share of words in common from which a replay prompt would argue against a correction
_FEW, _SOME = 8, 40


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


def rows(store: Store) -> list[Row]:
    """Every approved correction as a row; of several on the same messages the newest stands, duplicates once."""
    newest: dict[str, Row] = {}
    for feedback in store.feedback.all(status="approved", kind="correction"):
        if feedback.reply is None or feedback.split is None:
            continue
        turn, reply = store.turns.turn_of(feedback.reply)
        head = store.turns.conversation(turn.conversation).head
        earlier = store.turns.path_to(turn.id)[:-1]
        said = store.turns.history(earlier, reply.lane, approved_only=True)
        messages = (*head, *said, Message("user", turn.prompt))
        newest[_digest(messages)] = Row(
            id=feedback.id,
            role="target",
            split=feedback.split,
            weight=1.0,
            group=feedback.group,
            messages=messages,
            target=feedback.value,
            rejected=reply.text or None,
            rater=feedback.rater,
        )
    return sorted(newest.values(), key=lambda row: row.id)


def of_split(rows: Iterable[Row], *splits: Split) -> list[Row]:
    """The rows of some splits."""
    return [row for row in rows if row.split in splits]


def anchors_for(rows: Iterable[Row], prompts: Iterable[str], *, limit: int) -> list[str]:
    """Prompts for replay: none that is near to a corrected one, since base's answer to it would argue against it."""
    taught = [_words(row.messages[-1].content) for row in rows]
    chosen = []
    for prompt in dict.fromkeys(prompts):
        words = _words(prompt)
        if words and not any(_overlap(words, other) >= NEAR for other in taught):
            chosen.append(prompt)
    return chosen[:limit]


def kept_for_exam(prompt: str) -> bool:
    """Whether a replay prompt is not trained on, so that the exam can see what was forgotten: about one in three."""
    return int(hashlib.sha256(prompt.encode()).hexdigest(), 16) % 3 == 0


def nearest(prompts: Iterable[str], *, to: Sequence[str]) -> list[str]:
    """Prompts in order of how near they are, in words, to any of some others."""
    others = [_words(text) for text in to]
    return sorted(prompts, key=lambda p: -max((_overlap(_words(p), words) for words in others), default=0.0))


def freeze(
    folder: Path, rows: Sequence[Row], replay: Sequence[Replay], *, base: str, args: Mapping[str, Any]
) -> tuple[str, Path]:
    """Write the snapshot into a folder named after its digest, manifest last. Returns digest and folder."""
    files = {
        ROWS: _lines(asdict(row) for row in of_split(rows, "train", "tune")),
        EXAM: _lines(asdict(row) for row in of_split(rows, "exam")),
        REPLAY: _lines(asdict(item) for item in replay),
    }
    hashes = {name: hashlib.sha256(body.encode()).hexdigest() for name, body in files.items()}
    facts = {"base": base, "args": dict(args), "files": hashes}
    digest = hashlib.sha256(_canonical(facts).encode()).hexdigest()
    target = folder / digest[:20]
    if not (target / MANIFEST).is_file():
        target.mkdir(parents=True, exist_ok=True)
        for name, body in files.items():
            (target / name).write_text(body, encoding="utf-8")
        part = target / (MANIFEST + ".part")
        part.write_text(json.dumps({**facts, "rows": [row.id for row in rows]}, indent=1), encoding="utf-8")
        part.rename(target / MANIFEST)
    return digest, target


def card(store: Store, *, trained: set[str], exam_groups: int) -> Card:
    """What a snapshot made now would hold, and what more would help."""
    found = rows(store)
    split = {name: len(of_split(found, name)) for name in ("train", "tune", "exam")}
    groups = len({row.group for row in of_split(found, "exam")})
    counts = store.feedback.counts()
    return Card(
        corrections=len(found),
        train=split["train"],
        tune=split["tune"],
        exam=split["exam"],
        exam_groups=groups,
        pending=sum(n for what, n in counts.items() if what.endswith("/pending")),
        votes=counts.get("vote/approved", 0),
        new=len({row.id for row in found} - trained),
        enough=split["train"] > 0,
        advice=_advice(split["train"], groups, needed=exam_groups, questions=store.feedback.groups()),
    )


def _advice(train: int, groups: int, *, needed: int, questions: int) -> str:
    if not train:
        return "Correct a few replies first: five corrections of one kind are enough to see something change."
    if train < _FEW:
        first = f"{_count(train, 'correction')}: enough to see something change, too few to be sure of it."
    elif train < _SOME:
        first = f"{_count(train, 'correction')}: enough to teach one habit well."
    else:
        first = f"{_count(train, 'correction')}: a solid set."
    if groups >= needed:
        return (
            f"{first} {_count(groups, 'question')} kept aside will decide by themselves whether the result is better."
        )
    more = _until(needed - groups, questions=questions)
    return (
        f"{first} Some new questions, at first every sixth, are kept aside for the exam: {groups} of {needed} so far. "
        f"Until then you decide, by blind votes or by using it; {more} more corrections on new questions and the exam "
        "can decide."
    )


def _until(exams: int, *, questions: int) -> int:
    """How many more new questions bring so many more for the exam."""
    coming = itertools.count(questions + 1)
    for _ in range(exams):
        last = next(n for n in coming if split_of(n) == "exam")
    return last - questions


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", group_key(text)))


def _overlap(left: set[str], right: set[str]) -> float:
    return len(left & right) / max(1, min(len(left), len(right)))


def _digest(messages: Sequence[Message]) -> str:
    return hashlib.sha256(_canonical([m.as_dict() for m in messages]).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _lines(items: Iterable[Mapping[str, Any]]) -> str:
    return "".join(_canonical(item) + "\n" for item in items)
