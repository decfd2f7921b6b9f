"""What a run works with: the parts of the app, and patience with an engine that goes away for a while.

It knows whether the engine is there. It does not know the stages of a run.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ftchat.base import Base
from ftchat.config import Settings, TrainArgs
from ftchat.contestants import Contestants
from ftchat.engine import Engine
from ftchat.errors import EngineError, EngineGarbled, EngineNotReady, EngineTimeout, UnknownModel
from ftchat.prompt import Prompter
from ftchat.records import Params
from ftchat.registry import Registry
from ftchat.service import Service
from ftchat.store import Store

GREEDY = Params(temperature=0.0, top_p=1.0, max_tokens=128)
LOOK_S = 1.0
PATIENCE_S = 600.0  # for an engine that starts: a large model takes minutes to load
_TRIES = 6  # a server may notice only some seconds later that its engine is gone

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class Means:
    """The parts that runs, exams and trials share."""

    store: Store
    engine: Engine
    prompter: Prompter
    contestants: Contestants
    service: Service
    registry: Registry
    base: Base
    settings: Settings
    anchors: tuple[str, ...]  # prompts for replay
    examples: tuple[str, ...]  # prompts to show where nobody asked others yet
    engine_stage: Callable[[], tuple[str, str]]
    # For a trainer whose longest row has so many tokens; and what is done to have it.
    room: Callable[[TrainArgs, Callable[[], int]], AbstractAsyncContextManager[str]]

    @property
    def folder(self) -> Path:
        """Where runs and snapshots lie."""
        return self.settings.home / "data"

    async def until_ready(self) -> None:
        """Wait for an engine that is on its way; one that gave up, or takes too long, is an error with its reason."""
        waited = 0.0
        while True:
            stage, reason = self.engine_stage()
            if stage == "ready":
                return
            if stage == "failed" or waited >= PATIENCE_S:
                raise EngineNotReady(f"The engine did not come back, and this run needs it. {reason}".strip())
            await asyncio.sleep(LOOK_S)
            waited += LOOK_S

    async def patiently(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """What a call to the engine gives; if the engine goes away meanwhile, again when it is back."""
        for tried in range(1, _TRIES):
            try:
                return await call()
            except (EngineTimeout, EngineGarbled):
                raise
            except (EngineError, UnknownModel):  # an engine whose core has just died says 500 before it is gone
                await asyncio.sleep(LOOK_S * tried)
                await self.until_ready()
        return await call()
