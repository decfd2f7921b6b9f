"""A base from a model hub: `org/name@revision` becomes a folder in the home that never changes.

The download runs in a process of its own, since everything else here is told not to ask a hub, and goes on where an
earlier one was cut off, which the hub's own client does not do once its process has ended. Which commit a name led to
is written down before its files come, and asked no second time. Of weights that lie there twice, one copy is taken. It
knows Hugging Face's hub, or what HF_ENDPOINT names; it does not know what a model needs (see `base`).

    python -m ftchat.hub org/name revision folder    downloads, and prints a JSON object for each step
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx

from ftchat.base import INDEX, sha256
from ftchat.errors import SetupError

_ID = re.compile(r"([\w-][\w.-]*/[\w.-]+)(?:@([\w./-]+))?")
_WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model")
_RECORD, _MODELS = "hub.json", "models"
_AS_WELL = "consolidated*.safetensors"  # the same weights, for the model's own program
_SAY_EVERY_S, _SAY_EVERY = 0.3, 4_000_000  # seconds or bytes, whatever comes first
_AGAIN_S = (1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Progress:
    """Bytes that are there, of how many."""

    done: int
    total: int

    @property
    def words(self) -> str:
        """As people read it."""
        return f"{self.done / 1e9:.2f} of {self.total / 1e9:.2f} GB" if self.total else "asking for its files"


def is_id(model: str) -> bool:
    """Whether `--model` names a model of a hub and no folder here."""
    return _ID.fullmatch(model) is not None and not Path(model).expanduser().exists()


def folder(model: str, state: Path) -> Path | None:
    """Where an earlier start put it; None before that."""
    matched, commit = _ID.fullmatch(model), _recorded(state).get(model)
    if matched is None or commit is None:
        return None
    found = _lies(state / _MODELS, matched[1], commit)
    return found if found.is_dir() else None


def fetch(model: str, state: Path, *, tell: Callable[[Progress], None]) -> Path:
    """Download what is not there yet. `state` is a folder of the home that keeps which commit it is."""
    matched = _ID.fullmatch(model)
    if matched is None:
        raise SetupError(f"{model!r} is no name of a hub's model: write org/name@revision.")
    revision = _recorded(state).get(model) or matched[2] or "main"
    last: dict[str, Any] = {}
    for last in _downloading(matched[1], revision, state / _MODELS):
        if "commit" in last:
            _record(state, model, last["commit"])
        if "total" in last:
            tell(Progress(last["done"], last["total"]))
    found = folder(model, state)
    if found is None or "error" in last:
        raise SetupError(last.get("error") or f"The download of {model} ended without a word. Start ftchat again.")
    return found


def _lies(models: Path, repo: str, commit: str) -> Path:
    """Where the files of a commit are; derived, so that a home may be copied or moved."""
    return models / repo / commit


def _record(state: Path, model: str, commit: str) -> None:
    """Before its first file: a branch that moves during a download changes nothing."""
    state.mkdir(parents=True, exist_ok=True)
    part = state / f"{_RECORD}.part"
    kept = {name: {"commit": known} for name, known in {**_recorded(state), model: commit}.items()}
    part.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    part.rename(state / _RECORD)


def _recorded(state: Path) -> dict[str, str]:
    """The commit that each name led to."""
    try:
        found = json.loads((state / _RECORD).read_text(encoding="utf-8"))
        return {str(model): str(kept["commit"]) for model, kept in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _downloading(repo: str, revision: str, into: Path) -> Iterator[dict[str, Any]]:
    """What the download says, step by step; it ends with us."""
    environ = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-m", "ftchat.hub", repo, revision, str(into)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True)
    try:
        for line in child.stdout or ():
            yield json.loads(line)
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()


def _download(repo: str, revision: str, into: Path) -> dict[str, Any]:
    """In the child: the folder and its commit, or a sentence."""
    from huggingface_hub import HfApi

    try:
        listed = HfApi().model_info(repo, revision=revision, files_metadata=True)
        names = listed.siblings or ()
        files = [_File(one.rfilename, one.size or 0, one.lfs.sha256 if one.lfs else "") for one in names]
        _say({"commit": str(listed.sha)})
        return _take(repo, str(listed.sha), [file for file in files if file.wanted], into)
    except Exception as err:  # noqa: BLE001  # of network, disk and several libraries: it is told, and tried again
        return {"error": _why(err, repo, revision)}


def _why(err: Exception, repo: str, revision: str) -> str:
    from huggingface_hub import constants, errors

    where = constants.ENDPOINT
    shut = isinstance(err, httpx.HTTPStatusError) and err.response.status_code in (401, 403)  # listed, and not given
    if shut or isinstance(err, errors.GatedRepoError):
        return (
            f"{repo} is gated: open {where}/{repo}, accept its terms there with your account, and start ftchat with "
            "HF_TOKEN set to a token of that account."
        )
    if isinstance(err, errors.RevisionNotFoundError):
        return f"{repo} has no revision {revision}. {where}/{repo}/commits/main lists them."
    if isinstance(err, errors.RepositoryNotFoundError):
        return (
            f"There is no model {repo} at {where}, or it is private: check the name, or set HF_TOKEN to a token that "
            "may read it."
        )
    said = " ".join(str(err).split())[:200] or type(err).__name__
    return (
        f"The download of {repo} broke off ({said}). Start ftchat again: it goes on where it stopped. Where there is "
        "no way to the hub, give --model a folder."
    )


@dataclass(frozen=True)
class _File:
    """One file of a model, as the hub lists it."""

    name: str
    size: int
    sha256: str  # of large files

    @property
    def wanted(self) -> bool:
        """Never pickles, never code; what lies in folders is the same weights for other programs."""
        return "/" not in self.name and any(fnmatch(self.name, pattern) for pattern in _WANTED)


def _take(repo: str, commit: str, files: Sequence[_File], into: Path) -> dict[str, Any]:
    """Every file into a folder beside, which gets its name when all are there."""
    folder, beside = _lies(into, repo, commit), into / repo / f"{commit}.part"
    if not folder.is_dir():
        beside.mkdir(parents=True, exist_ok=True)
        for index in (file for file in files if file.name == INDEX):
            for _ in _fetched(repo, commit, index, beside / INDEX):
                pass  # it is small: what it says is needed for the total
        files = _once(files, _named(beside / INDEX))
        total, done = sum(file.size for file in files), 0
        for file in files:
            for there in _fetched(repo, commit, file, beside / file.name):
                _say({"done": done + there, "total": total})
            done += file.size
        beside.rename(folder)
    return {"folder": str(folder)}


def _named(index: Path) -> set[str]:
    """The weight files that an index names; nothing without one, or with one that cannot be read: `base` judges it."""
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def _once(files: Sequence[_File], named: set[str]) -> list[_File]:
    """Without weights that are there in another form as well: what no index names, or was consolidated."""
    weights = {file.name for file in files if file.name.endswith(".safetensors")}
    plain = {name for name in weights if not fnmatch(name, _AS_WELL)}
    taken = named if named and named <= weights else plain or weights
    return [file for file in files if file.name in taken or file.name not in weights]


def _fetched(repo: str, commit: str, file: _File, path: Path) -> Iterator[int]:
    """The bytes of one file that are there, again and again, until all are; a lost connection is made anew."""
    part = path.with_name(f"{path.name}.part")
    for wait_s in (*_AGAIN_S, None):
        try:
            yield from _stream(repo, commit, file, part) if not path.is_file() else ()
            break
        except httpx.TransportError:
            if wait_s is None:
                raise
            time.sleep(wait_s)
    if not path.is_file():
        if part.stat().st_size != file.size or (file.sha256 and sha256(part) != file.sha256):
            part.unlink()
            raise OSError(f"{file.name} came damaged")
        part.rename(path)
    yield file.size


def _stream(repo: str, commit: str, file: _File, part: Path) -> Iterator[int]:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented all the same

    part.touch()
    there = part.stat().st_size
    if there >= file.size:
        return
    headers = {**build_hf_headers(), "Accept-Encoding": "identity", "Range": f"bytes={there}-"}
    url = hf_hub_url(repo, file.name, revision=commit)
    asking = httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=60)
    with asking as response, part.open("ab") as out:
        response.raise_for_status()
        if response.status_code != 206:
            out.truncate(0)
        said_at, said = time.monotonic(), there
        for data in response.iter_raw():
            out.write(data)
            if time.monotonic() - said_at > _SAY_EVERY_S or out.tell() - said > _SAY_EVERY:
                said_at, said = time.monotonic(), out.tell()
                yield said


def _say(step: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(step) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _say(_download(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
