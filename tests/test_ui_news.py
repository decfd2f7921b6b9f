"""What open pages are told of what goes on by itself: `/news`, without a browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from room import ANN, Room

from ftchat import ui, web
from ftchat.config import TrainArgs
from ftchat.records import Person
from ftchat.ui.strip import EVERY_S, MOST_PER_S, News

VIC = Person("vic", "viewer")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    made = Room(tmp_path)
    made.adapter()
    return made


@asynccontextmanager
async def answering(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    app = web.build(room.parts)
    ui.mount(app, room.parts)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:7860") as made:
        yield made
    await room.close()


@pytest.fixture
async def client(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    async with answering(room) as made:
        yield made


async def news(client: httpx.AsyncClient, have: str = "", page: str = "p1") -> Any:
    answer = await client.get("/news", params={"page": page, "have": have})
    assert answer.status_code == 200
    return answer.json()


async def test_a_page_is_told_the_texts_that_it_asks_for_once_and_again_when_they_are_others(
    room: Room, client: httpx.AsyncClient
) -> None:
    first = await news(client, "strip-state.,board.")
    assert set(first["pieces"]) == {"strip-state", "board"}
    digest, text = first["pieces"]["strip-state"]
    assert "Champion" in text
    have = ",".join(f"{name}.{piece[0]}" for name, piece in first["pieces"].items())
    assert (await news(client, have)) == {**first, "pieces": {}}
    room.service.promote("shop-v1", by="ann", why="It is better.")
    told = await news(client, have)
    assert "shop-v1" in told["pieces"]["strip-state"][1]
    assert told["pieces"]["strip-state"][0] != digest


async def test_who_may_not_see_a_page_is_told_nothing_of_it(tmp_path: Path) -> None:
    room = Room(tmp_path, alone=False)
    room.store.people.add("vic", "viewer", password="x")
    room.store.exams.add_pin("Do you deliver?", by="ann", contains=["Fridays"], lacks=[], matches="")
    async with answering(room) as stranger:
        assert (await stranger.get("/news", params={"page": "p1", "have": "strip-state."})).status_code == 401
        stranger.cookies.set(room.parts.cookie, room.accounts._new_login("vic"))
        told = (await news(stranger, "strip-state.,pins.,card.,run-past.,schedule.,review-list."))["pieces"]
    assert "Champion" in told["strip-state"][1]
    assert "Fridays" not in str(told)
    assert {name for name, piece in told.items() if piece[1]} == {"strip-state"}


async def test_what_is_no_text_has_a_digest_that_changes_with_it(room: Room, client: httpx.AsyncClient) -> None:
    before = await news(client)
    assert before["pieces"] == {}
    assert (await news(client))["others"] == before["others"]
    room.store.training.start_run(by="ann", base="b0", args=TrainArgs())
    assert (await news(client))["others"] != before["others"]


async def test_whatever_a_page_says_that_it_has_it_is_answered(client: httpx.AsyncClient) -> None:
    for have in ("", "nothing", "x.y.z", "<script>.00", "no-such-piece.00", "retrain.00"):
        assert (await news(client, have, page="../" * 9))["pieces"] == {}
    assert set((await news(client, "strip-state." + "f" * 99))["pieces"]) == {"strip-state"}


def test_the_more_pages_ask_the_less_often_each_does() -> None:
    made, many = News(lambda who, wanted: {}), round(3 * EVERY_S * MOST_PER_S)
    seen = [made.told(ANN, page=f"p{n}", have="", now=100.0)["again_s"] for n in range(many)]
    assert (seen[0], seen[-1]) == (EVERY_S, many / MOST_PER_S)
    assert made.told(VIC, page="p0", have="", now=131.0)["again_s"] == EVERY_S  # the others are closed by now
