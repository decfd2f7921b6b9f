"""Gradio behind the login: a page's session_hash belongs to the login that used it first, and no other path is open.

Gradio itself takes a session_hash from whoever knows it, with another's state and stream behind it. This stands around
gradio's app as plain ASGI. It reads the hash wherever a call carries one (address, query, body), and lets streams pass
untouched. What the pages do not use (files, uploads, proxies, deep links, the open API) is not there.

No open page holds a connection: a browser has six to an address, and with six tabs that hold one each nothing would
answer in any of them. A heartbeat, by which gradio would learn that a page was closed, ends here at once (its script
asks once, and does not mind the end), and a stream ends when nothing is to come.
"""

import asyncio
import itertools
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ftchat.errors import BadInput, FtchatError, NotFound, NotLoggedIn
from ftchat.parts import Parts
from ftchat.ui.upkeep import Upkeep

_PAGES = {"/", "/config", "/theme.css", "/favicon.ico", "/robots.txt"}
_FILES = ("/assets/", "/static/", "/svelte/")
_READ = re.compile(r"/gradio_api/(?:queue/data|heartbeat/([A-Za-z0-9_-]{1,64})|app_id|startup-events|theme\.css)/?")
_COUNT, _FAREWELL = "x-stream", b'"msg":"close_stream"'
_HEARTBEAT, _STREAM = "/gradio_api/heartbeat/", "/gradio_api/queue/data"
_SENT = re.compile(r"/gradio_api/(?:run/predict|queue/join|cancel|reset)/?")
_HASH = re.compile(r"[A-Za-z0-9_-]{1,64}")
Owner = Callable[[str], str | None]  # event id -> the session_hash that it runs for


