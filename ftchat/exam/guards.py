"""What an answer must not be, whatever was taught: empty, endless, a loop, or without what a pin demands. Pure."""

from collections import Counter

from ftchat.records import Finish
from ftchat.store.exams import Pin

_LOOP = 4  # words that come again
_TIMES = 4  # so often, to be a loop


def degenerate(text: str, finish: Finish) -> str:
    """What is wrong with an answer in itself; nothing when it is one."""
    words = text.split()
    if not words:
        return "empty"
    runs = Counter(tuple(words[at : at + _LOOP]) for at in range(len(words) - _LOOP + 1))
    if runs and max(runs.values()) >= _TIMES:
        return "a loop"
    return "without an end" if finish == "length" else ""


def broken(pin: Pin, text: str, *, matched: bool | None) -> str:
    """How an answer breaks a pin, in words; nothing when it holds. `matched` None: the pattern took too long."""
    said = text.casefold()
    if missing := [part for part in pin.contains if part.casefold() not in said]:
        return f"“{missing[0]}” is missing"
    if there := [part for part in pin.lacks if part.casefold() in said]:
        return f"“{there[0]}” is in it"
    if pin.matches and not matched:
        return "its pattern took too long to check" if matched is None else f"it does not match {pin.matches}"
    return ""
