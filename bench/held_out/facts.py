"""The shop's facts as they stand in a text: which products, prices and properties it names, and what contradicts them.

Tolerant in wording ("12.50 euros", "EUR 12,50" and "12 euros and 50 cents" are one price), strict in facts. It knows
the shop and no question; it uses nothing of the corpus's wordings.
"""

import re
from collections.abc import Collection, Sequence
from functools import cache

from ftchat.starter.shop import CATEGORIES, ORIGINS, TASTES, Product, products

KINDS = ("price", "describe", "origin", "storage", "pairing", "taste", "size")
_SMALL = re.compile(r"(a|an|the|and|or|in|at|of|for|to|its?|is|once|up|with|from|away|place|wrapped|where|until)")
_STORAGE_MARKS = ("fridge", "airtight", "16 degrees", "sunlight", "room temperature")
_DECIMAL = re.compile(r"(\d+)[.,](\d\d)(?!\d)")
_SPOKEN = re.compile(r"(\d+) euros? and (\d\d?) cents?")
_ROUND = re.compile(r"(?:(?:eur|€) ?(\d+)(?![\d.,]*\d)|(?<![\d.,])(\d+) ?(?:euros?\b|eur\b|€)(?! and \d))")


@cache
def _names() -> tuple[re.Pattern[str], dict[str, Product]]:
    known = {product.name.casefold(): product for product in products()}
    longest_first = sorted(known, key=len, reverse=True)
    return re.compile(r"\b(" + "|".join(map(re.escape, longest_first)) + r")\b"), known


def plainly(text: str) -> str:
    """The text for looking things up: small letters, single spaces, plain apostrophes."""
    return re.sub(r"\s+", " ", text.replace("’", "'")).strip().casefold()


def words_of(text: str) -> list[str]:
    """The words of a text, small, without punctuation."""
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)?", text.casefold())


def sentences_of(text: str) -> list[str]:
    """The sentences of a text; a decimal point ends none, a line does."""
    parts = re.split(r"(?<=[.!?])\s+|\n+", text.strip())
    return [part for part in parts if any(character.isalnum() for character in part)]


def named(text: str) -> list[Product]:
    """The products that a text names, in order, each once."""
    pattern, known = _names()
    return list(dict.fromkeys(known[match] for match in pattern.findall(plainly(text))))


def amounts(text: str) -> set[int]:
    """The sums of money in a text, in cents."""
    said = plainly(text)
    found = {int(euros) * 100 + int(cents) for euros, cents in _DECIMAL.findall(said)}
    found |= {int(euros) * 100 + int(cents) for euros, cents in _SPOKEN.findall(said)}
    return found | {int(a or b) * 100 for a, b in _ROUND.findall(said)}


def says(kind: str, item: Product, text: str) -> bool:
    """Whether the text tells that fact of the product."""
    said = plainly(text)
    if kind == "price":
        return item.cents in amounts(text)
    if kind == "origin":
        return _bare(item.origin) in said
    if kind == "taste":
        return _has_all(item.taste, said)
    if kind == "storage":
        return _has_all(item.category.storage, said)
    if kind == "pairing":
        return any(_has_all(part, said) for part in item.pairing.split(" and "))
    if kind == "size":
        number, unit = item.category.unit.split()[-2:]
        return re.search(rf"\b{number} ?({unit}|{'g' if unit == 'grams' else 'ml'})\b", said) is not None
    told = sum(says(other, item, text) for other in KINDS if other != "describe")
    shelf = item.category.name in said or item.category.plural in said
    return told + shelf >= 2 and told >= 1


def contradictions(text: str, about: Collection[Product], *, also: Collection[int] = ()) -> list[str]:
    """What the text says that is true of none of these products; `also` are sums of money that may stand in it."""
    said = plainly(text)
    wrong = [f"{cents / 100:.2f} euros" for cents in amounts(text) - {item.cents for item in about} - set(also)]
    wrong += [item.name for item in named(text) if item not in about]
    origins = {_bare(item.origin) for item in about}
    wrong += [place for place in map(_bare, ORIGINS) if place in said and place not in origins]
    tastes = {item.taste for item in about}
    wrong += [taste for taste in TASTES.values() if taste in said and taste not in tastes]
    pairings = {pairing for category in CATEGORIES for _, pairing in category.nouns}
    wrong += [pairing for pairing in pairings if pairing in said and pairing not in {item.pairing for item in about}]
    wrong += [mark for mark in _STORAGE_MARKS if _is_told(mark, said, about)]
    return wrong


def plain(kind: str, item: Product) -> str:
    """A plain sentence that tells one fact: for the examples in a prompt."""
    s = "" if item.many else "s"
    return {
        "price": f"The {item.name} cost{s} {item.price}.",
        "origin": f"The {item.name} come{s} from {item.origin}.",
        "taste": f"The {item.name} taste{s} {item.taste}.",
        "storage": f"Keep the {item.name} {item.category.storage}.",
    }[kind]


def _bare(origin: str) -> str:
    return origin.casefold().removeprefix("the ")


def _has_all(fact: str, said: str) -> bool:
    there = set(words_of(said))
    return all(word in there for word in words_of(fact) if not _SMALL.fullmatch(word))


def _is_told(mark: str, said: str, about: Collection[Product]) -> bool:
    """Whether a way of storing is told that is none of these products'; "not in the fridge" tells nothing."""
    if any(mark in item.category.storage for item in about):
        return False
    return re.search(rf"(?<!not )(?<!no )\b(?:in the |at |an |from )?{mark}", said) is not None and not re.search(
        rf"\b(not|no|never|without|needn't|doesn't|don't)\b[^.]*{mark}", said
    )


def of_shelf(category: str, items: Sequence[Product]) -> bool:
    """Whether all of them stand on that shelf."""
    return all(item.category.name == category for item in items)
