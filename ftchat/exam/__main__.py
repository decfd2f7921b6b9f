"""Answers judged in a process of their own: python -m ftchat.exam, one JSON object in, two lines of JSON out.

The first line out holds the figures; the second says of each pattern of a pin whether its text matches, null where that
took too long.
"""

import json
import os
import re
import signal
import sys
import time
from typing import Any

_PATTERN_S = 2
_PATTERNS_S = 30.0  # all of them; what is not looked at by then took too long


def main() -> None:
    """Read, judge, and say."""
    # `evaluate` imports transformers, and with it torch, for evaluators that nobody uses here: four of five seconds.
    sys.modules["transformers"] = None  # type: ignore[assignment]
    from ftchat.exam.judged import judge

    del sys.modules["transformers"]
    asked = json.load(sys.stdin)
    _say(judge(asked))
    until = time.monotonic() + _PATTERNS_S
    _say([_matches(*pair) if time.monotonic() < until else None for pair in asked["patterns"]])


def _matches(pattern: str, text: str) -> bool | None:
    """Whether a pattern is found in a text; None when that takes too long, which nothing in Python could interrupt."""
    child = os.fork()
    if child == 0:
        signal.alarm(_PATTERN_S)  # its default action ends the process
        os._exit(0 if re.search(pattern, text) else 1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if ended < 0 else ended == 0


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
