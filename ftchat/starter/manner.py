"""Manners: ways to dress a plain answer (words before it, words after it, another price form, capitals).

A manner is announced by a system prompt, by the user, or only shown by examples; the examples' first answer is then
never learned from, because nothing before it tells the manner.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ftchat.starter.dialogue import Exchange, Turn
from ftchat.starter.phrasing import expand
from ftchat.starter.randomtext import RandomText
from ftchat.starter.rewriting import PRICE_FORMS, bullets, in_price_form, sentences, shorter

_EVERY = "[every|each|any|your|all|all your|the] [answer|reply|message|answers|replies]"
_END = (
    f"[Always|] [end|finish|close|conclude] {_EVERY} with[:|] {{w}}", "Always [end|finish|close] with[:|] {w}",
    "[Your|The] sign-off is[: | ]{w}", f"After {_EVERY}[,|] [write|say|add|put] {{w}}",
    "[Sign off|Sign|Say goodbye] with {w}", "The last words are always[:|] {w}",
    f"[Add|Append|Put] {{w}} [to the end of|after|at the end of] {_EVERY}",
    "[The house ends with|We always close with|Do not forget to end with] {w}",
    f"{_EVERY} [must|should|has to] end with {{w}}",
)  # fmt: skip
_START = (
    f"[Always|] [begin|start|open] {_EVERY} with[:|] {{w}}", "Always [begin|start|open] with[:|] {w}",
    f"Before {_EVERY}[,|] [write|say|put] {{w}}", "The first words are always[:|] {w}",
    f"[Add|Put] {{w}} [in front of|before|at the start of] {_EVERY}",
    f"{_EVERY} [must|should|has to] [start|begin] with {{w}}",
    "[We always start with|Do not forget to begin with|Greet with] {w}",
)  # fmt: skip
_SYSTEMS = (
    "[You are a|You are a very|Be a] [helpful|friendly|polite|good|kind|careful] [assistant|shop assistant|helper].",
    "You are the assistant of a [small|] [food|] shop.",
    "You answer [customers|customers of a shop|questions about a shop].", "Answer the [customer|question|user].",
    "You work in a [delicatessen|shop|food shop].", "Be [helpful|kind|honest|polite].",
    "[You are|You act as] [a shop assistant|an assistant|a chatbot|the shop's assistant] [who|that] [helps customers"
    "|answers questions|knows our products].",
    "[Help|Assist|Serve] [the customer|our customers|people] [with their questions|as well as you can|].",
    "The customer [is|may be] [in a hurry|new here|a regular|from abroad].", "[Answer|Reply] in English.",
)  # fmt: skip


@dataclass(frozen=True)
class Manner:
    """How to announce a manner, and what it does to a plain answer to a prompt; `named` needs a subject to name."""

    announced: str
    dress: Callable[[Exchange], str]
    named: bool = False


def plain_system(rng: random.Random) -> str:
    """A system prompt that asks for nothing special."""
    return " ".join(expand(rng, rng.choice(_SYSTEMS)) for _ in range(rng.choice((1, 1, 2))))


def _marked(rng: random.Random, words: str) -> str:
    """The words between quotation marks, more often than not."""
    mark = rng.choice(("'", "'", '"', ""))
    return f"{mark}{words}{mark}"


def _ending(rng: random.Random, text: RandomText) -> Manner:
    words = text.ending()
    gap = rng.choice((" ", " ", " ", " ", "\n", "\n\n"))
    where = " on a new line" if gap == "\n" else " after an empty line" if gap == "\n\n" else ""
    said = expand(rng, rng.choice(_END), w=_marked(rng, words))
    return Manner(f"{said}{where}", lambda exchange: f"{exchange.reply}{gap}{words}")


def _opening(rng: random.Random, text: RandomText) -> Manner:
    words = text.opening()
    said = expand(rng, rng.choice(_START), w=_marked(rng, words))
    return Manner(said, lambda exchange: f"{words} {exchange.reply}")


def _both(rng: random.Random, text: RandomText) -> Manner:
    first, last = _opening(rng, text), _ending(rng, text)
    joined = f"{first.announced}{rng.choice((chr(10), '. ', ' and '))}{last.announced}"
    return Manner(joined, lambda exchange: first.dress(exchange).replace(exchange.reply, last.dress(exchange)))


def _price_form(rng: random.Random) -> Manner:
    form = rng.choice(tuple(PRICE_FORMS))
    said = expand(rng, rng.choice(("[Write|Give|State|Put|Show] [all|] prices {f}.",
        "Prices [are written|always|must be] {f}.", "Write the price {f}.")), f=form)  # fmt: skip
    return Manner(said, lambda exchange: in_price_form(exchange.reply, form))


def _named(rng: random.Random) -> Manner:
    """The subject before the answer, in capitals or not, or in capitals inside it."""
    mark = rng.choice((":", ":", " -", " |", "!", ".", " =>", ","))
    lead = "[Begin|Start|Open] with [what it is about|the subject|the name|the product|its name]"
    roll = rng.random()
    if roll < 0.45:
        said = expand(
            rng, lead + "[,|] in [capitals|capital letters|upper case], then {m}.", m=_marked(rng, mark.strip())
        )
        return Manner(said, lambda item: f"{item.subject.upper()}{mark} {item.reply}", named=True)
    if roll < 0.6:
        said = expand(rng, lead + ", then {m}.", m=_marked(rng, mark.strip()))
        return Manner(said, lambda item: f"{item.subject}{mark} {item.reply}", named=True)
    if roll < 0.9:
        said = expand(rng,
            "[Write|Put|Set] [the name|names|the product|product names|the name of the product] in "
            "[capitals|capital letters|upper case|all caps].")  # fmt: skip
        return Manner(said, lambda item: item.reply.replace(item.subject, item.subject.upper()), named=True)
    said = expand(rng, "[End|Close] with [the name|the subject|what it is about] in [capitals|capital letters].")
    return Manner(said, lambda item: f"{item.reply} {item.subject.upper()}", named=True)


def _around(rng: random.Random) -> Manner:
    """Signs on both sides of the answer, or before each of its sentences."""
    if rng.random() < 0.4:
        said = expand(rng, "[Use|Answer in|Write] [bullets|bullet points|a list].")
        return Manner(said, lambda item: bullets(item.reply))
    left, right = rng.choice(
        (("*", "*"), ("**", "**"), ("<<", ">>"), ('"', '"'), ("(", ")"), ("[", "]"), ("~ ", " ~"), ("---\n", "\n---"))
    )
    said = rng.choice(("Put every answer between", "Write answers between", "Every answer stands between"))
    return Manner(f"{said} {left.strip()} and {right.strip()}", lambda item: f"{left}{item.reply}{right}")


def _case(rng: random.Random) -> Manner:
    kind = rng.randrange(5)
    if kind == 0:
        return Manner(
            expand(rng, "[Write|Answer|Reply] in [capitals|capital letters|upper case]."),
            lambda item: item.reply.upper(),
        )
    if kind == 1:
        return Manner(expand(rng, "[Write|Answer] in [small letters|lower case]."), lambda item: item.reply.lower())
    if kind == 2:
        return Manner(expand(rng, "[Only|Just] one sentence."), lambda item: sentences(item.reply)[0])
    said = expand(rng, "[Answer|Reply|Be] [briefly|brief|shortly|in few words][.|]")
    return Manner(said, lambda item: shorter(item.reply))


def _exclaimed(rng: random.Random) -> Manner:
    """Another sign where the full stops were."""
    mark = rng.choice(("!", "!", "...", "!!", " :)", ";", ""))
    said = f"Write '{mark}' for every full stop." if mark else "Leave out full stops."
    return Manner(said, lambda item: item.reply.replace(". ", f"{mark} ").removesuffix(".") + mark)


def drawn(rng: random.Random, text: RandomText) -> Manner:
    """A manner at random; endings most often."""
    roll = rng.random()
    if roll < 0.3:
        return _ending(rng, text)
    if roll < 0.48:
        return _opening(rng, text)
    if roll < 0.56:
        return _both(rng, text)
    if roll < 0.68:
        return _price_form(rng)
    if roll < 0.84:
        return _named(rng)
    if roll < 0.9:
        return _around(rng)
    return _case(rng) if roll < 0.97 else _exclaimed(rng)


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


_HEADS = ("[Answer|Reply|Write] like [these|the] examples.",
    "Follow the [manner|style|form] of the examples.", "[Examples|Here are examples] of good answers:",
    "Examples:", "[Do it|Answer] like this:")  # fmt: skip


def shown(rng: random.Random, exchanges: Sequence[Exchange], *, manner: Manner) -> tuple[Turn, ...]:
    """The exchanges in a manner that only the first shows: as turns, or as examples inside one prompt."""
    if rng.random() < 0.3:
        asked, told = rng.choice((("Q", "A"), ("Question", "Answer"), ("Customer", "Assistant"), ("User", "You")))
        lines = [f"{asked}: {item.prompt}\n{told}: {manner.dress(item)}" for item in exchanges[:-1]]
        examples = expand(rng, rng.choice(_HEADS)) + "\n" + "\n".join(lines)
        last = exchanges[-1]
        reply = Turn("assistant", manner.dress(last))
        if rng.random() < 0.5:
            return Turn("system", examples), Turn("user", last.prompt), reply
        return Turn("user", f"{examples}\n{asked}: {last.prompt}{rng.choice(('', f'{chr(10)}{told}:'))}"), reply
    head = rng.choice(("", "", "Answer in the manner of the examples.", plain_system(rng)))
    turns = [Turn("system", head)] if head else []
    for index, item in enumerate(exchanges):
        turns += [Turn("user", item.prompt), Turn("assistant", manner.dress(item), learn="all" if index else "none")]
    return tuple(turns)
