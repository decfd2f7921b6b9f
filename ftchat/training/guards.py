"""When a run has gone wrong, and why, in words: pure rules over the numbers that training leaves behind.

The trainer asks after every step and every look at the tune rows, the exam of what the engine says of a candidate.
Figures in, a sentence or nothing out. It knows neither tensors nor files.
"""

import math
import statistics
from collections.abc import Sequence

EXPLODED, RUNNING, EARLIER = 30.0, 3, 8  # times the usual gradient, so many steps running, after so many to compare
HARMLESS = 1.0  # a gradient that clipping leaves as it is explodes nothing
FALLEN, WINDOW = 0.1, 5  # nats a token below base, at the mean of so many steps
PATIENCE = 3  # looks at the tune rows without gain
_NO_MEMORY = ("out of memory", "llocate memory", "CUBLAS_STATUS_ALLOC_FAILED")  # as libraries say it in plain errors


def not_a_number(*figures: float) -> bool:
    """Whether any has left the numbers: nothing that follows from it would mean anything."""
    return not all(math.isfinite(figure) for figure in figures)


def starved(err: BaseException) -> bool:
    """Whether it is for lack of memory. torch's own error is known by its name, and others by what they say: "illegal
    memory access" is another thing."""
    named = any(kind.__name__ == "OutOfMemoryError" for kind in type(err).__mro__)
    return isinstance(err, MemoryError) or named or any(words in str(err) for words in _NO_MEMORY)


def exploding(norms: Sequence[float]) -> str | None:
    """Whether gradients have grown far beyond what they were; `norms` are those of all steps, before clipping."""
    last, before = norms[-RUNNING:], norms[:-RUNNING]
    if len(before) < EARLIER:
        return None
    usual = statistics.median(before)
    if usual <= 0.0 or min(last) <= max(EXPLODED * usual, HARMLESS):
        return None
    return f"The gradient grew to {last[-1]:.3g}, {last[-1] / usual:.0f} times what was usual in this run."


def falling(shifts: Sequence[float], *, last: int = WINDOW) -> str | None:
    """Whether wanted answers have become less likely than they are for base: preferences pushed both replies down.

    `shifts` are changes, in nats a token, of the wanted answers that stand in pairs: the mean of each step, of which
    the last few count; or those of an exam's rows, which count all.
    """
    if len(shifts) < WINDOW:
        return None
    mean = statistics.fmean(shifts[-last:])
    if mean >= -FALLEN:
        return None
    return f"Wanted answers became less likely than for base, by {-mean:.2f} nats a token; the limit is {FALLEN}."


def overfit(losses: Sequence[float], *, patience: int = PATIENCE) -> str | None:
    """Whether the tune loss has not got lower for `patience` looks; `losses` are those after some steps, in order."""
    if not losses:
        return None
    since = len(losses) - 1 - min(range(len(losses)), key=losses.__getitem__)
    if since < patience:
        return None
    return f"Answers kept aside got no closer in the last {since} looks, so what is learned now is only by heart."
