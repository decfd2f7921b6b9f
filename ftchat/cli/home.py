"""The home that a command is about: asked through the API of the app that runs on it, or in its files when none does.

Both ways lead to the same routes, so that a command is written once. It does not know what the routes do.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from ftchat.accounts import ALONE, Accounts
from ftchat.backups import DATABASE
from ftchat.config import Settings, load_settings
from ftchat.errors import FtchatError, HomeInUse, SetupError
from ftchat.lease import Lease, announced
from ftchat.records import Person, Standing
from ftchat.store import Store
from ftchat.web import accounts, refusals
from ftchat.web.guard import Guard
from ftchat.web.repeats import Repeats

_PATIENCE_S = 60.0


class Refused(FtchatError):
    """The app said no; the sentence is its own."""


@dataclass(frozen=True)
class _Files:
    """What the routes for accounts need, without an app: whoever may open the files is admin."""

    store: Store
    accounts: Accounts

    def person(self, request: object, at_least: Standing = "viewer") -> Person:
        """The one person at this machine."""
        return ALONE


class Home:
    """One home, with or without an app on it."""

    def __init__(self, settings: Settings) -> None:
        """The folder must be there; what is in it is made when it is needed."""
        if not settings.home.is_dir():
            raise SetupError(f"There is no folder {settings.home}. Give --home the folder of an assistant.")
        self._settings = settings
        self._lease = settings.home / "data" / "lease"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What a route answers; what it refuses is raised as its sentence."""
        return asyncio.run(self._call(method, path, body))

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            lease = Lease(self._lease)
        except HomeInUse as err:
            return await self._of_app(err, method, path, body)
        store = None
        try:
            store = Store(self._settings.home / "data" / DATABASE)
            return await self._of_files(store, method, path, body)
        finally:
            if store is not None:
                store.close()
            lease.release()

    async def _of_app(self, held: HomeInUse, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        app = announced(self._lease)
        if app is None:
            raise held
        headers = {"Authorization": f"Bearer {app.key}"}
        try:
            async with httpx.AsyncClient(base_url=app.url, headers=headers, timeout=_PATIENCE_S) as client:
                return _answer(await client.request(method, path, json=body))
        except httpx.TransportError as err:
            raise HomeInUse(f"{held.message} It does not answer at {app.url} ({err}).") from err

    async def _of_files(self, store: Store, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        app = FastAPI()
        app.state.parts = _Files(store, Accounts(store))
        app.state.repeats = Repeats(store)
        app.include_router(accounts.router)
        refusals.add_to(app)
        app.add_middleware(Guard, settings=self._settings)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(base_url=self._settings.url, transport=transport) as client:
            return _answer(await client.request(method, path, json=body))


def _answer(answer: httpx.Response) -> dict[str, Any]:
    given: dict[str, Any] = answer.json()
    if answer.is_error:
        raise Refused(given["error"]["message"])
    return given


def command(name: str, about: str) -> argparse.ArgumentParser:
    """A parser with the flags that every command has."""
    made = argparse.ArgumentParser(f"ftchat {name}", description=about)
    add_common(made)
    return made


def add_common(parser: argparse.ArgumentParser) -> None:
    """Where, and for whom to print."""
    parser.add_argument("--home", default=None, help="folder of the assistant (default: this folder)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings of the home that was named."""
    return load_settings({"home": args.home})


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def say(args: argparse.Namespace, facts: dict[str, Any], words: str) -> None:
    """Print what was asked for or done: for people, or as JSON."""
    print(json.dumps(facts, ensure_ascii=False) if args.json else words)
