"""Opening the file: connections with their pragmas, a check for damage, and the steps that bring the schema up to date.

Before a file that holds something is changed, a verified copy of it is made. It does not know what the tables mean.
"""

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from ftchat.errors import NewerSchema, StoreError
from ftchat.store import copies
from ftchat.store.schema import migrations

_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit returns when it is on the disk
    "busy_timeout": 5000,
    "foreign_keys": 1,
    "trusted_schema": 0,
    "cache_size": -8000,  # KiB
}


def connect(path: Path) -> sqlite3.Connection:
    """A connection on which every pragma is as it must be, or none."""
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=256)
    try:
        for pragma, wanted in _PRAGMAS.items():
            connection.execute(f"PRAGMA {pragma}={wanted}")
            if (got := connection.execute(f"PRAGMA {pragma}").fetchone()) != (wanted,):
                raise StoreError(
                    f"SQLite cannot keep {path} safely: {pragma} stays {got[0] if got else 'unknown'}. "
                    "Put the home on a local disk."
                )
    except BaseException:
        connection.close()
        raise
    return connection


def open_checked(path: Path, backups: Path) -> sqlite3.Connection:
    """A connection to a file, made when there is none, in which nothing is damaged and the schema is the newest."""
    _not_lost(path, backups)
    connection = None
    try:
        connection = connect(path)
        found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise _damaged(path, backups, found[0])
        _migrate(Database(connection, strict=True), path, backups)
    except BaseException as err:
        if connection is not None:
            connection.close()
        if not isinstance(err, sqlite3.Error):
            raise
        if err.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _damaged(path, backups, str(err)) from err
        raise StoreError(f"{path} could not be opened or brought up to date: {err}. Nothing was changed.") from err
    return connection


def known_steps() -> list[str]:
    """The steps of the schema that this ftchat knows, in order."""
    empty = Database(memory=True)
    try:
        return [step.name for step in migrations.pending(empty)]
    finally:
        empty.close()


def refuse_newer(path: Path, applied: list[str]) -> None:
    """Say no to a file that has been through a step which this ftchat does not know."""
    known = known_steps()
    if newer := [name for name in applied if name not in known]:
        raise NewerSchema(
            f"{path} was written by a newer ftchat (it has {newer[-1]}). Start that version, or restore a "
            "backup made by this one."
        )


def _migrate(db: Database, path: Path, backups: Path) -> None:
    applied = [step.name for step in migrations.applied(db)]
    refuse_newer(path, applied)
    pending = [step.name for step in migrations.pending(db)]
    if applied and pending and not _kept_already(db, backups, pending[0]):
        copies.copy(path, backups / copies.name_for(f"before-{pending[0]}"))
    if pending:
        db.execute("BEGIN IMMEDIATE")  # all steps or none
        migrations.apply(db)
        db.execute("COMMIT")


def _kept_already(db: Database, backups: Path, step: str) -> bool:
    """Whether an earlier attempt at this step left a copy of what is there: a start that fails and is tried again and
    again must not fill the disk."""
    rows = copies.counts(db.conn)
    for copy in copies.listed(backups):
        if copy.stem.endswith(f"-before-{step}"):
            try:
                if copies.verified(copy) == rows:
                    return True
            except StoreError:
                continue  # damaged since: it does not count as one
    return False


def _not_lost(path: Path, backups: Path) -> None:
    """An empty place beside backups is a loss to be told, not a home to be begun."""
    if (not path.exists() or path.stat().st_size == 0) and (kept := copies.listed(backups)):
        raise StoreError(f"{path} is gone, but there are backups of it. {_restore(path, kept[0])}")


def _damaged(path: Path, backups: Path, found: str) -> StoreError:
    kept = copies.listed(backups)
    advice = _restore(path, kept[0]) if kept else f"There is no backup of it in {backups}."
    return StoreError(f"{path} is damaged ({found.strip()}). Nothing was changed. {advice}")


def _restore(path: Path, backup: Path) -> str:
    return f"The newest backup is {backup.name}. Go back to it with: ftchat restore {backup} --home {path.parents[1]}"
