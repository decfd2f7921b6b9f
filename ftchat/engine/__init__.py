"""The one HTTP client to vLLM: stream, score, load, unload. One endpoint or many that serve the same base.

A request goes to the endpoint with the least in flight among those that are there. It is tried again, on another
endpoint or after a short wait, only before its first text: when the endpoint was not there, when it does not serve the
model, and once when it failed in some other way. Closing the generator closes the HTTP stream, which makes vLLM stop.
It does not know conversations, templates or processes.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import httpx

from ftchat.engine.endpoint import Connection, Ending, Endpoint, Health, Piece, Request
from ftchat.engine.permits import Permits
from ftchat.engine.refusals import GONE
from ftchat.engine.thoughts import Thoughts
from ftchat.errors import (
    AnswerCut,
    BadAdapter,
    BadInput,
    EngineError,
    EngineGarbled,
    EngineNotReady,
    EngineTimeout,
    FtchatError,
    SetupError,
    UnknownModel,
)

__all__ = ["Ending", "Endpoint", "Engine", "Health", "Piece", "Request"]

_TRIES = 3
_FIRST_WAIT_S = 0.25
_LOOK_S = 5.0  # an answer that has not begun after so long: is its endpoint still there?

Answer = TypeVar("Answer")


class Engine:
    """vLLM, wherever it runs. Use it from one event loop. It takes no permits by itself: see `lanes`."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        max_in_flight: int = 32,
        patience_s: float = 60.0,
        thinks: Callable[[], bool] = lambda: False,
    ) -> None:
        """`transport` stands in for the network in tests; `patience_s` is the longest wait for permits.

        `thinks` says whether this base may write reasoning before its answers, which is then kept apart.
        """
        if not endpoints:
            raise SetupError("No engine is known: leave engine_url empty to have one started, or name one.")
        for endpoint in endpoints:
            if not endpoint.url.startswith(("http://", "https://")):
                raise SetupError(f"engine_url has {endpoint.url!r}: an address begins with http:// or https://.")
        self._all = [Connection(endpoint, transport=transport, keep=max_in_flight) for endpoint in endpoints]
        self._turn = 0
        self._asking: Counter[str] = Counter()  # by model: requests that are on their way
        self._permits = Permits(max_in_flight)
        self._patience_s = patience_s
        self._thinks = thinks

    async def stream(self, request: Request) -> AsyncGenerator[Piece, None]:
        """The answer, piece by piece; the last piece says how it ended."""
        async with aclosing(self._stream(request)) as pieces:
            if not self._thinks():
                async for piece in pieces:
                    yield piece
                return
            thoughts = Thoughts()
            async for piece in pieces:
                reasoning, text = thoughts.end() if piece.finish else thoughts.feed(piece.text)
                if reasoning or text or piece.finish:
                    yield replace(piece, text=text, reasoning=reasoning)

    async def _stream(self, request: Request) -> AsyncGenerator[Piece, None]:
        """As it comes from the first endpoint that answers."""
        begun = False
        attempts = _Attempts(self._all, request.model, self._next_turn())
        while (connection := await attempts.next()) is not None:
            with self._on_its_way(connection, request.model):
                try:
                    async with aclosing(connection.pieces(request)) as pieces:
                        yield await _while_there(anext(pieces), connection)
                        begun = True
                        async for piece in pieces:
                            yield piece
                    return
                except FtchatError as err:
                    if begun and isinstance(err, EngineNotReady | UnknownModel):
                        raise AnswerCut("The engine broke off in the middle of this answer. Ask again.") from err
                    if begun:
                        raise
                    attempts.failed(connection, err)
        raise attempts.last

    @contextmanager
    def _on_its_way(self, connection: Connection, model: str) -> Iterator[None]:
        connection.in_flight += 1
        self._asking[model] += 1
        try:
            yield
        finally:
            connection.in_flight -= 1
            self._asking[model] -= 1

    def asked(self, model: str | None = None) -> bool:
        """Whether something is being asked of a model, or of any, recorded or not."""
        return (self._asking.total() if model is None else self._asking[model]) > 0

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
        answer = await self._once(model, lambda connection: connection.post("/v1/completions", body))
        try:
            found = answer["choices"][0]["prompt_logprobs"]
            return [float(found[at][str(token_ids[at])]["logprob"]) for at in range(start, len(token_ids))]
        except (KeyError, IndexError, TypeError, ValueError) as err:
            raise EngineGarbled(f"The engine did not say how likely {model} finds a text, as vLLM does.") from err

    async def load(self, name: str, path: Path, *, only: int | None = None) -> None:
        """Serve the adapter in `path` under `name`, on every endpoint that is there, or on one.

        An endpoint that is not there is no failure while another is: it is given its adapters when it comes back.
        """
        where = _absolute(path)
        asked = self._all if only is None else [self._all[only]]
        outcomes = await asyncio.gather(*(_outcome(_while_there(one.load(name, where), one)) for one in asked))
        refused = {one.url: err for one, err in zip(asked, outcomes, strict=True) if err is not None}
        for one in asked:
            if one.url in refused:
                one.lacks.add(name)
        away = [isinstance(err, EngineNotReady | EngineTimeout) for err in outcomes]
        for one, is_away in zip(asked, away, strict=True):
            if is_away:
                one.missed()
        if all(away):
            raise outcomes[0] or EngineNotReady(GONE)
        for url, err in refused.items():
            if isinstance(err, EngineNotReady | EngineTimeout):
                continue
            if isinstance(err, BadAdapter) and None in outcomes:  # nothing is wrong with it, but with that place
                raise EngineError(f"{name} could be loaded on another engine, but not at {url}. {err.message}")
            raise err

    async def unload(self, name: str, *, only: int | None = None) -> None:
        """Forget the name on every endpoint, or on one; answers being written finish. Not there is success."""
        asked = self._all if only is None else [self._all[only]]
        for err in await asyncio.gather(*(_outcome(one.unload(name)) for one in asked)):
            if err is not None:
                raise err

    async def models(self) -> list[frozenset[str] | None]:
        """Per endpoint the names it serves; None for one that does not say."""
        return list(await asyncio.gather(*(one.served() for one in self._all)))

    async def health(self) -> list[Health]:
        """Per endpoint, whether it is there."""
        return list(await asyncio.gather(*(one.health() for one in self._all)))

    async def ready(self) -> bool:
        """Whether at least one endpoint says it is healthy."""
        return "live" in await self.health()

    @property
    def urls(self) -> list[str]:
        """Where the endpoints are."""
        return [one.url for one in self._all]

    def lacks(self, model: str) -> bool:
        """Whether some endpoint that is there is known not to serve it."""
        return any(model in one.lacks for one in self._all if not one.missing)

    def quiet_s(self) -> float:
        """Seconds since any endpoint sent some text."""
        return time.monotonic() - max(one.heard for one in self._all)

    async def close(self) -> None:
        """Close the connections."""
        for one in self._all:
            await one.close()

    @asynccontextmanager
    async def lanes(self, n: int) -> AsyncIterator[None]:
        """Hold n of the max_in_flight permits, taken together or not at all, first come first served."""
        await self._permits.take(n, patience_s=self._patience_s)
        try:
            yield
        finally:
            self._permits.give(n)

    async def _once(self, model: str, ask: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """A request with one answer, of which vLLM keeps nothing."""
        attempts = _Attempts(self._all, model, self._next_turn())
        while (connection := await attempts.next()) is not None:
            with self._on_its_way(connection, model):
                try:
                    return await _while_there(ask(connection), connection)
                except FtchatError as err:
                    attempts.failed(connection, err)
        raise attempts.last

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn


class _Attempts:
    """Whom to ask for one answer, and when to stop asking: a few rounds over the endpoints, the best one first."""

    def __init__(self, connections: Sequence[Connection], model: str, turn: int) -> None:
        """`turn` decides between endpoints that are equally good."""
        self._order = [connections[(turn + step) % len(connections)] for step in range(len(connections))]
        self._model = model
        self._asked: list[Connection] = []  # in this round
        self._lacking: set[str] = set()
        self._round = 1
        self._given_up = False
        self._elsewhere = 1  # how often a failure that is the endpoint's own is tried on another one
        self.last: FtchatError = EngineNotReady(GONE)

    async def next(self) -> Connection | None:
        """The next to ask: not missing, not without the model, with the least to do; None when it is enough."""
        if self._given_up:
            return None
        left = [one for one in self._order if one not in self._asked and one.url not in self._lacking]
        if not left:
            if self._round == _TRIES or len(self._lacking) == len(self._order):
                return None
            await asyncio.sleep(_FIRST_WAIT_S * 2**self._round * random.uniform(0.75, 1.25))
            self._round, self._asked = self._round + 1, []
            return await self.next()
        best = min(left, key=lambda one: (one.missing, self._model in one.lacks, one.in_flight))
        self._asked.append(best)
        return best

    def failed(self, connection: Connection, err: FtchatError) -> None:
        """What went wrong, which decides whether another is asked."""
        if isinstance(self.last, EngineNotReady):
            self.last = err  # what one said stays more telling than that another was not there
        if isinstance(err, EngineNotReady):
            connection.missed()
            return
        if isinstance(err, UnknownModel):
            connection.lacks.add(self._model)
            self._lacking.add(connection.url)
        elif isinstance(err, EngineError) and not isinstance(err, EngineTimeout):
            # A broken endpoint must not fail what another could answer; a request that breaks endpoints must not
            # break them all.
            self._elsewhere -= 1
            self._given_up = self._elsewhere < 0 or len(self._order) == 1
            self._lacking.add(connection.url)
        else:
            self._given_up = True


async def _while_there(call: Awaitable[Answer], connection: Connection) -> Answer:
    """What a call gives, however long it takes, as long as its endpoint is there."""
    coming = asyncio.ensure_future(call)
    silences = 0
    try:
        while not (await asyncio.wait([coming], timeout=_LOOK_S))[0]:
            health = await connection.health()
            silences = silences + 1 if health == "silent" else 0
            if not coming.done() and (health == "dead" or silences == 2):
                raise EngineNotReady(GONE)
        return coming.result()
    finally:
        if not coming.done():
            coming.cancel()
            await asyncio.wait([coming])


def _absolute(path: Path) -> str:
    """vLLM takes a relative path for the name of a model hub's repository, and would ask there."""
    return os.path.abspath(path)


async def _outcome(call: Awaitable[None]) -> FtchatError | None:
    """How a call to one endpoint ended: a slow one is never left half done because another failed."""
    try:
        await call
    except FtchatError as err:
        return err
    return None
