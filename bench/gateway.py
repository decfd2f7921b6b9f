"""What ftchat adds to vLLM: to the first token, to the processor's work for each, to throughput; and how soon vLLM
stops when a client goes away.

    python -m bench.gateway --json [--quick] [--only scripted|starter|shape]

`ttft_added_p50_ms` and `ttft_added_p95_ms`: time to the first text through ftchat's `/v1`, every call recorded as a
turn, less the median of asking the engine directly; the engine is scripted and answers at a fixed rate, the two ways
are asked in turn, with 1, 8 and 32 streams at once that begin at chance moments. `cpu_us_per_token` is the processor
time of ftchat, all of it, over the tokens it passed on. `throughput_ratio`, `throughput_ratio_starter`: output tokens a
second through ftchat over those of the same vLLM asked directly, by vLLM's own serving benchmark, in turn. `cancel_ms`
is from a client's closing of its connection to the end of the engine's stream, the slowest of 20. `--quick` has fewer
rounds and no large shape: `may_supply` names the figures that are then as good as those of a whole run.
"""

import argparse
import asyncio
import json
import random
import shutil
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import shapes
from bench.machine import calibration, machine, report
from bench.serving import apps, clients, real
from bench.serving.scripted import Pace
from ftchat import starter

STREAMS = (1, 8, 32)
PACE = Pace(first_ms=50, per_s=20, tokens=20)


@dataclass(frozen=True)
class Work:
    """What vLLM's benchmark asks."""

    prompts: Callable[[], list[str]]
    tokens: int
    at_once: int
    rounds: int


def _words() -> list[str]:
    """Prompts of the made-up words of the large shape."""
    chance = random.Random(1)
    return [" ".join(f"w{chance.randrange(100_000):x}" for _ in range(64)) for _ in range(16)]


def _questions() -> list[str]:
    """Prompts of the practice model, whose answers have a sentence or two."""
    return [*starter.sample_prompts(), *starter.anchor_prompts(372)]


WORK = {
    "starter": Work(_questions, tokens=64, at_once=32, rounds=9),
    "shape": Work(_words, tokens=48, at_once=8, rounds=6),
}
RATIOS = {"starter": "throughput_ratio_starter", "shape": "throughput_ratio"}
_ANSWER_S = PACE.first_ms / 1000 + PACE.tokens / PACE.per_s


def beside_scripted(folder: Path, *, rounds: int) -> dict[str, Any]:
    """What is added over an engine of fixed rate."""
    engine = apps.scripted(folder, PACE)
    app = apps.ftchat(folder / "home", engine=engine.url)
    try:
        _asked(app, app.url, streams=8, answers=32, seed=0)  # what is only slow once
        levels = {streams: _level(engine, app, streams=streams, rounds=rounds) for streams in STREAMS}
        left = [_leave(engine, app, number) for number in range(20)]
        memory = round(app.rss_mb(), 1)
    finally:
        app.end()
        engine.end()
    worst = {name: max(level[name] for level in levels.values()) for name in levels[1] if not name.startswith("direct")}
    return {
        **worst,
        "streams": {str(streams): level for streams, level in levels.items()},
        "cancel_ms": round(max(left), 1),
        "cancel_p50_ms": round(statistics.median(left), 1),
        "rss_mb": memory,
        "pace": {"first_ms": PACE.first_ms, "tokens_per_s": PACE.per_s, "tokens": PACE.tokens},
    }


def _level(engine: apps.Process, app: apps.Process, *, streams: int, rounds: int) -> dict[str, Any]:
    """So many streams at once, directly and through ftchat in turn."""
    heard = {"direct": clients.Heard(), "through": clients.Heard()}
    answers = max(10, 4 * streams)
    cpu_s = 0.0
    for number in range(rounds):
        for way in ("direct", "through") if number % 2 else ("through", "direct"):
            before = app.cpu_s()
            url = app.url if way == "through" else engine.url
            found = _asked(app, url, streams=streams, answers=answers, seed=number * 100 + streams)
            cpu_s += app.cpu_s() - before if way == "through" else 0.0
            heard[way].ttft_ms += found.ttft_ms
            heard[way].tokens += found.tokens
    plain = statistics.median(heard["direct"].ttft_ms)
    added = [ms - plain for ms in heard["through"].ttft_ms]
    return {
        "ttft_added_p50_ms": round(statistics.median(added), 2),
        "ttft_added_p95_ms": round(_p95(added), 2),
        "cpu_us_per_token": round(1e6 * cpu_s / heard["through"].tokens, 1),
        "direct_ttft_p50_ms": round(plain, 2),
        "direct_ttft_p95_ms": round(_p95(heard["direct"].ttft_ms), 2),
    }


