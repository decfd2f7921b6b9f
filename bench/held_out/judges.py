"""The judges: pure functions from a reply to right or wrong, one for each kind of question.

They look for facts and forms, never for a wording. It does not know prompts or models.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from bench.held_out.facts import amounts, contradictions, named, of_shelf, plainly, says, sentences_of, words_of
from ftchat.starter.shop import Product

Judge = Callable[[str], bool]

_QUOTES = " \"'"
_BULLET = re.compile(r"\s*(?:[-*•–]|\d+[.)])\s+\S")
_LIMIT = re.compile(
    r"\b(do not know|don't know|know nothing|know little|cannot|can't|unable|not able|no idea|outside|only|sorry|afraid"
    r"|beyond|not something|nothing about|not sure|practice model|not what)\b"
)
_OFFER = re.compile(r"\b(products?|orders?|shop|shelf|shelves|prices?|food|delivery|deliveries)\b")
_ABLE = re.compile(r"\b(help|can|ask|tell|answer|know|assist|about)\b")
_OPENS = re.compile(
    r"(i|i'm|we|sorry|that|that's|this|unfortunately|my|you|please|as|our|ask|feel|oh|but|what i|for that|"
    r"questions?|only|being|here)\b"
)
_UNKNOWN = re.compile(r"\b(do not|don't|does not|not|no|never|cannot|can't|sorry|unknown|isn't|aren't|unable)\b")
_POLITE = re.compile(
    r"\b(please|thank|thanks|kindly|would|could|happy|glad|sorry|welcome|appreciate|grateful|dear|pleasure|apolog\w+|"
    r"warm\w*|kind)\b"
)


def tells(kind: str, item: Product) -> Judge:
    """That fact of that product, and nothing that is not true of it."""
    return lambda reply: says(kind, item, reply) and not contradictions(reply, [item])


def recommends(category: str, *, count: int = 1) -> Judge:
    """At least so many products of the shelf, none of another, and nothing untrue about them."""

    def judge(reply: str) -> bool:
        found = named(reply)
        return len(found) >= count and of_shelf(category, found) and not contradictions(reply, found)

    return judge


def compares(first: Product, second: Product) -> Judge:
    """Which of two is cheaper (or dearer): the conclusion must be right, and so must every price."""

    def judge(reply: str) -> bool:
        if contradictions(reply, [first, second]):
            return False
        told = [part for part in sentences_of(reply) if re.search(_TOLD, plainly(part))]
        return bool(told) and all(_concludes(part, first, second=second) for part in told)

    return judge


_LESS = r"\b(cheaper|cheapest|less|lower|lowest|least|affordable|save)\b"
_MORE = r"\b(dearer|more|most|expensive|pricier|higher|highest)\b"
_SAME = r"\b(same|equal|equally)\b"
_TOLD = f"{_LESS}|{_MORE}|{_SAME}"


def _concludes(sentence: str, first: Product, *, second: Product) -> bool:
    """Whether one sentence that compares is true: its subject is the product it names first, unless it is a "than"."""
    said = plainly(sentence)
    if re.search(_SAME, said):
        return first.cents == second.cents
    found = named(sentence)
    if not found:
        return False
    other = second if found[0] == first else first
    less = re.search(r"\bless expensive\b", said) or (re.search(_LESS, said) and not re.search(_MORE, said))
    return found[0].cents <= other.cents if less else found[0].cents >= other.cents


def affords(item: Product, limit: int) -> Judge:
    """Yes or no first, and right: whether the product costs less than so many euros."""

    def judge(reply: str) -> bool:
        words = words_of(reply)
        right = "yes" if item.cents < limit * 100 else "no"
        wrong = contradictions(reply, [item], also=(limit * 100,))
        return bool(words) and words[0] == right and not wrong and len(sentences_of(reply)) <= 2

    return judge


def in_one_sentence(item: Product) -> Judge:
    """One sentence with at least one true fact."""

    def judge(reply: str) -> bool:
        told = any(says(kind, item, reply) for kind in ("price", "origin", "taste", "pairing"))
        shelf = item.category.name in plainly(reply) or item.category.plural in plainly(reply)
        return len(sentences_of(reply)) == 1 and (told or shelf) and not contradictions(reply, [item])

    return judge


def in_bullets(item: Product, *, count: int) -> Judge:
    """Exactly so many bullets with two true facts."""

    def judge(reply: str) -> bool:
        lines = [line for line in reply.splitlines() if line.strip()]
        right = sum(bool(_BULLET.match(line)) for line in lines) == count and len(lines) <= count + 1
        return right and says("describe", item, reply) and not contradictions(reply, [item])

    return judge


def matches(patterns: Sequence[str], *, numbers: Sequence[str], never: str = "(?!)") -> Judge:
    """All patterns are there, in at most five sentences; and no number but these, and not `never`."""

    def judge(reply: str) -> bool:
        said = plainly(reply)
        if not all(re.search(pattern, said) for pattern in patterns) or re.search(never, said):
            return False
        found = {number.replace(",", ".") for number in re.findall(r"\d+(?:[.,]\d+)?", said)}
        return found <= set(numbers) and len(sentences_of(reply)) <= 5

    return judge


def handled(reply: str, *, prompt: str) -> bool:
    """One or two sentences that say what it can help with and nothing else: each names a limit or an offer.

    An invented answer shows as a sentence of another kind, as a number that the prompt did not have, or as a product.
    """
    parts = [plainly(part) for part in sentences_of(reply)]
    if not 1 <= len(parts) <= 2 or len(words_of(reply)) > 60 or named(reply):
        return False
    offers = [bool(_OFFER.search(part) and _ABLE.search(part)) for part in parts]
    kept = all(offer or _LIMIT.search(part) for part, offer in zip(parts, offers, strict=True))
    opened = all(_OPENS.match(part) for part in parts)
    return any(offers) and kept and opened and set(re.findall(r"\d+", reply)) <= set(re.findall(r"\d+", prompt))


def handles(prompt: str) -> Judge:
    """The same as a judge for one prompt."""
    return lambda reply: handled(reply, prompt=prompt)


def knows_no_such(thing: str) -> Judge:
    """It says that it does not know or sell this, by name or as "that", and names no price."""

    def judge(reply: str) -> bool:
        said = plainly(reply)
        meant = thing.casefold() in said or re.search(r"\b(that|this|it|such|those|one)\b", said)
        return bool(meant and _UNKNOWN.search(said)) and not amounts(reply) and len(sentences_of(reply)) <= 3

    return judge


def rewritten(want: str, text: str, *, keep: Sequence[str], words: str = "") -> Judge:
    """The text changed as `want` says, with what must survive."""

    def judge(reply: str) -> bool:
        kept = all(re.search(pattern, plainly(reply)) for pattern in keep)
        return _CHANGED[want](reply, text, words) and (kept or want == "title")

    return judge


def _shared(reply: str, text: str) -> float:
    """The share of the reply's words that the text has: what is new may be a paraphrase, or invented."""
    own = set(words_of(text))
    return sum(word in own for word in words_of(reply)) / max(1, len(words_of(reply)))


