"""The loop: press, snapshot, train, exam, publish; and who is in service afterwards.

  means.py      the parts of the app that a run works with, and patience with an engine that goes away
  questions.py  what is asked besides the rows: answers that must stay, samples to watch
  start.py      where a run starts: from base, or quickly from the champion
  course.py     one run, stage by stage; goes on where it was after a restart
  examine.py    the exam of one candidate
  measured.py   what was measured before, so that nothing is asked twice
  again.py      the same run once more, on the very snapshot of an earlier one
  trial.py      what blind votes decide where the exam could not
  standings.py  every kept version on today's exam rows

Each stage is in the database before it begins, so that any page, and any later start of the app, finds the run where
it is. The trainer is a child process; this package reads its metrics and never its memory.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from ftchat import dataset, exam, progress
from ftchat.base import Base
from ftchat.config import Settings, TrainArgs, train_args
from ftchat.contestants import Contestants
from ftchat.dataset import Became, Card
from ftchat.engine import Engine
from ftchat.errors import BadInput, Conflict, EngineNotReady, NotFound
from ftchat.pipeline import again, trial
from ftchat.pipeline.course import Course
from ftchat.pipeline.means import Means
from ftchat.pipeline.standings import Standing, Standings
from ftchat.progress import RunSeen, Status, Trial
from ftchat.prompt import Prompter
from ftchat.records import Message, Run
from ftchat.registry import Registry
from ftchat.service import Service
from ftchat.store import Store
from ftchat.store.exams import Pin

__all__ = ["Pipeline", "Standing", "Trial"]

_REST = 20.0  # a card that was made will do for so many times as long as that took


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A card, what it was made of, and until when it will do for a page."""

    card: Card
    of: object
    until: float


