"""The training dialogues: an endless, seeded stream, and a fixed held-out set for measuring.

Chunk `n` of seed `s` is the same on every machine, so a build can resume anywhere. Nothing here imports torch.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ftchat.starter import copying, formats, manner, product_talk, small_talk, support_talk
from ftchat.starter.dialogue import Dialogue, Exchange, Turn, turns_of
from ftchat.starter.manner import Manner
from ftchat.starter.outside import outside
from ftchat.starter.phrasing import said_casually
from ftchat.starter.randomtext import RandomText
from ftchat.starter.rewriting import rewrite, rewrite_last, rewrite_letter
from ftchat.starter.shop import held_out_products, products

LAST_STAGE = 6400  # the chunk at which the last stage of a build's mix begins
FURTHER = 9000  # the chunk at which finished weights go on, with more of what is still weak then

_ASK: tuple[tuple[float, Callable[..., Exchange]], ...] = (
    (38, product_talk.about), (6, product_talk.compare), (4, product_talk.recommend), (3, product_talk.on_the_shelf),
    (2, product_talk.superlative), (4, product_talk.cheaper_than), (2, product_talk.comes_from),
    (14, support_talk.topic), (4, support_talk.order), (1.5, support_talk.complaint),
    (7, small_talk.talk), (14, outside), (5, small_talk.not_sold), (1.5, small_talk.introduced),
)  # fmt: skip


def ask(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Any plain question with its plain answer."""
    weights = [weight for weight, _ in _ASK]
    maker = rng.choices([maker for _, maker in _ASK], weights)[0]
    exchange = maker(rng, held_out=held_out)
    return exchange if held_out else said_casually(rng, exchange)


def _passage(rng: random.Random, text: RandomText) -> str:
    """Something to rewrite: plain answers, one or two, or random sentences."""
    if rng.random() < 0.2:
        return " ".join(text.sentence() for _ in range(rng.randint(1, 3)))
    return " ".join(ask(rng).reply for _ in range(rng.choice((1, 1, 2)))).replace("\n", " ")


def _plain(rng: random.Random, text: RandomText) -> Dialogue:
    exchange = ask(rng)
    system = manner.plain_system(rng) if rng.random() < 0.25 else ""
    return Dialogue(exchange.kind, turns_of((exchange,), system), exchange.must)


def _several(rng: random.Random, text: RandomText) -> Dialogue:
    """A longer conversation that changes its subject."""
    found: list[Exchange] = []
    for _ in range(rng.choice((2, 2, 3, 3, 4))):
        roll = rng.random()
        if roll < 0.55:
            found.append(ask(rng))
        elif roll < 0.8:
            found += product_talk.thread(rng)
        elif roll < 0.9:
            found.append(copying.repeat(rng, text))
        else:
            found += copying.remembered(rng, text)
    system = manner.plain_system(rng) if rng.random() < 0.3 else ""
    return Dialogue("several", turns_of(tuple(found), system), found[-1].must)


def _follow(rng: random.Random, text: RandomText, *, held_out: bool = False) -> Dialogue:
    roll = 1.0 if held_out else rng.random()
    if roll < 0.2:
        found = product_talk.after_comparing(rng)
    elif roll < 0.4:
        found = product_talk.after_recommending(rng)
    else:
        found = product_talk.thread(rng, held_out=held_out)
    found = tuple(said_casually(rng, item) if not held_out and rng.random() < 0.3 else item for item in found)
    return Dialogue("follow_up", turns_of(found), found[-1].must)


def _rewritten(rng: random.Random, text: RandomText, *, held_out: bool = False) -> Dialogue:
    roll = rng.random()
    if roll < 0.4:
        drawn = manner.drawn(rng, text) if rng.random() < 0.3 else None
        before = _asked_in(rng, drawn, about=False) if drawn else ask(rng)
        before = replace(before, reply=drawn.dress(before)) if drawn else before
        first = (Turn("user", before.prompt), Turn("assistant", before.reply, learn="none" if drawn else "all"))
        turns = first + rewrite_last(rng, before, held_out=held_out, text=text)
        return Dialogue("rewrite_last", turns, (turns[-1].content,))
    letter = roll < 0.65
    if letter:
        exchange = rewrite_letter(rng, held_out=held_out, text=text)
    else:
        exchange = rewrite(rng, _passage(rng, text), held_out=held_out, text=text)
    return Dialogue(exchange.kind, turns_of((exchange,)), exchange.must)


