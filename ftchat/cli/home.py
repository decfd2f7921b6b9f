"""The home that a command is about: asked through the API of the app that runs on it, or in its files when none does.

Both ways lead to the same routes, so that a command is written once. It does not know what the routes do.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ftchat.backups import DATABASE
from ftchat.cli.files import NeedsApp, app_of
from ftchat.config import Settings, load_settings
from ftchat.errors import FtchatError, HomeInUse, SetupError
from ftchat.lease import Announced, Lease, announced, holder
from ftchat.store import Store

_PATIENCE_S = 60.0


class Refused(FtchatError):
    """The app said no; the sentence is its own."""


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
        given: dict[str, Any] = json.loads(asyncio.run(self._call(_Call(method, path, {"json": body}))))
        return given

    def send(self, path: str, file: Path, kind: str) -> dict[str, Any]:
        """What a route answers to a file."""
        sent = {"content": _portions(file), "headers": {"Content-Type": kind}}
        given: dict[str, Any] = json.loads(asyncio.run(self._call(_Call("POST", path, sent, patience_s=None))))
        return given

    def fetch(self, path: str, to: Path | None = None) -> bytes:
        """The file that a route answers with; with `to` it is written there, aside and then renamed."""
        return asyncio.run(self._call(_Call("GET", path, {}, to=to, patience_s=None)))

    def needs_app(self) -> None:
        """Refuse what only a running app can do, before anything else is done."""
        if holder(self._lease) is None:
            raise NeedsApp(self._settings.home)

    async def _call(self, call: "_Call") -> bytes:
        try:
            lease = Lease(self._lease)
        except HomeInUse as err:
            return await self._of_app(err, call)
        store = None
        try:
            store = Store(self._settings.home / "data" / DATABASE)
            transport = httpx.ASGITransport(app=app_of(self._settings, store))
            async with httpx.AsyncClient(base_url=self._settings.url, transport=transport) as client:
                return await call.made(client)
        finally:
            if store is not None:
                store.close()
            lease.release()

    async def _of_app(self, held: HomeInUse, call: "_Call") -> bytes:
        app = announced(self._lease)
        if app is None:
            raise held
        try:
            async with client_of(app, patience_s=call.patience_s) as client:
                return await call.made(client)
        except httpx.TransportError as err:
            raise HomeInUse(f"{held.message} It does not answer at {app.url} ({err}).") from err


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One request, and where its answer goes."""

    method: str = field(kw_only=False)
    path: str = field(kw_only=False)
    sent: dict[str, Any] = field(kw_only=False)
    to: Path | None = None
    patience_s: float | None = _PATIENCE_S

    async def made(self, client: httpx.AsyncClient) -> bytes:
        """The answer's body; what was refused is raised as its sentence."""
        async with client.stream(self.method, self.path, **self.sent) as answer:
            if answer.is_error:
                raise Refused(_sentence(answer, await answer.aread()))
            if self.to is None:
                return await answer.aread()
            await _kept(answer, self.to)
        return b""


def client_of(app: Announced, *, patience_s: float | None) -> httpx.AsyncClient:
    """Straight to an app on this machine: its key is for no proxy that the surroundings name."""
    headers = {"Authorization": f"Bearer {app.key}"}
    return httpx.AsyncClient(base_url=app.url, headers=headers, timeout=patience_s, trust_env=False)


def _sentence(answer: httpx.Response, body: bytes) -> str:
    """Why it refuses."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return (
            f"What answers at {answer.url} is not ftchat (status {answer.status_code}). "
            "Look whether another program listens there."
        )


async def _kept(answer: httpx.Response, to: Path) -> None:
    """The answer's body in a file: whole, or nothing of it."""
    aside = to.with_name(f".{to.name}.part")
    try:
        with aside.open("wb") as file:
            async for portion in answer.aiter_bytes():
                file.write(portion)
        aside.rename(to)
    except OSError as err:
        raise SetupError(f"{to} cannot be written: {err.strerror}. Name another place.") from err
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


async def _portions(file: Path) -> AsyncIterator[bytes]:
    try:
        with file.open("rb") as source:
            while portion := source.read(1 << 20):
                yield portion
    except OSError as err:
        raise SetupError(f"{file} cannot be read: {err.strerror}.") from err


def command(name: str, about: str) -> argparse.ArgumentParser:
    """A parser with the flags that every command has."""
    made = argparse.ArgumentParser(f"ftchat {name}", description=about)
    add_common(made)
    return made


Subs = Callable[[str, Callable[[argparse.Namespace, Home], None], str], argparse.ArgumentParser]


def commands(name: str, about: str) -> tuple[argparse.ArgumentParser, Subs]:
    """A parser with subcommands, and what adds one: its name, what does it, and what it is."""
    made = argparse.ArgumentParser(f"ftchat {name}", description=about)
    subs = made.add_subparsers(required=True, metavar="COMMAND")

    def sub(name: str, do: Callable[[argparse.Namespace, Home], None], about: str) -> argparse.ArgumentParser:
        one = subs.add_parser(name, help=about, description=about)
        add_common(one)
        one.set_defaults(do=do)
        return one

    return made, sub


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
