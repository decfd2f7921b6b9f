"""Engine and trainer on one device: side by side where both fit, else the engine stands aside while a run trains.

`plan` is pure: what the trainer needs and what is free in, a decision and its sentence out. On a CPU they share without
a plan, unless the settings say otherwise: what is short there was said at the start. It does not know runs.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ftchat import sizing
from ftchat.config import Beside, Settings, TrainArgs
from ftchat.errors import FtchatError
from ftchat.launch import flavour
from ftchat.server import Server
from ftchat.sizing import Memory, gib

_LOOK_S = 0.5
_WAIT = "Nothing is answered until it has trained."


@dataclass(frozen=True)
class Plan:
    """Whether the engine goes, and why, in a sentence."""

    aside: bool
    words: str


def plan(how: Beside, memory: Memory, *, needed: int) -> Plan:
    """What to do about `needed` bytes of a trainer, where `memory` is what a GPU has free beside the engine."""
    if how == "never":
        return Plan(True, f"The engine stands aside, as the settings say. {_WAIT}")
    if how == "always" or not memory.total:
        return Plan(False, f"The trainer needs about {gib(needed)} of the GPU, beside the engine.")
    free = f"The trainer needs about {gib(needed)}, and {gib(memory.free)} of the GPU are free beside the engine"
    return Plan(True, f"{free}, which stands aside. {_WAIT}") if needed > memory.free else Plan(False, f"{free}.")


class Room:
    """Room for a trainer beside one engine of ours. An engine elsewhere is never in the way."""

    def __init__(self, server: Server | None, settings: Settings, model: Path, *, idle: Callable[[], bool]) -> None:
        """`settings` are those that the engine is run with; `idle` says whether it writes nothing."""
        self._server, self._settings, self._model, self._idle = server, settings, model, idle

    def plan(self, args: TrainArgs, longest: Callable[[], int]) -> Plan:
        """The plan for this moment, with the engine up."""
        device, shape, tokens = flavour(), sizing.shape_of(self._model), max(args.batch_tokens, longest())
        needed = sizing.trainer_needs(shape, device, rank=args.rank or sizing.RANK, tokens=tokens)
        return plan(self._settings.train_beside, sizing.look(device), needed=needed)

    @asynccontextmanager
    async def made(self, args: TrainArgs, longest: Callable[[], int]) -> AsyncIterator[str]:
        """Room as long as this lasts, and the sentence that says how, if there was something to decide. `longest`
        counts the longest row's tokens: it goes alone, and no batch cuts it.

        An engine that stood aside, or did not survive beside the trainer, is started again at the end, unless the app
        itself ends.
        """
        server = self._server
        if server is None:
            yield ""
            return
        found = await self._decided(server, args, longest)
        if found.aside:
            await server.stand_aside(found.words, idle=self._idle)
        try:
            yield found.words
        except Exception:
            await _bring_back(server)
            raise
        await _bring_back(server)

    async def _decided(self, server: Server, args: TrainArgs, longest: Callable[[], int]) -> Plan:
        if flavour() == "cpu" and self._settings.train_beside != "never":
            return Plan(False, "")
        await _come_up(server)
        return await asyncio.to_thread(self.plan, args, longest)


async def _come_up(server: Server) -> None:
    """Until its start has ended, one way or the other: only then is it known what memory it takes."""
    while server.stage not in ("ready", "failed", "stopped"):  # noqa: ASYNC110 - it has no bell
        await asyncio.sleep(_LOOK_S)


async def _bring_back(server: Server) -> None:
    if server.stage in ("stopped", "failed"):
        with contextlib.suppress(FtchatError):  # it says itself what is wrong, and tries again
            await server.start()
