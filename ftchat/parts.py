"""The parts of a running app, made once by `serve` and handed to the pages and the API; and who is asking them."""

from dataclasses import dataclass
from typing import Any

from ftchat.accounts import ALONE as ALONE
from ftchat.accounts import Accounts
from ftchat.backups import Backups
from ftchat.base import Base
from ftchat.chat import Chat
from ftchat.config import Settings
from ftchat.errors import NotAllowed, NotLoggedIn
from ftchat.judging import Judging
from ftchat.pipeline import Pipeline
from ftchat.records import Person, Standing
from ftchat.redrafts import Redrafts
from ftchat.schedule import Schedule
from ftchat.service import Service
from ftchat.sessions import Sessions
from ftchat.store import Store
from ftchat.store.people import Entry
from ftchat.webhook import Webhook


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What pages and API call. Nothing here is made per user or per request."""

    settings: Settings
    base: Base
    store: Store
    accounts: Accounts
    chat: Chat
    judging: Judging
    redrafts: Redrafts
    sessions: Sessions
    pipeline: Pipeline
    service: Service
    backups: Backups
    schedule: Schedule
    webhook: Webhook

    def person(self, request: Any, at_least: Standing = "viewer") -> Person:
        """Whose request this is, looked up anew on each call; refused when they may not what this role may."""
        entry = self.entry(request)
        if entry is None:
            raise NotLoggedIn("Log in first, at /login. Programs send a token: Authorization: Bearer TOKEN.")
        if not entry.person.is_at_least(at_least):
            raise NotAllowed(f"This is for {at_least}s; you are a {entry.person.role} here. An admin can change that.")
        return entry.person

    def entry(self, request: Any) -> Entry | None:
        """As whom a request comes in: with `open`, as the one person at this machine; else by token or login."""
        if self.settings.open:
            return Entry("", ALONE, 0.0)
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        return self.accounts.known(
            bearer=bearer.strip() if scheme.lower() == "bearer" else None,
            cookie=_cookie(request.headers.get("cookie", ""), self.cookie),
            here=getattr(request.state, "here", False),  # said by the guard
        )

    @property
    def cookie(self) -> str:
        """The name of the login's cookie. Cookies know no ports: two apps on one machine need two names."""
        return f"ftchat_{self.settings.port}"


def address_of(request: Any) -> str:
    """The address that a request comes from."""
    return str(getattr(request.client, "host", ""))


def _cookie(header: str, name: str) -> str | None:
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return None
