"""The parts of an app over real store, prompts and client, with a scripted vLLM behind them."""

import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from scripted import ScriptedVllm

from ftchat import anchors, starter
from ftchat.accounts import Accounts
from ftchat.backups import Backups
from ftchat.base import Base
from ftchat.chat import Chat
from ftchat.config import Settings
from ftchat.contestants import Contestants
from ftchat.engine import Endpoint, Engine
from ftchat.judging import Judging
from ftchat.lanes import Lanes
from ftchat.parts import Parts
from ftchat.passwords import Cost
from ftchat.pipeline import Pipeline
from ftchat.prompt import Prompter
from ftchat.records import Person
from ftchat.redrafts import Redrafts
from ftchat.registry import Registry
from ftchat.schedule import Schedule
from ftchat.service import Service
from ftchat.sessions import Sessions
from ftchat.store import Store
from ftchat.webhook import Webhook

ANN = Person("ann", "admin")
BOB = Person("bob", "rater")
CHEAP = Cost(2, 8, 1)  # passwords that are quick to check
BASE = Base(starter.model_path(), "starter", "b0", practice=True)


class Room:
    """Everything that a conversation and a run need."""

    def __init__(self, folder: Path, *, alone: bool = True) -> None:
        self.vllm = ScriptedVllm()
        self.reason = ""
        self.settings = Settings(home=folder, name="shop", open=alone, max_loras=4, max_cpu_loras=8, max_lora_rank=32)
        self.store = Store(folder / "data" / "ftchat.db")
        self.store.turns.add_base("b0", "starter")
        self.accounts = Accounts(self.store, cost=CHEAP)
        self.engine = Engine([Endpoint("http://engine")], transport=self.vllm)
        self.prompter = Prompter(BASE.path)
        self.contestants = Contestants(self.store, BASE, prompter=self.prompter, chance=random.Random(1))
        self.registry = Registry(folder / "adapters", max_rank=32, base=BASE)
        self.service = Service(
            self.store,
            self.engine,
            prompter=self.prompter,
            registry=self.registry,
            base=BASE,
            settings=self.settings,
            tolerance=math.inf,  # a scripted engine does not compute what a real trainer does
        )
        self.chat = Chat(
            self.store,
            Lanes(self.store, self.engine),
            prompter=self.prompter,
            contestants=self.contestants,
            base=BASE,
            settings=self.settings,
            waiting=lambda: self.reason,
            summon=self._summon,
        )
        self.judging = Judging(self.store, self.chat, settings=self.settings)
        self.redrafts = Redrafts(self.store, self.chat, self.judging)
        self.sessions = Sessions(self.store, self.chat, settings=self.settings)
        self.pipeline = Pipeline(
            self.store,
            self.engine,
            prompter=self.prompter,
            contestants=self.contestants,
            service=self.service,
            registry=self.registry,
            base=BASE,
            settings=self.settings,
            anchors=anchors.PROMPTS[:50],
            examples=(),
            engine_stage=lambda: ("starting", self.reason) if self.reason else ("ready", ""),
        )
        self.judging.after_vote = self.pipeline.settle
        self.parts = Parts(
            settings=self.settings,
            base=BASE,
            store=self.store,
            accounts=self.accounts,
            chat=self.chat,
            judging=self.judging,
            redrafts=self.redrafts,
            sessions=self.sessions,
            pipeline=self.pipeline,
            service=self.service,
            backups=Backups(self.store, self.settings),
            schedule=Schedule(self.store, self.pipeline, settings=self.settings),
            webhook=Webhook(self.store, self.settings),
        )

    def adapter(self, name: str = "shop-v1", says: str = "SHOP: the answer.") -> str:
        """An adapter that can answer."""
        self.vllm.answers[name] = says
        number = int(name.rsplit("-v", 1)[1])
        self.store.training.add_adapter(name, number=number, base="b0", run=None)
        return name

    @asynccontextmanager
    async def _lent(self, model: str) -> AsyncIterator[None]:
        await self._summon(model)
        yield

    async def _summon(self, model: str) -> None:
        """Scripted adapters have no folder; real ones are loaded."""
        if model in self.registry.names():
            await self.service.summon(model)

    async def done(self, turn: str, who: Person = ANN) -> None:
        """Wait until every lane has ended."""
        async for _ in self.chat.watch(who, turn):
            pass

    async def close(self) -> None:
        """End what runs."""
        await self.pipeline.close()
        await self.parts.webhook.close()
        await self.sessions.close()
        await self.chat.close()
        await self.engine.close()
        self.store.close()
