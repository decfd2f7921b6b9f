"""Chat in a real browser over a scripted engine: asked, stopped, branched, corrected, found again; in every look.

Screenshots are written to `shots/`, which is not committed.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from room import ANN, Room
from running import ROOT
from served import serious, served

from ftchat.records import Conversation, Reply, Turn, new_id, now

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
SHOTS = ROOT / "shots"
ME = replace(ANN, name="admin")  # who is at this machine
BOX = "#chat-prompt textarea"
MANY = 2_000


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """The tests of this file go on where the one before ended."""
    made = Room(tmp_path_factory.mktemp("home"))
    made.adapter("quagga-v1", says="The Aged Gouda costs EUR 12.")
    made.vllm.answers["base"] = "The Aged Gouda costs 12 dollars."
    with made.store.writing():
        for number in range(MANY):
            _talk(made, f"question {number} about plum{number}")
    return made


def _talk(room: Room, prompt: str) -> None:
    conversation = Conversation(new_id("c"), ME.name, prompt, "", now())
    id_ = new_id("t")
    reply = Reply(
        id=new_id("r"), turn=id_, lane="only", contestant="base", model="base", base="b0", text="Yes.", finish="stop"
    )
    turn = Turn(
        id=id_,
        conversation=conversation.id,
        owner=ME.name,
        mode="chat",
        prompt=prompt,
        blind=False,
        parent=None,
        params=room.chat.defaults(),
        created_at=now(),
        replies=(reply,),
    )
    room.store.turns.add(turn, new=conversation)


@pytest.fixture(scope="module")
def apps() -> list[Any]:
    """The app, once it is served."""
    return []


@pytest.fixture(scope="module")
def url(room: Room, apps: list[Any]) -> Iterator[str]:
    with served(room, around=lambda app: apps.append(app) or app) as address:
        yield address


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """Chat in a browser that remembers nothing; a script of it that fails, fails the test."""
    made = opened(browser, url, 1280)
    faults: list[str] = []
    made.on("pageerror", lambda fault: faults.append(str(fault)))
    yield made
    made.context.close()
    assert faults == []


def opened(browser: Browser, url: str, width: int, scheme: str = "light") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    made = context.new_page()
    made.set_default_timeout(20_000)
    made.goto(url)
    made.get_by_role("tab", name="Chat").click()
    expect(made.locator("#chat-history .conversation").first).to_be_visible()
    return made


def ask(page: Page, prompt: str) -> None:
    page.locator(BOX).fill(prompt)
    page.locator(BOX).press("Enter")
    answered(page, prompt)


def answered(page: Page, prompt: str) -> None:
    expect(page.locator("#chat-live .asked")).to_have_text(prompt)
    expect(page.locator("#chat-live [data-act=regenerate]")).to_be_visible()


def asked(page: Page) -> list[str]:
    """The questions on the path that the page shows."""
    return page.locator("#tab-chat .exchange .asked").all_inner_texts()


def test_another_answer_another_wording_and_the_way_back(room: Room, page: Page) -> None:
    page.get_by_role("button", name="How it answers").click()
    page.locator("#chat-system textarea").fill("Answer in one sentence.")
    page.locator("#chat-temperature input[type=number]").fill("0.2")
    page.locator("#chat-temperature input[type=number]").press("Tab")
    ask(page, "What does it cost?")
    assert room.vllm.bodies[-1]["temperature"] == 0.2
    assert room.store.turns.conversations(ME.name, limit=1)[0].system == "Answer in one sentence."
    expect(page.locator("#chat-live .under").last).to_contain_text(
        re.compile(r"base\s*6 tokens · \d\.\d\d s to the first")
    )
    ask(page, "And the honey?")

    page.locator("#chat-live [data-act=regenerate]").click()
    expect(page.locator("#chat-live .siblings")).to_contain_text("2 of 2")
    ask(page, "Is it good?")
    page.locator("#chat-past .siblings [data-act=sibling]").click()
    expect(page.locator("#chat-live .siblings")).to_contain_text("1 of 2")
    assert asked(page) == ["What does it cost?", "And the honey?"]
    ask(page, "Is it bad?")  # follows the branch on show, not the newest
    assert asked(page) == ["What does it cost?", "And the honey?", "Is it bad?"]

    page.locator("#chat-past [data-act=edit]").first.click()
    expect(page.locator("#edit-question textarea")).to_be_focused()
    page.locator("#edit-question textarea").fill("What does the brie cost?")
    page.locator("#edit-ask").click()
    answered(page, "What does the brie cost?")
    expect(page.locator("#chat-live .siblings")).to_contain_text("2 of 2")
    page.locator("#chat-live .siblings [data-act=sibling]").click()
    expect(page.locator("#tab-chat .exchange")).to_have_count(3)


def test_thumbs_reasons_and_corrections_are_kept_and_can_be_taken_back(room: Room, page: Page) -> None:
    ask(page, "What does the gouda cost?")
    page.locator("#chat-live .thumb.down").click()
    page.locator("#chat-live .chip", has_text="wrong fact").click()
    expect(page.locator("#chat-live .chip", has_text="wrong fact")).to_have_attribute("aria-pressed", "true")
    page.locator("#chat-live [data-act=correct]").click()
    expect(page.locator("#correction-chat textarea")).to_be_focused()
    page.keyboard.type(" Thank you!")
    expect(page.locator("#change-chat ins")).to_have_text(" Thank you!")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#chat-live ins")).to_have_text(" Thank you!")

    page.reload()  # the tab is open again
    expect(page.locator("#chat-live ins")).to_have_text(" Thank you!")
    reply = room.store.turns.get(_newest(room)).replies[0].id
    mine = room.store.judged.given_on(reply, rater=ME.name)
    assert (mine.rating, mine.reasons, mine.corrected) == (
        "down",
        ("wrong fact",),
        "The Aged Gouda costs 12 dollars. Thank you!",
    )
    page.locator("#chat-live [data-act=uncorrect]").click()
    expect(page.locator("#chat-live ins")).to_have_count(0)
    page.locator("#chat-live .thumb.down").click()
    expect(page.locator("#chat-live .thumb.down")).to_have_attribute("aria-pressed", "false")
    assert room.store.judged.given_on(reply, rater=ME.name).rating is None


def _newest(room: Room) -> str:
    return str(room.store.rows("SELECT id FROM turns ORDER BY id DESC LIMIT 1")[0]["id"])


def test_an_answer_can_be_stopped_and_survives_a_reload_in_mid_stream(room: Room, page: Page) -> None:
    said, room.vllm.answers["base"] = room.vllm.answers["base"], " ".join(f"word{n}" for n in range(400))
    room.vllm.pace_s = 0.03
    page.locator(BOX).fill("Tell me more.")
    page.locator(BOX).press("Enter")
    expect(page.locator("#chat-live .reply.writing")).to_contain_text("word9")
    page.reload()
    expect(page.locator("#chat-live .reply.writing")).to_contain_text("word30")
    page.locator("#chat-stop").click()
    expect(page.locator("#chat-live .note")).to_have_text("cut short")
    room.vllm.pace_s, room.vllm.answers["base"] = 0.0, said
    reply = room.store.turns.get(_newest(room)).replies[0]
    assert reply.finish == "cut"
    assert "word30" in reply.text


def test_of_2000_conversations_a_page_is_listed_and_any_is_found(page: Page) -> None:
    listed = page.locator("#chat-history .conversation")
    expect(listed).to_have_count(30)
    first = listed.first.inner_text()
    page.locator("#chat-history [data-act=older]").click()
    expect(page.locator("#chat-history [data-act=newest]")).to_be_visible()
    expect(listed).to_have_count(30)
    assert listed.first.inner_text() != first
    page.locator("#chat-history [data-act=newest]").click()
    expect(listed.first).to_have_text(first)
    page.locator("#chat-search :is(input, textarea)").fill("plum7")
    expect(listed).to_have_count(30)  # plum7, plum70 to plum79, plum700 ...
    page.locator("#chat-search :is(input, textarea)").fill("plum77 question")
    expect(listed.last).to_have_text("question 77 about plum77")
    listed.last.click()
    expect(page.locator("#chat-live .asked")).to_have_text("question 77 about plum77")
    page.locator("#chat-search :is(input, textarea)").fill("nothing like it")
    expect(page.locator("#chat-history .empty")).to_have_text("No conversation has these words.")


def test_a_rewriting_that_comes_when_another_answer_is_open_stays_out_of_it(room: Room, page: Page) -> None:
    ask(page, "What does the gouda cost?")
    ask(page, "And the brie?")
    said, room.vllm.answers["base"], room.vllm.pace_s = room.vllm.answers["base"], "It is EUR 12, now.", 0.2
    page.locator("#chat-past [data-act=fix]").click()
    expect(page.locator("#instruction-chat textarea")).to_be_focused()
    page.keyboard.type("in euros")
    page.keyboard.press("Enter")
    expect(page.locator("#said-chat")).to_have_text("The model is rewriting…")
    page.locator("#chat-live [data-act=correct]").click()
    expect(page.locator("#correction-chat")).to_contain_text("And the brie?")
    expect(page.locator("#said-chat")).to_contain_text("has been left out")
    expect(page.locator("#correction-chat textarea")).to_have_value(said)
    room.vllm.answers["base"], room.vllm.pace_s = said, 0.0


def test_a_page_that_the_app_forgot_says_so_and_keeps_what_was_written(room: Room, page: Page, apps: list[Any]) -> None:
    ask(page, "What does it cost?")
    before = _newest(room)
    apps[0].routes[-1].app._app.state_holder.session_data.clear()  # as after a restart
    page.locator(BOX).fill("And the honey?")
    page.locator(BOX).press("Enter")
    expect(page.locator("#chat-notice")).to_contain_text("ftchat was restarted since this page was opened")
    expect(page.locator(BOX)).to_have_value("And the honey?")
    assert asked(page) == ["What does it cost?"]
    assert _newest(room) == before
    page.reload()
    page.get_by_role("tab", name="Chat").click()
    expect(page.locator(BOX)).to_have_value("And the honey?")
    page.locator(BOX).press("Enter")
    answered(page, "And the honey?")
    assert asked(page) == ["What does it cost?", "And the honey?"]
    page.reload()
    page.get_by_role("tab", name="Chat").click()
    expect(page.locator("#chat-live .asked")).to_have_text("And the honey?")
    page.wait_for_timeout(300)
    assert page.locator(BOX).input_value() == ""


@pytest.mark.parametrize(
    ("look", "scheme", "width"),
    [
        pytest.param("light", "light", 1280, marks=pytest.mark.soak),
        pytest.param("dark", "dark", 1280, marks=pytest.mark.soak),
        ("phone", "light", 390),
    ],
)
def test_chat_in_every_look(browser: Browser, url: str, look: str, scheme: str, width: int) -> None:
    SHOTS.mkdir(exist_ok=True)
    page, wrong = opened(browser, url, width, scheme), list[str]()

    def look_at(state: str) -> None:
        page.wait_for_timeout(300)
        page.screenshot(path=SHOTS / f"chat-{state}-{look}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        wrong.extend([f"{state}: {wide} wide"] if wide > width else [])
        wrong.extend(f"{state}: {fault}" for fault in serious(page))

    look_at("new")
    ask(page, "What does the gouda cost?")
    page.locator("#chat-live .thumb.up").click()
    page.get_by_role("button", name="How it answers").click()
    page.locator("#chat-live [data-act=fix]").click()
    expect(page.locator("#instruction-chat textarea")).to_be_focused()
    look_at("correcting")
    page.context.close()
    assert wrong == []
