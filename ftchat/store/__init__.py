"""Everything that people said and what became of it, in one SQLite file. All SQL of ftchat is in this package.

`Store(path)` opens it and brings the schema up to date. One process writes, through one connection and one lock, each
transaction BEGIN IMMEDIATE, synchronous=FULL: when a method returns, the row is on disk. Readers take connections from
a pool. The parts are by subject: `turns`, `feedback`, `training`. It does not know engines, pages or models.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from ftchat.errors import NewerSchema, StoreError
from ftchat.records import now
from ftchat.store.feedback import FeedbackLog
from ftchat.store.schema import migrations
from ftchat.store.training import TrainingLog
from ftchat.store.turns import TurnLog

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=5000",
    "foreign_keys=ON",
    "trusted_schema=OFF",
)


class Store:
    """The database of one home."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, and migrate it; a schema from a newer ftchat is refused."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.RLock()
        self._readers: list[sqlite3.Connection] = []
        self._writer = self._connect()
        self._migrate()
        self.turns = TurnLog(self)
        self.feedback = FeedbackLog(self)
        self.training = TrainingLog(self)

    def close(self) -> None:
        """Close every connection; a checkpoint leaves one file behind."""
        with self._lock:
            for connection in self._readers:
                connection.close()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._writer.close()

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """A transaction. Whatever goes wrong inside, nothing of it stays; inside another one it joins that one."""
        with self._lock:
            if self._writer.conn.in_transaction:
                yield self._writer
                return
            try:
                self._writer.conn.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.conn.execute("COMMIT")
            except sqlite3.OperationalError as err:
                raise StoreError(f"The database could not be written ({err}). Nothing was saved; try again.") from err
            finally:
                self._writer.rollback()  # after a commit there is nothing to roll back

    def rows(self, sql: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The answer to a query. Inside `writing` on the same thread it sees what that transaction wrote."""
        mine = self._lock_is_mine() and self._writer.conn.in_transaction
        with nullcontext(self._writer.conn) if mine else self._reading() as connection:
            cursor = connection.execute(sql, params or {})
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, values, strict=True)) for values in cursor]

    def row(self, sql: str, params: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The first row, if there is one."""
        found = self.rows(sql, params)
        return found[0] if found else None

    def once(self, owner: str, key: str | None) -> Any:
        """What an earlier call with this idempotency key gave, or None."""
        if key is None:
            return None
        found = self.row("SELECT result FROM idempotency WHERE owner = :o AND key = :k", {"o": owner, "k": key})
        return json.loads(found["result"]) if found else None

    def remember(self, owner: str, key: str | None, result: Any) -> None:
        """Keep what a call gave; to be called inside the transaction that made it."""
        if key is not None:
            row = {"owner": owner, "key": key, "result": json.dumps(result), "created_at": now()}
            with self.writing() as db:
                db.table("idempotency").insert(row)

    def _lock_is_mine(self) -> bool:
        # RLock._is_owned is what threading.Condition itself relies on.
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]

    def _connect(self) -> Database:
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return Database(connection, strict=True)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading that nobody else uses now: as many are opened as are ever needed at once."""
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._connect().conn
            connection.execute("PRAGMA query_only=ON")
        try:
            yield connection
        finally:
            self._readers.append(connection)

    def _migrate(self) -> None:
        ours = {m.name for m in migrations.pending(Database(memory=True))}
        applied = [m.name for m in migrations.applied(self._writer)]
        if newer := [name for name in applied if name not in ours]:
            raise NewerSchema(
                f"{self.path} was written by a newer ftchat (it has {newer[-1]}). Start that version, or restore a "
                "backup made by this one."
            )
        migrations.apply(self._writer)
