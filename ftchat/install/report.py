"""What the set-up says: one line per stage with the seconds since the start, and one problem with its remedy.

It does not know what the stages do.
"""

from __future__ import annotations

import sys
import time


class Problem(Exception):
    """The set-up cannot go on. `what` says why, `remedy` what the reader can do, `log` the last lines that matter."""

    def __init__(self, what: str, remedy: str, log: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.log = log


class Report:
    """Prints the stages. The start is when it is made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    def say(self, text: str) -> None:
        """One line for one stage."""
        print(f"[{self.seconds():6.1f} s] {text}", flush=True)

    def problem(self, problem: Problem) -> None:
        """The end of a set-up that failed, on standard error."""
        lines = [f"[{self.seconds():6.1f} s] Set-up stopped: {problem.what}", f"  What to do: {problem.remedy}"]
        if problem.log:
            lines += ["  The last lines of .venv/install.log:", *(f"    {line}" for line in problem.log)]
        print("\n".join(lines), file=sys.stderr, flush=True)
