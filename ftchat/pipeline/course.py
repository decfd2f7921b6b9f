"""One run, stage by stage: snapshot, train, exam, publish. Each is in the database before it begins and after it ends.

A run that lost its app goes on where it was: the snapshot that is made is used, a candidate that is there is examined,
and a name that was given is kept. It does not know who pressed, or what a page shows.
"""

import asyncio
import json
import logging
import shutil
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ftchat import dataset, exam, progress
from ftchat.engine import Request
from ftchat.errors import BadAdapter, BadInput, FtchatError, NotFound, StoreError, TrainingError
from ftchat.pipeline import start
from ftchat.pipeline.examine import examine
from ftchat.pipeline.means import GREEDY, Means
from ftchat.pipeline.questions import fits, replay, samples
from ftchat.records import BASE, AdapterState, Message, Replay, Row, Stage, Verdict
from ftchat.trainee import Trainee
from ftchat.training.job import FILE, Job, Sample

MOST_BEGUN = 5  # times that a run may lose its app before it is given up
_AGAIN_S = 5.0  # after which what could not be noted is noted again
FROZEN = "snapshot.json"  # in a run's folder: which snapshot, and what the exam must find kept

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Stopped(FtchatError):
    """Somebody pressed stop, and there was nothing to keep yet."""


@dataclass(frozen=True)
class Frozen:
    """The snapshot of a run."""

    digest: str
    folder: Path
    rows: Sequence[Row]
    spared: Sequence[Replay]  # what the exam must find kept, and training did not see