class Doorway:
    """ASGI around gradio's app."""

    def __init__(self, app: ASGIApp, *, parts: Parts, event_session: Owner, upkeep: Upkeep) -> None:
        """Nobody has a session yet. `event_session` gives the session that a running event belongs to."""
        self._app = app
        self._parts = parts
        self._event_session = event_session
        self._upkeep = upkeep
        self._bindings = Bindings()
        self._numbers = itertools.count(1)
        self._ended: OrderedDict[str, int] = OrderedDict()  # session -> the last of its streams that ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the pages need, for who is logged in and with what is theirs."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = self._parts.entry(HTTPConnection(scope))
        if entry is None:
            await _to_login(scope)(scope, receive, send)
            return
        try:
            hashes, receive = await self._carried(scope, receive)
            for session in hashes:
                self._bindings.claim(session, entry.id)
        except FtchatError as err:
            await _refused(err)(scope, receive, send)
            return
        if scope["path"].startswith(_HEARTBEAT):
            self._upkeep.forget(datetime.now())  # noqa: DTZ005 - as gradio notes it
            await Response("data: ALIVE\n\n", media_type="text/event-stream")(scope, receive, send)
            return
        if scope["path"].startswith(_STREAM) and hashes:
            await self._stream(hashes[-1], scope, receive, send)  # of several the last one, as gradio takes it
        else:
            await self._app(scope, receive, self._saying_what_ended(hashes, send))

    async def _stream(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """What becomes of a session's events, until nothing is to come."""
        number = next(self._numbers)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[_COUNT] = str(number)
            elif _FAREWELL in message["body"]:
                self._note_end(session, number)
            await send(message)

        ending = asyncio.create_task(self._upkeep.end_when_idle(session))
        try:
            await self._app(scope, receive, counted)
        finally:
            ending.cancel()

    def _note_end(self, session: str, number: int) -> None:
        self._ended[session] = max(number, self._ended.get(session, 0))
        self._ended.move_to_end(session)
        if len(self._ended) > Bindings.OF_ALL:
            self._ended.popitem(last=False)

    def _saying_what_ended(self, hashes: list[str], send: Send) -> Send:
        """Each answer says which stream was the last to end: calls.js knows what that is good for."""

        async def saying(message: Message) -> None:
            if message["type"] == "http.response.start" and hashes:
                MutableHeaders(scope=message)[_COUNT] = str(self._ended.get(hashes[-1], 0))
            await send(message)

        return saying

    async def _carried(self, scope: Scope, receive: Receive) -> tuple[list[str], Receive]:
        """Every session_hash of a call, and its body to be read again; a path that the pages do not use is no path."""
        path, method = scope["path"], scope["method"]
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        hashes = [value for name, value in asked if name == "session_hash"]
        if method in ("GET", "HEAD"):
            found = _READ.fullmatch(path)
            if not found and (path not in _PAGES and not path.startswith(_FILES)):
                raise NotFound(f"There is nothing at {path}.")
            if any(name == "deep_link" for name, _ in asked):
                raise NotFound("Links into a page's state are not used here.")
            hashes += [found.group(1)] if found and found.group(1) else []
        elif method == "POST" and _SENT.fullmatch(path):
            body = await Request(scope, receive).body()
            hashes += self._in_body(body, path)
            receive = _again(body, receive)
        else:
            raise NotFound(f"There is nothing at {path}.")
        if not all(_HASH.fullmatch(session) for session in hashes):
            raise BadInput("A session_hash has 1 to 64 letters and digits.")
        return hashes, receive

    def _in_body(self, body: bytes, path: str) -> list[str]:
        """The session that a body names, and the one that its event runs for."""
        try:
            given = json.loads(body, object_pairs_hook=_once)
        except (ValueError, RecursionError) as err:  # not JSON, not UTF-8, a name twice, or nested without end
            raise BadInput("The body is not JSON with each name once.") from err
        if not isinstance(given, dict):
            raise BadInput("The body is not a JSON object.")
        session, event = given.get("session_hash"), given.get("event_id")
        runs_for = self._event_session(event) if isinstance(event, str) else None
        if session is None and path.startswith("/gradio_api/reset"):
            return [runs_for] if runs_for else []
        if not isinstance(session, str):
            raise BadInput("The body names no session_hash.")
        if runs_for not in (None, session):
            raise NotFound("There is no such event.")
        return [session]


class Bindings:
    """Which login a session_hash belongs to. Bounded: of each login and of all, the longest unused are forgotten."""

    OF_ONE = 200  # pages that one login has open
    OF_ALL = 20_000  # more than the states that gradio keeps (10,000), so that a forgotten hash has no state

    def __init__(self) -> None:
        """None are bound."""
        self._lock = threading.Lock()
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._of: dict[str, OrderedDict[str, None]] = {}

    def claim(self, session: str, login: str) -> None:
        """Bind it when it is new; with another's it is not there."""
        with self._lock:
            if self._owners.setdefault(session, login) != login:
                raise NotFound("There is no such session. Copy what you are writing, then reload the page.")
            mine = self._of.setdefault(login, OrderedDict())
            mine[session] = None
            mine.move_to_end(session)
            self._owners.move_to_end(session)
            if len(mine) > self.OF_ONE:
                self._forget(next(iter(mine)))
            if len(self._owners) > self.OF_ALL:
                self._forget(next(iter(self._owners)))

    def __len__(self) -> int:
        return len(self._owners)

    def _forget(self, session: str) -> None:
        login = self._owners.pop(session)
        del self._of[login][session]
        if not self._of[login]:
            del self._of[login]


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no name stands twice: two readers could see two different ones."""
    given = dict[str, Any]()
    for name, value in pairs:
        if name in given:
            raise ValueError(name)
        given[name] = value
    return given


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read once more; then what else comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return waiting.pop() if waiting else await receive()

    return receiving


def _to_login(scope: Scope) -> Response:
    """A page leads to the login; anything else is told that there is none."""
    if scope["method"] in ("GET", "HEAD") and scope["path"] == "/":
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(f"/login?next={quote('/?' + query if query else '/', safe='')}", 303)
    return _refused(NotLoggedIn("Log in first, at /login."))


def _refused(err: FtchatError) -> Response:
    return JSONResponse({"error": {"type": err.type, "message": err.message}}, err.status)
