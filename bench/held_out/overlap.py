"""Whether a wording occurs in the corpus: the same but for names, numbers and punctuation, or sharing its word fives.

It reads what users say in generated dialogues, and does not know who asks.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ftchat.starter.corpus import dialogues
from ftchat.starter.shop import CATEGORIES, products

NEAR = 0.5  # share of a prompt's word fives that may not be reached
_CHUNK = 2000


@dataclass
class Corpus:
    """What users say in the corpus: whole lines, and runs of five words."""

    lines: set[str] = field(default_factory=set)
    fives: set[tuple[str, ...]] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)  # to the letter
    read: int = 0

    def add(self, text: str) -> None:
        self.read += 1
        self.whole.add(text)
        for part in {text, *text.split("\n")}:
            words = bare(part)
            self.lines.add(" ".join(words))
            self.fives.update(_fives(words))


def bare(text: str) -> list[str]:
    """The words of a text, small; products, shelves and numbers stand as signs, so that fillings do not matter."""
    said = re.sub(r"\{(name|a|b|other)\}", " <p> ", text.casefold().replace("’", "'"))
    said = re.sub(r"\{(one|many|a_one)\}", " <c> ", said)
    said = _NAMES.sub(" <p> ", said)
    said = _SHELVES.sub(" <c> ", re.sub(r"\ban? (?=<c>)", "", said))
    said = re.sub(r"\{(n|limit)\}|\d+(?:[.,]\d+)?", " <n> ", said)
    said = re.sub(r"\{(text|words|thing)\}", " ", said).replace("'", "")
    return re.findall(r"<[pcn]>|[^\W_]+", said)


_NAMES = re.compile(
    r"\b("
    + "|".join(re.escape(item.name.casefold()) for item in sorted(products(), key=lambda p: -len(p.name)))
    + r")\b"
)
_SHELVES = re.compile(r"\b(?:an? )?(" + "|".join(f"{c.plural}|{c.name}" for c in CATEGORIES) + r")\b")


def _fives(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def user_lines(count: int, *, seed: int = 0) -> Iterator[str]:
    """So many user messages of the training stream."""
    made = 0
    for chunk in range(count):
        for dialogue in dialogues(seed, chunk, count=_CHUNK):
            for turn in dialogue.turns:
                if turn.role == "user":
                    yield turn.content
                    made += 1
                    if made == count:
                        return


def read_corpus(count: int, *, seed: int = 0) -> Corpus:
    """What so many user messages say."""
    found = Corpus()
    for line in user_lines(count, seed=seed):
        found.add(line)
    return found


def occurs(prompt: str, corpus: Corpus) -> bool:
    """Exactly, but for names and punctuation."""
    return " ".join(bare(prompt)) in corpus.lines


def nearly_occurs(prompt: str, corpus: Corpus) -> bool:
    """Exactly, or half of its runs of five words somewhere."""
    fives = _fives(bare(prompt))
    return occurs(prompt, corpus) or bool(fives and len(fives & corpus.fives) / len(fives) >= NEAR)


def refused(found: Iterable[str], corpus: Corpus) -> set[str]:
    """The wordings that training has too."""
    return {wording for wording in found if occurs(wording, corpus)}
