"""Answers being written: each lane streams in the background at its own pace, fails alone, and is written once.

A page or an API call only watches; it may go away and come back. Lanes of one turn begin together. It does not know
who may see what, or how a prompt was made.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ftchat.engine import Engine, Piece, Request
from ftchat.errors import EngineBusy, FtchatError, StoreError
from ftchat.records import Finish, LaneName, Reply, Turn
from ftchat.store import Store

log = logging.getLogger(__name__)
_SAVE_AGAIN_S = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Tally:
    """What one contestant has answered since this app started."""

    replies: int = 0
    errors: int = 0
    tokens: int = 0
    ttft_ms: float = 0.0

    def plus(self, replies: Sequence[Reply]) -> "Tally":
        """With these, which have ended. All at once: whoever reads meanwhile sees none of them or all."""
        return Tally(
            replies=self.replies + len(replies),
            errors=self.errors + sum(reply.finish == "error" for reply in replies),
            tokens=self.tokens + sum(reply.completion_tokens for reply in replies),
            ttft_ms=self.ttft_ms + sum(reply.ttft_ms or 0.0 for reply in replies),
        )


@dataclass
class LiveTurn:
    """A turn that is being answered: the newest of each lane, and a bell that rings when something changed."""

    turn: Turn
    replies: dict[LaneName, Reply]
    siblings: tuple[str, ...] = ()
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    lanes: list[asyncio.Task[Reply]] = field(default_factory=list)
    writers: list[asyncio.Task[None]] = field(default_factory=list)
    ended: list[Reply] = field(default_factory=list)  # as they were written
    leader: asyncio.Task[None] | None = None  # kept here so that it is not collected while it runs

    @property
    def writing(self) -> bool:
        """Whether a lane is not finished."""
        return any(reply.finish is None for reply in self.replies.values())

    def grow(self, reply: Reply) -> None:
        """Take the newest of a lane and wake whoever watches; they take the new bell when they look again."""
        self.replies[reply.lane] = reply
        self.bell.set()
        self.bell = asyncio.Event()


class Lanes:
    """Every turn that is being answered in this app."""

    def __init__(self, store: Store, engine: Engine) -> None:
        """Over an open store and an engine."""
        self._store = store
        self.engine = engine
        self._live: dict[str, LiveTurn] = {}
        self.tallies: dict[str, Tally] = {}

    @property
    def in_flight(self) -> int:
        """Answers that are being written."""
        return sum(reply.finish is None for live in list(self._live.values()) for reply in live.replies.values())

    def get(self, turn: str) -> LiveTurn | None:
        """The turn, while it is being answered."""
        return self._live.get(turn)

    def announce(self, turn: Turn, siblings: tuple[str, ...] = ()) -> None:
        """A turn that is about to be committed: whoever looks before it begins sees that it is being answered."""
        self._live[turn.id] = LiveTurn(turn, {reply.lane: reply for reply in turn.replies}, siblings)

    def withdraw(self, turn: str) -> None:
        """An announced turn that was not committed."""
        del self._live[turn]

    def begin(self, turn: Turn, requests: Sequence[Request]) -> None:
        """Start the lanes of an announced turn, once it is committed."""
        live = self._live[turn.id]
        go: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        for reply, request in zip(turn.replies, requests, strict=True):
            lane = asyncio.create_task(self._answer(live, reply, request=request, go=go))
            live.lanes.append(lane)
            live.writers.append(asyncio.create_task(self._finish(live, reply.lane, answering=lane)))
        live.leader = asyncio.create_task(self._together(live, go))

    async def follow(self, live: LiveTurn, lane: LaneName) -> AsyncIterator[Reply]:
        """A lane as it grows, the last time when it is over."""
        while True:
            bell, reply = live.bell, live.replies[lane]
            yield reply
            if reply.finish:
                return
            await bell.wait()

    async def stop(self, turn: str) -> None:
        """End what is still being written; the text so far stays, marked as cut."""
        live = self._live.get(turn)
        if live is not None and live.lanes:
            for lane in live.lanes:
                lane.cancel()
            await asyncio.wait(live.writers)

    async def close(self) -> None:
        """End every turn, keeping what was written."""
        await asyncio.gather(*(self.stop(turn) for turn in list(self._live)))

    async def _together(self, live: LiveTurn, go: asyncio.Future[str]) -> None:
        """Enter the engine's limit with all lanes at once, and forget the turn when they are written."""
        try:
            async with self.engine.lanes(len(live.lanes)):
                go.set_result("")
                await asyncio.wait(live.writers)
        except FtchatError as err:
            go.set_result(err.message)
            await asyncio.wait(live.writers)
        finally:
            del self._live[live.turn.id]
            live.bell.set()

    async def _answer(self, live: LiveTurn, reply: Reply, *, request: Request, go: asyncio.Future[str]) -> Reply:
        """One lane, from the first token to how it ended."""
        started = time.monotonic()
        finish: Finish = "cut"
        try:
            if refused := await asyncio.shield(go):
                raise EngineBusy(refused)
            started = time.monotonic()
            async for piece in self.engine.stream(request):
                reply = _grown(reply, piece, ms=(time.monotonic() - started) * 1000)
                if piece.finish:
                    finish = piece.finish
                    counts = (piece.prompt_tokens, piece.completion_tokens)
                    reply = replace(reply, prompt_tokens=counts[0], completion_tokens=counts[1])
                live.grow(reply)
        except asyncio.CancelledError:
            finish = "cut"  # not raised further: stop() asked for it
        except FtchatError as err:
            finish, reply = "error", replace(reply, error=err.message)
        except Exception as err:
            # The last line of defence: a reply must not stay unfinished. The trace is for who mends ftchat.
            log.exception("A lane broke.")
            finish, reply = "error", replace(reply, error=f"Something in ftchat broke ({type(err).__name__}).")
        return replace(reply, finish=finish, duration_ms=(time.monotonic() - started) * 1000)

    async def _finish(self, live: LiveTurn, lane: LaneName, *, answering: asyncio.Task[Reply]) -> None:
        """Write a lane's reply when it has ended; nobody cancels this."""
        await asyncio.wait([answering])
        stopped_at_once = answering.cancelled()  # before its first step
        reply = replace(live.replies[lane], finish="cut") if stopped_at_once else answering.result()
        for wait_s in (*_SAVE_AGAIN_S, None):
            try:
                await self._store.soon(partial(self._store.turns.finish, reply))
                break
            except StoreError as err:
                if wait_s is None:
                    reply = replace(reply, finish="error", error=f"This answer could not be saved. {err.message}")
                else:
                    await asyncio.sleep(wait_s)
            except Exception as err:
                # The last line of defence: whoever watches waits for an end. The trace is for who mends ftchat.
                log.exception("An answer could not be written.")
                broke = f"Something in ftchat broke ({type(err).__name__})."
                reply = replace(reply, finish="error", error=f"This answer could not be saved. {broke}")
                break
        self._count(live, reply)
        live.grow(reply)

    def _count(self, live: LiveTurn, reply: Reply) -> None:
        """Add the lanes of a turn when the last has ended: read in between, each would have its own count and time."""
        live.ended.append(reply)
        if len(live.ended) < len(live.replies):
            return
        by_name = dict[str, list[Reply]]()
        for one in live.ended:
            who = "blind" if live.turn.blind else one.contestant  # a count by name would tell who was who
            by_name.setdefault(who, []).append(one)
        for who, replies in by_name.items():
            self.tallies[who] = self.tallies.get(who, Tally()).plus(replies)


def _grown(reply: Reply, piece: Piece, *, ms: float) -> Reply:
    """A reply with more text or reasoning, and the time of its first."""
    if not piece.text and not piece.reasoning:
        return reply
    first_ms = reply.ttft_ms if reply.ttft_ms is not None else ms
    if not piece.reasoning:
        return replace(reply, text=reply.text + piece.text, ttft_ms=first_ms)
    text, reasoning = reply.text + piece.text, reply.reasoning + piece.reasoning
    return replace(reply, text=text, reasoning=reasoning, ttft_ms=first_ms)
