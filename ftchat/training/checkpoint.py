"""The place to which a killed run returns: one file, written aside and renamed, so that it is always a whole one.

It belongs to one job: `key` is over everything that decides how the run goes, and a file with another key is passed
over. Whoever runs the same job again goes on from it; a job that has ended removes it. It does not know what is in it.
"""

import hashlib
import json
import os
import pickle
from typing import Any

import torch

from ftchat.disk import flush
from ftchat.training.job import Job

FORMAT = 2


class Checkpoint:
    """The checkpoint of one job, beside its `out`."""

    def __init__(self, job: Job) -> None:
        self.path = job.checkpoint
        self._key = _key(job)

    def write(self, state: dict[str, Any]) -> None:
        """Replace what was there: tensors, numbers, texts, and lists and dicts of them. What cannot be written whole
        leaves nothing behind: a full disk would stay full."""
        aside = self.path.with_name(self.path.name + ".part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                torch.save({"format": FORMAT, "key": self._key, "state": state}, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as err:  # torch's own, where a disk is full
            aside.unlink(missing_ok=True)
            raise OSError(str(err).partition("\n")[0]) from err
        aside.replace(self.path)
        flush(self.path.parent)

    def read(self) -> dict[str, Any] | None:
        """What was written last for this very job; nothing where there is none that can be used."""
        try:
            found = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
            return None  # none there, or a disk that lost it: the run begins anew, which is safe
        usable = isinstance(found, dict) and (found.get("format"), found.get("key")) == (FORMAT, self._key)
        return found["state"] if usable else None

    def remove(self) -> None:
        """The run has ended and left its adapter."""
        self.path.unlink(missing_ok=True)


def _key(job: Job) -> str:
    """Base, snapshot, arguments and start: files that are written once by hash, the base's weights by size and time, an
    adapter, which never changes, by its name. Where they lie is left out: a home may be moved."""
    digest = hashlib.sha256(json.dumps(job.to_json()["args"], sort_keys=True).encode())
    digest.update(json.dumps([job.start.name if job.start else None, *job.fresh]).encode())
    for path in sorted(job.base.iterdir()):
        about = path.stat()
        digest.update(f"{path.name} {about.st_size} {about.st_mtime_ns}".encode())
    for name in ("rows.jsonl", "replay.jsonl"):
        digest.update((job.snapshot / name).read_bytes())
    return digest.hexdigest()
