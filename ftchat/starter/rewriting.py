"""Rewriting a text by an instruction: what *Fix by instruction* asks for. Every change is a pure function."""

import random
import re
from collections.abc import Callable

from ftchat.starter.dialogue import Exchange, Turn, pick_phrasing
from ftchat.starter.randomtext import RandomText

_PRICE = re.compile(r"(\d+)\.(\d\d) euros")

PRICE_FORMS: dict[str, Callable[[str, str], str]] = {
    "as EUR 12.50": lambda euros, cents: f"EUR {euros}.{cents}",
    "with the euro sign": lambda euros, cents: f"€{euros}.{cents}",
    "with a comma": lambda euros, cents: f"{euros},{cents} euros",
    "in the German form": lambda euros, cents: f"{euros},{cents} €",
    "in euros and cents": lambda euros, cents: f"{euros} euros and {cents} cents",
}


def in_price_form(text: str, form: str) -> str:
    """The text with every price written in another form."""
    return _PRICE.sub(lambda match: PRICE_FORMS[form](match[1], match[2]), text)


def sentences(text: str) -> list[str]:
    """The sentences of a plain reply."""
    return [part for part in re.split(r"(?<=[.!?])\s+", text) if part]


def shorter(text: str) -> str:
    """The first sentence, up to its first ", and"."""
    first = sentences(text)[0]
    return first.split(", and")[0].rstrip(".!?") + first[-1] if ", and" in first else first


def bullets(text: str) -> str:
    """One bullet for each sentence."""
    return "\n".join(f"- {part}" for part in sentences(text))


def title(text: str) -> str:
    """The first words of the text as a title."""
    return " ".join(word.capitalize() for word in sentences(text)[0].rstrip(".!?").split()[:5])


CHANGES: tuple[tuple[str, tuple[str, ...], Callable[[str], str]], ...] = (
    ("shorter", ("Make it shorter", "Say that shorter", "Shorten it", "Shorter", "In one sentence", "Be brief",
     "Too long"), shorter),
    ("politer", ("Make it politer", "Say it more politely", "Be more polite", "More friendly", "Politer",
     "Make it friendlier"),
     lambda text: f"Thank you for your question. {text} Please let us know if you need anything else."),
    ("bullets", ("As bullets", "Write it as bullet points", "Make a list of it", "Use bullets", "As a list",
     "Turn it into bullets"), bullets),
    ("title", ("As a title", "Make a title of it", "Give it a title", "Turn it into a headline", "Headline",
     "Make it a title"), title),
    ("capitals", ("In capitals", "Write it in capital letters", "All caps", "Use upper case", "Shout it",
     "In upper case"), str.upper),
    ("small", ("In small letters", "Write it in lower case", "All lower case", "No capitals",
     "Use small letters"), str.lower),
    ("quoted", ("In quotes", "Put it in quotation marks", "Quote it", "With quotation marks", "Put quotes around it"),
     lambda text: f'"{text}"'),
    ("last", ("Only the last sentence", "Keep the last sentence", "Just the end", "Leave out the start",
     "The last sentence only"),
     lambda text: sentences(text)[-1]),
)  # fmt: skip


def _added(rng: random.Random, text: RandomText) -> tuple[str, Callable[[str], str]]:
    """An instruction that names words to add, or a price form."""
    words = text.ending() if rng.random() < 0.6 else text.opening()
    ends = (
        "End with '{w}'",
        "Add '{w}' at the end",
        "Close with: '{w}'",
        "Finish with '{w}'",
        "Put '{w}' after it",
        "Sign off with '{w}'",
    )
    starts = ("Begin with '{w}'", "Start with: '{w}'", "Put '{w}' in front", "Put '{w}' before it", "Open with '{w}'")
    roll = rng.random()
    if roll < 0.45:
        return pick_phrasing(rng, ends, held_out=False).format(w=words), lambda old: f"{old} {words}"
    if roll < 0.75:
        return pick_phrasing(rng, starts, held_out=False).format(w=words), lambda old: f"{words} {old}"
    form = rng.choice(tuple(PRICE_FORMS))
    asked = rng.choice(("Write the price {f}", "Prices {f}", "Name the price {f}", "Put the price {f}"))
    return asked.format(f=form), lambda old: in_price_form(old, form)


def instruction(
    rng: random.Random, text: RandomText, *, held_out: bool = False
) -> tuple[str, str, Callable[[str], str]]:
    """A kind, an instruction in words, and what it does to a text; now and then two at once."""
    if rng.random() < 0.4:
        asked, change = _added(rng, text)
        return "add", asked, change
    kind, phrasings, change = rng.choice(CHANGES)
    asked = pick_phrasing(rng, phrasings, held_out=held_out)
    if kind in ("shorter", "capitals", "politer") and rng.random() < 0.2:
        more, second = _added(rng, text)
        both = f"{asked}, and {more[0].lower()}{more[1:]}"
        return kind, both, lambda old: second(change(old))
    return kind, asked, change


def rewrite(rng: random.Random, original: str, *, held_out: bool = False, text: RandomText) -> Exchange:
    """A text inside the prompt, and how to change it."""
    kind, asked, change = instruction(rng, text, held_out=held_out)
    form = rng.choice((
        "{asked}: {text}", "{asked}:\n{text}", "{text}\n\n{asked}.", "Text: {text}\nInstruction: {asked}.",
        "Rewrite this text. {asked}.\n\n{text}",
        "Rewrite the answer below.\nInstruction: {asked}\nAnswer: {text}",
        "Here is a text:\n{text}\nPlease rewrite it. {asked}.",
    ))  # fmt: skip
    reply = change(original)
    return Exchange(f"rewrite_{kind}", form.format(asked=asked, text=original), reply, (reply,))


def rewrite_last(rng: random.Random, before: Exchange, *, text: RandomText) -> tuple[Turn, Turn]:
    """A follow-up that has the last answer changed."""
    _, asked, change = instruction(rng, text)
    form = rng.choice(("{asked}.", "{asked}", "{asked}, please.", "Please rewrite your answer. Instruction: {asked}",
                       "Rewrite your last answer: {asked}.", "Good, but: {asked}."))  # fmt: skip
    return Turn("user", form.format(asked=asked)), Turn("assistant", change(before.reply))
