"""Review, Train, Models, Leaderboard and Settings in a real browser, full of things: each look, by keys, by phone.

The engine is scripted. Screenshots are written to `shots/`, which is not committed; axe finds no serious fault.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import furnished
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect
from room import Room
from running import ROOT
from served import to_tab

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
SHOTS = ROOT / "shots"
TABS = ("Review", "Train", "Models", "Leaderboard", "Settings")
RULES = {"light": (), "dark": ("color-contrast",)}  # only colours differ
LOOKS: dict[str, tuple[Any, int]] = {"light": ("light", 1280), "dark": ("dark", 1280), "phone": ("light", 390)}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """The tests of this file go on where the one before ended."""
    made = Room(tmp_path_factory.mktemp("home"))
    furnished.furnish(made)
    return made


def opened(browser: Browser, url: str, look: str = "light") -> Page:
    scheme, width = LOOKS[look]
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    page.set_default_timeout(30_000)
    page.goto(url)
    page.locator("#champion").wait_for()
    return page


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A wide page; a script of it that fails, fails the tests."""
    made = opened(browser, url)
    faults: list[str] = []
    made.on("pageerror", lambda fault: faults.append(str(fault)))
    yield made
    made.context.close()
    assert faults == []


def go(page: Page, name: str) -> None:
    to_tab(page, name)
    expect(page.locator(f"#tab-{name.lower()} :is(.card, .item)").first).to_be_visible()


def serious(page: Page, *rules: str) -> list[str]:
    """What axe finds that keeps somebody out; by these rules only, if some are named."""
    options = {"runOnly": list(rules)} if rules else {}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:160]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("look", [pytest.param(look, marks=[pytest.mark.soak] * (look != "phone")) for look in LOOKS])
def test_every_page_in_every_look(browser: Browser, url: str, look: str) -> None:
    page, wrong = opened(browser, url, look), []
    # Its tab says how much waits, when that is known; on a phone it then goes behind the three dots.
    expect(page.locator("#tabs").get_by_role("tab", name="Review", exact=True)).to_have_count(0)
    SHOTS.mkdir(exist_ok=True)
    for name in TABS:
        go(page, name)
        page.wait_for_timeout(250)
        page.screenshot(path=SHOTS / f"{name.lower()}-{look}.png", full_page=True)
        width = page.evaluate("document.documentElement.scrollWidth")
        wrong += [f"{name}: {width} wide"] if width > LOOKS[look][1] else []
        wrong += [f"{name}: {fault}" for fault in serious(page, *RULES[look])] if look in RULES else []
    page.context.close()
    assert wrong == []


def waiting(room: Room) -> int:
    return sum(n for what, n in room.store.feedback.counts().items() if what.endswith("/pending"))


def test_review_by_keys_alone(room: Room, page: Page) -> None:
    go(page, "Review")
    before = waiting(room)
    first, second = [item.get_attribute("data-id") for item in page.locator("#review-list .item").all()[:2]]
    page.keyboard.press("j")
    expect(page.locator("#review-list .item.current")).to_have_attribute("data-id", first or "")
    page.keyboard.press("a")
    expect(page.locator("#review-notice")).to_contain_text("Approved: 1.")
    assert room.store.feedback.status(first or "") == "approved"
    expect(page.locator("#review-list .item.current")).to_have_attribute("data-id", second or "")
    page.keyboard.press("r")
    expect(page.locator("#review-notice")).to_contain_text("Rejected: 1.")
    assert room.store.feedback.status(second or "") == "rejected"
    page.keyboard.press("u")
    expect(page.locator("#review-notice")).to_contain_text("As before: 1.")
    assert waiting(room) == before - 1
    expect(page.locator("#tabs")).to_contain_text(f"Review · {before - 1}")


def test_two_keys_at_once_decide_about_two_items(room: Room, page: Page) -> None:
    go(page, "Review")
    first, second = [item.get_attribute("data-id") or "" for item in page.locator("#review-list .item").all()[:2]]
    for key in "kkkar":  # to the first, wherever the test before ended
        page.keyboard.press(key)
    expect(page.locator("#review-notice")).to_contain_text("Rejected: 1.")
    assert [room.store.feedback.status(one) for one in (first, second)] == ["approved", "rejected"]


