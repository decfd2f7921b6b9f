"""The ftchat command: on the files of a home, through the app that runs on it, and when it is refused."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from room import Room

from ftchat import cli, web
from ftchat.accounts import Accounts
from ftchat.lease import Announced, Lease, announced
from ftchat.records import Person
from ftchat.store import Store

PASSWORD = "three blue teapots"


class Shell:
    """Runs commands on one home."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self._capsys = home, capsys

    def __call__(self, *words: str) -> str:
        """What a command that succeeds prints."""
        cli.main([*words, "--home", str(self.home)])
        return self._capsys.readouterr().out.strip()

    def json(self, *words: str) -> dict:
        return json.loads(self(*words, "--json"))

    def refused(self, *words: str) -> tuple[int, str]:
        """The exit status of a command that does not, and what it says."""
        with pytest.raises(SystemExit) as ended:
            self(*words)
        said = self._capsys.readouterr()
        assert said.out == ""
        return int(str(ended.value.code)), said.err.strip()


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Room]:
    """An app on the home, as far as the command line meets it."""
    with app_on(tmp_path) as room:
        yield room


@contextmanager
def app_on(home: Path, **settings: Any) -> Iterator[Room]:
    """An app with these settings."""
    room, lease = Room(home, alone=False), Lease(home / "data" / "lease")
    parts = replace(room.parts, settings=replace(room.settings, **settings))
    server = uvicorn.Server(uvicorn.Config(web.build(parts), log_config=None))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
    thread.start()
    lease.announce(f"http://127.0.0.1:{listening.getsockname()[1]}", room.accounts.key)
    yield room
    server.should_exit = True
    thread.join()
    room.store.close()
    lease.release()


def whole_round(shell: Shell) -> None:
    """Everything about users and tokens, by the one way or the other."""
    made = shell.json("users", "invite", "--role", "reviewer", "--days", "2")
    assert made["role"] == "reviewer"
    assert shell("users", "uninvite", made["id"]) == f"The invitation {made['id']} no longer works."
    token = shell.json("tokens", "create", "--role", "rater", "--name", "nightly")
    assert (token["user"], token["token"][:3]) == ("api-rater", "ft_")
    assert shell("users", "role", "api-rater", "viewer") == "api-rater is a viewer now."
    assert shell("users", "disable", "API-rater") == "api-rater is shut out."
    assert shell("users", "enable", "api-rater") == "api-rater may come in again."
    link = shell("users", "password-link", "api-rater")
    assert "/join/" in link
    listed = shell("users", "list").splitlines()
    assert [line.split() for line in listed[:2]] == [
        ["NAME", "ROLE", "STATE"],
        ["api-rater", "viewer", "by", "token", "only"],
    ]
    assert "password of api-rater" in listed[-1]
    assert shell("tokens", "revoke", token["id"]) == f"The token {token['id']} is worthless now."
    listed = shell("tokens", "list").splitlines()
    assert listed[0].split() == ["ID", "NAME", "USER", "ROLE", "MADE", "BY", "STATE"]
    assert listed[1].split()[1:] == ["nightly", "api-rater", "rater", "admin", "revoked"]
    assert [item["revoked"] for item in shell.json("tokens", "list")["items"]] == [True]


def test_users_and_tokens_in_the_files_of_a_home_on_which_nothing_runs(shell: Shell) -> None:
    whole_round(shell)
    store = Store(shell.home / "data" / "ftchat.db")
    assert [user.name for user in Accounts(store).users()] == ["api-rater"]
    store.close()


def test_users_and_tokens_through_the_app_that_runs(shell: Shell, running: Room) -> None:
    whole_round(shell)
    assert [user.name for user in running.accounts.users()] == ["api-rater"]


def test_a_token_made_on_the_files_is_good_for_the_app(shell: Shell) -> None:
    secret = shell("tokens", "create", "--role", "admin")
    store = Store(shell.home / "data" / "ftchat.db")
    entry = Accounts(store).known(bearer=secret, cookie=None, here=False)
    assert entry is not None
    assert entry.person == Person("api-admin", "admin")
    store.close()


def test_an_invitation_by_command_makes_a_user_of_the_running_app(shell: Shell, running: Room) -> None:
    app = announced(shell.home / "data" / "lease")
    assert app is not None
    link = shell.json("users", "invite", "--role", "admin")["link"]
    assert link.startswith(f"{app.url}/join/")
    running.accounts.join(link.rsplit("/", 1)[1], "ann", PASSWORD)
    assert shell.json("users", "list")["items"][0]["name"] == "ann"
    assert shell.refused("users", "disable", "ann")[1].startswith("ftchat: ann is the last admin who can log in.")