def _copied(rng: random.Random, text: RandomText, *, held_out: bool = False) -> Dialogue:
    roll = rng.random()
    if roll < 0.08:
        found = copying.remembered(rng, text)
        return Dialogue("remembered", turns_of(found), found[-1].must)
    maker = copying.repeat if roll < 0.4 else copying.free_answer if roll < 0.52 else copying.reshape
    exchange = maker(rng, text, held_out=held_out)
    return Dialogue(exchange.kind, turns_of((exchange,)), exchange.must)


def _lettered(rng: random.Random, text: RandomText) -> Dialogue:
    exchange = copying.letters(rng, text)
    return Dialogue(exchange.kind, turns_of((exchange,)), exchange.must)


def _formatted(rng: random.Random, text: RandomText) -> Dialogue:
    return formats.formatted(rng, ask(rng))


def _asked_in(rng: random.Random, drawn: Manner, *, about: bool) -> Exchange:
    """A question whose answer the manner can dress."""
    exchange = product_talk.about(rng) if about or drawn.named else ask(rng)
    while drawn.named and not (exchange.subject and exchange.subject in exchange.reply):
        exchange = product_talk.about(rng)
    return exchange


def _announced(rng: random.Random, text: RandomText) -> Dialogue:
    drawn = manner.drawn(rng, text)
    items = [_asked_in(rng, drawn, about=False) for _ in range(rng.choice((1, 1, 1, 2)))]
    turns = manner.announced(rng, items, manner=drawn)
    return Dialogue("announced", turns, (turns[-1].content,))


def _shown(rng: random.Random, text: RandomText) -> Dialogue:
    drawn, same = manner.drawn(rng, text), rng.random() < 0.6
    items = [_asked_in(rng, drawn, about=same) for _ in range(rng.choice((2, 3, 3, 4, 5)))]
    turns = manner.shown(rng, items, manner=drawn)
    return Dialogue("shown", turns, (turns[-1].content,))


def _said_over(rng: random.Random, text: RandomText) -> Dialogue:
    """An answer that has said itself over again: it ends there. Without it a rare answer goes on for ever."""
    exchange = ask(rng)
    said = exchange.reply if rng.random() < 0.5 else re.split(r"(?<=[.!?]) ", exchange.reply)[-1]
    over = " ".join([exchange.reply, *[said] * rng.choice((1, 1, 1, 2, 3))])
    return Dialogue("said_over", (Turn("user", exchange.prompt), Turn("assistant", over, learn="end")))


def _weighed(rng: random.Random, text: RandomText) -> Dialogue:
    """What is cheaper, or cheap enough, or from where one thinks: two things held against each other, in one look."""
    makers = (product_talk.cheaper_than, product_talk.compare, product_talk.comes_from)
    exchange = rng.choices(makers, (5, 3.5, 1.5))[0](rng)
    return Dialogue(exchange.kind, turns_of((exchange,)), exchange.must)


_MIX: tuple[tuple[float, Callable[[random.Random, RandomText], Dialogue]], ...] = (
    (38, _plain), (3, _several), (8, _follow), (15, _rewritten), (13, _copied), (6, _formatted), (10, _announced),
    (7, _shown), (0, _lettered), (0, _weighed), (0, _said_over),
)  # fmt: skip

