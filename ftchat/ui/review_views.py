"""Feedback as HTML for the Review page: one piece with everything it was given on, as plain text. Plain functions.

It knows records and texts. It does not know gradio, the store or what happens to a decision.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ftchat import texts
from ftchat.dataset.candidates import WHY
from ftchat.dataset.card import Became
from ftchat.exports import FORMATS, Judged, Said
from ftchat.records import GOOD_REASONS, Feedback, Message, Reply, Status, Turn
from ftchat.review import Decided
from ftchat.store.lessons import feedback_of
from ftchat.ui.pieces import button, empty, key_list, tag, time_of
from ftchat.ui.prose import plain, word_difference
from ftchat.ui.views import SIDES

_TONE: dict[Status, str] = {"pending": "warn", "approved": "", "rejected": "bad"}
_DECISIONS: dict[Status, tuple[Status, ...]] = {
    "pending": ("approved", "rejected"),
    "approved": ("rejected", "pending"),
    "rejected": ("approved", "pending"),
}
_WORDS: dict[Status, str] = {"approved": texts.APPROVE, "rejected": texts.REJECT, "pending": texts.REOPEN}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One page of the list."""

    items: Sequence[tuple[Feedback, Judged]]
    older: str | None  # where the page after this one begins
    newer: bool  # whether there is one before it
    decides: bool  # whether who looks may decide
    me: str = ""  # who looks: what is theirs they may take back
    marks: Mapping[str, str] = field(default_factory=dict)  # by id, what is doubtful
    went: Mapping[str, str] = field(default_factory=dict)  # by id, which adapters it is in, in words


def page(shown: Shown, *, nothing: tuple[str, str]) -> str:
    """A page of feedback, with what turns it."""
    if not shown.items:
        return empty(*nothing) + _turning(shown.older, newer=shown.newer)
    items = "".join(
        item(
            given,
            judged,
            decides=shown.decides,
            mine=given.rater == shown.me,
            mark=shown.marks.get(given.id, ""),
            went=shown.went.get(given.id, ""),
        )
        for given, judged in shown.items
    )
    turning = _turning(shown.older, newer=shown.newer, every=_every(shown))
    return f'<ol class="items" aria-label="{texts.TAB_REVIEW}">{items}</ol>{turning}'


def _every(shown: Shown) -> str:
    """A decision on all of this page while it waits."""
    ids = {given.id: given.status for given, _ in shown.items if given.status == "pending"}
    if not shown.decides or len(ids) < 2:
        return ""
    sure, value = texts.CONFIRM_PAGE.format(n=len(ids)), _valued(ids)
    words = {"approved": texts.APPROVE_PAGE, "rejected": texts.REJECT_PAGE}
    return "".join(
        button(act, said.format(n=len(ids)), value=value, kind="ghost", confirm=sure) for act, said in words.items()
    )


def _turning(older: str | None, *, newer: bool, every: str = "") -> str:
    """Newer and older, and what is done with a whole page."""
    left = button("newer", texts.NEWER, kind="ghost") if newer else ""
    right = button("older", texts.OLDER, value=older, kind="ghost") if older else ""
    return f'<nav class="turning" aria-label="{texts.OLDER}">{left}{right}<span class="every">{every}</span></nav>'


def item(given: Feedback, judged: Judged, *, decides: bool, mine: bool = False, mark: str = "", went: str = "") -> str:
    """One piece of feedback: what it is, what it was given on, what can be done with it."""
    return (
        f'<li class="item" tabindex="-1" data-id="{plain(given.id)}">{_head(given, judged)}{_mark(mark)}'
        f'<p class="asked" tabindex="0">{plain(given.prompt)}</p>{_before(judged.messages)}{_body(given, judged)}'
        f"{_said_with(judged)}{_went(went)}{_acts(given, decides=decides, mine=mine)}</li>"
    )


def _went(words: str) -> str:
    return f'<p class="hint went">{plain(words)}</p>' if words else ""


def _mark(words: str) -> str:
    return f'<p class="mark">{plain(words)}</p>' if words else ""


