"""One app per home: a lock that the operating system gives back when its holder is gone, however it went.

Beside it lies where the app listens and the key of the command line, for the user who started it alone.
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ftchat.errors import HomeInUse, SetupError


@dataclass(frozen=True)
class Announced:
    """An app that runs: its address, and the key with which the command line comes in as admin."""

    url: str
    key: str


class Lease:
    """Held from construction to `release`."""

    def __init__(self, path: Path) -> None:
        """Take the lease, or say who holds it."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # everybody's words are in it
            self._file: IO[str] = path.open("a+", encoding="utf-8")
        except OSError as err:
            raise SetupError(
                f"The home {path.parent.parent} cannot be written to ({err.strerror}). Give --home a folder of yours."
            ) from err
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise HomeInUse(
                f"The home {path.parent.parent} is in use by {holder}. "
                "Use that one, end it, or give --home another folder."
            ) from err
        self._file.truncate(0)
        self._file.write(f"ftchat with process id {os.getpid()}")
        self._file.flush()
        self._announced = _beside(path)
        self._announced.unlink(missing_ok=True)  # of an app that was killed

    def announce(self, url: str, key: str) -> None:
        """Say where the app listens; readable by its own user only."""
        part = self._announced.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(Announced(url, key)), file)
        part.rename(self._announced)

    def release(self) -> None:
        """Give it back."""
        self._announced.unlink(missing_ok=True)
        self._file.close()


def holder(lease: Path) -> str | None:
    """Who holds a lease, if anybody does; nothing is made and nobody is kept out."""
    try:
        with lease.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "another process"
    except OSError:
        return None
    return None


def announced(lease: Path) -> Announced | None:
    """The app that holds a lease, once it listens."""
    try:
        return Announced(**json.loads(_beside(lease).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def _beside(lease: Path) -> Path:
    return lease.with_name("running.json")
