"""The Settings page's buttons, and which tabs each role sees: as a browser calls them, without one."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from room import Room
from starlette.requests import Request

from ftchat import texts, ui
from ftchat.config import Settings
from ftchat.records import STANDINGS, Person
from ftchat.ui import settings_views
from ftchat.ui.doors import LEAST, Doors
from ftchat.ui.settings import SettingsPage
from ftchat.ui.strip import Strip

PASSWORD = "three blue teapots"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path, alone=False)
    yield made
    made.store.close()


@pytest.fixture
def page(room: Room) -> SettingsPage:
    with gr.Blocks():
        return SettingsPage(room.parts)


@pytest.fixture
def request_(room: Room) -> gr.Request:
    """Of ann, who is admin."""
    secret = room.accounts.join(room.accounts.invite("ftchat", "admin")[1], "ann", PASSWORD)
    headers = [(b"cookie", f"ftchat_7860={secret}".encode()), (b"host", b"chat.example:8000")]
    scope = {"type": "http", "scheme": "https", "path": "/", "query_string": b"", "headers": headers, "state": {}}
    return gr.Request(Request({**scope, "server": ("chat.example", 8000), "root_path": ""}))


async def press(page: SettingsPage, request: gr.Request, act: str, value: str = "", *filled: str) -> dict[Any, Any]:
    clicked: Any = SimpleNamespace(act=act, value=value, filled=list(filled))
    return await page.act("", "", "", "", clicked, request)


async def test_an_invitation_is_a_link_that_is_shown_once_and_lets_somebody_in(
    room: Room, page: SettingsPage, request_: gr.Request
) -> None:
    told = await press(page, request_, "invite", "", "reviewer")
    found = re.search(r"<code>https://chat.example:8000/join/([\w-]+)</code>", told[page.made])
    assert found is not None
    room.accounts.join(found[1], "bob", PASSWORD)
    assert [(user.name, user.role) for user in room.accounts.users()] == [("ann", "admin"), ("bob", "reviewer")]
    assert page.open("", "", "", "", request_)[page.made] == ""
    told = await press(page, request_, "invite", "", "rater")
    await press(page, request_, "uninvite", room.accounts.invitations()[0].id)
    assert room.accounts.invitations() == []


async def test_a_users_role_changes_and_the_last_admin_stays(
    room: Room, page: SettingsPage, request_: gr.Request
) -> None:
    room.accounts.join(room.accounts.invite("ann", "rater")[1], "bob", PASSWORD)
    await press(page, request_, "role", "bob", "viewer")
    await press(page, request_, "disable", "bob")
    bob = room.accounts.users()[1]
    assert (bob.role, bob.disabled) == ("viewer", True)
    await press(page, request_, "enable", "bob")
    assert not room.accounts.users()[1].disabled
    told = await press(page, request_, "role", "ann", "rater")
    assert "ann is the last admin who can log in." in told[page.notice]
    assert "There is no role called" in (await press(page, request_, "role", "bob"))[page.notice]
    assert "https://chat.example:8000/join/" in (await press(page, request_, "password", "bob"))[page.made]


async def test_a_token_is_shown_once_and_can_be_taken_back(
    room: Room, page: SettingsPage, request_: gr.Request
) -> None:
    told = await press(page, request_, "token", "", "nightly export", "reviewer")
    secret = re.search(r"<code>(ft_[\w-]+)</code>", told[page.made])
    assert secret is not None
    (token,) = room.accounts.tokens()
    assert (token.name, token.role) == ("nightly export", "reviewer")
    assert secret[1] not in str(page.open("", "", "", "", request_))
    await press(page, request_, "revoke", token.id)
    assert room.accounts.tokens()[0].revoked
    assert "There is nothing called" in (await press(page, request_, "format"))[page.notice]


SEEN = {
    "viewer": {"chat", "models", "leaderboard"},
    "rater": {"compare", "chat", "review", "models", "leaderboard"},
    "reviewer": {"compare", "chat", "review", "train", "models", "leaderboard"},
    "admin": {"compare", "chat", "review", "train", "models", "leaderboard", "settings"},
}


def test_a_role_sees_the_pages_that_it_may_use(room: Room) -> None:
    with gr.Blocks(), gr.Tabs() as tabs:
        each = {name: gr.Tab(name, id=name) for name in LEAST}
    doors = Doors(room.parts, tabs, each)
    views = {role: doors.view(Person("eve", role)) for role in STANDINGS}
    seen = {role: {name for name, tab in each.items() if view[tab]["visible"]} for role, view in views.items()}
    assert seen == SEEN
    assert [role for role, view in views.items() if tabs in view] == ["viewer"]
    assert views["rater"][each["review"]]["label"] == "What you gave"


def test_who_only_looks_has_no_retrain_and_no_compare(room: Room) -> None:
    with gr.Blocks():
        strip = Strip(room.parts)
    shown = {role: strip.view(Person("eve", role)) for role in STANDINGS}
    assert [role for role in STANDINGS if shown[role][strip.retrain]["visible"]] == ["admin"]
    assert [role for role in STANDINGS if "only-looks" in shown[role][strip.trouble]] == ["viewer"]


def test_before_it_is_known_who_looks_only_what_most_may_see_is_there(room: Room) -> None:
    blocks, _ = ui.build(room.parts)
    hidden = {block.elem_id for block in blocks.blocks.values() if isinstance(block, gr.Tab) and not block.visible}
    assert hidden == {"tab-review", "tab-train", "tab-settings"}


def test_where_no_backups_are_made_by_themselves_none_is_promised() -> None:
    on, off = (settings_views.backups([], replace(Settings(), backup_every_s=s), trouble="") for s in (3600, 0))
    assert [texts.NO_BACKUPS in card for card in (on, off)] == [True, False]
    assert (texts.BACKUPS_OFF in off, texts.NO_BACKUP_YET in off) == (True, True)
