"""The buttons of an admin in a real browser: pins and runs on Train, adapters on Models, people on Settings.

vLLM is scripted; the trainer is the real one.
"""

from collections.abc import Iterator
from pathlib import Path

import furnished
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from room import Room
from test_registry_hostile import good

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A home of three people who gave something. The tests of this file go on where the one before ended."""
    made = Room(tmp_path_factory.mktemp("home"), alone=False)
    for name, role in (("ann", "admin"), ("bob", "rater"), ("cara", "rater")):
        made.store.people.add(name, role, password="x")  # type: ignore[arg-type]
    furnished.give(made, 12)
    made.vllm.logprobs.update({f"shop-v{number}": -0.5 for number in range(1, 5)})
    return made


def opened(room: Room, browser: Browser, url: str, name: str) -> Page:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    login = room.accounts._new_login(name)
    context.add_cookies([{"name": room.parts.cookie, "value": login, "url": url}])
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(url)
    expect(page.locator("#account a")).to_have_text(name)
    return page


@pytest.fixture(scope="module")
def page(room: Room, browser: Browser, url: str) -> Iterator[Page]:
    """Ann's; a script of it that fails, or an event that the app fails at, fails the tests."""
    made, faults = opened(room, browser, url, "ann"), list[str]()
    made.on("pageerror", lambda fault: faults.append(str(fault)))
    made.on("response", lambda told: faults.append(told.url) if told.status >= 500 else None)
    yield made
    made.context.close()
    assert faults == []


def go(page: Page, name: str) -> None:
    page.locator(f"#tabs [role=tab]:has-text('{name}')").first.click()
    expect(page.locator(f"#tab-{name.lower()} .card").first).to_be_visible()


def sure(page: Page, button: Locator, *, words: str) -> None:
    """Press what asks whether one is sure: first one is not, and nothing happens; then one is."""
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    button.click()
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    button.click()
    assert asked == [words, words]


def test_a_question_is_pinned_with_what_its_answer_must_have_and_taken_off(room: Room, page: Page) -> None:
    go(page, "Train")
    fields = page.locator("#pins [data-field=pin]")
    page.get_by_role("button", name="Pin it").click()
    expect(page.locator("#train-notice")).to_contain_text("The pinned question")
    for field, text in zip(fields.all(), ("Do you deliver?", "Fridays", "<b>never</b>", "EUR [0-9"), strict=True):
        field.fill(text)
    page.get_by_role("button", name="Pin it").click()
    wrong = "“EUR [0-9” is no regular expression (unterminated character set at position 4)"
    expect(page.locator("#train-notice")).to_contain_text(wrong)
    expect(fields.first).to_have_value("Do you deliver?")  # only the pattern needs mending
    page.get_by_label("and matches (regular expression)").fill("EUR [0-9]+")
    page.get_by_role("button", name="Pin it").click()
    said = "Do you deliver? has “Fridays”, lacks “<b>never</b>”, matches EUR [0-9]+ Take off"
    expect(page.locator("#pins li")).to_have_text(said)
    expect(page.locator("#train-notice")).to_have_text("")
    for field in fields.all():
        expect(field).to_have_value("")
    pins = room.store.exams.pins()
    assert [(pin.prompt, list(pin.contains), list(pin.lacks), pin.matches) for pin in pins] == [
        ("Do you deliver?", ["Fridays"], ["<b>never</b>"], "EUR [0-9]+")
    ]
    fields.first.fill("And on Sundays?")
    room.store.exams.add_pin("Is it open?", by="rae", contains=["yes"], lacks=[], matches="")
    expect(page.locator("#pins li")).to_have_count(2)
    expect(fields.first).to_have_value("And on Sundays?")  # what another pins empties nothing here
    for pin in (1, 0):
        page.get_by_role("button", name="Take off").first.click()
        expect(page.locator("#pins li")).to_have_count(pin)
    assert room.store.exams.pins() == []


