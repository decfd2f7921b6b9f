"""What people see of a run: curves, samples and words, read from the files that the trainer writes.

A reload, a second browser and a restart of the app read the same files, so they find the run where it is. It does not
know how a run is driven.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ftchat.records import AdapterState, Decision, Run, Stage
from ftchat.training.job import FILE, Job, MetricsLog, Sample, read_metrics

SERVED = "served.json"  # answers of the published adapter, by sample id
_WORDS: dict[Stage, str] = {
    "queued": "Waiting to begin",
    "snapshot": "Gathering what people gave",
    "train": "Training",
    "exam": "Loading it and asking the exam questions",
    "publish": "Publishing",
    "done": "Done",
    "rejected": "Not taken into service",
    "stopped": "Stopped",
    "failed": "Failed",
}


_IN_SERVICE = {  # by who put it there
    "exam": "is better and now in service.",
    "votes": "is in service: blind votes found it better.",
    "ftchat": "is in service again, since the one after it could not be.",
}
_STANDS = {
    "retired": "was in service, and is no more.",
    "rejected": "was not taken into service.",
    "broken": "cannot be served.",
    "deleted": "was deleted.",
    "elsewhere": "was made for another base model.",
}
_SAID: dict[Decision, str] = {
    "PROMOTE": "is better.",
    "REJECT": "was not taken into service.",
    "INSUFFICIENT": "is ready. The exam cannot decide yet, so you do.",
}


@dataclass(frozen=True, kw_only=True)
class Show:
    """One question while it is learned: the answer before, what was wanted, the answer now."""

    prompt: str
    taught: bool
    before: str
    wanted: str | None
    now: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Where the blind votes on an adapter stand that no exam decided about."""

    adapter: str
    champion: str
    wins: int
    losses: int
    decided: str  # better, worse, or nothing yet
    more: int | None  # decisive votes that are missing at this rate; None: no end in sight
    words: str


@dataclass(frozen=True, kw_only=True)
class Stands:
    """Where the adapter of a run stands by now, which may be elsewhere than its verdict put it."""

    state: AdapterState | Literal["", "deleted", "elsewhere"] = ""  # none yet; gone; for another base model
    by: str = ""  # who put it into service last, if somebody did
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class RunSeen:
    """A run as a page shows it."""

    run: Run
    step: int
    steps: int
    losses: tuple[tuple[int, float], ...]
    tune: tuple[tuple[int, float], ...]
    base_tune: float | None
    shows: tuple[Show, ...]
    headline: str
    plan: dict[str, Any]
    room: str = ""  # what was done to have room for the trainer, where there was something to decide
    stands: Stands = Stands()
    trial: Trial | None = None  # while its adapter is put to the vote
    kept: int | None = None  # the step whose weights are kept, where a look after it found none that are better

    @property
    def eta_s(self) -> float | None:
        """About how long the training goes on, in seconds."""
        return self.run.eta_s


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the strip on top of each page says."""

    engine: str
    engine_reason: str
    ready: bool
    champion: str
    base_name: str
    new_feedback: int
    run: str | None


@dataclass
class _Read:
    """What was read of a file up to an offset, and how it ends there."""

    events: list[dict[str, Any]] = field(default_factory=list)
    offset: int = 0
    end: bytes = b""

    def goes_on(self, path: Path) -> bool:
        """Whether it is still the same file: one that was put in its place ends otherwise at that offset, or before."""
        return self.end == _before(path, self.offset)


class Metrics:
    """What trainers have written so far; of those that were looked at last, only what is new is read."""

    _KEPT = 4  # runs

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._lock = threading.Lock()
        self._read: OrderedDict[Path, _Read] = OrderedDict()

    def of(self, folder: Path) -> list[dict[str, Any]]:
        """Every event that the trainer of this folder has written."""
        path = folder / "metrics.jsonl"
        with self._lock:
            read = self._read.pop(path, _Read())
            read = read if read.goes_on(path) else _Read()
            new, read.offset = read_metrics(path, read.offset)
            read.events += new
            read.end = _before(path, read.offset)
            self._read[path] = read
            if len(self._read) > self._KEPT:
                self._read.popitem(last=False)
            return list(read.events)


def _before(path: Path, offset: int) -> bytes:
    """The last bytes of a file before an offset."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(max(0, offset - 1024))
        return file.read(min(offset, 1024))


