"""Who is asking, for every request: counts what they ask, keeps their login alive, and ends what is open when it ends.

What a route needs is the route's own to say. With `open` there is nobody to tell apart, and nothing is counted.
"""

import asyncio
import time
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ftchat.errors import TooMany
from ftchat.parts import Parts, address_of
from ftchat.store.people import Entry
from ftchat.web.common import refusal
from ftchat.web.limits import Buckets, neighbourhood

_UNCOUNTED = ("/assets/", "/static/", "/svelte/", "/theme.css", "/healthz", "/readyz")  # a page asks for 130 of them

_LOOK_EVERY_S = 5.0


class Gate:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, parts: Parts) -> None:
        """Around an app."""
        self._app = app
        self._parts = parts
        self._users = Buckets(parts.settings.user_rate)
        self._addresses = Buckets(parts.settings.address_rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless there are too many of them."""
        if scope["type"] != "http" or self._parts.settings.open or scope["path"].startswith(_UNCOUNTED):
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        try:
            entry = self._counted(request)
        except TooMany as err:
            await refusal(err)(scope, receive, send)
            return
        if entry is None:
            await self._app(scope, receive, send)
            return
        if self._parts.accounts.is_unseen(entry):
            await asyncio.to_thread(self._parts.accounts.see, entry)
        await _Open(self._parts, request, entry).run(self._app, receive, send)

    def _counted(self, request: Any) -> Entry | None:
        self._addresses.take(neighbourhood(address_of(request)))
        entry = self._parts.entry(request)
        if entry is not None:
            self._users.take(entry.person.name)
        return entry


class _Open:
    """One answer on its way, cut off when who asked for it may no longer what they could when they asked."""

    def __init__(self, parts: Parts, request: Any, entry: Entry) -> None:
        self._parts, self._request, self._entry = parts, request, entry
        self._seen, self._at = parts.accounts.ended, time.monotonic()
        self._cut = False

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Pass it on."""

        async def sending(message: Message) -> None:
            if message.get("more_body") and self._ended():
                self._cut = True
                await send({"type": "http.response.body", "body": b""})
                raise ConnectionAbortedError("The login has ended.")  # as if the browser had gone away
            await send(message)

        try:
            await app(self._request.scope, receive, sending)
        except Exception:
            if not self._cut:
                raise

    def _ended(self) -> bool:
        """Asks the database when somebody lost something since the last look, and otherwise now and then."""
        seen, at = self._parts.accounts.ended, time.monotonic()
        if seen == self._seen and at - self._at < _LOOK_EVERY_S:
            return False
        self._seen, self._at = seen, at
        now = self._parts.entry(self._request)
        return now is None or not now.person.is_at_least(self._entry.person.role)
