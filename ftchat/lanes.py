"""Answers being written: each lane streams in the background at its own pace, fails alone, and is written once.

A page or an API call only watches; it may go away and come back. Lanes of one turn begin together. It does not know
who may see what, or how a prompt was made.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ftchat.engine import Engine, Request
from ftchat.errors import EngineBusy, FtchatError
from ftchat.records import Finish, LaneName, Reply, Turn
from ftchat.store import Store


@dataclass
class LiveTurn:
    """A turn that is being answered: the newest of each lane, and a bell that rings when something changed."""

    turn: Turn
    replies: dict[LaneName, Reply]
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    leader: asyncio.Task[None] | None = None  # kept here so that it is not collected while it runs

    @property
    def writing(self) -> bool:
        """Whether a lane is not finished."""
        return any(reply.finish is None for reply in self.replies.values())

    def ring(self) -> None:
        """Wake whoever watches; they take the new bell when they look again."""
        self.bell.set()
        self.bell = asyncio.Event()


class Lanes:
    """Every turn that is being answered in this app."""

    def __init__(self, store: Store, engine: Engine) -> None:
        """Over an open store and an engine."""
        self._store = store
        self.engine = engine
        self._live: dict[str, LiveTurn] = {}

    def get(self, turn: str) -> LiveTurn | None:
        """The turn, while it is being answered."""
        return self._live.get(turn)

    def begin(self, turn: Turn, prompts: Sequence[Sequence[int]]) -> None:
        """Start the lanes of a committed turn, one prompt's token ids each."""
        live = self._live[turn.id] = LiveTurn(turn, {reply.lane: reply for reply in turn.replies})
        go: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        live.tasks = [
            asyncio.create_task(self._answer(live, reply, token_ids=token_ids, go=go))
            for reply, token_ids in zip(turn.replies, prompts, strict=True)
        ]
        live.leader = asyncio.create_task(self._together(live, go))

    async def stop(self, turn: str) -> None:
        """End what is still being written; the text so far stays, marked as cut."""
        live = self._live.get(turn)
        if live is not None:
            for task in live.tasks:
                task.cancel()
            await asyncio.wait(live.tasks)

    async def close(self) -> None:
        """End every turn, keeping what was written."""
        await asyncio.gather(*(self.stop(turn) for turn in list(self._live)))

    async def _together(self, live: LiveTurn, go: asyncio.Future[str]) -> None:
        """Enter the engine's limit with all lanes at once, and forget the turn when they have ended."""
        try:
            async with self.engine.lanes(len(live.tasks)):
                go.set_result("")
                await asyncio.wait(live.tasks)
        except FtchatError as err:
            go.set_result(err.message)
            await asyncio.wait(live.tasks)
        finally:
            del self._live[live.turn.id]
            live.ring()

    async def _answer(self, live: LiveTurn, reply: Reply, *, token_ids: Sequence[int], go: asyncio.Future[str]) -> None:
        """One lane, from the first token to the row that never changes."""
        started = time.monotonic()
        finish: Finish = "cut"
        try:
            if refused := await asyncio.shield(go):
                raise EngineBusy(refused)
            started = time.monotonic()
            request = Request(model=reply.model, token_ids=token_ids, params=live.turn.params)
            async for piece in self.engine.stream(request):
                reply = _grown(reply, piece.text, ms=(time.monotonic() - started) * 1000)
                if piece.finish:
                    finish = piece.finish
                    counts = (piece.prompt_tokens, piece.completion_tokens)
                    reply = replace(reply, prompt_tokens=counts[0], completion_tokens=counts[1])
                live.replies[reply.lane] = reply
                live.ring()
        except asyncio.CancelledError:
            finish = "cut"  # not raised further: stop() asked for it, and the row is still to be written
        except FtchatError as err:
            finish, reply = "error", replace(reply, error=err.message)
        reply = replace(reply, finish=finish, duration_ms=(time.monotonic() - started) * 1000)
        await self._write(live, reply)

    async def _write(self, live: LiveTurn, reply: Reply) -> None:
        await asyncio.to_thread(self._store.turns.finish, reply)
        live.replies[reply.lane] = reply
        live.ring()


def _grown(reply: Reply, text: str, *, ms: float) -> Reply:
    """A reply with more text, and the time of its first."""
    if not text:
        return reply
    return replace(reply, text=reply.text + text, ttft_ms=reply.ttft_ms if reply.ttft_ms is not None else ms)
