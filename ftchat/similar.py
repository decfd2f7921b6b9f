"""The change that one correction made, made to other answers too: looked for, shown first, then saved for those chosen.

Each becomes a correction like one that is written by hand: by the same person, reviewed and undone alike. It does not
know HTTP or pages; how a change is carried over is in `edits`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ftchat.edits import Edit, learned
from ftchat.errors import BadInput, Conflict, NotFound
from ftchat.judging import Judging
from ftchat.records import Feedback, Person, Reply
from ftchat.store import Store
from ftchat.store.judged import Uncorrected

MOST = 20  # answers shown, and saved, at once
_RECENT = 1_000  # turns that are looked at, the newest


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One answer, and what the change would make of it."""

    reply: str
    turn: str
    prompt: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a correction would change in other answers."""

    correction: str
    words: str  # what the change is; or why it cannot be carried over
    found: int  # answers that it fits, of which the newest are shown
    shown: tuple[Candidate, ...] = ()
    fits_others: bool = True  # whether it can be carried over at all


def preview(store: Store, who: Person, correction: str) -> Preview:
    """Which recent answers the change of one's own correction fits; nothing is saved."""
    given, original = _own(store, who, correction)
    edit = learned(original.text, given.value, prompt=given.prompt)
    if isinstance(edit, str):
        return Preview(correction=correction, words=edit, found=0, fits_others=False)
    found = _fitting(store, who, given, original.base, edit)
    return Preview(correction=correction, words=edit.words, found=len(found), shown=tuple(found[:MOST]))


def apply(
    store: Store, judging: Judging, who: Person, correction: str, replies: Sequence[str], *, key: str | None = None
) -> list[str]:
    """Correct these answers in the same way: all of them, or none. Returns the corrections' ids."""
    if not 0 < len(replies) <= MOST:
        raise BadInput(f"replies has {len(replies):,} entries: name 1 to {MOST} answers.")
    with store.writing():
        if earlier := store.once(who.name, key):
            return list(earlier["corrections"])
        given, original = _own(store, who, correction)
        edit = learned(original.text, given.value, prompt=given.prompt)
        if isinstance(edit, str):
            raise Conflict(edit)
        made = [_correct(store, judging, who, reply, edit) for reply in dict.fromkeys(replies)]
        store.remember(who.name, key, {"corrections": made})
    return made


def undo(store: Store, judging: Judging, who: Person, corrections: Sequence[str]) -> None:
    """Take back one's own corrections: all of them, or none."""
    with store.writing():
        for correction in corrections:
            judging.undo(who, correction)


def _own(store: Store, who: Person, correction: str) -> tuple[Feedback, Reply]:
    """A correction that the person gave and that stands, with the reply as it was."""
    if not correction.startswith("k_") or store.feedback.rater_of(correction) != who.name:
        raise NotFound("There is no such correction.")
    given = store.feedback.get(correction)
    return given, store.turns.turn_of(str(given.reply))[1]


def _fitting(store: Store, who: Person, given: Feedback, base: str, edit: Edit) -> list[Candidate]:
    """One answer of each turn that the change fits, and the same answer to the same question once."""
    looked = store.judged.uncorrected(who.name, base=base, all_bad=who.reads is None, limit=_RECENT)
    found: list[Candidate] = []
    turns, seen = set[str](), {(given.prompt, given.value)}
    for one in looked:
        after = edit.applied(one.text)
        if one.turn in turns or after == one.text.strip() or (one.prompt, after) in seen:
            continue
        turns.add(one.turn)
        seen.add((one.prompt, after))
        found.append(_candidate(one, after))
    return found


def _candidate(one: Uncorrected, after: str) -> Candidate:
    return Candidate(reply=one.reply, turn=one.turn, prompt=one.prompt, before=one.text.strip(), after=after)


def _correct(store: Store, judging: Judging, who: Person, reply: str, edit: Edit) -> str:
    """The correction of one answer. One that was changed meanwhile is not overwritten."""
    original = judging.correctable(who, reply)
    after = edit.applied(original.text)
    if after == original.text.strip():
        raise Conflict("The change does not fit one of these answers. Look at them again.")
    standing = store.judged.given_on(reply, rater=who.name).corrected
    if standing not in (None, after):
        raise Conflict("One of these answers was corrected meanwhile. Look at them again.")
    return judging.correct(who, reply, after)
