"""Backups of a home's database: made every hour while the app runs, made and restored by hand otherwise.

A backup is one verified file in `data/backups/`, named by when and why it was made. Going back to one keeps the file
that it replaces. Adapters are in none: they are folders in `adapters/`, which whoever keeps copies copies too. It does
not know what is in a database: copying and checking is the store's.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ftchat.config import Settings
from ftchat.disk import flush
from ftchat.errors import NotFound, StoreError
from ftchat.lease import Lease
from ftchat.store import Store, copies
from ftchat.store.opening import refuse_newer

log = logging.getLogger(__name__)
DATABASE = "ftchat.db"
_SOON_S, _LOOK_S = 30.0, 300.0  # after the start of the app, and from then on, at the latest
_STALE_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One file that can be gone back to."""

    path: Path
    made_at: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore did."""

    database: Path
    backup: Path
    replaced: Path | None  # where the database that was there before is kept
    rows: dict[str, int]


class Backups:
    """The backups of a running app."""

    def __init__(self, store: Store, settings: Settings, *, clock: Callable[[], datetime] | None = None) -> None:
        """Over an open store; `clock` gives the time in UTC."""
        self._store = store
        self._settings = settings
        self._clock = clock or (lambda: datetime.now(UTC))
        self._saved_at_change = -1
        self.trouble = ""  # why the newest attempt failed, as a sentence

    async def keep(self) -> None:
        """Make one whenever the newest is old enough, until cancelled. What fails is said, and tried again."""
        every_s = self._settings.backup_every_s
        wait_s = min(_SOON_S, every_s)
        while every_s:
            await asyncio.sleep(wait_s)
            if self._until_due_s() <= 0:
                await asyncio.to_thread(self.make)
            wait_s = min(self._until_due_s() or _LOOK_S, _LOOK_S, every_s)

    def make(self) -> Path | None:
        """A verified copy, and room made by dropping old ones. None when nothing changed since, or when it failed."""
        changes = self._store.changes
        if changes == self._saved_at_change:
            return None
        try:
            made = self._store.copy_to(self._store.backups / copies.name_for(copies.HOURLY, self._clock()))
            self._drop_old()
        except (StoreError, OSError) as err:
            self.trouble = f"There is no new backup. {err}"
            log.error(self.trouble)
            return None
        self._saved_at_change, self.trouble = changes, ""
        return made.path

    def _until_due_s(self) -> float:
        """Never more than the time between two, whatever became of the clock."""
        every_s = self._settings.backup_every_s
        hourly = [path for path in copies.listed(self._store.backups) if _is_hourly(path)]
        made_at = copies.made_at(hourly[0]) if hourly else None
        if made_at is None:
            return 0.0
        age_s = (self._clock() - made_at).total_seconds()
        return every_s - age_s if 0 <= age_s <= every_s else 0.0

    def _drop_old(self) -> None:
        folder = self._store.backups
        made = [path for path in copies.listed(folder) if _is_hourly(path)]
        for path in set(made) - kept(made, self._settings.backups_hourly, days=self._settings.backups_daily):
            path.unlink()
        for part in folder.glob("*.part*"):  # of a copy whose app was killed
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()


def kept(newest_first: Iterable[Path], newest: int, *, days: int) -> set[Path]:
    """Which of the hourly backups stay: the newest ones, and the last of each of the newest days."""
    ordered = list(newest_first)
    last_of_day: dict[object, Path] = {}
    for path in ordered:
        if (made_at := copies.made_at(path)) is not None:
            last_of_day.setdefault(made_at.date(), path)
    return {*ordered[:newest], *list(last_of_day.values())[:days]}


def listed(home: Path) -> list[Backup]:
    """The backups of a home, newest first."""
    found = [(path, copies.made_at(path)) for path in copies.listed(home / "data" / copies.FOLDER)]
    return [
        Backup(path=path, made_at=at.isoformat(timespec="seconds"), bytes=path.stat().st_size)
        for path, at in found
        if at
    ]


def backup(home: Path, *, to: Path | None = None) -> copies.Copy:
    """A verified copy of a home's database, made now: beside the hourly ones or as a file of one's own.

    It may be made while the app runs.
    """
    source = home / "data" / DATABASE
    if not source.is_file():
        raise NotFound(f"There is no database in {home}: nothing to back up. Give --home the folder of an assistant.")
    target = to or home / "data" / copies.FOLDER / copies.name_for(copies.MANUAL)
    if target.is_dir():
        target /= copies.name_for(copies.MANUAL)
    return copies.copy(source, target)


def restore(home: Path, source: Path) -> Restored:
    """Go back to a backup. The database that was there is kept aside; refused while an app uses the home."""
    folder = home / "data"
    chosen = _chosen(folder, source)
    refuse_newer(chosen, copies.steps_in(chosen))
    lease = Lease(folder / "lease")
    part = folder / f"{DATABASE}.restored"
    try:
        part.unlink(missing_ok=True)  # of a restore that was killed
        rows = copies.copy(chosen, part).rows  # complete and verified before anything that is there is touched
        replaced = _set_aside(folder / DATABASE)
        part.replace(folder / DATABASE)
        flush(folder)
        return Restored(database=folder / DATABASE, backup=chosen, replaced=replaced, rows=rows)
    except OSError as err:
        raise StoreError(f"{chosen} could not be put in place: {err}. The database is as it was.") from err
    finally:
        part.unlink(missing_ok=True)
        lease.release()


def _chosen(folder: Path, source: Path) -> Path:
    """A backup by its path, or by its name among those of the home."""
    for path in (source, folder / copies.FOLDER / source.name):
        if path.is_file():
            break
    else:
        raise NotFound(f"There is no backup {source}. `ftchat restore --list` shows those of this home.")
    if path.resolve() == (folder / DATABASE).resolve():
        raise StoreError(f"{path} is the database itself, not a backup of it.")
    if not copies.steps_in(path):
        copies.verified(path)  # a damaged file says so itself
        raise StoreError(f"{path} is not a backup of ftchat.")
    return path


def _set_aside(database: Path) -> Path | None:
    """Keep what is replaced, with what was not yet written back from the log beside it; then no log is left, since
    SQLite would write it into whatever database lies there."""
    there = database.exists()
    aside = database.parent / copies.FOLDER / copies.name_for("replaced")
    aside.parent.mkdir(exist_ok=True)
    if there:
        copies.settled(database)
        _keep(database, aside)
    written_ahead = database.with_name(f"{DATABASE}-wal")
    if written_ahead.exists() and written_ahead.stat().st_size:
        written_ahead.rename(aside.with_name(f"{aside.name}-wal"))
    written_ahead.unlink(missing_ok=True)
    database.with_name(f"{DATABASE}-shm").unlink(missing_ok=True)
    flush(aside.parent)
    return aside if there else None


def _keep(database: Path, aside: Path) -> None:
    """The database under a second name, so that a file stands under its own at every moment: a link, else a copy."""
    try:
        aside.hardlink_to(database)
    except OSError:  # not every file system has links
        try:
            copies.copy(database, aside)
        except StoreError:  # what is damaged is kept as it is
            try:
                shutil.copy2(database, aside)
                flush(aside)
            except OSError:
                aside.unlink(missing_ok=True)
                raise


def _is_hourly(path: Path) -> bool:
    return path.stem.endswith(f"-{copies.HOURLY}")
