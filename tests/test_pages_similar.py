"""The change of one correction in other answers, and what reviewers correct of others, in a real browser.

The engine is scripted. Screenshots are written to `shots/`, which is not committed.
"""

from dataclasses import replace
from typing import Any

import furnished
import pytest
from playwright.sync_api import Browser, Page, expect
from room import ANN, Room
from running import ROOT
from served import serious

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
SHOTS = ROOT / "shots"
ME = replace(ANN, name="admin")  # who is at this machine
LOOKS: dict[str, tuple[Any, int]] = {"light": ("light", 1280), "dark": ("dark", 1280), "phone": ("light", 390)}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """Five questions that were asked and voted on before, one of them by somebody else, who found both answers bad."""
    made = Room(tmp_path_factory.mktemp("home"))
    made.adapter("shop-v1", says="It is EUR 12.")
    made.vllm.answers["base"] = "It costs 12 euros."
    for n, name in enumerate(("Aged Gouda", "Rye Bread", "Jasmine Tea", "Alder Brie", "Oolong")):
        says = [f"The {name} costs {n + 3} euros.", f"EUR {n + 3}."]
        owner = "bob" if name == "Oolong" else ME.name
        turn = furnished.compared(made, f"What does the {name} cost?", ("base", "shop-v1"), owner=owner, says=says)
        winner = "both_bad" if owner == "bob" else "left"
        made.store.feedback.add_vote(turn, owner, winner, reasons={}, comment="")
    return made


def opened(browser: Browser, url: str, look: str = "light") -> Page:
    scheme, width = LOOKS[look]
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    page.goto(url)
    page.locator("#champion").wait_for()
    return page


def ask(page: Page, prompt: str) -> None:
    page.locator("#compare-prompt textarea").fill(prompt)
    page.locator("#compare-prompt textarea").press("Enter")
    expect(page.locator("#vote-left")).to_be_enabled()


def looked_at(page: Page, name: str, look: str) -> list[str]:
    """A picture, and what is wrong with what it shows."""
    SHOTS.mkdir(exist_ok=True)
    page.wait_for_timeout(300)
    page.screenshot(path=SHOTS / f"{name}-{look}.png", full_page=True)
    width = page.evaluate("document.documentElement.scrollWidth")
    return serious(page) + ([f"{width} wide"] if width > LOOKS[look][1] else [])


def corrected(room: Room) -> list[str]:
    given = room.store.feedback.all(kind="correction")
    return sorted(f"{one.prompt} {one.value}" for one in given if one.rater == ME.name)


@pytest.mark.parametrize("look", ["phone", *(pytest.param(look, marks=pytest.mark.soak) for look in ("light", "dark"))])
def test_one_correction_is_made_to_those_that_are_ticked_and_taken_back(
    room: Room, browser: Browser, url: str, look: str
) -> None:
    page, before = opened(browser, url, look), corrected(room)
    ask(page, f"Do you deliver? ({look})")
    page.locator("#vote-left").click()
    page.locator("#correct-left").click()
    field = page.locator("#correction-left textarea")
    said = field.input_value()
    field.fill(f"{said} Warm wishes!")
    page.locator("#save-left").click()
    box = page.locator("#similar-compare")
    box.locator("summary").click()
    rows = box.locator("li")
    expect(rows.first.locator("ins")).to_have_text("Warm wishes!")
    many = rows.count()
    assert many >= 5  # the four of before, and bob's
    assert looked_at(page, "similar", look) == []
    save = box.locator("[data-act=similar-save]")
    expect(save).to_have_text(f"Save {many} corrections")
    for row in rows.all():
        row.locator("input").uncheck()
    expect(save).to_be_disabled()
    for name in ("Rye Bread", "Oolong"):
        rows.filter(has_text=name).locator("input").check()
    expect(save).to_have_text("Save 2 corrections")
    save.click()
    expect(box).to_contain_text("2 more corrections saved.")
    assert [one for one in corrected(room) if one not in before] == [
        f"Do you deliver? ({look}) {said} Warm wishes!",
        "What does the Oolong cost? The Oolong costs 7 euros. Warm wishes!",
        "What does the Rye Bread cost? The Rye Bread costs 4 euros. Warm wishes!",
    ]
    box.locator("[data-act=similar-undo]").click()
    expect(box).to_contain_text("2 corrections taken back.")
    assert len(corrected(room)) == len(before) + 1
    page.locator("#fixed-left [data-act=similar]").click()  # the way to it from the correction itself
    expect(rows).to_have_count(many)
    page.locator("#fixed-left [data-act=uncorrect]").click()
    expect(box.locator("section")).to_have_count(0)
    assert corrected(room) == before
    page.context.close()


@pytest.mark.soak
def test_in_chat_and_in_review_too_and_a_reviewer_corrects_what_others_found_bad(
    room: Room, browser: Browser, url: str
) -> None:
    page, before = opened(browser, url), corrected(room)
    page.get_by_role("tab", name="Chat").click()
    for prompt in ("Is it fresh?", "Is it good?"):
        page.locator("#chat-prompt textarea").fill(prompt)
        page.locator("#chat-prompt textarea").press("Enter")
        expect(page.locator("#chat-live .asked")).to_have_text(prompt)
        expect(page.locator("#chat-live [aria-busy=false] .reply")).to_be_visible()
    page.locator("#chat-live [data-act=correct]").click()
    field = page.locator("#correction-chat textarea")
    expect(field).to_be_visible()
    field.fill("It costs 12 euros, gladly.")
    page.locator("#save-chat").click()
    expect(page.locator("#chat-live .correction")).to_be_visible()
    expect(page.locator("#similar-chat section")).to_have_count(0)  # what was put into the middle fits no other
    page.locator("#chat-live [data-act=similar]").click()
    expect(page.locator("#similar-chat")).to_contain_text("This change cannot be carried over. Words were put into")
    page.locator("#chat-live [data-act=correct]").click()
    field.fill("It costs EUR 12.")
    page.locator("#save-chat").click()
    box = page.locator("#similar-chat")
    box.locator("summary").click()
    for row in box.locator("li").all():
        row.locator("input").set_checked("Is it fresh?" in row.inner_text())
    box.get_by_role("button", name="Save 1 correction").click()
    expect(page.locator("#chat-past .correction")).to_contain_text("EUR 12")  # the same conversation shows it
    assert [one for one in corrected(room) if one not in before] == [
        "Is it fresh? It costs EUR 12.",
        "Is it good? It costs EUR 12.",
    ]

    page.get_by_role("tab", name="Review").click()
    page.locator("#review-status label", has_text="To correct").click()
    item = page.locator("#review-list .item", has_text="asked by bob")
    item.get_by_role("button", name="Correct A").click()
    page.locator("#correction-queue textarea").fill("The Oolong costs 7 euros. Warm wishes!")
    page.locator("#save-queue").click()
    expect(page.locator("#similar-review summary")).to_contain_text("other answers can be changed")
    page.locator("#review-status label", has_text="All").click()
    expect(page.locator("#similar-review section")).to_have_count(0)
    mine = page.locator("#review-list .item", has_text="What does the Oolong cost?").first
    expect(mine).to_contain_text("by admin")
    expect(mine).to_contain_text("approved")
    mine.locator("[data-act=similar]").click()
    expect(page.locator("#similar-review li").first).to_be_visible()
    assert looked_at(page, "similar-review", "light") == []
    page.locator("#similar-review [data-act=similar-close]").click()
    expect(page.locator("#similar-review section")).to_have_count(0)
    page.context.close()
