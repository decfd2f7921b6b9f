"""ftchat feedback: list, review, export, import. Run: `ftchat feedback --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

from ftchat.cli.home import Home, commands, say, settings_of, table
from ftchat.errors import SetupError
from ftchat.exports import Format
from ftchat.records import Split, Status
from ftchat.store.pages import Kind

_WORDS = {"approve": "approved", "reject": "rejected", "reopen": "pending"}
_PAGE = 200
_WIDE = 48


def main(argv: Sequence[str]) -> None:
    """Do it, and say what was done."""
    made, sub = commands("feedback", "What people said of replies: votes, ratings and corrections.")
    listed = sub("list", _list, "Feedback that stands, newest first.")
    listed.add_argument("--status", choices=get_args(Status), help="what was decided of it (default: all)")
    listed.add_argument("--kind", choices=get_args(Kind), help="how it was given (default: all)")
    listed.add_argument("--search", help="words of a question or a correction")
    listed.add_argument("--limit", type=int, default=50, help="at most so many (default: 50; 0 is all)")
    review = sub(
        "review", _review, "Decide what trains: approve, reject or reopen; all of it or, where one is unknown, none."
    )
    review.add_argument("decision", choices=tuple(_WORDS), help="reopen makes it pending again")
    review.add_argument("ids", nargs="+", help="ids, as list shows them")
    out = sub("export", _export, "Feedback as JSONL that datasets and TRL take as it is; raw loses nothing.")
    out.add_argument("--format", choices=get_args(Format), default="sft", help="for which trainer (default: sft)")
    out.add_argument("--status", choices=(*get_args(Status), "all"), default="approved", help="default: approved")
    out.add_argument("--split", choices=(*get_args(Split), "all"), help="default: train, without the exam's questions")
    out.add_argument("--to", type=Path, help="file for it (default: standard output)")
    taken = sub("import", _import, "Take JSONL in: all lines or none. What is there already is skipped.")
    taken.add_argument("file", type=Path, help="JSONL, as export writes it or as others write it for TRL")
    taken.add_argument("--format", choices=get_args(Format), help="default: seen line by line")
    args = made.parse_args(argv)
    args.do(args, Home(settings_of(args)))


def _list(args: argparse.Namespace, home: Home) -> None:
    wanted = {"status": args.status, "kind": args.kind, "search": args.search}
    items, after = list[dict[str, Any]](), None
    while not args.limit or len(items) < args.limit:
        left = min(_PAGE, args.limit - len(items)) if args.limit else _PAGE
        page = home.call("GET", f"/api/feedback?{_query(**wanted, after=after, limit=left)}")
        items, after = [*items, *page["items"]], page["next"]
        if after is None:
            break
    rows = [("ID", "KIND", "STATUS", "BY", "QUESTION", "SAID"), *(_row(item) for item in items)]
    words = table(rows) if items else "There is no such feedback."
    say(args, {"items": items, "next": after}, words)


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    return (item["id"], item["kind"], item["status"], item["rater"], _short(item["prompt"]), _short(item["value"]))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _WIDE else f"{flat[: _WIDE - 3]}..."


def _review(args: argparse.Namespace, home: Home) -> None:
    done = home.call("POST", "/api/feedback/review", {"ids": args.ids, "status": _WORDS[args.decision]})
    say(args, done, f"{done['changed']} of {len(args.ids)} changed to {done['status']}.")


def _export(args: argparse.Namespace, home: Home) -> None:
    path = f"/api/feedback/export?{_query(format=args.format, status=args.status, split=args.split)}"
    if args.to is None and args.json:
        raise SetupError("--json tells about a file: give --to one. Without --to the lines themselves are printed.")
    if args.to is None:
        sys.stdout.write(home.fetch(path).decode("utf-8"))
        return
    home.fetch(path, args.to)
    lines = args.to.read_bytes().count(b"\n")
    say(args, {"path": str(args.to.resolve()), "lines": lines}, f"{args.to.resolve()}\nholds {lines:,} lines.")


def _import(args: argparse.Namespace, home: Home) -> None:
    if not args.file.is_file():
        raise SetupError(f"There is no file {args.file}. Name a JSONL file.")
    done = home.send(f"/api/feedback/import?{_query(format=args.format)}", args.file, "application/x-ndjson")
    say(args, done, f"{done['imported']:,} taken in; {done['skipped']:,} were there already.")


def _query(**values: Any) -> str:
    return urlencode({key: value for key, value in values.items() if value is not None})
