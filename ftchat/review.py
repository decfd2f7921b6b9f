"""Feedback as reviewers decide on it: listed for whoever may see it, approved or rejected all at once or not at all.

Raters see what they gave, reviewers everything. It does not know HTTP or pages.
"""

from collections.abc import Sequence

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


def decide(store: Store, who: Person, ids: Sequence[str], status: Status, *, key: str | None = None) -> int:
    """Give each the same status; returns how many had another one. An unknown id changes nothing."""
    if not who.is_at_least("reviewer"):
        raise NotAllowed(f"Reviewing is for reviewers; you are a {who.role} here. An admin can change that.")
    if not 0 < len(ids) <= MOST:
        raise BadInput(f"ids has {len(ids):,} entries: name 1 to {MOST:,} pieces of feedback.")
    with store.writing():
        if earlier := store.once(who.name, key):
            return int(earlier["changed"])
        found = [store.feedback.get(id_) for id_ in dict.fromkeys(ids)]
        changing = [feedback.id for feedback in found if feedback.status != status]
        for id_ in changing:
            store.feedback.review(id_, status, who.name)
        store.remember(who.name, key, {"changed": len(changing)})
    return len(changing)
