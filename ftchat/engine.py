"""The one HTTP client to vLLM: stream, score, load, unload. One endpoint or many that serve the same base.

Bodies are built here from an allow-list, so nothing a client sends reaches vLLM unread. A request is tried again, on
the next endpoint or after a short wait, only before its first text and only when the endpoint was not there. Closing
the generator closes the HTTP stream, which makes vLLM stop. It does not know conversations, templates or processes.
"""

import asyncio
import json
import os
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import httpx

from ftchat.errors import (
    BadAdapter,
    BadInput,
    EngineBusy,
    EngineError,
    EngineNotReady,
    SetupError,
    TooLong,
    UnknownModel,
)
from ftchat.records import Params

Ending = Literal["stop", "length"]

_TIMEOUT = httpx.Timeout(600.0, connect=5.0)  # the first token of a queued request may take minutes
_QUICK = httpx.Timeout(5.0)
_TRIES = 3
_FIRST_WAIT_S = 0.25
_PAUSE_S = 2.0  # an endpoint that was not there is asked last for so long
_GONE = "The engine is starting or restarting: it answers in a moment."


@dataclass(frozen=True)
class Endpoint:
    """Where a vLLM server listens: its address without /v1, and its key."""

    url: str
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One answer to write: the name vLLM knows, the prompt's token ids, and how to sample."""

    model: str
    token_ids: Sequence[int]
    params: Params