def _asked(app: apps.Process, url: str, *, streams: int, answers: int, seed: int) -> clients.Heard:
    heard = clients.Heard()
    spread_s = _ANSWER_S + clients.GAP_S
    asking = clients.ask(url, streams=streams, answers=answers, spread_s=spread_s, seed=seed, heard=heard)
    asyncio.run(asking)
    if heard.wrong:
        raise RuntimeError(f"{len(heard.wrong)} answers of {url} were wrong, the first: {heard.wrong[0]}")
    return heard


def _leave(engine: apps.Process, app: apps.Process, number: int) -> float:
    """Milliseconds from a client's going to the end of vLLM's stream."""
    before = len(_left(engine))
    gone = asyncio.run(clients.leave(app.url, f"Question {number}: how long?", after=3))
    until = time.monotonic() + 10
    while len(found := _left(engine)) == before:
        if time.monotonic() > until:
            raise TimeoutError("The engine went on although its reader was gone.")
        time.sleep(0.01)
    return 1000 * (found[before] - gone)


def _left(engine: apps.Process) -> list[float]:
    with urllib.request.urlopen(f"{engine.url}/left", timeout=10) as answer:
        found: list[float] = json.load(answer)
    return found


def on_real(folder: Path, which: str, *, rounds: int) -> dict[str, Any]:
    """Throughput of a real vLLM, directly and through ftchat in turn; both ways ask the same greedy answers."""
    setting = WORK[which]
    model = starter.model_path() if which == "starter" else shapes.write_base(folder / "shape")
    engine = real.Engine(model, folder / which)
    url, key = engine.endpoint.url, engine.endpoint.key
    app = apps.ftchat(folder / f"{which}-home", engine=url, key=key, model=model if which == "shape" else None)
    bench = real.Benchmark(model, setting.prompts(), folder=folder, tokens=setting.tokens)
    try:
        ran = _in_turn(bench, {"direct": (url, key), "through": (app.url, "")}, work=setting, rounds=rounds)
    finally:
        bench.end()
        app.end()
        engine.end()
    found = {way: [one["output_throughput"] for one in runs] for way, runs in ran.items()}
    # Of each pair, which is seconds apart, and of them the middle one: a neighbour's work hits a few pairs, not most.
    ratios = [one / other for one, other in zip(found["through"], found["direct"], strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "direct_tokens_per_s": round(statistics.median(found["direct"]), 1),
        "through_tokens_per_s": round(statistics.median(found["through"]), 1),
        "tokens_a_round": {way: sorted({one["total_output_tokens"] for one in runs}) for way, runs in ran.items()},
        "requests": len(setting.prompts()),
        "at_once": setting.at_once,
    }


def _in_turn(
    bench: real.Benchmark, ways: dict[str, tuple[str, str]], *, work: Work, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """Each way once in each round; the first round fills vLLM's cache of prompts for both and does not count."""
    ran: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way in ways if number % 2 else reversed(ways):
            url, key = ways[way]
            one = bench.run(url, key=key, at_once=work.at_once)
            if number:
                ran[way].append(one)
    return ran


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[18]


def measure(folder: Path, *, only: str | None, quick: bool) -> dict[str, Any]:
    """What was asked for; the part that says most first."""
    figures: dict[str, Any] = {}
    if only in (None, "scripted"):
        figures |= beside_scripted(folder, rounds=2 if quick else 4)
    for which, figure in RATIOS.items():
        if only == which or (only is None and not (quick and which == "shape")):
            found = on_real(folder, which, rounds=3 if quick else WORK[which].rounds)
            figures |= {figure: found["ratio"], which: found}
    supply = ["cancel_ms", "ttft_added_p50_ms", "cpu_us_per_token"]
    return figures | {"may_supply": [name for name in supply if name in figures] if quick else "all"}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser("bench.gateway", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line, as always")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and without the large shape")
    parser.add_argument("--only", choices=("scripted", "starter", "shape"), help="one part of it")
    given = parser.parse_args(argv)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="ftchat-gateway-"))
    try:
        figures = measure(folder, only=given.only, quick=given.quick)
        facts = {"bench": "gateway", "quick": given.quick, "seconds": round(time.monotonic() - started, 1)}
        report({**facts, **figures, "machine": machine(), "calibration": calibration(folder)})
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
