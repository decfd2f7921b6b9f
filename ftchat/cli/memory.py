"""What an app takes while somebody watches: memory of all its processes at once, of each part, and of the GPU.

It is read from the kernel and from nvidia-smi; nothing is estimated. It does not know what the processes do, but for
what their command lines say.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftchat import sizing

_LOOK_S = 0.5
_KIB = 2**20  # in a GiB
_PARTS = (("ftchat.training", "trainer"), ("vllm.entrypoints", "engine"))  # what a command line says; else the app


@dataclass
class Peaks:
    """The most that was taken, in GiB."""

    at_once: float = 0.0  # by all processes together, what they share counted once; as it was looked at
    parts: dict[str, float] = field(default_factory=dict)  # resident, by the kernel's own high-water mark
    gpu: float | None = None  # of the GPU, whoever took it; as it was looked at

    def look(self, leader: int) -> None:
        """Look at a process and its descendants now."""
        family = _family(leader)
        self.at_once = max(self.at_once, _sum(family, _share_kib))
        for part in set(family.values()):
            mine = {pid: name for pid, name in family.items() if name == part}
            self.parts[part] = max(self.parts.get(part, 0.0), _sum(mine, _most_kib))
        if (seen := sizing.look("gpu")).total:
            self.gpu = max(self.gpu or 0.0, (seen.total - seen.free) / 2**30)

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        gpu = None if self.gpu is None else round(self.gpu, 2)
        return {
            "at_once": round(self.at_once, 2),
            **{p: round(n, 2) for p, n in sorted(self.parts.items())},
            "gpu": gpu,
        }

    def words(self) -> str:
        """For people."""
        parts = ", ".join(f"{part} {most:.1f} GiB" for part, most in sorted(self.parts.items()))
        gpu = "" if self.gpu is None else f"; GPU, with whatever else is on it: {self.gpu:.1f} GiB"
        return f"{self.at_once:.1f} GiB at once ({parts}){gpu}"


class Watch:
    """Peaks of a process and its descendants, looked at twice a second in a thread of its own."""

    def __init__(self, leader: int, peaks: Peaks) -> None:
        """Nothing is watched yet."""
        self._leader, self._peaks = leader, peaks
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        """Begin."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._peaks.look(self._leader)


def _family(leader: int) -> dict[int, str]:
    """A process and its descendants, each with the part that it belongs to: its own, or that of who started it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (said := _read(int(entry.name), "stat")):
            parents[int(entry.name)] = int(said.rpartition(")")[2].split()[1])
    family, more = {leader: "app"}, {leader}
    while more := {pid for pid, parent in parents.items() if parent in more} - set(family):
        family |= {pid: _part(pid) or family[parents[pid]] for pid in more}
    return family


def _part(pid: int) -> str:
    said = _read(pid, "cmdline").replace("\0", " ")
    return next((part for words, part in _PARTS if words in said), "")


def _sum(family: dict[int, str], kib: Callable[[int], int]) -> float:
    return sum(kib(pid) for pid in family) / _KIB


def _share_kib(pid: int) -> int:
    return _field(_read(pid, "smaps_rollup"), "Pss:")


def _most_kib(pid: int) -> int:
    return _field(_read(pid, "status"), "VmHWM:")


def _field(said: str, name: str) -> int:
    return next((int(line.split()[1]) for line in said.splitlines() if line.startswith(name)), 0)


def _read(pid: int, file: str) -> str:
    """What the kernel says of a process; nothing when it ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except OSError:
        return ""