@dataclass(frozen=True)
class Piece:
    """Some text of an answer. The last one has no text, but `finish` and the token counts."""

    text: str
    finish: Ending | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Engine:
    """vLLM, wherever it runs. Use it from one event loop. It takes no permits by itself: see `lanes`."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        max_in_flight: int = 32,
        patience_s: float = 60.0,
    ) -> None:
        """`transport` stands in for the network in tests; `patience_s` is the longest wait for permits."""
        if not endpoints:
            raise SetupError("No engine is known: leave engine_url empty to have one started, or name one.")
        self._clients = [
            httpx.AsyncClient(
                base_url=endpoint.url.rstrip("/"),
                headers={"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {},
                transport=transport,
                timeout=_TIMEOUT,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=max_in_flight),
                trust_env=False,  # the engine is near: never through a proxy
            )
            for endpoint in endpoints
        ]
        self._missing_until = [0.0] * len(self._clients)
        self._next = 0
        self._permits = _Permits(max_in_flight)
        self._patience_s = patience_s

    async def stream(self, request: Request) -> AsyncGenerator[Piece, None]:
        """The answer, piece by piece; the last piece says how it ended."""
        body = _body(request)
        begun = False
        last: EngineError | UnknownModel = EngineNotReady(_GONE)
        async with aclosing(self._attempts()) as attempts:
            async for index in attempts:
                try:
                    async with aclosing(_pieces(self._clients[index], body)) as pieces:
                        async for piece in pieces:
                            begun = True
                            yield piece
                    return
                except (EngineNotReady, UnknownModel) as err:
                    if begun:
                        raise EngineError("The engine broke off in the middle of this answer.") from err
                    last = err
                    self._failed(index, err)
        raise last

    async def answer(self, request: Request) -> tuple[str, Ending]:
        """The whole answer at once, and how it ended."""
        texts = []
        ending: Ending | None = None
        async with aclosing(self.stream(request)) as pieces:
            async for piece in pieces:
                texts.append(piece.text)
                ending = piece.finish
        return "".join(texts), ending or "length"

    async def score(self, model: str, token_ids: Sequence[int], start: int) -> list[float]:
        """Log-probabilities of token_ids[start:], each given all before it.

        vLLM must have room for one token more: a sequence as long as the whole context is TooLong.
        """
        if not 1 <= start < len(token_ids):
            raise BadInput(f"start is {start}: it must be from 1 to {len(token_ids) - 1}, the last of these tokens.")
        body = {"model": model, "prompt": list(token_ids), "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
        found = (await self._post("/v1/completions", body))["choices"][0]["prompt_logprobs"]
        return [float(found[at][str(token_ids[at])]["logprob"]) for at in range(start, len(token_ids))]

    async def load(self, name: str, path: Path) -> None:
        """Serve the adapter in `path` under `name`, on every endpoint. Already there under that name is success."""
        body = {"lora_name": name, "lora_path": _absolute(path)}
        await _all(self._load_on(client, body) for client in self._clients)

    async def unload(self, name: str) -> None:
        """Forget the name on every endpoint; answers being written finish. Not there is success."""
        await _all(self._unload_on(client, name) for client in self._clients)

    async def models(self) -> list[set[str]]:
        """Per endpoint, the names it serves; none for one that does not answer."""
        return list(await asyncio.gather(*(_served(client) for client in self._clients)))

    async def ready(self) -> bool:
        """Whether at least one endpoint says it is healthy."""
        return any(await asyncio.gather(*(_healthy(client) for client in self._clients)))

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.aclose()

    @asynccontextmanager
    async def lanes(self, n: int) -> AsyncIterator[None]:
        """Hold n of the max_in_flight permits, taken together or not at all, first come first served."""
        await self._permits.take(n, patience_s=self._patience_s)
        try:
            yield
        finally:
            self._permits.give(n)

    async def _attempts(self) -> AsyncGenerator[int, None]:
        """Endpoints in the order to ask them: in turn, those that were missing last; all of them, a few times."""
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(_FIRST_WAIT_S * 2**number * random.uniform(0.75, 1.25))
            count = len(self._clients)
            self._next = (self._next + 1) % count
            order = [(self._next + step) % count for step in range(count)]
            now = time.monotonic()
            for index in sorted(order, key=lambda i: self._missing_until[i] > now):
                yield index

    def _failed(self, index: int, err: Exception) -> None:
        """Remember that an endpoint was not there; a name it does not serve another one may, but not later."""
        if isinstance(err, EngineNotReady):
            self._missing_until[index] = time.monotonic() + _PAUSE_S
        elif len(self._clients) == 1:
            raise err

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        """One request with one answer: it may be tried again at any time, since vLLM keeps nothing of it."""
        last: EngineError | UnknownModel = EngineNotReady(_GONE)
        async with aclosing(self._attempts()) as attempts:
            async for index in attempts:
                try:
                    response = await _ask(self._clients[index], path, body)
                    _check(response.status_code, response.content)
                    return response.json()
                except (EngineNotReady, UnknownModel) as err:
                    last = err
                    self._failed(index, err)
        raise last

    async def _load_on(self, client: httpx.AsyncClient, body: Mapping[str, str]) -> None:
        response = await _ask(client, "/v1/load_lora_adapter", body)
        name = body["lora_name"]
        if response.status_code == 200 or (response.status_code == 400 and name in await _served(client)):
            return
        if response.status_code == 503 or not await _healthy(client):
            raise EngineNotReady(f"The engine went away while it was loading {name}.")
        if response.status_code in (401, 403):
            _check(response.status_code, response.content)
        raise BadAdapter(f"The engine refused the adapter {name}: {_said(response.content)[0]}")

    async def _unload_on(self, client: httpx.AsyncClient, name: str) -> None:
        response = await _ask(client, "/v1/unload_lora_adapter", {"lora_name": name})
        if response.status_code != 404:
            _check(response.status_code, response.content)


class _Permits:
    """A count of permits that are taken n at a time, in the order of asking. Giving back never waits."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, n: int, *, patience_s: float) -> None:
        if n > self._total:
            raise EngineBusy(f"{n} answers at once are asked for; max_in_flight is {self._total}.")
        if not self._queue and self._free >= n:
            self._free -= n
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((n, turn))
        try:
            async with asyncio.timeout(patience_s):
                await turn
        except (TimeoutError, asyncio.CancelledError) as err:
            self._leave(n, turn)
            if isinstance(err, TimeoutError):
                raise EngineBusy("Many people are waiting for answers just now. Try again in a moment.") from err
            raise

    def give(self, n: int) -> None:
        self._free += n
        while self._queue and (self._queue[0][1].done() or self._free >= self._queue[0][0]):
            wanted, turn = self._queue.popleft()
            if not turn.done():
                self._free -= wanted
                turn.set_result(None)

    def _leave(self, n: int, turn: asyncio.Future[None]) -> None:
        """Give up waiting; permits that came at that very moment go back."""
        if turn.done() and not turn.cancelled():
            self.give(n)
        else:
            turn.cancel()
            self.give(0)


