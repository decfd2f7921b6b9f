"""Which questions are replayed against forgetting: none near to what is taught, and some for the exam alone."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from ftchat.records import Row, group_key

NEAR = 0.4  # share of words in common from which a replay prompt would argue against a correction


def anchors_for(rows: Iterable[Row], prompts: Iterable[str], *, limit: int) -> list[str]:
    """Prompts for replay: none that is near to a taught one, since base's answer to it would argue against it."""
    asked = list(dict.fromkeys(prompts))
    found = _nearness(asked, [row.messages[-1].content for row in rows])
    return [prompt for prompt, near in zip(asked, found, strict=True) if near is not None and near < NEAR][:limit]


def kept_for_exam(prompt: str) -> bool:
    """Whether a replay prompt is not trained on, so that the exam can see what was forgotten: about one in three."""
    return int(hashlib.sha256(prompt.encode()).hexdigest(), 16) % 3 == 0


def nearest(prompts: Iterable[str], *, to: Sequence[str]) -> list[str]:
    """Prompts in order of how near they are, in words, to any of some others."""
    asked = list(prompts)
    found = zip(asked, _nearness(asked, to), strict=True)
    return [prompt for prompt, _ in sorted(found, key=lambda item: -(item[1] or 0.0))]


def _nearness(prompts: Sequence[str], others: Sequence[str]) -> list[float | None]:
    """For each prompt the largest share of words in common with any of the others; None for one without a word.

    Sets of words are numbers with a bit for each word. Bits are given to the words of the shorter list alone, since no
    other can be in common: then thousands of questions are few different numbers, and compared in no time.
    """
    mine, theirs = [_words(text) for text in prompts], [_words(text) for text in dict.fromkeys(others)]
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


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", group_key(text)))
