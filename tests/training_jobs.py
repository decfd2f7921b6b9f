"""Snapshots and jobs for tests of the trainer, its real child process, and what it wrote. No torch."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ftchat.config import TrainArgs
from ftchat.records import Message, Replay, Row
from ftchat.training.job import Job, Sample, read_metrics
from ftchat.training.snapshot import Snapshot

PRODUCTS = ("Smoked Paprika", "Acacia Honey", "Aged Gouda", "Fig Jam", "Mint Tea", "Dark Chocolate")


def row(number: int, *, split: str = "train", **changed: Any) -> Row:
    product = PRODUCTS[number % len(PRODUCTS)]
    first = Row(
        id=f"k_{number}", role="target", split=split, weight=1.0, group=f"g{number}",
        messages=(Message("user", f"What does the {product} cost?"),),
        target=f"{product.upper()}: {number}.50 euros.", rejected=None, rater="u_1",
    )  # fmt: skip
    return replace(first, **changed)


def snapshot_of(rows: list[Row], *, replays: int = 3) -> Snapshot:
    said = [Replay((Message("user", f"Hello {i}?"),), f"Good day {i}!") for i in range(replays)]
    of = {split: tuple(r for r in rows if r.split == split) for split in ("train", "tune")}
    return Snapshot(train=of["train"], tune=of["tune"], replay=tuple(said))


def write_snapshot(folder: Path, snapshot: Snapshot) -> Path:
    folder.mkdir(parents=True)
    rows, replay = [asdict(r) for r in (*snapshot.train, *snapshot.tune)], [asdict(r) for r in snapshot.replay]
    for name, items in (("rows.jsonl", rows), ("replay.jsonl", replay)):
        (folder / name).write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    return folder


def write_job(folder: Path, base: Path, snapshot: Snapshot, **args: Any) -> Job:
    """A job in a folder of its own, and its file."""
    asked = tuple(
        Sample(f"s{i}", (Message("user", f"What does the {PRODUCTS[i]} cost?"),), taught=i < 1) for i in (0, 5)
    )
    job = Job(
        base=base, snapshot=write_snapshot(folder / "snapshot", snapshot), out=folder / "candidate",
        metrics=folder / "metrics.jsonl", args=TrainArgs(**args), samples=asked, threads=1,
    )  # fmt: skip
    job.write(folder / "job.json")
    return job


def trainer(folder: Path) -> subprocess.Popen[bytes]:
    """The real child process on the job in a folder."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "ftchat.training", str(folder / "job.json")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, env=env, stderr=log)


def events(folder: Path, kind: str | None = None) -> list[dict[str, Any]]:
    found = read_metrics(folder / "metrics.jsonl", 0)[0]
    return [event for event in found if kind in (None, event["event"])]


def rows_of_every_kind() -> list[Any]:
    """A few, of each role and split."""
    return [
        row(0, rejected="It costs something."), row(1), row(2, role="pair", rejected="No."), row(3, role="positive"),
        row(4, role="negative"), row(5, split="tune", rejected="Who knows?"),
    ]  # fmt: skip
