"""The ftchat command. Each subcommand says what it did, and exits 0 only on success.

Run: `ftchat serve --open`, `ftchat --help`.
"""

import sys

from ftchat import __version__

_USAGE = """usage: ftchat COMMAND [FLAGS]

  serve      pages, API and engine (ftchat serve --help)
  version    print the version
"""


def main() -> None:
    """Dispatch; the subcommands import what they need, so that --help is quick."""
    command = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if command == "serve":
        from ftchat.serve import main as serve

        serve(sys.argv[2:])
    elif command in ("version", "--version"):
        print(__version__)
    elif command in ("help", "--help", "-h"):
        print(_USAGE, end="")
    else:
        print(f"ftchat: there is no command {command!r}.\n\n{_USAGE}", file=sys.stderr, end="")
        sys.exit(2)


if __name__ == "__main__":
    main()
