"""The login as a browser meets it: strict cookies, forms with an origin, a page whose login ends."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, expect
from room import Room
from served import served

PASSWORD = "three blue teapots"
BOX = "#compare-prompt textarea"

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path, alone=False)


@pytest.fixture
def url(room: Room) -> Iterator[str]:
    with served(room) as address:
        yield address


@pytest.fixture
def elsewhere(url: str) -> Iterator[str]:
    """Another site, with a link to the app."""

    async def link(scope, receive, send) -> None:
        page = f'<!doctype html><link rel="icon" href="data:,"><a href="{url}/">to ftchat</a>'.encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": page})

    server = uvicorn.Server(uvicorn.Config(link, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
    thread.start()
    yield f"http://localhost:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_from_the_first_link_to_being_shut_out(room: Room, url: str, elsewhere: str, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 700}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(url)
    expect(page).to_have_url(f"{url}/login?next=%2F")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.goto(f"{url}/join/{room.accounts.first_admin()}")
    page.get_by_label("New password, ").fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    page.locator(BOX).wait_for()

    other = context.new_page()  # a strict cookie is not sent with the first request of this one
    other.goto(elsewhere)
    other.get_by_text("to ftchat").click()
    other.locator(BOX).wait_for(timeout=60_000)
    other.close()

    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("something else")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator(BOX).wait_for()

    room.accounts.join(room.accounts.invite("admin", "admin")[1], "ben", PASSWORD)
    room.accounts.set_disabled("admin", disabled=True)
    expect(page).to_have_url(f"{url}/login", timeout=30_000)  # by the page's own next request, without a click
