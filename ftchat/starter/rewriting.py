"""Rewriting a text by an instruction: what *Fix by instruction* asks for. Every change is a pure function."""

import random
import re
from collections.abc import Callable, Sequence

from ftchat.starter import passages
from ftchat.starter.dialogue import Exchange, Turn
from ftchat.starter.phrasing import expand, pick
from ftchat.starter.randomtext import RandomText

_PRICE = re.compile(r"(\d+)\.(\d\d) euros")
_PARTS = re.compile(r", | and ")

PRICE_FORMS: dict[str, Callable[[str, str], str]] = {
    "as EUR 12.50": lambda euros, cents: f"EUR {euros}.{cents}",
    "with the euro sign": lambda euros, cents: f"€{euros}.{cents}",
    "with a comma": lambda euros, cents: f"{euros},{cents} euros",
    "in the German form": lambda euros, cents: f"{euros},{cents} €",
    "in euros and cents": lambda euros, cents: f"{euros} euros and {cents} cents",
    "as 12.50 EUR": lambda euros, cents: f"{euros}.{cents} EUR",
    "as € 12.50": lambda euros, cents: f"€ {euros}.{cents}",
    "as 12.50 €": lambda euros, cents: f"{euros}.{cents} €",
    "as 12,50 EUR": lambda euros, cents: f"{euros},{cents} EUR",
    "in dollars": lambda euros, cents: f"${euros}.{cents}",
    "in pounds": lambda euros, cents: f"£{euros}.{cents}",
    "without cents": lambda euros, cents: f"{euros} euros",
    "in brackets": lambda euros, cents: f"({euros}.{cents} euros)",
    "in stars": lambda euros, cents: f"**{euros}.{cents} euros**",
}


def in_price_form(text: str, form: str) -> str:
    """The text with every price written in another form."""
    return _PRICE.sub(lambda match: PRICE_FORMS[form](match[1], match[2]), text)


def sentences(text: str) -> list[str]:
    """The sentences of a plain reply."""
    return [part for part in re.split(r"(?<=[.!?])\s+", text) if part]


_SHORT = {
    "We are open from Monday to Saturday, from 9 in the morning until 6 in the evening.": "Monday to Saturday, 9 to 6.",
    "Delivery takes two to four working days.": "Two to four working days.",
    "You can pay by card, by bank transfer or in cash at the shop.": "Card, bank transfer or cash.",
    "Our shop is at 12 Mill Lane, next to the old bridge.": "12 Mill Lane.",
    "You can write to hello@shop.example or call us from 9 to 6.": "hello@shop.example, or call from 9 to 6.",
    "You can park for free behind the shop for one hour.": "Behind the shop, one hour.",
    "Yes, we wrap gifts for 2.50 euros and add a card with your words.": "Yes, for 2.50 euros.",
    "We pay a refund within five working days, in the way you paid.": "Within five working days.",
    "Yes, you can pick up your order in the shop after two hours.": "Yes, after two hours.",
    "Yes, we offer a free tasting every Friday at 4 in the afternoon.": "Yes, every Friday at 4.",
    "We give 10 percent off for orders above 100 euros.": "10 percent above 100 euros.",
    "I am well, thank you. How can I help you?": "I am well.",
}
_FACT = re.compile(r"^The (?:\w+ ){1,4}?(?:costs?|tastes?|goe?s? well with|comes? in|comes?(?= from)) (.+)$")
_KEPT = re.compile(r"^Keep the .+? ((?:in|at) .+)$")


def shorter(text: str) -> str:
    """The first of several sentences up to its first ", and"; of a single one the fact without its frame."""
    if text in _SHORT:
        return _SHORT[text]
    parts = sentences(text)
    first = parts[0]
    if len(parts) > 1 or ", and" in first:
        return first.split(", and")[0].rstrip(".!?") + first[-1]
    if bare := _FACT.match(first) or _KEPT.match(first):
        return bare[1][0].upper() + bare[1][1:]
    return first


def bullets(text: str) -> str:
    """One bullet for each sentence."""
    return "\n".join(f"- {part}" for part in sentences(text))


