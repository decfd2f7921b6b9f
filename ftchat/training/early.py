"""The trainer's process begun before its job is known: python -m ftchat.training.early, with the job's path on stdin.

Importing torch takes seconds; it does so while the app still makes the snapshot. Then it is `python -m ftchat.training`
and nothing else. When the input ends without a path, the app is gone or needs no trainer, and it leaves.
"""

import os
import runpy
import sys

from ftchat.training.parent import die_with_parent, leave_the_terminal_to_the_app, let_others_go_first


def main() -> None:
    """Import, wait for the path, and become the trainer."""
    die_with_parent()
    leave_the_terminal_to_the_app()
    let_others_go_first()  # importing takes a core for seconds
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as the trainer sets it itself: torch reads it when it is imported
    import ftchat.training.run  # noqa: F401  # for what it imports

    path = sys.stdin.readline().rstrip("\n")
    if path:
        sys.argv = ["ftchat.training", path]
        runpy.run_module("ftchat.training", run_name="__main__")


if __name__ == "__main__":
    main()
