"""Everything that people said and what became of it, in one SQLite file. All SQL of ftchat is in this package.

`Store(path)` opens it and brings the schema up to date. One process writes, through one connection and one lock, each
transaction BEGIN IMMEDIATE, synchronous=FULL: when a method returns, the row is on disk. Writes that are asked for
`soon` share the disk's time: see `batches`. Readers take connections from
a pool. The parts are by subject: `turns`, `feedback`, `training` and others; `opening` checks and upgrades the file,
`copies` makes verified copies of it. It does not know engines, pages or models.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from ftchat.errors import StoreError
from ftchat.records import ids_after, now
from ftchat.store import copies
from ftchat.store.ballots import BallotLog
from ftchat.store.batches import Batches
from ftchat.store.exams import ExamLog
from ftchat.store.feedback import FeedbackLog
from ftchat.store.judged import JudgedLog
from ftchat.store.lessons import LessonLog
from ftchat.store.lineage import LineageLog
from ftchat.store.opening import connect, open_checked
from ftchat.store.people import People
from ftchat.store.sessions import SessionLog
from ftchat.store.told import ToldLog
from ftchat.store.training import TrainingLog
from ftchat.store.tree import Tree
from ftchat.store.turns import TurnLog

Result = TypeVar("Result")
log = logging.getLogger(__name__)
_ORDERED = ("conversations", "turns", "replies", "votes", "ratings", "corrections", "runs")  # by their ids


class Store:
    """The database of one home."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, check it, and bring its schema up to date; one from a newer ftchat is refused."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.backups = path.parent / copies.FOLDER
        self._lock = threading.RLock()
        self._readers: list[sqlite3.Connection] = []
        self._writer = Database(open_checked(path, self.backups), strict=True)
        self._batches = Batches(self.writing)
        self.turns = TurnLog(self)
        self.feedback = FeedbackLog(self)
        self.judged = JudgedLog(self)
        self.tree = Tree(self)
        self.sessions = SessionLog(self)
        self.training = TrainingLog(self)
        self.people = People(self)
        self.ballots = BallotLog(self)
        self.exams = ExamLog(self)
        self.lessons = LessonLog(self)
        self.lineage = LineageLog(self)
        self.told = ToldLog(self)
        for table in _ORDERED:
            ids_after(str(self._writer.conn.execute(f"SELECT MAX(id) FROM {table}").fetchone()[0]))

    def close(self) -> None:
        """Close every connection, when what was asked for is written; a checkpoint leaves one file behind."""
        self._batches.close()
        with self._lock:
            for connection in self._readers:
                connection.close()
            try:
                self._writer.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError:
                log.exception("The log of the database stays beside it; it is read at the next start.")
            finally:
                self._writer.close()

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """A transaction. Whatever goes wrong inside, nothing of it stays; inside another one it joins that one."""
        with self._lock:
            if self._writer.conn.in_transaction:
                with _refusals():
                    yield self._writer
                return
            try:
                with _refusals():
                    self._writer.conn.execute("BEGIN IMMEDIATE")
                    yield self._writer
                    self._writer.conn.execute("COMMIT")
            finally:
                self._writer.rollback()  # after a commit there is nothing to roll back

    async def soon(self, work: Callable[[], Result]) -> Result:
        """Do this, which writes, off the event loop; what it gave, once that is on disk."""
        given: Result = await self._batches.do(work)
        return given

    def insert(self, table: str, row: Mapping[str, Any]) -> None:
        """Append a row: one prepared statement, several times quicker than going by way of the table's schema."""
        columns = ", ".join(row)
        values = ", ".join(f":{column}" for column in row)
        with self.writing() as db:
            db.conn.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", row)

    @property
    def changes(self) -> int:
        """Rows written since this store was opened: grows with every write."""
        return self._writer.conn.total_changes

    def copy_to(self, target: Path) -> copies.Copy:
        """A verified copy of everything that is saved at this moment, while others read and write."""
        return copies.copy(self.path, target)

    def rows(self, sql: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The answer to a query. Inside `writing` on the same thread it sees what that transaction wrote."""
        writer = self._writer.conn
        try:
            if writer.in_transaction and self._lock_is_mine():
                return _dicts(writer.execute(sql, params or {}))
            with self._reading() as connection:
                return _dicts(connection.execute(sql, params or {}))
        except UnicodeEncodeError:  # a lone surrogate: no text that is stored has one
            return self.rows(sql, {key: _storable(value) for key, value in (params or {}).items()})

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
            self.insert("idempotency", row)

    def _lock_is_mine(self) -> bool:
        # RLock._is_owned is what threading.Condition itself relies on.
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading that nobody else uses now: as many are opened as are ever needed at once."""
        try:
            connection = self._reader()
            try:
                yield connection
            finally:
                self._readers.append(connection)
        except sqlite3.OperationalError as err:
            raise StoreError(f"The database could not be read ({err}). Try again.") from err

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:
            connection = connect(self.path)
            connection.execute("PRAGMA query_only=ON")
            return connection


def _dicts(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values)) for values in cursor]  # noqa: B905  # of equal length, and asked many times a vote


@contextmanager
def _refusals() -> Iterator[None]:
    """What SQLite cannot do, in words."""
    try:
        yield
    except sqlite3.DatabaseError as err:
        if isinstance(err, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise  # a rule of the tables, which the caller knows; or a mistake in ftchat
        raise StoreError(_refusal(err)) from err


def _refusal(err: sqlite3.DatabaseError) -> str:
    """What a write that failed means for whoever asked for it."""
    if err.sqlite_errorname == "SQLITE_FULL" or err.sqlite_errorname.startswith("SQLITE_IOERR_WRITE"):
        return f"The disk is full ({err}). Nothing of this was saved. Make room on it, then try again."
    return f"The database could not be written ({err}). Nothing of this was saved; try again."


def _storable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
