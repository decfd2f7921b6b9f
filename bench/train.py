"""How quick the trainer is, and how little memory it takes, beside TRL: each training in a process of its own, in turn.

    python -m bench.train --json [--quick]

Tuned is TRL with a base in bf16 and no gradient checkpointing, default is TRL as it comes; model, rows, steps, batch,
rank and rate are the same (bench/training/one.py). On the 0.5B shape: rows of 256 tokens of prompt and 64 of reply,
each pair seen three times, as feedback is seen many times. Compared are mean seconds of a step, ours with those in
which base is asked for its log-probabilities; of TRL's, of which none is unlike the others, two steps may be all. On
the practice model: corrections of a house rule, with the NLL of others after the same steps. `mfu` is useful work a
second, in a step of middling length, over the rate of the model's largest matrix product with the same threads. Where
there is a CUDA device the same runs use it, and the 7B shape is trained by ours alone. Figures with `_cpu` are the same
in processor seconds of all threads, for machines that are busy. `--quick` makes fewer steps and leaves out default and
growth: `may_supply` names the figures that are then as good.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.machine import machine, report
from bench.shapes import HALF_BILLION, write_base
from bench.training import starter_rows, texts
from bench.training.one import Spec
from ftchat.starter import model_path

ROOT = Path(__file__).resolve().parents[1]
PROMPT, REPLY = 256, 64  # tokens
RATE_BIG, RATE_STARTER = 1e-4, 2e-3
SEVEN_BILLION = HALF_BILLION | {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
}


def trained(folder: Path, spec: Spec) -> dict[str, Any]:
    """What one process measured."""
    path = folder / "spec.json"
    path.write_text(json.dumps(asdict(spec)))
    kept = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(spec.threads), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.training.one", str(path)], cwd=ROOT, env={**os.environ, **kept}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"The training {spec.way} {spec.kind} ended with status {done.returncode}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{spec.way} {spec.kind} {Path(spec.rows).stem}: {_told(found)}", file=sys.stderr, flush=True)
    return found


class Shape:
    """Trainings on one model folder, all with the same rows."""

    def __init__(self, folder: Path, model: Path, *, threads: int, rate: float) -> None:
        self._folder, self._model, self._threads, self._rate = folder, model, threads, rate

    def run(self, way: str, kind: str, rows: Path, *, batch: int, steps: int, **more: Any) -> dict[str, Any]:
        spec = Spec(
            way=way, kind=kind, model=str(self._model), rows=str(rows), batch=batch, steps=steps, rate=self._rate,
            threads=self._threads, **more,
        )  # fmt: skip
        return trained(self._folder, spec)


def beside_trl(folder: Path, *, threads: int, quick: bool) -> dict[str, Any]:
    """Ours and TRL's by turns on the 0.5B shape; the first of two rounds runs in the other order."""
    shape = Shape(folder, write_base(folder / "half-billion"), threads=threads, rate=RATE_BIG)
    rows = {kind: folder / f"{kind}.jsonl" for kind in ("sft", "dpo")}
    steps, batch = {"sft": 2 if quick else 3, "dpo": 3}, {"sft": 4, "dpo": 2}
    texts.write(rows["sft"], texts.made_up(8, prompt=PROMPT, reply=REPLY))
    texts.write(rows["dpo"], texts.made_up(2, prompt=PROMPT, reply=REPLY))
    found: dict[str, dict[str, Any]] = {}
    ways = ("ours", "tuned") if quick else ("default", "ours", "tuned")
    for kind, order in (("sft", ways), ("dpo", ways[::-1])):
        for way in order:
            made = steps[kind] if way == "ours" or (way == "tuned" and not quick) else 2
            found[f"{way}_{kind}"] = shape.run(way, kind, rows[kind], batch=batch[kind], steps=made)
    return _ratios(found)


