"""Feedback as reviewers decide on it: listed for whoever may see it, approved or rejected all at once or not at all.

Raters see what they gave, reviewers everything. It does not know HTTP or pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from ftchat.errors import BadInput, NotAllowed
from ftchat.records import Feedback, Person, Status
from ftchat.store import Store, activity
from ftchat.store.pages import Kind

MOST = 1_000  # pieces of feedback in one decision


def listed(
    store: Store,
    who: Person,
    *,
    status: Status | None = None,
    kind: Kind | None = None,
    rater: str | None = None,
    search: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> tuple[list[Feedback], str | None]:
    """One page of the feedback that someone may see, newest first, and where the next page begins, if there is one.

    `rater` is for those who read everyone's; others see their own, whatever it says.
    """
    by = who.reads or rater
    return store.feedback.page(status=status, kind=kind, rater=by, search=search or None, after=after, limit=limit)


def raters(store: Store, who: Person) -> list[str]:
    """Whose feedback someone may look at."""
    return activity.raters(store) if who.reads is None else [who.reads]


def counts(store: Store, who: Person) -> dict[str, int]:
    """How many pieces there are of each status, by kind/status; for those who read everyone's."""
    return store.feedback.counts() if who.reads is None else {}


@dataclass(frozen=True)
class Decided:
    """How many a decision changed, and what each of these was; and how many stay, since others decided meanwhile."""

    changed: int
    before: dict[str, Status]
    stay: int = 0


def decide(
    store: Store, who: Person, ids: Sequence[str], status: Status, *, was: Mapping[str, str] | None = None,
    key: str | None = None,
) -> Decided:  # fmt: skip
    """Give each the same status. An unknown id changes nothing. `was` is what some were when that was decided: what is
    something else by now stays."""
    _refuse_others(who, ids)
    with store.writing():
        if earlier := store.once(who.name, key):
            return Decided(earlier["changed"], earlier.get("before", {}))
        found = [store.feedback.get(id_) for id_ in dict.fromkeys(ids)]
        other = [feedback for feedback in found if feedback.status != status]
        before = {one.id: one.status for one in other if ((was or {}).get(one.id) or one.status) == one.status}
        for id_ in before:
            store.feedback.review(id_, status, who.name)
        store.remember(who.name, key, {"changed": len(before), "before": before})
    return Decided(len(before), before, len(other) - len(before))


def put_back(store: Store, who: Person, before: Mapping[str, Status], *, since: Status) -> int:
    """Give each what it was before a decision, where nobody decided otherwise since; returns how many that were."""
    _refuse_others(who, list(before))
    if not {since, *before.values()} <= set(get_args(Status)):
        raise BadInput(f"A status is one of {', '.join(get_args(Status))}.")
    with store.writing():
        still = [id_ for id_ in before if store.feedback.status(id_) == since]
        for id_ in still:
            store.feedback.review(id_, before[id_], who.name)
    return len(still)


def _refuse_others(who: Person, ids: Sequence[str]) -> None:
    if not who.is_at_least("reviewer"):
        raise NotAllowed(f"Reviewing is for reviewers; you are a {who.role} here. An admin can change that.")
    if not 0 < len(ids) <= MOST:
        raise BadInput(f"ids has {len(ids):,} entries: name 1 to {MOST:,} pieces of feedback.")
