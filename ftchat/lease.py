"""One app per home: a lock that the operating system gives back when its holder is gone, however it went."""

import fcntl
import os
from pathlib import Path
from typing import IO

from ftchat.errors import HomeInUse


class Lease:
    """Held from construction to `release`."""

    def __init__(self, path: Path) -> None:
        """Take the lease, or say who holds it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("a+", encoding="utf-8")
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

    def release(self) -> None:
        """Give it back."""
        self._file.close()