def marks(became: Iterable[Became], *, waiting: Collection[str] = ()) -> dict[str, str]:
    """What is doubtful about approved feedback, in words, by its id: half of a vote may be left out, too. With what is
    `waiting`, and is among it: what would be doubtful about that beside what is approved."""
    found: dict[str, dict[str, None]] = {}

    def note(row: str, words: str) -> None:
        found.setdefault(feedback_of(row), {})[words] = None

    for one in became:
        waits = feedback_of(one.id) in waiting
        if waiting and not waits:
            if one.of and feedback_of(one.of) in waiting and one.why != WHY["duplicate"]:
                note(one.of, texts.STANDS_INSTEAD)
            continue
        if one.why and not (waits and (one.why == WHY["divided"] or (one.of and feedback_of(one.of) in waiting))):
            note(one.id, (texts.WOULD_BE_LEFT_OUT if waits else texts.LEFT_OUT).format(why=one.why))
        if one.personal:
            note(one.id, texts.MAY_BE_PERSONAL.format(kinds=", ".join(one.personal)))
    return {id_: " ".join(words) for id_, words in found.items()}


def _head(given: Feedback, judged: Judged) -> str:
    facts = [tag(texts.STATUS[given.status], _TONE[given.status])]
    if split := texts.SPLIT.get(given.split or "", ""):
        facts.append(tag(split, "quiet"))
    if judged.blind:
        facts.append(tag(texts.BLIND_VOTE, "quiet"))
    who = texts.BY.format(who=given.rater)
    return (
        f'<header><b class="kind">{texts.KIND[given.kind]}</b> <span class="by">{plain(who)} · '
        f'{time_of(given.created_at)}</span><span class="facts">{"".join(facts)}</span></header>'
    )


def _before(messages: Sequence[Message]) -> str:
    """What was said before the question, folded away."""
    if len(messages) < 2:
        return ""
    said = "".join(f'<p class="line {m.role}"><b>{m.role}</b> {plain(m.content)}</p>' for m in messages[:-1])
    return f'<details class="before"><summary>{texts.CONTEXT}</summary>{said}</details>'


def _body(given: Feedback, judged: Judged) -> str:
    if given.kind == "vote":
        return _two(judged)
    said = judged.text(judged.lane)
    if given.kind == "correction":
        return (
            f'<p class="label">{plain(given.contestant)}</p>'
            f'<div class="difference" tabindex="0">{word_difference(said, given.value)}</div>'
        )
    words = texts.GOOD if given.value == "up" else texts.BAD
    return (
        f'<p class="label">{plain(given.contestant)} {tag(words, "quiet")}</p>'
        f'<div class="text" tabindex="0">{plain(said)}</div>'
    )


def _two(judged: Judged) -> str:
    """Both replies of a vote, and which was better."""
    both = {"tie": texts.TIE, "both_bad": texts.BOTH_BAD}.get(judged.value, "")
    cells = "".join(_cell(said, chosen=said.lane == judged.value) for said in judged.replies)
    verdict = f'<p class="label">{tag(both, "quiet")}</p>' if both else ""
    return f'{verdict}<div class="two">{cells}</div>'


def _cell(said: Said, *, chosen: bool) -> str:
    side = SIDES.get(said.lane, "")
    won = f" {tag(texts.CHOSEN, 'quiet')}" if chosen else ""
    return (
        f'<div class="cell side-{side.lower()}{" won" if chosen else ""}"><p class="label"><b class="side">{side}</b> '
        f'{plain(said.contestant)}{won}</p><div class="text" tabindex="0">{plain(said.text)}</div></div>'
    )


def _said_with(judged: Judged) -> str:
    """Reasons, a comment, and by which instruction the model wrote a correction."""
    words = []
    if judged.instruction:
        words.append(f"<p>{plain(texts.INSTRUCTION.format(text=judged.instruction))}</p>")
    by_side = judged.reasons if isinstance(judged.reasons, Mapping) else {"": judged.reasons or ()}
    for lane, reasons in by_side.items():
        chips = "".join(f'<span class="reason {_tone(r)}">{plain(str(r))}</span>' for r in reasons)
        words.append(f"<p>{SIDES.get(lane, '')} {chips}</p>" if chips else "")
    if judged.comment:
        words.append(f"<p>{plain(texts.COMMENT.format(text=judged.comment))}</p>")
    return f'<div class="with">{"".join(words)}</div>' if any(words) else ""


def _tone(reason: object) -> str:
    return "good" if reason in GOOD_REASONS else "bad"


