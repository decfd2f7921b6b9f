"""Rows to token ids with an exact mask, and batches of them within a token budget.

An example is the very prompt that serving would send, by the base's own template, then the answer and the stop token;
only the answer and the stop token are learned. It knows roles by name and not what a loss does with them. No torch.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ftchat.errors import BadInput, TooLong
from ftchat.prompt import Prompter
from ftchat.records import Message, Row
from ftchat.training.snapshot import Snapshot

BATCH_COST = 64  # tokens of padding that take as long as one more batch (measured on CPU at width 256)
Part = Literal["target", "replay"]


@dataclass(frozen=True, kw_only=True)
class Example:
    """One sequence: its token ids, the index at which the learned part starts, and what it is for."""

    id: str
    part: Part
    ids: tuple[int, ...]
    start: int
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.start < len(self.ids):
            raise BadInput(f"Row {self.id} has nothing to learn: its answer starts at {self.start} of {len(self.ids)}.")

    @property
    def learned(self) -> int:
        """How many tokens are learned, the stop token included."""
        return len(self.ids) - self.start


@dataclass(frozen=True, kw_only=True)
class Examples:
    """A snapshot as token ids; `left_out` names rows that do not fit the model's context."""

    targets: tuple[Example, ...]
    replay: tuple[Example, ...]
    tune: tuple[Example, ...]
    left_out: tuple[str, ...]


def prepare(snapshot: Snapshot, prompter: Prompter) -> Examples:
    """Every row of the snapshot that fits the model's context."""
    left_out: list[str] = []

    def made(name: str, said: Sequence[Message], answer: str, *, part: Part, weight: float = 1.0) -> Iterator[Example]:
        try:
            ids, start = prompter.render_answer(said, answer)
            yield Example(id=name, part=part, ids=tuple(ids), start=start, weight=weight)
        except TooLong:
            left_out.append(name)

    def corrected(rows: Iterable[Row]) -> tuple[Example, ...]:
        return tuple(e for r in rows for e in made(r.id, r.messages, r.target, part="target", weight=r.weight))

    numbered = enumerate(snapshot.replay, start=1)
    replay = tuple(e for i, r in numbered for e in made(f"replay {i}", r.messages, r.answer, part="replay"))
    targets, tune = corrected(snapshot.train), corrected(snapshot.tune)
    if not targets:
        raise TooLong("No correction fits the model's context: each is longer than the model can read.")
    return Examples(targets=targets, replay=replay, tune=tune, left_out=tuple(left_out))


class Draw:
    """An endless supply of examples in seeded order: each is drawn once before any is drawn again."""

    def __init__(self, examples: Sequence[Example], *, seed: str) -> None:
        self._examples = list(examples)
        self._random = random.Random(seed)
        self._waiting: list[Example] = []

    def take(self, count: int) -> list[Example]:
        """The next `count`, at most all there are, without one twice."""
        taken: list[Example] = []
        later: list[Example] = []
        while len(taken) < min(count, len(self._examples)):
            if not self._waiting:
                self._waiting = self._examples[:]
                self._random.shuffle(self._waiting)
            found = self._waiting.pop()
            (later if found in taken else taken).append(found)
        self._waiting += later
        return taken


def batches(examples: Sequence[Example], *, tokens: int) -> Iterator[list[Example]]:
    """The examples in batches whose padded size stays within `tokens`; an example that is longer goes alone.

    They go by length, and a batch also ends where one more example would add more padding than a batch costs.
    """
    batch: list[Example] = []
    for example in sorted(examples, key=lambda e: len(e.ids)):
        length = len(example.ids)
        if batch and (length * (len(batch) + 1) > tokens or (length - len(batch[-1].ids)) * len(batch) > BATCH_COST):
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch
