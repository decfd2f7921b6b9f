"""The machine that a measurement was made on, and how quick it is right now: what figures of two machines need.

Run: `.venv/bin/python -m bench.machine --json`
"""

import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Processor, memory, and the versions that matter; with how busy it is."""
    return {
        "cpu": _after_colon("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int((_after_colon("/proc/meminfo", "MemTotal") or "0").split()[0]) / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load_1m": round(os.getloadavg()[0], 2),
    }


def calibration(folder: Path | None = None) -> dict[str, float]:
    """Two speeds of this moment: plain Python on one core, and small writes that wait for the disk."""
    return {"python_mops": _python_mops(), "fsyncs_per_s": _fsyncs_per_s(folder)}


def _python_mops() -> float:
    """Million additions a second; the best of five, so that a neighbour counts for less."""
    best = min(_timed_additions(200_000) for _ in range(5))
    return round(0.2 / best, 2)


def _timed_additions(number: int) -> float:
    started = time.perf_counter()
    total = 0
    for i in range(number):
        total += i
    return time.perf_counter() - started


def _fsyncs_per_s(folder: Path | None, *, times: int = 200) -> float:
    """Appends of 4 KiB, each waited for, as a log of a database is written."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        started = time.perf_counter()
        for _ in range(times):
            os.write(file.fileno(), b"x" * 4096)
            os.fdatasync(file.fileno())
        return round(times / (time.perf_counter() - started), 1)


def _after_colon(path: str, key: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), None)


def report(figures: dict[str, Any]) -> None:
    """Print a measurement as the last line of output."""
    sys.stdout.flush()
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    report({"bench": "machine", "machine": machine(), "calibration": calibration()})