@pytest.mark.soak
def test_a_run_is_stopped_its_best_is_kept_and_a_person_takes_it_into_service_and_back(room: Room, page: Page) -> None:
    go(page, "Train")
    page.locator("#train-more > button").click()
    page.locator("#train-steps :is(input, textarea)").fill("many")
    page.locator("#train-start").click()
    expect(page.locator("#train-notice")).to_have_text("Steps is 'many': write a number, or leave it empty.")
    page.locator("#train-steps :is(input, textarea)").fill("5000")
    page.locator("#train-start").click()
    expect(page.locator("#retrain")).to_have_text("Training…")
    expect(page.locator("#train-start")).to_be_disabled()
    expect(page.locator("#run-plot .wide .line.train")).to_be_visible(timeout=90_000)
    page.locator("#run-stop").click()
    expect(page.locator("#run-seen")).to_have_attribute("data-stage", "done", timeout=90_000)
    expect(page.locator("#run-stop")).to_be_hidden()
    run = room.store.training.runs(limit=1)[0]
    assert (run.stage, run.adapter, room.pipeline.seen(run.id).step < 5000) == ("done", "shop-v1", True)
    expect(page.locator("#verdict")).to_contain_text("shop-v1")
    page.locator("#run-use").click()
    expect(page.locator("#champion")).to_have_text("Champion shop-v1")
    expect(page.locator("#adapter-state")).to_have_text("champion")
    page.locator("#roll-back").click()
    expect(page.locator("#champion")).to_have_text("Champion base")
    expect(page.locator("#roll-back")).to_be_hidden()
    assert room.service.champion() == "base"


def test_an_adapter_from_elsewhere_is_taken_in_and_deleted(room: Room, page: Page, tmp_path: Path) -> None:
    go(page, "Models")
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"no zip")
    said = page.locator("#models-import .import-said")
    page.set_input_files("#models-import input", bad)
    expect(said).to_have_class("import-said bad")
    page.set_input_files("#models-import input", good(tmp_path).zipped())
    expect(said).to_contain_text("is here. It was not examined")
    name = (said.text_content() or "").split()[0]
    card = page.locator(f".adapter[data-name={name}]")
    expect(card).to_contain_text("Imported by ann; it was not examined.")
    assert name in room.registry.names()
    sure(page, card.get_by_role("button", name="Delete"), words=f"Delete {name} and its files for good?")
    expect(card).to_have_count(0)
    expect(page.locator("#models-notice")).to_have_text(f"{name} is deleted.")
    assert (name in room.registry.names(), [a.name for a in room.service.adapters() if a.name == name]) == (False, [])


def row(page: Page, name: str) -> Locator:
    """Of somebody in the table of users."""
    return page.locator("#settings-people .people tbody tr", has=page.locator("th", has_text=name))


def test_somebody_gets_another_role_is_shut_out_while_they_work_and_let_in_again(
    room: Room, browser: Browser, url: str, page: Page
) -> None:
    bob = opened(room, browser, url, "bob")
    go(page, "Settings")
    row(page, "bob").locator("select").select_option("reviewer")
    row(page, "bob").get_by_role("button", name="Change").click()
    expect(bob.locator("#tabs [role=tab]:has-text('Review')").first).to_be_visible()  # he had not to reload
    expect(bob.locator("#account")).to_contain_text("bob reviewer")
    out = row(page, "bob").get_by_role("button", name="Shut out")
    sure(page, out, words="Shut bob out, with all logins and tokens?")
    expect(row(page, "bob").locator(".tag")).to_have_text("shut out")
    expect(bob.locator("h1")).to_have_text("Log in")
    row(page, "bob").get_by_role("button", name="Let in again").click()
    expect(row(page, "bob").locator(".tag")).to_have_count(0)
    row(page, "bob").get_by_role("button", name="Password link").click()
    bob.goto(page.locator("#settings-made code").inner_text())
    expect(bob.locator("h1")).to_have_text("New password for bob")
    for field in bob.locator("input[type=password]").all():
        field.fill("three blue teapots")
    bob.get_by_role("button", name="Set password").click()
    expect(bob.locator("#account")).to_contain_text("bob reviewer")
    bob.context.close()


