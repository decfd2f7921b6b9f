"""What an adapter costs beside base, whether base stays base, and how long everything takes to start.

    python -m bench.engine --json [--quick] [--folder DIR]

On a random model of the shape of Qwen2 0.5B (bench.shapes), through real vLLM as the app manages it, with ftchat's
plugin and without it (`_off`). `adapter_ttft_ratio` is the time to the first token of a 1000-token prompt, adapter
over base, `adapter_decode_ratio` the time of each further token; base and adapter take turns, and each is the median
of its turns. `base_purity_mismatches` is of 200 texts by teacher forcing, and 20 more by their next tokens
(bench.lora.purity); `_off` is of those 20 alone, since vLLM without the plugin ends when it is forced along a text
beside other traffic. `start_ratio` is the managed server ready, over vLLM healthy by the same command without ftchat.
`health_seconds` and `page_seconds` are the app on the practice model, from its command to /healthz and to its page:
the slowest of its starts. `--quick` measures each thing less often, and not on the practice model: `may_supply` names
the figures that are then as good as those of a whole run.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import shapes
from bench.lora import purity, servers
from bench.lora.servers import Served
from bench.machine import calibration, machine, report
from ftchat.engine import Request
from ftchat.records import BASE, Params
from ftchat.sizing import shape_of
from ftchat.starter import model_path

PROMPT = 1000
FEW_TOKENS = 24  # a turn of decoding: short, so that base and adapter meet the same moments


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


async def first_token_s(served: Served, model: str, ids: Sequence[int]) -> float:
    began = time.perf_counter()
    await served.engine.answer(Request(model=model, token_ids=ids, params=Params(temperature=0.0, max_tokens=1)))
    return time.perf_counter() - began


async def each_token_s(served: Served, model: str, ids: Sequence[int]) -> float:
    """Seconds a token, from the first text to the end: several tokens may come in one text.

    Hot and unfiltered, since a trained model soon ends a greedy answer; one that ends soon all the same is asked for
    another.
    """
    for attempt in range(20):
        params = Params(temperature=2.0, top_p=1.0, seed=ids[attempt], max_tokens=FEW_TOKENS)
        times, tokens = list[float](), 0
        async for piece in served.engine.stream(Request(model=model, token_ids=ids, params=params)):
            times.append(time.perf_counter())
            tokens = piece.completion_tokens
        if tokens >= FEW_TOKENS // 2:
            return (times[-1] - times[0]) / (tokens - 1)
    raise RuntimeError(f"{model} ended every answer too early to be timed, the last after {tokens} tokens.")


async def in_turns(
    served: Served, measured: Callable[..., Any], *, length: int, turns: int, words: range
) -> dict[str, Any]:
    """A time of base and of an adapter, over new random prompts, in alternating order after a first turn not counted.

    Where there is one turn only, as of what takes half a minute without the plugin, it counts.
    """
    chance = random.Random(length)
    names, times = [BASE, served.adapters[0]], {BASE: [], served.adapters[0]: []}
    for number in range(turns + (turns > 1)):
        for model in names if number % 2 else reversed(names):
            times[model].append(await measured(served, model, chance.choices(words, k=length)))
    base, adapter = (statistics.median(times[name][-turns:]) for name in names)
    return {"ratio": round(adapter / base, 3), "base_ms": round(base * 1e3, 2), "adapter_ms": round(adapter * 1e3, 2)}


async def speeds(served: Served, words: range, *, prompts: int, answers: int) -> dict[str, Any]:
    found = {"ttft": await in_turns(served, first_token_s, length=PROMPT, turns=prompts, words=words)}
    return found | {"decode": await in_turns(served, each_token_s, length=40, turns=answers, words=words)}


async def half_a_billion(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Everything that is asked of the 0.5B shape."""
    base = shapes.write_base(folder / "qwen2-0.5b")
    adapters = [shapes.write_adapter(folder / f"random-v{number}", base, seed=number) for number in (1, 2)]
    words = range(shapes.FIRST_WORD, shapes.HALF_BILLION["vocab_size"])
    found: dict[str, Any] = {}
    say("bare")
    bare = [servers.bare_start_s(folder, base)]
    say("managed, with the plugin")
    async with servers.managed(folder, base, adapters) as served:
        ready = [served.start_s]
        say("speeds")
        found["on"] = await speeds(served, words, prompts=3 if quick else 5, answers=8 if quick else 16)
        say("purity")
        texts = 40 if quick else 200
        found["purity_on"] = await purity.purity(served, purity.forced, texts=texts, vocabulary=words, seed=1)
        found["purity_on_next"] = await purity.purity(served, purity.next_tokens, texts=20, vocabulary=words, seed=2)
    say("managed, without the plugin")
    async with servers.managed(folder, base, adapters, mended=False) as served:
        say("purity")
        found["purity_off_next"] = await purity.purity(served, purity.next_tokens, texts=20, vocabulary=words, seed=2)
        say("speeds")
        found["off"] = await speeds(served, words, prompts=1, answers=2 if quick else 4)
    if not quick:
        say("managed, bare")
        async with servers.managed(folder, base) as served:
            ready.append(served.start_s)
        bare.append(servers.bare_start_s(folder, base))
    return found | {"ready_s": ready, "bare_s": bare}


