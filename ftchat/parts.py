"""The parts of a running app, made once by `serve` and handed to the pages and the API."""

from dataclasses import dataclass

from ftchat.base import Base
from ftchat.chat import Chat
from ftchat.config import Settings
from ftchat.judging import Judging
from ftchat.pipeline import Pipeline
from ftchat.records import Person
from ftchat.service import Service
from ftchat.store import Store

ALONE = Person("admin", "admin")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What pages and API call. Nothing here is made per user or per request."""

    settings: Settings
    base: Base
    store: Store
    chat: Chat
    judging: Judging
    pipeline: Pipeline
    service: Service

    def person(self, request: object) -> Person:
        """Whose request this is: without a login, the one person at this machine."""
        return ALONE
