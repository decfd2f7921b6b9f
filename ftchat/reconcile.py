"""Keeps every endpoint at the desired set of adapters: at once when one comes back, and every ten seconds.

vLLM forgets all adapters when it restarts, and an endpoint elsewhere may do so without telling anybody. It knows which
endpoint is there and what it serves; which adapters are wanted, `service` knows. It starts no engine.
"""

import asyncio
import logging
import time
from collections.abc import Sequence

from ftchat.engine import Engine
from ftchat.errors import BadAdapter, FtchatError, NotFound
from ftchat.records import BASE
from ftchat.service import Service

log = logging.getLogger(__name__)
LOOK_S = 2.0
EVERY_S = 10.0
REFUSED_S = 60.0  # an adapter that an endpoint refused is not offered to it again for so long
NAMED = f"Start that engine with --served-model-name {BASE}."
SILENCES = 3  # looks in a row without an answer: a busy endpoint misses one or two


def steps(served: frozenset[str], *, desired: Sequence[str], spare: Sequence[str]) -> tuple[list[str], list[str]]:
    """What an endpoint lacks, most wanted first, and what it should forget."""
    return [name for name in desired if name not in served], [name for name in spare if name in served]


class Reconcile:
    """The endpoints of one engine. `stage` and `trouble` tell of an engine elsewhere what a server tells of ours."""

    def __init__(self, engine: Engine, service: Service) -> None:
        """Nothing is known of any endpoint yet."""
        self._engine, self._service = engine, service
        self._due: dict[int, float] = {}  # per endpoint that is there, when to compare it again
        self._refused: dict[tuple[int, str], tuple[float, str]] = {}  # until when, and why
        self._troubles: dict[int, list[str]] = {}
        self._silences: dict[int, int] = {}  # looks in a row that were not answered
        self._absent: dict[int, str] = {}  # with a sentence
        self._brought: set[int] = set()  # endpoints that are there and were brought to the desired set

    @property
    def stage(self) -> str:
        """Whether there is an endpoint that can answer."""
        return "ready" if self._brought else "loading adapters" if self._due else "starting"

    @property
    def trouble(self) -> str:
        """Who is not there, what is not loaded where it should be, and why."""
        absent = [self._absent[index] for index in sorted(self._absent)]
        told = [told for index in sorted(self._troubles) for told in self._troubles[index]]
        return " ".join(dict.fromkeys([*absent, *told]))

    async def keep(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:  # the watch must not end: the next look may find things mended
                log.exception("The look at the engine's endpoints broke.")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """See who is there, and bring those that came back, or that were not compared for a while."""
        now = time.monotonic()
        for index, health in enumerate(await self._engine.health()):
            self._silences[index] = self._silences.get(index, 0) + 1 if health == "silent" else 0
            if health == "dead":
                self._forget(index, f"Nothing answers at {self._engine.urls[index]}.")
            elif health == "live":
                self._absent.pop(index, None)
                self._due.setdefault(index, now)
            elif self._silences[index] >= SILENCES:
                self._forget(
                    index,
                    f"{self._engine.urls[index]} gives no answer. Check that this is the engine's address, that no "
                    "firewall lies between, and whether that engine hangs: then start it again.",
                )
        due = [index for index, at in self._due.items() if at <= now]
        if due:
            served = await self._engine.models()
            await asyncio.gather(*(self._bring(index, served[index]) for index in due))
            await self._admit()

    async def _admit(self) -> None:
        """What was adopted at start is tried once somebody can answer; what cannot be tried now, at the next look."""
        if self._brought:
            try:
                await self._service.admit()
            except FtchatError as err:
                log.info("What was found in adapters/ was not tried yet: %s", err.message)

    def _forget(self, index: int, sentence: str) -> None:
        """An endpoint that is gone: when it is back it has no adapters, and may take what it refused."""
        self._absent[index] = sentence
        self._due.pop(index, None)
        self._troubles.pop(index, None)
        self._brought.discard(index)
        self._refused = {key: refusal for key, refusal in self._refused.items() if key[0] != index}

    async def _bring(self, index: int, served: frozenset[str] | None) -> None:
        if served is None:  # the next look asks again
            mute = f"{self._engine.urls[index]} is there and has not said yet what it serves."
            self._troubles[index] = [f"{mute} If that stays so, check that this is vLLM, and engine_key."]
            return
        missing, spare = steps(served, desired=self._service.desired(), spare=self._service.spare(served))
        outcomes = [await self._load(name, index) for name in missing]
        for name in spare:
            if not self._service.spare([name]):
                continue  # somebody chose it meanwhile
            try:
                await self._service.unload(name, only=index)
            except FtchatError as err:
                log.info("%s stays loaded: %s", name, err.message)
        nameless = "" if BASE in served else f"{self._engine.urls[index]} serves no {BASE}. {NAMED}"
        self._troubles[index] = [outcome for outcome in (nameless, *outcomes) if outcome]
        self._brought.add(index)
        settled = all((index, name) in self._refused for name, out in zip(missing, outcomes, strict=True) if out)
        self._due[index] = time.monotonic() + (EVERY_S if settled else 0.0)

    async def _load(self, name: str, index: int) -> str:
        """Nothing when it is loaded, else what is wrong."""
        until, why = self._refused.get((index, name), (0.0, ""))
        if until > time.monotonic():
            return why
        self._refused.pop((index, name), None)
        try:
            await self._service.load(name, only=index)
        except FtchatError as err:
            why = f"{name} is not loaded. {err.message}"
            if isinstance(err, BadAdapter | NotFound):  # else the endpoint went away, or was late: the next look asks
                self._refused[index, name] = time.monotonic() + REFUSED_S, why
            return why
        return ""
