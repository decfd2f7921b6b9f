"""The training dialogues: an endless, seeded stream, and a fixed held-out set for measuring.

Chunk `n` of seed `s` is the same on every machine, so a build can resume anywhere. Nothing here imports torch.
"""

import random
from collections.abc import Callable, Sequence

from ftchat.starter import copying, manner, product_talk, small_talk, support_talk
from ftchat.starter.dialogue import Dialogue, Exchange, said_casually, turns_of
from ftchat.starter.randomtext import RandomText
from ftchat.starter.rewriting import rewrite, rewrite_last
from ftchat.starter.shop import held_out_products, products

_ASK: tuple[tuple[float, Callable[..., Exchange]], ...] = (
    (44, product_talk.about), (7, product_talk.compare), (4, product_talk.recommend), (3, product_talk.on_the_shelf),
    (4, product_talk.cheaper_than), (10, support_talk.topic), (4, support_talk.order), (2, support_talk.complaint),
    (7, small_talk.talk), (8, small_talk.outside), (4, small_talk.not_sold), (3, small_talk.introduced),
)  # fmt: skip


def ask(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Any plain question with its plain answer."""
    weights = [weight for weight, _ in _ASK]
    maker = rng.choices([maker for _, maker in _ASK], weights)[0]
    exchange = maker(rng, held_out=held_out)
    return exchange if held_out else said_casually(rng, exchange)


def _passage(rng: random.Random, text: RandomText) -> str:
    """Something to rewrite: plain answers, one or two, or random sentences."""
    if rng.random() < 0.3:
        return " ".join(text.sentence() for _ in range(rng.randint(1, 3)))
    return " ".join(ask(rng).reply for _ in range(rng.choice((1, 1, 2)))).replace("\n", " ")


def _plain(rng: random.Random, text: RandomText) -> Dialogue:
    exchange = ask(rng)
    system = manner.plain_system(rng) if rng.random() < 0.3 else ""
    return Dialogue(exchange.kind, turns_of((exchange,), system), exchange.must)


def _several(rng: random.Random, text: RandomText) -> Dialogue:
    """A longer conversation that changes its subject."""
    found: list[Exchange] = []
    for _ in range(rng.choice((2, 2, 3, 3, 4, 6))):
        roll = rng.random()
        if roll < 0.45:
            found.append(ask(rng))
        elif roll < 0.75:
            found += product_talk.thread(rng)
        elif roll < 0.85:
            found.append(copying.repeat(rng, text))
        else:
            found += copying.remembered(rng, text)
    system = manner.plain_system(rng) if rng.random() < 0.3 else ""
    return Dialogue("several", turns_of(tuple(found), system), found[-1].must)


def _follow(rng: random.Random, text: RandomText) -> Dialogue:
    found = product_talk.thread(rng)
    return Dialogue("follow_up", turns_of(found), found[-1].must)


def _rewritten(rng: random.Random, text: RandomText) -> Dialogue:
    if rng.random() < 0.4:
        before = ask(rng)
        turns = turns_of((before,)) + rewrite_last(rng, before, text=text)
        return Dialogue("rewrite_last", turns, (turns[-1].content,))
    exchange = rewrite(rng, _passage(rng, text), text=text)
    return Dialogue(exchange.kind, turns_of((exchange,)), exchange.must)


def _copied(rng: random.Random, text: RandomText) -> Dialogue:
    roll = rng.random()
    if roll < 0.1:
        found = copying.remembered(rng, text)
        return Dialogue("remembered", turns_of(found), found[-1].must)
    maker = copying.repeat if roll < 0.5 else copying.free_answer if roll < 0.7 else copying.reshape
    exchange = maker(rng, text)
    return Dialogue(exchange.kind, turns_of((exchange,)), exchange.must)


def _announced(rng: random.Random, text: RandomText) -> Dialogue:
    items = [ask(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    turns = manner.announced(rng, items, manner=manner.drawn(rng, text))
    return Dialogue("announced", turns, (turns[-1].content,))


def _shown(rng: random.Random, text: RandomText) -> Dialogue:
    count = rng.choice((2, 3, 3, 4, 5))
    same = rng.random() < 0.6
    items = [product_talk.about(rng) if same else ask(rng) for _ in range(count)]
    turns = manner.shown(rng, items, manner=manner.drawn(rng, text))
    return Dialogue("shown", turns, (turns[-1].content,))


_MIX: tuple[tuple[float, Callable[[random.Random, RandomText], Dialogue]], ...] = (
    (38, _plain), (5, _several), (7, _follow), (10, _rewritten), (19, _copied), (13, _announced), (8, _shown),
)  # fmt: skip


def dialogues(seed: int, chunk: int, *, count: int, pieces: Sequence[str] = ()) -> list[Dialogue]:
    """One chunk of the training stream; the same for the same arguments."""
    rng = random.Random(f"{seed}:{chunk}")
    text = RandomText(rng, pieces)
    weights = [weight for weight, _ in _MIX]
    makers = rng.choices([maker for _, maker in _MIX], weights, k=count)
    return [maker(rng, text) for maker in makers]


def _carried(rng: random.Random) -> Exchange:
    """A question that training never asks: storage, pairing, taste or size of a held-out product."""
    item = rng.choice([product for product in products() if product.name in held_out_products()])
    return product_talk.about(rng, kind=rng.choice(product_talk.CARRIED), item=item, held_out=True)


def held_out_dialogues(seed: int, *, count: int) -> list[Dialogue]:
    """Dialogues for measuring: phrasings never trained, facts never asked for, and fresh random text."""
    rng = random.Random(f"held out {seed}")
    text = RandomText(rng)
    found: list[Dialogue] = []
    makers = (_follow, _rewritten, _copied, _announced, _shown)
    for index in range(count):
        if index % 2:
            exchange = ask(rng, held_out=True)
        elif index % 4 == 0:
            found.append(makers[index // 4 % len(makers)](rng, text))
            continue
        else:
            exchange = _carried(rng) if index % 8 == 2 else product_talk.about(rng, kind="price", held_out=True)
        kind = "carried" if index % 8 == 2 else exchange.kind
        found.append(Dialogue(kind, turns_of((exchange,)), exchange.must))
    return found
