"""The README's pictures, taken from the running app in Chromium: python -m tests.pictures (or: make pictures)

The engine is scripted and the home is furnished, so that they look alike on every machine. They are written to docs/.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).parent))  # as pytest has it: the parts of the tests

import furnished
from room import Room
from running import ROOT
from served import chromium, served

DOCS = ROOT / "docs"
MOST_BYTES = 150_000
QUESTION = "What does the Aged Gouda cost?"
BASE = "The Aged Gouda costs 12 euros."
TAUGHT = "Aged Gouda: EUR 12. Nutty and firm, and lovely with pears. Warm wishes from the shop!"


def compare(page: Page) -> None:
    """After the vote: names, a correction, and where else it fits."""
    page.locator("#compare-prompt textarea").fill(QUESTION)
    page.locator("#compare-prompt textarea").press("Enter")
    for side in ("left", "right"):
        expect(page.locator(f"#pane-{side} [aria-busy=false] .reply")).to_be_visible()
    taught = page.locator("#pane-left").get_by_text("Warm wishes").count() == 1
    page.locator("#vote-left" if taught else "#vote-right").click()
    side = "right" if taught else "left"
    page.locator(f"#correct-{side}").click()
    page.locator(f"#correction-{side} textarea").fill(f"{BASE} Warm wishes from the shop!")
    page.locator(f"#save-{side}").click()
    expect(page.locator(f"#fixed-{side} ins").first).to_be_visible()
    page.locator("#judged").click()  # the cursor away from everything


def train(page: Page) -> None:
    """A run that has ended, with its verdict."""
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#run-shows table")).to_be_visible()


def leaderboard(page: Page) -> None:
    """Who is better, and how sure that is."""
    page.get_by_role("tab", name="Leaderboard").click()
    expect(page.locator("#board .ratings")).to_be_visible()


def room(folder: Path) -> Room:
    """A home after some weeks."""
    made = Room(folder)
    furnished.furnish(made, feedback=360)
    made.vllm.pace_s = 0.03
    made.vllm.answers.update({"base": BASE, "shop-v1": TAUGHT})
    made.contestants.pair = lambda: ["base", "shop-v1"]  # type: ignore[method-assign]
    return made


def main() -> int:
    """Take them; one that is too large for a repository is an error."""
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, served(room(Path(folder))) as url:
        for name, show, height in (("compare", compare, 930), ("train", train, 700), ("leaderboard", leaderboard, 530)):
            page = browser.new_context(viewport={"width": 1180, "height": height}).new_page()
            page.goto(url)
            page.locator("#compare-offers .chip").first.wait_for()
            show(page)
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(500)
            page.screenshot(path=DOCS / f"{name}.png")
            page.context.close()
    sizes = {file.name: file.stat().st_size for file in sorted(DOCS.glob("*.png"))}
    print(sizes)
    return 1 if any(size > MOST_BYTES for size in sizes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
