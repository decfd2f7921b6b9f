"""What the app hands to the trainer, and what the trainer hands back while it works.

The job is one JSON file; the metrics are one JSON object a line, appended and flushed. Both sides use this module. It
imports no torch and knows nothing of how training is done.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ftchat.config import TrainArgs, train_args
from ftchat.errors import BadInput, NotFound
from ftchat.records import Message

FILE = "job.json"  # in the folder of a run
MAX_SAMPLES = 32


@dataclass(frozen=True)
class Sample:
    """A question that people watch while the model learns; `wanted` is the taught answer, if there is one."""

    id: str
    messages: tuple[Message, ...]
    taught: bool
    wanted: str | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training run: what to read, what to write, and how. `threads` 0 lets `training.cores` choose.

    With `start`, an adapter's folder, a quick run goes on from that adapter; `fresh` then names the rows that it has
    not learned from yet, and the others are rehearsed beside them. `context_length` is that of serving; 0 is the
    model's own. The same job again goes on where a killed one was; `halve`: with half the tokens at once.
    """

    base: Path
    snapshot: Path
    out: Path
    metrics: Path
    args: TrainArgs = field(default_factory=TrainArgs)
    samples: tuple[Sample, ...] = ()
    threads: int = 0
    start: Path | None = None
    fresh: tuple[str, ...] = ()
    context_length: int = 0
    halve: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; of two things that contradict each other, both are named."""
        if self.start is not None and self.args.effort != "quick":
            raise BadInput(f"start is given and effort is {self.args.effort}: only quick continues from an adapter.")
        if self.fresh and self.start is None:
            raise BadInput("fresh is given and start is not: rows are fresh to an adapter that is continued.")
        if not 0 <= self.threads <= 1024:
            raise BadInput(f"threads is {self.threads}: it must be between 0 and 1024.")
        if not 0 <= self.context_length <= 2**30:
            raise BadInput(f"context_length is {self.context_length}: it must be between 0 and {2**30}.")
        if len(self.samples) > MAX_SAMPLES:
            raise BadInput(f"The job has {len(self.samples)} samples; at most {MAX_SAMPLES} are answered.")
        ids = [sample.id for sample in self.samples]
        if len(set(ids)) < len(ids):
            raise BadInput("Two samples of the job have the same id.")

    @property
    def checkpoint(self) -> Path:
        """What a killed trainer leaves for the next one."""
        return self.out.with_name(f".{self.out.name}.checkpoint")

    def to_json(self) -> dict[str, Any]:
        """As the job file has it."""
        paths = {key: str(getattr(self, key)) for key in _PATHS}
        samples = [asdict(sample) for sample in self.samples]
        start = str(self.start) if self.start is not None else None
        more = {"threads": self.threads, "start": start, "fresh": list(self.fresh)}
        room = {"context_length": self.context_length, "halve": self.halve}
        return {**paths, "args": asdict(self.args), "samples": samples, **more, **room}

    def write(self, path: Path) -> None:
        """Write the job file."""
        path.write_text(json.dumps(self.to_json(), ensure_ascii=False, indent=1), encoding="utf-8")

    @staticmethod
    def from_json(value: object) -> "Job":
        """The job in a decoded job file; BadInput names what is wrong with it."""
        known = {*_PATHS, "args", "samples", "threads", "start", "fresh", "context_length", "halve"}
        entry = mapping(value, "The job", required=set(_PATHS), known=known)
        paths = {key: Path(text(entry[key], f"The job's {key}")) for key in _PATHS}
        args = _args(entry.get("args", {}))
        samples = tuple(_sample(item) for item in array(entry.get("samples", []), "The job's samples"))
        start = Path(text(entry["start"], "The job's start")) if entry.get("start") is not None else None
        fresh = tuple(text(name, "A fresh row's id") for name in array(entry.get("fresh", []), "The job's fresh"))
        threads = _whole(entry.get("threads", 0), "The job's threads")
        context = _whole(entry.get("context_length", 0), "The job's context_length")
        halve = entry.get("halve", False)
        if not isinstance(halve, bool):
            raise BadInput("The job's halve must be true or false.")
        return Job(
            **paths, args=args, samples=samples, threads=threads, start=start, fresh=fresh, context_length=context,
            halve=halve,
        )  # fmt: skip

    @staticmethod
    def read(path: Path) -> "Job":
        """The job in a file."""
        return Job.from_json(read_json(path, "The job file"))


_PATHS = ("base", "snapshot", "out", "metrics")


def read_json(path: Path, what: str) -> object:
    """A file's JSON value; NaN and Infinity, which are no JSON, are refused."""
    try:
        value: object = parse_json(path.read_text(encoding="utf-8"), what)
    except FileNotFoundError as err:
        raise NotFound(f"{what} is missing: {path}.") from err
    except (OSError, UnicodeDecodeError) as err:
        raise BadInput(f"{what} cannot be read: {err}.") from err
    return value


