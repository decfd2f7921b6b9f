"""The ftchat command. Each subcommand says what it did, and exits 0 only on success.

Run: `ftchat serve --open`, `ftchat --help`. What a subcommand does is in a module of its own, with `main(argv)`.
"""

import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ftchat import __version__
from ftchat.errors import FtchatError, SetupError

# name: (module, what it does). Imported only when it is asked for, so that --help is quick.
COMMANDS = {
    "serve": ("ftchat.serve", "pages, API and engine"),
    "doctor": ("ftchat.cli.doctor", "can this machine run ftchat, and what is missing"),
    "retrain": ("ftchat.cli.retrain", "train a new adapter from the approved feedback, and wait for the verdict"),
    "adapters": ("ftchat.cli.adapters", "list, show, promote, rollback, import, export, delete"),
    "feedback": ("ftchat.cli.feedback", "list, review, export, import"),
    "users": ("ftchat.cli.users", "who may come in: list, invite, disable, enable, role, password-link"),
    "tokens": ("ftchat.cli.tokens", "what programs come in with: list, create, revoke"),
    "simulate": ("ftchat.cli.simulate", "a team that teaches a rule, as a program: the learning curve"),
    "selftest": ("ftchat.cli.selftest", "the whole loop once, on this machine and with your model"),
    "backup": ("ftchat.cli.backup", "a verified copy of everything that people said"),
    "restore": ("ftchat.cli.restore", "go back to a backup"),
}


_YOUNG = 20_000  # new objects between two looks of the collector: after 700 they took a tenth of a busy app


def usage() -> str:
    """What there is."""
    lines = [f"  {name:10} {about}\n" for name, (_, about) in COMMANDS.items()]
    return (
        "usage: ftchat COMMAND [FLAGS]        (ftchat COMMAND --help says more)\n\n"
        + "".join(lines)
        + "  version    print the version\n"
    )


def _imported(module: str) -> Any:
    """The module, without the collector, which would look for a fifth of the time, and finds nothing to free there."""
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.set_threshold(_YOUNG)
        gc.enable()


def main(argv: Sequence[str] | None = None) -> None:
    """Run one subcommand. Exit status 1: it was refused; 2: called wrongly; 3: home or port are taken."""
    command, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if command in ("version", "--version"):
        print(__version__)
    elif command in ("help", "--help", "-h"):
        print(usage(), end="")
    elif command in COMMANDS:
        try:
            _imported(COMMANDS[command][0]).main(rest)
        except KeyboardInterrupt:
            sys.exit(130)
        except FtchatError as err:
            print(f"ftchat: {err.message}", file=sys.stderr)
            sys.exit(2 if isinstance(err, SetupError) else 3 if err.type == "HomeInUse" else 1)
    else:
        print(f"ftchat: there is no command {command!r}.\n\n{usage()}", file=sys.stderr, end="")
        sys.exit(2)
