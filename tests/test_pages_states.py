"""The other states of the pages in a real browser: nothing there yet, an engine that starts, something that cannot be
done, an app that does not answer for a while, and 10,000 pieces of feedback. The engine is scripted.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import furnished
import pytest
from playwright.sync_api import Browser, Page, Response, Route, expect
from room import Room
from running import ROOT
from served import serious, served

from ftchat import texts
from ftchat.ui.models import NEWEST
from ftchat.ui.paged import PAGE

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
MANY = 10_000
QUICK_S = 1.5  # of the processor, for the app and for the test
LARGE = 150_000  # bytes


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A fresh home. The tests of this file go on where the one before ended."""
    return Room(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def page(room: Room, browser: Browser) -> Iterator[Page]:
    with served(room) as url:
        yield from opened(browser, url)


def opened(browser: Browser, url: str) -> Iterator[Page]:
    """A wide page; a script of it that fails, or an event that the app fails at, fails the tests."""
    page, faults = browser.new_context(viewport={"width": 1280, "height": 900}).new_page(), list[str]()
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("response", lambda told: faults.append(told.url) if told.status >= 500 else None)
    page.goto(url)
    page.locator("#champion").wait_for()
    yield page
    page.context.close()
    assert faults == []


def go(page: Page, name: str) -> None:
    page.locator(f"#tabs [role=tab]:has-text('{name}')").first.click()


def test_a_fresh_home_says_on_each_page_what_comes_first(page: Page) -> None:
    said = {
        "Chat": [texts.EMPTY_CHAT, texts.NO_HISTORY],
        "Review": [*texts.REVIEW_EMPTY["pending"]],
        "Train": [texts.NO_RUN, texts.NO_RUN_HINT, texts.BY_ITSELF_OFF, texts.PINS_HINT],
        "Models": [texts.SERVING_BASE, *texts.NO_ADAPTERS],
        "Leaderboard": [*texts.NO_VOTES],
        "Settings": [texts.NO_LOGINS, texts.NO_BACKUPS],
    }
    for name, words in said.items():
        go(page, name)
        for text in words:
            expect(page.locator(f"#tab-{name.lower()}")).to_contain_text(text)
    go(page, "Review")
    for status in ("approved", "rejected", "all", "queue"):
        page.locator(f"#review-status input[value={status}]").check()
        expect(page.locator("#review-list")).to_contain_text(texts.REVIEW_EMPTY[status][0])
    expect(page.locator("#models-progress")).to_have_text("")
    expect(page.locator("#new-feedback")).to_have_text(texts.NO_NEW_FEEDBACK)
    page.locator("#retrain").click()
    expect(page.locator("#train-notice")).to_have_text(
        "There is nothing to learn from yet: correct a few replies first."
    )


def test_what_is_on_its_way_is_said_on_each_page_until_it_is_there(room: Room, browser: Browser) -> None:
    """Nothing that is sent comes back before it is let through."""
    held: list[Route] = []
    pages = {
        "Review": ("#review-list", texts.REVIEW_EMPTY["pending"][0]),
        "Train": ("#run", texts.NO_RUN),
        "Models": ("#models-list", texts.SERVING_BASE),
        "Leaderboard": ("#board", texts.NO_VOTES[0]),
        "Settings": ("#settings-list", texts.GIVEN_SETTINGS),
    }
    with served(Room(room.settings.home / "slow")) as url:
        page = browser.new_context().new_page()
        page.route("**/gradio_api/run/predict*", lambda route: held.append(route))
        page.goto(url)
        for name, (where, _) in pages.items():
            go(page, name)
            expect(page.locator(where)).to_contain_text(texts.LOADING)
        for route in held:
            route.continue_()
        page.unroute("**/gradio_api/run/predict*")
        for name, (where, words) in pages.items():
            go(page, name)
            expect(page.locator(where)).to_contain_text(words)
            expect(page.locator(where)).not_to_contain_text(texts.LOADING)
        page.context.close()


def test_while_the_engine_starts_all_else_works_and_a_question_of_chat_is_sent_by_itself(
    room: Room, page: Page
) -> None:
    turn = furnished.compared(room, "Is it good?", ("base", "base"), owner="bob")
    waits = room.store.feedback.add_correction(turn.replies[0].id, "bob", "Yes, and warm wishes!")
    room.reason = "The engine is starting."
    expect(page.locator("#engine-state")).to_have_text("Engine starting")
    go(page, "Chat")
    expect(page.locator("#chat-waits")).to_have_text(texts.WAITING_EMPTY.format(why=room.reason))
    page.locator("#chat-prompt textarea").fill("Is anybody there?")
    page.locator("#chat-prompt textarea").press("Enter")
    expect(page.locator("#chat-notice .held")).to_have_text(texts.QUESTION_WAITS)
    go(page, "Review")
    page.locator("#review-status input[value=pending]").check()
    page.locator("#review-list [data-act=approved]").click()
    expect(page.locator("#review-notice")).to_contain_text("Approved: 1.")
    assert room.store.feedback.status(waits) == "approved"
    go(page, "Train")
    expect(page.locator("#card .row-target td")).to_have_text("1")
    page.locator("#train-start").click()
    expect(page.locator("#train-notice")).to_have_text(
        "The engine is not ready, and training needs it. Try again when it is."
    )
    go(page, "Settings")
    page.get_by_role("button", name="Back up now").click()
    expect(page.locator("#settings-notice")).to_contain_text("Backed up: ")
    room.reason = ""
    expect(page.locator("#engine-state")).to_have_text("Engine ready")
    go(page, "Chat")
    expect(page.locator("#chat-live .asked")).to_have_text("Is anybody there?")
    expect(page.locator("#chat-live [aria-busy=false] .reply")).to_have_text("The answer is plain.")
    expect(page.locator("#chat-waits")).to_have_text("")


def test_what_cannot_be_done_is_said_in_a_sentence_where_one_looks(room: Room, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 300})  # what is pressed is further down
    room.adapter("shop-v1")
    go(page, "Models")
    page.locator(".adapter[data-name=shop-v1] [data-act=use]").click()  # its folder is gone
    expect(page.locator("#models-notice .bad")).to_contain_text("shop-v1")
    expect(page.locator("#models-notice .bad")).to_be_in_viewport()
    expect(page.locator(".adapter[data-name=shop-v1] .tag")).to_have_text("broken")
    expect(page.locator("#in-service")).to_have_text(texts.SERVING_BASE)

    turn = furnished.compared(room, "Is it fresh?", ("base", "base"), owner="bob")
    gone = room.store.feedback.add_correction(turn.replies[0].id, "bob", "Yes. Warm wishes!")
    go(page, "Review")
    page.locator("#review-status input[value=pending]").check()
    expect(page.locator(f"#review-list [data-id={gone}]")).to_be_visible()
    room.store.feedback.void(gone, "bob")  # as he takes it back now
    page.locator(f"#review-list [data-id={gone}] [data-act=approved]").click()
    expect(page.locator("#review-notice .bad")).to_contain_text("or it was taken back.")

    backups = room.settings.home / "data" / "backups"
    backups.rename(backups.with_name("aside"))
    backups.write_text("no folder", encoding="utf-8")
    go(page, "Settings")
    page.get_by_role("button", name="Back up now").click()
    expect(page.locator("#settings-notice .bad")).not_to_have_text("")
    expect(page.locator("#settings-notice .bad")).to_be_in_viewport()
    page.set_viewport_size({"width": 1280, "height": 900})
    backups.unlink()