class Course:
    """The course of one run."""

    def __init__(self, means: Means, run: str) -> None:
        """Over the parts of a running app."""
        self._means, self._run = means, run
        self._log = means.store.training
        self._folder = means.folder / "runs" / run
        self._trainee: Trainee | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Keep the best there is so far."""
        self._stopped.set()
        if self._trainee is not None:
            self._trainee.stop()

    @property
    def stopping(self) -> bool:
        """Whether somebody pressed stop."""
        return self._stopped.is_set()

    async def drive(self) -> None:
        """Every stage that is not behind it; every way of failing ends in a sentence, and with no trainer left."""
        try:
            await self._stages()
        except Stopped as err:
            await self._end(err.message, stage="stopped")
        except FtchatError as err:
            await self._end(err.message, stage="stopped" if self.stopping else "failed")
        except asyncio.CancelledError:
            self._log.rest(self._run)
            raise
        except OSError as err:
            why = f"It could not be written or read ({err.strerror or err}). Is the disk full? Then press Retrain."
            await self._end(why)
        except Exception as err:
            # The last line of defence: a run must never stay unfinished, or nobody could press Retrain again.
            await self._end(f"Something in ftchat broke ({type(err).__name__}: {err}).")
            raise
        finally:
            if self._trainee is not None:
                await self._trainee.end()
            await asyncio.to_thread(self._tidy)

    def _tidy(self) -> None:
        """A run that has ended goes on nowhere: what it left to go on from may be a gigabyte, and its candidate is in
        the registry, or nowhere to be had."""
        if self._log.run(self._run).ended:
            for left in (*self._folder.glob(".candidate.*"), self._folder / "candidate"):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)

    async def _end(self, reason: str, *, stage: Stage = "failed") -> None:
        """End the run with its reason, when the database takes it again: until then nobody could press Retrain."""
        while True:
            try:
                return await asyncio.to_thread(self.fail, reason, stage=stage)
            except StoreError as err:
                log.error("The end of run %s could not be noted: %s", self._run, err.message)
                await asyncio.sleep(_AGAIN_S)

    def fail(self, reason: str, *, stage: Stage = "failed") -> None:
        """End the run with its reason; an adapter that it made, but that was not examined, stays out of play."""
        with self._means.store.writing():
            self._log.update_run(self._run, stage=stage, reason=reason)
            name = self._log.run(self._run).adapter
            if name is not None and self._log.adapter(name).state == "candidate":
                self._log.set_state(name, "rejected", reasons=[f"Its run ended before the exam did: {reason}"])

    async def _note(self, **values: Any) -> None:
        await asyncio.to_thread(self._log.update_run, self._run, **values)

    async def _stages(self) -> None:
        await self._may_go_on()
        stopped_before = self.stopping
        if not self._is_trained():
            self._trainee = Trainee(self._folder)
            await self._trainee.begin()
        if self._log.run(self._run).snapshot is None:
            await self._note(stage="snapshot", progress=0.02)
            frozen = await self._freeze()
            snapshot = await asyncio.to_thread(self._log.add_snapshot, frozen.digest, frozen.rows)
            await self._note(snapshot=snapshot, progress=0.05)
        frozen = await asyncio.to_thread(self._frozen)
        if not self._is_trained():
            await self._train(frozen)
        await self._heed_stop()
        if self._log.run(self._run).stage != "publish":
            await self._note(stage="exam", progress=0.85, eta_s=None)
        name = await self._publish(frozen, stopped_before=stopped_before)
        champion = self._means.contestants.champion()
        verdict = await self._examined(name, champion, frozen=frozen)
        await self._note(stage="publish", progress=0.97)
        await asyncio.to_thread(self._conclude, name, verdict, examined=champion)

    async def _may_go_on(self) -> None:
        """Refuse what cannot end well: another base, or a run that the app never survives."""
        begun = await asyncio.to_thread(self._log.begin, self._run)
        if self._log.stop_asked(self._run):
            self._stopped.set()
        if self._log.base_of(self._run) != self._means.base.fingerprint:
            raise TrainingError("The base model was changed while this run was on. Press Retrain to start a new one.")
        if begun > MOST_BEGUN:
            raise TrainingError(
                f"ftchat was ended {MOST_BEGUN} times during this run, most likely for lack of memory, so it was given "
                "up. Close other programs and press Retrain."
            )

    def _is_trained(self) -> bool:
        named = self._log.run(self._run).adapter is not None
        return named or (self._folder / "candidate").is_dir() or self._is_published()

    def _is_published(self) -> bool:
        return self._log.name_of(self._run) in self._means.registry.names()

    def _name(self) -> str:
        slug = self._means.settings.name
        return self._log.name_for(self._run, slug, above=self._means.registry.last_number(slug))

    # -- snapshot --

    async def _freeze(self) -> Frozen:
        """Freeze what was given so far. What base says to the replay questions is asked once and kept."""
        rows = await asyncio.to_thread(dataset.rows, self._means.store)
        asking = replay(self._means, rows)
        trained, spared = await self._or_stopped(asking, said="Stopped before the training began.")
        # Asking takes minutes: what was withdrawn since is out, and what stood before a question is what stands now.
        there = {row.id: row for row in await asyncio.to_thread(dataset.rows, self._means.store)}
        rows = [there[row.id] for row in rows if row.id in there]
        digest, folder = await asyncio.to_thread(
            dataset.freeze,
            self._means.folder / "snapshots",
            rows,
            trained,
            base=self._means.base.fingerprint,
            args=asdict(self._log.args_of(self._run)),
            model=self._means.base.path,
        )
        frozen = Frozen(digest, folder, rows, spared)
        await asyncio.to_thread(start.choose, self._means, self._run, rows)
        await asyncio.to_thread(self._keep, frozen)
        return frozen

    def _keep(self, frozen: Frozen) -> None:
        """Write down what the exam of this run will ask, aside and then renamed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = self._folder / f"{FROZEN}.part"
        said = {
            "digest": frozen.digest,
            "folder": frozen.folder.name,
            "spared": [asdict(item) for item in frozen.spared],
        }
        aside.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
        aside.rename(self._folder / FROZEN)

    def _frozen(self) -> Frozen:
        """The snapshot as it was written down."""
        try:
            said = json.loads((self._folder / FROZEN).read_text(encoding="utf-8"))
        except (OSError, ValueError) as err:
            raise TrainingError(f"What this run was made from is gone ({err}). Press Retrain to start again.") from err
        folder = self._means.folder / "snapshots" / said["folder"]
        spared = [Replay(tuple(Message(**m) for m in item["messages"]), item["answer"]) for item in said["spared"]]
        return Frozen(said["digest"], folder, exam.frozen(folder), spared)

    # -- train --

    async def _train(self, frozen: Frozen) -> None:
        """Train, or go on training."""
        await self._note(stage="train")
        begins, fresh = await asyncio.to_thread(start.chosen, self._means, self._run, frozen.rows)
        job = Job(
            base=self._means.base.path,
            snapshot=frozen.folder,
            out=self._folder / "candidate",
            metrics=self._folder / "metrics.jsonl",
            args=self._log.args_of(self._run),
            samples=tuple(await asyncio.to_thread(samples, self._means, frozen.rows)),
            threads=0,
            start=begins,
            fresh=fresh,
            context_length=self._means.prompter.context_length,
        )
        self._heed_early_stop(job)
        assert self._trainee is not None
        async with self._means.room(job.args, partial(self._longest, frozen.rows)) as words:
            self._heed_early_stop(job)  # making room may have taken a minute
            if words:
                progress.note_room(self._folder, words)
            await self._trainee.run(job, self._note_progress)

    async def _note_progress(self, share: float, eta_s: float | None) -> None:
        """How far training is; a disk that is full for a moment does not end it."""
        try:
            await self._note(progress=share, eta_s=eta_s)
        except StoreError as err:
            log.warning("The progress of run %s could not be noted: %s", self._run, err.message)

    def _heed_early_stop(self, job: Job) -> None:
        """A stop before the trainer is there: what a killed one left is kept, which the next one does."""
        if not self.stopping:
            return
        if not job.checkpoint.is_file():
            raise Stopped("Stopped before the training began.")
        assert self._trainee is not None
        self._trainee.stop()

    def _longest(self, rows: Sequence[Row]) -> int:
        """Tokens of the longest row, both answers of one that has two: no batch is shorter than that."""
        prompter, longest = self._means.prompter, 0
        for row in rows:
            with suppress(BadInput):  # nor is it trained
                other = len(prompter.encode(row.rejected, answer=True)) + 1 if row.rejected else 0
                longest = max(longest, len(prompter.render_answer(row.messages, row.target)[0]) + other)
        return longest

    async def _heed_stop(self) -> None:
        """A stop while it trained was for the training: its best is kept, and examined as any other."""
        if self.stopping and self._log.run(self._run).stage == "train":
            await asyncio.to_thread(self._log.heed_stop, self._run)
            self._stopped.clear()

    # -- exam --

    async def _publish(self, frozen: Frozen, *, stopped_before: bool) -> str:
        """The candidate under its final name: checked, made immutable, loaded everywhere. Whoever stops meanwhile does
        without it; where an app that is gone was told to stop, the exam is what is left out."""
        means, name = self._means, await asyncio.to_thread(self._name)
        if name not in means.registry.names():
            parent = means.store.lineage.start_of(self._run) or BASE
            lineage = {
                "run": self._run, "snapshot": frozen.digest, "base_name": means.base.name, "parent": parent,
            }  # fmt: skip
            candidate, base = self._folder / "candidate", means.base.fingerprint
            await asyncio.to_thread(means.registry.publish, candidate, name, base=base, lineage=lineage)
        await asyncio.to_thread(self._make_known, name)
        try:
            if stopped_before:
                await self._tried(name)
            else:
                await self._or_stopped(self._tried(name), said=f"Stopped before {name} could be tried.")
        except BadAdapter as err:
            await means.store.soon(partial(means.service.retire_broken, name, err.message))
            raise TrainingError(f"{name} was trained but cannot be served: {err.message}") from err
        return name

    async def _tried(self, name: str) -> None:
        await self._means.until_ready()
        for work in (self._means.service.load, self._means.service.probe):
            await self._means.patiently(partial(work, name))

    def _make_known(self, name: str) -> None:
        with self._means.store.writing():
            with suppress(NotFound):
                self._log.adapter(name)
                return
            number = int(name.rpartition("-v")[2])
            self._log.add_adapter(name, number=number, base=self._means.base.fingerprint, run=self._run)
            self._log.update_run(self._run, adapter=name)

    async def _examined(self, name: str, champion: str, *, frozen: Frozen) -> Verdict:
        """The verdict; whoever stops the exam decides by themselves."""
        try:
            await self._or_stopped(self._means.patiently(lambda: self._show(name)))
            questions = examine(self._means, name, champion, rows=frozen.rows, replay=frozen.spared)
            return await self._or_stopped(questions)
        except Stopped:
            return Verdict(decision="INSUFFICIENT", reasons=("The exam was stopped before its end, so you decide.",))

    async def _show(self, name: str) -> None:
        """What the published adapter answers to the questions that people watched, through the engine."""

        async def said(sample: Sample) -> tuple[str, str]:
            token_ids, _ = self._means.prompter.fit(sample.messages, room=GREEDY.max_tokens)
            request = Request(model=name, token_ids=token_ids, params=GREEDY)
            return sample.id, (await self._means.engine.answer(request))[0]

        job = self._folder / FILE
        watched = [s for s in Job.read(job).samples if fits(self._means, s.messages)] if job.is_file() else []
        progress.keep_served(self._folder, dict(await exam.all_of(said, watched)))

    async def _or_stopped(self, work: Coroutine[Any, Any, Result], *, said: str = "") -> Result:
        """What the work gives; Stopped when somebody presses stop first."""
        working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Stopped(said)
            return working.result()
        finally:
            for task in (working, waiting):
                task.cancel()
            await asyncio.gather(working, waiting, return_exceptions=True)

    # -- publish --

    def _conclude(self, name: str, verdict: Verdict, *, examined: str) -> None:
        """The verdict, what follows from it, and the end of the run: in one transaction."""
        runs, base = self._log, self._means.base.fingerprint
        with self._means.store.writing():
            if verdict.decision == "PROMOTE" and (why := self._doubt(name, examined)):
                verdict = replace(verdict, decision="INSUFFICIENT", reasons=(*verdict.reasons, why))
            runs.update_run(self._run, verdict=verdict)
            if runs.adapter(name).state == "broken":
                raise TrainingError(f"{name} was found broken while it was examined.")
            if verdict.decision == "PROMOTE":
                self._means.service.promote(name, by="exam", why=verdict.reasons[0])
            elif runs.champion(base) != name:  # someone may have taken it into service meanwhile
                state: AdapterState = "challenger" if verdict.decision == "INSUFFICIENT" else "rejected"
                runs.set_state(name, state, reasons=verdict.reasons)
            stage = "rejected" if verdict.decision == "REJECT" else "done"
            runs.update_run(self._run, stage=stage, progress=1.0, reason=verdict.reasons[0])

    def _doubt(self, name: str, examined: str) -> str:
        """What happened meanwhile, so that the exam alone cannot decide."""
        champion = self._log.champion(self._means.base.fingerprint)
        if champion not in (examined, name):
            return f"Meanwhile someone put {champion} into service, so you decide."
        if self._means.store.lineage.holds_withdrawn(self._run):
            return "Meanwhile feedback that this run was made from was withdrawn, so you decide."
        return ""