def listed(text: str) -> str:
    """One bullet for each thing of a row."""
    return "\n".join(f"- {part}" for part in _PARTS.split(text))


def title(text: str) -> str:
    """The first words of the text as a title."""
    return " ".join(word.capitalize() for word in sentences(text)[0].rstrip(".!?").split()[:5])


def politer(text: str) -> str:
    """The text between a word of thanks and an offer."""
    return f"Thank you for your question. {text} Please let us know if you need anything else."


def asked_for(order: str) -> str:
    """A blunt order as a polite question."""
    return f"Could you please {order[0].lower()}{order[1:]}? Thank you."


SHORTER = (
    "Make [it|this|that] [much|a bit|] shorter",
    "[Say|Write|Put] [that|it|this] [shorter|more briefly|in fewer words]", "Shorten [it|this|the text|that]",
    "[Shorter|Shorter please|Much shorter|A shorter version]", "[Say|Write|Put] [it|that] in less space",
    "[Be|Make it] [brief|concise|briefer|short]", "[Too long|That is too long|This is too long|It is too long]",
    "[Cut|Trim|Condense|Tighten] [it|this|it down|this down]", "[Keep it|Make it] [short|brief]",
    "[Just|Only] the [main point|first sentence|essence]", "[Fewer|Less] words",
    "[Summarise|Sum up] [it|this|the text]", "[Can|Could] you [make it shorter|say that shorter|shorten it]",
    "I want it brief",
)  # fmt: skip
_ONE = (
    "[In|Use|Cut it to|Reduce it to|Make it] [one|a single] [short|] sentence",
    "[One|A single] sentence[ please| only|]", "[Only|Just] [one|the first] sentence",
    "[No more than|At most] one sentence", "[Say|Put|Write] [it|that] in one sentence", "Keep the first sentence",
)  # fmt: skip
POLITER = (
    "[Make|Write] [it|this] [more polite|politer|friendlier|nicer|kinder]",
    "Say [it|this|that] more [politely|nicely|kindly]", "[Be|Sound] [more polite|politer|friendlier|nicer|kinder]",
    "[More friendly|Politer|More polite|Friendlier|Nicer|Kinder][ please|]", "[With|Use] [better|good] manners",
    "[Put|Rewrite] it [politely|in a friendly way|kindly]",
    "[Too rude|That is too rude|Not so rude|Less rude|Too blunt]", "Add some [politeness|courtesy]",
    "[In|Use] a [polite|friendly|warm|kind] tone", "Make it friendlier",
)  # fmt: skip
_BULLETS = (
    "As [bullets|bullet points|a list|a bullet list|bulleted points]",
    "[Write|Put|Format|Rewrite] [it|this] as [bullet points|bullets|a list]",
    "[Make|Create] [a list|bullets|bullet points] [of|from|out of] [it|this]", "Use [bullets|bullet points|a list]",
    "[Turn|Change|Convert] [it|this] into [bullets|bullet points|a list]",
    "[Bullets|Bullet points|List|List form][ please|]",
    "[Split|Break] it into [bullets|bullet points|points]", "[One|A] bullet [for each|per] [sentence|point|item]",
    "Give me [bullets|a list|bullet points]", "List the points",
)  # fmt: skip
_TITLE = (
    "As a [title|headline|heading]",
    "[Make|Write|Create|Find|Give me] a [title|headline|heading] [of|for|from] [it|this]",
    "[Give|Add] [it|this] a [title|headline|heading]", "[Turn|Change] [it|this] into a [headline|title|heading]",
    "[Headline|Title|Heading][ please|]", "[What would be|Suggest] a [good|short|] [title|headline] for [it|this]",
    "Make it a title",
)  # fmt: skip
_CAPITALS = (
    "In [capitals|capital letters|upper case|all caps|big letters|block letters]",
    "[Write|Put|Rewrite] [it|this|everything] in [capitals|capital letters|upper case|all caps|uppercase]",
    "[All|Only|Use|Use only] [caps|capitals|capital letters|upper case]",
    "[Shout|Shout it|Shout this|Uppercase|Capitals|Capitalise everything]",
    "[Make|Turn] [it|this] [uppercase|all caps|into capitals]",
    "Every letter [big|a capital]", "Everything in big letters",
)  # fmt: skip
_SMALL = (
    "In [small letters|lower case|lowercase]", "[Write|Put] [it|this] in [lower case|small letters|lowercase]",
    "All [lower case|small|lowercase]", "No capitals", "[Lowercase|Make it lowercase|Only small letters]",
    "Use small letters",
)  # fmt: skip
_QUOTED = ("In [quotes|quotation marks]", "[Put|Write] [it|this] in [quotes|quotation marks]",
    "Quote [it|this]", "[With|Add] [quotation marks|quotes]",
    "[Wrap it in|Surround it with] quotation marks", "Put quotes around it")  # fmt: skip