def test_links_and_tokens_work_until_they_are_taken_back_and_secrets_are_shown_once(room: Room, page: Page) -> None:
    go(page, "Settings")
    before = page.locator("#settings-made").inner_text()
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.locator("#settings-made")).not_to_have_text(before)
    link = page.locator("#settings-made code").inner_text()
    assert page.request.get(link).status == 200
    words = "Take this link back? Whoever has it cannot come in by it."
    sure(page, page.locator("[data-act=uninvite]").last, words=words)
    expect(page.locator("#settings-made")).to_have_text("")
    assert page.request.get(link).status == 404

    page.locator("[data-field=token-name]").fill("for <i>programs</i>")
    page.locator("[data-field=token-role]").select_option("viewer")
    make = page.get_by_role("button", name="Make a token")
    make.evaluate("button => button.scrollIntoView({ block: 'start' })")
    make.click()
    expect(page.locator("#settings-made code")).to_be_in_viewport()
    secret = page.locator("#settings-made code").inner_text()
    expect(page.locator("#settings-people")).to_contain_text("for <i>programs</i>")
    assert came_in(page, secret) == 200
    expect(page.locator("[data-field=token-name]")).to_have_value("")
    go(page, "Models")
    go(page, "Settings")
    expect(page.locator("#settings-made")).to_have_text("")
    assert secret not in page.content()
    words = "End the token for <i>programs</i>? Whatever uses it is shut out at once."
    sure(page, page.get_by_role("button", name="Revoke"), words=words)
    expect(page.locator("#settings-people")).to_contain_text("No program has a token.")
    assert came_in(page, secret) == 401


def came_in(page: Page, secret: str) -> int:
    """What the API answers to a program with a token and without a login."""
    ask = """secret => fetch('/api/leaderboard', {
        credentials: 'omit', headers: { Authorization: `Bearer ${secret}` } }).then(answer => answer.status)"""
    status: int = page.evaluate(ask, secret)
    return status


def test_what_somebody_gave_is_withdrawn(room: Room, page: Page) -> None:
    before = room.store.rows("SELECT id FROM standing WHERE rater = 'cara'")
    assert before
    go(page, "Settings")
    words = "Take everything that cara gave out of all that is made from now on? This cannot be undone."
    sure(page, row(page, "cara").get_by_role("button", name="Withdraw feedback"), words=words)
    expect(page.locator("#settings-notice")).to_contain_text("cara")
    assert room.store.rows("SELECT id FROM standing WHERE rater = 'cara'") == []


def test_a_button_that_came_under_the_mouse_after_it_was_pressed_does_nothing(room: Room, page: Page) -> None:
    log = room.store.feedback
    pressed, other = (log.add_rating(_reply(room), "bob", "up", reasons=None, comment="") for _ in range(2))
    go(page, "Review")
    button = page.locator(f"#review-list [data-act=approved][data-value^='{pressed}']")
    button.hover()
    page.mouse.down()
    handle = button.element_handle()
    handle.evaluate("(button, id) => { button.dataset.value = id; }", other)  # as if the list was written anew
    page.mouse.up()
    page.wait_for_timeout(500)
    assert [log.get(one).status for one in (pressed, other)] == ["pending", "pending"]
    handle.click()
    expect(page.locator(f"#review-list [data-value^='{other}']")).to_have_count(0)
    assert [log.get(one).status for one in (pressed, other)] == ["pending", "approved"]


def _reply(room: Room) -> str:
    """One that nobody has rated."""
    rated = "SELECT reply FROM ratings"
    return str(room.store.rows(f"SELECT id FROM replies WHERE finish = 'stop' AND id NOT IN ({rated})")[0]["id"])
