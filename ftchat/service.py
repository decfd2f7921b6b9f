"""Who is in service, and which adapters the engine holds: promote, roll back, load, and what to do with a damaged one.

Adapters are immutable and versioned; the champion is an alias that moves in one transaction. It does not know how an
adapter was made or examined.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ftchat.base import Base
from ftchat.config import Settings
from ftchat.engine import Engine
from ftchat.errors import BadAdapter, Conflict, EngineError, FtchatError, NotFound
from ftchat.prompt import Prompter
from ftchat.records import BASE, Adapter, Message
from ftchat.registry import CONFIG, MANIFEST, NAME, WEIGHTS, Registry
from ftchat.store import Store

KEPT_CHAMPIONS = 3


class Service:
    """The adapters of one base on one engine."""

    def __init__(
        self, store: Store, engine: Engine, *, prompter: Prompter, registry: Registry, base: Base, settings: Settings
    ) -> None:
        """Over the parts of a running app."""
        self._store, self._engine, self._prompter = store, engine, prompter
        self._registry, self._base, self._settings = registry, base, settings
        self._at_hand: set[str] = set()  # adapters that this engine was given since it started
        self._chosen: dict[str, None] = {}  # adapters that were asked for by name, newest last

    def champion(self) -> str:
        """The contestant in service."""
        return self._store.training.champion(self._base.fingerprint)

    def adapters(self) -> list[Adapter]:
        """The adapters of this base, newest first."""
        return self._store.training.adapters(self._base.fingerprint)

    def manifest(self, name: str) -> dict[str, Any]:
        """What an adapter's folder says of where it comes from; empty where the folder is gone or damaged."""
        try:
            return self._registry.manifest(name)
        except (BadAdapter, NotFound):
            return {}

    def published(self, name: str) -> dict[str, Path]:
        """The files of an adapter, by name, exactly as they were published; a damaged one is refused."""
        self._store.training.adapter(name)
        self._registry.verify(name)
        return {file: self._registry.path(name) / file for file in (CONFIG, WEIGHTS, MANIFEST)}

    async def use(self, user: str, adapter: str) -> None:
        """Put an adapter into service, whatever the exam said: a person decided. A broken one gets another chance."""
        found = self._store.training.adapter(adapter)
        if found.base != self._base.fingerprint:
            raise Conflict(f"{adapter} was made for another base model.")
        await self.load(adapter)
        if found.state == "broken":
            await self.probe(adapter)
        self.promote(adapter, by=user, why="chosen by hand")

    async def rollback(self, user: str, *, key: str | None = None) -> str:
        """Put the champion before this one back into service; returns its name."""
        if done := self._store.once(user, key):
            return str(done)
        leaving = self.champion()
        for earlier in self._earlier():
            try:
                if earlier != BASE:
                    await self.load(earlier)
            except (BadAdapter, NotFound):
                continue  # damaged or refused: the one before it
            with self._store.writing():
                if self.champion() != leaving:
                    raise Conflict(f"{self.champion()} was put into service just now. Look again before going back.")
                self.promote(earlier, by=user, why="rolled back", back=True)
                self._store.remember(user, key, earlier)
            return earlier
        raise Conflict("There is no earlier champion to go back to.")

    def _earlier(self) -> list[str]:
        """The champions before the one in service that can serve, newest first."""
        log, base = self._store.training, self._base.fingerprint
        usable = {a.name for a in log.adapters(base) if a.state not in ("broken", "rejected")} | {BASE}
        now = log.champion(base)
        return [name for name in reversed(log.line(base)[:-1]) if name in usable and name != now]

    def promote(self, contestant: str, *, by: str, why: str, back: bool = False) -> None:
        """Move the champion alias, in one transaction."""
        self._store.training.promote(contestant, base=self._base.fingerprint, by=by, why=why, back=back)

    def desired(self) -> list[str]:
        """Adapters that should be loaded everywhere: in service, playing, the last champions, and what was chosen."""
        found = {a.name: a.state for a in self.adapters() if a.state != "broken"}
        states = {name: state for name, state in found.items() if state != "rejected"}
        champions = [n for n in self._store.training.champions(self._base.fingerprint) if n in states]
        playing = [name for name, state in states.items() if state in ("candidate", "challenger", "champion")]
        chosen = [name for name in reversed(self._chosen) if name in found]
        wanted = list(dict.fromkeys([*champions[:1], *playing, *champions[1 : 1 + KEPT_CHAMPIONS], *chosen]))
        return wanted[: self._settings.max_cpu_loras or None]

    def spare(self, names: Iterable[str]) -> list[str]:
        """Those of the engine's names that are ours and that nobody needs: they may be unloaded."""
        needed = {*self.desired(), *self._chosen}
        return sorted(name for name in names if name not in needed and self._ours(name))

    def _ours(self, name: str) -> bool:
        return name.rpartition("-v")[0] == self._settings.name and NAME.fullmatch(name) is not None

    async def load_desired(self) -> None:
        """Bring every endpoint to the desired set, after a start or a restart of vLLM, which forgets all adapters."""
        self._at_hand.clear()
        trouble = []
        for name in self.desired():
            try:
                await self.load(name)
            except FtchatError as err:
                trouble.append(f"{name}: {err.message}")
        if trouble:
            raise EngineError(" ".join(trouble))

    async def summon(self, model: str) -> None:
        """Make sure that a model can answer: an adapter that is not kept loaded is loaded when it is chosen."""
        if model == BASE:
            return
        self._chosen.pop(model, None)
        self._chosen[model] = None
        for longest_ago in list(self._chosen)[: -(self._settings.max_cpu_loras or len(self._chosen))]:
            del self._chosen[longest_ago]
        if model not in self._at_hand or self._engine.lacks(model):
            await self.load(model)

    async def load(self, name: str, *, only: int | None = None) -> None:
        """Load an adapter whose files are as they were published; one that has changed is broken.

        `only` names one endpoint: what that one refuses may still be served by the others.
        """
        try:
            await asyncio.to_thread(self._registry.verify, name)
        except (BadAdapter, NotFound) as err:
            self.retire_broken(name, err.message)
            raise
        try:
            await self._engine.load(name, self._registry.path(name), only=only)
        except BadAdapter as err:
            # Somebody must answer; another adapter may be the engine's settings' fault.
            if only is None and self.champion() == name:
                self.retire_broken(name, err.message)
            raise
        self._at_hand.add(name)

    async def unload(self, name: str, *, only: int) -> None:
        """Let one endpoint forget an adapter; the next who chooses it loads it again."""
        self._at_hand.discard(name)
        await self._engine.unload(name, only=only)

    def retire_broken(self, name: str, reason: str) -> None:
        """Take an adapter out of play; if it was in service, the newest one before it that can serve steps in."""
        log, base = self._store.training, self._base.fingerprint
        with self._store.writing():
            if log.champion(base) == name:
                self.promote(next(iter(self._earlier()), BASE), by="ftchat", why=reason, back=True)
            log.set_state(name, "broken", reasons=[reason])

    async def probe(self, name: str) -> None:
        """The loaded adapter must answer, and differently from base: vLLM serves base where no weight matched."""
        ids, start = self._prompter.render_answer([Message("user", "Hello!")], "Hello! How can I help you today?")
        ours, theirs = await self._engine.score(name, ids, start), await self._engine.score(BASE, ids, start)
        if ours == theirs:
            raise BadAdapter("It has no effect: the engine answers as the base does.")