_LAST = ("[Only|Just|Keep|Give me] the last sentence",
    "[Drop|Remove|Delete] everything but the last sentence", "Just the end",
    "[Leave out|Drop] the start", "[Only|Keep] the end", "The last sentence only")  # fmt: skip
_SURE = ("Are you [really|] sure?", "[Really|Is that so|For real]?",
    "Is that [right|true|correct|really so]?", "Do you mean that?", "No mistake?")  # fmt: skip
_SAME = ("[Say|Write|Tell me] [it|that] again",
    "[Repeat|Repeat that|Repeat it|Once more|Again|Come again|Say again]",
    "[What did you say|Pardon|Sorry|What was that]", "I did not [hear|get|catch] [that|it]",
    "[Repeat|Give me] your [last|] answer [again|]", "Could you repeat that")  # fmt: skip

CHANGES: tuple[tuple[str, Sequence[str], Callable[[str], str]], ...] = (
    ("shorter", SHORTER, shorter), ("shorter", SHORTER, shorter), ("one", _ONE, lambda text: sentences(text)[0]), (
     "politer", POLITER, politer), ("bullets", _BULLETS, bullets), ("title", _TITLE, title), ("capitals", _CAPITALS,
     str.upper),
    ("small", _SMALL, str.lower), ("quoted", _QUOTED, lambda text: f'"{text}"'), ("last", _LAST, lambda text: sentences(
     text)[-1]),
)  # fmt: skip

_ENDS = ("[End|Finish|Close|Conclude|Stop] [it |this |the text |]with [the words |]{w}",
    "[Add|Append|Put|Write] {w} [at the end|after it|to the end|as the last words|behind it]",
    "[Close|Finish] with: {w}", "Sign off with {w}", "Sign [it|] as {w}",
    "[The last words are|At the end say|The end should be] {w}", "[It should|It must|Make it|Let it] end with {w}",
         "Add {w}", "Put {w} after it")  # fmt: skip
_STARTS = ("[Begin|Start|Open] [it |this |the text |]with [the words |]{w}", "[Start|Begin] with: {w}",
    "Put {w} [in front|before it|at the start|at the beginning|first]",
    "[First say|At the start say|The first words are|Say first] {w}",
    "[It should|It must|Make it|Let it] [start|begin] with {w}",
    "[Add|Write|Insert] {w} [at the start|before it|in front]",
           "Open with {w}")  # fmt: skip
_REPLACE = ("[Replace|Swap|Exchange] {a} [by|with|for] {b}", "[Change|Turn] {a} [to|into] {b}",
    "[Write|Say|Use|Put] {b} instead of {a}", "[Instead of|Not] {a}, [write|say|use|but] {b}",
    "{a} should be {b}", "[It is|The right word is] {b}, not {a}", "Make {b} out of {a}")  # fmt: skip
_DROP = ("[Remove|Delete|Drop|Leave out|Take out|Omit|Cut|Erase] [the word |]{a}",
    "[Without|No] [the word |]{a}", "[The word |]{a} should go", "Do not [say|write|use] {a}",
    "Get rid of {a}", "Say it without {a}")  # fmt: skip
