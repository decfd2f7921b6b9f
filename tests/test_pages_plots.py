"""Plots and tables of figures in a real browser: what is drawn lies where the figures say. The engine is scripted."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import furnished
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from room import Room

from ftchat.ratings import board
from ftchat.store import activity
from ftchat.ui.plot import smoothed

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """The tests of this file go on where the one before ended."""
    made = Room(tmp_path_factory.mktemp("home"))
    furnished.furnish(made)
    return made


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A wide page; a script of it that fails, fails the tests."""
    made = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    made.set_default_timeout(20_000)
    faults: list[str] = []
    made.on("pageerror", lambda fault: faults.append(str(fault)))
    made.goto(url)
    made.locator("#champion").wait_for()
    yield made
    made.context.close()
    assert faults == []


def go(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    expect(page.locator(f"#tab-{name.lower()} .card").first).to_be_visible()


def attributes(found: Locator, *names: str) -> list[list[float]]:
    """The numbers that stand in these attributes of each element; a percentage as its number."""
    read = "(all, names) => all.map(one => names.map(name => parseFloat(one.getAttribute(name))))"
    told: list[list[float]] = found.evaluate_all(read, list(names))
    return told


def points(line: Locator) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in (line.get_attribute("points") or "").split()]
    return [(float(x), float(y)) for x, y in pairs]


def in_line(places: Sequence[float], values: Sequence[float], *, within: float = 0.1) -> bool:
    """Whether each place lies where its value says, on one scale for all of them."""
    low, high = values.index(min(values)), values.index(max(values))
    scale = (places[high] - places[low]) / (values[high] - values[low])
    wanted = [places[low] + (value - values[low]) * scale for value in values]
    return bool(scale) and all(abs(place - want) <= within for place, want in zip(places, wanted, strict=True))


