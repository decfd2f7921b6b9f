"""The steps: AdamW over the joint loss, with a look at the tune rows and at sample answers in between.

Where there are enough tune rows (the plan's `patience` says so), the weights that suit them best are kept and a run
that gets no better ends early; where there are not, the planned steps are made. They are judged by how likely the
wanted texts are, where people wrote or liked some: the joint loss holds preferences, which go on falling when the texts
get worse. Guards end a run that goes wrong, with what was good before. It does not know where weights and checkpoints
lie or who asked.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ftchat.errors import TrainingError
from ftchat.prompt import Prompter
from ftchat.training import guards
from ftchat.training.job import MetricsLog, Sample
from ftchat.training.loss import COMPARED, SHARES, JointLoss, Part, parts_of
from ftchat.training.measure import Look, Pace, Reading, preferred, shift, wanted
from ftchat.training.model import Learner
from ftchat.training.plan import Plan, share_of_rate
from ftchat.training.rows import Draw, Example, Examples, batches

SHOWN_TOKENS = (32, 128)  # sample answers get as much room as the longest taught answer, within these bounds
KEPT_S = 60.0  # a checkpoint is written at every look at the tune rows, and when it has been this long
ROOM = (
    "There was not enough memory for training, with {tokens} tokens at once either. Close other programs, or set "
    "batch_tokens below {tokens}, a lower rank, or a smaller base model."
)
ALONE = (
    "There was not enough memory for training on row {id} even alone: it has {length:,} tokens, and batch_tokens "
    "does not cut a row. Close other programs, reject that feedback or make it shorter, or use a smaller base model."
)
NOTHING = (
    "{halted} That was before any weights were good enough to be kept, so nothing was. Try a learning rate below "
    "{rate:.2g}; if that does not help, the base model's files may be damaged."
)
Work = TypeVar("Work")


class Keeper(Protocol):
    """Where checkpoints go."""

    def read(self) -> dict[str, Any] | None: ...  # noqa: D102

    def write(self, state: dict[str, Any]) -> None: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the steps ended; the learner holds the kept weights. `halted` says why a guard ended it, if one did."""

    steps: int
    best_step: int
    loss: float
    tune_loss: float | None
    stopped: bool
    halted: str | None = None


@dataclass
class _State:
    """Everything that a checkpoint must bring back, beside weights and optimizer."""

    step: int = 0
    loss: float = math.nan
    tokens: int = 0  # the token budget of a batch
    halved: bool = False
    best_step: int = 0
    kept_loss: float | None = None  # the tune loss of the kept weights
    tunes: list[float] = field(default_factory=list)  # what each look after some steps is judged by
    norms: list[float] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)


