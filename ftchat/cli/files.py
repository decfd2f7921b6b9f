"""A home's files without an app on it: the parts that routes about accounts, feedback and adapters need, and no engine.

What needs an engine says that the app must be started. Whoever may open the files is admin.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from ftchat.accounts import ALONE, Accounts
from ftchat.config import Settings
from ftchat.errors import Conflict
from ftchat.records import BASE, Adapter, Person, Standing
from ftchat.registry import Registry
from ftchat.store import Store
from ftchat.web import accounts, feedback, models, refusals
from ftchat.web.guard import Guard
from ftchat.web.repeats import Repeats


class NeedsApp(Conflict):
    """Only a running app can do it."""

    def __init__(self, home: Path) -> None:
        """With what to do."""
        super().__init__(f"No ftchat runs on {home}, and this needs one: start it with `ftchat serve`, and try again.")


@dataclass(frozen=True)
class Shelf:
    """The adapters of a home, of whichever base, to look at and to copy."""

    store: Store
    registry: Registry
    home: Path

    def adapters(self) -> list[Adapter]:
        """All of them, newest first: which base would be served is only known once an app is started."""
        return self.store.training.adapters()

    def champion(self) -> str:
        """Who would be in service with the base of the newest adapter."""
        newest = next(iter(self.adapters()), None)
        return self.store.training.champion(newest.base) if newest else BASE

    def manifest(self, name: str) -> dict[str, Any]:
        """What an adapter's folder says; empty where it is gone or damaged."""
        return self.registry.origin(name)

    def published(self, name: str) -> dict[str, Path]:
        """The files of an adapter, exactly as they were published."""
        self.store.training.adapter(name)
        return self.registry.published(name)

    async def use(self, user: str, name: str) -> None:
        """Needs an engine."""
        raise NeedsApp(self.home)

    async def rollback(self, user: str, *, key: str | None = None) -> str:
        """Needs an engine: what it goes back to must answer."""
        raise NeedsApp(self.home)

    async def delete(self, user: str, name: str) -> None:
        """Needs an app: an engine elsewhere may hold the adapter."""
        raise NeedsApp(self.home)

    def inbox(self) -> AbstractContextManager[Path]:
        """Needs an engine: an adapter is tried before it is taken in."""
        raise NeedsApp(self.home)


@dataclass(frozen=True)
class Files:
    """The parts of an app that does not run."""

    settings: Settings
    store: Store
    accounts: Accounts
    service: Shelf

    def person(self, request: object, at_least: Standing = "viewer") -> Person:
        """The one person at this machine."""
        return ALONE


def app_of(settings: Settings, store: Store) -> FastAPI:
    """The routes over the files."""
    registry = Registry(settings.home / "adapters", max_rank=settings.max_lora_rank)
    app = FastAPI()
    app.state.parts = Files(settings, store, Accounts(store), Shelf(store, registry, settings.home))
    app.state.repeats = Repeats(store)
    for part in (accounts, feedback, models):
        app.include_router(part.router)
    refusals.add_to(app)
    app.add_middleware(Guard, settings=settings)
    return app
