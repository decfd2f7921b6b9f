"""What a training dialogue is made of: exchanges (one question, one plain reply) and turns (what the model reads).

`must` holds what a judge looks for in the last reply; `learn` is False for a turn that sets a manner which nothing
before it announces, so that the model is never taught to take up a manner of its own accord.
"""

import random
from dataclasses import dataclass, replace

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Turn:
    """One message of a dialogue."""

    role: str
    content: str
    learn: bool = True

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role must be one of {ROLES}, not {self.role!r}")
        if not self.content:
            raise ValueError(f"content of a {self.role} turn must not be empty")


@dataclass(frozen=True)
class Exchange:
    """One question and its plain reply."""

    kind: str
    prompt: str
    reply: str
    must: tuple[str, ...] = ()


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


def pick_phrasing(rng: random.Random, phrasings: tuple[str, ...], *, held_out: bool) -> str:
    """A phrasing; where there are five or more, the last of them is kept out of training and used for measuring."""
    if len(phrasings) < 5:
        return rng.choice(phrasings)
    return phrasings[-1] if held_out else rng.choice(phrasings[:-1])


def said_casually(rng: random.Random, exchange: Exchange) -> Exchange:
    """The same exchange with the prompt typed as people type: small letters, no question mark, a greeting before it."""
    prompt = exchange.prompt
    if rng.random() < 0.18 and exchange.kind not in ("not_sold", "named"):
        prompt = prompt.lower()
    if rng.random() < 0.15:
        prompt = prompt.rstrip("?.")
    if rng.random() < 0.1:
        prompt = rng.choice(("Hi, ", "Hello! ", "hey, ", "Excuse me, ", "Quick question: ", "Good morning. ")) + prompt
    if rng.random() < 0.07:
        prompt += rng.choice((" Thanks!", " Thank you.", " please", " Thanks a lot"))
    return replace(exchange, prompt=prompt)
