"""What was made from what, in words: the adapters that someone's feedback is in, and leaving someone's feedback out.

Raters may follow what they gave, reviewers everything. What an adapter has learned cannot be taken out of it: what was
withdrawn is in no later snapshot, and adapters that hold it say so until others take their place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftchat import dataset
from ftchat.errors import NotFound
from ftchat.records import Person
from ftchat.store import Store
from ftchat.store.lineage import Holder

_KINDS = {"k": "correction", "v": "vote", "g": "rating"}


@dataclass(frozen=True, kw_only=True)
class Traced:
    """Where a piece of feedback went."""

    feedback: str
    adapters: tuple[Holder, ...]
    words: str


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """What became of a withdrawal, and the arguments of a run that leaves it out."""

    person: str
    feedback: int
    adapters: dict[str, int]  # that were made from it, with how many pieces
    retrain: dict[str, Any] | None
    words: str


def trace(store: Store, who: Person, feedback: str, *, base: str) -> Traced:
    """The adapters that a piece of feedback is in, `base` being the model in use; somebody else's is not there for
    those who read only their own."""
    rater = store.feedback.rater_of(feedback)
    if who.reads not in (None, rater):
        raise NotFound("There is no such feedback.")
    holders = store.lineage.holders_of(feedback)
    whose = "Your" if rater == who.name else f"{rater}'s"
    words = _words(whose, _KINDS[feedback[0]], holders, champion=store.training.champion(base))
    return Traced(feedback=feedback, adapters=tuple(holders), words=words)


def _words(whose: str, kind: str, holders: Sequence[Holder], *, champion: str) -> str:
    trained = [holder for holder in holders if holder.split == "train"]
    if trained:
        names = _listed([holder.adapter for holder in trained])
        serves = any(holder.adapter == champion for holder in trained)
        return f"{whose} {kind} trained {names}{f'; {champion} is in service now' if serves else ''}."
    if tuned := [holder.adapter for holder in holders if holder.split == "tune"]:
        return f"{whose} {kind} taught no adapter: it was kept aside to choose the best moment of {_listed(tuned)}."
    if holders:
        names = _listed([holder.adapter for holder in holders])
        return f"{whose} {kind} is kept aside for the exam: it trained nothing, and examined {names}."
    return f"{whose} {kind} is in no adapter yet."


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:3]) + ([f"{len(names) - 3} more"] if len(names) > 3 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def withdraw(store: Store, by: Person, person: str) -> Withdrawn:
    """Take all feedback of a person out of everything made from now on, and mark the adapters that hold some of it."""
    if store.people.user(person) is None and not store.lineage.has_given(person):
        raise NotFound(f"Nobody called {person!r} is known here.")
    with store.writing():
        count, given = store.lineage.withdraw(person, by=by.name)
        held = store.lineage.holding(given)
        run = store.training.unfinished()
        learning = run is not None and store.lineage.holds_withdrawn(run)
    left = not held or dataset.is_enough(dataset.of_split(dataset.rows(store), "train"))
    retrain = {"effort": "normal"} if held and left else None
    words = _withdrawn(person, count, held, left=left)
    if learning:
        words += f" Run {run} is on and learns from it: stop it."
    return Withdrawn(person=person, feedback=count, adapters=held, retrain=retrain, words=words)


def _withdrawn(person: str, count: int, held: dict[str, int], *, left: bool) -> str:
    if not (count or held):
        return f"Nothing of {person} stands: there is nothing to withdraw."
    first = f"{_count(count, person)} withdrawn: no later snapshot holds it." if count else "Nothing of it stands."
    if not held:
        return f"{first} No adapter was made from it."
    then = (
        "Retrain (normal or thorough) makes one without it; then delete those."
        if left
        else "Too little is left to make one without it: roll back, and delete those."
    )
    return f"{first} {_listed(list(held))} learned from it, which cannot be undone in them. {then}"


def _count(n: int, person: str) -> str:
    return f"1 piece of feedback by {person} was" if n == 1 else f"{n} pieces of feedback by {person} were"
