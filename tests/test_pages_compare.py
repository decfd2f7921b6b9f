"""Compare in a real browser over a scripted engine: blind in all traffic, by keys alone, in every look, and harmless.

Screenshots are written to `shots/`, which is not committed.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hostile import calling
from playwright.sync_api import Browser, Page, expect
from room import ANN, Room
from running import ROOT
from served import Overheard, canary, serious, served

from ftchat.records import Conversation, Message, Reply, Turn, new_id, now

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
SHOTS = ROOT / "shots"
ME = replace(ANN, name="admin")  # who is at this machine
BOX = "#compare-prompt textarea"
QUESTION = "What does the Aged Gouda cost?"
LOOKS: dict[str, tuple[Any, int]] = {"light": ("light", 1280), "dark": ("dark", 1280), "phone": ("light", 390)}


@pytest.fixture(scope="module")
def overheard() -> Overheard:
    return Overheard()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """The tests of this file go on where the one before ended."""
    made = Room(tmp_path_factory.mktemp("home"))
    made.adapter("quagga-v1", says="The Aged Gouda costs EUR 12.")
    made.vllm.answers["base"] = "The Aged Gouda costs 12 dollars."
    return made


@pytest.fixture(scope="module")
def url(room: Room, overheard: Overheard) -> Iterator[str]:
    with served(room, around=overheard.around) as address:
        yield address


@pytest.fixture
def page(room: Room, browser: Browser, url: str) -> Iterator[Page]:
    """A page of a browser that remembers nothing; a script of it that fails, fails the test."""
    made = opened(browser, url)
    faults: list[str] = []
    made.on("pageerror", lambda fault: faults.append(str(fault)))
    yield made
    made.context.close()
    room.reason, room.vllm.pace_s = "", 0.0  # also where a test ended early
    assert faults == []


# Gradio drops an event that begins before the one before it has ended, and can cross two updates that show and hide: a
# person takes longer between two keys than a program.
A_HAND_MS = 500


def opened(browser: Browser, url: str, look: str = "light", **context: Any) -> Page:
    scheme, width = LOOKS[look]
    made = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **context).new_page()
    made.set_default_timeout(20_000)
    made.goto(url)
    expect(made.locator("#compare-offers .chip").first).to_be_visible()
    return made


def ask(page: Page, prompt: str) -> None:
    """Ask, and wait until both have answered."""
    page.locator(BOX).fill(prompt)
    page.locator(BOX).press("Enter")
    answered(page, prompt)
    expect(page.locator(BOX)).to_have_value("")


def answered(page: Page, prompt: str) -> None:
    expect(page.locator("#pane-left .asked")).to_have_text(prompt)
    expect(page.locator("#vote-left")).to_be_enabled()
    for side in ("left", "right"):
        expect(page.locator(f"#pane-{side} [aria-busy=false] .reply")).to_be_visible()


def newest(room: Room) -> Turn:
    """The newest compare turn."""
    ids = [row["id"] for row in room.store.rows("SELECT id FROM turns WHERE mode = 'compare' ORDER BY id DESC LIMIT 1")]
    return room.store.turns.get(ids[0])


def given(room: Room, side: Any) -> Any:
    return room.store.judged.given_on(newest(room).reply(side).id, rater=ME.name)


def test_before_the_vote_nothing_that_travels_tells_who_is_who(room: Room, overheard: Overheard, page: Page) -> None:
    names = [room.adapter("zanzibar-v7", says=" ".join(["yes"] * 173)), "quagga-v1"]
    said = room.vllm.answers["quagga-v1"]
    room.vllm.answers["quagga-v1"] = " ".join(["no"] * 191)
    drawn, room.contestants.pair = room.contestants.pair, lambda: names  # type: ignore[method-assign]
    page.wait_for_timeout(1500)  # what the other pages show of all adapters has come
    overheard.listening = True
    ask(page, QUESTION)
    page.wait_for_timeout(1500)
    page.evaluate("t => fetch('/api/turns/' + t).then(a => a.text())", newest(room).id)
    before = overheard.text
    overheard.told.clear()
    page.keyboard.press("1")
    expect(page.locator("#vote-saved")).to_have_text("Saved · A was zanzibar-v7, B was quagga-v1")
    after, overheard.listening = overheard.text, False
    room.contestants.pair, room.vllm.answers["quagga-v1"] = drawn, said  # type: ignore[method-assign]
    telling = r"zanzibar|quagga|(?<![\w.])(173|191)(?![\w.])|\d+ tokens|to the first|ttft|duration_ms"
    assert "yes yes yes" in before  # the answers were overheard, so names would have been
    told = [before[max(0, hit.start() - 60) : hit.end() + 60] for hit in re.finditer(telling, before)]
    assert told == []
    assert {"zanzibar", "quagga", "173", "191", "to the first"} <= {hit.group() for hit in re.finditer(telling, after)}


def test_vote_tell_correct_ask_again_and_undo_by_keys_alone(room: Room, page: Page) -> None:
    ask(page, QUESTION)
    page.keyboard.press("2")
    expect(page.locator("#pane-right .pane")).to_have_class(re.compile("won"))
    vote = room.store.judged.vote_of(newest(room).id)
    assert vote is not None
    assert (vote.winner, vote.blind) == ("right", True)

    page.locator("#told-left [data-value='left|wrong fact']").focus()
    page.keyboard.press("Space")
    expect(page.locator("#told-left [data-value='left|wrong fact']")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#told-left [data-value='left|wrong fact']")).to_be_focused()  # though it was written anew
    page.locator("#told-left .thumb.down").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#told-left .thumb.down")).to_have_attribute("aria-pressed", "true")
    page.locator("#vote-comment textarea").fill("The price is in dollars.")
    page.locator("#vote-comment textarea").press("Tab")
    page.wait_for_timeout(400)
    told = room.store.judged.vote_of(newest(room).id)
    assert told is not None
    assert (told.reasons, told.comment) == ({"left": ("wrong fact",)}, "The price is in dollars.")
    assert given(room, "left").rating == "down"

    _fix_the_left_by_instruction(room, page)
    page.keyboard.press("g")
    expect(page.locator("#asked-again [aria-busy=false] .reply")).to_have_text("It is EUR 12, now.")
    expect(page.locator("#asked-again")).to_contain_text("with 1 correction shown to it")

    page.reload()  # the comparison, its correction and what was asked again are where they were
    expect(page.locator("#asked-again .reply")).to_have_text("It is EUR 12, now.")
    expect(page.locator("#fixed-left ins").first).to_be_visible()
    expect(page.locator("#vote-comment textarea")).to_have_value("The price is in dollars.")
    page.locator("#fixed-left [data-act=uncorrect]").click()
    expect(page.locator("#fixed-left ins")).to_have_count(0)
    page.keyboard.press("u")
    expect(page.locator("#vote-saved")).to_contain_text("Vote taken back")
    assert room.store.judged.vote_of(newest(room).id) is None
    page.wait_for_timeout(A_HAND_MS)
    page.keyboard.press("n")
    expect(page.locator("#pane-left .asked")).to_have_count(0)
    expect(page.locator(BOX)).to_be_focused()


def _fix_the_left_by_instruction(room: Room, page: Page) -> None:
    said = room.vllm.answers["base"]
    room.vllm.answers["base"] = "It is EUR 12, now."
    page.locator("#judged").click()  # the cursor out of the field, as Escape would not save it
    page.keyboard.press("Shift+A")
    expect(page.locator("#instruction-left textarea")).to_be_focused()
    page.keyboard.type("name the price in euros")
    page.keyboard.press("Enter")
    expect(page.locator("#correction-left textarea")).to_have_value("It is EUR 12, now.")
    expect(page.locator("#change-left ins").first).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#fixed-left ins").first).to_be_visible()
    expect(page.locator("#editor-left")).to_be_hidden()
    room.vllm.answers["base"] = said
    mine = given(room, "left")
    assert mine.corrected == "It is EUR 12, now."
    assert room.store.judged.instruction_of(mine.correction) == "name the price in euros"
    room.vllm.answers["base"] = "It is EUR 12, now."


def test_a_rating_session_by_keys_alone(room: Room, page: Page) -> None:
    room.vllm.answers["base"] = "The Aged Gouda costs 12 dollars."
    page.get_by_role("button", name="Rating session").click()
    page.locator("#session-list textarea").fill("How much is it?\n\nWhen are you open?\nWho are you?")
    page.locator("#session-start").click()
    answered(page, "How much is it?")
    expect(page.locator(BOX)).to_be_hidden()
    page.keyboard.press("1")
    expect(page.locator("#vote-saved")).to_be_visible()
    page.keyboard.press("b")
    expect(page.locator("#correction-right textarea")).to_be_focused()
    page.keyboard.type(" Thank you!")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#fixed-right ins")).to_have_text(" Thank you!")
    page.wait_for_timeout(A_HAND_MS)
    page.keyboard.press("n")
    answered(page, "When are you open?")
    expect(page.locator("#session-far")).to_contain_text("1 of 3 done")

    page.reload()  # it goes on where it was
    answered(page, "When are you open?")
    page.keyboard.press("s")
    answered(page, "Who are you?")
    page.keyboard.press("4")
    expect(page.locator("#vote-saved")).to_be_visible()
    page.wait_for_timeout(A_HAND_MS)
    page.keyboard.press("n")
    expect(page.locator("#session-far")).to_contain_text("Session done: 2 judged, 1 left out.")
    expect(page.locator(BOX)).to_be_visible()
    session = room.store.sessions.of(ME.name)[0]
    assert (session.voted, session.skipped, session.left) == (2, 1, 0)


def test_a_question_waits_for_the_engine_and_is_sent_by_itself_unless_it_is_held_back(room: Room, page: Page) -> None:
    room.reason = "The engine is starting."
    expect(page.locator("#compare-waits")).to_contain_text(
        "The engine is starting. You can write your question already."
    )
    page.locator(BOX).fill("Is anybody there?")
    page.locator(BOX).press("Enter")
    expect(page.locator("#compare-notice")).to_contain_text("is sent by itself")
    page.locator("#compare-hold").click()
    expect(page.locator(BOX)).to_be_enabled()
    expect(page.locator(BOX)).to_have_value("Is anybody there?")
    page.wait_for_timeout(A_HAND_MS)
    page.locator(BOX).press("Enter")
    expect(page.locator("#compare-hold")).to_be_visible()
    room.reason = ""
    answered(page, "Is anybody there?")
    expect(page.locator(BOX)).to_have_value("")
    turns = room.store.rows("SELECT id FROM turns WHERE prompt = 'Is anybody there?'")
    assert len(turns) == 1  # the one that was held back was never asked


def test_a_suggestion_begins_anew_whatever_stood_there(room: Room, page: Page) -> None:
    ask(page, QUESTION)
    page.keyboard.press("1")
    expect(page.locator("#vote-comment textarea")).to_be_visible()
    page.locator("#vote-comment textarea").fill("Of the first one.")
    chip = page.locator("#compare-offers .chip").first
    suggested = chip.inner_text()
    chip.click()
    answered(page, suggested)
    expect(page.locator("#after-vote")).to_be_hidden()
    expect(page.locator("#compare-earlier summary")).to_have_count(0)
    page.locator("#vote-left").click()
    expect(page.locator("#vote-comment textarea")).to_have_value("")

    room.reason = "The engine is starting."
    suggested = chip.inner_text()
    chip.click()
    page.locator("#compare-hold").click()
    expect(page.locator(BOX)).to_have_value(suggested)
    expect(page.locator("#vote-left")).to_be_disabled()
    expect(page.locator("#pane-left .asked")).to_have_count(0)
    expect(page.locator("#after-vote")).to_be_hidden()


def test_a_pane_stays_where_one_reads_while_it_grows(room: Room, page: Page) -> None:
    for name in ("base", "quagga-v1", "zanzibar-v7"):
        room.vllm.answers[name] = "\n\n".join(f"line {n}" for n in range(60)) + " and" * 60
    room.vllm.pace_s = 0.02
    page.locator(BOX).fill("Tell me more.")
    page.locator(BOX).press("Enter")
    scroll = page.locator("#pane-left .scroll")
    expect(scroll).to_contain_text("line 40")
    scroll.evaluate("box => { box.scrollTop = 300 }")
    page.wait_for_timeout(400)
    assert scroll.evaluate("box => box.scrollTop") == 300
    room.vllm.pace_s = 0.0
    expect(page.locator("#pane-left [aria-busy=false] .reply")).to_be_visible()
    assert scroll.evaluate("box => box.scrollTop") == 300


@pytest.mark.parametrize("look", [pytest.param(look, marks=pytest.mark.soak) for look in LOOKS])
def test_compare_in_every_look(room: Room, browser: Browser, url: str, look: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    for name, says in (("base", "It costs **12 dollars**."), ("quagga-v1", "EUR 12."), ("zanzibar-v7", "Twelve.")):
        room.vllm.answers[name] = says
    page, wrong = opened(browser, url, look), list[str]()

    def look_at(state: str) -> None:
        page.wait_for_timeout(300)
        page.screenshot(path=SHOTS / f"compare-{state}-{look}.png", full_page=True)
        width = page.evaluate("document.documentElement.scrollWidth")
        wrong.extend([f"{state}: {width} wide"] if width > LOOKS[look][1] else [])
        wrong.extend(f"{state}: {fault}" for fault in serious(page))

    look_at("new")
    ask(page, QUESTION)
    page.locator("#vote-left").click()
    page.locator("#told-left .chip").first.click()
    page.locator("#instruct-right").click()
    page.locator("#correction-right textarea").fill("It costs EUR 12. Warm wishes!")
    expect(page.locator("#change-right .difference")).to_be_visible()
    look_at("correcting")
    page.locator("#save-right").click()
    page.locator("#ask-again").click()
    expect(page.locator("#asked-again [aria-busy=false] .reply")).to_be_visible()
    look_at("judged")
    page.context.close()
    assert wrong == []


def test_of_210_hostile_texts_none_runs_and_none_calls_home(room: Room, browser: Browser, url: str) -> None:
    """As question, answer, correction and name, in both pages; with the browser's own protection switched off."""
    with canary() as (elsewhere, called):
        texts = calling(elsewhere)
        page = opened(browser, url, bypass_csp=True)
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        room.vllm.answers.update(dict.fromkeys(("base", "quagga-v1", "zanzibar-v7"), texts[0]))
        page.locator(BOX).fill(texts[1])
        page.locator(BOX).press("Enter")
        expect(page.locator("#vote-left")).to_be_enabled()
        _said(room, texts, after=newest(room))
        page.reload()
        page.locator("#compare-past > button").click()
        page.locator("#compare-history .conversation").first.click()
        expect(page.locator("#compare-earlier summary")).to_have_text(f"Earlier in this conversation ({len(texts)})")
        page.locator("#compare-earlier summary").click()
        expect(page.locator("#compare-earlier .pair")).to_have_count(len(texts))
        page.get_by_role("tab", name="Chat").click()
        page.locator("#chat-history .conversation").first.click()
        expect(page.locator("#tab-chat .exchange")).to_have_count(len(texts))
        page.wait_for_timeout(700)
        links = page.locator("#tab-compare a, #tab-chat a").evaluate_all(
            "all => all.map(a => [a.protocol, a.target, a.rel, a.nextElementSibling.className].join(' '))"
        )
        assert page.evaluate("window.hacked") is None
        assert (dialogs, called) == ([], [])
        assert set(links) == {"http: _blank noopener noreferrer nofollow target"}
        page.context.close()


