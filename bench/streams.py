"""Many people at Compare at once: how soon the first text is on the page, and how soon a vote is saved meanwhile.

    python -m bench.streams --json [--quick]

The app is a child process over a scripted engine of 20 tokens a second for each pane; people are sessions of Gradio's
own protocol: events are joined and heard on one stream, or called directly, as the browser does, with those that follow
them. Each has the page open (opening costs more than a question, and is not measured), with its clock that asks for
news, asks at the same moment, watches both panes grow, and votes while they do, again and again.
`first_text_added_p95_s` is from sending the question to the first message of Gradio that has text of an answer, less
what the engine takes for its first token. `vote_p95_ms` is from the click to the end of its event, which comes after
the commit. Beside it a plain gr.ChatInterface over the same engine, one answer where Compare has two. `--quick` is one
round of 10 and 100: `may_supply` names the figures that are then as good as those of a whole run.
"""

import argparse
import asyncio
import json
import random
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.machine import calibration, machine, report
from bench.serving import apps
from bench.serving.page import Page, Pages
from bench.serving.scripted import Pace

TURNS = (10, 50, 100)
PACE = Pace(first_ms=50, per_s=20, tokens=120)
TEXT = "word0"  # the first of an answer
VOTE_AFTER_S = (1.5, 4.5)  # from the first text: while both panes grow
ANSWER_S = 90.0


@dataclass
class Seen:
    """What everybody at once saw."""

    first_text_s: list[float] = field(default_factory=list)
    vote_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


async def _people(url: str, *, turns: int, rounds: int, compare: bool) -> Seen:
    seen = Seen()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1 << 20) as http:
        async with http.get(f"{url}/config") as response:
            pages = Pages(await response.json())
        one = _compare if compare else _plain
        people = [Page(http, url, pages) for _ in range(turns)]
        await asyncio.gather(*(page.open() for page in people))
        pieces = ("strip-state", "strip-trouble", "compare-waits")
        await asyncio.gather(*(page.keep_fresh(*pieces, others="strip-news") for page in people if compare))
        await asyncio.gather(
            *(_person(page, pages, one, number=n, rounds=rounds, seen=seen) for n, page in enumerate(people))
        )
    return seen


async def _person(page: Page, pages: Pages, one: Any, *, number: int, rounds: int, seen: Seen) -> None:
    chance = random.Random(number)
    try:
        for turn in range(rounds):
            async with asyncio.timeout(ANSWER_S):
                await one(page, pages, f"Question {turn} of person {number}?", chance, seen)
    except (RuntimeError, TimeoutError, aiohttp.ClientError) as err:
        seen.errors.append(f"{type(err).__name__} {err}"[:300])
    finally:
        await page.close()


async def _compare(page: Page, pages: Pages, prompt: str, chance: random.Random, seen: Seen) -> None:
    """A question, both panes, and a vote while they grow."""
    started = time.perf_counter()
    asked = await page.done(pages.event("compare-send", "click"), [None, prompt, None, "", "", True])
    told = [event for state in asked["changed"] for event in pages.after_state(state)]
    follow = next((event for event in told if pages.queued(event)), None)
    if follow is None:
        raise RuntimeError(f"Nothing is to be followed: {str(asked['output'])[:300]}")
    heard = await page.join(follow, [None, None])
    await _text(heard)
    seen.first_text_s.append(time.perf_counter() - started)
    for event in told:
        if event != follow:
            await page.done(event, pages.nothing(event))
    await asyncio.sleep(chance.uniform(*VOTE_AFTER_S))
    clicked = time.perf_counter()
    winner = chance.choice(("left", "right", "tie", "both_bad"))
    clicked_on = {"act": winner, "value": re.findall(r'"(t_\w+)"', json.dumps(asked["output"]["data"]))[0]}
    voted = await page.done(pages.event("vote-bar", "click"), [None], clicked=clicked_on)
    seen.vote_ms.append(1000 * (time.perf_counter() - clicked))
    if "vote-saved" not in json.dumps(voted["output"]["data"]):
        seen.errors.append(f"The vote was not shown as saved: {str(voted)[:200]}")
    changed = list[int]()
    while (message := await heard.get())["msg"] != "process_completed":
        changed += (message.get("output") or {}).get("changed_state_ids") or []
    if not message["success"]:
        seen.errors.append(str(message)[:200])
    later = [event for state in changed for event in pages.after_state(state)]
    if not later:
        seen.errors.append("Nothing followed the end of both answers.")
    for event in later:
        await page.done(event, pages.nothing(event))


