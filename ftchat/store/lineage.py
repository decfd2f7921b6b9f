"""Which feedback is in which adapter, both ways; and whose feedback was withdrawn.

An adapter holds the rows of its own run that trained or tuned it, and those of the adapter that its run went on from,
if it did. It returns records. It does not know who may see them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftchat.records import AdapterState, RowRole, Split, now
from ftchat.store.pages import Kind

if TYPE_CHECKING:
    from ftchat.store import Store

# Adapters, each with the runs whose rows are in it. One that was deleted counts for those that were made from it.
MADE = """
WITH RECURSIVE made (adapter, run) AS (
  SELECT name, run FROM adapters WHERE run IS NOT NULL
  UNION
  SELECT made.adapter, before.run FROM made JOIN runs ON runs.id = made.run
    JOIN adapters before ON before.name = runs.went_on_from WHERE before.run IS NOT NULL
)"""
_HOLDS = f"""{MADE}, holds (adapter, run, feedback, role, split) AS (
  SELECT made.adapter, made.run, s.feedback, s.role, s.split FROM made JOIN runs ON runs.id = made.run
    JOIN snapshot_rows s ON s.snapshot = runs.snapshot
)"""
# From what was withdrawn, by index, to the few adapters that hold it.
_MARKED = f"""{MADE}
SELECT made.adapter, w.person, COUNT(DISTINCT w.feedback) AS n
  FROM withdrawn w CROSS JOIN snapshot_rows s ON s.feedback = w.feedback AND s.split <> 'exam'
  CROSS JOIN runs ON runs.snapshot = s.snapshot CROSS JOIN made ON made.run = runs.id
 GROUP BY made.adapter, w.person ORDER BY made.adapter, w.person"""
# A run and those behind it; what only examined an adapter that it goes on from is not in it.
_TAINTED = """
WITH RECURSIVE line (run) AS (
  SELECT :r
  UNION
  SELECT before.run FROM line JOIN runs ON runs.id = line.run
    JOIN adapters before ON before.name = runs.went_on_from WHERE before.run IS NOT NULL
)
SELECT 1 AS yes FROM line JOIN runs ON runs.id = line.run JOIN snapshot_rows s ON s.snapshot = runs.snapshot
    AND (s.split <> 'exam' OR line.run = :r) JOIN withdrawn w ON w.feedback = s.feedback LIMIT 1"""
_THERE = "NOT IN (SELECT name FROM deleted_adapters)"


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """One piece of feedback that an adapter was made from, or examined by."""

    feedback: str
    kind: Kind
    role: RowRole
    split: Split
    rater: str
    prompt: str
    value: str  # the winner, up or down, or the corrected text
    through: str  # the adapter whose own run had it
    stands: bool  # false: taken back, withdrawn or rejected since


@dataclass(frozen=True, kw_only=True)
class Holder:
    """An adapter that a piece of feedback is in."""

    adapter: str
    state: AdapterState
    split: Split
    created_at: str


class LineageLog:
    """What was made from what."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store
        self._marks: tuple[object, dict[str, tuple[str, ...]]] = (None, {})

    def marks(self) -> dict[str, tuple[str, ...]]:
        """What is said of adapters that learned from feedback which was withdrawn since. Asked with every listing."""
        sql = "SELECT (SELECT MAX(rowid) FROM withdrawn) AS w, (SELECT MAX(rowid) FROM adapters) AS a"
        known = self._store.rows(sql)[0]
        if known["w"] is None:
            return {}
        if self._marks[0] != known:
            found: dict[str, tuple[str, ...]] = {}
            for row in self._store.rows(_MARKED):
                found[row["adapter"]] = (*found.get(row["adapter"], ()), _mark(row["n"], row["person"]))
            self._marks = (known, found)
        return self._marks[1]

    def holds_withdrawn(self, run: str) -> bool:
        """Whether a run's snapshot, or an adapter that it goes on from, holds feedback that was withdrawn since."""
        return self._store.row(_TAINTED, {"r": run}) is not None

    def went_on_from(self, run: str, adapter: str | None) -> None:
        """Note that a run goes on from an adapter, whose rows are then in its own, too; or, with None, from base."""
        with self._store.writing() as db:
            db.conn.execute("UPDATE runs SET went_on_from = :a WHERE id = :r", {"a": adapter, "r": run})

    def start_of(self, run: str) -> str | None:
        """The adapter that a run goes on from; None for one that starts from base."""
        row = self._store.row("SELECT went_on_from AS name FROM runs WHERE id = :r", {"r": run})
        return row["name"] if row else None

    def held_by(self, adapter: str) -> set[str]:
        """The feedback that an adapter learned from: what is not among it is fresh to it."""
        sql = f"{_HOLDS} SELECT DISTINCT feedback FROM holds WHERE adapter = :a AND split = 'train'"
        return {row["feedback"] for row in self._store.rows(sql, {"a": adapter})}

    def rows_of(self, adapter: str, *, after: str, limit: int) -> list[Ingredient]:
        """The feedback that an adapter was made from and examined by, by id; `after` is the last of the page before."""
        rows = self._store.rows(
            f"""{_HOLDS}
                SELECT h.feedback, h.role, h.split, f.kind, f.rater, f.prompt, f.value,
                       (SELECT name FROM adapters WHERE run = h.run) AS through,
                       EXISTS (SELECT 1 FROM standing s WHERE s.id = h.feedback AND s.status = 'approved') AS stands
                  FROM (SELECT feedback, role, split, MIN(run) AS run FROM holds WHERE adapter = :a
                          AND feedback > :after GROUP BY feedback ORDER BY feedback LIMIT :n) h
                  JOIN ({_SAID}) f ON f.id = h.feedback ORDER BY h.feedback""",
            {"a": adapter, "after": after, "n": limit},
        )
        return [Ingredient(**{**row, "stands": bool(row["stands"])}) for row in rows]

    def counts_of(self, adapter: str) -> dict[str, int]:
        """How much of what an adapter holds trained it, tuned it and examined it, and how much no longer stands."""
        rows = self._store.rows(
            f"""{_HOLDS}
                SELECT split, COUNT(DISTINCT feedback) AS n, COUNT(DISTINCT CASE WHEN NOT EXISTS (
                    SELECT 1 FROM standing s WHERE s.id = feedback AND s.status = 'approved') THEN feedback END) AS gone
                  FROM holds WHERE adapter = :a GROUP BY split""",
            {"a": adapter},
        )
        counts = {str(row["split"]): int(row["n"]) for row in rows}
        gone = sum(int(row["gone"]) for row in rows if row["split"] != "exam")
        return {split: counts.get(split, 0) for split in ("train", "tune", "exam")} | {"gone": gone}

    def holders_of(self, feedback: str) -> list[Holder]:
        """The adapters that a piece of feedback is in, or that it examined, newest first."""
        rows = self._store.rows(
            f"""{_HOLDS}
                SELECT a.name AS adapter, a.state, MAX(h.split) AS split, a.created_at
                  FROM holds h JOIN adapters a ON a.name = h.adapter
                 WHERE h.feedback = :f AND a.name {_THERE} AND (h.split <> 'exam' OR h.run = a.run)
                 GROUP BY a.name ORDER BY a.number DESC""",
            {"f": feedback},
        )
        return [Holder(**row) for row in rows]

    def withdraw(self, person: str, *, by: str) -> tuple[int, list[str]]:
        """Take back everything that stands of what someone gave; returns how much that was, and all that they gave
        and that was not withdrawn before: adapters may be made from words that were edited or undone since."""
        with self._store.writing() as db:
            ever = f"SELECT id FROM ({_SAID}) WHERE rater = :who AND id NOT IN (SELECT feedback FROM withdrawn)"
            stood, given = (
                [str(row["id"]) for row in self._store.rows(f"{sql} ORDER BY id", {"who": person})]
                for sql in ("SELECT id FROM standing WHERE rater = :who", ever)
            )
            values = {"who": person, "by": by, "at": now(), "stood": json.dumps(stood), "given": json.dumps(given)}
            db.conn.execute("INSERT INTO voids SELECT value, :by, :at FROM json_each(:stood)", values)
            db.conn.execute("INSERT INTO withdrawn SELECT value, :who, :by, :at FROM json_each(:given)", values)
            return len(stood), given

    def has_given(self, person: str) -> bool:
        """Whether someone ever gave feedback that is known here."""
        tables = " UNION ALL ".join(f"SELECT rater FROM {table}" for table in ("votes", "ratings", "corrections"))
        return (
            self._store.row(f"SELECT 1 AS yes FROM ({tables}) WHERE rater = :who LIMIT 1", {"who": person}) is not None
        )

    def holding(self, feedback: Sequence[str]) -> dict[str, int]:
        """The adapters that were trained or tuned by any of these, with how many, newest first."""
        rows = self._store.rows(
            f"""{_HOLDS}
                SELECT h.adapter, COUNT(DISTINCT h.feedback) AS n FROM holds h JOIN adapters a ON a.name = h.adapter
                 WHERE h.feedback IN (SELECT value FROM json_each(:ids)) AND h.split <> 'exam' AND a.name {_THERE}
                 GROUP BY h.adapter ORDER BY a.number DESC""",
            {"ids": json.dumps(list(feedback))},
        )
        return {row["adapter"]: row["n"] for row in rows}


def _mark(n: int, person: str) -> str:
    what = "1 piece of feedback in it" if n == 1 else f"{n} pieces of feedback in it"
    withdrawn = f"by {person} {'was' if n == 1 else 'were'} withdrawn"
    return f"{what} {withdrawn}; the next one that starts from base is without that."


# All feedback that ever was, whether it stands or not.
_SAID = """
SELECT v.id, 'vote' AS kind, v.rater, t.prompt, v.winner AS value FROM votes v JOIN turns t ON t.id = v.turn
UNION ALL
SELECT g.id, 'rating', g.rater, t.prompt, g.value FROM ratings g JOIN replies r ON r.id = g.reply
  JOIN turns t ON t.id = r.turn
UNION ALL
SELECT k.id, 'correction', k.rater, t.prompt, k.text FROM corrections k JOIN replies r ON r.id = k.reply
  JOIN turns t ON t.id = r.turn
"""
