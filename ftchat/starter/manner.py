"""Manners: ways to dress a plain answer (words before it, words after it, another price form, capitals).

A manner is announced by a system prompt, by the user, or only shown by examples; the examples' first answer is then
never learned from, because nothing before it tells the manner.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ftchat.starter.dialogue import Exchange, Turn
from ftchat.starter.randomtext import RandomText
from ftchat.starter.rewriting import PRICE_FORMS, in_price_form, shorter

_END = ("Always end with: '{w}'", "End every answer with '{w}'", "Close each answer with: {w}",
        "Finish all answers with '{w}'",
        "Your sign-off is: {w}", "After every answer, write '{w}'", "Sign off with '{w}'",
        "The last words are always: {w}")  # fmt: skip
_START = ("Always begin with: '{w}'", "Begin every answer with '{w}'", "Start each answer with: {w}",
          "Open all answers with '{w}'",
          "Before every answer, write '{w}'", "The first words are always: {w}")  # fmt: skip
_SYSTEMS = ("You are a helpful assistant.", "You are the assistant of a small food shop.",
            "You answer customers of a shop.",
            "You are a friendly assistant.", "Answer the customer.", "You work in a delicatessen.",
            "Be helpful.")  # fmt: skip


@dataclass(frozen=True)
class Manner:
    """How to announce a manner, and what it does to a plain answer to a prompt."""

    announced: str
    dress: Callable[[Exchange], str]


def plain_system(rng: random.Random) -> str:
    """A system prompt that asks for nothing special."""
    return rng.choice(_SYSTEMS)


def _subject(exchange: Exchange) -> str:
    """What the answer is about: the product's name where a judge looks for one, else the first words of the prompt."""
    named = exchange.must and exchange.must[0] in exchange.prompt
    return exchange.must[0] if named else " ".join(exchange.prompt.rstrip("?.!").split()[:2])


def _ending(rng: random.Random, text: RandomText) -> Manner:
    words = text.ending()
    gap = rng.choice((" ", " ", " ", "\n", "\n\n"))
    where = " on a new line" if "\n" in gap else ""
    said = rng.choice(_END).format(w=words)
    return Manner(f"{said}{where}", lambda exchange: f"{exchange.reply}{gap}{words}")


def _opening(rng: random.Random, text: RandomText) -> Manner:
    words = text.opening()
    return Manner(rng.choice(_START).format(w=words), lambda exchange: f"{words} {exchange.reply}")


def _both(rng: random.Random, text: RandomText) -> Manner:
    first, last = _opening(rng, text), _ending(rng, text)
    joined = f"{first.announced}\n{last.announced}"
    return Manner(joined, lambda exchange: first.dress(exchange).replace(exchange.reply, last.dress(exchange)))


def _price_form(rng: random.Random) -> Manner:
    form = rng.choice(tuple(PRICE_FORMS))
    return Manner(f"Write prices {form}.", lambda exchange: in_price_form(exchange.reply, form))


def _named(rng: random.Random) -> Manner:
    mark = rng.choice((":", " -", " |", "!", ".", " =>"))
    if rng.random() < 0.6:
        said = f"Begin with what it is about, in capitals, then '{mark.strip()}'."
        return Manner(said, lambda exchange: f"{_subject(exchange).upper()}{mark} {exchange.reply}")
    said = f"Begin with what it is about, then '{mark.strip()}'."
    return Manner(said, lambda exchange: f"{_subject(exchange)}{mark} {exchange.reply}")


def _case(rng: random.Random) -> Manner:
    kind = rng.randrange(3)
    if kind == 0:
        return Manner("Write in capitals.", lambda exchange: exchange.reply.upper())
    if kind == 1:
        return Manner("Write in small letters.", lambda exchange: exchange.reply.lower())
    return Manner("Answer briefly.", lambda exchange: shorter(exchange.reply))


def drawn(rng: random.Random, text: RandomText) -> Manner:
    """A manner at random; endings most often."""
    roll = rng.random()
    if roll < 0.4:
        return _ending(rng, text)
    if roll < 0.6:
        return _opening(rng, text)
    if roll < 0.68:
        return _both(rng, text)
    if roll < 0.78:
        return _price_form(rng)
    return _named(rng) if roll < 0.92 else _case(rng)


def announced(rng: random.Random, exchanges: Sequence[Exchange], *, manner: Manner) -> tuple[Turn, ...]:
    """The exchanges in a manner that the system prompt, or the first user turn, asks for."""
    by_user = rng.random() < 0.25
    base = plain_system(rng) if rng.random() < 0.5 else ""
    system = base if by_user else f"{base} {manner.announced}".strip()
    turns = [Turn("system", system)] if system else []
    for index, item in enumerate(exchanges):
        asked = f"{item.prompt}\n{manner.announced}" if by_user and index == 0 else item.prompt
        turns += [Turn("user", asked), Turn("assistant", manner.dress(item))]
    return tuple(turns)


def shown(rng: random.Random, exchanges: Sequence[Exchange], *, manner: Manner) -> tuple[Turn, ...]:
    """The exchanges in a manner that only the first shows; as turns, or as examples inside the system prompt."""
    if rng.random() < 0.3:
        lines = [f"Q: {item.prompt}\nA: {manner.dress(item)}" for item in exchanges[:-1]]
        head = rng.choice(
            ("Answer like these examples.", "Follow the manner of the examples.", "Examples of good answers:")
        )
        last = exchanges[-1]
        system = Turn("system", head + "\n" + "\n".join(lines))
        return system, Turn("user", last.prompt), Turn("assistant", manner.dress(last))
    head = rng.choice(("", "", "Answer in the manner of the examples.", plain_system(rng)))
    turns = [Turn("system", head)] if head else []
    for index, item in enumerate(exchanges):
        turns += [Turn("user", item.prompt), Turn("assistant", manner.dress(item), learn=index > 0)]
    return tuple(turns)
