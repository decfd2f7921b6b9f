"""Feedback as JSONL that `datasets` and TRL take as it is: sft, dpo and kto; and raw, which loses nothing.

sft is what replies should have been, dpo what was better than what, kto single replies that were good or bad. These
are for training, so they hold train rows unless another split is asked for, each line once. What people said against
each other is all there, while a snapshot weighs it and leaves some of it out. Every line of a format has the same keys
and no null, as readers of large JSONL files need. It does not know HTTP; `imports` reads it all back.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ftchat.errors import BadInput
from ftchat.records import Feedback, Finish, LaneName, Message, Reply, Split, Status, canonical
from ftchat.store import Store
from ftchat.store.lessons import Lesson

Format = Literal["sft", "dpo", "kto", "raw"]
FORMATS: tuple[Format, ...] = get_args(Format)
WHOLE: tuple[Finish, ...] = ("stop", "length")  # what a contestant ended by itself; and only "stop" is an example
IMPORTED = "imported"  # the contestant, and the base, of replies that were written elsewhere
_PAGE = 200
Line = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """One lane's text, whose it is, and how it ended; with what it was asked after, where that is not what the other
    was."""

    lane: LaneName
    contestant: str
    text: str
    finish: Finish
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One piece of feedback with everything that it was given on."""

    kind: Literal["vote", "rating", "correction"]
    value: str  # the winner, up or down, or the corrected text
    messages: tuple[Message, ...]
    replies: tuple[Said, ...]
    lane: LaneName | None = None  # what was rated or corrected; a vote is on both
    status: Status | None = None
    split: Split | None = None
    rater: str = ""
    reasons: Any = None
    comment: str = ""
    instruction: str = ""  # by which the model wrote a correction
    blind: bool = False
    id: str = ""
    created_at: str = ""

    def text(self, lane: str | None) -> str:
        """What one lane said."""
        return next(said.text for said in self.replies if said.lane == lane)

    def finish(self, lane: str | None) -> Finish:
        """How one lane ended."""
        return next(said.finish for said in self.replies if said.lane == lane)

    @property
    def whole(self) -> bool:
        """Whether every reply is as its contestant would have left it: a cut one was not given its chance."""
        return all(said.finish in WHOLE for said in self.replies)


def export(
    store: Store, format_: str, *, status: Status | None = "approved", split: Split | Literal["all"] | None = None
) -> Iterator[str]:
    """The lines, newest first, read while they are written out. `split` None is all of them in raw, else train."""
    if format_ not in FORMATS:
        raise BadInput(f"format is {format_!r}: use {', '.join(FORMATS)}.")
    wanted = split or ("all" if format_ == "raw" else "train")
    return _lines(store, format_, status=status, split=None if wanted == "all" else wanted)


def _lines(store: Store, format_: Format, *, status: Status | None, split: Split | None) -> Iterator[str]:
    sent: set[int] = set()
    for page in _pages(store, status=status):
        for judged in judged_from(store, [given for given in page if split in (None, given.split)]):
            for line in WRITERS[format_](judged):
                # Of corrections of the same reply to the same messages the newest stands; other lines are given once.
                key = hash(canonical(line["prompt"] if format_ == "sft" else line))
                if key not in sent:
                    sent.add(key)
                    yield json.dumps(line, ensure_ascii=False) + "\n"


def _pages(store: Store, *, status: Status | None) -> Iterator[list[Feedback]]:
    """Feedback that stands, newest first, so much at a time that it need not be in memory at once."""
    after: str | None = None
    while True:
        page, after = store.feedback.page(status=status, after=after, limit=_PAGE)
        yield page
        if after is None:
            return


def judged_from(store: Store, feedback: Sequence[Feedback]) -> list[Judged]:
    """Feedback with its messages and replies, as they are stored."""
    return [_judged(store, lesson) for lesson in store.lessons.of(feedback)]


