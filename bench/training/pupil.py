"""The practice model as a pupil in this process: taught by our trainer's steps or by TRL, asked greedily in batches.

Answers are transformers' greedy ones on a base as a run holds it, not vLLM's: some forty models are asked once each,
and an engine takes half a minute to start. It knows neither scenarios nor judges.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from bench.training import one, texts
from ftchat import fp32
from ftchat.config import TrainArgs
from ftchat.prompt import Prompter
from ftchat.records import Message, Replay, Row
from ftchat.training.job import MetricsLog
from ftchat.training.loop import Course
from ftchat.training.model import Learner, device_here, load_base, width_of
from ftchat.training.plan import Plan, choose
from ftchat.training.precision import quickest
from ftchat.training.rows import prepare
from ftchat.training.run import amounts_of
from ftchat.training.snapshot import Snapshot

ROOM, AT_ONCE = 96, 64  # tokens of an answer; questions in a batch


class Pupil:
    """One model folder; every lesson begins from it anew."""

    def __init__(self, model: Path, folder: Path, *, threads: int) -> None:
        self.prompter = Prompter(model)
        self._device = device_here()
        self._kind = quickest(model, self._device)
        self._model, self._folder, self._threads, self._lessons = model, folder, threads, 0

    def base(self) -> Learner:
        """A LoRA that changes nothing."""
        return Learner(self._base(), rank=8, alpha=16, seed=0)

    def _base(self) -> Any:
        """The base as a run holds it, and as everybody's adapter is asked."""
        return load_base(self._model, self._device, kind=self._kind)

    def ask(self, learner: Learner, asked: Sequence[Sequence[Message]]) -> list[str]:
        """Greedy replies; alike in length together, since padding costs, and moves results in bf16."""
        order = sorted(range(len(asked)), key=lambda at: self.prompter.count(asked[at]))
        found: dict[int, str] = {}
        for start in range(0, len(order), AT_ONCE):
            part = order[start : start + AT_ONCE]
            replies = learner.answer(self.prompter, [asked[at] for at in part], room=ROOM)
            found |= dict(zip(part, replies, strict=True))
        return [found[at] for at in range(len(asked))]

    def ours(self, rows: Sequence[Row], replay: Sequence[Replay], **args: Any) -> tuple[Learner, Plan]:
        """Taught by our trainer, as a run without tune rows is."""
        self._lessons += 1
        examples = prepare(Snapshot(train=tuple(rows), tune=(), replay=tuple(replay)), self.prompter)
        base = self._base()
        plan = choose(TrainArgs(**args), amounts_of(examples, width=width_of(base)))
        learner = Learner(base, rank=plan.rank, alpha=plan.alpha, seed=plan.seed)
        log = MetricsLog(self._folder / f"{self._lessons}.jsonl")
        course = Course(
            learner, examples, plan=replace(plan, evaluate_every=plan.steps + 1), prompter=self.prompter, samples=(),
            log=log, stop=threading.Event(), keeper=one.Nowhere(),
        )  # fmt: skip
        with fp32.tiny_is_nought():
            course.run()
        log.close()
        return learner, plan

    def theirs(self, rows: Sequence[Row], plan: Plan, *, rate: float, steps: int, way: str) -> Learner:
        """Taught by TRL's SFTTrainer on the same texts, with a LoRA of the same shape."""
        self._lessons += 1
        folder = self._folder / f"trl-{self._lessons}"
        folder.mkdir()
        rendered = [texts.Texts(self.prompter.decode(self.prompter.render(row.messages)), row.target) for row in rows]
        spec = one.Spec(
            way=way, kind="sft", model=str(self._model), rows=str(texts.write(folder / "rows.jsonl", rendered)),
            batch=min(8, len(rows)), steps=steps, rate=rate, threads=self._threads, rank=plan.rank,
            out=str(folder / "adapter"),
        )  # fmt: skip
        one.theirs(spec)
        shape = json.loads((folder / "adapter" / "adapter_config.json").read_text())
        weights = load_file(folder / "adapter" / "adapter_model.safetensors")
        return Learner(self._base(), rank=shape["r"], alpha=shape["lora_alpha"], seed=0, start=weights)