def _said(room: Room, texts: tuple[str, ...], *, after: Turn) -> None:
    """Each text as a question, an answer, a name and a correction: in this conversation, and in one of Chat."""
    talk = Conversation(new_id("c"), ME.name, texts[3], texts[4], now(), (Message("user", texts[5]),))
    last, lone = after, None
    for text in texts:
        last = _turn(room, text, parent=last, lanes=("left", "right"))
        lone = _turn(room, text, parent=lone, lanes=("only",), new=None if lone else talk)


def _turn(room: Room, text: str, *, parent: Turn | None, lanes: Any, new: Conversation | None = None) -> Turn:
    id_ = new_id("t")
    where = new.id if new else parent.conversation if parent else ""
    replies = tuple(
        Reply(id=new_id("r"), turn=id_, lane=lane, contestant=text, model="base", base="b0", text=text, finish="stop")
        for lane in lanes
    )
    turn = Turn(
        id=id_,
        conversation=where,
        owner=ME.name,
        mode="chat" if lanes == ("only",) else "compare",
        prompt=text,
        blind=False,
        parent=parent.id if parent else None,
        params=room.chat.defaults(),
        created_at=now(),
        replies=replies,
    )
    room.store.turns.add(turn, new=new)
    for reply in replies:
        room.store.feedback.add_correction(reply.id, ME.name, f"No: {text}")
    return turn
