"""Votes, ratings and corrections, appended and never overwritten; their review; and the split of their groups.

Undo is a row that voids. The status of a piece of feedback is its newest review. A group gets its split once, when
its first feedback is approved.
"""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ftchat.errors import Conflict, NotFound
from ftchat.records import Feedback, Split, Status, Turn, Vote, Winner, new_id, now

if TYPE_CHECKING:
    from ftchat.store import Store

Kind = Literal["vote", "rating", "correction"]
_PREFIX: dict[str, Kind] = {"v": "vote", "g": "rating", "k": "correction"}

_LIVE = "NOT EXISTS (SELECT 1 FROM voids WHERE voids.target = {0}.id)"

# One shape for the three kinds. `reply` of a vote is the winner's, or NULL.
_ALL = f"""
WITH f AS (
  SELECT id, 'vote' AS kind, rater, turn, NULL AS reply, winner AS value, created_at
    FROM votes WHERE {_LIVE.format("votes")}
  UNION ALL
  SELECT ratings.id, 'rating', rater, replies.turn, reply, value, created_at
    FROM ratings JOIN replies ON replies.id = reply WHERE {_LIVE.format("ratings")}
  UNION ALL
  SELECT corrections.id, 'correction', rater, replies.turn, reply, corrections.text, created_at
    FROM corrections JOIN replies ON replies.id = reply WHERE {_LIVE.format("corrections")}
)
SELECT f.id, f.kind, f.rater, f.turn, f.reply, f.value, f.created_at, t.prompt,
       c.group_key AS "group", groups.split,
       COALESCE(r.text, '') AS original, COALESCE(r.contestant, '') AS contestant,
       COALESCE((SELECT status FROM reviews WHERE target = f.id ORDER BY seq DESC LIMIT 1), 'pending') AS status
  FROM f JOIN turns t ON t.id = f.turn JOIN conversations c ON c.id = t.conversation
  LEFT JOIN replies r ON r.id = f.reply LEFT JOIN groups ON groups.key = c.group_key
"""


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
        with self._store.writing() as db:
            if self.vote_of(turn.id) is not None:
                raise Conflict("This turn already has a vote. Undo it first to vote again.")
            vote = new_id("v")
            db.table("votes").insert(
                {
                    "id": vote,
                    "turn": turn.id,
                    "rater": rater,
                    "winner": winner,
                    "blind": int(turn.blind and not self.revealed(turn.id)),
                    "reasons": json.dumps(reasons or {}),
                    "comment": comment,
                    "created_at": now(),
                }
            )
            return vote

    def add_rating(self, reply: str, rater: str, value: str, *, reasons: Any, comment: str) -> str:
        """Append a thumb. It replaces the same person's earlier one on this reply, which is voided."""
        with self._store.writing() as db:
            sql = f"SELECT id FROM ratings WHERE reply = :r AND rater = :by AND {_LIVE.format('ratings')}"
            for row in self._store.rows(sql, {"r": reply, "by": rater}):
                self.void(row["id"], rater)
            rating = new_id("g")
            row = {"id": rating, "reply": reply, "rater": rater, "value": value, "reasons": json.dumps(reasons or [])}
            db.table("ratings").insert({**row, "comment": comment, "created_at": now()})
            return rating

    def add_correction(self, reply: str, rater: str, text: str) -> str:
        """Append a correction. It replaces the same person's earlier one on this reply, which is voided."""
        with self._store.writing() as db:
            sql = f"SELECT id FROM corrections WHERE reply = :r AND rater = :by AND {_LIVE.format('corrections')}"
            for row in self._store.rows(sql, {"r": reply, "by": rater}):
                self.void(row["id"], rater)
            correction = new_id("k")
            row = {"id": correction, "reply": reply, "rater": rater, "text": text, "created_at": now()}
            db.table("corrections").insert(row)
            sql = "SELECT prompt FROM turns JOIN replies ON replies.turn = turns.id WHERE replies.id = :r"
            prompt = self._store.rows(sql, {"r": reply})[0]["prompt"]
            db.table("correction_prompts").insert({"correction": correction, "prompt": prompt})
            return correction

    def void(self, target: str, by: str) -> None:
        """Take back a piece of feedback. Doing it twice is doing it once."""
        with self._store.writing() as db:
            row = {"target": target, "by": by, "created_at": now()}
            db.table("voids").insert(row, pk="target", ignore=True)

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

    def votes_between(self, contestant: str, others: Sequence[str]) -> dict[str, int]:
        """How many blind votes compare a contestant with each of the others."""
        rows = self._store.rows(
            f"""SELECT CASE WHEN l.contestant = :c THEN r.contestant ELSE l.contestant END AS other, COUNT(*) AS n
                FROM votes JOIN replies l ON l.turn = votes.turn AND l.lane = 'left'
                JOIN replies r ON r.turn = votes.turn AND r.lane = 'right'
                WHERE votes.blind = 1 AND :c IN (l.contestant, r.contestant) AND {_LIVE.format("votes")}
                GROUP BY other""",
            {"c": contestant},
        )
        counted = {row["other"]: row["n"] for row in rows}
        return {other: counted.get(other, 0) for other in others}

    def revealed(self, turn: str) -> bool:
        """Whether the names of a blind turn are known: by a vote on it or on another turn of its conversation with the
        same two on the same sides. An undone vote counts."""
        sql = """
            SELECT 1 AS yes FROM turns me JOIN turns t ON t.conversation = me.conversation
              JOIN votes ON votes.turn = t.id
              JOIN replies l ON l.turn = t.id AND l.lane = 'left' JOIN replies r ON r.turn = t.id AND r.lane = 'right'
              JOIN replies ml ON ml.turn = me.id AND ml.lane = 'left'
              JOIN replies mr ON mr.turn = me.id AND mr.lane = 'right'
             WHERE me.id = :t AND l.contestant = ml.contestant AND r.contestant = mr.contestant LIMIT 1"""
        return self._store.row(sql, {"t": turn}) is not None

    def given_on(self, reply: str, *, rater: str) -> tuple[str | None, str | None]:
        """The correction and the thumb that someone gave on a reply."""
        found = {}
        for table, column in (("corrections", "text"), ("ratings", "value")):
            sql = f"SELECT {column} AS v FROM {table} WHERE reply = :r AND rater = :by AND {_LIVE.format(table)}"
            row = self._store.row(sql, {"r": reply, "by": rater})
            found[table] = row["v"] if row else None
        return found["corrections"], found["ratings"]

    def review(self, target: str, status: Status, by: str) -> None:
        """Record a review; the first approval in a group gives the group its split, for good."""
        with self._store.writing() as db:
            db.table("reviews").insert({"target": target, "status": status, "by": by, "created_at": now()}, pk="seq")
            if status != "approved":
                return
            row = self._store.row(f'SELECT "group" FROM ({_ALL}) WHERE id = :i', {"i": target})
            if row and not self._store.row("SELECT 1 AS yes FROM groups WHERE key = :k", {"k": row["group"]}):
                last = self._store.row("SELECT COALESCE(MAX(ordinal), 0) AS n FROM groups")
                ordinal = int(last["n"]) + 1 if last else 1
                values = {"ordinal": ordinal, "key": row["group"], "split": split_of(ordinal), "created_at": now()}
                db.table("groups").insert(values)

    def all(self, *, status: Status | None = None, kind: Kind | None = None) -> list[Feedback]:
        """Feedback that stands, oldest first."""
        sql = f"""SELECT * FROM ({_ALL}) WHERE (:s IS NULL OR status = :s) AND (:k IS NULL OR kind = :k)
                  ORDER BY substr(id, 3)"""  # an id without its prefix sorts by time
        return [Feedback(**row) for row in self._store.rows(sql, {"s": status, "k": kind})]

    def nearest(self, prompt: str, *, limit: int) -> list[Feedback]:
        """Approved corrections whose prompts are nearest in words, best first. Exam rows are not among them."""
        words = list(dict.fromkeys(re.findall(r"\w+", prompt)))[:40]
        if not words:
            return []
        found = self._store.rows(
            f"""SELECT a.* FROM correction_prompts p JOIN ({_ALL}) a ON a.id = p.correction
                WHERE p.prompt MATCH :words AND a.status = 'approved' AND COALESCE(a.split, 'train') <> 'exam'
                ORDER BY bm25(correction_prompts) LIMIT :n""",
            {"words": " OR ".join(f'"{word}"' for word in words), "n": limit},
        )
        return [Feedback(**row) for row in found]

    def newest(self) -> tuple[int, ...]:
        """Changes whenever feedback, its review or its undoing changes: what a cache over feedback depends on."""
        tables = ("votes", "ratings", "corrections", "reviews", "voids")
        counts = ", ".join(f"(SELECT MAX(rowid) FROM {table}) AS {table}" for table in tables)
        row = self._store.row(f"SELECT {counts}") or {}
        return tuple(value or 0 for value in row.values())

    def groups(self) -> int:
        """How many questions have a split so far."""
        row = self._store.row("SELECT COUNT(*) AS n FROM groups")
        return int(row["n"]) if row else 0

    def counts(self) -> dict[str, int]:
        """How many pieces of feedback stand, by `kind/status`."""
        sql = f"SELECT kind || '/' || status AS what, COUNT(*) AS n FROM ({_ALL}) GROUP BY what"
        return {row["what"]: row["n"] for row in self._store.rows(sql)}


def _vote(row: dict[str, Any]) -> Vote:
    keys = ("id", "turn", "rater", "winner", "created_at", "left", "right")
    return Vote(**{k: row[k] for k in keys}, blind=bool(row["blind"]))
