"""Waiting for the core: for the engine, and for each change of a turn. It does not know what is done with it.

Gradio carries some hundred updates a second for everybody together, and votes wait behind them. So the first words come
at once and the rest at a pace that the watchers share: the more there are, the less often each sees more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ftchat.chat import Chat
from ftchat.records import Person, new_id
from ftchat.seen import TurnSeen

EVERY_S = 0.09  # between two looks, while few watch
MOST_PER_S = 140  # updates for all who watch a page
_ASKING, _TURN_S = 6, 1.0  # questions that are taken at once; nobody waits longer for that
_PATIENT = 3.0  # times as long between two looks, while questions wait
_WAITING = 10_000  # tokens that are remembered until their pages come with them
SETTLE_S = 0.25  # an early vote ends the lanes a moment before it is written: look once more


class Growing(Protocol):
    """What changes until nothing of it is written any more."""

    @property
    def writing(self) -> bool:
        """Whether more is to come."""

    @property
    def begun(self) -> bool:
        """Whether there is something of each part."""


G = TypeVar("G", bound=Growing)


@dataclass(frozen=True)
class Scene:
    """A compared turn, and the same question asked again after it."""

    turn: TurnSeen
    again: TurnSeen | None = None

    @property
    def writing(self) -> bool:
        """Whether an answer of either is not finished."""
        return self.turn.writing or (self.again is not None and self.again.writing)

    @property
    def begun(self) -> bool:
        """Whether there is text of each answer of both."""
        return self.turn.begun and (self.again is None or self.again.begun)


def see(chat: Chat, who: Person, turn: str) -> Scene:
    """A compared turn as it is now; the newest Ask again after it, if it is not older than the next comparison."""
    seen, again = chat.seen(who, turn), None
    for later in seen.siblings[seen.position :]:
        other = chat.seen(who, later)
        if other.mode == "compare":
            break
        again = other
    return Scene(seen, again)


class Watchers:
    """Of all who watch for one open page only the newest counts; the others end at their next look.

    Gradio's own `cancels` comes too late: the browser sends it beside what follows, so that it can miss an old watcher,
    which then writes over the new turn, or hit the new one.

    Which is the newest, the page says. Events begin in the order in which they were pressed, but one that was begun
    first may end last. So a watcher counts from its renewal, to let go of those before, and again when its page begins
    to watch with it.
    """

    def __init__(self) -> None:
        """Nobody watches yet."""
        self._newest: dict[str, str] = {}
        self._waiting: dict[str, str] = {}  # tokens that no page has come with yet, and whose they are
        self._taken: set[str] = set()
        self._asking, self._waits = asyncio.Semaphore(_ASKING), 0

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """While a question is taken: a few at a time, so that of a hundred at once the first is answered soon, and a
        vote that comes between them is not behind all of them at each of its steps."""
        self._waits += 1
        first = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_TURN_S):
                    first = await self._asking.acquire()
        finally:
            self._waits -= 1
        try:
            yield
        finally:
            if first:
                self._asking.release()

    def renew(self, page: str) -> str:
        """The token of a new watcher for a page; whoever watched before is let go."""
        token = self._newest[page] = new_id("w")
        self._waiting[token] = page
        while len(self._waiting) > _WAITING:
            del self._waiting[next(iter(self._waiting))]
        return token

    def take(self, page: str, token: str) -> bool:
        """Begin to watch with a token: once, because the browser may hear of one change twice."""
        if self._waiting.get(token) != page:
            return False
        del self._waiting[token]
        self._newest[page] = token
        self._taken.add(token)
        return True

    def counts(self, page: str, token: str) -> bool:
        """Whether this watcher is still the newest."""
        return self._newest.get(page) == token

    @property
    def every_s(self) -> float:
        """The time between two looks, so that all who watch together do not ask for more than can be sent; longer while
        others wait for their first words."""
        return max(EVERY_S, len(self._taken) / MOST_PER_S) * (_PATIENT if self._waits else 1.0)

    def done(self, page: str, token: str) -> None:
        """A watcher that was taken has ended."""
        self._taken.discard(token)
        if self.counts(page, token):
            del self._newest[page]


async def watched(
    look: Callable[[], G], *, wanted: Callable[[], bool], every_s: Callable[[], float] = lambda: EVERY_S
) -> AsyncIterator[G]:
    """What `look` sees, each time it changed, until every lane has ended or nobody wants it any more."""
    seen, settled = look(), False
    yield seen
    while not settled:
        settled = not seen.writing
        await asyncio.sleep(SETTLE_S if settled else every_s() if seen.begun else EVERY_S)
        if not wanted():
            return
        newer = look()
        if newer != seen:
            seen = newer
            yield seen


async def until_ready(why: Callable[[], str], *, wanted: Callable[[], bool], hopeless: Callable[[], bool]) -> bool:
    """Wait until there is no reason why nothing can be answered, or no hope; False when nobody waits any more."""
    while why() and wanted() and not hopeless():  # noqa: ASYNC110 - the engine's stage has no bell to wait for
        await asyncio.sleep(0.25)
    return wanted()