def _judged(store: Store, lesson: Lesson) -> Judged:
    feedback, on = lesson.feedback, lesson.replies
    asked = next((one for one in on if one.reply.lane == feedback.value), on[0])
    return Judged(
        kind=feedback.kind,
        value=feedback.value,
        messages=asked.messages,
        replies=tuple(_said(one.reply, () if one.messages == asked.messages else one.messages) for one in on),
        lane=asked.reply.lane if feedback.reply else None,
        status=feedback.status,
        split=feedback.split,
        rater=feedback.rater,
        id=feedback.id,
        created_at=feedback.created_at,
        **_said_with(store, feedback),
    )


def _said_with(store: Store, feedback: Feedback) -> dict[str, Any]:
    """What was said beside it: why, and by which instruction the model wrote a correction."""
    if feedback.kind == "correction":
        return {"instruction": store.judged.instruction_of(feedback.id)}
    if feedback.kind == "rating":
        given = store.judged.given_on(feedback.reply or "", rater=feedback.rater)
        return {"reasons": list(given.reasons) or None, "comment": given.comment}
    vote = store.judged.vote_of(feedback.turn)
    if vote is None:  # undone just now
        return {}
    reasons = {lane: list(words) for lane, words in vote.reasons.items()}
    return {"reasons": reasons or None, "comment": vote.comment, "blind": vote.blind}


def _said(reply: Reply, messages: tuple[Message, ...]) -> Said:
    """A reply that was imported keeps the name of who wrote it elsewhere as its model."""
    contestant = reply.model if reply.contestant == IMPORTED else reply.contestant
    return Said(reply.lane, contestant, reply.text, reply.finish or "cut", messages)


def sft(judged: Judged) -> list[Line]:
    """A correction: the prompt, and the text that the reply should have been."""
    if judged.kind != "correction":
        return []
    return [{"prompt": _messages(judged.messages), "completion": _answer(judged.value)}]


def dpo(judged: Judged) -> list[Line]:
    """What was better than what: a correction than what it corrects, and a vote's winner than the other."""
    if not judged.whole:
        return []
    if judged.kind == "correction":
        better, worse = judged.value, judged.text(judged.lane)
    elif judged.value in ("left", "right") and judged.finish(judged.value) == "stop":
        better, worse = judged.text(judged.value), judged.text("right" if judged.value == "left" else "left")
    else:
        return []
    if not better.strip() or not worse.strip() or better.strip() == worse.strip():
        return []
    return [{"prompt": _messages(judged.messages), "chosen": _answer(better), "rejected": _answer(worse)}]


def kto(judged: Judged) -> list[Line]:
    """Replies that were good or bad by themselves: thumbs, and both sides of a both_bad vote."""
    if judged.kind == "correction":
        return []
    good = [said for said in judged.replies if judged.value == "up" and said.finish == "stop"]
    bad = [said for said in judged.replies if judged.value in ("down", "both_bad") and said.finish in WHOLE]
    found = [(said, label) for those, label in ((good, True), (bad, False)) for said in those if said.text.strip()]
    return [
        {"prompt": _messages(said.messages or judged.messages), "completion": _answer(said.text), "label": label}
        for said, label in found
    ]


def raw(judged: Judged) -> list[Line]:
    """All that is known. What is not there is an empty text; reasons, and the messages of a reply that was asked after
    others than the line's, are JSON in a text: no key changes type."""
    return [
        {
            "kind": judged.kind,
            "value": judged.value,
            "messages": _messages(judged.messages),
            "replies": [
                {
                    "lane": said.lane,
                    "contestant": said.contestant,
                    "text": said.text,
                    "finish": said.finish,
                    "messages": json.dumps(_messages(said.messages), ensure_ascii=False) if said.messages else "",
                }
                for said in judged.replies
            ],
            "lane": judged.lane or "",
            "status": judged.status or "",
            "split": judged.split or "",
            "rater": judged.rater,
            "reasons": json.dumps(judged.reasons, ensure_ascii=False) if judged.reasons else "",
            "comment": judged.comment,
            "instruction": judged.instruction,
            "blind": judged.blind,
            "id": judged.id,
            "created_at": judged.created_at,
        }
    ]


WRITERS: dict[Format, Callable[[Judged], list[Line]]] = {"sft": sft, "dpo": dpo, "kto": kto, "raw": raw}


def _messages(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [message.as_dict() for message in messages]


def _answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]
