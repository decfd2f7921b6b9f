"""Questions about the rest of the world, which are answered by saying what the assistant can do instead."""

import random
import re

from ftchat.starter.dialogue import Exchange
from ftchat.starter.outside_words import FRAMES, LISTS
from ftchat.starter.phrasing import expand
from ftchat.starter.randomtext import RandomText
from ftchat.starter.small_talk import ABLE
from ftchat.starter.words import COMMON, FOODS, FORMAL

_SLOT = re.compile(r"\{(\w+)\}")
_KEPT_OUT = 11  # every eleventh frame is never trained


def outside(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """A question about the rest of the world: the reply says what the assistant can do instead."""
    roll = rng.random()
    if not held_out and roll < 0.12:
        prompt = _odd(rng)
    else:
        frames = FRAMES[::_KEPT_OUT] if held_out else [text for index, text in enumerate(FRAMES) if index % _KEPT_OUT]
        prompt = _SLOT.sub(lambda found: _filled(rng, found[1]), expand(rng, rng.choice(frames)))
    return Exchange("outside", prompt, f"I do not know that. {ABLE}", ("I do not know", "products"))


def _filled(rng: random.Random, slot: str) -> str:
    """Something for a slot of an outside question."""
    if slot in LISTS and rng.random() < 0.8:
        return rng.choice(LISTS[slot])
    if slot == "person":
        return RandomText(rng).name()
    if slot == "year":
        return str(rng.randrange(1000, 2035))
    if slot == "n":
        return str(rng.randrange(2, 10 ** rng.choice((1, 2, 2, 3, 4))))
    if slot == "food":
        return rng.choice(FOODS).lower()
    return rng.choice(COMMON) if rng.random() < 0.8 else RandomText(rng).made_up()


def _odd(rng: random.Random) -> str:
    """Words, signs or made-up sentences that ask for nothing the assistant knows."""
    text = RandomText(rng)
    kind = rng.randrange(6)
    if kind == 0:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz;,. ") for _ in range(rng.randint(4, 20))).strip() or "qqq"
    if kind == 1:
        return text.sentence()
    if kind == 2:
        return f"{text.number()} {rng.choice('+-*/=')} {rng.randrange(100)}"
    if kind == 3:
        return " ".join(rng.choice(COMMON + FORMAL) for _ in range(rng.randint(1, 6)))
    if kind == 4:
        verb = rng.choice(("Make", "Draw", "Find", "Build", "Play", "Sing", "Open", "Read", "Solve", "Invent", "Hack"))
        return f"{verb} {rng.choice(('a', 'the', 'my', 'some', 'an old'))} {rng.choice(COMMON)} {rng.choice(COMMON)}."
    asks = ("Why does", "How can", "When did", "Who is", "Where did", "What makes", "Should", "Will", "Does", "Can")
    return f"{rng.choice(asks)} the {rng.choice(COMMON)} {rng.choice(COMMON)} the {rng.choice(COMMON)}?"