class Pipeline:
    """Everything that happens after Retrain is pressed."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        *,
        prompter: Prompter,
        contestants: Contestants,
        service: Service,
        registry: Registry,
        base: Base,
        settings: Settings,
        anchors: Sequence[str],
        examples: Sequence[str],
        engine_stage: Callable[[], tuple[str, str]],
        room: Callable[[TrainArgs, Callable[[], int]], AbstractAsyncContextManager[str]] = lambda *_: nullcontext(""),
    ) -> None:
        """`anchors` are prompts for replay, `examples` prompts to show where nobody asked others yet.

        `room` makes room for a trainer: see `aside`.
        """
        self.engine_stage = engine_stage
        self._store, self._contestants, self._base, self._settings = store, contestants, base, settings
        self._means = Means(
            store=store,
            engine=engine,
            prompter=prompter,
            contestants=contestants,
            service=service,
            registry=registry,
            base=base,
            settings=settings,
            anchors=tuple(anchors),
            examples=tuple(examples),
            engine_stage=lambda: self.engine_stage(),
            room=room,
        )
        self.standings = Standings(self._means)
        self._task: asyncio.Task[None] | None = None
        self._course: Course | None = None
        self._driven = ""  # the newest run that was driven here
        self._beginning: set[asyncio.Task[Run]] = set()
        self._card: _Made | None = None
        self._making_card = threading.Lock()
        self._became: tuple[Any, list[Became]] | None = None
        self._metrics = progress.Metrics()

    # -- what people press --

    async def press(
        self, user: str, *, effort: str = "normal", args: dict[str, Any] | None = None, key: str | None = None
    ) -> Run:
        """Start a run; it goes on when the page goes away."""
        given = train_args({"effort": effort, **(args or {})})
        if given.rank > self._settings.max_lora_rank:
            raise BadInput(f"rank is {given.rank}, and max_lora_rank is {self._settings.max_lora_rank}.")
        if earlier := self._store.once(user, key):
            return self._store.training.run(earlier)
        if running := self._store.training.unfinished():
            self.go_on()
            raise Conflict(f"Run {running} is on. Wait for it or stop it first.")
        if not (await asyncio.to_thread(self.card)).enough:
            raise BadInput("There is nothing to learn from yet: correct a few replies first.")
        if self.engine_stage()[0] != "ready":
            raise EngineNotReady("The engine is not ready, and training needs it. Try again when it is.")
        start = partial(self._store.training.start_run, by=user, base=self._base.fingerprint, args=given)
        return await self._begin(start, user, key)

    async def again(self, user: str, run: str, *, key: str | None = None) -> Run:
        """The same run once more, on the very snapshot of an earlier one: its losses should be the same."""
        return await self._begin(partial(again.prepared, self._means, user, run), user, key)

    async def _begin(self, make: Callable[[], Run], user: str, key: str | None) -> Run:
        """Write a run down and drive it; the one of an earlier call with this key, if there is one."""

        def write() -> tuple[Run, bool]:
            with self._store.writing():
                if earlier := self._store.once(user, key):
                    return self._store.training.run(earlier), False
                made = make()
                self._store.remember(user, key, made.id)
                return made, True

        async def drive() -> Run:
            run, made = await self._store.soon(write)
            if made and self._driven != run.id:  # somebody may have seen it in the database a moment before
                self._drive(run.id)
            return run

        task = asyncio.create_task(drive())
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        return await asyncio.shield(task)  # whoever pressed may be gone meanwhile

    def go_on(self) -> str | None:
        """A run that nobody drives, since it lost its app, goes on where it was; returns which one. Needs a loop."""
        run = self._store.training.unfinished()
        if run is not None and (self._task is None or self._task.done()):
            self._drive(run)
        return run

    def _drive(self, run: str) -> None:
        self._course, self._driven = Course(self._means, run), run
        self._task = asyncio.create_task(self._course.drive())

    async def stop(self, run: str) -> None:
        """Stop and keep the best so far; before there is anything to keep, the run just ends."""
        if self._store.training.run(run).ended:
            raise Conflict("This run has already ended.")
        await self._store.soon(partial(self._store.training.ask_to_stop, run))
        self.go_on()
        if self._course is not None and self._driven == run:
            self._course.stop()

    def pin(
        self, user: str, prompt: str, *, contains: Sequence[str] = (), lacks: Sequence[str] = (), matches: str = ""
    ) -> Pin:
        """Pin a question that every exam asks from now on; one that the model cannot answer is refused."""
        self._means.prompter.fit([Message("user", prompt)], room=exam.PIN_ROOM)
        return self._store.exams.add_pin(prompt, by=user, contains=contains, lacks=lacks, matches=matches)

    def settle(self) -> list[Trial]:
        """To be called after every vote: what the votes decide about adapters whose exam could not."""
        return trial.settle(self._means)

    def card(self, *, lately: bool = False) -> Card:
        """What a press would use now. Made anew only when feedback or the last run changed, by the first who asks.

        Of much feedback that takes a while: with `lately` one that was just made, or that another is being made
        after, will do, so that open pages, which ask after each vote, neither keep a processor busy nor wait.
        """
        kept, began = self._card, time.monotonic()
        if lately and kept is not None and (began < kept.until or self._making_card.locked()):
            return kept.card
        with self._making_card:
            now = (self._store.feedback.newest(), self._store.training.last_made(self._base.fingerprint))
            kept, began = self._card, time.monotonic()
            if kept is not None and kept.of == now:
                return kept.card
            trained = self._store.training.used(self._base.fingerprint)
            made = dataset.card(self._store, trained=trained, exam_groups=self._settings.exam_groups)
            ended = time.monotonic()
            self._card = _Made(card=made, of=now, until=ended + _REST * (ended - began))
            return made

    def became(self) -> list[Became]:
        """What each piece of approved feedback becomes; gathered anew only when feedback changed, as pages read it."""
        now, kept = self._store.feedback.newest(), self._became
        if kept is None or kept[0] != now:
            kept = self._became = now, dataset.became(self._store)
        return kept[1]

    def last_rows(self) -> int:
        """Of how much feedback the last adapter for this base was made."""
        made = self._store.training.last_made(self._base.fingerprint)
        return len(self._store.training.trained_on(made)) if made else 0

    def last_begun(self) -> Run | None:
        """The newest run for this base that learned from the feedback of its time."""
        return self._store.training.last_begun(self._base.fingerprint)

    # -- what people see --

    def failed(self) -> bool:
        """Whether the engine is down, so that waiting for it may be in vain."""
        return self.engine_stage()[0] == "failed"

    def latest(self) -> str | None:
        """The newest run's id, of those for this base."""
        runs = self._store.training.runs(base=self._base.fingerprint, limit=1)
        return runs[0].id if runs else None

    def seen(self, run: str) -> RunSeen:
        """A run with its curves, samples and words; while its adapter is put to the vote, with where that stands."""
        found = self._store.training.run(run)
        folder = self._means.folder / "runs" / run
        stands = self._stands(found.adapter) if found.adapter else progress.Stands()
        votes = self.trial(found.adapter) if found.adapter and stands.state == "challenger" else None
        return progress.see(found, folder, metrics=self._metrics, stands=stands, trial=votes)

    def _stands(self, name: str) -> progress.Stands:
        """Where an adapter stands now."""
        log, base = self._store.training, self._base.fingerprint
        try:
            adapter = log.adapter(name)
        except NotFound:
            return progress.Stands(state="deleted")
        by, why = log.entered(base, name) or ("", "")
        return progress.Stands(state=adapter.state if adapter.base == base else "elsewhere", by=by, why=why)

    def trial(self, adapter: str) -> Trial:
        """Where the votes on an adapter stand that is put to the vote."""
        return trial.standing(self._means, adapter)

    def status(self) -> Status:
        """What the strip says; `engine` is where vLLM stands."""
        stage, reason = self.engine_stage()
        return Status(
            engine=stage,
            engine_reason=reason,
            ready=stage == "ready",
            champion=self._contestants.champion(),
            base_name=self._base.name,
            new_feedback=self.card(lately=True).new,
            run=self._store.training.unfinished(),
        )

    async def progress(self) -> tuple[int, list[Standing], bool]:
        """Everyone on today's exam rows; what is missing is measured meanwhile, unless a run is on."""
        rows, found = await asyncio.to_thread(self.standings.seen)
        missing = any(standing.rows < rows for standing in found)
        if missing and self.engine_stage()[0] == "ready" and self._store.training.unfinished() is None:
            self.standings.refresh()
        return rows, found, not missing

    async def close(self) -> None:
        """At the end of the app: the trainer goes with it, and the run goes on at the next start."""
        await self.standings.close()
        await asyncio.gather(*self._beginning, return_exceptions=True)
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
