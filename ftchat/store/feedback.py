"""Votes, ratings and corrections, appended and never overwritten; their review; and the split of their groups.

Undo is a row that voids. The status of a piece of feedback is its newest review. A group gets its split once, when
its first feedback is approved.
"""

import json
import re
import sqlite3
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ftchat.errors import Conflict, NotFound
from ftchat.records import Feedback, Split, Status, Turn, Vote, Winner, new_id, now
from ftchat.store import pages, words
from ftchat.store.pages import Kind, Wanted

if TYPE_CHECKING:
    from ftchat.store import Store

_PREFIX: dict[str, Kind] = {"v": "vote", "g": "rating", "k": "correction"}

_LIVE = "NOT EXISTS (SELECT 1 FROM voids WHERE voids.target = {0}.id)"

# One shape for the three kinds. `reply` of a vote is NULL: it is about both.
_ALL = """
SELECT s.id, s.kind, s.status, s.rater, COALESCE(v.turn, r.turn) AS turn, r.id AS reply, t.prompt,
       c.group_key AS "group", groups.split, COALESCE(v.winner, g.value, k.text) AS value,
       COALESCE(v.created_at, g.created_at, k.created_at) AS created_at,
       COALESCE(r.text, '') AS original, COALESCE(r.contestant, '') AS contestant
  FROM standing s
  LEFT JOIN votes v ON s.kind = 'vote' AND v.id = s.id
  LEFT JOIN ratings g ON s.kind = 'rating' AND g.id = s.id
  LEFT JOIN corrections k ON s.kind = 'correction' AND k.id = s.id
  LEFT JOIN replies r ON r.id = COALESCE(g.reply, k.reply)
  JOIN turns t ON t.id = COALESCE(v.turn, r.turn) JOIN conversations c ON c.id = t.conversation
  LEFT JOIN groups ON groups.key = c.group_key
"""
# Prompts that share a word, the nearest first; and of those what may be shown.
_MATCHING = "SELECT correction FROM correction_prompts WHERE prompt MATCH :words ORDER BY rank LIMIT :most"
_RANKED = 60
_NEAREST = f"""{_ALL} JOIN json_each(:ranked) near ON near.value = s.id
  WHERE COALESCE(groups.split, 'train') <> 'exam'
    AND (s.status = 'approved' OR (s.status = 'pending' AND s.rater = :own))
  ORDER BY near.key LIMIT :n"""
_IN_GROUPS = """
WITH asked AS (SELECT t.id FROM json_each(:groups) one JOIN conversations c ON c.group_key = one.value
                 JOIN turns t ON t.conversation = c.id),
  answered AS (SELECT r.id FROM asked JOIN replies r ON r.turn = asked.id)
SELECT v.id FROM asked JOIN votes v ON v.turn = asked.id
UNION ALL SELECT g.id FROM answered JOIN ratings g ON g.reply = answered.id
UNION ALL SELECT k.id FROM answered JOIN corrections k ON k.reply = answered.id"""
_TURN_OF: dict[Kind, str] = {
    "vote": "SELECT turn FROM votes WHERE id = :i",
    "rating": "SELECT r.turn FROM ratings g JOIN replies r ON r.id = g.reply WHERE g.id = :i",
    "correction": "SELECT r.turn FROM corrections k JOIN replies r ON r.id = k.reply WHERE k.id = :i",
}
_GROUP_OF = {
    kind: f"""SELECT c.group_key AS key, groups.split FROM turns t JOIN conversations c ON c.id = t.conversation
              LEFT JOIN groups ON groups.key = c.group_key WHERE t.id = ({turn})"""
    for kind, turn in _TURN_OF.items()
}
# Whether the names of a blind turn are known: see `revealed`.
REVEALED = """SELECT 1 AS yes FROM turns me JOIN turns near ON near.conversation = me.conversation
  JOIN votes ON votes.turn = near.id
  JOIN replies l ON l.turn = near.id AND l.lane = 'left' JOIN replies r ON r.turn = near.id AND r.lane = 'right'
  JOIN replies ml ON ml.turn = me.id AND ml.lane = 'left'
  JOIN replies mr ON mr.turn = me.id AND mr.lane = 'right'
 WHERE me.id = {0} AND l.contestant = ml.contestant AND r.contestant = mr.contestant
   AND (near.id = me.id OR substr(votes.id, 3) > substr(me.id, 3)) LIMIT 1"""
_TALLIES = "SELECT kind, status, n FROM tallies WHERE n > 0"
_IN_TIME = "substr(s.id, 3)"  # an id without its prefix sorts by time


def split_of(ordinal: int) -> Split:
    """Of six new groups the sixth is for the exam; from 24 groups on the twelfth is for tuning."""
    if ordinal % 6 != 0:
        return "train"
    return "tune" if ordinal >= 24 and ordinal % 12 == 0 else "exam"


