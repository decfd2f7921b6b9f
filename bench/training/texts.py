"""Rows for measurements of the trainer, as texts that every trainer takes: a rendered prompt and one reply or two.

Both kinds of trainer tokenize the same texts and end them with the tokenizer's own last token, so that they learn the
same tokens. Made-up rows have a length and no sense; real ones are the practice model's scenarios.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ftchat.prompt import Prompter
from ftchat.training.rows import Example, Role


@dataclass(frozen=True)
class Texts:
    """One row. `rejected` is empty where there is no second reply."""

    prompt: str
    chosen: str
    rejected: str = ""


def made_up(count: int, *, prompt: int, reply: int, seed: int = 0) -> list[Texts]:
    """Rows for a tokenizer of bytes: so many letters are so many tokens."""
    rng = random.Random(seed)

    def letters(number: int) -> str:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(number))

    return [Texts(letters(prompt), letters(reply - 1), letters(reply - 1)) for _ in range(count)]


def write(path: Path, rows: Sequence[Texts]) -> Path:
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[Texts]:
    return [Texts(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def as_examples(rows: Sequence[Texts], prompter: Prompter, *, end: int, pairs: bool) -> tuple[Example, ...]:
    """The rows as our trainer has them; `end` is the id of the tokenizer's last token."""

    def answer(text: str) -> tuple[int, ...]:
        return (*prompter.encode(text, answer=True), end)

    role: Role = "pair" if pairs else "target"
    return tuple(
        Example(
            id=f"row {at}",
            role=role,
            prompt=tuple(prompter.encode(row.prompt)),
            answers=(answer(row.chosen), answer(row.rejected)) if pairs else (answer(row.chosen),),
        )
        for at, row in enumerate(rows)
    )
