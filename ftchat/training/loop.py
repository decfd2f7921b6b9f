"""The steps: AdamW over the joint loss, with a look at the tune rows and at sample answers in between.

Where there are tune rows, the weights with the lowest tune loss are kept and a run that gets no better ends early;
where there are none, the planned steps are made. It does not know where weights are saved or who asked.
"""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ftchat.errors import TrainingError
from ftchat.prompt import Prompter
from ftchat.training.job import MetricsLog, Sample
from ftchat.training.loss import JointLoss
from ftchat.training.model import Learner
from ftchat.training.plan import Plan
from ftchat.training.rows import Draw, Example, Examples, Part, batches

SHOWN_TOKENS = (32, 128)  # sample answers get as much room as the longest taught answer, within these bounds


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the steps ended; the learner holds the kept weights."""

    steps: int
    best_step: int
    loss: float
    tune_loss: float | None
    stopped: bool


@dataclass
class _Best:
    """The lowest tune loss so far, and the weights that had it."""

    loss: float = math.inf
    step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    worse: int = 0  # evaluations since

    def see(self, loss: float, step: int, *, learner: Learner) -> None:
        if loss < self.loss:
            self.loss, self.step, self.worse = loss, step, 0
            self.weights = {name: value.detach().clone() for name, value in learner.weights().items()}
        else:
            self.worse += 1


class Course:
    """One course of training."""

    def __init__(
        self, learner: Learner, examples: Examples, *, plan: Plan, prompter: Prompter, samples: Sequence[Sample],
        log: MetricsLog, stop: threading.Event,
    ) -> None:  # fmt: skip
        self._learner, self._examples, self._plan = learner, examples, plan
        self._prompter, self._samples, self._log, self._stop = prompter, samples, log, stop
        self._loss = JointLoss({"target": 1.0, "replay": plan.replay_share})
        self._weights = list(learner.weights().values())
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=plan.learning_rate, weight_decay=plan.weight_decay, betas=(0.9, 0.99)
        )
        self._best = _Best()
        self._pace = _Pace()

    def run(self) -> Outcome:
        """Make the steps, and leave the kept weights in the learner."""
        plan, loss, made = self._plan, math.nan, 0
        self._look(0)
        for step, drawn in enumerate(self._draws(), start=1):
            if self._stop.is_set() or step > plan.steps or self._best.worse >= plan.patience:
                break
            loss, made = self._step(step, drawn), step
            if step % plan.evaluate_every == 0 and step < plan.steps:
                self._look(step)
        if not made:
            raise TrainingError("Stopped before the first step: there is nothing to keep.")
        if made % plan.evaluate_every or made == plan.steps:
            self._look(made, shown=False)
        self._keep_best()
        self._show(made)
        tune = self._best.loss if self._examples.tune else None
        best = self._best.step if self._examples.tune else made
        return Outcome(steps=made, best_step=best, loss=loss, tune_loss=tune, stopped=self._stop.is_set())

    def _draws(self) -> Iterator[list[Example]]:
        """The examples of each step."""
        targets = Draw(self._examples.targets, seed=f"targets {self._plan.seed}")
        replay = Draw(self._examples.replay, seed=f"replay {self._plan.seed}")
        while True:
            yield [*targets.take(self._plan.targets_per_step), *replay.take(self._plan.replay_per_step)]

    def _step(self, step: int, drawn: Sequence[Example]) -> float:
        """One update; returns the joint loss before it."""
        began, rate = time.monotonic(), self._plan.learning_rate * share_of_rate(step, self._plan)
        parts = self._gradients(drawn)
        loss = sum(self._loss.shares[part] * value for part, value in parts.items())
        norm = float(torch.nn.utils.clip_grad_norm_(self._weights, self._plan.clip_norm))
        self._refuse_nonsense(step, loss, norm=norm)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        tokens = sum(len(e.ids) for e in drawn)
        self._pace.step(tokens, time.monotonic() - began)
        self._log.write(
            "step", step=step, steps=self._plan.steps, loss=round(loss, 5), lr=rate, grad_norm=round(norm, 4),
            tokens=tokens, eta_s=self._pace.left(step, self._plan), parts={k: round(v, 5) for k, v in parts.items()},
        )  # fmt: skip
        return loss

    def _gradients(self, drawn: Sequence[Example]) -> dict[Part, float]:
        """The step's gradients, batch by batch; returns each part's mean."""
        sizes = self._loss.sizes(drawn)
        means: dict[Part, float] = {}
        for batch in batches(drawn, tokens=self._plan.batch_tokens):
            parts = self._loss.of(self._learner.score(batch), batch, sizes=sizes)
            self._loss.total(parts).backward()  # type: ignore[no-untyped-call]
            for part, value in parts.items():
                means[part] = means.get(part, 0.0) + float(value.detach())
        return means

    def _refuse_nonsense(self, step: int, loss: float, *, norm: float) -> None:
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise TrainingError(
                f"The loss was no longer a number at step {step} of {self._plan.steps}, so nothing was kept. "
                f"Try a learning rate below {self._plan.learning_rate:.2g}; if that does not help, "
                "the base model's files may be damaged."
            )

    def _look(self, step: int, *, shown: bool = True) -> None:
        """Tune loss and sample answers at a step."""
        began = time.monotonic()
        if self._examples.tune:
            loss = self._tune_loss()
            self._log.write("tune", step=step, loss=round(loss, 5))
            if step:
                self._best.see(loss, step, learner=self._learner)
        if shown:
            self._show(step)
        self._pace.look(time.monotonic() - began)

    @torch.no_grad()
    def _tune_loss(self) -> float:
        sizes, total = self._loss.sizes(self._examples.tune), 0.0
        for batch in batches(self._examples.tune, tokens=self._plan.batch_tokens):
            total += float(self._loss.of(self._learner.score(batch), batch, sizes=sizes)["target"])
        return total

    def _show(self, step: int) -> None:
        if not self._samples:
            return
        low, high = SHOWN_TOKENS
        room = min(high, max(low, *(e.learned + 8 for e in self._examples.targets)))
        answers = self._learner.answer(self._prompter, [s.messages for s in self._samples], room=room)
        items = [{"id": s.id, "text": answer} for s, answer in zip(self._samples, answers, strict=True)]
        self._log.write("samples", step=step, items=items)

    def _keep_best(self) -> None:
        """Put the weights with the lowest tune loss back."""
        with torch.no_grad():
            for name, value in self._learner.weights().items():
                if name in self._best.weights:
                    value.copy_(self._best.weights[name])


def share_of_rate(step: int, plan: Plan) -> float:
    """The share of the learning rate at a step from 1 on: a straight rise, then a cosine to nearly nothing."""
    if step <= plan.warmup_steps:
        return step / plan.warmup_steps
    done = (step - plan.warmup_steps) / (plan.steps - plan.warmup_steps + 1)
    return 0.5 * (1.0 + math.cos(math.pi * done))


@dataclass
class _Pace:
    """How fast it goes: tokens a second and tokens a step, both smoothed, and how long a look takes."""

    speed: float = 0.0
    per_step: float = 0.0
    look_s: float = 0.0

    def step(self, tokens: int, seconds: float) -> None:
        speed = tokens / max(seconds, 1e-6)
        self.speed = 0.8 * self.speed + 0.2 * speed if self.speed else speed
        self.per_step = 0.8 * self.per_step + 0.2 * tokens if self.per_step else tokens

    def look(self, seconds: float) -> None:
        self.look_s = seconds

    def left(self, step: int, plan: Plan) -> float:
        """Seconds until the last step and the last look."""
        steps = plan.steps - step
        looks = 1 + steps // plan.evaluate_every
        return round(steps * self.per_step / self.speed + looks * self.look_s, 2)