def test_the_loss_lies_where_the_trainer_wrote_it_and_moves_on(room: Room, page: Page) -> None:
    run = furnished.start(room)
    room.store.training.update_run(run, stage="train", progress=0.2, eta_s=30.0)
    for done in (20, 40):
        furnished.metrics(room, run, steps=100, done=done)
        go(page, "Train")
        expect(page.locator("#run-seen .far")).to_contain_text(f"step {done} of 100")
        seen = room.pipeline.seen(run)
        plot = page.locator("#run-plot .plot .wide")
        expect(plot.locator("svg")).to_be_visible()
        expect(page.locator("#run-plot .plot .narrow")).to_be_hidden()
        trained, tuned = points(plot.locator(".line.train")), points(plot.locator(".line.tune"))
        losses, tune = smoothed(seen.losses), list(seen.tune)
        assert (len(trained), len(tuned)) == (done, done // 10 + 1)
        [[base]] = attributes(plot.locator("line.reference"), "y1")
        assert in_line([x for x, _ in (*trained, *tuned)], [step for step, _ in (*losses, *tune)])
        heights, figures = [y for _, y in (*trained, *tuned)], [loss for _, loss in (*losses, *tune)]
        assert in_line([*heights, base], [*figures, tune[0][1]])
        grid = [y for [y] in attributes(plot.locator("line.grid"), "y1")]
        numbers = [float(text) for text in plot.locator(".tick[x='28']").all_text_contents()]
        per_px = (max(figures) - min(figures)) / (max(heights) - min(heights))
        assert in_line([y * per_px for y in (*heights, *grid)], [*figures, *numbers], within=0.11)  # one decimal
        expect(page.locator("#run-plot .plot")).to_have_attribute(
            "aria-label",
            f"Loss over 100 steps: training {seen.losses[0][1]:.2f} at first, {seen.losses[-1][1]:.2f} now.",
        )
    room.store.training.update_run(run, stage="failed", reason="It was only looked at.")


def test_the_step_that_is_kept_is_marked_on_the_held_out_line(room: Room, page: Page) -> None:
    run = furnished.start(room)
    room.store.training.update_run(run, stage="train", progress=0.2)
    furnished.metrics(room, run, steps=60, done=30)
    with (room.settings.home / "data" / "runs" / run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": "tune", "step": 40, "loss": 2.0, "best_step": 20}) + "\n")
    go(page, "Train")
    expect(page.locator("#run-plot .plan")).to_contain_text("best at step 20 · rank 16 · rate 0.002 · steps 60")
    tuned = points(page.locator("#run-plot .wide .line.tune"))
    assert attributes(page.locator("#run-plot .wide circle.best"), "cx", "cy") == [list(tuned[2])]
    room.store.training.update_run(run, stage="failed", reason="It was only looked at.")


def test_progress_lies_where_todays_exam_says(room: Room, page: Page) -> None:
    go(page, "Models")
    drawn = page.locator("#progress .value")
    expect(drawn).to_have_count(3)
    names = [name for name in page.locator("#progress text").all_text_contents() if name[0] not in "+-"]
    assert names == ["base", "few-shot", "shop-v1", "shop-v2", "shop-v3"]
    gains = [0.0, 1.94 - 1.5, 1.94 - 1.12, 1.94 - 1.68, 1.94 - 0.74]
    heights = [y for [y] in attributes(page.locator("#progress line.reference"), "y1")]
    heights += [y for [y] in attributes(drawn, "cy")]
    assert in_line(heights, gains)
    assert page.locator("#progress .number").all_text_contents() == ["+0.82", "+0.26", "+1.20"]
    across = [x for [x] in attributes(drawn, "cx")]
    assert across == sorted(across)
    expect(page.locator("#progress .value.marked")).to_have_count(1)
    assert attributes(page.locator("#progress .value.marked"), "cx") == [[across[0]]]  # shop-v1 is in service


def found(room: Room) -> dict[str, Any]:
    """What the votes say, without the page."""
    ballots = room.store.ballots
    return asdict(board(ballots.counted("b0"), contestants=ballots.contestants("b0"), champion="shop-v1"))


def test_ratings_and_their_intervals_lie_where_the_votes_say(room: Room, page: Page) -> None:
    go(page, "Leaderboard")
    told = found(room)
    rows = page.locator("#ratings .contestant")
    heads = rows.locator("th").evaluate_all("all => all.map(one => one.firstChild.textContent.trim())")
    assert heads == [row["contestant"] for row in told["rows"]]
    assert rows.locator(".n").all_text_contents() == [f"{row['votes']:,}" for row in told["rows"]]
    rated = [row for row in told["rows"] if row["rating"] is not None]
    assert len(rated) >= 3
    assert rows.locator(".number").all_text_contents() == [f"{row['rating']:.0f}" for row in rated]
    places = [x for [x] in attributes(rows.locator("circle.value"), "cx")]
    ends = list(itertools.chain(*attributes(rows.locator("line.span"), "x1", "x2")))
    values = [row["rating"] for row in rated]
    values += itertools.chain(*((row["rating_low"], row["rating_high"]) for row in rated))
    ticks = page.locator("#ratings .axis text")
    places += [*ends, *(x for [x] in attributes(ticks, "x"))]
    assert in_line(places, [*values, *(float(text) for text in ticks.all_text_contents())])


def test_the_matrix_and_the_days_say_what_was_given(room: Room, page: Page) -> None:
    go(page, "Leaderboard")
    matrix = found(room)["matrix"]
    names = page.locator("#matrix thead th").all_text_contents()[1:]
    assert len(names) >= 3
    cells = [row.locator("td").all_text_contents() for row in page.locator("#matrix tbody tr").all()]
    for one, row in zip(names, cells, strict=True):
        for other, cell in zip(names, row, strict=True):
            score = matrix.get(one, {}).get(other) or {"wins": 0, "losses": 0, "ties": 0}
            played = score["wins"] + score["losses"] + score["ties"]
            share = (score["wins"] + score["ties"] / 2) / (played or 1)
            assert cell == (f"{share:.0%}{score['wins']} : {score['losses']}" if played else "–"), (one, other)

    days = activity.by_day(room.store, today=datetime.now(UTC), days=30)
    given = [(kind, n) for _, counts in days for kind in ("correction", "vote", "rating") if (n := counts.get(kind, 0))]
    bars = page.locator("#board .days rect")
    assert [*zip(bars.evaluate_all("all => all.map(one => one.className.baseVal)"), strict=True)] == [
        (kind,) for kind, _ in given
    ]
    heights = [0.0, *(height for [height] in attributes(bars, "height"))]
    assert in_line(heights, [0, *(n for _, n in given)])
    most = max(sum(counts.values()) for _, counts in days)
    expect(page.locator("#board .days svg text")).to_have_text(f"{most:,}")