def parse_json(line: str, what: str) -> object:
    """A JSON text's value."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a number")

    try:
        value: object = json.loads(line, parse_constant=refuse)
        if "\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as err:  # no file and no tokenizer takes it
        raise BadInput(f"{what} has half a character, which is no text: {err.object[err.start]!r}.") from err
    except (ValueError, RecursionError) as err:
        raise BadInput(f"{what} is not valid JSON: {err}.") from err
    return value


def mapping(value: object, what: str, *, required: set[str], known: set[str]) -> Mapping[str, Any]:
    """The value, if it is a JSON object with the required keys and no others than the known ones."""
    entry = json_object(value, what)
    if missing := sorted(required - set(entry)):
        raise BadInput(f"{what} lacks {', '.join(missing)}.")
    if unknown := sorted(set(entry) - known):
        names = ", ".join(key if key.isidentifier() else repr(key) for key in unknown)
        raise BadInput(f"{what} has an unknown key: {names}.")
    return entry


def json_object(value: object, what: str) -> Mapping[str, Any]:
    """The value, if it is a JSON object, whatever is in it."""
    if not isinstance(value, dict):
        raise BadInput(f"{what} must be a JSON object.")
    return value


def array(value: object, what: str) -> list[Any]:
    """The value, if it is a JSON array."""
    if not isinstance(value, list):
        raise BadInput(f"{what} must be a JSON array.")
    return value


def text(value: object, what: str) -> str:
    """The value, if it is a text with something in it."""
    if not isinstance(value, str) or not value or "\x00" in value:
        raise BadInput(f"{what} must be a text that is not empty.")
    return value


def messages(value: object, what: str) -> tuple[Message, ...]:
    """A conversation that an answer can follow."""
    found = []
    for item in array(value, f"{what}: messages"):
        entry = mapping(item, f"{what}: a message", required={"role", "content"}, known={"role", "content"})
        if not isinstance(entry["role"], str) or not isinstance(entry["content"], str):
            raise BadInput(f"{what}: role and content of a message must be texts.")
        found.append(Message(entry["role"], entry["content"]))  # type: ignore[arg-type]  # Message checks the role
    if not found or found[-1].role != "user":
        raise BadInput(f"{what}: the messages must end with one by the user.")
    return tuple(found)


def number(value: object, what: str) -> float:
    """The value, if it is a finite number."""
    try:
        found = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:  # an integer beyond all floats
        found = math.inf
    if not math.isfinite(found):
        raise BadInput(f"{what} must be a number.")
    return found


def _whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{what} must be a whole number.")
    return value


def _args(value: object) -> TrainArgs:
    if not isinstance(value, dict):
        raise BadInput("The job's args must be a JSON object.")
    for key, given in value.items():
        wanted = type(getattr(TrainArgs(), key, given))
        if wanted is int:
            _whole(given, key)
        elif wanted is float:
            number(given, key)
    return train_args(value)


def _sample(value: object) -> Sample:
    required = {"id", "messages", "taught"}
    entry = mapping(value, "A sample of the job", required=required, known={*required, "wanted"})
    name = text(entry["id"], "A sample's id")
    if not isinstance(entry["taught"], bool):
        raise BadInput(f"Sample {name}: taught must be true or false.")
    wanted = entry.get("wanted")
    if wanted is not None and not isinstance(wanted, str):
        raise BadInput(f"Sample {name}: wanted must be a text or null.")
    return Sample(name, messages(entry["messages"], f"Sample {name}"), taught=entry["taught"], wanted=wanted)


class MetricsLog:
    """The metrics file as the trainer writes it: each event is one line, in the file before `write` returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_off = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        self._file = path.open("a", encoding="utf-8")
        self._file.write("\n" * cut_off)  # what a killed trainer was writing stays a line of its own
        self.listener: Callable[[Mapping[str, Any]], None] | None = None  # is told every event, too

    def write(self, event: str, **facts: Any) -> None:
        """Append one event."""
        whole = {"event": event, **facts}
        self._file.write(json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()
        if self.listener is not None:
            self.listener(whole)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_metrics(path: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """The events from a byte offset on, and the offset to go on from; a line still being written is left for later.

    A whole line that is no event was cut off when an earlier trainer was killed: it is passed over.
    """
    if not path.is_file():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        found = file.read()
    end = found.rfind(b"\n") + 1
    events = [_event(line) for line in found[:end].splitlines()]
    return [event for event in events if event], offset + end


def _event(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) and isinstance(value.get("event"), str) else {}
