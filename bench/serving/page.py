"""One open page of a Gradio app, spoken to as its own JavaScript does: events are joined, and heard on one stream.

It does not know what an event does.
"""

import asyncio
import json
import random
import secrets
from typing import Any

import aiohttp


class Pages:
    """What the app says of its components and events, read once for all pages."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._ids: dict[str, int] = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        self._events: list[dict[str, Any]] = config["dependencies"]

    def opening(self) -> list[int]:
        """The events of a page that is opened."""
        return [event["id"] for event in self._events if any(kind == "load" for _, kind in event["targets"])]

    def queued(self, event: int) -> bool:
        """Whether it goes through the queue; the others are direct calls."""
        return self._of(event)["queue"] is not False

    def nothing(self, event: int) -> list[None]:
        """For an event that is sent with nothing filled in."""
        return [None] * len(self._of(event)["inputs"])

    def _of(self, event: int) -> dict[str, Any]:
        return next(one for one in self._events if one["id"] == event)

    def event(self, elem_id: str, kind: str) -> int:
        """The event that an element sends."""
        wanted = [self._ids[elem_id], kind]
        return int(next(event["id"] for event in self._events if wanted in event["targets"]))

    def named(self, api_name: str) -> int:
        """The event of that name."""
        return int(next(event["id"] for event in self._events if event.get("api_name") == api_name))

    def after_state(self, state: int) -> list[int]:
        """The events that follow the change of a state."""
        return [event["id"] for event in self._events if [state, "change"] in event["targets"]]


class Page:
    """One session of a browser."""

    def __init__(self, http: aiohttp.ClientSession, url: str, pages: Pages) -> None:
        self._http, self._url, self._pages = http, f"{url}/gradio_api", pages
        self._hash = secrets.token_hex(6)
        self._waiting: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._early: dict[str, list[dict[str, Any]]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._fresh: asyncio.Task[None] | None = None
        self._have: dict[str, str] = {}
        self._last: str | None = None

    async def open(self) -> None:
        """What a browser asks before anybody can do anything."""
        for event in self._pages.opening():
            await self.done(event, self._pages.nothing(event))

    async def join(self, event: int, data: list[Any]) -> asyncio.Queue[dict[str, Any]]:
        """Send an event; what is said of it comes in the queue, the last is `process_completed`."""
        name = (await self._send("queue/join", event, data))["event_id"]
        heard = self._waiting[name] = asyncio.Queue()
        for message in self._early.pop(name, ()):
            heard.put_nowait(message)
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen())
        return heard

    async def _send(self, path: str, event: int, data: list[Any], *, clicked: Any = None) -> dict[str, Any]:
        body = {"data": data, "fn_index": event, "session_hash": self._hash, "event_data": clicked, "trigger_id": None}
        async with self._http.post(f"{self._url}/{path}", json=body) as response:
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {(await response.text())[:300]}")
            given: dict[str, Any] = await response.json()
            return given

    async def done(self, event: int, data: list[Any], *, clicked: Any = None) -> dict[str, Any]:
        """Send an event and wait for its end: the last message, with the states that changed in any of them.

        `clicked` is what a piece of HTML says of a click.
        """
        if not self._pages.queued(event):
            return {"output": await self._send("run/predict", event, data, clicked=clicked), "changed": []}
        heard, changed = await self.join(event, data), list[int]()
        while True:
            message = await heard.get()
            changed += (message.get("output") or {}).get("changed_state_ids") or []
            if message["msg"] == "process_completed":
                break
        if not message["success"]:
            raise RuntimeError(f"The event failed: {str(message)[:300]}")
        return {**message, "changed": changed}

    async def keep_fresh(self, *pieces: str, others: str) -> None:
        """Ask for news of these pieces as an open page does, the first time now; when all else is said to be another,
        `others` hears it."""
        self._have, self._last = dict.fromkeys(pieces, ""), None
        event = self._pages.event(others, "change")
        again_s = await self._ask_for_news(event)
        self._fresh = asyncio.create_task(self._keep_asking(event, again_s * random.random()))

    async def _keep_asking(self, others: int, again_s: float) -> None:
        """One question at a time, as often as the answers say."""
        while True:
            await asyncio.sleep(again_s)
            again_s = await self._ask_for_news(others)

    async def _ask_for_news(self, others: int) -> float:
        """When to ask again."""
        asked = {"page": self._hash, "have": ",".join(f"{piece}.{digest}" for piece, digest in self._have.items())}
        async with self._http.get(f"{self._url.removesuffix('/gradio_api')}/news", params=asked) as response:
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {(await response.text())[:300]}")
            told = await response.json()
        self._have |= {piece: digest for piece, (digest, _) in told["pieces"].items()}
        if told["others"] != self._last:
            self._last = told["others"]
            await self.done(others, self._pages.nothing(others))
        return float(told["again_s"])

    async def close(self) -> None:
        """Stop listening; what went wrong with the news is said."""
        for task in (self._listener, self._fresh):
            if task is not None:
                if task is self._fresh and task.done():
                    task.result()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _listen(self) -> None:
        async with self._http.get(f"{self._url}/queue/data", params={"session_hash": self._hash}) as response:
            async for line in response.content:
                if not line.startswith(b"data: "):
                    continue
                message = json.loads(line[6:])
                if message["msg"] == "close_stream":
                    return
                name = message.get("event_id")
                if name in self._waiting:
                    self._waiting[name].put_nowait(message)
                elif name:
                    self._early.setdefault(name, []).append(message)
