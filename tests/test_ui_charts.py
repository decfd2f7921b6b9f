"""Charts as SVG: where numbers land, which labels are there, and nothing where there is nothing to draw."""

import re

import pytest

from ftchat.ui import charts
from ftchat.ui.charts import Scale


def numbers(svg: str, name: str) -> list[float]:
    return [float(value) for value in re.findall(rf'{name}="(-?[\d.]+)%?"', svg)]


def test_a_scale_keeps_its_ends_in_and_does_not_divide_by_nothing() -> None:
    scale = Scale(900.0, 1100.0)
    assert [scale.at(v) for v in (900, 1000, 1100, 2000, 0)] == [0.0, 50.0, 100.0, 100.0, 0.0]
    assert 0 <= Scale.over([7.0]).at(7.0) <= 100
    assert Scale.over([]).at(0.5) == pytest.approx(50, abs=1)


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(720, 1480, [800, 1000, 1200, 1400]), (0, 1, [0, 0.5, 1]), (-3, 3, [-2, 0, 2])]
)
def test_ticks_are_round_and_few(low: float, high: float, ticks: list[float]) -> None:
    assert charts.round_ticks(Scale(low, high)) == pytest.approx(ticks)


def test_an_interval_says_in_words_what_it_draws_and_has_its_reference() -> None:
    svg = charts.interval(1100, 1000, 1200, scale=Scale(1000, 1200), reference=1000.0, words="shop-v1: 1100 <of> 1200")
    assert 'aria-label="shop-v1: 1100 &lt;of&gt; 1200"' in svg
    assert numbers(svg, "cx") == [50.0]
    assert (numbers(svg, "x1"), numbers(svg, "x2")) == ([0.0, 0.0], [0.0, 100.0])
    assert 'class="reference"' not in charts.interval(1, 0, 2, scale=Scale(0, 2), reference=None, words="")


def test_bars_stand_on_the_ground_and_the_highest_day_is_the_highest() -> None:
    days = [{}, {"vote": 2}, {"vote": 1, "correction": 3}]
    svg = charts.bars(days, kinds=("correction", "vote"), words="", ends=("2 days ago", "today"))
    tops, heights = numbers(svg, " y")[0:], numbers(svg, "height")
    bars = [h for h in heights if h not in (130.0,)]
    assert bars == [41.0, 61.5, 20.5]
    assert [round(top + bar, 1) for top, bar in zip(tops[-3:], bars, strict=True)] == [100.0, 100.0, 38.5]
    assert charts.bars([{}, {}], kinds=("vote",), words="", ends=("", "")) == ""


def test_a_course_goes_up_for_the_better_and_names_a_few_of_many() -> None:
    points = [(f"shop-v{n}", n / 10, n == 4) for n in range(1, 10)]
    svg = charts.course(points, references=[("base", 0.0), ("few-shot", 0.3)], words="")
    heights = numbers(svg, "cy")
    assert heights == sorted(heights, reverse=True)
    assert len(heights) == 9
    assert re.findall(r"shop-v\d", svg) == ["shop-v1", "shop-v4", "shop-v9"]
    assert svg.count('class="reference"') == 2
    assert 'class="value marked"' in svg
