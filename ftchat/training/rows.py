"""Rows to token ids with an exact mask, and batches of them within a token budget.

An example is the very prompt that serving would send, by the base's own template, then one answer or two with the stop
token; only answers and stop tokens are learned. It knows roles by name and not what a loss does with them. No torch.
"""

import random
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from ftchat.errors import BadInput, TooLong
from ftchat.prompt import Prompter
from ftchat.records import Message, Row
from ftchat.training.snapshot import Snapshot

BATCH_COST = 64  # tokens of padding that take as long as one more batch (measured on CPU at width 256)
Role = Literal["target", "pair", "positive", "negative", "replay"]
TWO: tuple[Role, ...] = ("target", "pair")  # the roles that may have a second answer, which a pair must have


Made = Iterator["Example"]


class Line(NamedTuple):
    """One row of the model's input: a prompt, and the answers that follow it, none of which sees another."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]

    @property
    def length(self) -> int:
        """Tokens that the model reads: an answer's last one is only predicted."""
        return len(self.prompt) + sum(len(answer) - 1 for answer in self.answers)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A row: its prompt and the answers to learn from, each with its stop token. Of two, the first is wanted."""

    id: str
    role: Role
    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.prompt or not all(self.answers):
            raise BadInput(f"Row {self.id} has nothing to learn: its prompt or an answer is empty.")
        if len(self.answers) > (2 if self.role in TWO else 1) or (self.role == "pair" and len(self.answers) < 2):
            raise BadInput(f"Row {self.id} is a {self.role} and has {len(self.answers)} answers.")

    @property
    def learned(self) -> int:
        """How many tokens the wanted answer has, the stop token included."""
        return len(self.answers[0])

    @cached_property
    def common(self) -> int:
        """How many tokens both answers begin with; at least one of each is its own."""
        if len(self.answers) < 2:
            return 0
        first, second = self.answers
        same = (at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
        return min(next(same, len(first)), len(first) - 1, len(second) - 1)

    @property
    def apart(self) -> tuple[int, ...]:
        """How many tokens of each answer come after what both begin with."""
        return tuple(len(answer) - self.common for answer in self.answers)

    def lines(self, *, shared: bool) -> tuple[Line, ...]:
        """The lines that the model reads: one, or one for each answer where a prompt cannot be shared."""
        if shared:
            return (Line(self.prompt, self.answers),)
        return tuple(Line(self.prompt, (answer,)) for answer in self.answers)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """A snapshot as token ids. `left_out` names rows that do not fit the model's context; `eased` is what negatives'
    weights were multiplied by, so that together they do not outweigh what is wanted."""

    feedback: tuple[Example, ...]
    replay: tuple[Example, ...]
    tune: tuple[Example, ...]
    left_out: tuple[str, ...]
    eased: float = 1.0

    def count(self, *roles: Role) -> int:
        """How many rows of feedback have one of these roles."""
        return sum(e.role in roles for e in self.feedback)

    @property
    def lopsided(self) -> float:
        """How many times longer the winners of votes are than the others, from where they differ, at the median;
        below 1: shorter."""
        ratios = [e.apart[0] / e.apart[1] for e in self.feedback if e.role == "pair"]
        return statistics.median(ratios) if ratios else 1.0

    @property
    def typical(self) -> float:
        """Tokens of a reply in a vote, from where it differs from the other, at the mean."""
        lengths = [length for e in self.feedback if e.role == "pair" for length in e.apart]
        return statistics.fmean(lengths) if lengths else 1.0

    @property
    def usual_weight(self) -> float:
        """What a row of feedback weighs, at the mean."""
        return statistics.fmean(e.weight for e in self.feedback)


def prepare(snapshot: Snapshot, prompter: Prompter) -> Examples:
    """Every row of the snapshot that fits the model's context."""
    left_out: list[str] = []

    def made(name: str, role: Role, said: Sequence[Message], answers: Sequence[str], weight: float) -> Made:
        texts = [(*prompter.encode(answer, answer=True), prompter.stop_id) for answer in answers]
        try:
            prompt, _ = prompter.fit(said, room=max(map(len, texts)) + 1)
            yield Example(id=name, role=role, prompt=tuple(prompt), answers=tuple(texts), weight=weight)
        except BadInput:  # too long, or no conversation for this model's template
            left_out.append(name)

    def judged(rows: Iterable[Row]) -> tuple[Example, ...]:
        return tuple(e for r in rows for e in made(r.id, _role(r), r.messages, _answers(r), r.weight))

    numbered = enumerate(snapshot.replay, start=1)
    replay = tuple(e for i, r in numbered for e in made(f"replay {i}", "replay", r.messages, (r.answer,), 1.0))
    feedback, tune = judged(snapshot.train), judged(snapshot.tune)
    if not feedback:
        raise TooLong(
            "No row of feedback fits the model: each is longer than it can read, or nothing that its template takes."
        )
    feedback, eased = ease_negatives(feedback)
    return Examples(feedback=feedback, replay=replay, tune=tune, left_out=tuple(left_out), eased=eased)


