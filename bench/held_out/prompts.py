"""The held-out questions: hand-written wordings filled with products, each with its judge; the same on every machine.

Every other question about storage, pairing, taste or size is about a product whose facts of that kind are never asked
for in training. It does not know models.
"""

import random
import tomllib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.held_out import judges
from bench.held_out.facts import contradictions, named, plain, plainly, says
from ftchat.records import Message
from ftchat.starter.shop import CATEGORIES, Category, Product, held_out_products, products, shelf

FOLDER = Path(__file__).parent
IN_DOMAIN = (
    "small_talk", "describe", "price", "storage", "pairing", "taste", "size", "origin", "compare", "recommend",
    "shelf", "support", "rewriting", "manner", "format", "not_known",
)  # fmt: skip
PER_CATEGORY = 26
_CARRIED = ("storage", "pairing", "taste", "size")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One prompt, in a category; `wording` is what must not occur in the corpus."""

    category: str
    wording: str
    messages: tuple[Message, ...]
    judge: judges.Judge


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """A first prompt, whatever the model answers to it, and a second; the judge sees both replies."""

    wording: str
    first: str
    second: str
    judge: Callable[[str, str], bool]


def wordings(name: str) -> dict[str, Any]:
    """One of the files of wordings."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def out_of_domain() -> tuple[str, ...]:
    """The prompts that were written before the corpus."""
    lines = (FOLDER.parent / "out_of_domain.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line.strip())


def questions(seed: int = 0, *, refused: Collection[str] = ()) -> tuple[Question, ...]:
    """All questions of all categories, but for refused wordings; the seed draws products."""
    makers = (_about, _compare, _of_shelves, _support, _small_talk, _not_known, _rewriting, _manner, _format)
    found = (question for make in makers for question in make(random.Random(f"{make.__name__} {seed}"), refused))
    return tuple(question for question in found if question.wording not in refused)


def _asked(category: str, wording: str, text: str, judge: judges.Judge, *, before: Sequence[Message] = ()) -> Question:
    messages = (*before, Message("user", text))
    return Question(category=category, wording=wording, messages=messages, judge=judge)


def _cycled(asks: Sequence[str], refused: Collection[str], count: int = PER_CATEGORY) -> Iterator[tuple[int, str]]:
    """Wordings that are not refused one after another, again from the start until there are enough."""
    kept = [ask for ask in asks if ask not in refused]
    return ((number, kept[number % len(kept)]) for number in range(max(count, len(kept)) if kept else 0))


def _about(rng: random.Random, refused: Collection[str]) -> Iterator[Question]:
    found = wordings("products")
    hidden = [item for item in products() if item.name in held_out_products()]
    for kind in ("price", "describe", "origin", *_CARRIED):
        known, carried = rng.sample(products(), PER_CATEGORY), rng.sample(hidden, PER_CATEGORY // 2)
        for number, ask in _cycled(found[kind]["ask"], refused):
            item = carried[number // 2] if kind in _CARRIED and number % 2 else known[number]
            yield _asked(kind, ask, ask.format(name=item.name), judges.tells(kind, item))


def _compare(rng: random.Random, refused: Collection[str]) -> Iterator[Question]:
    asks = [ask for group in wordings("products")["compare"] for ask in group["ask"]]
    for number, ask in _cycled(asks, refused):
        first, second = rng.sample(shelf(rng.choice(CATEGORIES).name) if number % 2 else products(), 2)
        text = ask.format(a=first.name, b=second.name)
        yield _asked("compare", ask, text, judges.compares(first, second))


def _shelf_words(category: Category) -> dict[str, str]:
    article = "an" if category.name[0] in "aeiou" else "a"
    return {"one": category.name, "many": category.plural, "a_one": f"{article} {category.name}"}


def _of_shelves(rng: random.Random, refused: Collection[str]) -> Iterator[Question]:
    for kind, count in (("recommend", 1), ("shelf", 2)):
        for number, ask in _cycled(wordings("products")[kind]["ask"], refused):
            category = CATEGORIES[(number * 3) % len(CATEGORIES)]
            judge = judges.recommends(category.name, count=count)
            yield _asked(kind, ask, ask.format(**_shelf_words(category)), judge)


def _support(rng: random.Random, refused: Collection[str]) -> Iterator[Question]:
    for group in wordings("shop")["support"]:
        for ask in group["ask"]:
            order = str(rng.randrange(1000, 10**6))
            must = [pattern.replace("{n}", order) for pattern in group["must"]]
            numbers = [*group["numbers"], *([order] if "{n}" in ask else [])]
            yield _asked("support", ask, ask.format(n=order), judges.matches(must, numbers=numbers))


def _small_talk(rng: random.Random, refused: Collection[str]) -> Iterator[Question]:
    for group in wordings("shop")["small_talk"]:
        for ask in group["ask"]:
            yield _asked(
                "small_talk", ask, ask, judges.matches(group["must"], numbers=(), never="do not know|don't know")
            )


def _not_known(rng: random.Random, refused: Collection[str]) -> Iterator[Question]:
    for group in wordings("shop")["not_known"]:
        for number, ask in enumerate(group["ask"]):
            thing = group["things"][number % len(group["things"])] if "things" in group else ""
            judge = judges.knows_no_such(thing) if thing else judges.handles(ask)
            yield _asked("not_known", ask, ask.format(thing=thing), judge)


def _rewriting(rng: random.Random, refused: Collection[str]) -> Iterator[Question]:
    found = wordings("rewriting")
    texts = found["text"]
    for group in found["rewrite"]:
        for number, ask in _cycled(group["ask"], refused, 4):
            chosen = texts[rng.randrange(len(texts))]
            words = group.get("words", [""])[number % len(group.get("words", [""]))]
            judge = judges.rewritten(group["want"], chosen["text"], keep=chosen["keep"], words=words)
            yield _asked("rewriting", ask, ask.format(text=chosen["text"], words=words), judge)


def _slots(item: Product, kind: str) -> dict[str, str]:
    money = {"euros": str(item.cents // 100), "cents": f"{item.cents % 100:02d}"}
    return {"name": item.name, "NAME": item.name.upper(), "plain": plain(kind, item), **money}


def _manner(rng: random.Random, refused: Collection[str]) -> Iterator[Question]:
    asks = wordings("products")
    for number, shown in _cycled(wordings("manner")["shown"], ()):
        kind = "price" if "{euros}" in shown["answer"] else ("price", "origin", "taste", "storage")[number % 4]
        known = [item for item in products() if item.name not in held_out_products()]
        *examples, item = rng.sample(known, rng.choice((4, 5, 6)))
        wording = rng.sample([ask for ask in asks[kind]["ask"] if ask not in refused], 2)
        before = [
            message
            for place, example in enumerate(examples)
            for message in (
                Message("user", wording[place % 2].format(name=example.name)),
                Message("assistant", shown["answer"].format(**_slots(example, kind))),
            )
        ]
        text = wording[len(examples) % 2].format(name=item.name)
        yield _asked("manner", wording[0], text, _in_manner(shown["check"], kind, item=item), before=before)


def _in_manner(check: str, kind: str, *, item: Product) -> judges.Judge:
    wanted = check.format(**_slots(item, kind))
    exact = wanted != wanted.casefold()
    right = judges.tells(kind, item)
    return lambda reply: wanted in (reply if exact else plainly(reply)) and right(reply)


def _format(rng: random.Random, refused: Collection[str]) -> Iterator[Question]:
    for group in wordings("manner")["format"]:
        for _, ask in _cycled(group["ask"], refused, 9):
            item, limit = rng.choice(products()), rng.randint(3, 18)
            judge = {
                "one sentence": judges.in_one_sentence(item),
                "three bullets": judges.in_bullets(item, count=3),
                "yes or no": judges.affords(item, limit),
            }[group["want"]]
            yield _asked("format", ask, ask.format(name=item.name, limit=limit), judge)


def follow_ups(seed: int = 0, *, refused: Collection[str] = ()) -> tuple[FollowUp, ...]:
    """Two-turn dialogues; two for each wording of the second turn, which is what is held out."""
    rng = random.Random(f"follow ups {seed}")
    written = wordings("manner")
    found = []
    for group in written["follow"]:
        for ask in [ask for ask in group["ask"] for _ in range(2) if ask not in refused]:
            category = rng.choice(CATEGORIES)
            cheapest = min(shelf(category.name), key=lambda item: item.cents).cents
            item, other = rng.sample([one for one in shelf(category.name) if one.cents > cheapest], 2)
            first = written["first"][group["first"]].format(name=item.name, **_shelf_words(category))
            judge = _follows(group["want"], item, other=other)
            second = ask.format(other=other.name)
            found.append(FollowUp(wording=ask, first=first, second=second, judge=judge))
    return tuple(found)


def _follows(want: str, item: Product, *, other: Product) -> Callable[[str, str], bool]:
    special: dict[str, Callable[[str, str], bool]] = {
        "cheaper": lambda _, reply: _is_cheaper(reply, item),
        "shorter": lambda before, reply: _is_shorter(before, reply, item),
        "capitals": lambda before, reply: reply == reply.upper() and plainly(reply) == plainly(before),
        "other price": lambda _, reply: judges.tells("price", other)(reply),
        "thanks": lambda _, reply: judges.matches(["welcome|pleasure|glad|happy|any ?time"], numbers=())(reply),
        "price of the first": lambda before, reply: _of_first("price", before, reply),
        "storage of it": lambda before, reply: _of_first("storage", before, reply),
    }
    return special.get(want) or (lambda _, reply: judges.tells(want, item)(reply))


def _is_cheaper(reply: str, item: Product) -> bool:
    """Another product of the shelf that costs less, and nothing untrue."""
    others = [found for found in named(reply) if found != item]
    right = bool(others) and all(found.cents < item.cents for found in others)
    return right and judges.recommends(item.category.name)(reply)


def _is_shorter(before: str, reply: str, item: Product) -> bool:
    """Fewer words than before, with the name or a fact, and nothing untrue."""
    kept = named(reply) == [item] or any(says(kind, item, reply) for kind in ("price", "origin", "taste", "pairing"))
    return kept and not contradictions(reply, [item]) and len(reply.split()) < len(before.split())


def _of_first(kind: str, before: str, reply: str) -> bool:
    """A fact of the product that the first reply named first."""
    found = named(before)
    return bool(found) and judges.tells(kind, found[0])(reply)
