"""A snapshot folder, read and checked: the rows that train, the rows that tune, and the replay answers.

A folder without a manifest is not complete and is refused. Exam rows are never taken, whichever file they stand in. It
knows the files' format and not where the rows came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftchat.base import sha256
from ftchat.errors import BadInput, NotFound
from ftchat.records import Replay, Row
from ftchat.training.job import json_object, mapping, messages, number, parse_json, read_json, text

ROLES = ("target", "pair", "positive", "negative")  # what a row may teach; ties are for the exam alone
_ROW = ("id", "role", "split", "weight", "group", "messages", "target", "rejected", "rater")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What one run learns from."""

    train: tuple[Row, ...]
    tune: tuple[Row, ...]
    replay: tuple[Replay, ...]


def read_snapshot(folder: Path) -> Snapshot:
    """The snapshot in a folder; BadInput or NotFound names the file and line that cannot be used."""
    if not (folder / "manifest.json").is_file():
        raise NotFound(f"There is no complete snapshot in {folder}: its manifest.json is missing.")
    manifest = "The snapshot's manifest"
    told = json_object(read_json(folder / "manifest.json", manifest), manifest)  # its other entries are the app's
    _check_hashes(folder, json_object(told.get("files", {}), f"{manifest}: files"))
    rows = [_row(entry, what) for what, entry in _lines(folder / "rows.jsonl") if entry.get("split") != "exam"]
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise BadInput(f"Row {row.id} stands twice in the snapshot.")
        seen.add(row.id)
    train = tuple(row for row in rows if row.split == "train")
    if not train:
        raise BadInput("The snapshot has no row to train on: correct a few replies or vote first.")
    tune = tuple(row for row in rows if row.split == "tune")
    replay = tuple(_replay(entry, what) for what, entry in _lines(folder / "replay.jsonl"))
    return Snapshot(train=train, tune=tune, replay=replay)


def _check_hashes(folder: Path, files: Mapping[str, Any]) -> None:
    """Refuse what was changed since it was frozen: nobody could say any more what an adapter was made from."""
    for name in ("rows.jsonl", "replay.jsonl"):
        if name in files and (folder / name).is_file() and sha256(folder / name) != files[name]:
            raise BadInput(f"{name} of the snapshot was changed since it was frozen. Press Retrain to freeze it anew.")


def _lines(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Each line's object, with the words that name it in an error."""
    try:
        body = path.read_text(encoding="utf-8")
    except FileNotFoundError as err:
        raise NotFound(f"The snapshot lacks {path.name}.") from err
    except (OSError, UnicodeDecodeError) as err:
        raise BadInput(f"{path.name} of the snapshot cannot be read: {err}.") from err
    found: list[tuple[str, Mapping[str, Any]]] = []
    for at, line in enumerate(body.split("\n"), start=1):
        if line.strip():
            what = f"Line {at} of {path.name}"
            found.append((what, json_object(parse_json(line, what), what)))
    return found


def _row(entry: Mapping[str, Any], what: str) -> Row:
    mapping(entry, what, required=set(_ROW), known=set(_ROW))
    if entry["role"] not in ROLES:
        raise BadInput(f"{what} has the role {entry['role']!r}; this trainer knows {', '.join(ROLES)}.")
    if entry["split"] not in ("train", "tune"):
        raise BadInput(f"{what} has the split {entry['split']!r}: use train or tune.")
    weight = number(entry["weight"], f"{what}: weight")
    if not 0.0 < weight <= 100.0:
        raise BadInput(f"{what}: weight is {weight}: it must be above 0 and at most 100.")
    _check_rejected(entry["role"], entry["rejected"], what)
    if not isinstance(entry["group"], str):
        raise BadInput(f"{what}: group must be a text.")
    words = {key: text(entry[key], f"{what}: {key}") for key in ("id", "target", "rater")}
    return Row(
        group=entry["group"],
        role=entry["role"],
        split=entry["split"],
        weight=weight,
        messages=messages(entry["messages"], what),
        rejected=entry["rejected"],
        **words,
    )


def _check_rejected(role: str, rejected: object, what: str) -> None:
    if not isinstance(rejected, str | None):
        raise BadInput(f"{what}: rejected must be a text or null.")
    if role == "pair" and not rejected:
        raise BadInput(f"{what} is a pair: rejected must be the text of the other reply.")
    if role in ("positive", "negative") and rejected is not None:
        raise BadInput(f"{what} is one {role} reply: rejected must be null.")


def _replay(entry: Mapping[str, Any], what: str) -> Replay:
    mapping(entry, what, required={"messages", "answer"}, known={"messages", "answer", "id"})
    return Replay(messages(entry["messages"], what), text(entry["answer"], f"{what}: answer"))
