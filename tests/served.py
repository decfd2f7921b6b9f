"""A room on a port of its own, pages and all, and a Chromium to look at it with."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as TooLate
from room import Room

from ftchat import ui, web
from ftchat.install.browser import find_browser

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def served(room: Room, *, around: Callable[[Any], Any] = lambda app: app) -> Iterator[str]:
    """The whole app of a room, at the address that is given; `around` may stand in front of it and see all traffic."""
    app = web.build(room.parts)
    ui.mount(app, room.parts)
    server = uvicorn.Server(uvicorn.Config(around(app), log_config=None, timeout_graceful_shutdown=1))
    listening = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        await server.serve(sockets=[listening])
        await room.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="served")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; contexts and pages are the test's."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
        yield started
        started.close()


def to_tab(page: Page, name: str) -> None:
    """To a page by its tab, which on a phone may be behind the three dots, or be going there this moment: a tab becomes
    wider when it is known how much waits."""
    tab = page.locator("#tabs [role=tab]:visible").filter(has_text=name)
    for _ in range(15):
        with suppress(TooLate):
            if tab.count():
                tab.first.click(timeout=2_000)
            else:
                page.locator("#tabs .overflow-menu > button").click(timeout=2_000)
                page.locator(".overflow-dropdown button").filter(has_text=name).click(timeout=2_000)
            return
    raise AssertionError(f"There is no tab {name}.")


def serious(page: Page) -> list[str]:
    """What axe finds that keeps somebody out."""
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:200]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


class Overheard:
    """An ASGI app around another that keeps each message that is sent while it listens, with the address it was asked
    at."""

    def __init__(self, *, listening: bool = False) -> None:
        self.listening = listening
        self.told: list[tuple[str, str]] = []

    def around(self, app: Any) -> Any:
        async def heard(scope: Any, receive: Any, send: Any) -> None:
            async def kept(message: Any) -> None:
                if self.listening:
                    headers = [b": ".join(one) for one in message.get("headers", ()) if one[0] != b"content-length"]
                    raw = b"\n".join([*headers, message.get("body", b"")])
                    asked = f"{scope['path']}?{scope['query_string'].decode()}"
                    self.told.append((asked, raw.decode("utf-8", "replace")))
                await send(message)

            await app(scope, receive, kept if scope["type"] == "http" else send)

        return heard

    @property
    def text(self) -> str:
        """All of it. A name needs no escapes in JSON."""
        return "\n".join(f"{asked}\n{text}" for asked, text in self.told)


@contextmanager
def canary() -> Iterator[tuple[str, list[str]]]:
    """A server that nobody should call: its address, and the paths that were asked of it."""
    asked: list[str] = []

    async def heard(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    server = uvicorn.Server(uvicorn.Config(heard, log_config=None, lifespan="off"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), name="canary")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    finally:
        server.should_exit = True
        thread.join()