class Course:
    """One course of training."""

    def __init__(
        self, learner: Learner, examples: Examples, *, plan: Plan, prompter: Prompter, samples: Sequence[Sample],
        log: MetricsLog, stop: threading.Event, keeper: Keeper, fresh: frozenset[str] = frozenset(),
        halve: bool = False,
    ) -> None:  # fmt: skip
        self._learner, self._examples, self._plan, self._fresh = learner, examples, plan, fresh
        self._prompter, self._samples, self._log, self._stop, self._keeper = prompter, samples, log, stop, keeper
        shares, usual = {**SHARES, "replay": plan.replay_share}, examples.usual_weight
        self._loss = JointLoss(shares, normal_length=plan.normal_length, usual_weight=usual)
        self._weights = list(learner.weights().values())
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=plan.learning_rate, weight_decay=plan.weight_decay, betas=(0.9, 0.99), fused=True
        )  # fused: a LoRA is many small tensors, and one by one they take a tenth of a small model's step
        self._state = _State(tokens=plan.batch_tokens)
        self._halve = halve
        self._best: dict[str, Tensor] = {}
        self._reference: dict[str, list[list[float]]] = {}
        self._pace, self._kept_at = Pace(), time.monotonic()
        self._batch: list[Example] = []  # what is worked on, for an error to name

    def run(self) -> Outcome:
        """Make the steps, and leave the kept weights in the learner."""
        resumed = self._resume()
        if self._halve and not self._state.halved:
            self._take_half()
        halted = None if resumed else self._look(0)
        plan, state = self._plan, self._state
        for step, drawn in enumerate(self._draws(), start=1):
            if step <= state.step:
                continue  # made before a checkpoint: only the order of the draws is wanted
            if halted or self._stop.is_set() or step > plan.steps:
                break
            if plan.patience and (early := guards.overfit(state.tunes, patience=plan.patience)):
                self._log.write("early", step=state.step, reason=early)
                break
            if halted := self._step(step, drawn):
                break
            if step % plan.evaluate_every == 0 and step < plan.steps and (halted := self._look(step)):
                break
            self._keep(looked=step % plan.evaluate_every == 0)
        return self._end(halted)

    def _end(self, halted: str | None) -> Outcome:
        """A last look, and the kept weights put back."""
        state, plan = self._state, self._plan
        if not (state.step or halted):
            raise TrainingError("Stopped before the first step: there is nothing to keep.")
        if halted is None and (state.step % plan.evaluate_every or state.step == plan.steps):
            halted = self._look(state.step, shown=False)
        if halted and not self._best:
            raise TrainingError(NOTHING.format(halted=halted, rate=plan.learning_rate))
        chosen = bool(plan.patience or halted)
        if chosen:
            self._put_back()
        self._show(state.step)
        if halted:
            self._log.write("halted", step=state.step, reason=halted)
        return Outcome(
            steps=state.step, best_step=state.best_step if chosen else state.step, loss=state.loss,
            tune_loss=state.kept_loss, halted=halted, stopped=self._stop.is_set(),
        )  # fmt: skip

    def _draws(self) -> Iterator[list[Example]]:
        """The examples of each step; where an adapter is continued, half of them rows that it has not seen."""
        plan, feedback = self._plan, self._examples.feedback
        old = Draw([e for e in feedback if e.id not in self._fresh], seed=f"targets {plan.seed}")
        new = Draw([e for e in feedback if e.id in self._fresh], seed=f"fresh {plan.seed}")
        replay = Draw(self._examples.replay, seed=f"replay {plan.seed}")
        while True:
            taken = new.take(math.ceil(plan.rows_per_step / 2))
            yield [*taken, *old.take(plan.rows_per_step - len(taken)), *replay.take(plan.replay_per_step)]

    def _step(self, step: int, drawn: Sequence[Example]) -> str | None:
        """One update; why the run must end, if it must."""
        began, plan, state = time.monotonic(), self._plan, self._state
        rate = plan.learning_rate * share_of_rate(step, plan)
        read = self._within_memory(lambda: self._gradients(drawn))
        norm = float(torch.nn.utils.clip_grad_norm_(self._weights, plan.clip_norm, foreach=True))
        if guards.not_a_number(read.loss, norm):
            self._optimizer.zero_grad(set_to_none=True)
            return f"The loss was no longer a number at step {step} of {plan.steps}."
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        state.step, state.loss = step, read.loss
        state.norms.append(norm)
        state.shifts += [] if read.shift is None else [read.shift]
        tokens = sum(line.length for e in drawn for line in e.lines(shared=self._learner.shared))
        seconds = time.monotonic() - began
        self._pace.step(tokens, seconds)
        self._log.write(
            "step", step=step, steps=plan.steps, loss=round(read.loss, 5), lr=rate, grad_norm=round(norm, 4),
            tokens=tokens, seconds=round(seconds, 4), eta_s=self._pace.left(step, plan),
            parts={k: round(v, 5) for k, v in read.parts.items()},
        )  # fmt: skip
        return guards.exploding(state.norms) or guards.falling(state.shifts)

    def _gradients(self, drawn: Sequence[Example]) -> Reading:
        """The step's gradients, batch by batch, and what was read on the way."""
        self._optimizer.zero_grad(set_to_none=True)
        self._know_base(drawn)
        sizes, parts, shifts = self._loss.sizes(drawn), dict[Part, float](), list[float]()
        for batch in self._batches(drawn):
            scored = self._learner.score(batch)
            found = self._loss.of(scored, batch, sizes=sizes, reference=self._reference)
            self._loss.total(found, sizes).backward()  # type: ignore[no-untyped-call]
            shifts += shift(scored, batch, self._reference)
            for part, value in found.items():
                parts[part] = parts.get(part, 0.0) + float(value.detach())
        loss = sum(sizes.counts[part] * value for part, value in parts.items())
        return Reading(loss, parts, sum(shifts) / len(shifts) if shifts else None)

    def _batches(self, examples: Sequence[Example]) -> Iterator[list[Example]]:
        for batch in batches(examples, tokens=self._state.tokens, shared=self._learner.shared):
            self._batch = batch
            yield batch

    def _know_base(self, examples: Sequence[Example]) -> None:
        """What base says to what is compared with base: asked once a row and run."""
        unknown = [e for e in examples if e.id not in self._reference and {*COMPARED} & {*parts_of(e)}]
        for batch in self._batches(unknown):
            self._reference |= self._learner.reference(batch)
        for batch in self._batches([e for e in examples if e.role == "replay" and not self._learner.remembers(e)]):
            self._learner.remember(batch)

    def _within_memory(self, work: Callable[[], Work]) -> Work:
        """The work done; where memory does not suffice, once more with half the tokens at once, from then on."""
        try:
            return work()
        except (MemoryError, RuntimeError) as err:
            if not guards.starved(err):
                raise
            if self._state.halved or self._state.tokens < 2:
                raise TrainingError(self._no_room()) from err
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._take_half()
        return self._within_memory(work)

    def _take_half(self) -> None:
        """Half the tokens at once, from now on."""
        self._state.tokens, self._state.halved = max(1, self._state.tokens // 2), True
        self._log.write("memory", batch_tokens=self._state.tokens)

    def _no_room(self) -> str:
        """What to say when half the tokens at once were too many as well: a row that went alone is to be named."""
        if len(self._batch) != 1:
            return ROOM.format(tokens=self._state.tokens)
        (row,) = self._batch
        return ALONE.format(id=row.id, length=max(line.length for line in row.lines(shared=self._learner.shared)))

    def _look(self, step: int, *, shown: bool = True) -> str | None:
        """Tune loss and sample answers at a step; the weights are kept if they are the best, or are not to be chosen.
        Why the run must end, if it must."""
        began, found = time.monotonic(), self._within_memory(self._tune) if self._examples.tune else None
        if found is not None and not found.finite:
            return f"The loss of answers kept aside was no longer a number at step {step} of {self._plan.steps}."
        if step:
            self._judge(step, found)
        if found is not None:
            told = {k: v if v is None else round(v, 5) for k, v in asdict(found).items()}
            self._log.write("tune", step=step, **told, best_step=self._state.best_step)
        if shown:
            self._show(step)
        self._pace.look(time.monotonic() - began)
        return None

    def _judge(self, step: int, found: Look | None) -> None:
        """Keep the weights of this step, unless tune rows that may choose have seen better ones."""
        state = self._state
        if found is not None:
            figure = found.loss if found.nll is None else found.nll
            best = figure < min(state.tunes, default=math.inf)
            state.tunes.append(figure)
            if self._plan.patience and not best:
                return
        state.best_step, state.kept_loss = step, found.loss if found is not None else None
        self._best = {name: value.detach().clone() for name, value in self._learner.weights().items()}

    @torch.no_grad()
    def _tune(self) -> Look:
        tune, parts, right = self._examples.tune, dict[Part, float](), list[bool]()
        self._know_base(tune)
        sizes, logp, learned = self._loss.sizes(tune), 0.0, 0
        for batch in self._batches(tune):
            scored = self._learner.score(batch)
            for part, value in self._loss.of(scored, batch, sizes=sizes, reference=self._reference).items():
                parts[part] = parts.get(part, 0.0) + float(value)
            right += preferred(scored, batch, self._reference)
            own = wanted(scored, batch)
            logp, learned = logp + own[0], learned + own[1]
        loss = sum(sizes.counts[part] * value for part, value in parts.items())
        return Look(loss, -logp / learned if learned else None, sum(right) / len(right) if right else None)

    def _show(self, step: int) -> None:
        if not self._samples:
            return
        low, high = SHOWN_TOKENS
        room = min(high, max(low, *(e.learned + 8 for e in self._examples.feedback)))
        try:
            answers = self._learner.answer(self._prompter, [s.messages for s in self._samples], room=room)
        except (MemoryError, RuntimeError) as err:
            if not guards.starved(err):
                raise
            self._log.write("warning", message="No more sample answers: there was not enough memory for them.")
            self._samples = ()  # training needs less
            return
        items = [{"id": s.id, "text": answer} for s, answer in zip(self._samples, answers, strict=True)]
        self._log.write("samples", step=step, items=items)

    def _put_back(self) -> None:
        """The kept weights back into the learner."""
        with torch.no_grad():
            for name, value in self._learner.weights().items():
                if name in self._best:
                    value.copy_(self._best[name])

    def _keep(self, *, looked: bool) -> None:
        """A checkpoint, when there was a look or it has been long."""
        if not looked and time.monotonic() - self._kept_at < KEPT_S:
            return
        state = {
            "state": asdict(self._state), "best": self._best, "optimizer": self._optimizer.state_dict(),
            "weights": {k: v.detach() for k, v in self._learner.weights().items()},
            "reference": self._reference, "kind": str(self._learner.kind), "random": torch.get_rng_state(),
        }  # fmt: skip
        try:
            self._keeper.write(state)
        except OSError as err:  # a full disk: the run itself needs none until its end
            self._log.write("warning", message=f"No checkpoint could be written: {err}.")
        self._kept_at = time.monotonic()

    def _resume(self) -> bool:
        """Go back to where a killed run of the same job was; whether there was one."""
        found = self._keeper.read()
        if found is None:
            return False
        self._best = found["weights"]
        self._put_back()
        self._state, self._best = _State(**found["state"]), found["best"]
        self._optimizer.load_state_dict(found["optimizer"])
        if found.get("kind") == str(self._learner.kind):  # else base is asked again: it says the same, but for rounding
            self._reference = found["reference"]
        torch.set_rng_state(found["random"])
        self._log.write("resumed", step=self._state.step, steps=self._plan.steps)
        return True
