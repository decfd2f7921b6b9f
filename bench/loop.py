"""One press of Retrain to the first token of the new champion; adapters swapped under load; and going back.

    python -m bench.loop --json [--quick] [--only click|swaps] [--effort normal] [--shape]

Everything goes through the API of an app on the practice model, with real vLLM. `click_to_champion_s`: 50 corrections
are there; from the press to the first token of an answer by the new champion. Where the exam does not promote, *Use it
anyway* is pressed at once (`promoted_by`). `overhead_s` is all of that but the optimiser's steps (`steps_s`, as the
trainer's metrics say of each) and the asking of the exam (`asking_s`, as its verdict says: no loading, no probe, no
judging); `import_s` is how long the trainer's libraries take to import here and now. Swaps: adapters of random weights
are imported and promoted, about one a second, while 16 streams ask the champion. `failed`: answers that did not end
well. `misattributed`: answers recorded for another adapter than wrote them (each is compared with what every adapter
says to that question when it is asked alone), or for one that was out of service before the question. `stall_p99_ms`:
the longest silence of each stream in each swap, `first_text_p99_ms`: its longest wait for the first text of an answer;
`quiet_p99_ms` and `quiet_first_text_p99_ms`: the same in as long a time without. `rollback_s`: from the press to the
first token of the old champion, the slowest of three. `over`: the figures that are over their budget. `chat_cost`: how
many times as long an answer takes, in the middle, while a run trains. `--shape` presses Retrain on random weights of
half a billion parameters too.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench import shapes
from bench.machine import calibration, machine, report
from bench.swapping.api import Api, tell
from bench.swapping.swaps import swaps
from ftchat.cli.own_app import OwnApp, own_app
from ftchat.records import ENDED
from ftchat.scenarios import read_scenario, shipped_scenarios
from ftchat.starter import sample_prompts
from ftchat.training.job import read_metrics

CORRECTIONS = 50
_LOOK_S = 0.05
_BUDGETS = {"click_to_champion_s": 60.0, "overhead_s": 20.0, "stall_p99_ms": 250.0, "rollback_s": 5.0}
_TOLD_APART = 0.5  # of the answers under swaps: else `misattributed` says little
_IMPORTS = "import time; s = time.perf_counter(); import torch, transformers, peft; print(time.perf_counter() - s)"


# -- one click --


async def correct(api: Api, *, count: int) -> None:
    """So many corrections of the practice model's answers, by a shipped scenario."""
    scenario = read_scenario(next(path for path in shipped_scenarios() if path.stem == "sign-off"))

    async def one(number: int) -> None:
        asked = scenario.teach[number]
        body = {"prompt": asked.prompt, "mode": "chat", "contestants": ["base"], "params": {"max_tokens": 64}}
        lane = (await api.post("/api/turns", body))["lanes"][0]
        await api.post("/api/corrections", {"reply": lane["reply"], "text": scenario.corrected(asked, lane["text"])})

    for start in range(0, count, 8):
        await asyncio.gather(*(one(number) for number in range(start, min(start + 8, count))))


@dataclass
class Watched:
    """A run, watched from outside: when each thing was first seen."""

    seen: dict[str, float] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)

    def note(self, what: str, at: float | None = None) -> None:
        self.seen.setdefault(what, time.monotonic() if at is None else at)


async def watch(api: Api, home: Path, run: str) -> Watched:
    """Follow it to its end, by the API and by the trainer's metrics as they are written."""
    found, offset = Watched(), 0
    metrics = home / "data" / "runs" / run / "metrics.jsonl"
    while True:
        found.run = await api.get(f"/api/runs/{run}")
        found.note(found.run["stage"])
        if found.run["adapter"]:
            found.note("adapter")
        events, offset = read_metrics(metrics, offset)
        for event in events:
            found.note("steps" if event["event"] == "step" else f"trainer {event.get('stage', event['event'])}")
        if found.run["stage"] in ENDED:
            found.note("end")
            return found
        await asyncio.sleep(_LOOK_S)


async def click(api: Api, home: Path, *, effort: str, count: int) -> dict[str, Any]:
    """The press, and everything until the new champion says something."""
    await correct(api, count=count)
    tell(f"{count} corrections are there; pressing Retrain")
    pressed = time.monotonic()
    run = (await api.post("/api/runs", {"effort": effort}))["id"]
    watched = await watch(api, home, run)
    made, by = watched.run["adapter"], "exam"
    if made is None:
        raise RuntimeError(f"The run made no adapter: {watched.run['reasons']}")
    if (await api.get("/api/adapters"))["champion"] != made:
        by = "hand"
        await api.post(f"/api/adapters/{made}/promote")
    came, who = await api.first_token(sample_prompts()[0])
    if who != made:
        raise RuntimeError(f"{who} answered, not {made}")
    total = came - pressed
    events, _ = read_metrics(home / "data" / "runs" / run / "metrics.jsonl", 0)
    steps = round(sum(event["seconds"] for event in events if event["event"] == "step"), 3)
    asking = asking_s(home, run)
    return {
        "click_to_champion_s": round(total, 2),
        "overhead_s": round(total - steps - asking, 2),
        "steps_s": steps,
        "asking_s": asking,
        "import_s": imports(),
        "promoted_by": by,
        "verdict": watched.run["verdict"],
        "reasons": watched.run["reasons"],
        "stages_s": {what: round(at - pressed, 2) for what, at in sorted(watched.seen.items(), key=lambda s: s[1])},
        "steps": watched.run["metrics"]["step"],
        "effort": effort,
        "corrections": count,
    }


