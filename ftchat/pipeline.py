"""The loop: press, snapshot, train, exam, publish; and who is in service afterwards.

Each stage is in the database before it begins, so that any page, and any later start of the app, finds the run where
it is. The trainer is a child process; this module reads its metrics and never its memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ftchat import dataset, exam, progress
from ftchat.base import Base
from ftchat.config import GateArgs, Settings, train_args
from ftchat.contestants import Contestants
from ftchat.dataset import Card
from ftchat.engine import Engine, Request
from ftchat.errors import (
    BadAdapter,
    BadInput,
    Conflict,
    EngineNotReady,
    FtchatError,
    TooLong,
    TrainingError,
    UnknownModel,
)
from ftchat.progress import RunSeen, Status
from ftchat.prompt import Prompter
from ftchat.records import BASE, FEW_SHOT, AdapterState, Message, Params, Replay, Row, Run, Stage, Verdict
from ftchat.registry import Registry
from ftchat.service import Service
from ftchat.store import Store
from ftchat.trainee import Trainee
from ftchat.training.job import Job, Sample

REPLAYED, SPARED = 32, 16  # questions that are replayed in training, and that the exam looks at instead, at most
_GREEDY = Params(temperature=0.0, top_p=1.0, max_tokens=128)
_SHOWN = 3  # taught and never-taught questions on the Train page, each
_LOOK_S = 1.0
_PATIENCE_S = 180.0  # for an engine that restarts in the middle of a run
_ENDED = "ftchat was ended during this run; press Retrain to start again."

Answer = TypeVar("Answer")


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
    ) -> None:
        """`anchors` are prompts for replay, `examples` prompts to show where nobody asked others yet."""
        self.engine_stage = engine_stage
        self._store, self._engine, self._prompter = store, engine, prompter
        self._contestants, self._service, self._registry, self._base = contestants, service, registry, base
        self._settings, self._anchors, self._examples = settings, tuple(anchors), tuple(examples)
        self._folder = settings.home / "data"
        self._task: asyncio.Task[None] | None = None
        self._trainee: Trainee | None = None
        self._stopping = False
        self._card: tuple[object, Card] | None = None

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
        if self._task is None or self._task.done():
            self.recover()
        if running := self._store.training.unfinished():
            raise Conflict(f"Run {running} is on. Wait for it or stop it first.")
        if not (await asyncio.to_thread(self.card)).enough:
            raise BadInput("There is nothing to learn from yet: correct a few replies first.")
        if self.engine_stage()[0] != "ready":
            raise EngineNotReady("The engine is not ready, and training needs it. Try again when it is.")
        with self._store.writing():
            run = self._store.training.start_run(by=user, base=self._base.fingerprint, args=given)
            self._store.remember(user, key, run.id)
        self._stopping = False
        self._task = asyncio.create_task(self._drive(run.id))
        return run

    async def stop(self, user: str, run: str) -> None:
        """Stop and keep the best so far; before there is anything to keep, the run just ends."""
        if self._store.training.run(run).ended:
            raise Conflict("This run has already ended.")
        self._stopping = True
        if self._trainee is not None:
            self._trainee.stop()

    def card(self) -> Card:
        """What a press would use now. Made anew only when feedback or the last run changed."""
        now = (self._store.feedback.newest(), self._last_run())
        if self._card is None or self._card[0] != now:
            trained = self._store.training.trained_on(now[1]) if now[1] else set()
            made = dataset.card(self._store, trained=trained, exam_groups=self._settings.exam_groups)
            self._card = (now, made)
        return self._card[1]

    def _last_run(self) -> str | None:
        """The newest run that ended with an adapter."""
        return next((run.id for run in self._store.training.runs() if run.stage in ("done", "rejected")), None)

    # -- what people see --

    def failed(self) -> bool:
        """Whether the engine is down, so that waiting for it may be in vain."""
        return self.engine_stage()[0] == "failed"

    def latest(self) -> str | None:
        """The newest run's id."""
        runs = self._store.training.runs(limit=1)
        return runs[0].id if runs else None

    def seen(self, run: str) -> RunSeen:
        """A run with its curves, samples and words."""
        return progress.see(self._store.training.run(run), self._folder / "runs" / run)

    def status(self) -> Status:
        """What the strip says; `engine` is where vLLM stands."""
        stage, reason = self.engine_stage()
        return Status(
            engine=stage,
            engine_reason=reason,
            ready=stage == "ready",
            champion=self._contestants.champion(),
            base_name=self._base.name,
            practice=self._base.practice,
            new_feedback=self.card().new,
            run=self._store.training.unfinished(),
        )

    def recover(self) -> None:
        """At start: a run that lost its app says so. Its snapshot and metrics stay in data/runs."""
        if run := self._store.training.unfinished():
            self._fail(run, _ENDED)

    async def close(self) -> None:
        """At the end of the app: the trainer goes with it."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    # -- the stages --

    async def _drive(self, run: str) -> None:
        """A run from queued to its end; every way of failing ends in a sentence, and with no trainer left."""
        try:
            await self._stages(run)
        except FtchatError as err:
            await asyncio.to_thread(self._fail, run, err.message, stage="stopped" if self._stopping else "failed")
        except asyncio.CancelledError:
            self._fail(run, _ENDED)
            raise
        except Exception as err:
            # The last line of defence: a run must never stay unfinished, or nobody could press Retrain again.
            await asyncio.to_thread(self._fail, run, f"Something in ftchat broke ({type(err).__name__}: {err}).")
            raise
        finally:
            if self._trainee is not None:
                await self._trainee.end()
            self._trainee = None

    def _fail(self, run: str, reason: str, *, stage: Stage = "failed") -> None:
        """End a run with its reason; an adapter that it made, but that was not examined, stays out of play."""
        log = self._store.training
        with self._store.writing():
            log.update_run(run, stage=stage, reason=reason)
            name = log.run(run).adapter
            if name is not None and log.adapter(name).state == "candidate":
                log.set_state(name, "rejected", reasons=[f"Its run ended before the exam did: {reason}"])

    async def _note(self, run: str, **values: Any) -> None:
        await asyncio.to_thread(self._store.training.update_run, run, **values)

    async def _stages(self, run: str) -> None:
        log = self._store.training
        args = log.args_of(run)
        await self._note(run, stage="snapshot", progress=0.02)
        rows = await asyncio.to_thread(dataset.rows, self._store)
        replay, kept = await self._replay(rows)
        digest, folder = await asyncio.to_thread(
            dataset.freeze,
            self._folder / "snapshots",
            rows,
            replay,
            base=self._base.fingerprint,
            args=asdict(args),
        )
        await self._note(run, snapshot=log.add_snapshot(digest, rows), stage="train", progress=0.05)
        out = self._folder / "runs" / run
        job = Job(
            base=self._base.path,
            snapshot=folder,
            out=out / "candidate",
            metrics=out / "metrics.jsonl",
            args=args,
            samples=tuple(self._samples(rows)),
            threads=0,
        )
        if self._stopping:
            raise TrainingError("Stopped before the training began.")
        self._trainee = Trainee(job, folder=out)
        await self._trainee.run(lambda progress, eta_s: self._note(run, progress=progress, eta_s=eta_s))
        await self._note(run, stage="exam", progress=0.85, eta_s=None)
        name = await self._publish(run, job.out, digest=digest)
        await self._patiently(lambda: self._show(name, job, out))
        champion = self._contestants.champion()
        verdict = await self._patiently(lambda: self._examine(name, champion, rows=rows, replay=kept))
        await self._note(run, stage="publish", progress=0.97)
        await asyncio.to_thread(self._conclude, run, name, verdict, examined=champion)

    async def _patiently(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """What a call to the engine gives; if the engine goes away meanwhile, once more when it is back."""
        try:
            return await call()
        except (EngineNotReady, UnknownModel):
            waited = 0.0
            while self.engine_stage()[0] != "ready" and waited < _PATIENCE_S:
                await asyncio.sleep(_LOOK_S)
                waited += _LOOK_S
            return await call()

    async def _replay(self, rows: Sequence[Row]) -> tuple[list[Replay], list[Replay]]:
        """Base's own greedy answers to prompts that are not about what was corrected: to train on, and for the exam.

        Each prompt is asked once per base. People's own questions are never trained on: somebody may correct one
        tomorrow, and it may be kept aside for the exam then.
        """
        asked = [p for p in self._store.turns.prompts_without_feedback(limit=200) if dataset.kept_for_exam(p)]
        far = dataset.anchors_for(rows, [*self._anchors, *asked], limit=len(self._anchors) + len(asked))
        prompts = [p for p in far if not dataset.kept_for_exam(p)][:REPLAYED]
        prompts += [p for p in far if dataset.kept_for_exam(p)][:SPARED]
        known = self._store.training.replay_answers(self._base.fingerprint)
        for prompt in prompts:
            if prompt in known or self._stopping:
                continue
            if answer := await self._patiently(partial(self._base_says, prompt)):
                known[prompt] = answer
                self._store.training.keep_replay_answer(self._base.fingerprint, prompt, answer)
        found = [(p, Replay((Message("user", p),), known[p])) for p in prompts if p in known]
        trained = [replay for prompt, replay in found if not dataset.kept_for_exam(prompt)]
        return trained, [replay for prompt, replay in found if dataset.kept_for_exam(prompt)]

    async def _base_says(self, prompt: str) -> str:
        """Base's whole answer; nothing when it does not fit or does not end."""
        try:
            token_ids, _ = self._prompter.fit([Message("user", prompt)], room=_GREEDY.max_tokens)
        except TooLong:
            return ""
        text, finish = await self._engine.answer(Request(model=BASE, token_ids=token_ids, params=_GREEDY))
        return text if finish == "stop" and text.strip() else ""

    def _samples(self, rows: Sequence[Row]) -> list[Sample]:
        """Questions that people watch while it learns: taught ones, and ones that it is never taught."""
        train = dataset.of_split(rows, "train")
        taught = [Sample(id=r.id, messages=r.messages, taught=True, wanted=r.target) for r in train[-_SHOWN:]]
        known = {row.messages[-1].content for row in rows}
        fresh = [r.messages for r in dataset.of_split(rows, "exam")]
        others = [*self._store.turns.prompts_without_feedback(limit=20), *self._examples]
        near = dataset.nearest([p for p in others if p not in known], to=[r.messages[-1].content for r in train])
        fresh += [(Message("user", prompt),) for prompt in near]
        never = [
            Sample(id=f"new-{i}", messages=messages, taught=False, wanted=None)
            for i, messages in enumerate(fresh[:_SHOWN])
        ]
        return [sample for sample in taught + never if self._fits(sample.messages)]

    def _fits(self, messages: Sequence[Message]) -> bool:
        try:
            self._prompter.fit(messages, room=_GREEDY.max_tokens)
        except TooLong:
            return False
        return True

    async def _publish(self, run: str, candidate: Path, *, digest: str) -> str:
        """The candidate under its final name: checked, made immutable, loaded everywhere."""
        slug, log = self._settings.name, self._store.training
        number = log.next_number(slug, above=self._registry.last_number(slug))
        name = f"{slug}-v{number}"
        lineage = {"run": run, "snapshot": digest, "base_name": self._base.name}
        await asyncio.to_thread(self._registry.publish, candidate, name, base=self._base.fingerprint, lineage=lineage)
        log.add_adapter(name, number=number, base=self._base.fingerprint, run=run)
        await self._note(run, adapter=name)
        try:
            await self._patiently(lambda: self._service.load(name))
            await self._patiently(lambda: self._service.probe(name))
        except BadAdapter as err:
            self._service.retire_broken(name, err.message)
            raise TrainingError(f"{name} was trained but cannot be served: {err.message}") from err
        return name

    async def _show(self, name: str, job: Job, folder: Path) -> None:
        """What the published adapter answers to the questions that people watched, through the engine."""
        answers = {}
        for sample in job.samples:
            token_ids, _ = self._prompter.fit(sample.messages, room=_GREEDY.max_tokens)
            request = Request(model=name, token_ids=token_ids, params=_GREEDY)
            answers[sample.id] = (await self._engine.answer(request))[0]
        progress.keep_served(folder, answers)

    async def _examine(self, name: str, champion: str, *, rows: Sequence[Row], replay: Sequence[Replay]) -> Verdict:
        exam_rows = dataset.of_split(rows, "exam")
        who = list(dict.fromkeys([name, champion, BASE]))
        for contestant in who:
            await self._service.summon(BASE if contestant == FEW_SHOT else contestant)
        scores = await exam.measure(
            self._engine, self._prompter, self._contestants, who=who, rows=exam_rows, replay=replay
        )
        gate = GateArgs(min_groups=self._settings.exam_groups)
        return exam.decide(scores, candidate=name, champion=champion, gate=gate)

    def _conclude(self, run: str, name: str, verdict: Verdict, *, examined: str) -> None:
        log, base = self._store.training, self._base.fingerprint
        with self._store.writing():
            if log.champion(base) != examined and verdict.decision == "PROMOTE":
                moved = f"Meanwhile someone put {log.champion(base)} into service, so you decide."
                verdict = replace(verdict, decision="INSUFFICIENT", reasons=(*verdict.reasons, moved))
            log.update_run(run, verdict=verdict)
            if log.adapter(name).state == "broken":
                raise TrainingError(f"{name} was found broken while it was examined.")
            if verdict.decision == "PROMOTE":
                self._service.promote(name, by="exam", why=verdict.reasons[0])
            elif log.champion(base) != name:  # someone may have taken it into service meanwhile
                state: AdapterState = "challenger" if verdict.decision == "INSUFFICIENT" else "rejected"
                log.set_state(name, state, reasons=verdict.reasons)
            stage = "rejected" if verdict.decision == "REJECT" else "done"
            log.update_run(run, stage=stage, progress=1.0, reason=verdict.reasons[0])
