"""Builds the starter model from a seed: tokenizer, corpus, weights.

    python -m ftchat.starter.build --out DIR [--seed 0] [--start WEIGHTS] [--tiny]

Two runs: one from nothing, and one that goes on from it at lower rates; with --start the second alone. A build that was
stopped goes on where it was when the same command is given again: its state lies in DIR.first and DIR.building.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftchat.errors import SetupError
from ftchat.starter.train import KEPT, Plan, fit, further_plan, new_model, tiny_plan
from ftchat.starter.vocabulary import train_tokenizer


def _say(line: str) -> None:
    """One line of progress, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tokenizer(plan: Plan, work: Path) -> Any:
    """The tokenizer of this build: made once, then read from its folder."""
    from transformers import AutoTokenizer

    folder = work / "tokenizer"
    if not folder.exists():
        _say("learning the vocabulary")
        made = train_tokenizer(plan.seed, size=plan.vocabulary, count=30000 if plan.vocabulary > 1000 else 300)
        made.save_pretrained(work / "tokenizer.part")
        os.replace(work / "tokenizer.part", folder)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _publish(model: Any, tokenizer: Any, *, work: Path, out: Path) -> None:
    """Writes all files aside, then moves them into `out`, the weights last."""
    import torch
    from transformers import GenerationConfig

    aside = work / "finished"
    shutil.rmtree(aside, ignore_errors=True)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, max_new_tokens=256
    )
    model.to("cpu").to(torch.bfloat16).save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    out.mkdir(parents=True, exist_ok=True)
    (aside / "model.safetensors").chmod(0o644)
    for path in sorted(aside.iterdir(), key=lambda path: path.suffix == ".safetensors"):
        os.replace(path, out / path.name)


def _started(plan: Plan, work: Path, start: Path | None) -> tuple[Any, Any]:
    """Tokenizer and model to train: new ones, or those of finished weights."""
    if start is None:
        tokenizer = _tokenizer(plan, work)
        return tokenizer, new_model(plan, tokenizer)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(start, local_files_only=True)
    return tokenizer, AutoModelForCausalLM.from_pretrained(start, local_files_only=True, dtype=torch.float32)


def _keep_of(model: Any, before: Any) -> None:
    """Go back a part of the way to where a further run began, which evens out what only its last steps did."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.lerp_(before[name].to(weight.device), KEPT)


def build(out: Path, plan: Plan, *, start: Path | None = None) -> dict[str, int]:
    """Makes the model in `out`; returns its parameters, steps and tokens."""
    work = out.with_name(f"{out.name}.building")
    work.mkdir(parents=True, exist_ok=True)
    tokenizer, model = _started(plan, work, start)
    parameters = sum(weight.numel() for weight in model.parameters())
    _say(f"{parameters:,} parameters, {len(tokenizer):,} tokens in the vocabulary")
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()} if start else {}
    steps, tokens = fit(model, tokenizer, plan=plan, checkpoint=work / "checkpoint.pt", say=_say)
    if before:
        _keep_of(model, before)
    _publish(model, tokenizer, work=work, out=out)
    shutil.rmtree(work)
    return {"parameters": parameters, "steps": steps, "tokens": tokens}


def whole(out: Path, seed: int, *, tiny: bool) -> dict[str, int]:
    """Both runs, one after the other; returns what the second counted, and all steps and tokens."""
    first = out.with_name(f"{out.name}.first")
    counts = first / "counts.json"
    if not counts.exists():
        made = build(first, tiny_plan(seed) if tiny else Plan(seed=seed))
        counts.write_text(json.dumps({**made, "seed": seed}), encoding="utf-8")
    made = json.loads(counts.read_text(encoding="utf-8"))
    if made.pop("seed", seed) != seed:
        raise SetupError(f"{first} is of another seed. Remove it, or give --out another place.")
    further = build(out, tiny_plan(seed + 1) if tiny else further_plan(seed + 1), start=first)
    shutil.rmtree(first)
    return {name: further[name] + (made[name] if name != "parameters" else 0) for name in further}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m ftchat.starter.build", description="Builds the starter model.")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and tokenizer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="finished weights to go on from, at lower rates")
    parser.add_argument("--tiny", action="store_true", help="a few steps of a far smaller model, in seconds")
    given = parser.parse_args(arguments)
    from ftchat import fp32

    try:
        with fp32.tiny_is_nought():
            if given.start:
                plan = tiny_plan(given.seed) if given.tiny else further_plan(given.seed)
                made = build(given.out, plan, start=given.start)
            else:
                made = whole(given.out, given.seed, tiny=given.tiny)
    except SetupError as err:
        sys.exit(err.message)
    _say(json.dumps(made))


if __name__ == "__main__":
    main()
