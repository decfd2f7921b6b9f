"""ftchat tokens: what programs come in with. Run: `ftchat tokens create --role rater`, `ftchat tokens --help`."""

import argparse
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from ftchat.cli.home import Home, commands, say, settings_of, table
from ftchat.records import STANDINGS


def main(argv: Sequence[str]) -> None:
    """Do it, and say what was done."""
    args = _parser().parse_args(argv)
    args.do(args, Home(settings_of(args)))


def _parser() -> argparse.ArgumentParser:
    made, sub = commands("tokens", "What programs come in with: Authorization: Bearer ...")
    sub("list", _list, "Every token, newest first.")
    create = sub("create", _create, "A new token; it is shown once.")
    create.add_argument("--role", choices=STANDINGS, required=True, help="what it may; at most what its user may")
    create.add_argument("--user", help="whose it is (default: a user api-ROLE that is only there for tokens)")
    create.add_argument("--name", default="", help="what it is for")
    sub("revoke", _revoke, "Make a token worthless, at once.").add_argument("id", help="its id, as list shows it")
    return made


def _list(args: argparse.Namespace, home: Home) -> None:
    tokens = home.call("GET", "/api/tokens")
    shown = ("id", "name", "user", "role", "made_by")
    rows = [(*(token[what] or "" for what in shown), _state(token)) for token in tokens["items"]]
    words = table([("ID", "NAME", "USER", "ROLE", "MADE BY", "STATE"), *rows]) if rows else "There are no tokens."
    say(args, tokens, words)


def _state(token: dict[str, Any]) -> str:
    if token["revoked"]:
        return "revoked"
    return f"used {token['used']}" if token["used"] else "never used"


def _create(args: argparse.Namespace, home: Home) -> None:
    made = home.call("POST", "/api/tokens", {"role": args.role, "user": args.user, "name": args.name})
    say(args, made, made["token"])


def _revoke(args: argparse.Namespace, home: Home) -> None:
    done = home.call("POST", f"/api/tokens/{quote(args.id, safe='')}/revoke")
    say(args, done, f"The token {args.id} is worthless now.")
