"""An adapter from elsewhere, a folder or a zip, brought to a folder of our own: the three files by name, and no more.

Nothing in it decides where something is written, what is followed or how much is read. It judges how things are packed;
what the files hold, `checks` judges.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ftchat.base import Base, sha256
from ftchat.errors import BadAdapter
from ftchat.registry.checks import CONFIG, MANIFEST, MAX_JSON, UNSAFE, WEIGHTS, read_object

_PORTION = 1 << 20
_MAX_ENTRIES = 200
_WANTED = (CONFIG, WEIGHTS, MANIFEST)


def unpack(source: Path, into: Path, *, largest: int) -> None:
    """Bring the files of a folder or a zip to `into`; weights of more than `largest` bytes are not."""
    limits = {CONFIG: MAX_JSON, MANIFEST: MAX_JSON, WEIGHTS: largest}
    if source.is_dir():
        refuse_code(entry.name for entry in source.iterdir())
        copy(source, into, limits=limits)
        return
    try:
        with zipfile.ZipFile(source) as archive:
            _extract(archive, into, limits=limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as err:
        raise BadAdapter(f"This is no zip that can be read ({err}). Send a zip with {CONFIG} and {WEIGHTS}.") from err
    except OSError as err:
        raise BadAdapter(f"{source.name} cannot be read: {err.strerror or err}.") from err


def copy(source: Path, into: Path, *, limits: Mapping[str, int] | None = None) -> None:
    """The plain files of a folder; what is a link, a pipe or missing is not copied, so that it is missing there."""
    for name in _WANTED:
        with _opened(source / name) as file:
            if file is not None:
                _write(file, into / name, limit=(limits or {}).get(name))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | None]:
    """The file, if it is one: looked at once it is open, so that nobody can put something else in its place."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    except OSError as err:
        raise BadAdapter(f"{path.name} cannot be taken ({err.strerror}): put the file itself there, no link.") from err
    with os.fdopen(descriptor, "rb") as file:
        yield file if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def _write(source: IO[bytes], target: Path, *, limit: int | None) -> None:
    taken = 0
    with target.open("xb") as file:
        while portion := source.read(_PORTION):
            taken += len(portion)
            if limit is not None and taken > limit:
                raise BadAdapter(f"{target.name} has more than {limit:,} bytes; an adapter of this base has not.")
            file.write(portion)


def _extract(archive: zipfile.ZipFile, into: Path, *, limits: Mapping[str, int]) -> None:
    entries = archive.infolist()
    if len(entries) > _MAX_ENTRIES:
        raise BadAdapter(f"The zip has {len(entries):,} entries; an adapter has a few. Zip its folder alone.")
    for entry in entries:
        _check_entry(entry)
    refuse_code(entry.filename for entry in entries)
    names = [entry.filename.casefold() for entry in entries]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise BadAdapter(f"The zip has {twice[:80]!r} twice, so that two programs may read two things.")
    found = {name: [e for e in entries if not e.is_dir() and e.filename.rsplit("/", 1)[-1] == name] for name in _WANTED}
    if len(found[CONFIG]) > 1 or len(found[WEIGHTS]) > 1:
        raise BadAdapter("The zip holds more than one adapter. Send each by itself.")
    beside = found[CONFIG][0].filename.removesuffix(CONFIG) if found[CONFIG] else ""
    for name in _WANTED:
        for entry in found[name]:
            if entry.filename == beside + name:
                _extract_one(archive, entry, into / name, limit=limits[name])


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Refuse a zip with an entry that wants to be more than a file in a folder."""
    name = entry.orig_filename
    shown = repr(name[:80])
    if "\\" in name or "\x00" in name or name.startswith("/") or ":" in name or ".." in name.split("/"):
        raise BadAdapter(f"The zip has an entry {shown}, whose path leads elsewhere.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadAdapter(f"The zip has an entry {shown} that is a link or a device, no file.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadAdapter(f"The zip's entry {shown} is packed in a way that is not taken: use an ordinary zip.")
    if entry.flag_bits & 0x1:
        raise BadAdapter(f"The zip's entry {shown} is encrypted.")


def _extract_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, *, limit: int) -> None:
    if entry.file_size > limit:
        size = f"{entry.file_size:,} bytes"
        raise BadAdapter(f"{target.name} unpacks to {size}; an adapter of this base has at most {limit:,} there.")
    with archive.open(entry) as source:
        _write(source, target, limit=limit)


def refuse_code(names: Iterable[str]) -> None:
    """No file that a program would run or unpickle comes along, needed or not."""
    if unsafe := next((name for name in names if name.lower().endswith(UNSAFE)), ""):
        raise BadAdapter(
            f"{unsafe[-80:]!r} is not taken, since it can run code when loaded: leave it out. "
            f"Only {CONFIG} and {WEIGHTS} are needed."
        )


def check_claims(folder: Path, base: Base) -> None:
    """Refuse an adapter that says it is for another base, or whose files are not those that its manifest names."""
    claims = read_object(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
    hashes = claims.get("files")
    if isinstance(hashes, dict):
        for file in (CONFIG, WEIGHTS):
            if hashes.get(file) != sha256(folder / file):
                raise BadAdapter(f"{file} is not as its manifest says: it changed since it was exported. Get it again.")
    if isinstance(claims.get("base"), str):
        if claims["base"] != base.fingerprint:
            made_for = str(claims.get("base_name", ""))[:80] or "a base"
            raise BadAdapter(
                f"The adapter was made for {made_for!r} with fingerprint {claims['base'][:40]}, and the base served "
                f"here is {base.name!r} with {base.fingerprint}: on another base it says something else."
            )
        return
    said = read_object(folder / CONFIG).get("base_model_name_or_path")
    names = base_names(base)
    if not isinstance(said, str) or said.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].casefold() not in names:
        raise BadAdapter(
            f"The adapter says that it was made for {str(said)[:120]!r}, and the base served here is {base.name!r}. "
            f"If it is the same, set base_model_name_or_path to {base.path.name!r} in its {CONFIG}."
        )


def base_names(base: Base) -> set[str]:
    """What an adapter may call this base: its folder, and in a hub's cache the repository."""
    found = {base.name, base.path.name}
    if base.path.parent.name == "snapshots":
        found.add(base.path.parent.parent.name.rsplit("--", 1)[-1])
    return {name.casefold() for name in found}
