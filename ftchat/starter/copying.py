"""Copying, quoting and spelling of random text: what makes the model able to learn words that nobody foresaw."""

import random
from collections.abc import Sequence

from ftchat.starter.dialogue import Exchange
from ftchat.starter.phrasing import pick
from ftchat.starter.randomtext import RandomText
from ftchat.starter.shop import products

_REPEAT = (
    "[Repeat|Say|Echo|Write|Copy|Type|Print|Read out]: {t}",
    "[Please|Now|Just|] [repeat|say|echo|write|copy] [after me|this|the following|exactly this|this text|]: {t}",
    "Repeat after me: {t}", "Copy exactly: {t}", "[Say|Write|Repeat] '{t}'", '[Say|Write|Repeat] "{t}"',
    "Repeat the following.\n{t}", "{t}\n[Repeat|Copy|Say] this.",
    "Write this again: {t}", "[Reply|Answer|Respond] with: {t}",
    "[Reply|Answer|Respond] [only|just|] with [the words|exactly|] '{t}'", "Your [answer|reply] [is|should be]: {t}",
    "[Can|Could] you [say|write|repeat] {t}", "I say: {t}\nYou say the same.", "Type {t}",
)  # fmt: skip
_TWICE = ("[Say|Write|Repeat] [it|this] twice: {t}", "Twice: {t}", "[Say|Write] {t} two times",
    "Two times, please: {t}", "Double it: {t}", "Repeat two times: {t}")  # fmt: skip
_QUOTE = ("[Quote|Quote this|In quotes|In quotes please]: {t}",
    "Put this in [quotation marks|quotes]: {t}", "Write it in quotes: {t}",
    "[With|Add] quotation marks: {t}", "In quotes please: {t}")  # fmt: skip
_SPELL = ("Spell {t}.", "How do you spell {t}?", "Spell [the word|the name|] {t}",
    "[Spell it|Spelling|Spell out|Spell this]: {t}", "What are the letters of {t}?",
    "Letter by letter: {t}")  # fmt: skip
_UPPER = ("[Write|Put|Say] [this|it|] in [capitals|capital letters|upper case|uppercase]: {t}",
    "[Capitals|Capital letters|Upper case|All caps|Uppercase]: {t}", "In capital letters, please: {t}",
    "{t} in [capitals|upper case|big letters|all caps]", "[Shout|Capitalise every letter of|Uppercase]: {t}",
    "What is {t} in capitals?",
          "Big letters: {t}")  # fmt: skip
_LOWER = ("[Write|Put|Say] [this|it|] in [small letters|lower case]: {t}",
    "[Lower case|Small letters|Lowercase]: {t}", "In small letters, please: {t}",
    "{t} in small letters", "No capitals: {t}")  # fmt: skip
_BULLETS = ("[Make|Write] a list[ of|]: {t}", "[List these|List|As a list]: {t}",
    "[As|In|Use] bullets: {t}", "Bullet points, please: {t}", "Put this in a list: {t}")  # fmt: skip
_FIRST = ("[What is|Say|Give me] the first word of: {t}", "First word: {t}",
    "[Only|Just] the first word: {t}", "Which word comes first? {t}", "Begin of: {t}, first word only")  # fmt: skip
_FINAL = ("[What is|Say|Give me] the last word of: {t}", "Last word: {t}",
    "[Only|Just] the last word: {t}", "Which word comes last? {t}", "End of: {t}, last word only")  # fmt: skip


def repeat(rng: random.Random, text: RandomText, *, held_out: bool = False) -> Exchange:
    """A random phrase or two said back to the letter, now and then twice."""
    words = text.phrase(10) if rng.random() < 0.75 else f"{text.sentence()} {text.ending()}"
    if rng.random() < 0.08:
        short = text.phrase(4)
        return Exchange("repeat", pick(rng, _TWICE, held_out=held_out, t=short), f"{short} {short}", (short,))
    return Exchange("repeat", pick(rng, _REPEAT, held_out=held_out, t=words), words, (words,))


def _some(rng: random.Random, text: RandomText) -> str:
    """A phrase, a plain word, a product's name or a person's."""
    roll = rng.random()
    if roll < 0.4:
        return text.phrase(5)
    return text.word() if roll < 0.6 else rng.choice(products()).name if roll < 0.85 else text.name()


def reshape(rng: random.Random, text: RandomText, *, held_out: bool = False) -> Exchange:
    """Random text quoted, spelled, in capitals, in small letters, as a list, or only its first or last word."""
    kind = rng.choice(("quote", *("spell",) * 3, *("upper",) * 5, "lower", "bullets", "end"))
    words = _some(rng, text)
    prompt: Sequence[str]
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
    elif kind == "end":
        words = " ".join(text.word() for _ in range(rng.randint(2, 6)))
        first = rng.random() < 0.5
        prompt, reply = (_FIRST, words.split()[0]) if first else (_FINAL, words.split()[-1])
    else:
        prompt, reply = _LOWER, words.lower()
    return Exchange(kind, pick(rng, prompt, held_out=held_out, t=words), reply, (reply,))


def letters(rng: random.Random, text: RandomText) -> Exchange:
    """Several words in capitals or spelled: many letters for few other words."""
    words = [rng.choice(products()).name if rng.random() < 0.2 else text.word() for _ in range(rng.randint(2, 6))]
    if rng.random() < 0.35:
        words = [word for name in words[:3] for word in name.split()]
        reply = ", ".join("-".join(word) for word in words)
        return Exchange("spell", pick(rng, _SPELL, t=" ".join(words)), reply, (reply,))
    reply = " ".join(words).upper()
    return Exchange("upper", pick(rng, _UPPER, t=" ".join(words)), reply, (reply,))


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
         "Kind regards, {t}"), ("Put {t} between stars", "* {t} *"), ("Say {t} and then goodbye", "{t} Goodbye!"),
        ("Ask whether {t} is there", "Is {t} there?"), ("Start with {t} and say hello", "{t} Hello!"),
    ))  # fmt: skip
    reply = said.format(t=words)
    return Exchange("free", ("Please: " if held_out else "") + asked.format(t=words), reply, (reply,))