def _role(row: Row) -> Role:
    if row.role == "tie":
        raise BadInput(f"Row {row.id} is a tie: ties are for the exam and teach nothing.")
    return row.role


def _answers(row: Row) -> tuple[str, ...]:
    """The texts to learn from; a correction that changed nothing has one."""
    return (row.target,) if row.rejected in (None, "", row.target) else (row.target, str(row.rejected))


def ease_negatives(examples: Sequence[Example]) -> tuple[tuple[Example, ...], float]:
    """The examples with negatives so light that together they weigh no more than what is wanted, and the factor.

    Alone they only say what not to write: a model can follow that into any nonsense. The rows of an app come eased by
    its dataset, with the shares that the card tells; here it is for rows that were left out since, or written by hand.
    """
    against = sum(e.weight for e in examples if e.role == "negative")
    wanted = sum(e.weight for e in examples if e.role != "negative")
    if against and not wanted:
        raise BadInput(
            "All feedback says only what is not wanted. Correct a few of those replies, or like some others, "
            "so that there is something to learn towards."
        )
    factor = min(1.0, wanted / against) if against else 1.0
    eased = (replace(e, weight=e.weight * factor) if e.role == "negative" else e for e in examples)
    return tuple(eased), factor


class Draw:
    """An endless supply of examples in seeded order: each is drawn once before any is drawn again."""

    def __init__(self, examples: Sequence[Example], *, seed: str) -> None:
        self._examples = list(examples)
        self._random = random.Random(seed)
        self._waiting: list[Example] = []

    def take(self, count: int) -> list[Example]:
        """The next `count`, at most all there are, without one twice."""
        taken: list[Example] = []
        names: set[str] = set()
        later: list[Example] = []
        while len(taken) < min(count, len(self._examples)):
            if not self._waiting:
                self._waiting = self._examples[:]
                self._random.shuffle(self._waiting)
            found = self._waiting.pop()
            (later if found.id in names else taken).append(found)
            names.add(found.id)
        self._waiting += later
        return taken


def batches(examples: Sequence[Example], *, tokens: int, shared: bool = True) -> Iterator[list[Example]]:
    """The examples in batches whose padded size stays within `tokens`; an example that is longer goes alone.

    They go by length, and a batch also ends where one more example would add more padding than a batch costs.
    """
    sized = [([line.length for line in e.lines(shared=shared)], e) for e in examples]
    batch: list[Example] = []
    lengths: list[int] = []
    for own, example in sorted(sized, key=lambda item: max(item[0])):
        longest, count = max(own), len(lengths) + len(own)
        if batch and (longest * count > tokens or (longest - max(lengths)) * len(lengths) > BATCH_COST):
            yield batch
            batch, lengths = [], []
        batch.append(example)
        lengths += own
    if batch:
        yield batch