_FORM = ("[Write|Put|Name|Give|State|Show] the [price|prices] {w}", "Prices {w}",
    "[Use|With] prices {w}", "The price {w}[, please|]", "Price {w}",
    "[And|Please] write the price {w}")  # fmt: skip
_CAPITAL_NAME = ("[Write|Put] {a} in [capitals|capital letters|upper case]",
    "{a} in [capitals|capital letters|upper case]", "[Capitalise|Uppercase] {a}",
    "[Use|With] capitals for {a}", "Only {a} in capitals", "{a} all in capitals")  # fmt: skip


def _quoted(rng: random.Random, words: str) -> str:
    mark = rng.choice(("'", "'", '"', ""))
    return f"{mark}{words}{mark}"


def _words_of(rng: random.Random, original: str) -> str:
    """One to three words that stand in the text, once where that can be."""
    parts = original.split()
    found = parts[0]
    for _ in range(6):
        first = rng.randrange(len(parts))
        found = " ".join(parts[first : first + rng.choice((1, 1, 2, 3))]).strip(".,!?:;\"'()") or parts[0]
        if len(found) > 2 and original.count(found) == 1:
            return found
    return found


def _added(
    rng: random.Random, text: RandomText, original: str, *, held_out: bool = False
) -> tuple[str, Callable[[str], str]]:
    """An instruction that names words to add, to change or to leave out, or a price form."""
    roll = rng.random()
    if roll < 0.4:
        words = text.ending()
        return pick(rng, _ENDS, held_out=held_out, w=_quoted(rng, words)), lambda old: f"{old} {words}"
    if roll < 0.6:
        first = text.opening()
        return pick(rng, _STARTS, held_out=held_out, w=_quoted(rng, first)), lambda old: f"{first} {old}"
    if _PRICE.search(original) and roll < 0.82:
        form = rng.choice(tuple(PRICE_FORMS))
        return pick(rng, _FORM, held_out=held_out, w=form), lambda old: in_price_form(old, form)
    old_words = _words_of(rng, original)
    kind = rng.random()
    if kind < 0.55:
        new = text.phrase(2).strip(".,!?:;\"'()") or "so"
        asked = pick(rng, _REPLACE, held_out=held_out, a=_quoted(rng, old_words), b=_quoted(rng, new))
        return asked, lambda old: old.replace(old_words, new)
    if kind < 0.8:
        asked = pick(rng, _CAPITAL_NAME, held_out=held_out, a=_quoted(rng, old_words))
        return asked, lambda old: old.replace(old_words, old_words.upper())
    return pick(rng, _DROP, held_out=held_out, a=_quoted(rng, old_words)), lambda old: _without(old, old_words)


def _without(text: str, words: str) -> str:
    """The text less some words, its spaces tidied."""
    left = re.sub(r" {2,}", " ", text.replace(words, "", 1))
    return re.sub(r" ([.,!?])", r"\1", left).strip() or text


def instruction(
    rng: random.Random, text: RandomText, original: str, *, held_out: bool = False
) -> tuple[str, str, Callable[[str], str]]:
    """A kind, an instruction in words, and what it does to a text; now and then two at once."""
    if rng.random() < 0.42:
        asked, change = _added(rng, text, original, held_out=held_out)
        return "add", asked, change
    kind, phrasings, change = rng.choice(CHANGES)
    while kind in ("shorter", "last", "one") and change(original) == original:
        kind, phrasings, change = rng.choice(CHANGES)
    asked = pick(rng, phrasings, held_out=held_out)
    if kind in ("shorter", "capitals", "politer") and rng.random() < 0.25:
        more, second = _added(rng, text, change(original))
        both = f"{asked}{rng.choice((', and ', ' and ', '. ', ', then '))}{more[0].lower()}{more[1:]}"
        return kind, both, lambda old: second(change(old))
    return kind, asked, change


