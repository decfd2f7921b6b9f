"""ftchat doctor: can this machine run ftchat with these settings, and what is missing. Exit status 0 without errors."""

import argparse
import os
import sys
from collections.abc import Sequence

from ftchat.cli.home import command, say
from ftchat.config import add_flags, load_settings
from ftchat.doctor import examine


def main(argv: Sequence[str]) -> None:
    """Look at everything, and print it."""
    parser: argparse.ArgumentParser = command("doctor", "Can this machine run ftchat, and what is missing?")
    add_flags(parser, leaving_out=("home",))
    args = parser.parse_args(argv)
    checks = examine(load_settings({k: v for k, v in vars(args).items() if k != "json"}), os.environ)
    levels = [check.finding.level for check in checks]
    facts = {"ok": "error" not in levels, "checks": [check.facts() for check in checks]}
    lines = [f"{check.name:14}{check.finding.lines().lstrip()}" for check in checks]
    errors, warnings = levels.count("error"), levels.count("warning")
    end = "Everything is well." if not errors + warnings else f"{errors} to mend, {warnings} to know of."
    say(args, facts, "\n".join([*lines, end]))
    sys.exit(0 if facts["ok"] else 1)