def _body(request: Request) -> dict[str, Any]:
    """What vLLM is asked: these keys and no others."""
    params = request.params
    body: dict[str, Any] = {
        "model": request.model,
        "prompt": list(request.token_ids),
        "n": 1,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "max_tokens": params.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if params.seed is not None:
        body["seed"] = params.seed
    if params.stop:
        body["stop"] = list(params.stop)
    return body


async def _pieces(client: httpx.AsyncClient, body: Mapping[str, Any]) -> AsyncGenerator[Piece, None]:
    """One attempt at one endpoint. EngineNotReady when the connection fails, before or after the first text."""
    ending: str | None = None
    usage: Mapping[str, int] = {}
    try:
        async with client.stream("POST", "/v1/completions", json=body) as response:
            if response.status_code != 200:
                _check(response.status_code, await response.aread())
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line[6:])
                if "error" in event:
                    _check(int(event["error"].get("code") or 500), line[6:].encode())
                usage = event.get("usage") or usage
                for choice in event["choices"]:
                    ending = choice["finish_reason"] or ending
                    if choice["text"]:
                        yield Piece(choice["text"])
    except httpx.TransportError as err:
        raise EngineNotReady(_GONE) from err
    except (ValueError, KeyError, TypeError) as err:
        raise EngineError("The engine answered in a way that vLLM does not: is engine_url a vLLM server?") from err
    if ending not in ("stop", "length"):
        raise EngineError("The engine ended this answer early.")
    yield Piece("", cast("Ending", ending), usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))


def _absolute(path: Path) -> str:
    """vLLM takes a relative path for the name of a model hub's repository, and would ask there."""
    return os.path.abspath(path)


async def _ask(client: httpx.AsyncClient, path: str, body: Mapping[str, Any]) -> httpx.Response:
    try:
        return await client.post(path, json=body)
    except httpx.TransportError as err:
        raise EngineNotReady(_GONE) from err


async def _healthy(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health", timeout=_QUICK)).status_code == 200
    except httpx.TransportError:
        return False


async def _served(client: httpx.AsyncClient) -> set[str]:
    try:
        response = await client.get("/v1/models", timeout=_QUICK)
    except httpx.TransportError:
        return set()
    return {card["id"] for card in response.json()["data"]} if response.status_code == 200 else set()


async def _all(calls: Iterable[Awaitable[None]]) -> None:
    """Wait for every endpoint, then raise the first failure: a slow one is never left half done."""
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _said(content: bytes) -> tuple[str, str]:
    """What vLLM's error says, and the parameter it names."""
    try:
        error = json.loads(content)["error"]
        return str(error["message"]), str(error.get("param") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return content[:300].decode("utf-8", "replace") or "it gave no reason.", ""


def _check(status: int, content: bytes) -> None:
    """The typed error for a refusal; nothing for success. The status and the parameter decide, never the text."""
    if status == 200:
        return
    message, param = _said(content)
    if status == 404:
        raise UnknownModel("The engine does not serve that model just now: choose another or try again in a moment.")
    if status in (400, 413, 422) and param in ("max_tokens", "input_tokens", "input_text"):
        raise TooLong(f"This prompt and its answer do not fit the model. {message}")
    if status in (400, 413, 422):
        raise BadInput(f"The engine cannot take this request: {message}")
    if status in (401, 403):
        raise EngineError("The engine refused our key: set engine_key to the key it was started with.")
    if status == 429:
        raise EngineBusy("The engine has too many requests just now. Try again in a moment.")
    if status == 503:
        raise EngineNotReady(_GONE)
    raise EngineError(f"The engine could not answer ({status}): {message}")
