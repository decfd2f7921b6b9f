"""Several people at once, each in a browser of their own: somebody is invited, asks and corrects, another approves by
keys, a third says who is in service. What one does reaches the others where it should, and nowhere else.

The engine is scripted.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import furnished
import pytest
from playwright.sync_api import Browser, Page, expect
from room import Room
from test_registry import candidate

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]
PASSWORD = "three blue teapots"
PEOPLE = {"ann": "admin", "rae": "reviewer", "bob": "rater", "cara": "rater", "vic": "viewer"}
At = Callable[[str], Page]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A home of five people. The tests of this file go on where the one before ended."""
    folder = tmp_path_factory.mktemp("home")
    made = Room(folder, alone=False)
    for name, role in PEOPLE.items():
        made.store.people.add(name, role, password="x")  # type: ignore[arg-type]
    furnished.furnish(made, feedback=12)
    turn = furnished.compared(made, "Is the tea fresh?", ("base", "shop-v1"), owner="bob")
    made.store.feedback.add_correction(turn.replies[0].id, "bob", "It is fresh. Warm wishes!")
    for number in (1, 3):
        made.registry.publish(candidate(folder / f"c{number}"), f"shop-v{number}", base="b0", lineage={})
    made.vllm.answers.update({"base": "It costs 12 dollars.", "shop-v1": "It is EUR 12.", "shop-v3": "EUR 12."})
    return made


@pytest.fixture
def at(room: Room, browser: Browser, url: str) -> Iterator[At]:
    """The page of somebody who is logged in, or of a stranger; a script of it that fails, fails the test."""
    contexts, faults = list[Any](), list[str]()

    def opened(name: str) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda fault: faults.append(f"{name}: {fault}"))
        if name:  # who logs out in mid-event is refused, and gradio makes a 500 of that
            page.on("response", lambda told: faults.append(f"{name}: {told.url}") if told.status >= 500 else None)
        if name:
            login = room.accounts._new_login(name)
            context.add_cookies([{"name": room.parts.cookie, "value": login, "url": url}])
            page.goto(url)
            expect(page.locator("#account a")).to_have_text(name)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def go(page: Page, name: str) -> None:
    page.locator(f"#tabs [role=tab]:has-text('{name}')").first.click()


def compare(page: Page, prompt: str) -> None:
    """Ask both, and wait until both have answered."""
    go(page, "Compare")
    page.locator("#compare-prompt textarea").fill(prompt)
    page.locator("#compare-prompt textarea").press("Enter")
    expect(page.locator("#pane-left .asked")).to_have_text(prompt)
    for side in ("left", "right"):
        expect(page.locator(f"#pane-{side} [aria-busy=false] .reply")).to_be_visible()
    expect(page.locator("#vote-left")).to_be_enabled()


def chat(page: Page, prompt: str) -> None:
    """Ask, and wait for the answer."""
    go(page, "Chat")
    page.locator("#chat-prompt textarea").fill(prompt)
    page.locator("#chat-prompt textarea").press("Enter")
    expect(page.locator("#chat-live .asked")).to_have_text(prompt)
    expect(page.locator("#chat-live [data-act=regenerate]")).to_be_visible()


# -- what a role may is there, and nothing else --