def test_a_key_that_is_held_decides_once_and_a_switch_turns_the_keys_off(room: Room, page: Page) -> None:
    go(page, "Review")
    before, items = waiting(room), page.locator("#review-list .item")
    page.keyboard.press("j")
    held = page.locator("#review-list .item.current").get_attribute("data-id") or ""
    page.keyboard.down("a")
    expect(page.locator(f"#review-list .item[data-id={held}]")).to_have_count(0)
    for _ in range(5):
        page.keyboard.down("a")  # again without up: as the keyboard repeats it
        page.wait_for_timeout(100)
    page.keyboard.up("a")
    assert waiting(room) == before - 1
    page.keyboard.press("u")
    expect(page.locator("#review-notice")).to_contain_text("As before: 1.")
    page.locator("#review-keys input").uncheck()
    at = page.locator("#review-list .item.current").get_attribute("data-id")
    for key in "jar":
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert (page.locator("#review-list .item.current").get_attribute("data-id"), waiting(room)) == (at, before)
    page.locator("#review-keys input").check()
    assert page.locator("#compare-keys input").is_checked()
    expect(items).not_to_have_count(0)


def test_review_finds_turns_pages_and_filters(room: Room, page: Page) -> None:
    go(page, "Review")
    page.locator("#review-status label", has_text="All").click()
    items = page.locator("#review-list .item")
    expect(items.first).to_contain_text("approved")  # the newest of all; the queue before has as many
    expect(items).to_have_count(20)
    first = items.first.get_attribute("data-id") or ""
    page.get_by_role("button", name="Older").click()
    expect(items.first).not_to_have_attribute("data-id", first)
    page.get_by_role("button", name="Newer").click()
    expect(items.first).to_have_attribute("data-id", first)
    page.locator("#review-search :is(input, textarea)").fill("jasmine tea")
    page.keyboard.press("Enter")
    expect(page.locator("#review-list .item .asked", has_text="Honey")).to_have_count(0)
    expect(items.first).to_contain_text("Jasmine Tea")
    page.locator("#review-search :is(input, textarea)").fill("nothing of the kind")
    page.keyboard.press("Enter")
    expect(page.locator("#review-list")).to_contain_text("Nothing matches")
    page.locator("#review-search :is(input, textarea)").fill("")
    page.keyboard.press("Enter")
    expect(items).to_have_count(20)


def test_what_both_got_wrong_is_corrected_here(room: Room, page: Page) -> None:
    go(page, "Review")
    expect(page.locator("#review-kind")).to_be_visible()
    page.locator("#review-status label", has_text="To correct").click()
    for name in ("kind", "person", "search"):
        expect(page.locator(f"#review-{name}")).to_be_hidden()
    mine = page.get_by_role("button", name="Correct A").first
    turn = page.locator("#review-list .item").filter(has=mine).first.get_attribute("data-id") or ""
    mine.click()
    expect(page.locator("#correction-queue textarea")).to_be_focused()
    page.locator("#correction-queue textarea").fill("Twelve euros. Warm wishes from the shop!")
    page.locator("#save-queue").click()
    expect(page.locator(f"#review-list .item[data-id={turn}]")).to_have_count(0)
    corrected = room.store.judged.given_on(room.store.turns.get(turn).reply("left").id, rater="admin")
    assert corrected.corrected == "Twelve euros. Warm wishes from the shop!"