def test_a_page_whose_app_does_not_answer_keeps_what_it_shows_and_comes_back_by_itself(room: Room, page: Page) -> None:
    go(page, "Leaderboard")
    expect(page.locator("#board")).to_contain_text(texts.NO_VOTES[0])
    page.route("**/news?*", lambda route: route.abort())
    expect(page.get_by_text("ftchat does not answer.")).to_be_visible()
    turn = furnished.compared(room, "Which one?", ("base", "few-shot"), owner="admin")
    room.store.feedback.add_vote(turn, "admin", "left", reasons={}, comment="")
    expect(page.locator("#board")).to_contain_text(texts.NO_VOTES[0])
    page.unroute("**/news?*")
    expect(page.locator("#ratings")).to_be_visible()
    expect(page.get_by_text("ftchat does not answer.")).to_be_hidden()
    page.route("**/news?*", lambda route: route.fulfill(status=404))
    expect(page.get_by_text("ftchat does not answer.")).to_be_visible()
    page.unroute("**/news?*")
    expect(page.get_by_text("ftchat does not answer.")).to_be_hidden()


def test_after_a_restart_a_page_is_loaded_anew_but_not_over_what_is_half_written(room: Room, page: Page) -> None:
    go(page, "Train")
    field = page.locator("#pins [data-field=pin]").first
    field.fill("Do you deliver?")
    go(page, "Models")  # out of sight it is no less written
    page.evaluate("window.old = true")
    another = {"app": "another", "pieces": {}, "others": "", "again_s": 0.2}
    told: list[str] = []
    page.route("**/news?*", lambda route: (told.append(route.request.url), route.fulfill(json=another)))
    page.wait_for_timeout(2500)
    assert (len(told) > 3, page.evaluate("window.old"), field.input_value()) == (True, True, "Do you deliver?")
    go(page, "Train")
    field.fill("")
    page.wait_for_function("window.old === undefined")
    page.unroute("**/news?*")
    page.locator("#champion").wait_for()


