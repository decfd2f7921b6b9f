"""What a correction changed, word by word; and the same change made to another text, where it can be made mechanically.

Words that were put before or after, a wording that became another one, a wording that was taken out: each fits another
text on its own, where the wording stands in it to the letter. A number in a wording may be another one ("4 euros"
became "€4", so "12 euros" becomes "€12"). Pure: it does not know replies, or who corrects them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Literal

_MOST_WORDS = 3000  # beyond this a word difference costs seconds and helps nobody
_MOST_SWAPS = 4  # an answer that is changed in more places was written anew
_A_SENTENCE = 3  # words: from here on it is taken out wherever it stands
_KEPT = 0.5  # of the words of an answer: with fewer it was written anew
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_NUMBER = r"\d+(?:[.,]\d+)*"
_SPECIFIC = re.compile(r"[^\W\d_]{4,}|\d+")  # words and numbers that may be about one question only

Place = Literal["start", "end"]
Change = tuple[str, str, str]  # equal or change, the old text, the new one

REWRITTEN = "Too much of the answer was written anew for the same change to fit others."
INSIDE = "Words were put into the middle of the answer: where they would go in others cannot be told."
OF_THIS_ONE = "What was changed is about this question only."
NOTHING = "There was no answer of which a change could be carried over."


def changes(before: str, after: str) -> list[Change]:
    """What stayed and what changed, in order; changes with only a space between them are one."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > _MOST_WORDS:
        return [("change", before, after)]
    found: list[Change] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        was, now = "".join(old[i:j]), "".join(new[k:m])
        if tag == "equal" and now.strip():
            found.append(("equal", was, now))
        elif found and found[-1][0] == "change":
            found[-1] = ("change", found[-1][1] + was, found[-1][2] + now)
        else:
            found.append(("equal" if tag == "equal" else "change", was, now))
    return [_spaces_outside(change) for change in found]


def _spaces_outside(change: Change) -> Change:
    """A change that only consists of spaces is none: a mark on nothing tells nobody anything."""
    tag, was, now = change
    return ("equal", was, now) if tag == "change" and not (was + now).strip() else change


