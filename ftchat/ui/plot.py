"""The loss plot of a run as an inline SVG. It knows numbers and where labels go; it does not know runs or pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from ftchat import texts
from ftchat.ui.prose import plain

Points = Sequence[tuple[int, float]]
_MOST_POINTS = 160  # per line: more cannot be told apart at this size
_LINE_PX = 15  # between two labels


@dataclass(frozen=True)
class _Frame:
    """Where numbers lie on the drawing."""

    width: int
    height: int
    steps: int
    low: float
    high: float
    right: int  # room for the labels at the lines' ends

    def x(self, step: float) -> float:
        return 34 + (self.width - 34 - self.right) * step / max(self.steps, 1)

    def y(self, loss: float) -> float:
        return 12 + (self.height - 36) * (self.high - loss) / (self.high - self.low)


def loss_plot(losses: Points, *, tune: Points, base_tune: float | None, steps: int, kept: int | None = None) -> str:
    """The plot in two sizes, one for a wide page and one for a phone; the style sheet shows one of them."""
    if not losses:
        return f'<p class="plot-empty">{texts.PLOT_EMPTY}</p>'
    smooth = thinned(smoothed(losses))
    drawings = (
        _drawing(smooth, tune, base_tune, kept=kept, frame=_frame(smooth, tune, base_tune, steps=steps, size=size))
        for size in ((720, 240, 116), (340, 220, 104))
    )
    words = texts.PLOT_WORDS.format(steps=steps, first=f"{losses[0][1]:.2f}", last=f"{losses[-1][1]:.2f}")
    wide, narrow = drawings
    return (
        f'<figure class="plot" role="img" aria-label="{plain(words)}"><div class="wide">{wide}</div>'
        f'<div class="narrow">{narrow}</div></figure>'
    )


def smoothed(points: Points, *, share: float = 0.8) -> list[tuple[int, float]]:
    """A running mean: the loss of one small batch jumps too much to read."""
    mean, weight = 0.0, 0.0
    result = []
    for step, loss in points:
        mean, weight = share * mean + (1 - share) * loss, share * weight + (1 - share)
        result.append((step, mean / weight))
    return result


def thinned(points: Points, *, most: int = _MOST_POINTS) -> list[tuple[int, float]]:
    """At most so many of the points, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    stride = (len(points) - 1) / (most - 1)
    return [points[round(i * stride)] for i in range(most)]


def apart(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Places for labels near where they are wanted, in the same order, none on another, all within low and high."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [0.0] * len(wanted)
    floor = low
    for i in order:
        placed[i] = max(wanted[i], floor)
        floor = placed[i] + gap
    ceiling = high
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    return placed


def _frame(losses: Points, tune: Points, base: float | None, *, steps: int, size: tuple[int, int, int]) -> _Frame:
    values = [loss for _, loss in (*losses, *tune)] + ([base] if base is not None else [])
    high = max(values) * 1.05 or 1.0
    low = min(0.0, *values) if min(values) < high * 0.5 else min(values) * 0.9
    return _Frame(size[0], size[1], max(steps, losses[-1][0]), low, max(high, low + 1e-6), size[2])


def _drawing(losses: Points, tune: Points, base: float | None, *, kept: int | None, frame: _Frame) -> str:
    lines = [("train", losses, texts.TRAIN_LOSS)]
    if tune:
        lines.append(("tune", tune, f"{texts.TUNE_LOSS}"))
    marks = [(kind, label, frame.x(points[-1][0]), frame.y(points[-1][1])) for kind, points, label in lines]
    if base is not None:
        marks.append(("base", texts.BASE_LOSS, frame.x(frame.steps), frame.y(base)))
    heights = apart([mark[3] for mark in marks], gap=_LINE_PX, low=14, high=frame.height - 26)
    labels = "".join(
        f'<text class="{kind}" x="{x + 6:.1f}" y="{y + 4:.1f}">{plain(label)}</text>'
        for (kind, label, x, _), y in zip(marks, heights, strict=True)
    )
    drawn = "".join(_line(kind, points, frame) for kind, points, _ in lines) + _best_mark(tune, kept, frame)
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" aria-hidden="true">{_grid(frame)}{_reference(base, frame)}'
        f"{drawn}{labels}</svg>"
    )


def _grid(frame: _Frame) -> str:
    right = frame.x(frame.steps)
    lines = ""
    for part in (0.0, 0.5, 1.0):
        loss = frame.low + (frame.high - frame.low) * part
        lines += f'<line class="grid" x1="34" x2="{right:.1f}" y1="{frame.y(loss):.1f}" y2="{frame.y(loss):.1f}"/>'
        lines += f'<text class="tick" x="28" y="{frame.y(loss) + 4:.1f}" text-anchor="end">{loss:.1f}</text>'
    bottom = frame.height - 6
    lines += f'<text class="tick" x="34" y="{bottom}">0</text>'
    return lines + f'<text class="tick" x="{right:.1f}" y="{bottom}" text-anchor="end">{frame.steps}</text>'


def _reference(base: float | None, frame: _Frame) -> str:
    if base is None:
        return ""
    y = f"{frame.y(base):.1f}"
    return f'<line class="reference" x1="34" x2="{frame.x(frame.steps):.1f}" y1="{y}" y2="{y}"/>'


def _best_mark(tune: Points, kept: int | None, frame: _Frame) -> str:
    marked = next((point for point in tune if point[0] == kept), None)
    if marked is None:
        return ""
    return f'<circle class="best" cx="{frame.x(marked[0]):.1f}" cy="{frame.y(marked[1]):.1f}" r="5"/>'


def _line(kind: str, points: Points, frame: _Frame) -> str:
    path = " ".join(f"{frame.x(step):.1f},{frame.y(loss):.1f}" for step, loss in points)
    end = points[-1]
    return (
        f'<polyline class="line {kind}" points="{path}"/>'
        f'<circle class="end {kind}" cx="{frame.x(end[0]):.1f}" cy="{frame.y(end[1]):.1f}" r="3"/>'
    )