async def _plain(page: Page, pages: Pages, prompt: str, chance: random.Random, seen: Seen) -> None:
    """A question, and its one answer to the end."""
    started = time.perf_counter()
    heard = await page.join(pages.named("chat"), [prompt, None])
    await _text(heard)
    seen.first_text_s.append(time.perf_counter() - started)
    while (await heard.get())["msg"] != "process_completed":
        pass


async def _text(heard: asyncio.Queue[dict[str, Any]]) -> None:
    """Wait for the first message that has text of an answer."""
    while True:
        message = await heard.get()
        if TEXT in json.dumps(message.get("output", {}).get("data")):
            return
        if message["msg"] == "process_completed":
            raise RuntimeError(f"The event ended without an answer: {str(message)[:300]}")


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[18]


def _told(seen: Seen) -> dict[str, Any]:
    added = [seconds - PACE.first_ms / 1000 for seconds in seen.first_text_s] or [ANSWER_S, ANSWER_S]
    return {
        "first_text_added_p50_s": round(statistics.median(added), 3),
        "first_text_added_p95_s": round(_p95(added), 3),
        **({"vote_p95_ms": round(_p95(seen.vote_ms), 1)} if len(seen.vote_ms) > 1 else {}),
        "errors": len(seen.errors),
        **({"first_error": seen.errors[0]} if seen.errors else {}),
    }


def measure(folder: Path, *, levels: Sequence[int], rounds: int) -> dict[str, Any]:
    """ftchat's Compare at each level, then the plain chat."""
    engine = apps.scripted(folder, PACE)
    app = apps.ftchat(folder / "home", "--max-in-flight", "400", engine=engine.url)
    try:
        asyncio.run(_people(app.url, turns=4, rounds=1, compare=True))  # what is only slow once
        at = {turns: _told(asyncio.run(_people(app.url, turns=turns, rounds=rounds, compare=True))) for turns in levels}
        memory = app.rss_mb()
    finally:
        app.end()
    other = apps.plain(folder, engine=engine.url)
    try:
        asyncio.run(_people(other.url, turns=4, rounds=1, compare=False))
        plain = {n: _told(asyncio.run(_people(other.url, turns=n, rounds=1, compare=False))) for n in levels}
        plain_memory = other.rss_mb()
    finally:
        other.end()
        engine.end()
    worst = at[max(levels)]
    return {
        "first_text_added_p95_s": worst["first_text_added_p95_s"],
        "vote_p95_ms": worst.get("vote_p95_ms"),
        "errors": sum(one["errors"] for one in at.values()),
        "rss_mb": round(memory, 1),
        "turns": {str(turns): one for turns, one in at.items()},
        "plain": {**{str(turns): one for turns, one in plain.items()}, "rss_mb": round(plain_memory, 1)},
        "pace": {"first_ms": PACE.first_ms, "tokens_per_s": PACE.per_s, "tokens": PACE.tokens},
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser("bench.streams", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line, as always")
    parser.add_argument("--quick", action="store_true", help="10 and 100 turns at once, one round")
    parser.add_argument("--turns", type=int, nargs="+", help="other numbers of turns at once")
    given = parser.parse_args(argv)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="ftchat-streams-"))
    levels = given.turns or ((10, 100) if given.quick else TURNS)
    try:
        figures = measure(folder, levels=levels, rounds=1 if given.quick else 3)
        figures["may_supply"] = ["first_text_added_p95_s", "errors", "rss_mb"] if given.quick else "all"
        facts = {"bench": "streams", "quick": given.quick, "seconds": round(time.monotonic() - started, 1)}
        report({**facts, **figures, "machine": machine(), "calibration": calibration(folder)})
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
