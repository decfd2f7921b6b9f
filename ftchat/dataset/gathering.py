"""The feedback of a store as rows, and as what was dropped and why. It reads; it knows no files."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ftchat.dataset.candidates import Dropped, candidates
from ftchat.dataset.settling import settled, weighed
from ftchat.records import Feedback, Row, Split
from ftchat.store import Store


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Everything that is approved: as rows, by id, or as dropped."""

    rows: tuple[Row, ...]
    dropped: tuple[Dropped, ...]


def rows(store: Store) -> list[Row]:
    """The rows of a snapshot made now."""
    return list(gathered(store).rows)


def gathered(store: Store, *, groups: Collection[str] | None = None, besides: Sequence[Feedback] = ()) -> Gathered:
    """All approved feedback, and what is given `besides`, by the rules of `candidates` and `settling`; with `groups`,
    of these alone: nothing is compared across groups but how much a person gave, so that weights mean nothing then."""
    lessons = store.lessons.approved(groups=groups, besides=besides)
    found: list[Row] = []
    dropped: list[Dropped] = []
    for lesson in lessons:
        made, lost = candidates(lesson)
        found += made
        dropped += lost
    standing, lost = settled(found)
    return Gathered(
        rows=tuple(sorted(weighed(standing), key=lambda row: row.id)),
        dropped=tuple(sorted(dropped + lost, key=lambda item: item.id)),
    )


def of_split(rows: Iterable[Row], *splits: Split) -> list[Row]:
    """The rows of some splits."""
    return [row for row in rows if row.split in splits]