async def practice_model(folder: Path) -> dict[str, Any]:
    """The same speeds on the model that ftchat ships, which is so small that everything around it shows."""
    base = model_path().resolve()
    adapter = shapes.write_adapter(folder / "practice-v1", base, spread=1e-4)  # else it ends its answers at once
    async with servers.managed(folder, base, [adapter]) as served:
        return await speeds(served, range(10, shape_of(base).vocab), prompts=7, answers=16)


def app_starts(folder: Path, *, times: int) -> dict[str, float]:
    """Seconds until the app says that it lives, and until its page is there; the slowest of some starts."""
    starts = []
    for number in range(times):
        with servers.app(folder / f"home-{number}") as url:
            starts.append(servers.seconds_until_they_answer(url, ["/healthz", "/"]))
    slowest = {path: max(start[path] for start in starts) for path in starts[0]}
    return {"health_seconds": round(slowest["/healthz"], 2), "page_seconds": round(slowest["/"], 2)}


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    began = time.monotonic()
    say("the app")
    figures: dict[str, Any] = {"bench": "engine", "quick": quick, **app_starts(folder, times=1 if quick else 2)}
    found = asyncio.run(half_a_billion(folder, quick=quick))
    for suffix, which in (("", "on"), ("_off", "off")):
        for what in ("ttft", "decode"):
            figures[f"adapter_{what}_ratio{suffix}"] = found[which][what]["ratio"]
    figures["base_purity_mismatches"] = found["purity_on"]["mismatches"] + found["purity_on_next"]["mismatches"]
    figures["base_purity_mismatches_off"] = found["purity_off_next"]["mismatches"]
    ready, bare = (statistics.mean(found.pop(name)) for name in ("ready_s", "bare_s"))
    figures |= {"start_ratio": round(ready / bare, 3), "ready_s": round(ready, 1), "bare_ready_s": round(bare, 1)}
    if not quick:
        say("the practice model")
        found["practice"] = asyncio.run(practice_model(folder))
        for what in ("ttft", "decode"):
            figures[f"adapter_{what}_ratio_starter"] = found["practice"][what]["ratio"]
    figures["may_supply"] = ["health_seconds", "page_seconds", "adapter_ttft_ratio"] if quick else "all"
    figures |= {"measured": found, "seconds": round(time.monotonic() - began)}
    return figures | {"machine": machine(), "calibration": calibration(folder)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line (it always is)")
    parser.add_argument("--quick", action="store_true", help="fewer turns and texts, and not the practice model")
    parser.add_argument("--folder", type=Path, default=None, help="where to put 1 GB of scratch files")
    given = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end too
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    folder = Path(tempfile.mkdtemp(prefix="ftchat-engine-", dir=given.folder))
    try:
        report(measure(folder, quick=given.quick))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