def _ratios(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for kind in ("sft", "dpo"):
        for way, name in (("tuned", f"speedup_{kind}"), ("default", f"speedup_{kind}_default")):
            for clock, ending in (("seconds", ""), ("cpu_s", "_cpu")):
                if f"{way}_{kind}" in found:
                    ours, theirs = (statistics.fmean(found[f"{who}_{kind}"][clock]) for who in ("ours", way))
                    figures[name + ending] = round(theirs / ours, 2)
    memory = [found[f"ours_{kind}"]["peak_mib"] / found[f"tuned_{kind}"]["peak_mib"] for kind in ("sft", "dpo")]
    work, step_s = found["ours_sft"], statistics.median(found["ours_sft"]["seconds"])
    figures |= {"memory_ratio": round(max(memory), 3), "memory_ratio_by_kind": [round(ratio, 3) for ratio in memory]}
    figures |= {"mfu": round(work["flops"] / step_s / work["product_flops_per_s"], 3)}
    figures |= {
        "tokens_per_s": round(work["tokens"] / step_s, 1),
        "product_gflops": round(work["product_flops_per_s"] / 1e9),
    }
    return figures | {"runs": {name: _told(run) for name, run in found.items()}}


def _told(run: dict[str, Any]) -> dict[str, Any]:
    seconds, cpu = ([round(s, 3) for s in run[clock]] for clock in ("seconds", "cpu_s"))
    return {"step_s": seconds, "step_cpu_s": cpu, "peak_mib": run["peak_mib"]}


def on_starter(folder: Path, *, threads: int, quick: bool) -> dict[str, Any]:
    """The practice model: seconds of a run, and how well what was kept aside is answered, by turns, twice."""
    taught, aside = starter_rows.split(folder, taught=40)
    shape, found = Shape(folder, model_path(), threads=threads, rate=RATE_STARTER), dict[str, list[float]]()
    steps = 40 if quick else 80
    for number, way in enumerate(("ours", "tuned") if quick else ("ours", "tuned", "tuned", "ours")):
        out = str(folder / f"{way}-{number}")
        run = shape.run(way, "sft", taught, batch=8, steps=steps, rank=8, out=out)
        found.setdefault(way, []).append(sum(run["seconds"]))
        found.setdefault(f"{way} cpu", []).append(sum(run["cpu_s"]))
        found.setdefault(f"{way} nll", []).append(starter_rows.nll(Path(out), aside))
    ours, tuned = (statistics.median(found[way]) for way in ("ours", "tuned"))
    nll = {way: statistics.fmean(found[f"{way} nll"]) for way in ("ours", "tuned")}
    told = {"steps": steps, "base_nll": round(starter_rows.nll(None, aside), 4)}
    told |= {f"{way}_nll": round(value, 4) for way, value in nll.items()}
    figures = {"speedup_starter": round(tuned / ours, 2), "tune_nll_gap": round(nll["ours"] - nll["tuned"], 4)}
    figures["speedup_starter_cpu"] = round(sum(found["tuned cpu"]) / sum(found["ours cpu"]), 2)
    return figures | {"starter": told | {"ours_s": round(ours, 2), "tuned_s": round(tuned, 2)}}


def growth(folder: Path, *, threads: int) -> dict[str, Any]:
    """Seconds a row, all that comes before the first step included, at 200 and at 5,000 rows seen once each."""
    shape, per_row = Shape(folder, model_path(), threads=threads, rate=RATE_STARTER), dict[int, float]()
    for count in (200, 5000):
        rows = texts.write(folder / f"{count}.jsonl", texts.made_up(count, prompt=60, reply=20))
        run = shape.run("ours", "sft", rows, batch=20, steps=count // 20, rank=8, preparing=True)
        per_row[count] = (run["prepared_s"] + sum(run["seconds"])) / count
    return {
        "growth_ratio": round(per_row[5000] / per_row[200], 3),
        "row_ms": [round(1e3 * s, 2) for s in per_row.values()],
    }


def on_gpu(folder: Path, *, threads: int) -> dict[str, Any]:
    """The 7B shape, ours alone, where there is a CUDA device."""
    import torch

    if not torch.cuda.is_available():
        return {}
    rows = texts.write(folder / "gpu.jsonl", texts.made_up(64, prompt=PROMPT, reply=REPLY))
    shape = Shape(folder, write_base(folder / "seven-billion", SEVEN_BILLION), threads=threads, rate=RATE_BIG)
    run = shape.run("ours", "sft", rows, batch=16, steps=8, tokens=16 * (PROMPT + REPLY))
    step_s = statistics.median(run["seconds"])
    told = {"device": torch.cuda.get_device_name(), "tokens_per_s_7b": round(run["tokens"] / step_s, 1)}
    return told | {
        "peak_mib_7b": run["peak_mib"],
        "mfu_7b": round(run["flops"] / step_s / run["product_flops_per_s"], 3),
    }


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Everything, the largest first."""
    threads = len(os.sched_getaffinity(0))
    figures = beside_trl(folder, threads=threads, quick=quick) | on_starter(folder, threads=threads, quick=quick)
    if not quick:
        figures |= growth(folder, threads=threads) | on_gpu(folder, threads=threads)
    return figures | {"threads": threads, "shape": {"model": "0.5B", "prompt": PROMPT, "reply": REPLY}}


SUPPLIES = ("speedup_sft", "speedup_dpo", "memory_ratio", "mfu", "speedup_starter", "tune_nll_gap")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser("bench.train", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line, as always")
    parser.add_argument("--quick", action="store_true", help="fewer steps, without TRL's defaults and growth")
    given = parser.parse_args(argv)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="ftchat-train-"))
    try:
        figures = measure(folder, quick=given.quick)
    finally:
        shutil.rmtree(folder)
    facts = {"bench": "train", "quick": given.quick, "seconds": round(time.monotonic() - started, 1)}
    report({**facts, **({"may_supply": SUPPLIES} if given.quick else {}), **figures, "machine": machine()})


if __name__ == "__main__":
    main()
