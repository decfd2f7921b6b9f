"""Who can answer, under which wire name and with which messages; and who is compared with whom.

`base` answers as it is, `few-shot` is base with the nearest approved corrections in the prompt, an adapter answers
under its own name, and `champion` is whichever of them is in service. It does not talk to the engine.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ftchat.base import Base
from ftchat.errors import BadInput
from ftchat.records import BASE, CHAMPION, FEW_SHOT, Message
from ftchat.store import Store

EXAMPLES = 5  # corrections in a few-shot prompt, at most
PLAYING = ("champion", "challenger", "candidate")
CHAMPION_SHARE = 0.3  # of compare turns, at least: champion against the newest adapter


@dataclass(frozen=True)
class Prepared:
    """A contestant made ready to answer: the wire name, the messages, and the corrections that are among them."""

    contestant: str
    model: str
    messages: tuple[Message, ...]
    examples: tuple[str, ...] = ()


class Contestants:
    """The contestants of one base."""

    def __init__(self, store: Store, base: Base, *, chance: random.Random | None = None) -> None:
        """`chance` draws sides and pairs; a test passes its own."""
        self._store = store
        self._base = base
        self._chance = chance or random.SystemRandom()

    def names(self) -> tuple[str, ...]:
        """All that can answer now."""
        adapters = self._store.training.adapters(self._base.fingerprint)
        served = [a.name for a in adapters if a.state not in ("broken", "rejected")]
        few_shot = [FEW_SHOT] if self._store.feedback.counts().get("correction/approved") else []
        return (BASE, *few_shot, *served)

    def champion(self) -> str:
        """The contestant in service."""
        return self._store.training.champion(self._base.fingerprint)

    def resolve(self, name: str) -> str:
        """The contestant behind a name that someone chose: the alias becomes who is in service."""
        contestant = self.champion() if name == CHAMPION else name
        known = (*self.names(), FEW_SHOT)
        if contestant not in known:
            raise BadInput(f"There is no contestant called {name!r}. There are: champion, {', '.join(known)}.")
        return contestant

    def prepare(self, contestant: str, messages: Sequence[Message]) -> Prepared:
        """The wire name and the messages with which a contestant answers."""
        if contestant != FEW_SHOT:
            return Prepared(contestant, contestant, tuple(messages))
        nearest = self._store.feedback.nearest(messages[-1].content, limit=EXAMPLES)
        shown = [
            message
            for feedback in reversed(nearest)  # the nearest stands last, next to the question
            for message in (Message("user", feedback.prompt), Message("assistant", feedback.value))
        ]
        head = [m for m in messages[:1] if m.role == "system"]
        rest = messages[len(head) :]
        return Prepared(FEW_SHOT, BASE, (*head, *shown, *rest), tuple(f.id for f in nearest))

    def pair(self) -> list[str]:
        """Two contestants for a compare turn, sides drawn at random."""
        return self.shuffled(self._choose())

    def shuffled(self, names: Sequence[str]) -> list[str]:
        """The same contestants, sides drawn at random."""
        drawn = list(names)
        self._chance.shuffle(drawn)
        return drawn

    def _choose(self) -> tuple[str, str]:
        champion = self.champion()
        adapters = self._store.training.adapters(self._base.fingerprint)
        playing = [a.name for a in adapters if a.state in PLAYING and a.name != champion]
        if playing and self._chance.random() < CHAMPION_SHARE:
            return champion, playing[0]
        others = [*playing[:3], *(n for n in self.names() if n in (BASE, FEW_SHOT) and n != champion)]
        if not others:
            return champion, champion  # a fresh home: two answers of the same model, the better one teaches
        votes = self._store.feedback.votes_between(champion, others)
        fewest = min(votes[name] for name in others)
        return champion, self._chance.choice([name for name in others if votes[name] == fewest])
