"""What the log says of callbacks that are refused, and of those that break; without a browser."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from room import Room

from ftchat import ui, web
from ftchat.errors import EngineError, NotAllowed, NotFound
from ftchat.parts import Parts
from ftchat.ui import refusals

pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path, alone=False)
    made.store.people.add("ann", "admin", password="x")
    yield made
    await made.close()


@pytest.fixture
async def page(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    """An open page of ann's."""
    app = web.build(room.parts)
    ui.mount(app, room.parts)
    cookies = {room.parts.cookie: room.accounts._new_login("ann")}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860", cookies=cookies) as made:
        yield made


async def ticked(room: Room, page: httpx.AsyncClient) -> tuple[int, dict[str, Any]]:
    """The event that brings what goes on by itself, as the page's script calls it."""
    config = (await page.get("/config")).json()
    news = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "strip-news")
    index = next(event["id"] for event in config["dependencies"] if [news, "change"] in event["targets"])
    body = {"data": [None], "fn_index": index, "trigger_id": news, "session_hash": "page"}
    answer = await page.post("/gradio_api/run/predict", json=body)
    return answer.status_code, answer.json()


async def test_a_callback_under_way_when_its_login_ends_is_told_so_and_only_what_breaks_is_in_the_log(
    room: Room, page: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (await ticked(room, page))[0] == 200

    def broken() -> None:
        raise ZeroDivisionError("of the strip")

    with monkeypatch.context() as patched:
        patched.setattr(room.pipeline, "status", broken)
        capsys.readouterr()
        assert (await ticked(room, page))[0] == 500
        assert "ZeroDivisionError: of the strip" in capsys.readouterr().err

    secret, person = page.cookies[room.parts.cookie], Parts.person

    def late(*asked: Any) -> Any:
        room.accounts.log_out(secret)  # the door had let it in
        return person(*asked)

    monkeypatch.setattr(Parts, "person", late)
    status, said = await ticked(room, page)
    assert (status, said["error"].partition(",")[0]) == (500, "Log in first")
    assert capsys.readouterr().err == ""


async def test_each_kind_of_callback_tells_a_refusal_and_leaves_a_fault_as_it_is() -> None:
    def plain(err: Exception) -> None:
        raise err

    async def awaited(err: Exception) -> None:
        raise err

    async def streamed(err: Exception) -> AsyncIterator[str]:
        yield "first"
        raise err

    async def called(callback: Any, err: Exception) -> Any:
        told = refusals._telling(callback)(err)
        return [one async for one in told] if callback is streamed else await told

    for callback in (plain, awaited, streamed):
        for err in (NotAllowed("This is for admins."), NotFound("There is no such turn.")):
            with pytest.raises(gr.Error) as refused:
                await called(callback, err)
            assert (refused.value.message, refused.value.print_exception) == (err.message, False)
        for fault in (EngineError("vLLM is gone."), ZeroDivisionError()):
            with pytest.raises(type(fault)) as broken:
                await called(callback, fault)
            assert broken.value is fault