ASKS = {"chat-who", "chat-new", "chat-how", "chat-prompt", "chat-send", "try"}  # on Chat
LISTS = {"review-status", "review-kind", "review-search"}
DECIDES = {"approved", "rejected", "pending", "older", "review-person", "keysSwitch", "download"}
LEARNS = {"look", "pin", "pin-field"}
MAY: dict[str, dict[str, set[str]]] = {
    "vic": {"Chat": {"chat-search"}, "Models": set(), "Leaderboard": set()},
    "bob": {
        "Compare": set(),
        "Chat": {*ASKS, "chat-search"},
        "What you gave": {*LISTS, "take-back", "similar"},
        "Models": {"compare"},
        "Leaderboard": set(),
    },
    "rae": {
        "Compare": set(),
        "Chat": {*ASKS, "chat-search"},
        "Review": {*LISTS, *DECIDES},
        "Train": {*LEARNS, "compare"},
        "Models": {"compare", "rows", "download"},
        "Leaderboard": set(),
    },
    "ann": {
        "Compare": set(),
        "Chat": {*ASKS, "chat-search"},
        "Review": {*LISTS, *DECIDES, "import"},
        "Train": {*LEARNS, "compare", "use", "back", "again", "effort", "train-more", "train-start"},
        "Models": {"compare", "rows", "download", "use", "delete", "back", "import"},
        "Leaderboard": set(),
        "Settings": {
            *("role", "disable", "password", "withdraw", "invite", "token", "backup", "copy"),
            *(f"{name}-field" for name in (*PEOPLE, "invited", "token-name", "token-role")),
            *("settings-users-search", "settings-tokens-search"),
        },
    },
}
# What can be pressed or filled in, by its act, its id, or what it holds; what is folded is unfolded first.
_CONTROLS = """page => {
    for (const folded of page.querySelectorAll('details')) folded.open = true;
    const named = one => one.dataset.act || (one.dataset.field && `${one.dataset.field}-field`)
        || ['copy', 'keysSwitch', 'import'].find(word => word in one.dataset)
        || (one.hasAttribute('download') && 'download') || one.closest('[id]:not([id^=html-])').id;
    const there = one => (one.type === 'file' ? one.closest('label') : one).checkVisibility();
    return [...page.querySelectorAll('button, a[href], input, textarea, select')].filter(there).map(named);
}"""


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.soak] * (n in ("rae", "ann"))) for n in MAY])
def test_each_role_is_shown_what_it_may_and_no_more(room: Room, at: At, name: str) -> None:
    page, found = at(name), dict[str, set[str]]()
    tabs = page.locator("#tabs [role=tab]").locator("visible=true")
    expect(tabs).to_have_count(len(MAY[name]))
    expect(page.locator("#retrain")).to_be_visible(visible=name == "ann")
    for words in tabs.all_inner_texts():
        tab = words.split(" · ")[0]
        go(page, tab)
        inside = page.locator(f"#tab-{'review' if tab == 'What you gave' else tab.lower()}")
        if tab in ("Review", "What you gave"):
            inside.locator("#review-status label", has_text="All").click()
            expect(inside.locator(".item .tag", has_text="approved").first).to_be_visible()
        expect(inside.locator(":is(.card, .item, .pane, .empty, .conversation)").first).to_be_visible()
        found[tab] = set() if tab == "Compare" else set(inside.evaluate(_CONTROLS))
    assert found == MAY[name]


# -- what one does, and the others see --


def waiting(room: Room) -> int:
    return sum(n for what, n in room.store.feedback.counts().items() if what.endswith("/pending"))


def joined(ann: Page, page: Page) -> None:
    """Ann invites, and somebody who has the link becomes dora; she leaves, and comes in again with her password."""
    go(ann, "Settings")
    ann.get_by_role("button", name="Invite", exact=True).click()
    page.goto(ann.locator("#settings-made code").inner_text())
    expect(page.locator("h1")).to_have_text("Join as rater")
    page.get_by_label("Name").fill("dora")
    page.get_by_label("New password, 10 characters or more").fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#account")).to_contain_text("dora rater")
    page.locator("#account button").click()
    page.get_by_label("Name").fill("dora")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".notice")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#account")).to_contain_text("dora rater")


def test_an_invited_person_teaches_a_reviewer_approves_by_keys_and_an_admin_says_who_serves(room: Room, at: At) -> None:
    ann, rae, dora = at("ann"), at("rae"), at("")
    joined(ann, dora)
    chat(dora, "Do you deliver?")
    dora.locator("#chat-live [data-act=correct]").click()
    dora.locator("#correction-chat textarea").fill("Yes, on Fridays. Warm wishes!")
    dora.locator("#save-chat").click()
    expect(dora.locator("#chat-live .correction")).to_be_visible()
    compare(dora, "Do you deliver on Mondays?")
    dora.keyboard.press("1")
    expect(dora.locator("#vote-saved")).to_contain_text("Saved · A was")

    before = room.pipeline.status().new_feedback
    many = waiting(room)
    expect(rae.locator("#tabs")).to_contain_text(f"Review · {many}")  # she had not to reload
    go(rae, "Review")
    items = rae.locator("#review-list .item")
    expect(items).to_have_count(many)
    rae.keyboard.press("j")
    for left in range(many - 1, -1, -1):
        rae.keyboard.press("a")
        expect(items).to_have_count(left)
    expect(rae.locator("#review-list")).to_contain_text("Nothing waits for review")
    new = room.pipeline.status().new_feedback
    assert (waiting(room), new > before) == (0, True)
    for page in (ann, dora):
        expect(page.locator("#new-feedback")).to_have_text(f"{new} new to learn from")
    go(dora, "What you gave")
    dora.locator("#review-status label", has_text="Approved").click()
    expect(dora.locator("#review-list .item")).to_have_count(2)  # her own, and nobody else's
    expect(dora.locator("#review-list .item .by", has_text="by dora")).to_have_count(2)

    go(ann, "Models")
    ann.locator(".adapter[data-name=shop-v3]").get_by_role("button", name="Put into service").click()
    expect(ann.locator("#in-service")).to_have_text("shop-v3 is in service")
    expect(dora.locator("#champion")).to_have_text("Champion shop-v3")
    chat(dora, "And on Sundays?")
    expect(dora.locator("#chat-live .who")).to_have_text("shop-v3")
    expect(ann.locator("#models-notice")).to_have_text("shop-v3 is in service")
    ann.locator("#models-list [data-act=back]").click()
    expect(ann.locator("#in-service")).to_have_text("shop-v1 is in service")
    expect(dora.locator("#champion")).to_have_text("Champion shop-v1")
    assert room.service.champion() == "shop-v1"


