"""Pins, which every exam asks, and scores that were measured once and need not be measured again.

It returns records and numbers. It does not know engines or verdicts.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftchat.errors import BadInput, NotFound
from ftchat.records import new_id, now

if TYPE_CHECKING:
    from ftchat.store import Store

MAX_PIN = 300  # characters of one text that a pin looks for
MAX_PIN_TEXTS = 16


@dataclass(frozen=True, kw_only=True)
class Pin:
    """What must still be answered, whatever is taught: a question, and what its answer has, lacks or matches."""

    id: str
    prompt: str
    contains: tuple[str, ...] = ()  # upper and lower case are the same
    lacks: tuple[str, ...] = ()
    matches: str = ""  # a regular expression, searched for in the answer
    by: str
    created_at: str

    def __post_init__(self) -> None:
        """Refuse a pin that demands nothing, or what cannot be looked for."""
        texts = (*self.contains, *self.lacks)
        if not texts and not self.matches:
            raise BadInput("A pin needs something to look for: contains, lacks or matches.")
        if len(texts) > MAX_PIN_TEXTS or any(not text.strip() or len(text) > MAX_PIN for text in texts):
            raise BadInput(f"contains and lacks take up to {MAX_PIN_TEXTS} texts, of 1 to {MAX_PIN} characters each.")
        if len(self.matches) > MAX_PIN:
            raise BadInput(f"matches has {len(self.matches)} characters; at most {MAX_PIN} are taken.")
        try:
            re.compile(self.matches)
        except (re.error, OverflowError, RecursionError) as err:
            raise BadInput(
                f"“{self.matches}” is no regular expression ({err}). Write one, such as “EUR [0-9]+”, or none."
            ) from err


class ExamLog:
    """What exams ask of everyone, and what is known of the answers."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def against(self, base: str, champion: str) -> int:
        """How many verdicts there are on adapters that were examined against a champion."""
        sql = """SELECT COUNT(*) AS n FROM runs
                 WHERE base = :b AND json_valid(verdict) AND json_extract(verdict, '$.figures.champion') = :c"""
        return int(self._store.rows(sql, {"b": base, "c": champion})[0]["n"])

    def about(self, base: str, contestants: Collection[str]) -> set[str]:
        """The ids of rows about a reply that one of these wrote with this base; a row of a vote names a lane, too."""
        sql = """WITH r AS (SELECT id, turn, lane FROM replies
                             WHERE base = :b AND contestant IN (SELECT value FROM json_each(:c)))
            SELECT k.id AS id FROM corrections k JOIN r ON r.id = k.reply
            UNION ALL SELECT g.id FROM ratings g JOIN r ON r.id = g.reply
            UNION ALL SELECT v.id || ' ' || r.lane FROM votes v JOIN r ON r.turn = v.turn WHERE v.winner = 'both_bad'"""
        rows = self._store.rows(sql, {"b": base, "c": json.dumps(list(contestants))})
        return {row["id"] for row in rows}

    def add_pin(
        self, prompt: str, *, by: str, contains: Sequence[str] = (), lacks: Sequence[str] = (), matches: str = ""
    ) -> Pin:
        """Pin a question and what its answer must have, must lack or must match."""
        pin = Pin(
            id=new_id("p"),
            prompt=prompt,
            contains=tuple(contains),
            lacks=tuple(lacks),
            matches=matches,
            by=by,
            created_at=now(),
        )
        texts = {"contains": json.dumps(pin.contains), "lacks": json.dumps(pin.lacks), "matches": matches}
        self._store.insert("pins", {"id": pin.id, "prompt": prompt, **texts, "by": by, "created_at": pin.created_at})
        return pin

    def pins(self) -> list[Pin]:
        """All of them, newest first."""
        return [_pin(row) for row in self._store.rows("SELECT * FROM pins ORDER BY id DESC")]

    def remove_pin(self, pin: str) -> None:
        """Demand it no longer."""
        with self._store.writing() as db:
            if not db.conn.execute("DELETE FROM pins WHERE id = :p", {"p": pin}).rowcount:
                raise NotFound("There is no such pin.")

    def scores(self, base: str, model: str) -> dict[str, float]:
        """What was measured of a model: NLL by digest."""
        sql = "SELECT what, nll FROM kept_scores WHERE base = :b AND model = :m"
        return {row["what"]: row["nll"] for row in self._store.rows(sql, {"b": base, "m": model})}

    def keep_scores(self, base: str, model: str, found: Mapping[str, float]) -> None:
        """Keep what was measured; the newest stands."""
        with self._store.writing() as db:
            db.conn.executemany(
                "INSERT OR REPLACE INTO kept_scores VALUES (?, ?, ?, ?)",
                [(base, model, what, nll) for what, nll in found.items()],
            )


def _pin(row: dict[str, Any]) -> Pin:
    return Pin(**{**row, "contains": tuple(json.loads(row["contains"])), "lacks": tuple(json.loads(row["lacks"]))})
