"""Verified copies of a database file: made beside it, checked row by row count, and only then given their name.

A copy is one snapshot, also while an app writes. It does not know when copies are made or how many are kept.
"""

import errno
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ftchat.disk import flush
from ftchat.errors import StoreError

FOLDER = "backups"
HOURLY, MANUAL = "hourly", "manual"
ROOM = 64 * 1024 * 1024  # bytes that a copy must leave free, so that votes can still be saved
_STAMP = "%Y%m%d-%H%M%S-%f"


@dataclass(frozen=True)
class Copy:
    """A verified copy, and how many rows each table has in it."""

    path: Path
    rows: dict[str, int]


def name_for(why: str, at: datetime | None = None) -> str:
    """The file name of a copy made now: names sort by time."""
    return f"ftchat-{(at or datetime.now(UTC)).astimezone(UTC).strftime(_STAMP)}-{why}.db"


def made_at(copy: Path) -> datetime | None:
    """When a copy was made, by its name; None when it is not one of ours."""
    try:
        stamp = "-".join(copy.name.removeprefix("ftchat-").split("-")[:3])
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def listed(folder: Path) -> list[Path]:
    """Every backup in a folder, newest first."""
    return sorted((path for path in folder.glob("ftchat-*.db") if _is_backup(path)), key=lambda p: p.name, reverse=True)


def _is_backup(path: Path) -> bool:
    return made_at(path) is not None and not path.stem.endswith("-replaced")


def copy(source: Path, target: Path) -> Copy:
    """A verified copy of a database, which an app may be writing to. What fails leaves nothing under that name."""
    if target.exists():
        raise StoreError(f"{target} is there already. Give another name.")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _room_for(source, target.parent)
        with closing(_reading(source)) as old, closing(sqlite3.connect(part, isolation_level=None)) as new:
            old.execute("BEGIN")  # the counts and the copy are of the same moment
            rows = counts(old)
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        if verified(part) != rows:
            raise StoreError(f"The copy of {source} does not have the rows that it should have. It was not kept.")
        flush(part)
        part.rename(target)
        flush(target.parent)
    except (sqlite3.Error, OSError) as err:
        raise StoreError(f"{source} could not be copied to {target.parent}: {_reason(err)}.") from err
    finally:
        with suppress(OSError):  # where the folder is none, there is nothing to remove
            part.unlink(missing_ok=True)
            part.with_name(part.name + "-journal").unlink(missing_ok=True)
    return Copy(target, rows)


def verified(path: Path) -> dict[str, int]:
    """How many rows each table has, of a file in which every page, index and reference is in order."""
    try:
        with closing(_reading(path)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
            if found != ["ok"]:
                raise StoreError(f"{path} is damaged: {found[0]}.")
            if orphan := connection.execute("PRAGMA foreign_key_check").fetchone():
                raise StoreError(f"{path} is damaged: a row of {orphan[0]} refers to one of {orphan[2]} that is gone.")
            return counts(connection)
    except sqlite3.Error as err:
        raise StoreError(f"{path} cannot be read as a database: {err}.") from err


def steps_in(path: Path) -> list[str]:
    """The steps of the schema that a file has been through; none when it is not ftchat's."""
    with closing(_reading(path)) as connection:
        try:
            sql = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'ftchat' ORDER BY id"
            return [row[0] for row in connection.execute(sql)]
        except sqlite3.DatabaseError:
            return []


def settled(path: Path) -> None:
    """Bring what the log beside a file holds into the file, if that can be read: it may be too damaged for it."""
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows each table has."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    tables = [row[0] for row in connection.execute(sql)]
    return {table: connection.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0] for table in tables}


def _room_for(source: Path, folder: Path) -> None:
    needed = source.stat().st_size + ROOM
    if (free := shutil.disk_usage(folder).free) < needed:
        raise OSError(errno.ENOSPC, f"{free >> 20:,} MB are free on its disk, and it needs {needed >> 20:,}")


def _reason(err: Exception) -> str:
    if isinstance(err, OSError):
        return err.strerror or str(err)
    return str(err)