# Copying is learned slowest and serves all the rest, so it comes first; letters and rewriting need most repetitions, so
# they take more room once the plain answers are known. Each stage holds from its chunk on.
_STAGES: tuple[tuple[int, dict[Callable[..., Dialogue], float]], ...] = (
    (0, {_copied: 30.0}),
    (500, {}),
    (2200, {_plain: 36.0, _rewritten: 20.0, _lettered: 6.0}),
    (LAST_STAGE, {_plain: 44.0, _rewritten: 22.0, _copied: 8.0, _formatted: 10.0, _announced: 8.0, _shown: 6.0}),
    (
        FURTHER,
        {
            **{_plain: 40.0, _rewritten: 19.0, _copied: 8.0, _formatted: 25.0, _announced: 7.0, _shown: 6.0},
            **{_weighed: 16.0, _said_over: 5.0},
        },
    ),
)


def _weights(chunk: int) -> list[float]:
    """The weight of each maker in one chunk."""
    none: dict[Callable[..., Dialogue], float] = {}
    stage = next((changed for first, changed in reversed(_STAGES) if chunk >= first), none)
    return [stage.get(maker, weight) for weight, maker in _MIX]


def dialogues(seed: int, chunk: int, *, count: int, pieces: Sequence[str] = ()) -> list[Dialogue]:
    """One chunk of the training stream; the same for the same arguments."""
    rng = random.Random(f"{seed}:{chunk}")
    text = RandomText(rng, pieces)
    makers = rng.choices([maker for _, maker in _MIX], _weights(chunk), k=count)
    return [maker(rng, text) for maker in makers]


def _carried(rng: random.Random) -> Exchange:
    """A question that training never asks: storage, pairing, taste or size of a held-out product."""
    item = rng.choice([product for product in products() if product.name in held_out_products()])
    return product_talk.about(rng, kind=rng.choice(product_talk.CARRIED), item=item, held_out=True)


_Maker = Callable[[random.Random, RandomText], Dialogue]


def _alone(*makers: Callable[..., Exchange]) -> _Maker:
    """One plain question in a wording that training never sees, by any of some makers."""

    def make(rng: random.Random, text: RandomText) -> Dialogue:
        exchange = rng.choice(makers)(rng, held_out=True)
        return Dialogue(exchange.kind, turns_of((exchange,)), exchange.must)

    return make


def _known(rng: random.Random, *, held_out: bool) -> Exchange:
    return product_talk.about(rng, kind=rng.choice(("price", "price", "describe", "origin", "buy")), held_out=held_out)


def _other(rng: random.Random, *, held_out: bool) -> Exchange:
    kind = rng.choice(("sold", "unknown_fact", "label", "give_back"))
    return product_talk.about(rng, kind=kind, held_out=held_out)


# What is measured, by category: wordings never trained, and facts and random words never asked for.
HELD_OUT: dict[str, _Maker] = {
    "products": _alone(_known),
    "carried": _alone(lambda rng, *, held_out: _carried(rng)),
    "other facts": _alone(_other),
    "compare": _alone(product_talk.compare, product_talk.cheaper_than, product_talk.comes_from),
    "recommend": _alone(product_talk.recommend),
    "shelves": _alone(product_talk.on_the_shelf, product_talk.superlative),
    "support": _alone(support_talk.topic, support_talk.topic, support_talk.order, support_talk.complaint),
    "small talk": _alone(small_talk.talk, small_talk.introduced),
    "not known": _alone(small_talk.not_sold, outside),
    "rewriting": partial(_rewritten, held_out=True),
    "copying": partial(_copied, held_out=True),
    "manner": lambda rng, text: (_announced if rng.random() < 0.5 else _shown)(rng, text),
    "format": lambda rng, text: formats.formatted(rng, ask(rng, held_out=True), held_out=True),
    "follow-up": partial(_follow, held_out=True),
}


def held_out_dialogues(category: str, *, count: int, seed: int = 0) -> list[Dialogue]:
    """So many different dialogues of one category, for measuring."""
    rng = random.Random(f"held out {category} {seed}")
    text, found = RandomText(rng), dict[str, Dialogue]()
    for _ in range(count * 40):
        dialogue = HELD_OUT[category](rng, text)
        found.setdefault("\n".join(turn.content for turn in dialogue.turns), dialogue)
        if len(found) == count:
            break
    return list(found.values())
