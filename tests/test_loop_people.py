"""A team's whole path in real browsers, with logins, on the real starter and real vLLM.

An admin invites a rater with a phone and a reviewer; the rater compares, votes and corrects by keys and reloads in
mid-answer; the reviewer approves; the admin retrains, everyone reloads in mid-training; the exam promotes; the app ends
and comes back under their open pages; and the admin goes back to base.
"""

import csv
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from running import Running, wait_for
from served import to_tab

pytestmark = [pytest.mark.browser, pytest.mark.soak]

PASSWORD = "a long enough one"
SIGN_OFF = "Warm wishes from the shop!"
TAUGHT = 120
PHONE: Any = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A fresh home that nobody has a login for yet."""
    running = Running(tmp_path_factory.mktemp("home"), "--name", "shop", alone=False)
    running.start()
    yield running
    running.stop()
    assert running.family() == []


def desk(browser: Browser) -> Page:
    return _page(browser.new_context(viewport={"width": 1280, "height": 900}))


def phone(browser: Browser) -> Page:
    return _page(browser.new_context(viewport=PHONE, has_touch=True, color_scheme="dark"))


def _page(context: BrowserContext) -> Page:
    made = context.new_page()
    made.set_default_timeout(60_000)
    made.on("dialog", lambda dialog: dialog.accept())
    return made


def join(page: Page, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("Name").fill(name)
    page.get_by_label("New password, 10 characters or more").fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#account a")).to_have_text(name)


def invited(ann: Page, page: Page, role: str, name: str) -> Page:
    ann.locator("[data-field=invited]").select_option(role)
    ann.get_by_role("button", name="Invite", exact=True).click()
    link = ann.locator("#settings-made code")
    expect(link).to_contain_text("/join/")
    join(page, link.inner_text(), name)
    ann.get_by_role("tab", name="Compare").click()
    ann.get_by_role("tab", name="Settings").click()
    expect(ann.locator("#settings-made code")).to_have_count(0)
    return page


def api(page: Page, app: Running, path: str, **body: object) -> dict:
    answer = page.request.post(app.url + path, data=body, timeout=120_000)
    assert answer.ok, answer.text()
    return answer.json()


def prices() -> list[str]:
    """What each of many products costs."""
    listed = files("ftchat.starter").joinpath("scenarios/products.csv").read_text(encoding="utf-8").splitlines()
    return [f"What does the {row['name']} cost?" for row in csv.DictReader(listed)]


def test_from_the_first_link_to_an_adapter_that_came_and_went(app: Running, browser: Browser) -> None:
    link = re.search(r"http://\S+/join/\S+", (app.home / "app.log").read_text())
    assert link
    ann = desk(browser)
    join(ann, link[0], "ann")
    to_tab(ann, "Settings")
    rae, eve = invited(ann, phone(browser), "rater", "rae"), invited(ann, desk(browser), "reviewer", "eve")
    wait_for(lambda: app.get("/readyz"), what="the engine", within_s=240, log=app.home / "app.log")
    first, never, *others = prices()
    corrected_by_keys(rae, first)
    teach(rae, app, others[:TAUGHT])
    approved(eve, TAUGHT + 1)
    trained(ann, eve, rae)
    answered(rae, never, ends=SIGN_OFF)
    app.stop()
    app.start()
    app.until_ready()
    expect(eve.locator("#engine-state")).to_have_text("Engine ready", timeout=60_000)  # its page came back by itself
    expect(eve.locator("#run-seen")).to_have_attribute("data-stage", "done")
    expect(rae.locator("#champion")).to_have_text("Champion shop-v1")
    answered(rae, "When are you open?", ends="")
    to_tab(ann, "Models")
    ann.locator("#models-list [data-act=back]").click()
    for page in (ann, eve, rae):
        expect(page.locator("#champion")).to_have_text("Champion base")


def corrected_by_keys(rae: Page, prompt: str) -> None:
    """On a phone with a keyboard: asked, reloaded while it is written, voted for and corrected without a touch."""
    box = rae.locator("#compare-prompt textarea")
    box.focus()
    rae.keyboard.type(prompt)
    rae.keyboard.press("Enter")
    expect(rae.locator("#pane-left .asked")).to_have_text(prompt)
    rae.reload()
    expect(rae.locator("#pane-left .asked")).to_have_text(prompt)
    for side in ("left", "right"):
        expect(rae.locator(f"#pane-{side} [aria-busy=false] .reply")).to_be_visible()
    assert "base" not in rae.locator("#panes").inner_text().lower().split()
    expect(rae.locator("#vote-left")).to_be_enabled()
    rae.keyboard.press("1")
    expect(rae.locator("#vote-saved")).to_contain_text("Saved · A was")
    rae.keyboard.press("a")
    field = rae.locator("#correction-left textarea")
    expect(field).to_be_focused()
    rae.keyboard.press("Control+End")
    rae.keyboard.type(f" {SIGN_OFF}")
    rae.keyboard.press("Control+Enter")
    expect(rae.locator("#fixed-left .difference")).to_contain_text("shop!")
    assert rae.evaluate("document.documentElement.scrollWidth") <= 390


def teach(rae: Page, app: Running, prompts: list[str]) -> None:
    """More of the same, through the API with the login of the page."""
    for prompt in prompts:
        lane = api(rae, app, "/api/turns", prompt=prompt, mode="chat", contestants=["base"])["lanes"][0]
        api(rae, app, "/api/corrections", reply=lane["reply"], text=f"{lane['text'].strip()} {SIGN_OFF}")


def approved(eve: Page, corrections: int) -> None:
    """One by key, the others a page at a time, and by key what is left."""
    to_tab(eve, "Review")
    items, page = eve.locator("#review-list .item"), eve.locator("#review-list .every [data-act=approved]")
    expect(items.first).to_be_visible()
    for number in range(TAUGHT):
        first = items.first.get_attribute("data-id")
        if number and page.count():
            page.click()
        else:
            eve.keyboard.press("j")
            eve.keyboard.press("a")
        expect(eve.locator(f"#review-list .item[data-id='{first}']")).to_have_count(0)
        if not items.count():
            break
    expect(eve.locator("#review-list")).to_contain_text("Nothing waits for review")
    card = json.loads(eve.request.get(f"{eve.url}api/dataset").text())
    assert (card["pending"], card["train"] + card["tune"] + card["exam"]) == (0, corrections)


def trained(ann: Page, eve: Page, rae: Page) -> None:
    """One press; a reload in the middle of it finds it; the exam promotes, and every open page says so by itself."""
    ann.locator("#retrain").click()
    expect(ann.locator("#run-box svg").first).to_be_visible(timeout=90_000)
    for page in (ann, eve):
        to_tab(page, "Train")
        page.reload()
        expect(page.locator("#run-seen")).to_be_visible()
    expect(eve.locator("#run-stop")).to_be_hidden()
    expect(ann.locator("#run-seen")).to_have_attribute("data-stage", "done", timeout=300_000)
    expect(ann.locator("#verdict")).to_have_text("shop-v1 is better and now in service.")
    for page in (ann, eve, rae):
        expect(page.locator("#champion")).to_have_text("Champion shop-v1", timeout=20_000)


def answered(rae: Page, prompt: str, *, ends: str) -> None:
    to_tab(rae, "Chat")
    rae.locator("#chat-prompt textarea").fill(prompt)
    rae.locator("#chat-prompt textarea").press("Enter")
    said = rae.locator("#chat-live .asked")
    expect(said).to_have_text(prompt)
    reply = rae.locator("#chat-live [aria-busy=false] .reply")
    expect(reply).to_be_visible()
    expect(rae.locator("#chat-live .who")).to_have_text("shop-v1")
    assert reply.inner_text().strip().endswith(ends), reply.inner_text()