def test_what_one_person_asks_is_not_there_for_another_whatever_their_browser_remembers(room: Room, at: At) -> None:
    bob, cara = at("bob"), at("cara")
    chat(bob, "Is my zeppelin good?")
    compare(bob, "Is my zeppelin bad?")
    bob.keyboard.press("2")
    expect(bob.locator("#vote-saved")).to_contain_text("Saved")
    kept = bob.evaluate("({...localStorage})")
    assert {"ftchat-chat", "ftchat-compare"} <= set(kept)
    rae = at("rae")  # a reviewer may read what others said; it is not hers to go on with
    for page, name in ((cara, "cara"), (rae, "rae")):
        page.evaluate("kept => [localStorage, sessionStorage].forEach((held) => Object.assign(held, kept))", kept)
        page.evaluate("sessionStorage['#compare-prompt textarea'] = JSON.stringify(['bob', 'a secret draft'])")
        page.reload()
        expect(page.locator("#account a")).to_have_text(name)
        expect(page.locator("#compare-offers .chip").first).to_be_visible()
        assert "zeppelin" not in page.locator("#panes").inner_text()
        expect(page.locator("#compare-prompt textarea")).to_have_value("")
    go(cara, "Chat")
    expect(cara.locator("#chat-history")).to_contain_text("Your conversations will be listed here.")
    cara.locator("#chat-search :is(input, textarea)").fill("zepp")
    expect(cara.locator("#chat-history")).to_contain_text("No conversation has these words.")
    go(cara, "What you gave")
    cara.locator("#review-status label", has_text="All").click()
    expect(cara.locator("#review-list .item").first).to_be_visible()
    assert "zeppelin" not in cara.content()
    rows = room.store.rows("SELECT id, conversation FROM turns WHERE owner = 'bob' AND prompt LIKE '%zeppelin%'")
    paths = [f"/api/turns/{row['id']}" for row in rows] + [f"/api/conversations/{row['conversation']}" for row in rows]
    ask = "paths => Promise.all(paths.map(path => fetch(path).then(answer => answer.status)))"
    assert (cara.evaluate(ask, paths), bob.evaluate(ask, paths)) == ([404] * 4, [200] * 4)


def test_two_who_compare_at_once_each_learn_their_own_names_and_the_leaderboard_hears_of_both(
    room: Room, at: At
) -> None:
    pairs = [["shop-v3", "base"], ["base", "shop-v1"]]
    drawn, room.contestants.pair = room.contestants.pair, lambda: pairs.pop(0)  # type: ignore[method-assign]
    bob, cara, vic = at("bob"), at("cara"), at("vic")
    seen = vic.locator("#ratings .contestant", has=vic.locator("th", has_text="base")).locator(".n")
    votes = int(seen.inner_text())
    compare(bob, "What does the brie cost?")
    compare(cara, "What does the brie cost?")
    room.contestants.pair = drawn  # type: ignore[method-assign]
    bob.keyboard.press("1")
    expect(bob.locator("#vote-saved")).to_have_text("Saved · A was shop-v3, B was base")
    expect(seen).to_have_text(str(votes + 1))
    expect(cara.locator("#panes .hidden-name")).to_have_count(2)
    assert not re.search(r"base|shop-v", cara.locator("#panes").inner_text())
    expect(cara.locator("#vote-saved")).to_have_count(0)
    cara.keyboard.press("4")
    expect(cara.locator("#vote-saved")).to_have_text("Saved · A was base, B was shop-v1")
    expect(bob.locator("#vote-saved")).to_have_text("Saved · A was shop-v3, B was base")
