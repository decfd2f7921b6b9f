"""The whole loop in a real browser, on the real starter model and real vLLM, from a fresh home.

Open, compare, vote by key, correct five replies, press Retrain, watch it finish, compare again: a question that was
never taught is answered in the corrected way. Then the app is killed, and nothing that was saved is lost.
Screenshots are written to `shots/`, which is not committed.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from running import ROOT, Running, wait_for

TAUGHT = ("Smoked Paprika", "Chestnut Honey", "Aged Gouda", "Raspberry Jam", "Jasmine Tea")
NEVER_TAUGHT = ("Lemon Olive Oil", "Smoked Almonds", "Basil Pesto")
SIGN_OFF = "Warm wishes from the shop!"
SHOTS = ROOT / "shots"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A fresh home with a running ftchat. The tests of this file go on where the one before ended."""
    running = Running(tmp_path_factory.mktemp("home"), "--name", "shop")
    running.start()
    yield running
    running.stop()
    assert running.family() == []


@pytest.fixture
def page(browser: Browser, app: Running) -> Iterator[Page]:
    """A page that fails the test when a script of it fails or the policy stops something."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda fault: faults.append(str(fault)))
    opened.on("requestfailed", lambda request: faults.append(request.url) if app.url not in request.url else None)
    opened.set_default_timeout(20_000)
    opened.goto(app.url)
    expect(opened.locator("#compare-prompt textarea")).to_be_visible()
    yield opened
    context.close()
    assert faults == []


ENDED = ("done", "rejected", "stopped", "failed")


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def ask(page: Page, prompt: str) -> None:
    """Ask on the Compare page, and wait until both have answered."""
    box = page.locator("#compare-prompt textarea")
    box.fill(prompt)
    box.press("Enter")
    expect(page.locator("#pane-left .asked")).to_have_text(prompt, timeout=60_000)
    for side in ("left", "right"):
        expect(page.locator(f"#pane-{side} [aria-busy=false] .reply")).to_be_visible(timeout=60_000)


def answer(page: Page, side: str) -> str:
    return page.locator(f"#pane-{side} .reply").inner_text().strip()


def question(product: str) -> str:
    return f"What does the {product} cost?"


def in_house_style(text: str) -> str:
    """The habit that is taught: a sign-off after the plain answer."""
    return f"{text.split(' Warm')[0].strip()} {SIGN_OFF}"  # few-shot may have tried a sign-off already


def test_from_a_fresh_home_to_a_changed_answer(app: Running, page: Page) -> None:
    app.until_ready()
    expect(page.locator("#engine-state")).to_have_text("Engine ready", timeout=20_000)
    shoot(page, "compare-empty")
    votes = sum(_compare_vote_and_correct(page, product) for product in TAUGHT)
    expect(page.locator("#new-feedback")).to_contain_text(re.compile(rf"^{len(TAUGHT) + votes} new"), timeout=10_000)
    _retrain_and_watch(page)
    _compare_again(page)
    assert app.get("/api/adapters")["items"][0]["state"] == "challenger"


def _compare_vote_and_correct(page: Page, product: str) -> int:
    """Left is voted for, one of the two corrected. 1 if the vote trains, too: not one for what was then corrected."""
    ask(page, question(product))
    expect(page.locator("#panes")).to_contain_text("name hidden until you vote")
    assert "base" not in page.locator("#panes").inner_text().lower().split()
    page.keyboard.press("1")
    expect(page.locator("#vote-saved")).to_contain_text("Saved · A was")
    left, right = answer(page, "left"), answer(page, "right")
    side = "right" if left.endswith(SIGN_OFF) else "left"  # few-shot may have learned it already
    page.locator(f"#correct-{side}").click()
    field = page.locator(f"#correction-{side} textarea")
    expect(field).to_have_value(re.compile(r"\S"))
    field.fill(in_house_style(field.input_value()))
    page.locator(f"#save-{side}").click()
    expect(page.locator(f"#fixed-{side} .difference")).to_contain_text("shop!")
    if product == TAUGHT[0]:
        shoot(page, "compare-corrected")
    page.locator("#next-question").click()
    expect(page.locator("#pane-left .asked")).to_have_count(0)
    return int(side == "right" and left != right)


def _retrain_and_watch(page: Page) -> None:
    page.locator("#retrain").click()
    expect(page.locator("#run-seen")).to_be_visible()
    expect(page.locator("#run-box svg").first).to_be_visible(timeout=90_000)
    expect(page.locator("#shows .never-taught").first).to_be_visible(timeout=90_000)
    shoot(page, "train-running")
    page.reload()  # a reload finds the run where it is
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#run-seen")).to_have_attribute("data-stage", "done", timeout=300_000)
    expect(page.locator("#verdict")).to_have_text("shop-v1 is ready. The exam cannot decide yet, so you do.")
    expect(page.locator("#advice")).to_contain_text("more corrections on new questions")
    shoot(page, "train-finished")
    now = [cell.inner_text() for cell in page.locator("#shows .taught td.now").all()]
    assert any(SIGN_OFF in text for text in now), now


def _compare_again(page: Page) -> None:
    """Blind, candidate against base, on questions of the same kind that were never taught."""
    page.locator("#run-compare").click()
    changed = []
    for product in NEVER_TAUGHT:
        ask(page, question(product))
        assert "shop-v1" not in page.locator("#panes").inner_text()
        page.keyboard.press("3")
        expect(page.locator("#vote-saved")).to_contain_text("shop-v1")
        new, old = (
            ("left", "right") if "A was shop-v1" in page.locator("#vote-saved").inner_text() else ("right", "left")
        )
        changed.append((answer(page, new), answer(page, old)))
        shoot(page, f"compare-again-{product.split()[0].lower()}")
        page.locator("#next-question").click()
        expect(page.locator("#pane-left .asked")).to_have_count(0)
    asked = zip(NEVER_TAUGHT, changed, strict=True)
    assert any(now.endswith(SIGN_OFF) and product in now for product, (now, _) in asked), changed
    assert not any(SIGN_OFF in before for _, before in changed), changed


def test_a_person_takes_it_into_service_and_back(app: Running, page: Page) -> None:
    page.get_by_role("tab", name="Train").click()
    page.locator("#run-use").click()
    expect(page.locator("#champion")).to_have_text("Champion shop-v1")
    page.get_by_role("tab", name="Chat").click()
    box = page.locator("#chat-prompt textarea")
    box.fill(question(NEVER_TAUGHT[0]))
    box.press("Enter")
    turn = wait_for(lambda: _answered_chat(app), what="the chat reply", within_s=60)
    assert turn["lanes"][0]["contestant"] == "shop-v1"
    shoot(page, "chat-champion")
    page.get_by_role("tab", name="Train").click()
    page.locator("#roll-back").click()
    expect(page.locator("#champion")).to_have_text("Champion base")
    assert app.post("/api/adapters/shop-v1/promote") == {"champion": "shop-v1"}


def _answered_chat(app: Running) -> dict | None:
    """The last turn of the newest conversation, if it is one of Chat and has been answered."""
    conversation = app.get("/api/conversations")["items"][0]["id"]
    turn = app.get(f"/api/conversations/{conversation}")["turns"][-1]
    return turn if turn["mode"] == "chat" and turn["lanes"][0]["finish"] == "stop" else None


@pytest.mark.soak  # of the kills, `make test` has those of test_pipeline_kills.py
def test_after_sigkill_in_mid_training_no_process_is_left_and_nothing_saved_is_lost(
    app: Running, browser: Browser
) -> None:
    before = app.get("/api/conversations")["items"]
    card = app.get("/api/dataset")
    run = app.post("/api/runs", args={"steps": 5000})["id"]
    wait_for(lambda: app.get(f"/api/runs/{run}")["metrics"]["step"] > 1, what="the training", within_s=90)
    made = app.get(f"/api/runs/{run}")["metrics"]["step"]
    app.kill()
    wait_for(lambda: not app.family(), what="the end of every process", within_s=15)
    app.start()
    assert app.get("/api/conversations")["items"] == before
    assert app.get("/api/dataset") == card
    assert app.get("/api/adapters")["champion"] == "shop-v1"
    app.until_ready()
    turn = app.post("/api/turns", prompt=question(NEVER_TAUGHT[0]), params={"temperature": 0})
    lane = turn["lanes"][0]
    assert (lane["contestant"], lane["finish"]) == ("shop-v1", "stop")
    page = browser.new_page()
    page.goto(app.url)
    page.get_by_role("tab", name="Chat").click()
    expect(page.locator("#chat-history")).to_contain_text(before[0]["title"])
    page.close()
    wait_for(lambda: app.get(f"/api/runs/{run}")["metrics"]["step"] > made, what="the training, again", within_s=120)
    app.post(f"/api/runs/{run}/stop")
    wait_for(lambda: app.get(f"/api/runs/{run}")["stage"] in ENDED, what="the end of the run", within_s=120)
    assert app.get("/api/adapters")["champion"] == "shop-v1"


def test_a_second_app_on_the_same_home_is_refused_and_told_who_holds_it(app: Running) -> None:
    import subprocess
    import sys

    command = [sys.executable, str(ROOT / "app.py"), "--open", "--home", str(app.home), "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, env=_environment(), check=False)
    assert second.returncode == 3
    assert f"in use by ftchat with process id {app.process.pid}" in second.stderr


def _environment() -> dict[str, str]:
    return {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}


def test_nothing_but_the_app_listens_to_anyone_else(app: Running) -> None:
    """Every listening socket of the family is on loopback."""
    inodes = {
        link.readlink().name[8:-1]
        for pid in app.family()
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if str(link.readlink()).startswith("socket:")
    }
    assert inodes
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address = fields[1].split(":")[0]
                assert address in ("0100007F", "00000000000000000000000001000000"), line
