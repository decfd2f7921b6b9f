"""A press means what it was shown with, and what is half written stays, in a real browser over a scripted engine."""

from collections.abc import Iterator

import furnished
import pytest
from playwright.sync_api import Browser, Page, expect
from room import Room
from served import to_tab

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


# -- compare --


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
