"""What can be said of SQLite and of a database file without opening it for writing. It changes nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from ftchat.errors import StoreError
from ftchat.store.opening import known_steps, refuse_newer
from ftchat.store.schema import migrations


def sqlite_version() -> tuple[int, ...]:
    """Of the SQLite that this Python is built with."""
    return sqlite3.sqlite_version_info


def steps_ahead(path: Path) -> int:
    """How many steps of the schema a file still has to go; a newer or a damaged one is refused."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            applied = [step.name for step in migrations.applied(Database(connection))]
    except sqlite3.Error as err:
        raise StoreError(f"{path} cannot be read ({err}). Restore a backup: ftchat restore --help.") from err
    refuse_newer(path, applied)
    return len(known_steps()) - len(applied)