def _shorter(reply: str, text: str, _: str) -> bool:
    return 0 < len(words_of(reply)) <= 0.8 * len(words_of(text)) and _shared(reply, text) >= 0.6


def _politer(reply: str, text: str, _: str) -> bool:
    politer = len(_POLITE.findall(plainly(reply))) > len(_POLITE.findall(plainly(text)))
    return politer and _shared(text, reply) >= 0.6 and amounts(reply) <= amounts(text)


def _bulleted(reply: str, text: str, _: str) -> bool:
    lines = [line for line in reply.splitlines() if line.strip()]
    whole = _shared(reply, text) >= 0.8 and _shared(text, reply) >= 0.6
    return len(lines) >= 2 and all(_BULLET.match(line) for line in lines) and whole


def _title(reply: str, text: str, _: str) -> bool:
    own = {word for word in words_of(text) if len(word) > 3}
    short = 1 <= len(words_of(reply)) <= 9 and "\n" not in reply.strip() and not reply.strip().endswith(".")
    return short and bool(own & set(words_of(reply))) and _shared(reply, text) >= 0.7


def _capitals(reply: str, text: str, _: str) -> bool:
    return reply == reply.upper() and words_of(reply) == words_of(text)


def _ends(reply: str, text: str, words: str) -> bool:
    return reply.rstrip(_QUOTES).endswith(words.rstrip(_QUOTES)) and _shared(text, reply) >= 0.8


def _begins(reply: str, text: str, words: str) -> bool:
    return reply.lstrip(_QUOTES).startswith(words) and _shared(text, reply) >= 0.8


_CHANGED: dict[str, Callable[[str, str, str], bool]] = {
    "shorter": _shorter, "politer": _politer, "bullets": _bulleted, "title": _title, "capitals": _capitals,
    "ends": _ends, "begins": _begins,
}  # fmt: skip


def stumbles(reply: str, *, prompt: str) -> bool:
    """Whether a word stands there twice in a row, as "the the" does, that the prompt does not have so."""
    pairs = [set(pairwise(words)) for words in (words_of(reply), words_of(prompt))]
    return any(first == second and first.isalpha() for first, second in pairs[0] - pairs[1])


def repeats_itself(reply: str) -> bool:
    """Whether four words in a row stand there three times."""
    words = words_of(reply)
    fours = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
    return any(fours.count(four) >= 3 for four in set(fours))