def _acts(given: Feedback, *, decides: bool, mine: bool) -> str:
    acts = "".join(
        button(
            status, _WORDS[status], value=_valued({given.id: given.status}), kind="" if status != "pending" else "ghost"
        )
        for status in (_DECISIONS[given.status] if decides else ())
    )
    if mine and given.kind == "correction":
        acts += button("similar", texts.SIMILAR, value=given.id, kind="ghost")
    if mine:
        acts += button("take-back", texts.UNGIVE, value=given.id, kind="ghost", confirm=texts.CONFIRM_UNGIVE)
    return f'<footer class="acts">{acts}</footer>' if acts else ""


def _valued(statuses: Mapping[str, Status]) -> str:
    """Pieces of feedback with what they are, as a button carries them."""
    return " ".join(f"{id_}={status}" for id_, status in statuses.items())


def statuses(value: str) -> dict[str, Any]:
    """What a button carried, by id."""
    return {id_: status for id_, _, status in (token.partition("=") for token in value.split())}


def decided(status: Status, done: Decided) -> str:
    """That a decision is saved, and the way back."""
    words = texts.DECIDED_N.format(done=texts.DECIDED[status], n=done.changed)
    if done.stay:
        words += " " + texts.DECIDED_MEANWHILE.format(n=done.stay)
    back = button("undo", texts.UNDO_DECISION, value=f"{status} {_valued(done.before)}", kind="link")
    back = back if done.before else ""
    return f'<p class="notice" role="status">{words} {back}</p>'


def queue(turns: Sequence[Turn], *, me: str, corrects: bool, older: str | None = None, newer: bool = False) -> str:
    """Comparisons of which both answers are bad, to be corrected by whoever `corrects`: who asked, or a reviewer."""
    if not turns:
        return empty(*texts.REVIEW_EMPTY["queue"]) + _turning(older, newer=newer)
    waiting = "".join(_waiting(turn, me=me, corrects=corrects) for turn in turns)
    return f'<ol class="items">{waiting}</ol>{_turning(older, newer=newer)}'


def _waiting(turn: Turn, *, me: str, corrects: bool) -> str:
    cells = "".join(_correctable(reply, corrects=corrects) for reply in turn.replies)
    whose = "" if turn.owner == me else f'<p class="label">{plain(texts.QUEUE_OTHERS.format(who=turn.owner))}</p>'
    return (
        f'<li class="item" tabindex="-1" data-id="{plain(turn.id)}"><header><b class="kind">{texts.BOTH_BAD}</b> '
        f'<span class="by">{time_of(turn.created_at)}</span></header><p class="asked" tabindex="0">{plain(turn.prompt)}'
        f'</p>{whose}<div class="two">{cells}</div></li>'
    )


def _correctable(reply: Reply, *, corrects: bool) -> str:
    side = SIDES.get(reply.lane, "")
    words = {"A": texts.CORRECT_A, "B": texts.CORRECT_B}.get(side, texts.CORRECT)
    act = button("correct", words, value=reply.id) if corrects else ""
    return (
        f'<div class="cell side-{side.lower()}"><p class="label"><b class="side">{side}</b> {plain(reply.contestant)}'
        f'</p><div class="text" tabindex="0">{plain(reply.text)}</div>{act}</div>'
    )


def keys() -> str:
    """The keys of this page."""
    return f'<section class="card keys"><h2>{texts.KEYS}</h2>{key_list(texts.REVIEW_KEYS)}</section>'


def exchange(*, may_import: bool) -> str:
    """Files that go out, and the way in."""
    links = "".join(
        f'<li><a href="/api/feedback/export?format={name}" download>{texts.EXPORTS[name][0]}</a> '
        f"<span>{texts.EXPORTS[name][1]}</span></li>"
        for name in FORMATS
    )
    way_in = (
        f'<h2>{texts.IMPORT}</h2><p class="hint">{texts.IMPORT_HINT}</p><label class="file">{texts.IMPORT_CHOOSE}'
        f'<input type="file" accept=".jsonl,.json,.ndjson,.txt" data-import="/api/feedback/import" '
        f'data-busy="{texts.IMPORT_BUSY}" data-failed="{plain(texts.IMPORT_FAILED)}" '
        f'data-done="{texts.IMPORT_DONE}"></label><p class="import-said" role="status"></p>'
        '<button type="button" hidden data-act="again"></button>'
        if may_import
        else ""
    )
    return (
        f'<section class="card exchange"><h2>{texts.EXPORT}</h2><p class="hint">{texts.EXPORT_HINT}</p>'
        f"<ul>{links}</ul>{way_in}</section>"
    )