class FeedbackLog:
    """What people thought of the replies."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def add_vote(self, turn: Turn, rater: str, winner: Winner, *, reasons: Any, comment: str) -> str:
        """Append a vote. The first one on a blind turn is the blind one; after an undo it is not blind any more."""
        with self._store.writing():
            if self._store.row(
                f"SELECT 1 AS yes FROM votes WHERE turn = :t AND {_LIVE.format('votes')}", {"t": turn.id}
            ):
                raise Conflict("This turn already has a vote. Undo it first to vote again.")
            blind = int(turn.blind and not self.revealed(turn.id))
            row = {"id": new_id("v"), "turn": turn.id, "rater": rater, "winner": winner, "blind": blind}
            rest = {"reasons": json.dumps(reasons or {}), "comment": comment, "created_at": now()}
            self._store.insert("votes", {**row, **rest})
            return str(row["id"])

    def add_rating(self, reply: str, rater: str, value: str, *, reasons: Any, comment: str) -> str:
        """Append a thumb. It replaces the same person's earlier one on this reply, which is voided."""
        with self._store.writing():
            self._replace("ratings", reply, rater)
            rating = new_id("g")
            row = {"id": rating, "reply": reply, "rater": rater, "value": value, "reasons": json.dumps(reasons or [])}
            self._store.insert("ratings", {**row, "comment": comment, "created_at": now()})
            return rating

    def add_correction(self, reply: str, rater: str, text: str) -> str:
        """Append a correction. It replaces the same person's earlier one on this reply, which is voided."""
        with self._store.writing():
            self._replace("corrections", reply, rater)
            correction = new_id("k")
            row = {"id": correction, "reply": reply, "rater": rater, "text": text, "created_at": now()}
            self._store.insert("corrections", row)
            sql = "SELECT t.* FROM turns t JOIN replies r ON r.turn = t.id WHERE r.id = :r"
            turn = self._store.rows(sql, {"r": reply})[0]
            self._store.insert("correction_prompts", {"correction": correction, "prompt": turn["prompt"]})
            words.add(self._store, correction, f"{turn['prompt']}\n{text}", turn=turn["id"], owner=turn["owner"])
            return correction

    def _replace(self, table: str, reply: str, rater: str) -> None:
        """Void what someone gave on a reply before."""
        sql = f"SELECT id FROM {table} WHERE reply = :r AND rater = :by AND {_LIVE.format(table)}"
        for row in self._store.rows(sql, {"r": reply, "by": rater}):
            self.void(row["id"], rater)

    def void(self, target: str, by: str) -> None:
        """Take back a piece of feedback. Doing it twice is doing it once."""
        with self._store.writing():
            if self._stands(target):
                self._store.insert("voids", {"target": target, "by": by, "created_at": now()})
            elif self._store.row("SELECT 1 AS yes FROM voids WHERE target = :t", {"t": target}) is None:
                raise NotFound("There is no such feedback.")

    def _stands(self, feedback: str) -> bool:
        return self._store.row("SELECT 1 AS yes FROM standing WHERE id = :i", {"i": feedback}) is not None

    def get(self, feedback: str) -> Feedback:
        """One piece of feedback that stands."""
        row = self._store.row(f"{_ALL} WHERE s.id = :i", {"i": feedback})
        if row is None:
            raise NotFound(f"There is no feedback {feedback!r}, or it was taken back.")
        return Feedback(**row)

    def rater_of(self, feedback: str) -> str:
        """Who gave it."""
        kind = _PREFIX.get(feedback.split("_")[0])
        row = self._store.row(f"SELECT rater FROM {kind}s WHERE id = :i", {"i": feedback}) if kind else None
        if row is None:
            raise NotFound("There is no such feedback.")
        return str(row["rater"])

    def vote_of(self, turn: str) -> Vote | None:
        """The vote that stands on a turn."""
        row = self._store.row(
            f"""SELECT votes.*, l.contestant AS "left", r.contestant AS "right" FROM votes
                JOIN replies l ON l.turn = votes.turn AND l.lane = 'left'
                JOIN replies r ON r.turn = votes.turn AND r.lane = 'right'
                WHERE votes.turn = :t AND {_LIVE.format("votes")}""",
            {"t": turn},
        )
        return _vote(row) if row else None

    def revealed(self, turn: str) -> bool:
        """Whether the names of a blind turn are known: by a vote on it, or on another turn of its conversation with
        the same two on the same sides if it was there when that vote was given: later its sides were drawn anew, even
        where they fell the same. An undone vote counts."""
        return self._store.row(REVEALED.format(":t"), {"t": turn}) is not None

    def status(self, feedback: str) -> Status | None:
        """Where its review stands; None when it was taken back."""
        row = self._store.row("SELECT status FROM standing WHERE id = :i", {"i": feedback})
        return row["status"] if row else None

    def review(self, target: str, status: Status, by: str) -> None:
        """Record a review; the first approval in a group gives the group its split, for good."""
        with self._store.writing():
            try:
                self._store.insert("reviews", {"target": target, "status": status, "by": by, "created_at": now()})
            except sqlite3.IntegrityError as err:  # a trigger: nothing stands under this id
                raise NotFound(f"There is no feedback {target!r}, or it was taken back.") from err
            if status == "approved":
                self._give_split(target)

    def _give_split(self, feedback: str) -> None:
        """Give the group of a piece of feedback its split, if it has none."""
        found = self._store.row(_GROUP_OF[_PREFIX[feedback.split("_")[0]]], {"i": feedback})
        if found is not None and found["split"] is None:
            ordinal = self.groups() + 1
            values = {"ordinal": ordinal, "key": found["key"], "split": split_of(ordinal), "created_at": now()}
            self._store.insert("groups", values)

    def all(
        self, *, status: Status | None = None, kind: Kind | None = None, groups: Collection[str] | None = None
    ) -> list[Feedback]:
        """Feedback that stands, oldest first; with `groups`, what was given in these."""
        wanted = {"s.status = :s": status, "s.kind = :k": kind, f"s.id IN ({_IN_GROUPS})": groups}
        where = " AND ".join(sql for sql, value in wanted.items() if value is not None)
        sql = f"{_ALL} WHERE {where or '1'} ORDER BY {_IN_TIME}"
        asked = {"s": status, "k": kind, "groups": json.dumps(list(groups or ()))}
        return [Feedback(**row) for row in self._store.rows(sql, asked)]

    def page(
        self,
        *,
        status: Status | None = None,
        kind: Kind | None = None,
        rater: str | None = None,
        search: str | None = None,
        after: str | None = None,
        limit: int,
    ) -> tuple[list[Feedback], str | None]:
        """One page of the feedback that stands, newest first, and where the next one begins, if there is one.

        With `search`, feedback on questions, and corrections, that have these words: newest text first. `after` is
        what the page before gave as the next one's beginning.
        """
        wanted = Wanted(status, kind, rater)
        ids, more = pages.places(self._store, wanted, search=search, after=after, limit=limit)
        sql = f"{_ALL} WHERE s.id IN (SELECT value FROM json_each(:ids))"
        found = {row["id"]: Feedback(**row) for row in self._store.rows(sql, {"ids": json.dumps(ids)})}
        return [found[id_] for id_ in ids if id_ in found], more

    def nearest(self, prompt: str, *, limit: int, own: str | None = None) -> list[Feedback]:
        """Approved corrections whose prompts are nearest in words, best first. Exam rows are not among them.

        With `own`, what that person corrected is among them even while it waits for review.
        """
        words = list(dict.fromkeys(re.findall(r"\w+", prompt)))[:40]
        if not words:
            return []
        found: list[dict[str, Any]] = []
        for most in (_RANKED + limit, -1):  # of many that match, the best alone are looked at, if that is enough
            asked = {"words": " OR ".join(f'"{word}"' for word in words), "most": most}
            ranked = [row["correction"] for row in self._store.rows(_MATCHING, asked)]
            found = self._store.rows(_NEAREST, {"ranked": json.dumps(ranked), "n": limit, "own": own})
            if len(found) == limit or len(ranked) < most:
                break
        return [Feedback(**row) for row in found]

    def newest(self) -> tuple[int, ...]:
        """Changes whenever feedback, its review or its undoing changes: what a cache over feedback depends on."""
        tables = ("votes", "ratings", "corrections", "reviews", "voids")
        counts = ", ".join(f"(SELECT MAX(rowid) FROM {table}) AS {table}" for table in tables)
        row = self._store.row(f"SELECT {counts}") or {}
        return tuple(value or 0 for value in row.values())

    def settle(self, group: str, split: Split) -> None:
        """Give a group the split that it had elsewhere, unless it has one here: a split is given once, for good."""
        with self._store.writing():
            if not self._store.row("SELECT 1 AS yes FROM groups WHERE key = :k", {"k": group}):
                self._store.insert("groups", {"key": group, "split": split, "created_at": now()})

    def groups(self) -> int:
        """How many questions have a split so far."""
        row = self._store.row("SELECT MAX(ordinal) AS n FROM groups")  # they are numbered from 1, and none goes away
        return int(row["n"] or 0) if row else 0

    def counts(self) -> dict[str, int]:
        """How many pieces of feedback stand, by `kind/status`."""
        return {f"{row['kind']}/{row['status']}": row["n"] for row in self._store.rows(_TALLIES)}


def _vote(row: dict[str, Any]) -> Vote:
    keys = ("id", "turn", "rater", "winner", "created_at", "left", "right")
    return Vote(**{k: row[k] for k in keys}, blind=bool(row["blind"]))