# -- 10,000 --


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A home with that many corrections by two people, half of them approved."""
    made = Room(tmp_path_factory.mktemp("full"))
    log = made.store.feedback
    with made.store.writing():
        for n in range(MANY // 2):
            turn = furnished.compared(
                made, f"question {n} about plum{n}", ("base", "few-shot"), owner="admin", says=("Yes.", f"No {n}.")
            )
            for reply, who in zip(turn.replies, ("bob", "cara"), strict=True):
                given = log.add_correction(reply.id, who, f"Answer {n} by {who}.")
                if n % 2 == 0:
                    log.review(given, "approved", "ann")
    return made


@pytest.fixture(scope="module")
def long(full: Room, browser: Browser) -> Iterator[Page]:
    with served(full) as url:
        yield from opened(browser, url)


@contextmanager
def quick(page: Page) -> Iterator[None]:
    """What is done inside is no work for the app, and brings no more than a page of it."""
    sizes = list[int]()

    def note(told: Response) -> None:
        sizes.append(int(told.headers.get("content-length", "0")) if "/gradio_api/" in told.url else 0)

    page.on("response", note)
    begun = time.process_time()  # the app is a thread here; the browser is not
    yield
    page.remove_listener("response", note)
    assert time.process_time() - begun < QUICK_S
    assert max(sizes, default=0) < LARGE


def test_of_10000_pieces_a_page_is_listed_any_is_found_and_all_are_decided_on_one_by_one(
    full: Room, long: Page
) -> None:
    items = long.locator("#review-list .item")
    with quick(long):
        go(long, f"Review · {MANY // 2:,}")
        expect(items).to_have_count(20)
    expect(long.locator("#review-status")).to_contain_text(f"Approved · {MANY // 2:,}")
    seen = items.evaluate_all("all => all.map(one => one.dataset.id)")
    for n in range(2):
        with quick(long):
            long.get_by_role("button", name="Older").click()
            expect(items.first).not_to_have_attribute("data-id", seen[20 * n])
        seen += items.evaluate_all("all => all.map(one => one.dataset.id)")
    listed, _ = full.store.feedback.page(status="pending", limit=60)
    assert seen == [given.id for given in listed]

    search = long.locator("#review-search :is(input, textarea)")
    with quick(long):
        search.fill("plum4999 cara")
        search.press("Enter")
        expect(items).to_have_count(1)
    expect(items).to_contain_text("Answer 4999 by cara.")
    search.fill("")
    with quick(long):
        long.locator("#review-status input[value=approved]").check()
        expect(items.first).to_contain_text("question 4998 about plum4998")
    expect(items).to_have_count(20)
    with quick(long):
        long.locator("#review-person input").click()
        long.locator("#review-person [role=option]", has_text="bob").click()
        expect(items.locator(".by", has_text="by cara")).to_have_count(0)
    expect(items.first).to_contain_text("Answer 4998 by bob.")
    with quick(long):
        items.first.locator("[data-act=rejected]").click()
        expect(items.first).to_contain_text("Answer 4996 by bob.")
    expect(long.locator("#review-status")).to_contain_text("Rejected · 1")


def test_of_10000_pieces_the_card_counts_all_and_an_export_holds_them(full: Room, long: Page) -> None:
    with quick(long):
        go(long, "Train")
        expect(long.locator("#card .row-target")).to_be_visible()
    card = full.pipeline.card()
    expect(long.locator("#card .row-target td")).to_have_text(f"{card.becomes['train']['target']:,}")
    expect(long.locator("#card .row-pending td")).to_have_text(f"{MANY // 2:,}")
    with quick(long):
        go(long, "Settings")
        expect(long.locator("#settings-list .card")).to_be_visible()
    go(long, "Review")
    approved = full.store.feedback.counts()["correction/approved"]
    with quick(long), long.expect_download() as download:
        long.locator("#review-exchange a", has_text="raw").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert (len(lines), "completion" in json.loads(lines[0]) or "value" in json.loads(lines[0])) == (approved, True)


# -- adapters, runs and people --

SHOTS = ROOT / "shots"


@pytest.mark.soak
def test_of_300_adapters_500_runs_and_300_users_a_page_is_sent_and_any_is_found(
    tmp_path: Path, browser: Browser
) -> None:
    room = Room(tmp_path, alone=False)
    with room.store.writing():
        for n in range(1, 301):
            made = furnished.verdict("PROMOTE", ours=0.5, name=f"shop-v{n}", champion="base")
            furnished.train(room, f"shop-v{n}", made, state="retired")
            room.store.people.add(f"user{n:03}", "rater", password="x")
        for _ in range(200):
            run = furnished.start(room)
            room.store.training.update_run(run, stage="failed", reason="The disk is full.")
    room.store.people.add("ann", "admin", password="x")
    login = {"name": room.parts.cookie, "value": room.accounts._new_login("ann")}
    SHOTS.mkdir(exist_ok=True)
    with served(room) as url:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_cookies([{**login, "url": url}])
        page = context.new_page()
        page.goto(url)
        page.locator("#champion").wait_for()
        adapters(page)
        runs(page)
        users(room, page)
        context.close()


def adapters(page: Page) -> None:
    go(page, "Models")
    with quick(page):
        expect(page.locator("#models-list .adapter")).to_have_count(NEWEST)
        page.locator("#models-all > button").click()
        expect(page.locator("#models-all-list .adapter")).to_have_count(PAGE)
    with quick(page):
        page.locator("#models-all-list [data-act=older]").click()
        expect(page.locator("#models-all-list .adapter").first).to_have_attribute("data-name", f"shop-v{300 - PAGE}")
    page.screenshot(path=SHOTS / "models-many.png")
    page.locator("#models-all-search :is(input, textarea)").fill("v123")
    expect(page.locator("#models-all-list .adapter")).to_have_count(1)
    page.locator("#models-all-list [data-act=compare]").click()
    expect(page.locator("#choose-left input")).to_have_value("shop-v123")
    go(page, "Models")
    page.locator("#models-all").scroll_into_view_if_needed()
    page.screenshot(path=SHOTS / "models-found.png")
    assert serious(page) == []


def runs(page: Page) -> None:
    go(page, "Train")
    with quick(page):
        expect(page.locator("#run-past details")).to_have_count(11)
        page.locator("#runs-all > button").click()
        expect(page.locator("#runs-all-list details")).to_have_count(PAGE)
    page.locator("#runs-all-search :is(input, textarea)").fill("shop-v77")
    expect(page.locator("#runs-all-list details")).to_have_count(1)
    page.locator("#runs-all-list summary").click()
    page.locator("#runs-all-list [data-act=look]").click()
    expect(page.locator("#run-looked h2").first).to_have_text("shop-v77")
    page.locator("#runs-all").scroll_into_view_if_needed()
    page.screenshot(path=SHOTS / "runs-many.png")
    assert serious(page) == []


def users(room: Room, page: Page) -> None:
    go(page, "Settings")
    rows = page.locator("#settings-users-list tbody tr")
    with quick(page):
        page.locator("#settings-users-list [data-act=older]").click()
        expect(rows.locator("th").first).to_contain_text("user020")
    expect(rows).to_have_count(PAGE)
    disable = rows.first.locator("[data-act=disable]")
    page.once("dialog", lambda dialog: dialog.accept())
    disable.click()
    expect(rows.first).to_contain_text(texts.DISABLED)
    assert [user.name for user in room.accounts.users() if user.disabled] == ["user020"]
    page.screenshot(path=SHOTS / "settings-many.png", full_page=True)
    page.locator("#settings-users-search :is(input, textarea)").fill("user299")
    expect(rows).to_have_count(1)
    page.locator("#settings-tokens-search :is(input, textarea)").fill("nothing")
    expect(page.locator("#settings-tokens-list")).to_have_text(texts.NONE_FOUND)
    assert serious(page) == []
