"""Hostile texts as they come in: an engine that answers with all of them, word by word, so that each is on the page in
every half-written state; as what it rewrites, as a question and so as a title, and while an adapter learns.

The engine is scripted. With the browser's own protection switched off none runs, and none calls home.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import furnished
import pytest
from hostile import calling
from playwright.sync_api import Browser, Page, expect
from room import Room
from served import canary

from ftchat.records import Message
from ftchat.training.job import Job, Sample

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
ALL = 210


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """The tests of this file go on where the one before ended."""
    made = Room(tmp_path_factory.mktemp("home"))
    made.adapter("shop-v1")
    made.contestants.pair = lambda: ["base", "shop-v1"]  # type: ignore[method-assign]
    return made


@pytest.fixture
def texts(room: Room) -> Iterator[tuple[str, ...]]:
    """All of them, with the address of a server that nobody should call: half of them is what each of two says."""
    with canary() as (elsewhere, called):
        found = calling(elsewhere)
        assert len(found) == ALL
        room.vllm.answers.update({"base": "\n\n".join(found[::2]), "shop-v1": "\n\n".join(found[1::2])})
        yield found
        assert called == []


@pytest.fixture
def page(browser: Browser, url: str, texts: tuple[str, ...]) -> Iterator[Page]:
    """A page that nothing protects but ftchat; what runs in it fails the test."""
    made = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True).new_page()
    made.set_default_timeout(20_000)
    ran: list[str] = []
    made.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    made.on("popup", lambda other: ran.append(other.url))
    made.on("console", lambda said: print("the browser says:", said.text) if said.type == "error" else None)
    made.goto(url)
    expect(made.locator("#compare-offers .chip").first).to_be_visible()
    yield made
    made.wait_for_timeout(300)
    assert made.evaluate("window.hacked") is None
    assert ran == []
    assert made.url.startswith(url)
    made.context.close()


def active(page: Page, tab: str) -> list[str]:
    """What could run, load or send something on a page, but for ftchat's own; and links that lead anywhere unmarked."""
    found: list[str] = page.locator(f"#tab-{tab}").evaluate(
        """tab => {
            const texts = tab.querySelectorAll('.reply, .asked, .difference, .said, .conversation');
            const inside = selector => [...texts].flatMap(text => [...text.querySelectorAll(selector)]);
            const bad = inside('script, img, iframe, object, embed, link, style, form, input, video, audio, base');
            const links = inside('a').filter(a => !/^(https?|mailto):$/.test(a.protocol) || !/noopener/.test(a.rel));
            const all = inside('*').filter(one => [...one.attributes].some(a => /^on/.test(a.name)));
            return [...bad, ...links, ...all].map(one => one.outerHTML);
        }"""
    )
    return found


def test_both_answers_what_is_rewritten_and_what_is_asked_again(room: Room, page: Page, texts: tuple[str, ...]) -> None:
    room.vllm.pace_s = 0.002
    page.locator("#compare-prompt textarea").fill(f"What does the gouda cost? {texts[0]}")
    page.locator("#compare-prompt textarea").press("Enter")
    for side in ("left", "right"):
        expect(page.locator(f"#pane-{side} [aria-busy=false] .reply")).to_contain_text(
            "hacked = 13"
        )  # of the last ones
    assert active(page, "compare") == []
    page.locator("#vote-left").click()
    room.vllm.pace_s, room.vllm.answers["base"] = 0.0, "\n\n".join(texts[1::2])
    page.locator("#instruct-left").click()
    page.locator("#instruction-left textarea").fill(texts[2])
    page.locator("#rewrite-left").click()
    expect(page.locator("#change-left ins").first).to_be_visible()
    assert texts[1] in page.locator("#correction-left textarea").input_value()
    page.locator("#correction-left textarea").fill(f"It costs 12 euros. {texts[1]}")  # one that fits into a prompt
    page.locator("#save-left").click()
    expect(page.locator("#fixed-left ins").first).to_be_visible()
    page.locator("#ask-again").click()
    expect(page.locator("#asked-again [aria-busy=false] .reply")).to_be_visible()
    assert active(page, "compare") == []


def test_an_answer_on_chat_its_title_and_a_rewriting(room: Room, page: Page, texts: tuple[str, ...]) -> None:
    page.get_by_role("tab", name="Chat").click()
    for prompt in texts[:7]:
        page.locator("#chat-new").click()
        expect(page.locator("#chat-live .empty")).to_be_visible()
        page.locator("#chat-prompt textarea").fill(prompt)
        page.locator("#chat-prompt textarea").press("Enter")
        try:
            expect(page.locator("#chat-live [data-act=regenerate]")).to_be_visible()
        except AssertionError:
            print("the store has:", room.store.rows("SELECT finish, length(text) AS n FROM replies")[-3:])
            raise
    titles = page.locator("#chat-history .conversation").all_text_contents()
    assert [title[:20] for title in titles[:7]] == [" ".join(text.split())[:20] for text in reversed(texts[:7])]
    page.locator("#chat-live [data-act=fix]").click()
    page.locator("#instruction-chat textarea").fill(texts[3])
    room.vllm.answers["base"] = "\n\n".join(texts[1::2])
    page.locator("#rewrite-chat").click()
    expect(page.locator("#change-chat ins").first).to_be_visible()
    page.locator("#save-chat").click()
    expect(page.locator("#chat-live .correction ins").first).to_be_visible()
    assert active(page, "chat") == []


def learning(room: Room, texts: tuple[str, ...]) -> None:
    """A run in whose questions, corrections and answers these texts stand."""
    run = furnished.start(room)
    folder: Path = room.settings.home / "data" / "runs" / run
    folder.mkdir(parents=True)
    asked = ["\n".join(texts[n : n + 7]) for n in range(0, ALL, 7)]
    samples = tuple(
        Sample(id=f"k{n}", messages=(Message("user", text),), taught=n % 2 == 0, wanted=None if n % 2 else text)
        for n, text in enumerate(asked)
    )
    events = [
        {"event": "samples", "step": step, "items": [{"id": f"k{n}", "text": text} for n, text in enumerate(said)]}
        for step, said in ((0, asked), (5, asked[::-1]))
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    job = Job(base=folder, snapshot=folder, out=folder, metrics=folder / "metrics.jsonl", samples=samples)
    job.write(folder / "job.json")
    room.store.training.update_run(run, stage="train", progress=0.2, reason=texts[0])


def test_before_your_correction_and_now_while_it_learns(room: Room, page: Page, texts: tuple[str, ...]) -> None:
    learning(room, texts)
    page.get_by_role("tab", name="Train").click()
    rows = page.locator("#shows :is(.taught, .never-taught)")
    expect(rows).to_have_count(ALL // 7)
    shown = rows.all_text_contents()
    assert [text for text in texts if not any(text in row for row in shown)] == []
    assert active(page, "train") == []
