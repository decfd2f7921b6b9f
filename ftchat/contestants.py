"""Who can answer, under which wire name and with which messages; and who is compared with whom.

`base` answers as it is, `few-shot` is base with the nearest approved corrections in the prompt, an adapter answers
under its own name, and `champion` is whichever of them is in service. It does not talk to the engine.
"""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ftchat.base import Base
from ftchat.errors import BadInput, Conflict
from ftchat.prompt import Prompter
from ftchat.ratings import strengths
from ftchat.records import BASE, CHAMPION, FEW_SHOT, Adapter, Feedback, Message, group_key
from ftchat.store import Store

EXAMPLES = 8  # corrections in a few-shot prompt, at most
PLAYING = ("champion", "challenger", "candidate")
NEWEST = 3  # adapters in blind comparisons, besides the champion
CHAMPION_SHARE = 0.3  # of compare turns, at least: champion against the newest adapter


@dataclass(frozen=True)
class Prepared:
    """A contestant made ready to answer: the wire name, the messages, and the corrections that are among them."""

    contestant: str
    model: str
    messages: tuple[Message, ...]
    examples: tuple[str, ...] = ()
    lead: int = 0  # messages at the front that stay when older turns are left out


class Contestants:
    """The contestants of one base."""

    def __init__(
        self,
        store: Store,
        base: Base,
        *,
        prompter: Prompter,
        few_shot_tokens: int = 0,
        chance: random.Random | None = None,
    ) -> None:
        """`few_shot_tokens` 0 is a third of the context; `chance` draws sides and pairs: a test passes its own."""
        self._store = store
        self._base = base
        self._prompter = prompter
        self._few_shot_tokens = few_shot_tokens
        self._chance = chance or random.SystemRandom()

    def names(self) -> tuple[str, ...]:
        """All that can answer now."""
        served = [a.name for a in self._adapters() if a.state not in ("broken", "rejected")]
        few_shot = [FEW_SHOT] if self._store.feedback.counts().get("correction/approved") else []
        return (BASE, *few_shot, *served)

    def rejected(self) -> tuple[str, ...]:
        """Adapters that nobody is offered or shown unasked, and that answer whoever names them: to see why."""
        return tuple(adapter.name for adapter in self._adapters() if adapter.state == "rejected")

    def champion(self) -> str:
        """The contestant in service."""
        return self._store.training.champion(self._base.fingerprint)

    def resolve(self, name: str) -> str:
        """The contestant behind a name that someone chose: the alias becomes who is in service."""
        contestant = self.champion() if name == CHAMPION else name
        if contestant in (BASE, FEW_SHOT):
            return contestant
        known = (*self.names(), FEW_SHOT)
        if contestant in known or contestant in self.rejected():
            return contestant
        for adapter in self._adapters():
            if adapter.name == contestant:
                why = f" ({' '.join(adapter.reasons)})" if adapter.reasons else ""
                raise Conflict(f"{contestant} is {adapter.state}{why}, so it cannot answer. Choose another contestant.")
        there = ", ".join(dict.fromkeys((CHAMPION, *known)))
        raise BadInput(f"There is no contestant called {contestant!r}. There are: {there}.")

    def prepare(
        self, contestant: str, messages: Sequence[Message], *, room: int = 0, own: str | None = None
    ) -> Prepared:
        """The wire name and the messages with which a contestant answers, `room` tokens being kept for the answer.

        `own` is someone whose corrections few-shot may show though they still wait for review.
        """
        if contestant != FEW_SHOT:
            return Prepared(contestant, contestant, tuple(messages))
        head = [m for m in messages[:1] if m.role == "system"]
        nearest = self._nearest(messages[-1].content, own=own)
        chosen = self._that_fit(nearest, [*head, messages[-1]], room=room)
        shown = _as_messages(reversed(chosen))  # the nearest stands last, next to the question
        whole = (*head, *shown, *messages[len(head) :])
        return Prepared(FEW_SHOT, BASE, whole, tuple(f.id for f in chosen), lead=len(head) + len(shown))

    def _nearest(self, question: str, *, own: str | None) -> list[Feedback]:
        """The nearest corrections, nearest first; of several of one question the newest."""
        newest: dict[str, Feedback] = {}
        for feedback in self._store.feedback.nearest(question, limit=4 * EXAMPLES, own=own):
            same = group_key(feedback.prompt)
            if same not in newest or feedback.id > newest[same].id:
                newest[same] = feedback
        return list(newest.values())

    def _that_fit(self, nearest: Sequence[Feedback], asked: Sequence[Message], *, room: int) -> list[Feedback]:
        """As many of them as the budget takes; one that is too long does not keep out a shorter one."""
        bare = self._prompter.count(asked)
        whole = self._prompter.context_length
        budget = min(self._few_shot_tokens or whole // 3, whole - room - bare)
        chosen: list[Feedback] = []
        for feedback in nearest:
            with_it = [*asked[:-1], *_as_messages([*chosen, feedback]), asked[-1]]
            if len(chosen) < EXAMPLES and self._prompter.count(with_it) - bare <= budget:
                chosen.append(feedback)
        return chosen

    def pair(self) -> list[str]:
        """Two contestants for a compare turn, sides drawn at random."""
        return self.shuffled(self._choose())

    def shuffled(self, names: Sequence[str]) -> list[str]:
        """The same contestants, sides drawn at random."""
        drawn = list(names)
        self._chance.shuffle(drawn)
        return drawn

    def _choose(self) -> tuple[str, str]:
        """Champion and newest adapter in a fixed share; else a pair, the likelier the less is known about it."""
        champion = self.champion()
        found = sorted(self._adapters(), key=lambda a: a.state != "challenger")  # votes are to decide about those
        playing = [a.name for a in found if a.state in PLAYING and a.name != champion]
        if playing and self._chance.random() < CHAMPION_SHARE:
            return champion, playing[0]
        fixed = [name for name in self.names() if name in (BASE, FEW_SHOT) and name != champion]
        pairs = list(itertools.combinations([champion, *playing[:NEWEST], *fixed], 2))
        if not pairs:
            return champion, champion  # a fresh home: two answers of the same model, the better one teaches
        known = strengths(self._store.ballots.counted(self._base.fingerprint), names=[n for p in pairs for n in p])
        return self._chance.choices(pairs, weights=[known.variance(*pair) for pair in pairs])[0]

    def _adapters(self) -> list[Adapter]:
        return self._store.training.adapters(self._base.fingerprint)


def _as_messages(corrections: Iterable[Feedback]) -> list[Message]:
    """Corrections as a conversation in which each was the answer."""
    return [m for f in corrections for m in (Message("user", f.prompt), Message("assistant", f.value))]
