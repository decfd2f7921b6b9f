"""Which feedback is on a page: ids in order, found by index however much there is, and where the next page begins.

It does not know what a piece of feedback says; `feedback` reads that for the ids of one page.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ftchat.errors import BadInput
from ftchat.records import Status
from ftchat.store import words

if TYPE_CHECKING:
    from ftchat.store import Store

Kind = Literal["vote", "rating", "correction"]
KINDS: dict[Kind, str] = {"vote": "v", "rating": "g", "correction": "k"}
STATUSES: tuple[Status, ...] = ("pending", "approved", "rejected")
_END = 1 << 62  # beyond the place of any text
_LONGEST_LOOK = 20_000  # texts looked at in one go


@dataclass(frozen=True)
class Wanted:
    """What is on the pages; None is anything."""

    status: Status | None
    kind: Kind | None
    rater: str | None

    def __post_init__(self) -> None:
        """Refuse a status and a kind that there are not."""
        if self.status is not None and self.status not in STATUSES:
            raise BadInput(f"There is no status {self.status!r}: use {', '.join(STATUSES)}.")
        if self.kind is not None and self.kind not in KINDS:
            raise BadInput(f"There is no kind {self.kind!r}: use {', '.join(KINDS)}.")


def places(
    store: "Store", wanted: Wanted, *, search: str | None, after: str | None, limit: int
) -> tuple[list[str], str | None]:
    """The ids of one page, and what to give as `after` for the next one, if there is one."""
    place = _place(after, searching=search is not None)
    if search is None:
        found = [(id_, id_) for id_ in _newest(store, wanted, before=place[1], limit=limit + 1)]
    else:
        found = _answers(store, wanted, search, place=place, limit=limit + 1)
    page = found[:limit]
    return [id_ for id_, _ in page], page[-1][1] if page and len(found) > limit else None


def _place(after: str | None, *, searching: bool) -> tuple[int, str]:
    if after is None:
        return _END, ""
    shape = r"(\d{1,18})\.([vgk]_\w{1,40})" if searching else r"()([vgk]_\w{1,40})"
    if (match := re.fullmatch(shape, after, re.ASCII)) is None:
        raise BadInput("after is not where a page of this list ends: use what came with the page before.")
    return int(match[1] or 0), match[2]


def _newest(store: "Store", wanted: Wanted, *, before: str, limit: int) -> list[str]:
    """The newest of each kind and status come from an index in order; the newest of those are what is asked for."""
    params: dict[str, Any] = {"by": wanted.rater, "n": limit}
    by_rater = "" if wanted.rater is None else "AND rater = :by"
    parts = []
    for kind in [wanted.kind] if wanted.kind else KINDS:
        params[kind] = f"{KINDS[kind]}{before[1:]}" if before else f"{KINDS[kind]}_~"  # '~' is after all ids
        parts += [
            f"""SELECT * FROM (SELECT id FROM standing WHERE kind = '{kind}' AND status = '{status}' {by_rater}
                AND id < :{kind} ORDER BY id DESC LIMIT :n)"""
            for status in ([wanted.status] if wanted.status else STATUSES)
        ]
    sql = f"SELECT id FROM ({' UNION ALL '.join(parts)}) ORDER BY substr(id, 3) DESC LIMIT :n"
    return [row["id"] for row in store.rows(sql, params)]


def _answers(
    store: "Store", wanted: Wanted, search: str, *, place: tuple[int, str], limit: int
) -> list[tuple[str, str]]:
    """Ids that answer a search, each with its place: newest text first, and on one question the newest id first."""
    found: list[tuple[str, str]] = []
    for texts in _texts(store, search, at=place[0], first=2 * limit):
        for row in _given_on(store, wanted, texts):
            if (row["n"], row["id"]) < place or not place[1]:
                found.append((row["id"], f"{row['n']}.{row['id']}"))
        if len(found) >= limit:
            break
    return found[:limit]


def _texts(store: "Store", search: str, *, at: int, first: int) -> Iterator[list[tuple[int, str]]]:
    """What answers a search, in portions that grow, so that a rare kind among many answers is found too."""
    asked, size = words.query(search), first
    while asked is not None and (texts := words.found(store, asked, at=at, limit=size)):
        yield texts
        at, size = texts[-1][0] - 1, min(size * 2, _LONGEST_LOOK)


_GIVEN_ON = """
WITH texts AS MATERIALIZED (SELECT value ->> 0 AS n, value ->> 1 AS id FROM json_each(:texts)), given AS (
  SELECT texts.n, v.id FROM texts JOIN votes v ON v.turn = texts.id
  UNION ALL
  SELECT texts.n, g.id FROM texts JOIN replies r ON r.turn = texts.id JOIN ratings g ON g.reply = r.id
  UNION ALL
  SELECT texts.n, texts.id FROM texts WHERE texts.id LIKE 'k%')
SELECT given.n, s.id FROM given CROSS JOIN standing s ON s.id = given.id
 WHERE (:status IS NULL OR s.status = :status) AND (:kind IS NULL OR s.kind = :kind)
   AND (:rater IS NULL OR s.rater = :rater)
 ORDER BY given.n DESC, s.id DESC
"""


def _given_on(store: "Store", wanted: Wanted, texts: list[tuple[int, str]]) -> list[dict[str, Any]]:
    """Votes and ratings on those of the texts that are questions, and those that are corrections, as far as wanted."""
    params = {"status": wanted.status, "kind": wanted.kind, "rater": wanted.rater}
    return store.rows(_GIVEN_ON, {**params, "texts": json.dumps(texts)})
