"""Reasoning kept apart from a reply: what a model writes between <think> and </think> before it answers.

Pure: pieces of text in, the same split in two out, however they are cut. It does not know which models do so.
"""

OPEN, CLOSE = "<think>", "</think>"


class Thoughts:
    """One answer, read from its beginning. Only thoughts before the first word of the answer count as such."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._state = "start"
        self._held = ""  # may be the beginning of a tag, or is space whose side is not known yet

    def feed(self, text: str) -> tuple[str, str]:
        """The reasoning and the reply text in what came, as far as they are known."""
        if self._state == "said":
            return "", text
        self._held += text
        if self._state == "start":
            self._begin()
        reasoning = self._thought() if self._state == "thinking" else ""
        if self._state == "over":
            self._held = self._held.lstrip()
            self._state = "said" if self._held else "over"
        return reasoning, self._rest() if self._state == "said" else ""

    def end(self) -> tuple[str, str]:
        """What was held back."""
        return (self._rest(), "") if self._state == "thinking" else ("", self._rest())

    def _begin(self) -> None:
        """What it begins with, once that is clear. A closing tag alone means that the prompt had opened it."""
        begun = self._held.lstrip()
        if begun.startswith(OPEN):
            self._state, self._held = "thinking", begun.removeprefix(OPEN)
        elif begun.startswith(CLOSE):
            self._state, self._held = "over", begun.removeprefix(CLOSE)
        elif not (OPEN.startswith(begun) or CLOSE.startswith(begun)):
            self._state = "said"

    def _thought(self) -> str:
        """Reasoning up to its end, or to what may be the beginning of its end."""
        thought, closed, after = self._held.partition(CLOSE)
        if closed:
            self._state, self._held = "over", after
            return thought
        whole = len(self._held) - _tail(self._held)
        thought, self._held = self._held[:whole], self._held[whole:]
        return thought

    def _rest(self) -> str:
        held, self._held = self._held, ""
        return held


def _tail(text: str) -> int:
    """How many characters at the end may be the beginning of the closing tag."""
    return next((size for size in range(min(len(CLOSE) - 1, len(text)), 0, -1) if text.endswith(CLOSE[:size])), 0)
