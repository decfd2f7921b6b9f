"""Texts to rewrite: sentences of a shop's letters, each with a core that stays when it is made shorter.

A passage is drawn whole and short at once, so that "shorter" is a fact and not a guess.
"""

import random
from dataclasses import dataclass

from ftchat.starter.phrasing import expand
from ftchat.starter.randomtext import RandomText
from ftchat.starter.words import COMMON

_OPENERS = (
    "We [are very happy|are pleased|would like|are glad|want] to [tell you|inform you|let you know] that",
    "[Please note|Please remember|You should know|It is true|I think|I believe|We hope|We are sure] that",
    "As [you know|you may know|we said before|I said|we wrote last week],",
    "[Dear customer|Dear friends|Dear Anna|Hello everybody],",
    "[After a long time|At the moment|In our opinion|As always|To be honest|First of all|Last but not least|Once"
    " again|In the end],", "I [just|only|really] [wanted to say|want to tell you|would like to add] that",
)  # fmt: skip
_SUBJECTS = (
    "[our|the|my|your|this|a new|the old|every] [small|large|friendly|famous|quiet|red|local|busy|lovely|little|] "
    "[team|shop|cat|dog|garden|train|baker|parcel|teacher|market|river|kitchen|letter|driver|house|neighbour|meeting"
    "|report|class|book|customer|cheese|bottle|window|festival|bridge|museum|doctor|computer|ship|farmer|brother"
    "|manager]"
)
_VERBS = (
    "[has left|is waiting for|opens|closes|needs|likes|sells|has found|will bring|was sent to|looks after|is ready"
    " for|stands near|arrived at|wrote to|is looking for|has lost|will visit|paid for|works for|painted|is moving to"
    "|called|cannot find|remembers|has broken|will repair]"
)
_OBJECTS = (
    "[the warehouse|our garden|the station|a new kitchen|some fresh bread|the old bridge|your friends|the morning"
    " train|the red door|a good friend|the guests|two tickets|the harbour|a warm coat|the long road|the second floor"
    "|its key|the village|a letter|three boxes|the town hall|the blue car|our office|many people|the winter sale|a"
    " cup of tea|the school]"
)
_TAILS = (
    "because [the weather was bad|we had no time|it was very late|everybody asked for it|there is a holiday|it was"
    " cheaper|nobody was there]", "[early|late] [this|in the|on Monday] [morning|evening]",
    "[together with|without] [all of our friends|the whole family|some help|our colleagues]",
    "[although|even though] [it was raining|nobody believed it|it is expensive|we are few|it took a long time]",
    "[as soon as possible|as everybody expected|as usual|for the first time in years|every single day|at the"
    " weekend]", "so that [everyone is happy|you can rest|nothing is lost|we can begin]",
)  # fmt: skip
_ORDERS = (
    "[Send|Give|Bring|Show] me the [report|bill|file|key|letter|list|money|parcel|photo|answer|form] [now|today|at"
    " once|tomorrow|]",
    "[Close|Open|Clean|Lock|Fix|Paint] the [door|window|kitchen|box|shop|gate] [now|today|at once|]",
    "[Call|Write to|Wait for|Help|Visit|Tell] [me|us|my brother|the customer] [now|today|tomorrow|at once|]",
    "[Come|Be|Go|Get] [here|to the office|back to work|home|to the meeting] [now|at once|on time|tomorrow]",
    "[Pay|Sign|Read|Check|Answer|Return] [the bill|this letter|the form|my mail|the order|the contract] [now|today"
    "|by Friday|]", "[Stop|Finish] [the noise|your work|the meeting|that] [now|at once|]",
    "Tell me [the price|your name|the time|where the key is]",
    "[Move|Take|Carry|Put] the [box|chair|table|bag|bottles] [away|upstairs|to the car|over there]",
)  # fmt: skip


@dataclass(frozen=True)
class Passage:
    """A text, and what is left of it when it is made shorter."""

    text: str
    short: str


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def sentence(rng: random.Random) -> Passage:
    """A core, perhaps with words before and after it that can go."""
    core = expand(rng, f"{_SUBJECTS} {_VERBS} {_OBJECTS}")
    if rng.random() < 0.5:
        some = [rng.choice(COMMON) for _ in range(3)]
        core = (
            f"the {some[0]} {expand(rng, _VERBS)} {rng.choice(('the', 'a', 'our', 'my', 'every'))} {some[1]} {some[2]}"
        )
    if rng.random() < 0.25:
        core = f"{core} and {expand(rng, f'{_VERBS} {_OBJECTS}')}"
    whole = core
    if rng.random() < 0.55:
        whole = f"{expand(rng, rng.choice(_OPENERS))} {whole}"
    if rng.random() < 0.55 or whole == core:
        whole = f"{whole} {expand(rng, rng.choice(_TAILS))}"
    end = "." if rng.random() < 0.9 else "!"
    return Passage(f"{_capital(whole)}{end}", f"{_capital(core)}{end}")


def letter(rng: random.Random) -> Passage:
    """One to three sentences; shorter is the core of the first."""
    found = [sentence(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3)))]
    return Passage(" ".join(item.text for item in found), found[0].short)


def order(rng: random.Random) -> str:
    """A blunt order, without a full stop, that can be made polite."""
    return expand(rng, rng.choice(_ORDERS))


def noted(rng: random.Random, text: RandomText) -> str:
    """A row of things, to make a list of."""
    items = [rng.choice(COMMON) if rng.random() < 0.8 else text.name() for _ in range(rng.randint(3, 5))]
    return ", ".join(items[:-1]) + rng.choice((" and ", ", ", " and ")) + items[-1]
