"""Charts as inline SVG that fit any width: places are percentages, so nothing is stretched and no script is needed.

It knows numbers, colours' names and where a label goes; it does not know records or pages. The loss plot of a run is in
`plot`: its lines bend.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ftchat.ui.prose import plain

_LABELLED = 6  # points of a course of which each has its name


@dataclass(frozen=True)
class Scale:
    """Numbers from low to high as percentages of a width."""

    low: float
    high: float

    @staticmethod
    def over(values: Sequence[float], *, margin: float = 0.06) -> "Scale":
        """One that holds all of these, with some air."""
        low, high = min(values, default=0.0), max(values, default=1.0)
        air = max((high - low) * margin, 1e-6)
        return Scale(low - air, high + air)

    def at(self, value: float) -> float:
        """Where it lies, from 0 to 100."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)


def interval(value: float, low: float, high: float, *, scale: Scale, reference: float | None, words: str) -> str:
    """A value with the interval around it, and the reference as a dashed line through the row."""
    mark = "" if reference is None else _upright(scale.at(reference))
    x, left, right = scale.at(value), scale.at(low), scale.at(high)
    return (
        f'<svg class="interval" width="100%" height="28" role="img" aria-label="{plain(words)}">{mark}'
        f'<line class="span" x1="{left}%" x2="{right}%" y1="14" y2="14"/>'
        f'<circle class="value" cx="{x}%" cy="14" r="5"/></svg>'
    )


def axis(scale: Scale, ticks: Sequence[float]) -> str:
    """The numbers under a column of intervals."""
    labels = "".join(
        f'<text class="{"minor" if at % 2 else ""}" x="{scale.at(tick)}%" y="14" '
        f'text-anchor="{_anchor(scale.at(tick))}">{tick:g}</text>'
        for at, tick in enumerate(ticks)
    )
    return f'<svg class="axis" width="100%" height="18" aria-hidden="true">{labels}</svg>'


def round_ticks(scale: Scale, *, most: int = 4) -> list[float]:
    """Round numbers within a scale, few enough to be read on a phone."""
    span = scale.high - scale.low
    step = next(s for s in _steps() if span / s <= most)
    first = -(-scale.low // step) * step
    return [first + i * step for i in range(most + 1) if first + i * step <= scale.high]


def _steps() -> Sequence[float]:
    return [factor * 10.0**power for power in range(-6, 9) for factor in (1, 2, 5)]


def _anchor(percent: float) -> str:
    return "start" if percent < 8 else "end" if percent > 92 else "middle"


def _upright(percent: float) -> str:
    return f'<line class="reference" x1="{percent}%" x2="{percent}%" y1="0" y2="100%"/>'


def bars(days: Sequence[Mapping[str, int]], *, kinds: Sequence[str], words: str, ends: tuple[str, str]) -> str:
    """Stacked bars, one a day, the highest as high as the drawing."""
    highest = max((sum(day.values()) for day in days), default=0)
    if not highest:
        return ""
    width, drawn = 100 / len(days), ""
    for at, day in enumerate(days):
        top = 100.0
        for kind in kinds:
            height = 82.0 * day.get(kind, 0) / highest
            top -= height
            if height:
                drawn += (
                    f'<rect class="{kind}" x="{at * width + width * 0.12:.2f}%" width="{width * 0.76:.2f}%" '
                    f'y="{top:.2f}%" height="{height:.2f}%" rx="1"/>'
                )
    most = f'<text x="0" y="12">{highest:,}</text><line class="grid" x1="0" x2="100%" y1="18%" y2="18%"/>'
    return (
        f'<figure class="plot days" role="img" aria-label="{plain(words)}"><svg width="100%" height="130" '
        f'aria-hidden="true">{most}{drawn}</svg><div class="ends"><span>{plain(ends[0])}</span>'
        f"<span>{plain(ends[1])}</span></div></figure>"
    )


_TOP, _BOTTOM, _LEFT = 26.0, 150.0, 18.0  # of a course: pixels, pixels, percent


def course(points: Sequence[tuple[str, float, bool]], *, references: Sequence[tuple[str, float]], words: str) -> str:
    """Values in order, higher is better, with references as dashed lines; one of the points may be marked."""
    scale = Scale.over([value for _, value, _ in points] + [value for _, value in references], margin=0.12)

    def y(value: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * scale.at(value) / 100, 1)

    wide = (100 - _LEFT) / len(points)
    places = [(round(_LEFT + wide * (at + 0.5), 2), y(value)) for at, (_, value, _) in enumerate(points)]
    drawn = "".join(
        f'<line class="reference" x1="0" x2="100%" y1="{y(value)}" y2="{y(value)}"/>'
        f'<text x="0" y="{y(value) - 5}">{plain(name)}</text>'
        for name, value in references
    )
    drawn += "".join(
        f'<line class="line" x1="{x}%" y1="{up}" x2="{next_x}%" y2="{next_up}"/>'
        for (x, up), (next_x, next_up) in itertools.pairwise(places)
    )
    for at, ((name, value, marked), (x, up)) in enumerate(zip(points, places, strict=True)):
        drawn += f'<circle class="value{" marked" if marked else ""}" cx="{x}%" cy="{up}" r="5"/>'
        if len(points) <= _LABELLED or marked or at in (0, len(points) - 1):
            drawn += f'<text class="number" x="{x}%" y="{up - 10}" text-anchor="middle">{value:+.2f}</text>'
            drawn += f'<text x="{x}%" y="{_BOTTOM + 24}" text-anchor="middle">{plain(name)}</text>'
    return (
        f'<figure class="plot course" role="img" aria-label="{plain(words)}"><svg width="100%" height="180" '
        f'aria-hidden="true">{drawn}</svg></figure>'
    )
