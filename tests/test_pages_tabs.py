"""Many tabs of one browser: they share six connections, so that no open page may hold one for itself. And who only
reads is shown no button that they may not press.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio.queueing import AsyncQueue
from gradio.server_messages import ProcessCompletedMessage
from playwright.sync_api import BrowserContext, Page, expect
from room import Room
from served import chromium, served

from ftchat import ui, web
from ftchat.records import Conversation, Params, Reply, Turn, new_id, now
from ftchat.ui import upkeep
from ftchat.ui.doorway import Doorway

expect.set_options(timeout=20_000)
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
BOX = "#compare-prompt textarea"


class Held:
    """An ASGI app around another that knows which requests are not answered to their end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    def around(self, app: Any) -> Any:
        async def holding(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            self._count(scope["path"], 1)
            try:
                await app(scope, receive, send)
            finally:
                self._count(scope["path"], -1)

        return holding

    def _count(self, path: str, by: int) -> None:
        with self._lock:
            self._open[path.rsplit("/", 1)[0]] += by

    def now(self) -> list[str]:
        with self._lock:
            return sorted(self._open.elements())


def opened(context: BrowserContext, url: str, *, tabs: int) -> list[Page]:
    """So many tabs, opened at once as by a browser that is started again."""
    pages = [context.new_page() for _ in range(tabs)]
    for page in pages:
        page.goto(url, wait_until="commit")
    for page in pages:
        expect(page.locator("#compare-offers .chip").first).to_be_visible()
    return pages


def judge(page: Page, prompt: str, *, anew: bool = False) -> None:
    """Ask, read both answers, vote; `anew`: where the tab before has voted."""
    page.bring_to_front()
    if anew:
        expect(page.locator("#vote-saved")).to_be_visible()
        page.locator("#compare-new").click()
        expect(page.locator("#vote-saved")).to_be_hidden()
    page.locator(BOX).fill(prompt)
    page.locator(BOX).press("Enter")
    expect(page.locator("#pane-left .asked")).to_have_text(prompt)
    for side in ("left", "right"):
        expect(page.locator(f"#pane-{side} [aria-busy=false] .reply")).to_be_visible()
    expect(page.locator("#vote-left")).to_be_enabled()
    page.locator("#vote-left").click()
    expect(page.locator("#vote-saved")).to_contain_text("Saved")


@pytest.mark.browser
@pytest.mark.soak
@pytest.mark.parametrize("count", [7, 10])
def test_the_last_tab_of_a_browser_asks_and_votes_so_does_an_old_one_and_both_stay_over_a_reload(
    tmp_path: Path, count: int
) -> None:
    room, held = Room(tmp_path), Held()
    room.adapter()
    with served(room, around=held.around) as url, chromium() as browser:
        context = browser.new_context()
        tabs = opened(context, url, tabs=count)
        judge(tabs[-1], "What does the Aged Gouda cost?")
        judge(tabs[1], "Is the rye bread sliced?")
        assert room.store.feedback.counts() == {"vote/approved": 2}
        seen = []
        while len(seen) < 100 and [] not in seen:  # a tick of the clock may be under way
            seen.append(held.now())
            tabs[0].wait_for_timeout(50)
        assert [] in seen
        for tab, prompt in ((tabs[-1], "What does the Aged Gouda cost?"), (tabs[1], "Is the rye bread sliced?")):
            tab.reload()
            expect(tab.locator("#pane-left .asked")).to_have_text(prompt)
        context.close()


def slow(app: Any, *, what: str) -> Any:
    """As a network that delivers a stream's beginning, or its end, later than the answer to a request that was sent
    after it, or never."""
    late_s = 3600.0 if what == "no end" else 0.4

    async def slowed(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            begins = message["type"] == "http.response.start" and scope["path"].endswith("/queue/data")
            ends = b'"msg":"close_stream"' in message.get("body", b"")
            if begins if what == "beginning" else ends:
                await asyncio.sleep(late_s)
            await send(message)

        await app(scope, receive, sent if scope["type"] == "http" else send)

    return slowed


@pytest.mark.browser
@pytest.mark.parametrize("what", [pytest.param("beginning", marks=pytest.mark.soak), "end"])
def test_a_question_is_answered_though_what_came_before_it_is_slow(tmp_path: Path, what: str) -> None:
    room = Room(tmp_path)
    with served(room, around=partial(slow, what=what)) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        expect(page.locator("#compare-offers .chip").first).to_be_visible()
        for number, prompt in enumerate(("Is the rye bread sliced?", "And the other one?", "And this one?")):
            chat(page, prompt, anew=number > 0)


@pytest.mark.browser
@pytest.mark.soak
def test_a_question_is_answered_though_the_end_of_the_stream_before_it_never_comes(tmp_path: Path) -> None:
    room = Room(tmp_path)
    with served(room, around=partial(slow, what="no end")) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        expect(page.locator("#compare-offers .chip").first).to_be_visible()
        chat(page, "Is the rye bread sliced?", anew=False)


def cut(app: Any) -> Any:
    """As a proxy that ends a stream in the middle of an answer, once."""
    done: list[str] = []

    async def cutting(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if scope["path"] in done:
                return
            await send(message)
            if b"process_generating" in message.get("body", b"") and b"Gouda" in message["body"]:
                done.append(scope["path"])
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        streams = scope["type"] == "http" and scope["path"].endswith("/queue/data") and not done
        await app(scope, receive, sent if streams else send)

    return cutting


@pytest.mark.browser
@pytest.mark.soak
def test_a_page_whose_stream_is_cut_off_in_the_middle_of_an_answer_brings_it_to_its_end(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.vllm.answers["base"], room.vllm.pace_s = "The Gouda costs EUR 12 and it is old.", 0.3
    with served(room, around=cut) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        expect(page.locator("#compare-offers .chip").first).to_be_visible()
        page.evaluate("window.old = true")
        page.get_by_role("tab", name="Chat").click()
        page.locator("#chat-prompt textarea").fill("What does the Aged Gouda cost?")
        page.locator("#chat-prompt textarea").press("Enter")
        expect(page.locator("#chat-live [aria-busy=false] .reply")).to_contain_text("and it is old.", timeout=30_000)
        assert page.evaluate("window.old") is None  # it was loaded anew, and knew where it was


# What asks for an event that takes nothing, as a new conversation does, is long on its way.
_SLOW = """
const ask = window.fetch;
window.fetch = async (...what) => {
  if (String(what[1]?.body).includes('"data":[]')) await new Promise((go) => setTimeout(go, 400));
  return ask(...what);
};"""


@pytest.mark.browser
def test_a_new_conversation_comes_before_the_question_that_is_sent_in_it_at_once(tmp_path: Path) -> None:
    room = Room(tmp_path)
    with served(room) as url, chromium() as browser:
        page = browser.new_page()
        page.add_init_script(_SLOW)
        page.goto(url)
        expect(page.locator("#compare-offers .chip").first).to_be_visible()
        chat(page, "Is the rye bread sliced?", anew=False)
        page.locator("#chat-new").click()
        page.locator("#chat-prompt textarea").fill("What does the brie cost?")
        page.locator("#chat-prompt textarea").press("Enter")
        expect(page.locator("#chat-live .asked")).to_have_text("What does the brie cost?")
        expect(page.locator("#chat-live [aria-busy=false] .reply")).to_be_visible()
        expect(page.locator("#chat-past .asked")).to_have_count(0)
        expect(page.locator("#chat-history .conversation")).to_have_count(2)


@pytest.mark.browser
@pytest.mark.soak
def test_a_reload_brings_back_what_stood_in_this_tab_and_a_new_tab_begins_where_the_last_one_was(
    tmp_path: Path,
) -> None:
    room = Room(tmp_path)
    room.adapter()
    with served(room) as url, chromium() as browser:
        context = browser.new_context()
        empty, tabs = context.new_page(), {}
        empty.goto(url)
        expect(empty.locator("#compare-offers .chip").first).to_be_visible()
        for prompt in ("What does the Aged Gouda cost?", "Is the rye bread sliced?"):
            tabs[prompt] = context.new_page()
            tabs[prompt].goto(url)
            judge(tabs[prompt], prompt, anew=len(tabs) > 1)
            chat(tabs[prompt], f"In a chat: {prompt}", anew=len(tabs) > 1)
        for prompt, page in tabs.items():
            page.reload()
            expect(page.locator("#pane-left .asked")).to_have_text(prompt)
            page.get_by_role("tab", name="Chat").click()
            expect(page.locator("#chat-live .asked")).to_have_text(f"In a chat: {prompt}")
        empty.reload()
        expect(empty.locator("#compare-offers .chip").first).to_be_visible()
        assert "rye bread" not in empty.locator("#panes").inner_text()
        context.close()


def chat(page: Page, prompt: str, *, anew: bool) -> None:
    """Ask on Chat; `anew`: where the tab before has asked something."""
    page.get_by_role("tab", name="Chat").click()
    if anew:
        expect(page.locator("#chat-live .asked")).to_be_visible()
        page.locator("#chat-new").click()
    expect(page.locator("#chat-live .empty")).to_be_visible()
    page.locator("#chat-prompt textarea").fill(prompt)
    page.locator("#chat-prompt textarea").press("Enter")
    expect(page.locator("#chat-live .asked")).to_have_text(prompt)
    expect(page.locator("#chat-live [aria-busy=false] .reply")).to_be_visible()


# -- what gradio keeps for a page --


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    room = Room(tmp_path)
    app = web.build(room.parts)
    ui.mount(app, room.parts)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:7860") as made:
        yield made
    await room.close()


@pytest.fixture
def gradio(client: httpx.AsyncClient) -> Any:
    """Its app, behind the door."""
    transport: Any = client._transport
    door = transport.app.routes[-1].app
    assert isinstance(door, Doorway)
    return door._app


async def test_a_heartbeat_ends_at_once_and_what_nobody_used_for_a_day_is_forgotten(
    client: httpx.AsyncClient, gradio: Any
) -> None:
    states = gradio.state_holder
    for page, hours in (("today", 1), ("yesterday", 25)):
        states[page].state_data[1] = "t_1"
        states.time_last_used[page] = datetime.now() - timedelta(hours=hours)  # noqa: DTZ005 - as gradio notes it
    answer = await asyncio.wait_for(client.get("/gradio_api/heartbeat/new"), 10)
    assert (answer.status_code, answer.text) == (200, "data: ALIVE\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert list(states.session_data) == list(states.time_last_used) == ["today"]
    assert states["today"].state_data == {1: "t_1"}


async def test_a_stream_is_counted_and_answers_say_which_was_the_last_to_end(
    client: httpx.AsyncClient, gradio: Any
) -> None:
    queue = gradio.get_blocks()._queue
    call = {"data": [], "fn_index": 0, "session_hash": "page"}
    assert (await client.post("/gradio_api/queue/join", json=call)).headers["x-stream"] == "0"
    for number in ("1", "2"):
        queue.pending_messages_per_session["page"] = AsyncQueue()
        queue.pending_event_ids_session["page"] = {"e1"}
        done = ProcessCompletedMessage(event_id="e1", output={"data": []}, success=True)
        queue.pending_messages_per_session["page"].put_nowait(done)
        stream = await asyncio.wait_for(client.get("/gradio_api/queue/data?session_hash=page"), 5)
        assert "close_stream" in stream.text
        assert stream.headers["x-stream"] == number
        assert (await client.post("/gradio_api/queue/join", json=call)).headers["x-stream"] == number
    call["session_hash"] = "another"
    assert (await client.post("/gradio_api/queue/join", json=call)).headers["x-stream"] == "0"


async def test_a_stream_that_nothing_is_to_come_through_ends_and_another_goes_on(
    client: httpx.AsyncClient, gradio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a browser opens one for an event that has ended before it heard of it."""
    monkeypatch.setattr(upkeep, "_LOOK_EVERY_S", 0.05)
    queue = gradio.get_blocks()._queue
    for page, events in (("idle", set[str]()), ("busy", {"e1"})):
        queue.pending_messages_per_session[page] = AsyncQueue()
        queue.pending_event_ids_session[page] = events
    answer = await asyncio.wait_for(client.get("/gradio_api/queue/data?session_hash=idle"), 5)
    said = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert [message["msg"] for message in said] == ["process_completed", "close_stream"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.get("/gradio_api/queue/data?session_hash=busy"), 0.5)


# -- who only reads --


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Room]:
    """A home of vic, who asked something on Chat and is only a viewer now."""
    made = Room(tmp_path, alone=False)
    made.store.people.add("vic", "viewer", password="x")
    conversation, turn = Conversation(new_id("c"), "vic", "Is it good?", "", now()), new_id("t")
    reply = Reply(
        id=new_id("r"), turn=turn, lane="only", contestant="base", model="base", base="b0", text="Yes.", finish="stop"
    )
    asked = Turn(
        id=turn,
        conversation=conversation.id,
        owner="vic",
        mode="chat",
        prompt="Is it good?",
        blind=False,
        parent=None,
        params=Params(),
        created_at=now(),
        replies=(reply,),
    )
    made.store.turns.add(asked, new=conversation)
    made.store.feedback.add_rating(reply.id, "vic", "up", reasons=[], comment="")
    return made


# Which of the places to ask a question stood in sight, at each frame.
_SEEN = """
window.seen = new Set();
const look = () => {
  for (const id of ['compare-prompt', 'compare-below', 'compare-offers', 'retrain', 'chat-prompt', 'board']) {
    if (document.getElementById(id)?.checkVisibility({ visibilityProperty: true })) window.seen.add(id);
  }
  requestAnimationFrame(look);
};
look();"""


@pytest.mark.browser
def test_who_only_reads_is_shown_no_button_that_they_may_not_press(reading: Room) -> None:
    with served(reading) as url, chromium() as browser:
        context = browser.new_context()
        login = reading.accounts._new_login("vic")
        context.add_cookies([{"name": reading.parts.cookie, "value": login, "url": url}])
        page = context.new_page()
        page.add_init_script(_SEEN)
        page.goto(url)
        expect(page.locator("#board")).to_be_visible()  # where who may not compare begins
        page.wait_for_timeout(300)
        assert page.evaluate("[...window.seen]") == ["board"]
        page.get_by_role("tab", name="Chat").click()
        page.locator("#chat-history .conversation").click()
        expect(page.locator("#chat-live .said")).to_contain_text("Yes.")
        expect(page.locator("#chat-live .who")).to_have_text("base")
        page.wait_for_timeout(500)  # the answer is looked at once more
        assert page.locator("#chat-live :is(button, .chips)").locator("visible=true").all() == []
        context.close()
