"""ftchat backup: a verified copy of everything that people said, made now, while an app runs or not."""

from collections.abc import Sequence
from pathlib import Path

from ftchat import backups
from ftchat.cli.home import command, say, settings_of


def main(argv: Sequence[str]) -> None:
    """Make it, and say where it is."""
    parser = command("backup", "A verified copy of everything that people said; also while ftchat runs.")
    parser.add_argument("to", nargs="?", type=Path, help="file or folder for it (default: data/backups/)")
    args = parser.parse_args(argv)
    made = backups.backup(settings_of(args).home, to=args.to)
    facts = {"path": str(made.path), "bytes": made.path.stat().st_size, "rows": made.rows}
    say(args, facts, f"{made.path}\nholds {sum(made.rows.values()):,} rows, each checked.")