def test_a_file_is_taken_in_and_listed(room: Room, page: Page, tmp_path: Path) -> None:
    line = {"prompt": "Is the rye bread sliced?", "completion": "Yes, and thinly."}
    (tmp_path / "mine.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    go(page, "Review")
    page.locator("#review-status label", has_text="All").click()
    page.set_input_files("input[data-import]", tmp_path / "mine.jsonl")
    expect(page.locator(".import-said").first).to_have_text("1 taken in, 0 were here already.")
    expect(page.locator("#review-list .item").first).to_contain_text("Is the rye bread sliced?")
    (tmp_path / "bad.jsonl").write_text("nonsense", encoding="utf-8")
    page.set_input_files("#review-exchange input[data-import]", tmp_path / "bad.jsonl")
    expect(page.locator("#review-exchange .import-said.bad")).to_contain_text("line 1")


def test_a_file_that_could_not_be_sent_and_one_that_a_proxy_answers_may_be_tried_again(
    page: Page, tmp_path: Path
) -> None:
    (tmp_path / "mine.jsonl").write_text("{}\n", encoding="utf-8")
    go(page, "Review")
    said, where = page.locator("#review-exchange .import-said"), "**/api/feedback/import"
    answers: list[Callable[[Route], None]] = [
        lambda route: route.abort(),
        lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"),
    ]
    for answer in answers:
        said.evaluate("said => said.textContent = ''")
        page.route(where, answer)
        page.set_input_files("#review-exchange input[data-import]", tmp_path / "mine.jsonl")
        expect(said).to_contain_text("Try again")
        expect(said).to_have_class("import-said bad")
        page.unroute(where)


def test_what_trained_an_adapter_and_the_way_back(room: Room, page: Page) -> None:
    go(page, "Models")
    expect(page.locator("#progress .value")).to_have_count(3)
    page.locator(".adapter[data-name=shop-v3]").get_by_role("button", name="What trained it").click()
    expect(page.locator("#rows li").first).to_contain_text("Warm wishes from the shop!")
    expect(page.locator("#rows")).to_be_in_viewport()
    page.locator("#rows").get_by_role("button", name="Close").click()
    expect(page.locator("#rows")).to_have_count(0)
    page.locator(".adapter[data-name=shop-v3]").get_by_role("button", name="Compare blind").click()
    expect(page.locator("#compare-prompt textarea")).to_be_visible()
    expect(page.locator("#choose-left input")).to_have_value("shop-v3")
    go(page, "Models")
    page.get_by_role("button", name="Roll back").locator("visible=true").click()
    expect(page.locator("#in-service")).to_have_text("The base model is in service")
    expect(page.locator("#champion")).to_have_text("Champion base")
    assert room.service.champion() == "base"


def test_a_run_is_watched_while_it_learns(room: Room, page: Page) -> None:
    run = furnished.start(room)
    furnished.metrics(room, run, steps=100, done=20)
    room.store.training.update_run(run, stage="train", progress=0.2, eta_s=31.0)
    go(page, "Train")
    expect(page.locator("#run-seen")).to_contain_text("step 20 of 100 · about 30 s left")
    expect(page.locator("#shows .taught .now").first).to_contain_text("unchanged")
    furnished.metrics(room, run, steps=100, done=60)
    room.store.training.update_run(run, progress=0.6, eta_s=12.0)
    expect(page.locator("#run-seen")).to_contain_text("step 60 of 100")
    expect(page.locator("#shows .taught .now").first).to_contain_text("as you wanted")
    page.screenshot(path=SHOTS / "train-running.png", full_page=True)
    verdict = furnished.verdict("INSUFFICIENT", ours=0.7, name="shop-v4", champion="base", better=3)
    room.store.training.update_run(run, stage="done", progress=1.0, verdict=verdict, reason=verdict.reasons[0])
    expect(page.locator("#verdict")).to_be_visible()
    expect(page.locator("#run-past")).to_contain_text("shop-v3")


def test_a_time_says_its_year_when_that_is_another_one(page: Page) -> None:
    page.evaluate("""() => document.body.insertAdjacentHTML('beforeend', `<p id="times">
        <time datetime="2019-03-01T12:30:00+00:00"></time>
        <time datetime="${new Date().toISOString()}"></time></p>`)""")
    expect(page.locator("#times time").first).to_have_text(re.compile(r"^[12] Mar 2019, \d\d:\d\d$"))
    expect(page.locator("#times time").last).to_have_text(re.compile(r"^\d+ \w+, \d\d:\d\d$"))
    page.evaluate("document.querySelector('#times').remove()")


def test_what_is_copied_is_copied_where_a_browser_has_no_clipboard_and_else_selected(page: Page) -> None:
    go(page, "Settings")
    copy, text = page.locator("#settings-model [data-copy]"), "FTCHAT_MODEL=/path/to/model make run"
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    page.evaluate("window.got = ''; addEventListener('copy', () => { window.got = String(getSelection()); })")
    copy.click()
    expect(copy).to_have_text("Copied")
    assert page.evaluate("window.got") == text
    page.evaluate("document.execCommand = () => false")
    copy.click()
    expect(copy).to_have_text("Selected: press Ctrl+C")
    assert page.evaluate("String(getSelection())") == text
    page.evaluate("delete document.execCommand")


def test_settings_make_a_backup_now(room: Room, page: Page) -> None:
    go(page, "Settings")
    expect(page.locator("#settings-model code")).to_have_text("FTCHAT_MODEL=/path/to/model make run")
    page.get_by_role("button", name="Back up now").click()
    expect(page.locator("#settings-notice")).to_contain_text("Backed up: ")
    expect(page.locator("#settings-backups tbody tr")).to_have_count(1)
    room.parts.backups.trouble = "There is no new backup. The disk is full."
    expect(page.locator("#strip-trouble")).to_have_text("There is no new backup. The disk is full.")
    room.parts.backups.trouble = ""
