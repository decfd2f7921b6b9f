"""Pages for everybody, in their fullest states: axe in the dark and on a phone, and every control by keys alone.

The engine is scripted. All of it is soak: each page in its usual state has its look in make test (test_pages.py).
"""

from collections.abc import Callable
from typing import Any

import furnished
import pytest
from playwright.sync_api import Browser, Page, expect
from room import Room
from served import serious, to_tab

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.soak, pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
LOOKS: dict[str, tuple[Any, int]] = {"dark": ("dark", 1280), "phone": ("light", 390)}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A home with everything in it, where a run is on. The tests of this file go on where the one before ended."""
    made = Room(tmp_path_factory.mktemp("home"), alone=False)
    for name, role in (("ann", "admin"), ("bob", "rater"), ("cara", "rater")):
        made.store.people.add(name, role, password="x")  # type: ignore[arg-type]
    furnished.furnish(made, feedback=24)
    made.store.exams.add_pin("Do you deliver?", by="ann", contains=["Fridays"], lacks=["never"])
    made.accounts.invite("ann", "rater")
    made.accounts.new_token("admin", "rater", name="for a program")
    run = furnished.start(made)
    furnished.metrics(made, run, steps=100, done=40)
    made.store.training.update_run(run, stage="train", progress=0.4, eta_s=31.0)
    return made


def opened(room: Room, browser: Browser, url: str, scheme: Any = "light", width: int = 1280) -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    login = room.accounts._new_login("ann")
    context.add_cookies([{"name": room.parts.cookie, "value": login, "url": url}])
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(url)
    expect(page.locator("#account a")).to_have_text("ann")
    return page


def go(page: Page, name: str) -> None:
    to_tab(page, name)
    expect(page.locator(f"#tab-{name.lower()}").locator(":is(.card, .item, .empty, .pane)").first).to_be_visible()


def compare(page: Page) -> None:
    go(page, "Compare")
    for name in ("Choose who answers", "Rating session", "Past comparisons"):
        page.get_by_role("button", name=name).click()
    expect(page.locator("#compare-history .empty")).to_be_visible()


def review(page: Page) -> None:
    go(page, "Review")
    page.locator("#review-status input[value=queue]").check()
    page.get_by_role("button", name="Correct A").first.click()
    page.locator("#correction-queue textarea").fill("Twelve euros, and warm wishes from the shop!")
    expect(page.locator("#change-queue ins").first).to_be_visible()


def train(page: Page) -> None:
    go(page, "Train")
    expect(page.locator("#run-seen")).to_have_attribute("data-stage", "train")
    page.locator("#train-more > button").click()
    page.locator("#run-past summary").first.click()
    page.locator("#run-past [data-act=look]").first.click()
    expect(page.locator("#run-looked .shows")).to_be_visible()


def models(page: Page) -> None:
    go(page, "Models")
    page.locator(".adapter[data-name=shop-v3] [data-act=rows]").click()
    expect(page.locator("#rows li").first).to_be_visible()


def leaderboard(page: Page) -> None:
    go(page, "Leaderboard")
    expect(page.locator("#matrix")).to_be_visible()


def settings(page: Page) -> None:
    go(page, "Settings")
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.locator("#settings-made code")).to_be_visible()
    page.locator("#settings-list summary").click()


def chat(page: Page) -> None:
    go(page, "Chat")
    page.get_by_role("button", name="How it answers").click()
    page.locator("#chat-prompt textarea").fill("Is it good?")
    page.locator("#chat-prompt textarea").press("Enter")
    page.locator("#chat-live [data-act=fix]").click()
    expect(page.locator("#instruction-chat textarea")).to_be_focused()


FULL: tuple[Callable[[Page], None], ...] = (compare, chat, review, train, models, leaderboard, settings)


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious_on_any_page_whatever_is_open_on_it(
    room: Room, browser: Browser, url: str, look: str
) -> None:
    page, wrong = opened(room, browser, url, *LOOKS[look]), list[str]()
    for fill in FULL:
        fill(page)
        page.wait_for_timeout(300)  # what fades in has its colour
        width = page.evaluate("document.documentElement.scrollWidth")
        wrong += [f"{fill.__name__}: {width} wide"] if width > LOOKS[look][1] else []
        wrong += [f"{fill.__name__}: {fault}" for fault in serious(page)]
    page.context.close()
    assert wrong == []


# -- by keys alone --

# What a hand could press or fill in on the page that is open, but for the other choices of a radio group.
_WITHIN_REACH = """() => {
    const there = one => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.tabIndex >= 0
        && !(one.type === 'radio' && !one.checked);
    window.wanted = [...document.querySelectorAll('button, a[href], input, textarea, select, summary, [tabindex="0"]')]
        .filter(there);
    window.got = new Set();
    document.addEventListener('focusin', event => window.got.add(event.target));
    document.activeElement.blur();
    return window.wanted.length;
}"""
_MISSED = """() => window.wanted.filter(one => one.isConnected && !window.got.has(one))
    .map(one => one.outerHTML.slice(0, 160))"""
# A finger can press them, and a key must: what looks like a control and takes no focus.
_OUT_OF_REACH = """() => [...document.querySelectorAll('button, a[href], input, textarea, select')]
    .filter(one => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.tabIndex < 0)
    .filter(one => !one.closest('[aria-hidden=true]'))  // by which gradio measures how wide the tabs are
    .map(one => one.outerHTML.slice(0, 160))"""


@pytest.mark.parametrize("name", ["Chat", "Train", "Models", "Leaderboard", "Settings"])
def test_every_control_of_a_page_is_reached_by_tab(room: Room, browser: Browser, url: str, name: str) -> None:
    page = opened(room, browser, url)
    go(page, name)
    page.wait_for_timeout(300)
    many = page.evaluate(_WITHIN_REACH)
    for _ in range(many + 10):
        page.keyboard.press("Tab")
    assert page.evaluate(_MISSED) == []
    assert page.evaluate(_OUT_OF_REACH) == []
    page.context.close()


def to(page: Page, selector: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never came to {selector}.")


def test_what_the_pages_are_for_is_done_by_keys_alone(room: Room, browser: Browser, url: str) -> None:
    page = opened(room, browser, url)

    def tab(name: str) -> None:
        to(page, f"#tabs [role=tab][id$={name.lower()}-button]")
        page.keyboard.press("Enter")
        expect(page.locator(f"#tab-{name.lower()}")).to_be_visible()
        page.evaluate("scrollTo(0, 0)")

    page.evaluate("document.body.focus()")
    tab("Chat")
    to(page, "#chat-prompt textarea")
    page.keyboard.type("Is the tea fresh?")
    page.keyboard.press("Enter")
    expect(page.locator("#chat-live [data-act=regenerate]")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    to(page, "#chat-live .thumb.up")
    page.keyboard.press("Enter")
    expect(page.locator("#chat-live .thumb.up")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("/")
    expect(page.locator("#chat-prompt textarea")).to_be_focused()
    page.keyboard.press("Tab")

    tab("Train")
    to(page, "#pins [data-act=unpin]")
    page.keyboard.press("Enter")
    expect(page.locator("#pins li")).to_have_count(0)
    to(page, "#pins [data-field=pin]")
    page.keyboard.type("Are you open on Sundays?")
    page.keyboard.press("Tab")
    page.keyboard.type("closed")
    to(page, "#pins [data-act=pin]")
    page.keyboard.press("Enter")
    expect(page.locator("#pins li")).to_contain_text("Are you open on Sundays?")

    tab("Models")
    to(page, ".adapter[data-name=shop-v3] [data-act=rows]")
    page.keyboard.press("Enter")
    expect(page.locator("#rows li").first).to_be_visible()
    to(page, "#rows [data-act=shut]")
    page.keyboard.press("Enter")
    expect(page.locator("#rows")).to_have_count(0)

    tab("Leaderboard")
    to(page, "#board .wide-table")  # what may be wider than the page scrolls by the arrows

    tab("Settings")
    to(page, "[data-act=backup]")
    page.keyboard.press("Space")
    expect(page.locator("#settings-notice")).to_contain_text("Backed up: ")
    page.context.close()
