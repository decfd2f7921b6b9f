"""What a training dialogue is made of: exchanges (one question, one plain reply) and turns (what the model reads).

`must` holds what a judge looks for in the last reply; `learn` says what of an answer is learned: nothing of one that
sets a manner which nothing before it announces, so that the model is never taught to take up a manner of its own
accord; and of one that says itself over again only that it ends there.
"""

from dataclasses import dataclass
from typing import Literal

Learned = Literal["all", "end", "none"]

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Turn:
    """One message of a dialogue."""

    role: str
    content: str
    learn: Learned = "all"

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role must be one of {ROLES}, not {self.role!r}")
        if not self.content:
            raise ValueError(f"content of a {self.role} turn must not be empty")


@dataclass(frozen=True)
class Exchange:
    """One question and its plain reply; `subject` is what it is about, where that has a name."""

    kind: str
    prompt: str
    reply: str
    must: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True)
class Dialogue:
    """A whole conversation; the last turn is the assistant's."""

    kind: str
    turns: tuple[Turn, ...]
    must: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.turns or self.turns[-1].role != "assistant":
            raise ValueError("turns must end with an assistant turn")

    @property
    def reply(self) -> str:
        """The last assistant reply."""
        return self.turns[-1].content

    def is_answered_by(self, reply: str) -> bool:
        """The judge: all that must be said is there, and not much else."""
        return all(part in reply for part in self.must) and len(reply) <= len(self.reply) + 20

    def messages(self, *, with_reply: bool) -> list[dict[str, str]]:
        """The turns as chat messages, with or without the last reply."""
        turns = self.turns if with_reply else self.turns[:-1]
        return [{"role": turn.role, "content": turn.content} for turn in turns]


def turns_of(exchanges: tuple[Exchange, ...], system: str = "") -> tuple[Turn, ...]:
    """The exchanges one after another, below an optional system prompt."""
    head = (Turn("system", system),) if system else ()
    body = [Turn(role, text) for item in exchanges for role, text in (("user", item.prompt), ("assistant", item.reply))]
    return head + tuple(body)
