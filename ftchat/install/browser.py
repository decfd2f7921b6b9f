"""Finds or fetches the Chromium that the tests drive. Run: python3 -m ftchat.install.browser (prints its path)

In this order: the variable FTCHAT_BROWSER, PATH, what playwright fetched before; and where there is none, apt as root,
then playwright's own download. None at all is a Problem with a remedy, so that no browser test is skipped in silence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Mapping

from ftchat.install.report import Problem, Report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REMEDY = (
    "install Chromium (`apt install chromium`) or name one: FTCHAT_BROWSER=/path/to/chromium; "
    "if it is there and does not start, `.venv/bin/python -m playwright install-deps chromium` brings its libraries"
)


def find_browser(environ: Mapping[str, str] | None = None) -> Path | None:
    """The browser to drive, or None. A FTCHAT_BROWSER that is no program is a Problem: a wrong name is not a wish."""
    environ = os.environ if environ is None else environ
    named = environ.get("FTCHAT_BROWSER")
    if named:
        path = shutil.which(named, path=environ.get("PATH", ""))
        if path is None:
            raise Problem(f"FTCHAT_BROWSER is {named!r}, which is not a program", "name the browser's program file")
        return Path(path)
    for name in NAMES:
        path = shutil.which(name, path=environ.get("PATH", ""))
        # Ubuntu's chromium-browser may be a script that only asks for a snap.
        if path and not _asks_for_snap(Path(path)):
            return Path(path)
    return _fetched_by_playwright(environ)


def ensure_browser(venv: Path, report: Report) -> Path:
    """The browser, fetched if need be."""
    found = find_browser()
    if found:
        return _that_starts(found)
    log = venv / "install.log"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        report.say("no browser for the tests; apt-get install chromium")
        _run(["apt-get", "update"], log)
        _run(["apt-get", "install", "--yes", "--no-install-recommends", "chromium"], log)
        found = find_browser()
    if not found:
        report.say("no browser for the tests; playwright install chromium")
        _run([str(venv / "bin" / "python"), "-m", "playwright", "install", "chromium"], log)
        found = find_browser()
    if not found:
        raise Problem("there is no browser for the tests", REMEDY, _last_lines(log))
    return _that_starts(found)


def _that_starts(found: Path) -> Path:
    started = subprocess.run([str(found), "--version"], capture_output=True, text=True, timeout=60, check=False)
    if started.returncode:
        raise Problem(f"{found} does not start", REMEDY, tuple(started.stderr.strip().splitlines()[-4:]))
    return found


def _fetched_by_playwright(environ: Mapping[str, str]) -> Path | None:
    home = Path(environ.get("HOME", "~")).expanduser()
    folder = Path(environ.get("PLAYWRIGHT_BROWSERS_PATH") or home / ".cache" / "ms-playwright")
    for pattern in ("chromium-*/chrome-linux*/chrome", "chromium_headless_shell-*/chrome-*/*headless*shell"):
        found = sorted(path for path in folder.glob(pattern) if os.access(path, os.X_OK))
        if found:
            return found[-1]
    return None


def _asks_for_snap(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    return head.startswith(b"#!") and b"snap install" in head


def _run(command: list[str], log: Path) -> None:
    """Run it with its output in the log; whether it helped is seen by looking again."""
    with log.open("ab") as out:
        out.write(f"\n$ {' '.join(command)}\n".encode())
        out.flush()
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, check=False)


def _last_lines(log: Path) -> tuple[str, ...]:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return tuple(lines[-6:])


def main() -> int:
    """Print the path of the browser; exit status 1 where there is none."""
    try:
        found = find_browser()
    except Problem as problem:
        Report().problem(problem)
        return 1
    print(found or f"none: {REMEDY}", file=sys.stdout if found else sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
