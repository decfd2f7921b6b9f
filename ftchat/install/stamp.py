"""Knows whether a .venv is finished, stale, half-made or broken, and what that calls for.

The stamp is written last, so an environment that has one was finished. The mark is there while pip writes, so one that
has it was interrupted. `judge` is pure; it does not repair anything.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Mapping

STAMP = "ftchat-stamp.json"
MARK = "ftchat-installing"


@dataclass(frozen=True)
class Stamp:
    """What an environment was made of. `packages` is how many it holds; `fingerprint` covers pins and dependencies."""

    fingerprint: str
    flavour: str
    dev: bool
    python: str
    folder: str
    packages: int = 0


@dataclass(frozen=True)
class Venv:
    """A .venv as it was found. `python` is None where its interpreter is gone or does not run."""

    exists: bool
    interrupted: bool = False
    python: str | None = None
    packages: int = 0
    stamp: Stamp | None = None


@dataclass(frozen=True)
class Step:
    """What to do: keep it, top it up with pip, or make it afresh; and why."""

    action: str
    why: str


def fingerprint(constraints: str, project: Mapping[str, Any], build: Mapping[str, Any]) -> str:
    """A hash over the pins and the part of pyproject.toml that an installation depends on."""
    keys = ("name", "version", "requires-python", "dependencies", "optional-dependencies", "scripts", "entry-points")
    part = {"build-system": build, **{key: project.get(key) for key in keys}}
    text = json.dumps([constraints, part], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def judge(venv: Venv, wanted: Stamp, *, named: bool = False) -> Step:
    """Compare what is there with what is wanted. A .venv that ftchat did not make is topped up, not thrown away; one of
    another Python stays unless the wanted one was `named`."""
    if not venv.exists:
        return Step("fresh", "there is no .venv yet")
    if venv.interrupted:
        return Step("fresh", "the last set-up was interrupted half-way")
    if venv.python is None:
        return Step("fresh", "the Python of .venv is gone")
    if named and venv.python != wanted.python:
        return Step("fresh", f".venv has Python {venv.python}, and FTCHAT_PYTHON is {wanted.python}")
    stamp = venv.stamp
    if stamp is None:
        return Step("top-up" if venv.python == wanted.python else "fresh", ".venv is not known to be complete")
    if stamp.python != venv.python:
        return Step("fresh", f".venv was made with Python {stamp.python}, which is now {venv.python}")
    if stamp.folder != wanted.folder:
        return Step("fresh", ".venv was made in another folder")
    if wanted.flavour != stamp.flavour and (stamp.flavour, wanted.flavour) != ("cpu", "remote"):
        return Step("fresh", f".venv is for {stamp.flavour}, and {wanted.flavour} is wanted")
    if stamp.fingerprint != wanted.fingerprint:
        return Step("top-up", "the pins or dependencies changed")
    if venv.packages < stamp.packages:
        return Step("top-up", f"{stamp.packages - venv.packages} of {stamp.packages} packages are gone")
    if wanted.dev and not stamp.dev:
        return Step("top-up", "the tools for tests and lint are missing")
    return Step("keep", "complete")


def inspect(folder: Path) -> Venv:
    """Read a .venv."""
    if not folder.is_dir():
        return Venv(exists=False)
    return Venv(
        exists=True,
        interrupted=(folder / MARK).exists(),
        python=_minor_version(folder / "bin" / "python"),
        packages=count_packages(folder),
        stamp=read(folder / STAMP),
    )


def read(path: Path) -> Stamp | None:
    """The stamp, or None where there is none that can be read."""
    try:
        return Stamp(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write(folder: Path, stamp: Stamp) -> None:
    """Written aside and renamed, so that a stamp is whole or absent."""
    aside = folder / (STAMP + ".part")
    aside.write_text(json.dumps(asdict(stamp), indent=1) + "\n", encoding="utf-8")
    aside.replace(folder / STAMP)


def count_packages(folder: Path) -> int:
    """How many installed distributions an environment holds."""
    return sum(1 for _ in folder.glob("lib/python3*/site-packages/*.dist-info"))


def _minor_version(python: Path) -> str | None:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(python), "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
