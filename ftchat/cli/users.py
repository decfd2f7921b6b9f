"""ftchat users: who may come in. Run: `ftchat users invite --role rater`, `ftchat users --help`."""

import argparse
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from ftchat import links
from ftchat.cli.home import Home, commands, say, settings_of, table
from ftchat.records import STANDINGS


def main(argv: Sequence[str]) -> None:
    """Do it, and say what was done."""
    args = _parser().parse_args(argv)
    args.do(args, Home(settings_of(args)))


def _parser() -> argparse.ArgumentParser:
    made, sub = commands("users", "Who may come in, and as what.")
    sub("list", _list, "Everyone, and the invitations that are open.")
    invite = sub("invite", _invite, "A link with which somebody becomes a user; it works once.")
    invite.add_argument("--role", choices=STANDINGS, default="rater", help="what they will be (default: rater)")
    invite.add_argument("--days", type=float, default=7, help="how long the link works (default: 7)")
    back = sub("uninvite", _uninvite, "Take an open invitation back.")
    back.add_argument("id", help="its id, as list shows it")
    for name, do, about in (
        ("disable", _disable, "Shut a user out, at once."),
        ("enable", _enable, "Let a user in again."),
        ("password-link", _password_link, "A link with which a user sets a new password; it works once."),
    ):
        sub(name, do, about).add_argument("name", help="the user's name")
    role = sub("role", _role, "Give a user another role, at once.")
    role.add_argument("name", help="the user's name")
    role.add_argument("role", choices=STANDINGS, help="what they are from now on")
    return made


def _list(args: argparse.Namespace, home: Home) -> None:
    users = home.call("GET", "/api/users")["items"]
    invitations = home.call("GET", "/api/invitations")["items"]
    rows = [("NAME", "ROLE", "STATE"), *((user["name"], user["role"], _state(user)) for user in users)]
    words = table(rows) if users else "There are no users yet. `ftchat users invite --role admin` makes the first."
    if invitations:
        open_ = [(made["id"], made["role"] or f"password of {made['user']}", made["expires"]) for made in invitations]
        words += "\n\n" + table([("INVITATION", "FOR", "UNTIL"), *open_])
    say(args, {"items": users, "invitations": invitations}, words)


def _state(user: dict[str, Any]) -> str:
    if user["disabled"]:
        return "disabled"
    return "active" if user["has_password"] else "by token only"


def _invite(args: argparse.Namespace, home: Home) -> None:
    made = home.call("POST", "/api/invitations", {"role": args.role, "days": args.days})
    say(args, made, _linked(made, f"makes a {made['role']}"))


def _uninvite(args: argparse.Namespace, home: Home) -> None:
    done = home.call("POST", f"/api/invitations/{quote(args.id, safe='')}/revoke")
    say(args, done, f"The invitation {args.id} no longer works.")


def _password_link(args: argparse.Namespace, home: Home) -> None:
    made = home.call("POST", f"{_path(args)}/password-link")
    say(args, made, _linked(made, f"sets a new password for {made['user']}"))


def _linked(made: dict[str, Any], does: str) -> str:
    return "\n".join([made["link"], f"{does}, once, until {made['expires']}.", links.remark(made["link"])]).rstrip()


def _disable(args: argparse.Namespace, home: Home) -> None:
    user = home.call("POST", f"{_path(args)}/disable")
    say(args, user, f"{user['name']} is shut out.")


def _enable(args: argparse.Namespace, home: Home) -> None:
    user = home.call("POST", f"{_path(args)}/enable")
    say(args, user, f"{user['name']} may come in again.")


def _role(args: argparse.Namespace, home: Home) -> None:
    user = home.call("POST", f"{_path(args)}/role", {"role": args.role})
    say(args, user, f"{user['name']} is a {user['role']} now.")


def _path(args: argparse.Namespace) -> str:
    return f"/api/users/{quote(args.name, safe='')}"
