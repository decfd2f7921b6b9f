"""Rating sessions: lists of questions, the turn that each became, and which are done.

A question is done when a vote stands on its turn, or when it was skipped. It returns records; asking happens elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftchat.errors import NotFound
from ftchat.records import new_id, now

if TYPE_CHECKING:
    from ftchat.store import Store


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question of a session."""

    position: int
    prompt: str
    turn: str | None
    asked: int  # how many times: once more when nobody could answer
    skipped: str | None  # why
    voted: bool

    @property
    def done(self) -> bool:
        """Whether nothing is to be done about it any more."""
        return self.voted or self.skipped is not None


@dataclass(frozen=True, kw_only=True)
class Session:
    """A list of questions and how far it is."""

    id: str
    owner: str
    title: str
    created_at: str
    ended: bool
    total: int
    voted: int
    skipped: int

    @property
    def left(self) -> int:
        """Questions still to be judged."""
        return self.total - self.voted - self.skipped

    @property
    def done(self) -> bool:
        """Whether there is nothing more to judge."""
        return self.ended or not self.left


_VOTED = "EXISTS (SELECT 1 FROM votes v WHERE v.turn = i.turn AND NOT EXISTS (SELECT 1 FROM voids WHERE target = v.id))"
_SESSIONS = f"""
SELECT s.id, s.owner, s.title, s.created_at, s.ended_at IS NOT NULL AS ended, COUNT(*) AS total,
       SUM(i.skipped IS NULL AND {_VOTED}) AS voted, SUM(i.skipped IS NOT NULL) AS skipped
  FROM rating_sessions s JOIN session_items i ON i.session = s.id"""


class SessionLog:
    """The sessions of everyone."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def add(self, owner: str, title: str, prompts: Sequence[str]) -> str:
        """Keep a list of questions."""
        session = new_id("q")
        with self._store.writing():
            row = {"id": session, "owner": owner, "title": title, "created_at": now()}
            self._store.insert("rating_sessions", row)
            for position, prompt in enumerate(prompts, start=1):
                self._store.insert("session_items", {"session": session, "position": position, "prompt": prompt})
        return session

    def get(self, session: str, *, owner: str | None = None) -> Session:
        """One session; with `owner`, only if it is theirs."""
        row = self._store.row(f"{_SESSIONS} WHERE s.id = :s GROUP BY s.id", {"s": session})
        if row is None or (owner is not None and row["owner"] != owner):
            raise NotFound("There is no such rating session.")
        return _session(row)

    def of(self, owner: str, *, limit: int = 50) -> list[Session]:
        """Someone's sessions, newest first."""
        sql = f"{_SESSIONS} WHERE s.owner = :o GROUP BY s.id ORDER BY s.id DESC LIMIT :n"
        return [_session(row) for row in self._store.rows(sql, {"o": owner, "n": limit})]

    def items(self, session: str, *, limit: int) -> list[Item]:
        """The first questions that are not done, in order."""
        sql = f"""SELECT position, prompt, turn, asked, skipped, {_VOTED} AS voted FROM session_items i
                  WHERE session = :s AND skipped IS NULL AND NOT ({_VOTED}) ORDER BY position LIMIT :n"""
        rows = self._store.rows(sql, {"s": session, "n": limit})
        return [Item(**{**row, "voted": bool(row["voted"])}) for row in rows]

    def left_out(self, session: str) -> list[Item]:
        """The questions that were skipped, in order."""
        sql = "SELECT * FROM session_items WHERE session = :s AND skipped IS NOT NULL ORDER BY position"
        rows = self._store.rows(sql, {"s": session})
        keys = ("position", "prompt", "turn", "asked", "skipped")
        return [Item(**{key: row[key] for key in keys}, voted=False) for row in rows]

    def became(self, session: str, position: int, turn: str) -> None:
        """A question was asked: this is its turn."""
        sql = "UPDATE session_items SET turn = :t, asked = asked + 1 WHERE session = :s AND position = :p"
        with self._store.writing() as db:
            db.conn.execute(sql, {"t": turn, "s": session, "p": position})

    def skip(self, session: str, position: int, why: str) -> None:
        """Leave a question out; the first reason stands."""
        sql = "UPDATE session_items SET skipped = :w WHERE session = :s AND position = :p AND skipped IS NULL"
        with self._store.writing() as db:
            db.conn.execute(sql, {"w": why, "s": session, "p": position})

    def end(self, session: str) -> None:
        """Close a session: what was judged stays, nothing more is asked."""
        sql = "UPDATE rating_sessions SET ended_at = :at WHERE id = :s AND ended_at IS NULL"
        with self._store.writing() as db:
            db.conn.execute(sql, {"at": now(), "s": session})


def _session(row: dict[str, Any]) -> Session:
    return Session(**{**row, "ended": bool(row["ended"])})
