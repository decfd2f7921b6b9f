"""Adapter folders: checked, made complete aside, renamed into place, and never changed again.

A folder with a manifest is complete. The names are `<slug>-v<N>`. It knows files and tensors, not where an adapter
stands or who asks for it.
"""

import errno
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftchat.base import Base, sha256
from ftchat.disk import flush
from ftchat.errors import BadAdapter, NotFound, StoreError
from ftchat.registry.checks import CONFIG, MANIFEST, SERVABLE, WEIGHTS, check, read_object
from ftchat.registry.incoming import check_claims, copy, unpack
from ftchat.registry.weights import largest

__all__ = ["CONFIG", "MANIFEST", "NAME", "PROBE", "SERVABLE", "WEIGHTS", "Registry", "check"]

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}-v[1-9][0-9]{0,8}")
_PASSING = {errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE, errno.ENOMEM, errno.ETIMEDOUT, errno.EINTR}
_REMEDY = "Put its folder back from a copy of your own."
PROBE = "probe.json"  # what the trainer's model gave for some token ids: kept in the manifest, for whoever serves it


@dataclass(frozen=True)
class Registry:
    """The folder `adapters/` of a home. With `base`, only what fits that model comes in."""

    root: Path
    max_rank: int
    base: Base | None = None

    def publish(self, candidate: Path, name: str, *, base: str, lineage: Mapping[str, Any]) -> Path:
        """Check a candidate and put it under its final name. The old folder may be gone afterwards."""
        if not NAME.fullmatch(name):
            raise BadAdapter(f"{name!r} is not a name of an adapter.")
        target, staged = self.root / name, self.root / f".{name}.part"
        if target.exists():
            raise BadAdapter(f"There is already an adapter called {name}; a version is never replaced.")
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        try:
            copy(candidate, staged)
            self._check(staged)
            (staged / MANIFEST).unlink(missing_ok=True)  # what it said of itself elsewhere
            hashes = {file: sha256(staged / file) for file in (CONFIG, WEIGHTS)}
            manifest = {"name": name, "base": base, "files": hashes, **_probe(candidate), **lineage}
            for file in (CONFIG, WEIGHTS):
                flush(staged / file)
            (staged / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            flush(staged / MANIFEST)
        except BaseException:  # a full disk, too: nothing stays that holds room
            shutil.rmtree(staged, ignore_errors=True)
            raise
        staged.rename(target)
        flush(self.root)
        return target

    @contextmanager
    def inbox(self) -> Iterator[Path]:
        """A place for a file that is being sent, until the end of `with`."""
        folder = self.root / f".incoming-{secrets.token_hex(6)}"
        folder.mkdir(parents=True, mode=0o700)
        try:
            yield folder / "sent.zip"
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def received(self, source: Path) -> Iterator[Path]:
        """An adapter from elsewhere, a folder or a zip, checked in a folder that is there until the end of `with`."""
        if self.base is None:
            raise BadAdapter("It is not known for which base an adapter would be taken in.")
        with self.inbox() as inbox:
            staged = inbox.parent
            unpack(source, staged, largest=largest(self.base.path, max_rank=self.max_rank))
            self._check(staged)
            check_claims(staged, self.base)
            yield staged

    def check(self, name: str) -> None:
        """Refuse an adapter that is there and would not come in: by the checks of an import, and by its manifest."""
        if (said := self.manifest(name).get("name")) != name:
            raise BadAdapter(f"Its manifest says that it is {str(said)[:80]}: import it, for a number of its own.")
        self.verify(name)
        with self.received(self.path(name)):
            pass

    def _check(self, folder: Path) -> None:
        check(folder, max_rank=self.max_rank, base=self.base.path if self.base else None)

    def remove(self, name: str) -> None:
        """Delete an adapter's files. Only once no engine holds it: vLLM ends when it looks for one that is gone."""
        if not NAME.fullmatch(name):
            raise BadAdapter(f"{name!r} is not a name of an adapter.")
        gone = self.root / f".{name}.gone"
        shutil.rmtree(gone, ignore_errors=True)
        try:
            (self.root / name).rename(gone)  # at once: half an adapter is never listed
        except FileNotFoundError:
            return
        flush(self.root)
        shutil.rmtree(gone)

    def sweep(self) -> None:
        """Remove what an earlier process was making or deleting when it ended."""
        for pattern in (".incoming-*", ".*.part", ".*.gone"):
            for left in self.root.glob(pattern):
                shutil.rmtree(left, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Where a complete adapter lies."""
        folder = self.root / name
        if not NAME.fullmatch(name) or not (folder / MANIFEST).is_file():
            raise NotFound(f"There is no adapter folder called {name}.")
        return folder

    def manifest(self, name: str) -> dict[str, Any]:
        """What an adapter says of itself."""
        try:
            return read_object(self.path(name) / MANIFEST)
        except (OSError, BadAdapter) as err:
            _refuse_passing(err.__cause__ or err, name)
            raise BadAdapter(f"{name}: its manifest cannot be read ({err}). {_REMEDY}") from err

    def origin(self, name: str) -> dict[str, Any]:
        """What it says of where it comes from; empty where its folder is gone or damaged."""
        try:
            return {key: value for key, value in self.manifest(name).items() if key != "probe"}
        except (BadAdapter, NotFound):
            return {}

    def published(self, name: str) -> dict[str, Path]:
        """Its files by name, exactly as they were published; a damaged one is refused."""
        self.verify(name)
        return {file: self.path(name) / file for file in (CONFIG, WEIGHTS, MANIFEST)}

    def last_number(self, slug: str) -> int:
        """The highest version in the folder, complete or not: its number is taken."""
        found = [p.name.removeprefix(f"{slug}-v") for p in self.root.glob(f"{slug}-v*")]
        return max((int(number) for number in found if number.isdigit()), default=0)

    def names(self) -> list[str]:
        """Every complete adapter in the folder."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if NAME.fullmatch(p.name) and (p / MANIFEST).is_file())

    def verify(self, name: str) -> None:
        """Refuse an adapter whose files are not those that were published."""
        hashes = self.manifest(name).get("files")
        if not isinstance(hashes, dict):
            raise BadAdapter(f"{name}: its manifest names no files. {_REMEDY}")
        for file in (CONFIG, WEIGHTS):
            try:
                same = sha256(self.path(name) / file) == hashes.get(file)
            except OSError as err:
                _refuse_passing(err, name)
                raise BadAdapter(f"{name}: {file} cannot be read ({err}). {_REMEDY}") from err
            if not same:
                raise BadAdapter(f"{name}: {file} has changed since it was published. {_REMEDY}")


def _refuse_passing(err: BaseException, name: str) -> None:
    """What may be otherwise in a moment says nothing of the adapter."""
    if isinstance(err, OSError) and err.errno in _PASSING:
        raise StoreError(f"{name} cannot be read just now ({err.strerror}). It is tried again.") from err


def _probe(candidate: Path) -> dict[str, Any]:
    """What the trainer left to compare with, if it did."""
    try:
        return {"probe": json.loads((candidate / PROBE).read_text(encoding="utf-8"))}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as err:
        raise BadAdapter(f"The candidate's {PROBE} cannot be read: {err}.") from err