def see(
    run: Run, folder: Path, *, metrics: Metrics | None = None, stands: Stands | None = None, trial: Trial | None = None
) -> RunSeen:
    """A run and what its trainer has written so far into its folder."""
    events, stands = (metrics or Metrics()).of(folder), stands or Stands()
    steps = _onwards([e for e in events if e["event"] == "step"])
    looks = _onwards([e for e in events if e["event"] == "tune"])
    tune = tuple((int(e["step"]), float(e["loss"])) for e in looks)
    return RunSeen(
        run=run,
        step=steps[-1]["step"] if steps else 0,
        steps=steps[-1]["steps"] if steps else 0,
        losses=tuple((int(e["step"]), float(e["loss"])) for e in steps),
        tune=tune,
        base_tune=tune[0][1] if tune and tune[0][0] == 0 else None,
        shows=_shows(folder, [e for e in events if e["event"] == "samples"]),
        headline=headline(run, stands),
        stands=stands,
        plan=next((e for e in events if e["event"] == "plan"), {}),
        room=next((str(e["words"]) for e in reversed(events) if e["event"] == "room"), ""),
        trial=trial,
        kept=_kept(looks),
    )


def _kept(looks: Sequence[dict[str, Any]]) -> int | None:
    """The step that the trainer keeps, unless that may be the newest."""
    step = looks[-1].get("best_step") if looks else None
    return step if step and step != looks[-1]["step"] else None


def _onwards(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps of a training that may have lost its app and gone on from an earlier one: each step as made last."""
    found: dict[int, dict[str, Any]] = {}
    for event in events:
        step = int(event["step"])
        found = {at: kept for at, kept in found.items() if at < step} if step in found else found
        found[step] = event
    return list(found.values())


def headline(run: Run, stands: Stands) -> str:
    """Where a run and its adapter stand, in words."""
    if run.stage in ("failed", "stopped"):
        return f"{_WORDS[run.stage]}: {run.reason}"
    if run.verdict is None:
        return _WORDS[run.stage]
    if stands.state == "champion":
        return f"{run.adapter} {_IN_SERVICE.get(stands.by, 'is in service, because a person chose it.')}"
    if stands.state == "retired" and not stands.by:
        return f"{run.adapter} lost its blind votes."
    return f"{run.adapter} {_STANDS.get(stands.state) or _SAID[run.verdict.decision]}"


def keep_served(folder: Path, answers: dict[str, str]) -> None:
    """Keep what the published adapter answers through the engine: from then on it is what `now` shows."""
    part = folder / (SERVED + ".part")
    part.write_text(json.dumps(answers), encoding="utf-8")
    part.rename(folder / SERVED)


def note_room(folder: Path, words: str) -> None:
    """Keep what was done to have room for the trainer."""
    log = MetricsLog(folder / "metrics.jsonl")
    log.write("room", words=words)
    log.close()


def _shows(folder: Path, events: Sequence[dict[str, Any]]) -> tuple[Show, ...]:
    if not events:
        return ()
    before = {item["id"]: item["text"] for item in events[0]["items"]}
    now = {item["id"]: item["text"] for item in events[-1]["items"]}
    if (folder / SERVED).is_file():
        now |= json.loads((folder / SERVED).read_text(encoding="utf-8"))
    return tuple(_show(sample, before, now) for sample in Job.read(folder / FILE).samples)


def _show(sample: Sample, before: dict[str, str], now: dict[str, str]) -> Show:
    return Show(
        prompt=sample.messages[-1].content,
        taught=sample.taught,
        before=before.get(sample.id, ""),
        wanted=sample.wanted,
        now=now.get(sample.id, ""),
    )
