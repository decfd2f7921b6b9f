"""The log of a managed vLLM: kept in a file and in memory, and read for the stage of a start and the cause of its end.

It knows vLLM's lines. It does not know processes or HTTP.
"""

import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path

_KEPT_LINES = 2000
_ROTATE_BYTES = 5_000_000

STAGES = (
    ("Starting to load model", "loading weights"),
    ("Loading weights took", "warming up"),
    ("init engine", "warming up"),
)

# What the last lines hold, and the sentence for the person who has to mend it. The first that fits is told.
_CAUSES = (
    (
        r"address already in use|Errno 98",
        "Its port was taken by another program. Start ftchat again: it looks for another one.",
    ),
    (
        r"Illegal instruction|SIGILL|exit code: -4\b",
        "The processor refused an instruction of vLLM. Leave cpu_lora on, which avoids the known case; if it is on, "
        "this machine is too old for this vLLM.",
    ),
    (
        r"No space left on device|Errno 28",
        "A disk is full: free some space where the home and the temporary files are.",
    ),
    (
        r"out of memory|MemoryError|Cannot allocate memory|can't allocate memory|Available memory on node"
        r"|No available memory for the cache blocks|larger than the available KV cache memory|less than desired",
        "There is not enough free memory for the model and its cache. Lower kv_cache_gib or context_length, choose a "
        "smaller model, or end other programs.",
    ),
    (
        r"died unexpectedly",
        "One of its processes was killed from outside, most often because memory ran out. End other programs, lower "
        "kv_cache_gib or choose a smaller model.",
    ),
    (
        r"User-specified max_model_len|derived max_model_len",
        "context_length is longer than this model allows. Lower it, or leave it at 0.",
    ),
    (
        r"[Mm]odel architectures \[.*\] (are|failed)|does not recognize this architecture|not supported for now"
        r"|has no vLLM implementation",
        "This vLLM cannot serve this family of models. Choose another model.",
    ),
    (
        r"SafetensorError|HeaderTooLarge|deserializing header|IncompleteMetadata|invalid header",
        "A weights file of the model is damaged. Copy or download the model again.",
    ),
    (
        r"Cannot find any model weights|does not appear to have a file|Unrecognized model in|size mismatch"
        r"|Following weights were not initialized|Error no file named|Can't load tokenizer|not a valid JSON",
        "The model's folder is incomplete or inconsistent. Copy or download the model again.",
    ),
    (
        r"No module named vllm|ModuleNotFoundError|ImportError",
        "The installation is incomplete. Install ftchat again with its cpu or gpu extra.",
    ),
)
_HOLLOW = r"See stack trace|Executor failed|encountered a fatal error|output_handler failed|  File \""  # say nothing


class Log:
    """Lines of one engine: the newest in memory, all of them in a file, of which one predecessor is kept."""

    def __init__(self, path: Path, *, secret: str) -> None:
        """`secret` never reaches a line."""
        self._path = path
        self._secret = secret
        self._size = 0
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.trouble = ""

    def begin(self) -> None:
        """A new start of the engine: a new file."""
        self.lines.clear()
        self._rotate()

    def add(self, line: str) -> str:
        """Keep a line; the line as it may be shown. A full disk costs the file, never the engine."""
        line = line.replace(self._secret, "***").rstrip()
        self.lines.append(line)
        if self._size > _ROTATE_BYTES:
            self._rotate()
        try:
            with self._path.open("a", encoding="utf-8") as file:
                self._size += file.write(line + "\n")
            self.trouble = ""
        except OSError as err:
            self.trouble = f"The engine's log cannot be written ({err.strerror}): free some space on that disk."
        return line

    def last(self, count: int = 40) -> str:
        """The newest lines as one text."""
        return "\n".join(list(self.lines)[-count:])

    def _rotate(self) -> None:
        self._size = 0
        try:
            if self._path.exists():
                self._path.replace(self._path.with_name(self._path.name + ".1"))
        except OSError as err:
            self.trouble = f"The engine's log cannot be rotated ({err.strerror})."


def stage_of(line: str) -> str:
    """The stage that a line of a start announces; empty when it announces none."""
    for mark, stage in STAGES:
        if mark in line:
            return stage
    return ""


def cause_of(lines: Sequence[str], status: int | None) -> str:
    """Why the engine ended, as a sentence with what to do, from its last lines and its exit status."""
    if status == 132:  # 128 + SIGILL
        return next(text for pattern, text in _CAUSES if "SIGILL" in pattern)
    text = "\n".join(list(lines)[-200:])
    for pattern, sentence in _CAUSES:
        if re.search(pattern, text):
            return sentence
    if status == 137:  # 128 + SIGKILL
        return next(text for pattern, text in _CAUSES if "died" in pattern)
    told = [line for line in lines if re.search(r"ERROR|Error|error:", line) and not re.search(_HOLLOW, line)]
    if told:
        return f"Its last error: {_bare(told[-1])}"
    return f"It gave no reason (exit status {status})."


def _bare(line: str) -> str:
    """A log line without process, level, time and place."""
    return re.sub(r"^(\(.*?\)\s*)?((ERROR|WARNING|INFO)\s+\S+\s+\S+\s+\[\S+\]\s*)?", "", line)[:300]
