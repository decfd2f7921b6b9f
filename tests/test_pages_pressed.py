"""A press means what it was shown with, and what is half written stays, in a real browser over a scripted engine."""

from collections.abc import Callable, Iterator

import furnished
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from room import Room
from served import to_tab

from ftchat import texts
from ftchat.store.sessions import Session

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """The tests of this file go on where the one before ended."""
    made = Room(tmp_path_factory.mktemp("home"))
    furnished.furnish(made)
    return made


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page of a browser that remembers nothing; a script of it that fails, fails the test."""
    made, faults = browser.new_context(viewport={"width": 1280, "height": 900}).new_page(), list[str]()
    made.set_default_timeout(20_000)
    made.on("pageerror", lambda fault: faults.append(str(fault)))
    made.goto(url)
    expect(made.locator("#compare-offers .chip").first).to_be_visible()
    yield made
    made.context.close()
    assert faults == []


def answered(page: Page, prompt: str) -> None:
    expect(page.locator("#pane-left .asked")).to_have_text(prompt)
    expect(page.locator("#vote-left")).to_be_enabled()


def votes(room: Room) -> int:
    return int(room.store.rows("SELECT COUNT(*) AS n FROM votes")[0]["n"])


# -- compare --


def begun(page: Page, *prompts: str) -> None:
    """A rating session at its first question."""
    page.get_by_role("button", name="Rating session").click()
    page.locator("#session-list textarea").fill("\n".join(prompts))
    page.locator("#session-start").click()
    answered(page, prompts[0])
    expect(page.locator("#session-far")).to_contain_text(f"{len(prompts)} answered ahead")


def session(room: Room) -> Session:
    """The newest one."""
    return room.store.sessions.of("admin")[0]


def test_a_double_click_on_skip_leaves_out_the_question_that_was_shown_and_no_other(room: Room, page: Page) -> None:
    begun(page, "One?", "Two?", "Three?")
    page.locator("#session-skip").dblclick()
    answered(page, "Two?")
    page.wait_for_timeout(1_000)
    answered(page, "Two?")
    assert session(room).skipped == 1
    page.locator("#session-skip").focus()
    page.keyboard.press("Enter")
    answered(page, "Three?")
    expect(page.locator("#session-skip")).to_be_focused()
    assert session(room).skipped == 2
    page.keyboard.press("s")
    expect(page.locator("#session-far")).to_contain_text("0 judged, 3 left out")


def test_a_vote_before_the_next_question_is_painted_is_no_vote_on_it(room: Room, page: Page) -> None:
    begun(page, "One?", "Two?")
    passed, held, before = list[Route](), list[Route](), votes(room)

    def hold(route: Route) -> None:
        """The press passes; what would paint the next question does not."""
        (held if passed else passed).append(route)
        if not held:
            route.continue_()

    page.evaluate("document.activeElement.blur()")
    page.route("**/queue/join*", hold)
    page.keyboard.press("s")
    for _ in range(200):
        if not held:
            page.wait_for_timeout(50)
    assert held
    expect(page.locator("#pane-left .asked")).to_have_text("One?")
    page.keyboard.press("1")
    expect(page.locator("#compare-notice")).to_contain_text(texts.VOTED_TOO_LATE)
    assert votes(room) == before
    held[0].continue_()
    page.unroute("**/queue/join*")
    answered(page, "Two?")
    page.keyboard.press("1")
    expect(page.locator("#vote-saved")).to_be_visible()
    expect(page.locator("#compare-notice")).to_have_text("")
    assert votes(room) == before + 1


def test_an_adapter_that_its_exam_rejected_is_compared_by_who_asks_for_it(room: Room, page: Page) -> None:
    to_tab(page, "Models")
    page.locator(".adapter[data-name=shop-v2]").get_by_role("button", name="Compare blind").click()
    expect(page.locator("#choose-left input")).to_have_value("shop-v2")
    for _ in range(2):
        page.locator("#choose > button").click()  # unfolded again, it asks who can be chosen
    expect(page.locator("#choose-left input")).to_have_value("shop-v2")
    page.locator("#compare-prompt textarea").fill("What went wrong?")
    page.locator("#compare-prompt textarea").press("Enter")
    answered(page, "What went wrong?")
    page.locator("#vote-left").click()
    expect(page.locator("#vote-saved")).to_contain_text("shop-v2")


# -- review --


def test_a_correction_that_is_being_written_outlives_other_tabs_and_filters(room: Room, page: Page) -> None:
    turn = furnished.compared(room, "Is the rye bread sliced?", ("base", "base"), owner="bob")
    room.store.feedback.add_vote(turn, "bob", "both_bad", reasons={}, comment="")
    to_tab(page, "Review")
    page.locator("#review-status input[value=queue]").check()
    page.locator(f"#review-list [data-id={turn.id}] [data-act=correct]").first.click()
    text = page.locator("#correction-queue textarea")
    expect(text).to_be_focused()
    text.fill("Yes, and warm wishes!")
    to_tab(page, "Models")
    to_tab(page, "Review")
    page.locator("#review-search input, #review-search textarea").press_sequentially("rye")
    page.locator("#review-status input[value=all]").check()
    expect(page.locator("#review-list .item").first).to_be_visible()
    page.wait_for_timeout(700)
    expect(text).to_be_visible()
    expect(text).to_have_value("Yes, and warm wishes!")
    page.locator("#save-queue").click()
    expect(text).to_be_hidden()
    given = room.store.judged.given_on(turn.replies[0].id, rater="admin")
    assert given.corrected == "Yes, and warm wishes!"


# -- what is half written --

HALF = "What I am writ"


def asked_first(page: Page, press: Callable[[], None], *, sure: bool = False) -> list[str]:
    """What one was asked when something was pressed, and said yes or no to."""
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept() if sure else dialog.dismiss()))
    press()
    return asked


def turns(room: Room) -> int:
    return int(room.store.rows("SELECT COUNT(*) AS n FROM turns")[0]["n"])


def test_what_is_half_written_on_compare_is_left_only_by_who_says_so(room: Room, page: Page) -> None:
    box, text = page.locator("#compare-prompt textarea"), page.locator("#correction-left textarea")

    def correct(prompt: str) -> None:
        answered(page, prompt)
        page.locator("#vote-left").click()
        page.locator("#correct-left").click()
        expect(text).to_be_focused()

    box.fill("What does it cost?")
    box.press("Enter")
    correct("What does it cost?")
    text.fill(HALF)
    composed = "new KeyboardEvent('keydown', { key: 'Escape', bubbles: true, isComposing: true })"
    text.evaluate(f"box => box.dispatchEvent({composed})")  # which leaves a suggestion of an input method
    box.fill("And the brie?")
    before = turns(room)
    ways: list[Callable[[], None]] = [
        page.locator("#next-question").click,
        page.locator("#compare-new").click,
        page.locator("#compare-versions [data-act=regenerate]").click,
        page.locator("#compare-send").click,
        lambda: box.press("Enter"),
    ]
    for press in ways:
        assert asked_first(page, press) == [texts.LEAVE_CORRECTION]
    page.wait_for_timeout(500)
    expect(text).to_be_visible()
    expect(text).to_have_value(HALF)
    expect(page.locator("#pane-left .asked")).to_have_text("What does it cost?")
    assert turns(room) == before

    assert asked_first(page, lambda: box.press("Enter"), sure=True) == [texts.LEAVE_CORRECTION]
    correct("And the brie?")
    page.locator("#next-question").click()  # nothing is written: nothing is asked
    expect(page.locator("#pane-left .asked")).to_have_count(0)


def test_what_is_half_written_on_chat_is_left_only_by_who_says_so(room: Room, page: Page) -> None:
    to_tab(page, "Chat")
    box, text = page.locator("#chat-prompt textarea"), page.locator("#correction-chat textarea")
    for prompt in ("Is it fresh?", "Is it good?"):
        box.fill(prompt)
        box.press("Enter")
        expect(page.locator("#chat-live .asked")).to_have_text(prompt)
        expect(page.locator("#chat-live [data-act=regenerate]")).to_be_visible()
    page.locator("#chat-past [data-act=correct]").click()
    expect(text).to_be_focused()
    text.fill(HALF)
    box.fill("And the brie?")
    before, other = turns(room), page.locator("#chat-live [data-act=correct]")
    ways: list[Callable[[], None]] = [
        other.click,
        page.locator("#chat-live [data-act=regenerate]").click,
        page.locator("#chat-new").click,
        page.locator("#chat-history .conversation").first.click,
        lambda: box.press("Enter"),
    ]
    for press in ways:
        assert asked_first(page, press) == [texts.LEAVE_CORRECTION]
    page.wait_for_timeout(500)
    expect(text).to_have_value(HALF)
    expect(page.locator("#correction-chat")).to_contain_text("Is it fresh?")
    assert turns(room) == before
    assert asked_first(page, other.click, sure=True) == [texts.LEAVE_CORRECTION]
    expect(page.locator("#correction-chat")).to_contain_text("Is it good?")
    expect(text).not_to_have_value(HALF)


def test_what_is_half_written_on_review_stays_and_keys_decide_beside_it(room: Room, page: Page) -> None:
    turn = furnished.compared(room, "Is the jam sweet?", ("base", "base"), owner="bob")
    room.store.feedback.add_vote(turn, "bob", "both_bad", reasons={}, comment="")
    other = furnished.compared(room, "Is the tea hot?", ("base", "base"), owner="bob")
    waits = room.store.feedback.add_correction(other.replies[0].id, "bob", "Very hot.")
    to_tab(page, "Review")
    page.locator("#review-status input[value=queue]").check()
    buttons = page.locator(f"#review-list [data-id={turn.id}] [data-act=correct]")
    buttons.first.click()
    text = page.locator("#correction-queue textarea")
    expect(text).to_be_focused()
    text.fill(HALF)
    assert asked_first(page, buttons.last.click) == [texts.LEAVE_CORRECTION]
    page.locator("#review-status input[value=pending]").check()
    expect(page.locator("#review-list .item").first).to_have_attribute("data-id", waits)
    for key in "kka":  # to the first, wherever the press on the other list has led
        page.keyboard.press(key)
    expect(page.locator("#review-notice")).to_contain_text("Approved: 1.")
    assert room.store.feedback.status(waits) == "approved"
    page.wait_for_timeout(500)
    expect(text).not_to_be_focused()
    expect(text).to_have_value(HALF)


# -- train --


def test_train_goes_back_from_the_champion_that_stands_there(room: Room, page: Page) -> None:
    expect(page.locator("#champion")).to_have_text("Champion shop-v1")
    to_tab(page, "Train")
    page.locator("#roll-back").dblclick()
    expect(page.locator("#champion")).to_have_text("Champion base")
    expect(page.locator("#roll-back")).to_have_count(0)