def test_links_of_the_command_line_are_at_the_name_by_which_others_reach_the_app(shell: Shell) -> None:
    with app_on(shell.home, host="0.0.0.0", port=8080, hosts=("chat.example.org",)):
        token = shell.json("tokens", "create", "--role", "rater")
        for words in (("invite",), ("password-link", token["user"])):
            link, said = shell("users", *words).splitlines()
            assert link.startswith("http://chat.example.org:8080/join/")
            assert ", once, until " in said


def test_of_a_link_that_only_this_machine_can_open_it_is_said_what_to_replace(shell: Shell, running: Room) -> None:
    said = shell("users", "invite").splitlines()[-1]
    assert said == (
        "127.0.0.1 is this machine alone: for others put its address there, or a name that is in the setting hosts."
    )


def test_where_an_app_listens_is_told_to_its_own_user_only_and_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "data" / "lease"
    lease = Lease(path)
    assert announced(path) is None
    lease.announce("http://127.0.0.1:1", "secret")
    told = path.with_name("running.json")
    assert oct(told.stat().st_mode & 0o777) == "0o600"
    assert announced(path) == Announced("http://127.0.0.1:1", "secret")
    lease.release()
    assert not told.exists()
    told.write_text("{}")  # of an app that was killed
    Lease(path).release()
    assert not told.exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("users", "disable", "nobody"), 1, "ftchat: There is no user called nobody."),
        (("users", "role", "no body", "viewer"), 1, "ftchat: There is no user called no body."),
        (("users", "uninvite", "i_0"), 1, "ftchat: There is no such invitation, or it has been used."),
        (("users", "invite", "--days", "1000"), 1, "ftchat: days is 1000: it must be above 0 and at most 90."),
        (("tokens", "create", "--role", "rater", "--user", "x"), 1, "ftchat: There is no user called x."),
        (("tokens", "revoke", "a_0"), 1, "ftchat: There is no such token, or it has been revoked."),
    ],
)
def test_what_is_refused_is_said_and_the_status_is_not_0(
    shell: Shell, words: tuple[str, ...], status: int, said: str
) -> None:
    assert shell.refused(*words) == (status, said)


@pytest.mark.parametrize(
    "words",
    [("users",), ("users", "fly"), ("users", "role", "ann"), ("tokens", "create"), ("restore",), ("users", "--fly")],
)
def test_a_command_called_wrongly_explains_itself_with_status_2(shell: Shell, words: tuple[str, ...]) -> None:
    status, said = shell.refused(*words)
    assert status == 2
    assert "usage: ftchat" in said


def test_a_home_that_is_not_there_is_not_made(shell: Shell) -> None:
    shell.home = shell.home / "nowhere"
    assert shell.refused("users", "list")[0] == 2
    assert not shell.home.exists()


def test_while_something_else_holds_the_home_nothing_is_done(shell: Shell) -> None:
    lease = Lease(shell.home / "data" / "lease")
    status, said = shell.refused("users", "list")
    assert (status, "is in use by" in said) == (3, True)
    lease.announce("http://127.0.0.1:9", "x")
    status, said = shell.refused("users", "list")
    assert (status, "does not answer at http://127.0.0.1:9" in said) == (3, True)
    lease.release()


def test_a_backup_is_made_found_and_gone_back_to(shell: Shell) -> None:
    shell("tokens", "create", "--role", "rater")
    made = shell.json("backup")
    assert made["rows"]["tokens"] == 1
    shell("tokens", "create", "--role", "rater")
    assert len(shell.json("tokens", "list")["items"]) == 2
    assert [item["path"] for item in shell.json("restore", "--list")["items"]] == [made["path"]]
    assert Path(made["path"]).name in shell("restore", "--list")
    done = shell.json("restore", Path(made["path"]).name)
    assert (done["rows"]["tokens"], Path(done["replaced"]).is_file()) == (1, True)
    assert len(shell.json("tokens", "list")["items"]) == 1


def test_a_backup_to_a_file_of_ones_own_while_the_app_runs_but_no_restore(shell: Shell, running: Room) -> None:
    running.accounts.new_token("admin", "rater")
    target = shell.home / "copy.db"
    assert str(target) in shell("backup", str(target))
    assert shell.refused("backup", str(target))[0] == 1
    status, said = shell.refused("restore", str(target))
    assert (status, "in use" in said) == (3, True)
    assert len(running.accounts.tokens()) == 1


def test_a_home_without_a_database_has_nothing_to_back_up(shell: Shell) -> None:
    status, said = shell.refused("backup")
    assert (status, "nothing to back up" in said) == (1, True)
    assert shell("restore", "--list") == f"There are no backups of {shell.home}."


def test_every_command_has_help_and_is_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "ftchat.cli", "--help"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name, (_, about) in cli.COMMANDS.items():
        assert f"  {name:10} {about}\n" in listed
        with pytest.raises(SystemExit, match=r"^0$"):
            cli.main([name, "--help"])
        assert f"usage: ftchat {name}" in capsys.readouterr().out
