"""Comparisons of before in a real browser: found, opened, answered anew, and the way from one version to the next.

The engine is scripted. Screenshots are written to `shots/`, which is not committed.
"""

from dataclasses import replace

import furnished
import pytest
from playwright.sync_api import Browser, Page, expect
from room import ANN, Room
from running import ROOT
from served import serious

from ftchat.ui.history import PAGE

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
SHOTS = ROOT / "shots"
ME = replace(ANN, name="admin")  # who is at this machine
MANY = PAGE + 5


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A page of comparisons and a bit, one of them by somebody else, and a conversation of Chat's."""
    made = Room(tmp_path_factory.mktemp("home"))
    made.adapter("shop-v1", says="It is EUR 12.")
    for n in range(MANY):
        turn = furnished.compared(made, f"{furnished.question(n)} ({n})", ("base", "shop-v1"), owner=ME.name)
        made.store.feedback.add_vote(turn, ME.name, "left", reasons={}, comment=f"Comment {n}.")
    furnished.compared(made, "Of somebody else?", ("base", "shop-v1"), owner="bob")
    return made


def opened(browser: Browser, url: str, width: int = 1280) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.goto(url)
    page.locator("#champion").wait_for()
    return page


def of(room: Room, prompt: str) -> list[str]:
    rows = room.store.rows("SELECT id FROM turns WHERE prompt = :p ORDER BY id", {"p": prompt})
    return [row["id"] for row in rows]


def test_a_comparison_of_before_is_found_and_opened(room: Room, browser: Browser, url: str) -> None:
    page = opened(browser, url)
    page.locator("#compare-past > button").click()
    listed = page.locator("#compare-history .conversation")
    expect(listed).to_have_count(PAGE)
    expect(listed.first).to_have_text(f"{furnished.question(MANY - 1)} ({MANY - 1})")
    page.get_by_role("button", name="Older").click()
    expect(listed).to_have_count(MANY - PAGE)  # and none of somebody else's
    page.locator("#compare-search :is(input, textarea)").fill("honey (2)")
    expect(listed).to_have_count(1)
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / "compare-past-light.png", full_page=True)
    assert serious(page) == []
    listed.first.click()
    expect(page.locator("#pane-left .asked")).to_have_text(f"{furnished.question(2)} (2)")
    expect(page.locator("#vote-saved")).to_have_text("Saved · A was base, B was shop-v1")
    expect(page.locator("#vote-comment textarea")).to_have_value("Comment 2.")
    expect(page.locator("#compare-past > button")).not_to_have_class("open")
    page.reload()
    expect(page.locator("#pane-left .asked")).to_have_text(f"{furnished.question(2)} (2)")  # it is this browser's now
    page.locator("#compare-prompt textarea").fill("And two?")
    page.locator("#compare-prompt textarea").press("Enter")
    expect(page.locator("#pane-left .asked")).to_have_text("And two?")
    expect(page.locator("#compare-earlier summary")).to_have_text("Earlier in this conversation (1)")
    parents = [room.store.turns.get(turn).parent for turn in of(room, "And two?")]
    assert parents == of(room, f"{furnished.question(2)} (2)")
    page.context.close()


@pytest.mark.soak
@pytest.mark.parametrize("width", [390, 1280])
def test_both_answers_anew_stand_beside_the_first_ones_and_are_blind_again(
    room: Room, browser: Browser, url: str, width: int
) -> None:
    page, prompt = opened(browser, url, width), f"Do you deliver? ({width})"
    page.locator("#compare-prompt textarea").fill(prompt)
    page.locator("#compare-prompt textarea").press("Enter")
    versions = page.locator("#compare-versions")
    expect(versions.get_by_role("button", name="Regenerate")).to_be_visible()
    expect(versions.locator(".siblings")).to_have_count(0)
    page.locator("#vote-right").click()
    expect(page.locator("#vote-saved")).to_contain_text("Saved")

    versions.get_by_role("button", name="Regenerate").click()
    expect(versions.locator(".siblings")).to_have_text("‹2 of 2›")
    expect(page.locator("#vote-saved")).to_have_count(0)
    expect(page.locator("#pane-left .hidden-name")).to_be_visible()
    first, second = of(room, prompt)
    assert (room.store.turns.get(second).blind, room.store.turns.get(second).parent) == (True, None)

    versions.get_by_role("button", name="The version before").click()
    expect(versions.locator(".siblings")).to_have_text("‹1 of 2›")
    expect(page.locator("#vote-saved")).to_contain_text("Saved")
    page.screenshot(path=SHOTS / f"compare-versions-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == []
    versions.get_by_role("button", name="The version after").click()
    expect(versions.locator(".siblings")).to_have_text("‹2 of 2›")
    page.locator("#vote-left").click()
    expect(page.locator("#vote-saved")).to_contain_text("Saved")
    votes = [room.store.judged.vote_of(turn) for turn in (first, second)]
    assert [vote and (vote.winner, vote.blind) for vote in votes] == [("right", True), ("left", True)]

    page.locator("#compare-new" if width == 390 else "#next-question").click()
    expect(page.locator("#pane-left .asked")).to_have_count(0)
    expect(versions.locator("button")).to_have_count(0)
    page.context.close()
