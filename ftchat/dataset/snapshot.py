"""Rows to a snapshot's folder: canonical JSONL and a manifest, under the hash of both. Same feedback, same bytes.

Rows of exam groups go to a file of their own, which training never opens. The manifest names each row with the hash of
its line, the base with its tokenizer and template, the arguments with their seed, and the versions of the libraries.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ftchat.base import sha256
from ftchat.dataset.gathering import of_split
from ftchat.disk import flush
from ftchat.records import Replay, Row, canonical

ROWS, EXAM, REPLAY, MANIFEST = "rows.jsonl", "exam.jsonl", "replay.jsonl", "manifest.json"
_LIBRARIES = ("ftchat", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers")
_READING = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "chat_template.jinja")


def freeze(
    folder: Path,
    rows: Sequence[Row],
    replay: Sequence[Replay],
    *,
    base: str,
    args: Mapping[str, Any],
    model: Path | None = None,
) -> tuple[str, Path]:
    """Write the snapshot into a folder named after its digest, manifest last. Returns digest and folder.

    `model` is the base's folder: the files by which it reads texts are named in the manifest, each with its hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    try:
        hashes = {
            ROWS: _write(part / ROWS, (_line(row) for row in of_split(rows, "train", "tune"))),
            EXAM: _write(part / EXAM, (_line(row) for row in of_split(rows, "exam"))),
            REPLAY: _write(part / REPLAY, (canonical(asdict(item)) for item in replay)),
        }
        facts = {
            "base": base,
            "reading": _read_by(model),
            "args": dict(args),
            "seed": args.get("seed"),
            "files": hashes,
            "versions": _versions(),
        }
        digest = hashlib.sha256(canonical(facts).encode()).hexdigest()
        target = folder / digest[:20]
        if not is_whole(target):
            body = json.dumps({"snapshot": digest, **facts, "rows": {row.id: _entry(row) for row in rows}}, indent=1)
            (part / MANIFEST).write_text(body, encoding="utf-8")
            part.chmod(0o755)
            for path in (*part.iterdir(), part):
                flush(path)
            if target.is_dir():
                shutil.rmtree(target)  # left by a killed app, or damaged since
            part.rename(target)
            flush(folder)
        return digest, target
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_whole(folder: Path) -> bool:
    """Whether a snapshot's files are what its manifest says."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return all(sha256(folder / name) == files[name] for name in (ROWS, EXAM, REPLAY))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _line(row: Row) -> str:
    return canonical({**vars(row), "messages": [message.as_dict() for message in row.messages]})


def _entry(row: Row) -> dict[str, str]:
    return {"role": row.role, "split": row.split, "sha256": hashlib.sha256(_line(row).encode()).hexdigest()}


def _write(path: Path, lines: Iterable[str]) -> str:
    """Write lines as they come; returns the hash of the file."""
    seen = hashlib.sha256()
    with path.open("wb") as file:
        for line in lines:
            body = f"{line}\n".encode()
            seen.update(body)
            file.write(body)
    return seen.hexdigest()


def _read_by(model: Path | None) -> dict[str, str]:
    if model is None:
        return {}
    return {name: sha256(model / name) for name in _READING if (model / name).is_file()}


def _versions() -> dict[str, str]:
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:  # ftchat run from its folder without being installed
            found[library] = "unknown"
    return found
