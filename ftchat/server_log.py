"""The log of a managed vLLM: kept in a file and in memory, and read for the stage of a start and the cause of its end.

It knows vLLM's lines. It does not know processes or HTTP.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Stage = Literal[
    "stopped",
    "starting",
    "resolving",
    "loading weights",
    "warming up",
    "loading adapters",
    "ready",
    "restarting",
    "failed",
]

_KEPT_LINES = 2000
_ROTATE_BYTES = 10_000_000
_FILES = 3

# Lines of a start, and the stage that begins with each; a start only goes forward.
_MARKS: tuple[tuple[str, Stage], ...] = (
    ("non-default args", "resolving"),
    ("Resolved architecture", "resolving"),
    ("Starting to load model", "loading weights"),
    ("Loading weights took", "warming up"),
    ("init engine", "warming up"),
)
_FORWARD: tuple[Stage, ...] = ("starting", "resolving", "loading weights", "warming up")


@dataclass(frozen=True)
class Cause:
    """Why an engine ended: a sentence with what to do. `lasting`: with these settings and files it ends so again."""

    sentence: str
    lasting: bool = False


_KILLED = Cause(
    "One of its processes was killed from outside, most often because memory ran out. End other programs, lower "
    "kv_cache_gib or choose a smaller model."
)
_ILLEGAL = Cause(
    "The processor refused an instruction of vLLM. Leave cpu_lora on, which avoids the known case; if it is on, "
    "this machine is too old for this vLLM.",
)
_SHARED = Cause("Its shared memory ran out: give /dev/shm more room (in a container: --shm-size=1g).")
_STATUSES = {128 + 4: _ILLEGAL, 128 + 7: _SHARED, 128 + 9: _KILLED}  # as a shell tells SIGILL, SIGBUS, SIGKILL

# What the last lines hold, and the cause. The first that fits is told.
_CAUSES: tuple[tuple[str, Cause], ...] = (
    (
        r"address already in use|Errno 98",
        Cause("Its port was taken by another program. Start ftchat again: it looks for another one."),
    ),
    (r"Illegal instruction|SIGILL|exit code: -4\b", _ILLEGAL),
    (r"Bus error|SIGBUS|exit code: -7\b", _SHARED),
    (
        r"No space left on device|Errno 28\b",
        Cause("A disk is full: free some space where the home and the temporary files are."),
    ),
    (
        r"argument --max-lora-rank|greater than max_lora_rank",
        Cause("An adapter's rank is larger than max_lora_rank. Set it to 64, 128, 256 or 512.", lasting=True),
    ),
    (
        r"out of memory|MemoryError|Cannot allocate memory|can't allocate memory|Available memory on node"
        r"|Free memory on device|No available memory for the cache blocks|larger than the available KV cache memory"
        r"|less than desired",
        Cause(
            "There is not enough free memory for the model and its cache. Lower kv_cache_gib or context_length, choose "
            "a smaller model, or end other programs."
        ),
    ),
    (r"died unexpectedly", _KILLED),
    (
        r"User-specified max_model_len|derived max_model_len",
        Cause("context_length is longer than this model allows. Lower it, or leave it at 0.", lasting=True),
    ),
    (
        r"[Mm]odel architectures \[.*\] (are|failed)|does not recognize this architecture|not supported for now"
        r"|has no vLLM implementation",
        Cause("This vLLM cannot serve this family of models. Choose another model.", lasting=True),
    ),
    (
        r"SafetensorError|HeaderTooLarge|deserializing header|IncompleteMetadata|invalid header",
        Cause("A weights file of the model is damaged. Copy or download the model again.", lasting=True),
    ),
    (
        r"Cannot find any model weights",
        Cause(
            "The model's folder has no weights in safetensors files, and ftchat takes no other kind. Convert them, or "
            "download the model in its safetensors form.",
            lasting=True,
        ),
    ),
    (
        r"Following weights were not initialized|No such file or directory: .*\.safetensors|Error no file named"
        r"|does not appear to have a file|Unrecognized model in|size mismatch|Can't load tokenizer|not a valid JSON",
        Cause(
            "The model's folder is incomplete or inconsistent. Copy or download the model again.",
            lasting=True,
        ),
    ),
    (
        r"No module named '?vllm|ModuleNotFoundError|ImportError",
        Cause("The installation is incomplete. Install ftchat again with its cpu or gpu extra.", lasting=True),
    ),
)
_HOLLOW = r"See stack trace|Executor failed|encountered a fatal error|output_handler failed|  File \""  # say nothing


class Log:
    """Lines of one engine: the newest in memory, all of them in a file of bounded size and two before it."""

    def __init__(self, path: Path, *, secret: str) -> None:
        """`secret` never reaches a line."""
        self._path = path
        self._secret = secret
        self._size = 0
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.trouble = ""

    def begin(self) -> None:
        """A new start of the engine: nothing of the one before it may explain how this one ends."""
        self.lines.clear()
        self._size = self._path.stat().st_size if self._path.is_file() else 0

    def add(self, line: str) -> str:
        """Keep a line; the line as it may be shown. A full disk costs the file, never the engine."""
        line = line.replace(self._secret, "***").rstrip()
        self.lines.append(line)
        try:
            if self._size > _ROTATE_BYTES:
                self._rotate()
            with self._path.open("a", encoding="utf-8", errors="replace") as file:
                self._size += file.write(line + "\n")
            self.trouble = ""
        except OSError as err:
            self.trouble = f"The engine's log cannot be written ({err.strerror}): free some space on that disk."
        return line

    def last(self, count: int = 40) -> str:
        """The newest lines as one text."""
        return "\n".join(list(self.lines)[-count:])

    def _rotate(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, _FILES))]
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            if newer.exists():
                newer.replace(older)
        self._size = 0


def stage_after(line: str, stage: Stage) -> Stage:
    """The stage of a start once this line has come."""
    for mark, announced in _MARKS:
        if mark in line and stage in _FORWARD:
            return max(stage, announced, key=_FORWARD.index)
    return stage


def cause_of(lines: Sequence[str], status: int | None) -> Cause:
    """Why the engine ended, from its last lines and its exit status."""
    if status in (128 + 4, 128 + 7):
        return _STATUSES[status]
    text = "\n".join(list(lines)[-200:])
    for pattern, cause in _CAUSES:
        if re.search(pattern, text):
            return cause
    if status in _STATUSES:
        return _STATUSES[status]
    told = [line for line in lines if re.search(r"ERROR|Error|error:", line) and not re.search(_HOLLOW, line)]
    if told:
        return Cause(f"Its last error: {_bare(told[-1])}")
    return Cause("It gave no reason." if status is None else f"It gave no reason (exit status {status}).")


def _bare(line: str) -> str:
    """A log line without process, level, time and place."""
    return re.sub(r"^(\(.*?\)\s*)?((ERROR|WARNING|INFO)\s+\S+\s+\S+\s+\[\S+\]\s*)?", "", line)[:300]
