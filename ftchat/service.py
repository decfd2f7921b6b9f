"""Who is in service, and which adapters the engine holds: promote, roll back, load, and what to do with a damaged one.

Adapters are immutable and versioned; the champion is an alias that moves in one transaction. It does not know how an
adapter was made or examined.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Container, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ftchat import probing
from ftchat.base import Base
from ftchat.config import Settings
from ftchat.engine import Engine
from ftchat.errors import BadAdapter, Conflict, EngineError, EngineNotReady, FtchatError, NotFound
from ftchat.prompt import Prompter
from ftchat.records import BASE, Adapter
from ftchat.registry import NAME, Registry
from ftchat.store import Store

_log = logging.getLogger(__name__)
KEPT_CHAMPIONS = 3
_AWAY = 0.1  # nats a token between what is served and what the trainer computed: so much is rounding
_LOOK_S, _DRAIN_S = 0.1, 60.0


class Service:
    """The adapters of one base on one engine."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        *,
        prompter: Prompter,
        registry: Registry,
        base: Base,
        settings: Settings,
        tolerance: float = _AWAY,
    ) -> None:
        """Over the parts of a running app; `tolerance` is how far an engine may be from what was trained."""
        self._tolerance = tolerance
        self._store, self._engine, self._prompter = store, engine, prompter
        self._registry, self._base, self._settings = registry, base, settings
        self._at_hand: set[str] = set()  # adapters that this engine was given since it started
        self._chosen: dict[str, None] = {}  # adapters that were asked for by name, newest last
        self._arriving: list[str] = []  # adapters that are loaded and tried before anybody may use them
        self._leaving: set[str] = set()  # adapters that are being deleted: nobody may load them any more

    def champion(self) -> str:
        """The contestant in service."""
        return self._store.training.champion(self._base.fingerprint)

    def adapters(self) -> list[Adapter]:
        """The adapters of this base, newest first."""
        return self._store.training.adapters(self._base.fingerprint)

    def manifest(self, name: str) -> dict[str, Any]:
        """What an adapter's folder says of where it comes from; empty where the folder is gone or damaged."""
        return self._registry.origin(name)

    def adopt(self) -> list[str]:
        """Make known what lies complete in the folder, is for this base, and is in no row of the database.

        It came with ftchat or with a copied home, or its app was killed before it wrote the row. What is not sound
        stays where it lies and is listed nowhere; the log says why. What a run is about to make known is left to it.
        """
        log = self._store.training
        running, deleted = log.unfinished(), log.deleted()
        known = {adapter.name for adapter in log.adapters()} | {log.name_of(running) if running else None}
        found = [name for name in self._registry.names() if name not in known and self._is_sound(name, deleted)]
        for name in found:
            slug, number = name.rsplit("-v", 1)
            with self._store.writing():
                log.next_number(slug, above=int(number) - 1)
                log.add_adapter(name, number=int(number), base=self._base.fingerprint, run=self._run_of(name))
                log.set_state(name, "candidate", reasons=["It was found in adapters/; it was not examined here."])
        return found

    def _is_sound(self, name: str, deleted: Container[str]) -> bool:
        try:
            if name in deleted:
                raise BadAdapter("It was deleted: remove its folder, or import it, for a number of its own.")
            if self._registry.manifest(name).get("base", self._base.fingerprint) != self._base.fingerprint:
                return False  # it waits for its base to be served
            self._registry.check(name)
        except (FtchatError, OSError) as err:  # a full disk, too: the app starts without it
            _log.warning("%s lies in adapters/ and is not taken in. %s", name, err)
            return False
        return True

    def _run_of(self, name: str) -> str | None:
        """The run that made an adapter, if it was here and for this base: then it is known what it was taught."""
        run = str(self.manifest(name).get("run"))
        try:
            return run if self._store.training.base_of(run) == self._base.fingerprint else None
        except NotFound:
            return None

    async def admit(self) -> None:
        """Try what was adopted, as an import is tried, once an engine is there: then votes decide, or it is broken."""
        log = self._store.training
        running = log.unfinished()
        for name in [a.name for a in self.adapters() if a.state == "candidate" and (a.run is None or a.run != running)]:
            with self._arrives(name):
                try:
                    await self.load(name)
                    await self.probe(name)
                except (BadAdapter, NotFound) as err:
                    await self._store.soon(partial(self.retire_broken, name, err.message))
                except FtchatError as err:  # nor do the others wait for it
                    _log.info("%s was found in adapters/ and not tried yet: %s", name, err.message)
                else:
                    await self._store.soon(partial(self._admitted, name))

    def _admitted(self, name: str) -> None:
        log = self._store.training
        with self._store.writing():
            if log.adapter(name).state == "candidate":
                log.set_state(name, "challenger")

    def published(self, name: str) -> dict[str, Path]:
        """The files of an adapter, by name, exactly as they were published; a damaged one is refused."""
        self._store.training.adapter(name)
        return self._registry.published(name)

    async def use(self, user: str, adapter: str) -> None:
        """Put an adapter into service, whatever the exam said: a person decided. A broken one gets another chance, and
        what nobody has tried yet is tried."""
        found = self._store.training.adapter(adapter)
        if found.base != self._base.fingerprint:
            raise Conflict(f"{adapter} was made for another base model.")
        with self._arrives(adapter):
            await self.load(adapter)
            if found.state in ("candidate", "rejected", "broken"):
                await self.probe(adapter)
            await self._store.soon(partial(self.promote, adapter, by=user, why="chosen by hand"))

    async def rollback(self, user: str, *, leaving: str | None = None, key: str | None = None) -> str:
        """Put the champion before this one back into service; returns its name. `leaving` is who was in service when
        that was decided: it is refused when somebody else is by now."""
        if done := self._store.once(user, key):
            return str(done)
        leaving = self.champion() if leaving is None else leaving
        self._refuse_moved(leaving)
        for earlier in self._earlier():
            try:
                if earlier != BASE:
                    with self._arrives(earlier):
                        await self.load(earlier)
            except (BadAdapter, NotFound):
                continue  # damaged or refused: the one before it
            except EngineNotReady:
                pass  # its files are sound, and whoever is in service is loaded before anybody is answered
            return await self._store.soon(partial(self._back, user, earlier, leaving=leaving, key=key))
        raise Conflict("There is no earlier champion to go back to.")

    def _back(self, user: str, earlier: str, *, leaving: str, key: str | None) -> str:
        with self._store.writing():
            if done := self._store.once(user, key):  # the same request, sent again meanwhile
                return str(done)
            self._refuse_moved(leaving)
            self.promote(earlier, by=user, why="rolled back", back=True)
            self._store.remember(user, key, earlier)
        return earlier

    def _refuse_moved(self, champion: str) -> None:
        now = self.champion()
        if now != champion:
            raise Conflict(f"{now} was put into service just now. Look again before going back.")

    def _earlier(self) -> list[str]:
        """The champions before the one in service that can serve, newest first; none that learned from what was
        withdrawn since, which only a person who names it puts back."""
        log, base = self._store.training, self._base.fingerprint
        usable = {a.name for a in log.adapters(base) if a.state not in ("broken", "rejected")} | {BASE}
        usable -= self._store.lineage.marks().keys()
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
        needed = {*self.desired(), *self._chosen, *self._arriving}
        return sorted(name for name in names if name not in needed and self._ours(name))

    @contextmanager
    def _arrives(self, name: str) -> Iterator[None]:
        """Needed until the end of `with`, whatever its state says: nobody unloads it between its load and its use."""
        self._arriving.append(name)
        try:
            yield
        finally:
            self._arriving.remove(name)

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
        await self._loaded(model)

    async def _loaded(self, model: str) -> None:
        """Load an adapter unless it is."""
        if model not in self._at_hand or self._engine.lacks(model):
            await self.load(model)

    @asynccontextmanager
    async def lent(self, model: str) -> AsyncIterator[None]:
        """A model that can answer until the end of `with`, though nobody chose it."""
        with self._arrives(model):
            if model != BASE:
                await self._loaded(model)
            yield

    async def load(self, name: str, *, only: int | None = None) -> None:
        """Load an adapter whose files are as they were published; one that has changed is broken.

        `only` names one endpoint: what that one refuses may still be served by the others.
        """
        self._refuse_leaving(name)
        try:
            await asyncio.to_thread(self._registry.verify, name)
        except (BadAdapter, NotFound) as err:
            await self._store.soon(partial(self.retire_broken, name, err.message))
            raise
        try:
            await self._engine.load(name, self._registry.path(name), only=only)
        except BadAdapter as err:
            # Somebody must answer; another adapter may be the engine's settings' fault.
            if only is None and self.champion() == name:
                await self._step_aside(name, err)
            raise
        self._refuse_leaving(name)
        self._at_hand.add(name)

    async def _step_aside(self, name: str, refusal: BadAdapter) -> None:
        """A champion that the engine refuses. Where it refuses the one before it, too, nothing is wrong with either."""
        earlier = next(iter(self._earlier()), BASE)
        if earlier != BASE:
            with suppress(BadAdapter, NotFound):  # what is damaged is found out when it is asked
                await asyncio.to_thread(self._registry.verify, earlier)
                await self._refused_too(earlier, refusal)
        await self._store.soon(partial(self.retire_broken, name, refusal.message))

    async def _refused_too(self, earlier: str, refusal: BadAdapter) -> None:
        try:
            await self._engine.load(earlier, self._registry.path(earlier))
        except BadAdapter as err:  # one that went away meanwhile says so itself
            raise EngineError(f"{refusal.message} It refuses {earlier}, too, so both stay as they are.") from err

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
        """The loaded adapter must answer, differently from base, and as the trainer's model did where that is known."""
        await probing.answers(self._engine, self._prompter, name)
        if (trained := self._registry.manifest(name).get("probe")) is not None:
            await probing.as_trained(self._engine, name, trained, tolerance=self._tolerance)

    # -- adapters that come from elsewhere, and that go --

    def inbox(self) -> AbstractContextManager[Path]:
        """A place for a file that is being sent, until the end of `with`."""
        return self._registry.inbox()

    async def receive(self, user: str, source: Path) -> str:
        """Take an adapter in, a folder or a zip: checked, published, loaded and probed, or nothing is left of it."""
        if not await self._engine.ready():
            raise EngineNotReady("The engine is not ready, and an adapter is tried before it is taken in. Wait for it.")
        name, number = await asyncio.to_thread(self._publish, source)
        with self._arrives(name):
            try:
                await self._engine.load(name, self._registry.path(name))
                await self.probe(name)
            except FtchatError:
                await self._engine.unload(name)  # while an engine may hold it, its files stay
                await asyncio.to_thread(self._registry.remove, name)
                raise
            await self._store.soon(partial(self._imported, name, number, by=user))
            self._at_hand.add(name)
        return name

    def _imported(self, name: str, number: int, *, by: str) -> None:
        with self._store.writing():
            self._store.training.add_adapter(name, number=number, base=self._base.fingerprint, run=None)
            said = [f"Imported by {by}; it was not examined."]
            self._store.training.set_state(name, "challenger", reasons=said)

    def _publish(self, source: Path) -> tuple[str, int]:
        slug, log = self._settings.name, self._store.training
        with self._registry.received(source) as folder:
            number = log.next_number(slug, above=self._registry.last_number(slug))
            lineage = {"run": None, "base_name": self._base.name, "imported": True}
            base = self._base.fingerprint
            self._registry.publish(folder, f"{slug}-v{number}", base=base, lineage=lineage)
        return f"{slug}-v{number}", number

    async def delete(self, user: str, name: str) -> None:
        """Delete an adapter that nothing refers to. Its files go last, once every engine has let go of it."""
        self._store.training.adapter(name)
        self._refuse_leaving(name)
        self._leaving.add(name)
        try:
            self._refuse_needed(name)
            await self._engine.unload(name)  # where an engine is not there, it may still hold it: nothing is deleted
            self._at_hand.discard(name)
            self._chosen.pop(name, None)
            await self._drained(name)
            self._refuse_needed(name)
            self._store.training.delete_adapter(name, by=user)  # first: one without files must not be listed
            await asyncio.to_thread(self._registry.remove, name)
        finally:
            self._leaving.discard(name)

    def _refuse_leaving(self, name: str) -> None:
        if name in self._leaving:
            raise Conflict(f"{name} is being deleted.")

    def _refuse_needed(self, name: str) -> None:
        """An adapter stays while somebody may get to hear it, or may want to go back to it."""
        log, base = self._store.training, self._base.fingerprint
        adapter, lately = log.adapter(name), log.champions(base)[: 1 + KEPT_CHAMPIONS]
        unwanted = name in self._store.lineage.marks()  # it learned from what was withdrawn since: it may always go
        if log.champion(base) == name:
            raise Conflict(f"{name} is in service. Put another into service first.")
        voted_on = adapter.state == "challenger" and adapter.run is not None  # one from elsewhere can be taken in again
        if voted_on and not unwanted:
            raise Conflict(f"{name} is in blind votes. Promote it, or let it be retired, first.")
        if name in lately and not unwanted:
            raise Conflict(f"{name} is one of the last champions, which rolling back may need.")
        if adapter.run is not None and adapter.run == log.unfinished():
            raise Conflict(f"The run that made {name} is still on. Wait for it.")
        if log.answering(name) or self._engine.asked(name):
            raise Conflict(f"{name} is answering right now. Try again in a moment.")

    async def _drained(self, name: str) -> None:
        """Wait until nothing is being written by an adapter that was unloaded: what was begun before may go on."""
        waited = 0.0
        while (self._store.training.answering(name) or self._engine.asked(name)) and waited < _DRAIN_S:
            await asyncio.sleep(_LOOK_S)
            waited += _LOOK_S
