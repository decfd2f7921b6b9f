"""The loop: press, snapshot, train, exam, publish; and who is in service afterwards.

Each stage is in the database before it begins, so that any page, and any later start of the app, finds the run where
it is. The trainer is a child process; this module reads its metrics and never its memory.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftchat import dataset, exam, progress
from ftchat.base import Base
from ftchat.config import GateArgs, Settings, train_args
from ftchat.contestants import Contestants
from ftchat.dataset import Card, Replay
from ftchat.engine import Engine, Request
from ftchat.errors import BadInput, Conflict, EngineError, FtchatError, NotFound, TrainingError
from ftchat.progress import RunSeen, Status
from ftchat.prompt import Prompter
from ftchat.records import BASE, Adapter, AdapterState, Message, Params, Row, Run, Verdict
from ftchat.registry import Registry
from ftchat.store import Store
from ftchat.trainee import Trainee
from ftchat.training.job import Job, Sample

REPLAYED = 48  # replay rows of a snapshot, at most
KEPT_CHAMPIONS = 3
_GREEDY = Params(temperature=0.0, top_p=1.0, max_tokens=128)
_SHOWN = 3  # taught and never-taught questions on the Train page, each
_EXAMINED = 24  # replay answers scored in an exam, at most


class Pipeline:
    """Everything that happens after Retrain is pressed."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        *,
        prompter: Prompter,
        contestants: Contestants,
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
        self._contestants, self._registry, self._base = contestants, registry, base
        self._settings, self._anchors, self._examples = settings, tuple(anchors), tuple(examples)
        self._folder = settings.home / "data"
        self._task: asyncio.Task[None] | None = None
        self._trainee: Trainee | None = None
        self._stopping = False

    # -- what people press --

    async def press(
        self, user: str, *, effort: str = "normal", args: dict[str, Any] | None = None, key: str | None = None
    ) -> Run:
        """Start a run; it goes on when the page goes away."""
        given = train_args({"effort": effort, **(args or {})})
        if earlier := self._store.once(user, key):
            return self._store.training.run(earlier)
        if running := self._store.training.unfinished():
            raise Conflict(f"Run {running} is on. Wait for it or stop it first.")
        if not self.card().enough:
            raise BadInput("There is nothing to learn from yet: correct a few replies first.")
        if not await self._engine.ready():
            raise BadInput("The engine is not ready; training needs it for the exam. Try again when it is.")
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

    async def use(self, user: str, adapter: str) -> None:
        """Put an adapter into service, whatever the exam said: a person decided."""
        found = self._store.training.adapter(adapter)
        if found.base != self._base.fingerprint:
            raise Conflict(f"{adapter} was made for another base model.")
        if found.state == "broken":
            raise Conflict(f"{adapter} cannot be served: {' '.join(found.reasons)}")
        await self._engine.load(adapter, self._registry.path(adapter))
        self._store.training.promote(adapter, base=self._base.fingerprint, by=user, why="chosen by hand")

    async def rollback(self, user: str) -> str:
        """Put the champion before this one back into service; returns its name."""
        history = self._store.training.champions(self._base.fingerprint)
        if len(history) < 2:
            raise Conflict("There is no earlier champion to go back to.")
        earlier = history[1]
        if earlier != BASE:
            await self._engine.load(earlier, self._registry.path(earlier))
        self._store.training.promote(earlier, base=self._base.fingerprint, by=user, why="rolled back")
        return earlier

    def card(self) -> Card:
        """What a press would use now."""
        return dataset.card(self._store, trained=self._trained(), exam_groups=self._settings.exam_groups)

    def adapters(self) -> list[Adapter]:
        """The adapters of this base, newest first."""
        return self._store.training.adapters(self._base.fingerprint)

    def _trained(self) -> set[str]:
        for run in self._store.training.runs():
            if run.stage in ("done", "rejected"):
                return self._store.training.trained_on(run.id)
        return set()

    # -- what people see --

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

    # -- what is kept loaded --

    def desired(self) -> list[str]:
        """Adapters that should be loaded everywhere: in service, playing, and the last champions, newest first."""
        states = {a.name: a.state for a in self.adapters() if a.state not in ("broken", "rejected")}
        champions = [n for n in self._store.training.champions(self._base.fingerprint) if n in states]
        playing = [name for name, state in states.items() if state in ("candidate", "challenger", "champion")]
        wanted = list(dict.fromkeys([*champions[:1], *playing, *champions[1 : 1 + KEPT_CHAMPIONS]]))
        return wanted[: self._settings.max_cpu_loras]

    async def load_desired(self) -> None:
        """Bring every endpoint to the desired set: after a start, a restart of vLLM, or a publication."""
        for name in self.desired():
            try:
                self._registry.verify(name)
                await self._engine.load(name, self._registry.path(name))
            except (NotFound, FtchatError) as err:
                if isinstance(err, EngineError):
                    raise
                self._store.training.set_state(name, "broken", reasons=[err.message])

    def recover(self) -> None:
        """At start: a run that lost its app says so. Its snapshot and metrics stay in data/runs."""
        if run := self._store.training.unfinished():
            reason = "ftchat was ended during this run. Nothing you gave was lost; press Retrain to start again."
            self._store.training.update_run(run, stage="failed", reason=reason)

    async def close(self) -> None:
        """At the end of the app: the trainer goes with it."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    # -- the stages --

    async def _drive(self, run: str) -> None:
        """A run from queued to its end; every way of failing ends in a sentence."""
        log = self._store.training
        try:
            await self._stages(run)
        except FtchatError as err:
            log.update_run(run, stage="stopped" if self._stopping else "failed", reason=err.message)
        except asyncio.CancelledError:
            if self._trainee is not None:
                await self._trainee.end()
            log.update_run(
                run, stage="failed", reason="ftchat was ended during this run; press Retrain to start again."
            )
            raise
        except Exception as err:
            # The last line of defence: a run must never stay unfinished, or nobody could press Retrain again.
            log.update_run(run, stage="failed", reason=f"Something in ftchat broke ({type(err).__name__}: {err}).")
            raise
        finally:
            self._trainee = None

    async def _stages(self, run: str) -> None:
        log = self._store.training
        args = log.args_of(run)
        log.update_run(run, stage="snapshot", progress=0.02)
        rows = await asyncio.to_thread(dataset.rows, self._store)
        replay = await self._replay(rows)
        digest, folder = dataset.freeze(
            self._folder / "snapshots", rows, replay, base=self._base.fingerprint, args=asdict(args)
        )
        log.update_run(run, snapshot=log.add_snapshot(digest, rows), stage="train", progress=0.05)
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
        await self._trainee.run(lambda progress, eta_s: log.update_run(run, progress=progress, eta_s=eta_s))
        log.update_run(run, stage="exam", progress=0.85, eta_s=None)
        name = await self._publish(run, job.out, digest=digest)
        await self._show(name, job, out)
        verdict = await self._examine(name, rows=rows, replay=replay)
        log.update_run(run, stage="publish", progress=0.97, verdict=verdict)
        self._conclude(run, name, verdict)

    async def _replay(self, rows: Sequence[Row]) -> list[Replay]:
        """Base's own greedy answers to prompts that are not about what was corrected; each asked once per base."""
        asked = self._store.turns.prompts_without_feedback(limit=200)
        prompts = dataset.anchors_for(rows, [*self._anchors, *asked], limit=REPLAYED)
        known = self._store.training.replay_answers(self._base.fingerprint)
        missing = [prompt for prompt in prompts if prompt not in known]
        for prompt in missing:
            ids = self._prompter.render([Message("user", prompt)])
            text, finish = await self._engine.answer(Request(model=BASE, token_ids=ids, params=_GREEDY))
            if finish == "stop" and text.strip():
                known[prompt] = text
                self._store.training.keep_replay_answer(self._base.fingerprint, prompt, text)
        return [Replay((Message("user", p),), known[p]) for p in prompts if p in known]

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
        return taught + never

    async def _publish(self, run: str, candidate: Path, *, digest: str) -> str:
        """The candidate under its final name: checked, made immutable, loaded everywhere."""
        slug = self._settings.name
        number = self._store.training.next_number(slug)
        name = f"{slug}-v{number}"
        lineage = {"run": run, "snapshot": digest, "base_name": self._base.name}
        await asyncio.to_thread(self._registry.publish, candidate, name, base=self._base.fingerprint, lineage=lineage)
        self._store.training.add_adapter(name, number=number, base=self._base.fingerprint, run=run)
        self._store.training.update_run(run, adapter=name)
        try:
            await self._engine.load(name, self._registry.path(name))
            await self._probe(name)
        except FtchatError as err:
            self._store.training.set_state(name, "broken", reasons=[err.message])
            raise TrainingError(f"{name} was trained but cannot be served: {err.message}") from err
        return name

    async def _show(self, name: str, job: Job, folder: Path) -> None:
        """What the published adapter answers to the questions that people watched, through the engine."""
        answers = {}
        for sample in job.samples:
            request = Request(model=name, token_ids=self._prompter.render(sample.messages), params=_GREEDY)
            answers[sample.id] = (await self._engine.answer(request))[0]
        progress.keep_served(folder, answers)

    async def _probe(self, name: str) -> None:
        """The loaded adapter must answer, and differently from base: vLLM serves base where no weight matched."""
        ids, start = self._prompter.render_answer([Message("user", "Hello!")], "Hello! How can I help you today?")
        ours, theirs = await self._engine.score(name, ids, start), await self._engine.score(BASE, ids, start)
        if ours == theirs:
            raise TrainingError("It has no effect: the engine answers as the base does.")

    async def _examine(self, name: str, *, rows: Sequence[Row], replay: Sequence[Replay]) -> Verdict:
        champion = self._contestants.champion()
        exam_rows = dataset.of_split(rows, "exam")
        who = list(dict.fromkeys([name, champion, BASE]))
        scores = await exam.measure(
            self._engine, self._prompter, self._contestants, who=who, rows=exam_rows, replay=replay[:_EXAMINED]
        )
        gate = GateArgs(min_groups=self._settings.exam_groups)
        return exam.decide(scores, candidate=name, champion=champion, gate=gate)

    def _conclude(self, run: str, name: str, verdict: Verdict) -> None:
        log, base = self._store.training, self._base.fingerprint
        with self._store.writing():
            if verdict.decision == "PROMOTE":
                log.promote(name, base=base, by="exam", why=verdict.reasons[0])
            else:
                state: AdapterState = "challenger" if verdict.decision == "INSUFFICIENT" else "rejected"
                log.set_state(name, state, reasons=verdict.reasons)
            stage = "rejected" if verdict.decision == "REJECT" else "done"
            log.update_run(run, stage=stage, progress=1.0, reason=verdict.reasons[0])
