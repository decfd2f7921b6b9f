"""Which questions are replayed against forgetting: none near to what is taught, and some for the exam alone."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from ftchat.records import Row, group_key

NEAR = 0.4  # share of words in common from which a replay prompt would argue against a correction
REPLAYED, SPARED = 128, 16  # questions that are replayed in training, and that the exam looks at instead, at most
# Words that say nothing of what is asked, so that two questions are not near only because both begin with "How do I".
_FUNCTION_WORDS = """
    a an and any are as at be by can could did do does for from get give had has have he how i if in into is it its let
    like may me my of on one or our please shall she should show so some tell than that the their them then there these
    they this to us was we were what when where which who why will with would you your
"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())
_INSIDE = re.compile(r"(?<=[\w,;)] )\w+")  # a word that begins no sentence


def replayed(rows: Iterable[Row], anchors: Iterable[str]) -> tuple[list[str], list[str]]:
    """Questions whose answers should stay: those to train on, and those that the exam looks at.

    None is one that people here asked: their answers are what a house rule is to change, also where nobody corrected
    them yet."""
    far = anchors_for(rows, anchors)
    trained = [prompt for prompt in far if not kept_for_exam(prompt)]
    return trained[:REPLAYED], [prompt for prompt in far if kept_for_exam(prompt)][:SPARED]


def anchors_for(rows: Iterable[Row], prompts: Iterable[str]) -> list[str]:
    """Prompts for replay: none that asks what a taught one asks, since base's answer would argue against it."""
    asked = list(dict.fromkeys(prompts))
    found = _nearness(asked, [row.messages[-1].content for row in rows], said=_asking)
    return [prompt for prompt, near in zip(asked, found, strict=True) if near is not None and near < NEAR]


def kept_for_exam(prompt: str) -> bool:
    """Whether a replay prompt is not trained on, so that the exam can see what was forgotten: about one in three."""
    return int(hashlib.sha256(prompt.encode()).hexdigest(), 16) % 3 == 0


def nearest(prompts: Iterable[str], *, to: Sequence[str]) -> list[str]:
    """Prompts in order of how near they are, in words, to any of some others."""
    asked = list(prompts)
    found = zip(asked, _nearness(asked, to, said=_words), strict=True)
    return [prompt for prompt, _ in sorted(found, key=lambda item: -(item[1] or 0.0))]


def _nearness(prompts: Sequence[str], others: Sequence[str], *, said: Callable[[str], set[str]]) -> list[float | None]:
    """For each prompt the largest share of what is `said` in common with any of the others; None for one that says
    nothing.

    Sets of words are numbers with a bit for each word. Bits are given to the words of the shorter list alone, since no
    other can be in common: then thousands of questions are few different numbers, and compared in no time.
    """
    mine, theirs = [said(text) for text in prompts], [said(text) for text in dict.fromkeys(others)]
    bits: dict[str, int] = {}
    for words in min(mine, theirs, key=len):
        for word in words:
            bits.setdefault(word, 1 << len(bits))

    def number(words: set[str]) -> int:
        return sum(bits.get(word, 0) for word in words)

    shortest: dict[int, int] = {}  # of those with the same words that count, the one that has fewest others
    for words in theirs:
        key = number(words)
        shortest[key] = min(len(words), shortest.get(key, len(words)))
    return [_largest(number(words), len(words), shortest) if words else None for words in mine]


def _largest(number: int, count: int, others: Mapping[int, int]) -> float:
    shares = ((number & other).bit_count() / max(1, min(count, length)) for other, length in others.items())
    return max(shares, default=0.0)


def _asking(text: str) -> set[str]:
    """The words that tell what is asked: no function words, and no names, which only tell about what. Where no others
    are left, all words but the names, or all."""
    named = "" if text.isupper() else text
    names = {word for word in _INSIDE.findall(named) if word[0].isupper()}
    nameless = _words(text) - _words(" ".join(names))
    return nameless - _FUNCTION or nameless or _words(text)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", group_key(text)))
