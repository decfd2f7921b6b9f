"""Snapshots, runs and adapters, and which contestant is champion of which base.

At most one run is unfinished: the database itself refuses a second. A number of an adapter is never used twice.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ftchat.config import TrainArgs
from ftchat.errors import Conflict, NotFound
from ftchat.records import BASE, ENDED, Adapter, AdapterState, Row, Run, Verdict, new_id, now
from ftchat.store.lessons import feedback_of

if TYPE_CHECKING:
    from ftchat.store import Store

_THERE = "name NOT IN (SELECT name FROM deleted_adapters)"
_MADE = "stage IN ('done','rejected')"
# Of the feedback of its time, and no repetition of an earlier run on its snapshot.
_OWN = """NOT EXISTS (SELECT 1 FROM runs earlier WHERE earlier.snapshot = runs.snapshot AND earlier.id < runs.id
    AND earlier.stage IN ('done','rejected'))"""
_UNFINISHED = "stage NOT IN ('done','rejected','stopped','failed')"


class TrainingLog:
    """What was trained, from what, and what became of it."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def start_run(self, *, by: str, base: str, args: TrainArgs) -> Run:
        """Queue a run; refused with the id of the one that is on."""
        run = new_id("n")
        row = {"id": run, "by": by, "base": base, "args": json.dumps(asdict(args)), "stage": "queued"}
        try:
            with self._store.writing() as db:
                db.table("runs").insert({**row, "created_at": now()})
        except sqlite3.IntegrityError as err:
            raise Conflict(f"Run {self.unfinished()} is on. Wait for it or stop it first.") from err
        return self.run(run)

    def update_run(self, run: str, **values: Any) -> None:
        """Change what is known of an unfinished run."""
        if isinstance(values.get("verdict"), Verdict):
            values["verdict"] = json.dumps(asdict(values["verdict"]))
        if values.get("stage") in ENDED:
            values["ended_at"] = now()
        sets = ", ".join(f"{k} = :{k}" for k in values)
        with self._store.writing() as db:
            db.conn.execute(f"UPDATE runs SET {sets} WHERE id = :id AND {_UNFINISHED}", {**values, "id": run})

    def run(self, run: str) -> Run:
        """One run."""
        row = self._store.row("SELECT * FROM runs WHERE id = :r", {"r": run})
        if row is None:
            raise NotFound("There is no such run.")
        return _run(row)

    def args_of(self, run: str) -> TrainArgs:
        """What a run was asked to do."""
        row = self._store.row("SELECT args FROM runs WHERE id = :r", {"r": run})
        return TrainArgs(**json.loads(row["args"])) if row else TrainArgs()

    def begin(self, run: str) -> int:
        """Note that a run is begun, or goes on after its app was lost; returns how often that was."""
        with self._store.writing() as db:
            db.conn.execute(f"UPDATE runs SET begun = begun + 1 WHERE id = :r AND {_UNFINISHED}", {"r": run})
        return int(self._plain(run)["begun"])

    def rest(self, run: str) -> None:
        """Note that the app was ended in good order: that a run goes on later is then nothing to worry about."""
        with self._store.writing() as db:
            db.conn.execute(f"UPDATE runs SET begun = 0 WHERE id = :r AND {_UNFINISHED}", {"r": run})

    def ask_to_stop(self, run: str) -> None:
        """Note that somebody wants an unfinished run to stop, whoever drives it by then."""
        with self._store.writing() as db:
            db.conn.execute(f"UPDATE runs SET stop_asked = 1 WHERE id = :r AND {_UNFINISHED}", {"r": run})

    def stop_asked(self, run: str) -> bool:
        """Whether somebody did."""
        return bool(self._plain(run)["stop_asked"])

    def heed_stop(self, run: str) -> None:
        """Note that what was asked to stop has stopped: what comes next may be stopped by itself."""
        with self._store.writing() as db:
            db.conn.execute("UPDATE runs SET stop_asked = 0 WHERE id = :r", {"r": run})

    def base_of(self, run: str) -> str:
        """The fingerprint of the base that a run began with."""
        return str(self._plain(run)["base"])

    def name_of(self, run: str) -> str | None:
        """The name that the adapter of a run was given, before it is there."""
        name = self._plain(run)["name"]
        return None if name is None else str(name)

    def name_for(self, run: str, slug: str, *, above: int) -> str:
        """The name of the adapter that a run makes: given once, so that a run that goes on does not take another."""
        with self._store.writing() as db:
            name = self.name_of(run)
            if name is None:
                name = f"{slug}-v{self.next_number(slug, above=above)}"
                db.conn.execute("UPDATE runs SET name = :n WHERE id = :r", {"n": name, "r": run})
            return name

    def _plain(self, run: str) -> dict[str, Any]:
        row = self._store.row("SELECT begun, base, name, stop_asked FROM runs WHERE id = :r", {"r": run})
        if row is None:
            raise NotFound("There is no such run.")
        return row

    def runs(self, *, base: str | None = None, limit: int = 50, search: str = "", before: str = "") -> list[Run]:
        """Newest first; with `base`, those for it; with `search`, of a person or with an adapter so called; with
        `before`, older than that one."""
        sql = """SELECT * FROM runs WHERE (:before = '' OR id < :before) AND (:base IS NULL OR base = :base)
            AND (instr(lower(by), :s) OR instr(lower(COALESCE(adapter, '')), :s)) ORDER BY id DESC LIMIT :n"""
        asked = {"base": base, "n": limit, "before": before, "s": search.strip().lower()}
        return [_run(row) for row in self._store.rows(sql, asked)]

    def unfinished(self) -> str | None:
        """The id of the run that is on, if any."""
        row = self._store.row(f"SELECT id FROM runs WHERE {_UNFINISHED}")
        return row["id"] if row else None

    def add_snapshot(self, digest: str, rows: Sequence[Row]) -> str:
        """Make a snapshot known; the same digest gives the same id."""
        with self._store.writing() as db:
            if found := self._store.row("SELECT id FROM snapshots WHERE digest = :d", {"d": digest}):
                return str(found["id"])
            snapshot = f"s_{digest[:20]}"
            db.table("snapshots").insert({"id": snapshot, "digest": digest, "rows": len(rows), "created_at": now()})
            taught = {feedback_of(row.id): {"split": row.split, "role": row.role} for row in rows}
            db.table("snapshot_rows").insert_all(
                {"snapshot": snapshot, "feedback": feedback, **what} for feedback, what in taught.items()
            )
            return snapshot

    def trained_on(self, run: str) -> set[str]:
        """The feedback that a run was made from."""
        sql = (
            "SELECT feedback FROM snapshot_rows JOIN runs ON runs.snapshot = snapshot_rows.snapshot WHERE runs.id = :r"
        )
        return {row["feedback"] for row in self._store.rows(sql, {"r": run})}

    def used(self, base: str) -> set[str]:
        """The feedback that some ended run of a base was made from."""
        sql = f"""SELECT DISTINCT feedback FROM snapshot_rows
            JOIN runs ON runs.snapshot = snapshot_rows.snapshot WHERE base = :b AND {_MADE}"""
        return {row["feedback"] for row in self._store.rows(sql, {"b": base})}

    def last_made(self, base: str) -> str | None:
        """The newest run of a base that ended with an adapter; none that did an earlier one once more."""
        sql = f"SELECT id FROM runs WHERE base = :b AND {_MADE} AND {_OWN} ORDER BY id DESC LIMIT 1"
        row = self._store.row(sql, {"b": base})
        return row["id"] if row else None

    def last_begun(self, base: str) -> Run | None:
        """The newest run of a base, whatever became of it; none that did an earlier one once more."""
        row = self._store.row(f"SELECT * FROM runs WHERE base = :b AND {_OWN} ORDER BY id DESC LIMIT 1", {"b": base})
        return _run(row) if row else None

    def replay_answers(self, base: str) -> dict[str, str]:
        """What a base answered to replay prompts."""
        sql = "SELECT prompt, answer FROM replay_answers WHERE base = :b"
        return {row["prompt"]: row["answer"] for row in self._store.rows(sql, {"b": base})}

    def keep_replay_answer(self, base: str, prompt: str, answer: str) -> None:
        """Keep one, so that it is asked once."""
        with self._store.writing() as db:
            row = {"base": base, "prompt": prompt, "answer": answer}
            db.table("replay_answers").insert(row, pk=("base", "prompt"), ignore=True)

    def next_number(self, slug: str, *, above: int) -> int:
        """A version number for a new adapter, never given before and above another one."""
        with self._store.writing() as db:
            row = self._store.row("SELECT last FROM numbers WHERE slug = :s", {"s": slug})
            number = max(row["last"] if row else 0, above) + 1
            db.table("numbers").upsert({"slug": slug, "last": number}, pk="slug")
            return number

    def add_adapter(self, name: str, *, number: int, base: str, run: str | None) -> None:
        """Make a published folder known, as a candidate."""
        row = {"name": name, "number": number, "base": base, "state": "candidate", "run": run, "created_at": now()}
        with self._store.writing() as db:
            db.table("adapters").insert(row)

    def set_state(self, name: str, state: AdapterState, *, reasons: Sequence[str] | None = None) -> None:
        """Change where an adapter stands."""
        values: dict[str, Any] = {"state": state}
        if reasons is not None:
            values["reasons"] = json.dumps(list(reasons))
        with self._store.writing() as db:
            db.table("adapters").update(name, values)

    def delete_adapter(self, name: str, *, by: str) -> None:
        """Let nobody see an adapter any more; what was said of it and made of it stays."""
        with self._store.writing() as db:
            db.table("deleted_adapters").insert({"name": name, "by": by, "created_at": now()})

    def answering(self, model: str) -> int:
        """How many replies a model is writing right now, or is about to."""
        found = self._store.row("SELECT COUNT(*) AS n FROM replies WHERE finish IS NULL AND model = :m", {"m": model})
        return int(found["n"]) if found else 0

    def adapter(self, name: str) -> Adapter:
        """One adapter."""
        row = self._store.row(f"SELECT * FROM adapters WHERE name = :n AND {_THERE}", {"n": name})
        if row is None:
            raise NotFound(f"There is no adapter called {name}.")
        return _adapter(row, self._store.lineage.marks().get(name, ()))

    def deleted(self) -> set[str]:
        """Adapters that somebody deleted."""
        return {row["name"] for row in self._store.rows("SELECT name FROM deleted_adapters")}

    def adapters(
        self, base: str | None = None, *, search: str = "", before: str = "", limit: int = -1
    ) -> list[Adapter]:
        """Newest first; with `base`, those made for it; with `search`, those so called or in such a state; with
        `before`, those that come after that one."""
        sql = f"""SELECT * FROM adapters WHERE (:b IS NULL OR base = :b) AND {_THERE}
            AND (instr(lower(name), :s) OR instr(state, :s))
            AND (:before = '' OR (-number, name) > (SELECT -number, name FROM adapters WHERE name = :before))
            ORDER BY number DESC, name LIMIT :n"""
        marks = self._store.lineage.marks()
        rows = self._store.rows(sql, {"b": base, "s": search.strip().lower(), "before": before, "n": limit})
        return [_adapter(row, marks.get(row["name"], ())) for row in rows]

    def champion(self, base: str) -> str:
        """The contestant in service for this base."""
        row = self._store.row("SELECT contestant FROM champions WHERE base = :b ORDER BY seq DESC LIMIT 1", {"b": base})
        return str(row["contestant"]) if row else BASE

    def entered(self, base: str, contestant: str) -> tuple[str, str] | None:
        """Who put a contestant into service last, and why; None if it never was."""
        sql = "SELECT by, why FROM champions WHERE base = :b AND contestant = :c ORDER BY seq DESC LIMIT 1"
        row = self._store.row(sql, {"b": base, "c": contestant})
        return (row["by"], row["why"]) if row else None

    def champions(self, base: str) -> list[str]:
        """Every champion of this base so far, newest first, the one in service included; each name once."""
        rows = self._store.rows("SELECT contestant FROM champions WHERE base = :b ORDER BY seq DESC", {"b": base})
        return list(dict.fromkeys([*(row["contestant"] for row in rows), BASE]))

    def line(self, base: str) -> list[str]:
        """The champions that led to the one in service, base first, the one in service last: going back drops one."""
        rows = self._store.rows("SELECT contestant, step FROM champions WHERE base = :b ORDER BY seq", {"b": base})
        line = [BASE]
        for row in rows:
            name = row["contestant"]
            earlier = [at for at, other in enumerate(line[:-1]) if other == name]
            if row["step"] == "back" and earlier:
                line = line[: earlier[-1] + 1]
            else:
                line.append(name)
        return line

    def promote(self, contestant: str, *, base: str, by: str, why: str, back: bool = False) -> None:
        """Put a contestant into service, in one transaction: alias, its state and its predecessor's.

        `back` goes back to one of the `line` that led here.
        """
        with self._store.writing() as db:
            before = self.champion(base)
            if before == contestant:
                return
            step = "back" if back else "forward"
            row = {"base": base, "contestant": contestant, "step": step, "by": by, "why": why, "created_at": now()}
            db.table("champions").insert(row, pk="seq")
            for name, state in ((before, "retired"), (contestant, "champion")):
                if name != BASE:
                    db.table("adapters").update(name, {"state": state})


def _run(row: dict[str, Any]) -> Run:
    verdict = json.loads(row["verdict"]) if row["verdict"] else None
    return Run(
        **{
            k: row[k] for k in ("id", "stage", "by", "created_at", "progress", "eta_s", "adapter", "snapshot", "reason")
        },
        verdict=verdict and Verdict(**{**verdict, "reasons": tuple(verdict["reasons"])}),
    )


def _adapter(row: dict[str, Any], marks: Sequence[str]) -> Adapter:
    values = {k: row[k] for k in ("name", "base", "state", "run", "created_at")}
    return Adapter(**values, reasons=tuple(dict.fromkeys([*json.loads(row["reasons"]), *marks])))
