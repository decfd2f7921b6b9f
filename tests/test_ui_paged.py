"""Lists that are long: 300 adapters, 500 runs, 300 users. What the pages send and read of them, without a browser."""

import re
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import furnished
import gradio as gr
import pytest
from room import ANN, Room

from ftchat import texts
from ftchat.config import TrainArgs
from ftchat.records import Person
from ftchat.ui import models
from ftchat.ui.models import NEWEST, ModelsPage
from ftchat.ui.paged import PAGE, Paged
from ftchat.ui.settings import SettingsPage
from ftchat.ui.train import TrainPage

MANY = 300
VIC = Person("vic", "viewer")
NAME = re.compile(r'data-name="([\w-]+)"')


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """That many of each."""
    made = Room(tmp_path_factory.mktemp("home"), alone=False)
    with made.store.writing():
        for n in range(1, MANY + 1):
            verdict = furnished.verdict("PROMOTE", ours=0.5, name=f"shop-v{n}", champion="base")
            furnished.train(made, f"shop-v{n}", verdict, state="rejected" if n % 100 == 0 else "retired")
            made.store.people.add(f"user{n:03}", "reviewer" if n % 100 == 0 else "rater", password="x")
        for n in range(200):
            failed = made.store.training.start_run(by=f"person{n:03}", base="b0", args=TrainArgs())
            made.store.training.update_run(failed.id, stage="failed", reason="The disk is full.")
    for n in range(2 * PAGE + 5):
        made.accounts.revoke(made.accounts.new_token("admin", "rater", name=f"gone {n}")[0].id)
        made.accounts.new_token("admin", "rater", name=f"token {n}")
    yield made
    made.store.close()


def laid_out(page: Any, room: Room, monkeypatch: pytest.MonkeyPatch) -> Any:
    with gr.Blocks():
        made = page(room.parts)
    monkeypatch.setattr(type(room.parts), "person", lambda *_: ANN)
    return made


def click(act: str, value: str = "") -> Any:
    return SimpleNamespace(act=act, value=value)


def pages(listed: Paged[Any], of: Callable[[str], list[str]], *, search: str = "") -> list[list[str]]:
    """What is on each page, turned to the last one."""
    found = list[list[str]]()
    told = listed.look(search, cast(gr.Request, None))
    while True:
        found.append(of(told[listed.list]))
        more = re.search(r'data-act="page-further" data-value="([^"]+)"', told[listed.list])
        before, at = told[listed.list], told[listed.at]
        assert ('data-act="page-first"' in before) == (len(found) > 2)
        if more is None:
            return found
        told = listed.turn(search, at, click("page-further", more[1]), cast(gr.Request, None))
        assert told[listed.at].split("\n")[-1] == more[1]
        back = listed.turn(search, told[listed.at], click("page-back"), cast(gr.Request, None))
        assert (back[listed.list], back[listed.at]) == (before, at)
        assert listed.turn(search, told[listed.at], click("page-first"), cast(gr.Request, None))[listed.at] == ""


def test_a_page_whose_last_is_gone_gives_way_to_the_first(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    page = laid_out(SettingsPage, room, monkeypatch)
    last = room.store.people.tokens(works=True)[-1].id
    told = page.tokens.shown(ANN, "", last)
    assert told[page.tokens.at] == ""
    assert told == page.tokens.shown(ANN, "", "")


def test_the_newest_adapters_stand_on_the_page_and_all_are_searched_and_turned(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, asked = laid_out(ModelsPage, room, monkeypatch), list[str]()
    monkeypatch.setattr(page, "_rows", lambda adapter: asked.append(adapter.name) or 0)
    shown = page.view(VIC)
    newest = [f"shop-v{n}" for n in range(MANY, 0, -1)]
    assert NAME.findall(shown[page.list]) == asked == newest[:NEWEST]
    assert shown[page.folded]["visible"]
    assert len(shown[page.list]) < 40_000
    found = pages(page.all, NAME.findall)
    assert ([name for one in found for name in one], {len(one) for one in found}) == (newest, {PAGE})
    assert pages(page.all, NAME.findall, search="V299 ") == [["shop-v299"]]
    assert pages(page.all, NAME.findall, search="rejected") == [["shop-v300", "shop-v200", "shop-v100"]]
    assert texts.NONE_FOUND in page.all.look("nothing", cast(gr.Request, None))[page.all.list]
    monkeypatch.setattr(models, "NEWEST", MANY)
    assert not page.view(VIC)[page.folded]["visible"]


def test_the_newest_runs_stand_on_the_page_and_all_are_searched_and_turned(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = laid_out(TrainPage, room, monkeypatch)
    looks = re.compile(r'data-act="look" data-value="(\w+)"').findall
    every = [run.id for run in room.store.training.runs(limit=1000)]
    shown = page.view(ANN)
    assert (len(every), looks(shown[page.past])) == (MANY + 200, every[1:12])
    assert shown[page.folded]["visible"]
    assert [run for one in pages(page.all, looks) for run in one] == every
    names = re.compile(r"<b>([\w-]+)</b>").findall
    assert pages(page.all, names, search="shop-v17") == [[f"shop-v{n}" for n in (*range(179, 169, -1), 17)]]
    assert pages(page.all, looks, search="Person199") == [every[:1]]


def test_users_and_tokens_are_searched_and_turned_and_a_change_stays_on_its_page(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = laid_out(SettingsPage, room, monkeypatch)
    users = re.compile(r'data-act="withdraw" data-value="([^"]+)"').findall
    every = [user.name for user in room.accounts.users()]
    assert [name for one in pages(page.users, users) for name in one] == every
    assert pages(page.users, users, search="reviewer") == [["user100", "user200", "user300"]]
    assert pages(page.users, users, search="USER007") == [["user007"]]
    tokens = re.compile(r'<th scope="row">(token \d+) ').findall
    found = pages(page.tokens, tokens)
    assert [len(one) for one in found] == [PAGE, PAGE, 5]
    assert found[0][0] == f"token {2 * PAGE + 4}"
    assert pages(page.tokens, tokens, search="Token 44") == [["token 44"]]
    view = page.view(ANN, "", every[PAGE - 1], "token 4", "")
    assert users(view[page.users.list]) == every[PAGE : 2 * PAGE]
    assert tokens(view[page.tokens.list]) == [f"token {n}" for n in (44, 43, 42, 41, 40, 4)]


async def test_what_is_shown_after_a_deed_is_read_in_a_thread(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that answers go on growing meanwhile."""
    here, where = threading.current_thread(), list[threading.Thread]()
    train, adapters, settings = (laid_out(page, room, monkeypatch) for page in (TrainPage, ModelsPage, SettingsPage))

    def looking(*_: Any) -> dict[Any, Any]:
        where.append(threading.current_thread())
        return {}

    for page in (train, adapters, settings):
        monkeypatch.setattr(page, "view", looking)
    monkeypatch.setattr(room.pipeline, "seen", looking)
    monkeypatch.setattr("ftchat.ui.train_views.whole", str)
    request = cast(gr.Request, None)
    await train.act(click("back", "base"), request)
    await train.look(click("look", "n_1"), request)
    await adapters.act("", "", click("delete", "shop-v1"), request)
    await settings.act("", "", "", "", click("disable", "user001"), request)
    assert (len(where), here in where) == (4, False)
