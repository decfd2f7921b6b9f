"""Questions to customer support and their plain answers. The wordings are in the modules called `..._words`."""

import random

from ftchat.starter.dialogue import Exchange
from ftchat.starter.order_words import COMPLAINTS, ORDERS
from ftchat.starter.phrasing import pick
from ftchat.starter.service_words import SERVICE
from ftchat.starter.support_words import BUYING

TOPICS = BUYING + SERVICE


def topic(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """A question with a fixed answer."""
    found = rng.choice(TOPICS)
    return Exchange("support", pick(rng, found.asked, held_out=held_out), found.reply, found.must, found.name)


def order(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Trouble with an order whose number must be said back."""
    _, phrasings, reply, must = rng.choice(ORDERS)
    number = str(rng.randrange(1000, 10 ** rng.choice((4, 5, 6))))
    prompt = pick(rng, phrasings, held_out=held_out, n=number)
    return Exchange("order", prompt, reply.format(n=number), (number, must), f"order {number}")


def complaint(rng: random.Random, *, held_out: bool = False) -> Exchange:
    """Somebody is angry and says nothing else."""
    reply = "I am sorry to hear that. Please tell me what went wrong, and I will try to put it right."
    return Exchange("complaint", pick(rng, COMPLAINTS, held_out=held_out), reply, ("sorry",), "your complaint")