_FORMS = (
    "{asked}: {text}", "{asked}:\n{text}", "{text}\n\n{asked}.", "Text: {text}\nInstruction: {asked}.",
    "[Rewrite|Change|Edit] this text. {asked}.\n\n{text}", '{asked}: "{text}"', "{asked}.\n\n{text}",
    "{text} [->|=>|-] {asked}",
    "[Please|] {asked}. Here is the text: {text}", "{asked}, please: {text}", "I wrote this: {text}\n{asked}.",
    "[Take|Use] this [sentence|text|message]: {text}\n{asked}.", "{asked}, will you? {text}",
    "{text}\n{asked}, please.",
    "[My text|The text|Original|Message|Draft]: {text}\n{asked}", "{asked}: '{text}'", "{asked} - {text}",
    "Rewrite the answer below.\nInstruction: {asked}\nAnswer: {text}",
    "Here is a text:\n{text}\nPlease rewrite it. {asked}.",
    "[Please|Can you|Could you] [rewrite|change|fix] this: {text}\n{asked}.", "Instruction: {asked}\nText: {text}",
)  # fmt: skip
_LAST_FORMS = (
    "{asked}.", "{asked}", "{asked}, please.", "Rewrite your last answer: {asked}.",
    "Rewrite your last answer: {asked}.", "[Please|] rewrite your answer. Instruction: {asked}",
    "[Rewrite|Change] your [last|] answer: {asked}.", "[Good|Fine|OK|Nice|Thanks], but: {asked}.", "{asked}!",
    "Rewrite your reply by this instruction: {asked}", "[And now|Now|Again, but|The same, but]: {asked}.",
    "Rewrite your last answer. {asked}.", "Instruction: {asked}", "Fix it: {asked}.",
)  # fmt: skip


def _asked_again(rng: random.Random, forms: Sequence[str], **slots: str) -> str:
    """One of the forms around an instruction, which begins small now and then."""
    if "asked" in slots and rng.random() < 0.35:
        slots["asked"] = slots["asked"][0].lower() + slots["asked"][1:]
    return expand(rng, rng.choice(forms), **slots)


def rewrite(rng: random.Random, original: str, *, held_out: bool = False, text: RandomText) -> Exchange:
    """A text inside the prompt, and how to change it."""
    kind, asked, change = instruction(rng, text, original, held_out=held_out)
    reply = change(original)
    return Exchange(f"rewrite_{kind}", _asked_again(rng, _FORMS, asked=asked, text=original), reply, (reply,))


def rewrite_letter(rng: random.Random, *, held_out: bool = False, text: RandomText) -> Exchange:
    """A letter made shorter, an order made polite, or a row of things made a list."""
    roll = rng.random()
    phrasings: Sequence[str]
    if roll < 0.5:
        found = passages.letter(rng)
        kind, phrasings, original, reply = "shorter", SHORTER, found.text, found.short
    elif roll < 0.8:
        original = passages.order(rng)
        kind, phrasings, reply, original = (
            "politer",
            POLITER,
            asked_for(original),
            original + rng.choice((".", "!", "")),
        )
    else:
        original = passages.noted(rng, text)
        kind, phrasings, reply = "bullets", _BULLETS, listed(original)
    asked = pick(rng, phrasings, held_out=held_out)
    return Exchange(f"rewrite_{kind}", _asked_again(rng, _FORMS, asked=asked, text=original), reply, (reply,))


def rewrite_last(
    rng: random.Random, before: Exchange, *, held_out: bool = False, text: RandomText
) -> tuple[Turn, Turn]:
    """A follow-up that has the last answer changed, or said again."""
    if rng.random() < 0.06:
        return Turn("user", pick(rng, _SAME) + rng.choice(("", ".", "?"))), Turn("assistant", before.reply)
    if rng.random() < 0.05 and before.kind in ("price", "origin", "support", "storage", "taste", "size", "pairing"):
        return Turn("user", pick(rng, _SURE)), Turn("assistant", f"Yes, I am sure. {before.reply}")
    _, asked, change = instruction(rng, text, before.reply, held_out=held_out)
    return Turn("user", _asked_again(rng, _LAST_FORMS, asked=asked)), Turn("assistant", change(before.reply))
