"""ftchat restore: go back to a backup. What it replaces is kept beside the backups."""

from collections.abc import Sequence
from pathlib import Path

from ftchat import backups
from ftchat.cli.home import command, say, settings_of, table


def main(argv: Sequence[str]) -> None:
    """Do it, or show what there is to go back to."""
    parser = command("restore", "Go back to a backup, while ftchat is not running. What it replaces is kept.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("backup", nargs="?", type=Path, help="its file, or its name as --list shows it")
    what.add_argument("--list", action="store_true", help="the backups of this home, newest first")
    args = parser.parse_args(argv)
    home = settings_of(args).home
    if args.list:
        found = backups.listed(home)
        rows = [(one.path.name, one.made_at, f"{one.bytes:,} bytes") for one in found]
        items = [{"path": str(one.path), "made_at": one.made_at, "bytes": one.bytes} for one in found]
        say(args, {"items": items}, table(rows) if rows else f"There are no backups of {home}.")
        return
    done = backups.restore(home, args.backup)
    replaced = str(done.replaced) if done.replaced else None
    facts = {"database": str(done.database), "backup": str(done.backup), "replaced": replaced, "rows": done.rows}
    kept = f"\nWhat was there before is kept: {replaced}" if replaced else ""
    say(args, facts, f"{done.database} is {done.backup.name} again: {sum(done.rows.values()):,} rows.{kept}")
