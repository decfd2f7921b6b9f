"""Finds a Python that can carry ftchat: a supported version, with venv, ssl and an SQLite that knows STRICT tables.

The Python that runs the set-up is taken where it fits; else one from PATH; FTCHAT_PYTHON overrules both.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from ftchat.install.machine import numbers
from ftchat.install.report import Problem

# The version that the pins were tested with comes first.
NAMES = ("python3.11", "python3.12", "python3.13", "python3.14", "python3")
SQLITE_NEEDED = (3, 37)

_PROBE = """
import json, sys
missing = []
for name in ("venv", "ensurepip", "ssl", "sqlite3"):
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
sqlite = "" if "sqlite3" in missing else sys.modules["sqlite3"].sqlite_version
print(json.dumps({"version": list(sys.version_info[:3]), "missing": missing, "sqlite": sqlite}))
"""


@dataclass(frozen=True)
class Python:
    """One interpreter and what was found in it."""

    path: str
    version: tuple[int, ...]
    missing: tuple[str, ...] = ()
    sqlite: str = ""

    @property
    def minor(self) -> str:
        """Major and minor version, as in 3.11."""
        return ".".join(map(str, self.version[:2]))


def supported(pyproject: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """From requires-python: the first version that works and the first that does not. Read as text, as 3.8 must."""
    found = re.search(r'^requires-python = ">=([\d.]+),<([\d.]+)"', pyproject, re.MULTILINE)
    if not found:
        raise Problem("pyproject.toml has no requires-python of the form >=A,<B", "restore pyproject.toml")
    return numbers(found.group(1)), numbers(found.group(2))


def probe(path: str) -> Python | None:
    """Ask an interpreter about itself; None where it does not run (a pyenv shim for a version that is not there)."""
    try:
        done = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False)
        told = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return Python(path, tuple(told["version"]), tuple(told["missing"]), told["sqlite"])


def candidates(environ: Mapping[str, str], venv: Path) -> list[str]:
    """Paths to try, best first; the last is the one that the present .venv was made from."""
    if named := environ.get("FTCHAT_PYTHON"):
        return [shutil.which(named) or named]
    made_from = (venv / "bin" / "python").resolve()
    found = [sys.executable, *(shutil.which(name) or "" for name in NAMES), str(made_from)]
    return list(dict.fromkeys(path for path in found if path))


def fits(python: Python, bounds: tuple[tuple[int, ...], tuple[int, ...]]) -> bool:
    """Whether its version is one that ftchat supports."""
    low, high = bounds
    return low <= python.version[:2] < high


def able(python: Python, bounds: tuple[tuple[int, ...], tuple[int, ...]]) -> bool:
    """Whether it can carry ftchat."""
    return fits(python, bounds) and not python.missing and numbers(python.sqlite) >= SQLITE_NEEDED


def choose(found: list[Python], bounds: tuple[tuple[int, ...], tuple[int, ...]]) -> Python:
    """The first that can carry ftchat; else the Problem of the one that came nearest."""
    for python in found:
        if able(python, bounds):
            return python
    for python in found:
        if fits(python, bounds):
            raise lacking(python)
    low, high = ".".join(map(str, bounds[0])), f"{bounds[1][0]}.{bounds[1][1] - 1}"
    seen = ", ".join(sorted({".".join(map(str, python.version)) for python in found})) or "none"
    raise Problem(
        f"ftchat needs Python {low} to {high}; found: {seen}",
        f"install one (`apt install python{low} python{low}-venv`, `uv python install {low}` or `pyenv install {low}`) "
        "and put it on PATH, or name it: FTCHAT_PYTHON=/path/to/python",
    )


def lacking(python: Python) -> Problem:
    """What a Python of the right version still lacks, and how to get it."""
    name = f"Python {python.minor} ({python.path})"
    if {"venv", "ensurepip"} & set(python.missing):
        return Problem(f"{name} cannot make a virtual environment", f"`apt install python{python.minor}-venv`")
    if python.missing:
        return Problem(
            f"{name} was built without {' and '.join(python.missing)}",
            "use the Python of your system, or build it again with the development files of OpenSSL and SQLite",
        )
    needed = ".".join(map(str, SQLITE_NEEDED))
    return Problem(
        f"{name} has SQLite {python.sqlite}; ftchat needs {needed}",
        "use a newer system (Debian 12, Ubuntu 22.04), or a Python that brings its own SQLite (`uv python install`)",
    )
