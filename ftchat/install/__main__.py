"""The set-up's command: python3 -m ftchat.install [--dev] [--look]. `make` calls it before everything else.

It answers at once where .venv is complete; else it looks at the machine, then installs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sys
from pathlib import Path
from typing import Iterator

from ftchat.install import machine, python, stamp
from ftchat.install.browser import ensure_browser
from ftchat.install.packages import Wish, create, fill
from ftchat.install.report import Problem, Report

ROOT = Path(__file__).resolve().parents[2]


def main(argv: list[str] | None = None) -> int:
    """Exit status 0 only where everything is in place."""
    parser = argparse.ArgumentParser(prog="python3 -m ftchat.install", description="Install ftchat into .venv.")
    parser.add_argument("--dev", action="store_true", help="also what tests and lint need, and a browser")
    parser.add_argument("--no-browser", action="store_true", help="with --dev: no browser (lint needs none)")
    parser.add_argument("--look", action="store_true", help="only look at this machine")
    options = parser.parse_args(argv)
    report = Report()
    try:
        if options.look:
            return look(machine.nvidia_gpu())
        set_up(report, dev=options.dev, browser=options.dev and not options.no_browser)
    except Problem as problem:
        report.problem(problem)
        return 1
    except OSError as err:
        what = f"{err.filename or ROOT} cannot be written or read ({err.strerror or err})"
        report.problem(Problem(what, "make this folder, and .venv in it, your own: `sudo chown -R $USER .`"))
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted. The same command starts it again.", file=sys.stderr)
        return 130
    return 0


def set_up(report: Report, *, dev: bool, browser: bool) -> None:
    """Bring .venv into the wanted state."""
    gpu = known_gpu() or machine.nvidia_gpu()
    kind, why = flavour(gpu)
    refuse_system(kind)
    interpreter = fitting_python()
    wish = Wish(root=ROOT, flavour=kind, dev=dev, system=platform.system(), python=interpreter.minor)
    with locked(ROOT, report) as lock:
        step = stamp.judge(stamp.inspect(wish.venv), wish.stamp(), named=bool(os.environ.get("FTCHAT_PYTHON")))
        if step.action != "keep":
            report.say(f"set-up for {kind} ({why}): {step.why}")
            if step.action == "fresh":
                if look(gpu):
                    raise Problem("this machine cannot run it as it is", "see the lines marked error above")
                report.say(f"a new .venv with Python {interpreter.minor}")
                create(wish, interpreter.path)
            fill(wish, report, lock=lock)
        if browser:
            ensure_browser(wish.venv, report)
    report.say("set-up is complete")


def known_gpu() -> str:
    """The GPU of a .venv made for one, while its device file is there: nvidia-smi can take seconds."""
    made = stamp.read(ROOT / ".venv" / stamp.STAMP)
    return "as before" if made and made.flavour == "gpu" and os.path.exists("/dev/nvidia0") else ""


def flavour(gpu: str) -> tuple[str, str]:
    """The flavour and why, or a Problem."""
    try:
        return machine.choose_flavour(os.environ, gpu)
    except ValueError as err:
        raise Problem(str(err), f"use one of {', '.join(machine.FLAVOURS)}") from None


def refuse_system(kind: str) -> None:
    """Before anything else: a system that no Python makes fit."""
    finding = machine.check_system(platform.system(), platform.machine(), kind)
    if finding.level == "error":
        raise Problem(finding.what, finding.remedy)


def look(gpu: str) -> int:
    """Print what was found; exit status 1 where something stands in the way."""
    found = machine.findings(machine.look(ROOT, gpu), flavour(gpu)[0])
    print("\n".join(finding.lines() for finding in found), flush=True)
    return 1 if any(finding.level == "error" for finding in found) else 0


def fitting_python() -> python.Python:
    """The interpreter for .venv. Where it is another one than this, and this one is too old, that one takes over."""
    bounds = python.supported((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = []
    for path in python.candidates(os.environ, ROOT / ".venv"):
        seen = python.probe(path)
        if seen:
            found.append(seen)
            if python.able(seen, bounds):
                break
    chosen = python.choose(found, bounds)
    if not bounds[0] <= sys.version_info[:2] < bounds[1]:
        os.chdir(ROOT)
        os.execv(chosen.path, [chosen.path, "-m", "ftchat.install", *sys.argv[1:]])
    return chosen


@contextlib.contextmanager
def locked(folder: Path, report: Report) -> Iterator[int | None]:
    """One set-up at a time in one folder. Children inherit the lock: a pip that outlived its set-up is waited for."""
    try:
        import fcntl
    except ImportError:  # not a Unix: refuse_system has said so
        yield None
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say("another set-up is at work in this folder; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:  # a network's file system may lock no folder: then two at once are up to who starts them
            report.say("this file system locks no folders: start no second set-up meanwhile")
        yield lock
    finally:
        os.close(lock)


if __name__ == "__main__":
    sys.exit(main())
