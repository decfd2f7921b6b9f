"""A page whose calls are lost or refused, in a real browser: it says so, and what is half written stays. The engine is
scripted.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from room import Room
from served import served, to_tab

from ftchat import texts
from ftchat.sessions import LONGEST_LIST
from ftchat.web.guard import ROOMY

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
HALF = "The correction that I am writ"
A_WHILE_MS = 3_000  # gradio looks each 2 s whether a lost connection is back, and loads the page anew
STALE = "There is no such session. Copy what you are writing, then reload the page."


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A home of bob, a rater, and of ann. The tests of this file go on where the one before ended."""
    made = Room(tmp_path_factory.mktemp("home"), alone=False)
    made.store.people.add("bob", "rater", password="x")
    made.store.people.add("ann", "admin", password="x")
    return made


@pytest.fixture(scope="module")
def url(room: Room) -> Iterator[str]:
    with served(room) as address:
        yield address


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    yield made
    made.close()


def log_in(room: Room, context: BrowserContext, url: str, name: str) -> str:
    """Its secret. A login that the browser had is forgotten there, and goes on."""
    secret = room.accounts._new_login(name)
    context.add_cookies([{"name": room.parts.cookie, "value": secret, "url": url}])
    return secret


def opened(context: BrowserContext, url: str) -> Page:
    """A page that is the old one until it is loaded anew."""
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(url)
    page.locator("#champion").wait_for()
    page.evaluate("window.old = true")
    return page


def answered(page: Page) -> None:
    """A question of Chat."""
    to_tab(page, "Chat")
    if page.locator("#chat-live .asked").count() == 0:
        page.locator("#chat-prompt textarea").fill("Do you deliver?")
        page.locator("#chat-prompt textarea").press("Enter")
    expect(page.locator("#chat-live [data-act=correct]")).to_be_visible()


def half_written(page: Page) -> None:
    """A correction that is not saved."""
    answered(page)
    box = page.locator("#correction-chat textarea")
    page.locator("#chat-live [data-act=correct]").click()
    expect(box).not_to_have_value("")
    box.fill("")
    box.press_sequentially(HALF)
    expect(page.locator("#change-chat ins")).to_have_text("correction that I am writ")


def kept(page: Page) -> tuple[bool, str]:
    """Whether the page is the old one, and what is half written on it."""
    return page.evaluate("window.old === true"), page.locator("#correction-chat textarea").input_value()


@pytest.mark.parametrize(
    "call", ["run/predict", *(pytest.param(call, marks=pytest.mark.soak) for call in ("queue/join", "queue/data"))]
)
def test_a_correction_that_is_half_written_outlives_a_call_that_is_lost(
    room: Room, context: BrowserContext, url: str, call: str
) -> None:
    log_in(room, context, url, "bob")
    page = opened(context, url)
    half_written(page)
    page.locator("#instruction-chat textarea").fill("shorter")
    page.route(f"**/gradio_api/{call}*", lambda route: route.abort())
    page.locator("#save-chat" if call == "run/predict" else "#rewrite-chat").click()
    told = page.locator(".toast-body" if call == "queue/join" else "#refused")
    expect(told).to_contain_text(texts.CALL_LOST)
    expect(told).to_be_in_viewport()
    page.wait_for_timeout(A_WHILE_MS)
    assert kept(page) == (True, HALF)
    page.unroute(f"**/gradio_api/{call}*")
    page.locator("#save-chat").click()
    expect(page.locator("#correction-chat")).to_be_hidden()
    expect(page.locator("#chat-live .correction ins")).to_have_text("correction that I am writ")


@pytest.mark.soak
def test_a_correction_that_is_half_written_outlives_a_connection_that_gradio_gives_up(
    room: Room, context: BrowserContext, url: str
) -> None:
    log_in(room, context, url, "bob")
    page = opened(context, url)
    half_written(page)
    page.locator("#instruction-chat textarea").fill("shorter")
    gone = 'data: {"msg":"unexpected_error","event_id":null,"message":"gone","session_not_found":true}\n\n'
    page.route("**/gradio_api/queue/data*", lambda route: route.fulfill(body=gone, content_type="text/event-stream"))
    page.locator("#rewrite-chat").click()
    expect(page.locator(".toast-body")).to_be_visible()
    page.wait_for_timeout(A_WHILE_MS)
    assert kept(page) == (True, HALF)


def test_a_page_with_something_half_written_stays_when_its_login_ends_and_leaves_after_it(
    room: Room, context: BrowserContext, url: str
) -> None:
    secret = log_in(room, context, url, "ann")
    page, other = opened(context, url), opened(context, url)
    half_written(page)
    to_tab(other, "Train")
    pinned = other.locator("#pins [data-field=pin]").first
    pinned.fill("Do you deliver?")
    expect(pinned).to_have_value("Do you deliver?")
    room.accounts.log_out(secret)
    for each in (page, other):
        expect(each.locator("#ended")).to_have_text(f"{texts.LOGIN_ENDED} {texts.LOGIN_AGAIN}.")
        expect(each.locator("#ended")).to_be_in_viewport()
    pinned.fill("")
    other.wait_for_url("**/login")
    page.locator("#save-chat").click()
    expect(page.locator("#refused")).to_have_text("Log in first, at /login.")
    assert kept(page) == (True, HALF)
    expect(page.locator("#lost")).to_be_hidden()
    page.locator("#ended a").click()
    page.wait_for_url("**/login")


def test_a_page_of_a_login_that_has_ended_says_so_when_another_one_is_there_and_is_loaded_anew(
    room: Room, context: BrowserContext, url: str
) -> None:
    before = log_in(room, context, url, "bob")
    page, other = opened(context, url), opened(context, url)
    half_written(page)
    answered(other)
    log_in(room, context, url, "bob")
    room.accounts.log_out(before)
    page.locator("#save-chat").click()
    expect(page.locator("#refused")).to_have_text(STALE)
    page.locator("#rewrite-chat").click()
    expect(page.locator(".toast-body")).to_contain_text(STALE)
    page.wait_for_timeout(A_WHILE_MS)
    assert kept(page) == (True, HALF)
    other.locator("#chat-live [data-act=up]").click()
    other.wait_for_function("window.old === undefined")
    expect(other.locator("#champion")).to_be_visible()


def test_a_list_of_questions_is_taken_as_long_as_is_promised_and_a_longer_one_is_refused_in_words(
    room: Room, context: BrowserContext, url: str
) -> None:
    log_in(room, context, url, "bob")
    page = opened(context, url)
    page.locator("#session-new > button").click()
    paste = """(list, text) => {
        list.value = text;
        list.dispatchEvent(new Event('input', { bubbles: true }));
    }"""
    box = page.locator("#session-list textarea")
    box.evaluate(paste, " " * ROOMY["/gradio_api/queue/join"])
    page.locator("#session-start").click()
    expect(page.locator(".toast-body")).to_contain_text("At most 2,048 KB are taken in one request.")
    box.evaluate(paste, "\n".join("Is it good?".ljust(LONGEST_LIST // 100 - 1) for _ in range(100)))
    page.locator("#session-start").click()
    expect(page.locator("#session-far")).to_contain_text(texts.SESSION_FAR.format(done=0, total=100))