def asking_s(home: Path, run: str) -> float:
    """Seconds that the exam of a run spent on asking."""
    with closing(sqlite3.connect(f"file:{home / 'data' / 'ftchat.db'}?mode=ro", uri=True)) as db:
        (verdict,) = db.execute("SELECT verdict FROM runs WHERE id = ?", (run,)).fetchone()
    return float(json.loads(verdict)["figures"]["asking_s"])


def imports() -> float:
    """Seconds that the trainer's libraries take to import in a fresh process."""
    done = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True)
    return round(float(done.stdout), 2)


async def beside(api: Api) -> dict[str, Any]:
    """What a run costs those who chat meanwhile: one answer after the other, alone and while it trains."""

    async def one(number: int) -> float:
        prompts = sample_prompts()
        body = {"prompt": prompts[number % len(prompts)], "mode": "chat", "params": {"max_tokens": 64}}
        began = time.monotonic()
        await api.post("/api/turns", body)
        return time.monotonic() - began

    alone = [await one(number) for number in range(2 * len(sample_prompts()))]
    run = (await api.post("/api/runs", {"effort": "quick"}))["id"]
    taken: list[float] = []
    while (stage := (await api.get(f"/api/runs/{run}"))["stage"]) not in ENDED:
        if stage == "train":
            taken.append(await one(len(taken)))
        else:
            await asyncio.sleep(_LOOK_S)
    return {
        "answer_alone_s": round(statistics.median(alone), 3),
        "answer_while_training_s": round(statistics.median(taken), 3),
        "chat_cost": round(statistics.median(taken) / statistics.median(alone), 2),
        "answers_while_training": len(taken),
    }


async def back(api: Api) -> dict[str, Any]:
    """Roll back three times, each until the champion before says something."""
    took = []
    for number in range(3):
        pressed = time.monotonic()
        champion = (await api.post("/api/rollback"))["champion"]
        came, who = await api.first_token(sample_prompts()[number])
        if who != champion:
            raise RuntimeError(f"{who} answered, not {champion}")
        took.append(came - pressed)
    return {"rollback_s": round(max(took), 3)}


# -- all of it --


async def measure(app: OwnApp, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {app.at.key}"}
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=app.at.url, headers=headers, timeout=1800, limits=limits) as client:
        api, figures = Api(client), {}
        if given.only != "swaps":
            figures |= await click(api, app.home, effort=given.effort, count=CORRECTIONS)
            figures |= await beside(api)
        if given.only != "click":
            figures |= await swaps(api, folder, app, count=5 if given.quick else 20)
            figures |= await back(api)
        return figures


async def press_once(app: OwnApp, *, effort: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=app.at.url, timeout=3600) as client:
        return await click(Api(client), app.home, effort=effort, count=CORRECTIONS)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and report. Exit status 1 when an answer failed or was another's, or when most could be anybody's."""
    parser = argparse.ArgumentParser("bench.loop", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line, as always")
    parser.add_argument("--quick", action="store_true", help="5 swaps instead of 20")
    parser.add_argument("--only", choices=("click", "swaps"), default="")
    parser.add_argument("--effort", default="normal", choices=("quick", "normal", "thorough"))
    parser.add_argument("--shape", action="store_true", help="the same click on half a billion parameters: long")
    given = parser.parse_args(argv)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ftchat-loop-") as name:
        folder = Path(name)
        with own_app(["--name", "shop"], tell=tell) as app:
            figures = asyncio.run(measure(app, folder, given))
        if given.shape:
            base = shapes.write_base(folder / "qwen2-0.5b")
            with own_app(["--model", str(base), "--name", "shop"], tell=tell) as app:
                figures["shape"] = asyncio.run(press_once(app, effort=given.effort))
        figures["over"] = [name for name, most in _BUDGETS.items() if figures.get(name, 0.0) > most]
        facts = {"bench": "loop", "quick": given.quick, "seconds": round(time.monotonic() - started, 1)}
        report({**facts, **figures, "machine": machine(), "calibration": calibration(folder)})
    if figures.get("failed") or figures.get("misattributed") or figures.get("told_apart", 1.0) < _TOLD_APART:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
