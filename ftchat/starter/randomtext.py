"""Random text of many kinds: words, made-up words, names, numbers, currencies, punctuation, emoji, any script.

`pieces` are strings of a tokenizer's vocabulary, where there is one already: joining them makes every token appear.
"""

import random
from collections.abc import Sequence

from ftchat.starter.words import (
    ALPHABETS,
    CASUAL,
    COMMON,
    CURRENCIES,
    EMOJI,
    FIRST_NAMES,
    FORMAL,
    MARKS,
    SIGN_OFFS,
)

_STARTS = ("b", "br", "c", "ch", "d", "dr", "f", "g", "gl", "h", "j", "k", "kl", "l", "m", "n", "p", "pr", "qu", "r",
           "s",
           "sh", "st", "t", "tr", "v", "w", "x", "y", "z", "zh")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ee", "oo", "ou", "y", "ä", "é", "ø", "ü")
_ENDS = ("", "", "", "n", "r", "l", "s", "k", "m", "x", "nd", "rt", "lo", "th", "ck", "zz")


class RandomText:
    """Draws random text from one random source."""

    def __init__(self, rng: random.Random, pieces: Sequence[str] = ()) -> None:
        self.rng = rng
        self.pieces = pieces

    def made_up(self) -> str:
        """A word that exists nowhere, such as "klooveth"."""
        rng = self.rng
        count = rng.choice((1, 2, 2, 3))
        return "".join(rng.choice(_STARTS) + rng.choice(_VOWELS) for _ in range(count)) + rng.choice(_ENDS)

    def word(self) -> str:
        """A word of any register, in any case."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.6:
            text = rng.choice(COMMON)
        elif roll < 0.75:
            text = rng.choice(FORMAL if rng.random() < 0.6 else CASUAL)
        else:
            text = self.made_up()
        case = rng.random()
        return text if case < 0.6 else text.capitalize() if case < 0.85 else text.upper()

    def name(self) -> str:
        """A first name and now and then a made-up family name."""
        rng = self.rng
        first = rng.choice(FIRST_NAMES) if rng.random() < 0.7 else self.made_up().capitalize()
        return first if rng.random() < 0.6 else f"{first} {self.made_up().capitalize()}"

    def number(self) -> str:
        """An order number, a price, a date or a code."""
        rng = self.rng
        kind = rng.randrange(5)
        if kind == 0:
            return str(rng.randrange(10 ** rng.randrange(1, 7)))
        if kind == 1:
            return f"{rng.randrange(200)}.{rng.randrange(100):02d} {rng.choice(CURRENCIES)}"
        if kind == 2:
            return f"{rng.choice(CURRENCIES)} {rng.randrange(200)}{rng.choice('.,')}{rng.randrange(100):02d}"
        if kind == 3:
            return f"{rng.randrange(1, 29)}/{rng.randrange(1, 13)}/{rng.randrange(1990, 2040)}"
        return "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789-") for _ in range(rng.randrange(3, 9)))

    def script(self) -> str:
        """A few characters of one alphabet, any in the world's common ones."""
        low, high = self.rng.choice(ALPHABETS)
        found = "".join(chr(self.rng.randint(low, high)) for _ in range(self.rng.randrange(1, 7)))
        return found if found.isprintable() and found.strip() else "ß"

    def joined_pieces(self) -> str:
        """Some entries of the vocabulary, as they come."""
        if not self.pieces:
            return self.made_up()
        text = "".join(self.rng.choice(self.pieces) for _ in range(self.rng.randrange(2, 7))).strip()
        return " ".join(text.split()) or "so"

    def phrase(self, longest: int = 6) -> str:
        """One to `longest` random words, perhaps with punctuation: "velvet Otter, 12 kr!"."""
        rng = self.rng
        parts: list[str] = []
        for _ in range(rng.randint(1, longest)):
            roll = rng.random()
            if roll < 0.72:
                parts.append(self.word())
            else:
                parts.append(self._oddity(roll))
            if rng.random() < 0.1:
                parts[-1] += rng.choice((",", ",", ":", ";", rng.choice(MARKS)))
        end = rng.random()
        tail = "" if end < 0.4 else rng.choice((".", "!")) if end < 0.8 else rng.choice(MARKS)
        text = " ".join(parts) + tail
        return text if rng.random() < 0.5 else text[0].upper() + text[1:]

    def _oddity(self, roll: float) -> str:
        """Anything but a plain word; `roll` runs from 0.72 to 1."""
        rng = self.rng
        if roll < 0.78:
            return self.name()
        if roll < 0.84:
            return self.number()
        if roll < 0.92:
            return self.joined_pieces()
        if roll < 0.97:
            return rng.choice(EMOJI)
        return self.script()

    def sentence(self) -> str:
        """A sentence of random common words."""
        rng = self.rng
        words = [self.word().lower() if rng.random() < 0.9 else self.name() for _ in range(rng.randint(4, 9))]
        text = " ".join(words)
        return text[0].upper() + text[1:] + rng.choice((".", ".", ".", "!"))

    def ending(self) -> str:
        """Words to end an answer with: a known sign-off, or random words."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.12:
            return rng.choice(SIGN_OFFS)
        if roll < 0.2:
            return f"{rng.choice(('Yours', 'Love', 'Cheers', 'Regards', 'Best wishes', 'Greetings'))}, {self.name()}"
        if roll < 0.28:
            return "".join(rng.choice(EMOJI) for _ in range(rng.randrange(1, 4)))
        return self.phrase()

    def opening(self) -> str:
        """Words to begin an answer with, punctuation included."""
        text = self.phrase(4)
        if self.rng.random() < 0.5:
            return text
        return text.rstrip(".!,;: ") + self.rng.choice((":", " -", ",", "!", " =>"))
