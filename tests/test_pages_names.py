"""Hostile texts as the names of people: no account can be called that, and where such a name comes in by another way,
with a file of feedback, it is only a text on every page."""

import re
from collections.abc import Iterator
from pathlib import Path

import furnished
import pytest
from hostile import HOSTILE, calling
from playwright.sync_api import Browser, Page, expect
from room import Room
from served import canary, chromium, served

from ftchat.accounts import checked_name
from ftchat.errors import BadInput

expect.set_options(timeout=20_000)
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
TABS = ("Review", "Train", "Models", "Leaderboard", "Settings")


@pytest.mark.parametrize("name", [*HOSTILE, *calling("http://127.0.0.1:9")[::10]])
def test_no_account_has_a_hostile_name(name: str) -> None:
    with pytest.raises(BadInput, match="A name has 1 to 64 of"):
        checked_name(name)


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def peopled(room: Room, names: tuple[str, ...]) -> str:
    """A home in which all of these are users and voted, and every third one corrected something. Returns the login of
    the last one, an admin."""
    room.adapter()
    for name in names:
        room.store.people.add(name, "admin" if name == names[-1] else "rater", password="x")
        turn = furnished.compared(room, f"What does it cost? {name}", ("base", "shop-v1"), owner=name)
        room.store.feedback.add_vote(turn, name, "both_bad", reasons={}, comment=name)
        if name not in names[::3]:
            continue
        other = furnished.compared(room, f"How is it? {name}", ("base", "shop-v1"), owner=name)
        correction = room.store.feedback.add_correction(other.replies[0].id, name, f"Better: {name}")
        room.store.feedback.review(correction, "approved", name)
    good = furnished.verdict("PROMOTE", ours=1.1, name="shop-v2", champion="base")
    run = furnished.train(room, "shop-v2", good, state="champion")
    with room.store.writing() as db:
        db.conn.execute("UPDATE runs SET by = ? WHERE id = ?", (names[0], run))
    room.accounts.invite(names[1], "rater")
    room.accounts.new_token("admin", "rater", user=names[-1], name="for a program")
    return room.accounts._new_login(names[-1])


def go(page: Page, name: str) -> None:
    page.locator(f"#tabs [role=tab]:has-text('{name}')").first.click()
    expect(page.locator(f"#tab-{name.lower()} :is(.card, .item)").first).to_be_visible()


def turned(page: Page) -> int:
    """Through all pages of users; how many there are."""
    rows, n = page.locator("#settings-people .people tbody tr"), 0
    while True:
        expect(rows.first).to_be_visible()
        n, first = n + rows.count(), rows.first.text_content() or ""
        older = page.locator("#settings-people [data-act=older]")
        if not older.count():
            return n
        older.click()
        expect(rows.first).not_to_have_text(first)


@pytest.mark.browser
@pytest.mark.soak
def test_of_210_hostile_names_none_runs_and_none_calls_home(tmp_path: Path, browser: Browser) -> None:
    """With the browser's own protection switched off."""
    room, dialogs = Room(tmp_path, alone=False), list[str]()
    with canary() as (elsewhere, called), served(room) as url:
        names = calling(elsewhere)
        context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
        context.add_cookies([{"name": "ftchat_7860", "value": peopled(room, names), "url": url}])
        page = context.new_page()
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(f"{url}/account")
        expect(page.get_by_text(names[-1])).to_be_visible()
        page.goto(url)
        expect(page.locator("#account a")).to_have_text(names[-1])
        for tab in TABS:
            go(page, tab)
        assert turned(page) == len(names)
        go(page, "Models")
        expect(page.locator("#models-list")).to_contain_text(names[0])
        go(page, "Review")
        page.locator("#review-person input").click()
        expect(page.locator("#review-person [role=option]")).to_have_count(
            100
        )  # the first ones; one types to find others
        page.keyboard.press("Escape")
        page.locator("#review-status label", has_text="To correct").click()
        expect(page.locator("#review-list .item", has_text=re.compile("asked by"))).not_to_have_count(0)
        page.locator("#review-status label", has_text="Approved").click()
        items, seen = page.locator("#review-list .item .by"), set[str]()
        expect(page.locator("#review-list .item .difference").first).to_be_visible()
        while True:
            seen |= {said.rpartition(" · ")[0].removeprefix("by ") for said in items.all_text_contents()}
            older, first = page.locator("#review-list [data-act=older]"), items.first.text_content() or ""
            if not older.count():
                break
            older.click()
            expect(items.first).not_to_have_text(first)
        page.wait_for_timeout(300)
        assert seen == set(names[::3])
        assert page.evaluate("window.hacked") is None
        assert (dialogs, called) == ([], [])
        context.close()