@dataclass(frozen=True)
class Swap:
    """A wording that became another one; an empty one takes it out."""

    was: str
    instead: str
    only: Place | None = None  # where a text begins or ends, and nowhere else in it

    def applied(self, text: str) -> str:
        """The text with the other wording, wherever this one stands as words of their own."""
        return self._pattern.sub(self._filled, text)

    @property
    def words(self) -> str:
        """What it does, in words."""
        where = {"start": " at the beginning", "end": " at the end", None: ""}[self.only]
        if not self.instead:
            return f"“{self.was.strip()}” is taken out{where}"
        any_ = ", with any number" if self.numbers else ""
        return f"“{self.was.strip()}” becomes “{self.instead.strip()}”{where}{any_}"

    @cached_property
    def numbers(self) -> list[str]:
        """Numbers that stand in both wordings, once in each: others may stand in their place."""
        found = re.findall(_NUMBER, self.was)
        fits = len(set(found)) == len(found) and sorted(found) == sorted(re.findall(_NUMBER, self.instead))
        return found if fits else []

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = re.split(f"({_NUMBER})", self.was) if self.numbers else [self.was]
        made = "".join(f"({_NUMBER})" if part in self.numbers else re.escape(part) for part in parts)
        first = r"\A" if self.only == "start" else r"(?<!\w)" if re.match(r"\w", self.was) else ""
        last = r"\Z" if self.only == "end" else r"(?!\w)" if re.search(r"\w\Z", self.was) else ""
        return re.compile(f"{first}{made}{last}")

    def _filled(self, found: re.Match[str]) -> str:
        numbers = dict(zip(self.numbers, found.groups(), strict=True))
        return re.sub(_NUMBER, lambda number: numbers.get(number[0], number[0]), self.instead)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What one correction did, in parts that fit other texts."""

    first: str = ""  # put before
    last: str = ""  # put after
    swaps: tuple[Swap, ...] = ()

    def applied(self, text: str) -> str:
        """The text with each part that fits it; the same text when none does."""
        made = text.strip()
        for swap in self.swaps:
            made = swap.applied(made)
        made = made.strip()
        if not made:
            return text.strip()
        if self.first and not made.startswith(self.first.strip()):
            made = self.first + made
        if self.last and not made.endswith(self.last.strip()):
            made = made + self.last
        return made

    @property
    def words(self) -> str:
        """What it does, as a sentence."""
        said = [f"“{self.first.strip()}” is put before"] if self.first else []
        said += [swap.words for swap in self.swaps]
        said += [f"“{self.last.strip()}” is put after"] if self.last else []
        return f"{'; '.join(said)}."


def learned(before: str, after: str, *, prompt: str) -> Edit | str:
    """The parts of a correction that fit other texts; or a sentence that says why none does."""
    before, after = before.strip(), after.strip()
    if not before:
        return NOTHING
    if around := _around(before, after):
        first, last = around
        kept = [text if _is_general(text, prompt, before) else "" for text in (first, last)]
        return Edit(first=kept[0], last=kept[1]) if any(kept) else OF_THIS_ONE
    found = _joined(changes(before, after))
    if _kept(found) < _KEPT * len(re.findall(r"\w+", before)):
        return REWRITTEN
    return _from(found, prompt, before)


def _around(before: str, after: str) -> tuple[str, str] | None:
    """What was put before and after a text that stayed whole."""
    found = re.search(rf"(?<!\w){re.escape(before)}(?!\w)", after) or re.search(re.escape(before), after)
    if found is None or _cuts(after, found.start()) or _cuts(after, found.end()):
        return None
    return after[: found.start()], after[found.end() :]


def _cuts(text: str, at: int) -> bool:
    """Whether a place in a text is inside of a word."""
    return bool(re.match(r"\w\w", text[at - 1 : at + 1])) if at else False


def _joined(found: Sequence[Change]) -> list[Change]:
    """Changes with nothing but a number between them are one: a form of writing a price."""
    joined: list[Change] = []
    for i, change in enumerate(found):
        number = change[0] == "equal" and re.fullmatch(rf"\s*{_NUMBER}\s*", change[1])
        inside = 0 < i < len(found) - 1 and joined[-1][0] == "change" and found[i + 1][0] == "change"
        if joined and joined[-1][0] == "change" and (change[0] == "change" or (number and inside)):
            joined[-1] = ("change", joined[-1][1] + change[1], joined[-1][2] + change[2])
        else:
            joined.append(change)
    return joined


def _kept(found: Sequence[Change]) -> int:
    return sum(len(re.findall(r"\w+", was)) for tag, was, _ in found if tag == "equal")


def _from(found: Sequence[Change], prompt: str, before: str) -> Edit | str:
    first = last = ""
    swaps: list[Swap] = []
    inside = False
    for i, (tag, was, now) in enumerate(found):
        if tag == "equal":
            continue
        if was.strip():
            swaps.append(_swap(was, now, at="start" if i == 0 else "end" if i == len(found) - 1 else None))
        elif i == 0:
            first = now if _is_general(now, prompt, before) else ""
        elif i == len(found) - 1:
            last = now if _is_general(now, prompt, before) else ""
        else:
            inside = True
    if len(swaps) > _MOST_SWAPS:
        return REWRITTEN
    fitting = tuple(swap for swap in swaps if _is_form(swap, prompt))
    if first or last or fitting:
        return Edit(first=first, last=last, swaps=fitting)
    return INSIDE if inside else OF_THIS_ONE


def _swap(was: str, now: str, *, at: Place | None) -> Swap:
    """Spaces that both wordings have around them belong to neither. What is little is changed only where it stood."""
    while was and now and was[0] == now[0] and was[0].isspace():
        was, now = was[1:], now[1:]
    while was and now and was[-1] == now[-1] and was[-1].isspace():
        was, now = was[:-1], now[:-1]
    words = len(re.findall(r"\w+", was))
    added = now.casefold().strip().endswith(was.casefold().strip())  # "It" became "Hello: it"
    little = words < _A_SENTENCE if not now else added if at == "start" else not words
    return Swap(was, now, only=at if little else None)


def _is_form(swap: Swap, prompt: str) -> bool:
    """Whether it is a way of saying things, rather than a fact about one question: a figure alone is one."""
    said = swap.numbers or re.search(r"[^\W\d_]", swap.was) or swap.only == "end"
    return bool(said) and _is_general(swap.instead, prompt, swap.was, but=swap.was)


def _is_general(text: str, prompt: str, before: str, *, but: str = "") -> bool:
    """Whether words that were put in name nothing of the question: nor a figure of the answer."""
    about = {word.casefold() for word in _SPECIFIC.findall(prompt)}
    about |= {word for word in _SPECIFIC.findall(before) if word.isdigit()}
    about -= {word.casefold() for word in _SPECIFIC.findall(but)}
    return bool(text.strip() or but) and not about & {word.casefold() for word in _SPECIFIC.findall(text)}
