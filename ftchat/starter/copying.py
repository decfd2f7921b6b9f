"""Copying, quoting and spelling of random text: what makes the model able to learn words that nobody foresaw."""

import random

from ftchat.starter.dialogue import Exchange, pick_phrasing
from ftchat.starter.randomtext import RandomText

_REPEAT = ("Repeat: {t}", "Say: {t}", "Repeat after me: {t}", "Copy this text: {t}", "Copy exactly: {t}",
           "Write: {t}", "Echo {t}",
           "Please say '{t}'", "Repeat the following.\n{t}", "{t}\nRepeat this.", "Write this again: {t}",
           "Type {t}")  # fmt: skip
_QUOTE = (
    "Quote this: {t}",
    "Put this in quotation marks: {t}",
    "Write it in quotes: {t}",
    "Quote: {t}",
    "In quotes please: {t}",
)
_SPELL = ("Spell {t}.", "How do you spell {t}?", "Spell the word {t}", "Spell it: {t}", "Letter by letter: {t}")
_UPPER = (
    "Write in capitals: {t}",
    "Capitals: {t}",
    "In capital letters, please: {t}",
    "{t} in capitals",
    "Upper case: {t}",
)
_LOWER = (
    "Write in small letters: {t}",
    "Lower case: {t}",
    "In small letters, please: {t}",
    "{t} in small letters",
    "No capitals: {t}",
)
_BULLETS = (
    "Make a list: {t}",
    "List these: {t}",
    "As bullets: {t}",
    "Bullet points, please: {t}",
    "Put this in a list: {t}",
)


def repeat(rng: random.Random, text: RandomText, *, held_out: bool = False) -> Exchange:
    """A random phrase or two said back to the letter."""
    words = text.phrase(10) if rng.random() < 0.75 else f"{text.sentence()} {text.ending()}"
    return Exchange("repeat", pick_phrasing(rng, _REPEAT, held_out=held_out).format(t=words), words, (words,))


def reshape(rng: random.Random, text: RandomText, *, held_out: bool = False) -> Exchange:
    """Random text quoted, spelled, in capitals, in small letters or as a list."""
    kind = rng.choice(("quote", "spell", "upper", "upper", "lower", "bullets"))
    words = text.phrase(5)
    if kind == "quote":
        prompt, reply = _QUOTE, f'"{words}"'
    elif kind == "spell":
        words = text.word() if rng.random() < 0.7 else text.name()
        prompt, reply = _SPELL, "-".join(words.replace(" ", ""))
    elif kind == "bullets":
        items = [text.word() if rng.random() < 0.7 else text.name() for _ in range(rng.randint(2, 5))]
        words, reply, prompt = ", ".join(items), "\n".join(f"- {item}" for item in items), _BULLETS
    elif kind == "upper":
        prompt, reply = _UPPER, words.upper()
    else:
        prompt, reply = _LOWER, words.lower()
    return Exchange(kind, pick_phrasing(rng, prompt, held_out=held_out).format(t=words), reply, (reply,))


def remembered(rng: random.Random, text: RandomText) -> tuple[Exchange, ...]:
    """Something told in one turn and asked for in a later one."""
    what = rng.choice(
        ("code word", "name", "favourite word", "city", "password", "motto", "dog's name", "order code", "team")
    )
    words = text.phrase(3) if rng.random() < 0.6 else text.name()
    told = rng.choice((f"My {what} is {words}", f"Remember that my {what} is {words}", f"Note: my {what} is {words}"))
    first = Exchange("noted", told, f"I will remember that your {what} is {words}", (words,))
    asked = rng.choice((f"What is my {what}?", f"Do you remember my {what}?", f"Tell me my {what}."))
    return first, Exchange("remembered", asked, f"Your {what} is {words}", (words,))


def free_answer(rng: random.Random, text: RandomText, *, held_out: bool = False) -> Exchange:
    """Random words that appear inside a sentence of the reply rather than alone."""
    words = text.phrase(4)
    asked, said = rng.choice((
        ("Thank {t} for me.", "Thank you very much, {t}"), ("Wish {t} a good day.", "Have a good day, {t}"),
        ("Greet {t}.", "Hello, {t}"), ("Welcome {t} to the shop.", "Welcome to our shop, {t}"),
        ("Write a sign with the words {t}", "*** {t} ***"), ("Ask for {t}", "Could I have {t}"),
        ("Say that you like {t}", "I like {t}"), ("Advertise {t}", "New in our shop: {t}"),
        ("Write a label for {t}", "[{t}]"), ("Say goodbye to {t}", "Goodbye, {t}"), ("Sign as {t}",
         "Kind regards, {t}"),
    ))  # fmt: skip
    reply = said.format(t=words)
    return Exchange("free", ("Please: " if held_out else "") + asked.format(t=words), reply, (reply,))
