"""Training the starter: batches from the endless corpus, Muon for the matrices, AdamW for the rest.

The schedule follows the steps, so a slower machine comes to weights as good later. A checkpoint is written aside and
renamed; a build that is started again goes on from it.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ftchat.errors import SetupError
from ftchat.starter.corpus import FURTHER, dialogues
from ftchat.starter.forward import THETA, bias_of, hidden, quick, turned
from ftchat.starter.vocabulary import CONTEXT, encoded, pieces_of

Batch = tuple[Any, Any, Any]  # ids, targets (-100: not learned), segments; one shape


@dataclass(frozen=True)
class Plan:
    """Size of the model and of the run."""

    steps: int = 9_000
    seed: int = 0
    width: int = 256
    layers: int = 6
    vocabulary: int = 1536
    dialogues_per_step: int = 62
    shapes: tuple[tuple[int, int], ...] = ((20, 192), (3, 320))
    compiled: bool = True
    rate: float = 0.012
    adam_rate: float = 3e-3
    first_step: int = 0
    save_every: float = 120.0

    def __post_init__(self) -> None:
        if self.steps <= self.first_step:
            raise ValueError(f"steps must be above {self.first_step}, not {self.steps}")
        if self.width % 64:
            raise ValueError(f"width must be a multiple of 64, not {self.width}")


def tiny_plan(seed: int) -> Plan:
    """A plan that runs in seconds and learns nothing: for the test."""
    small = Plan(steps=3, seed=seed, width=64, layers=2, vocabulary=600, dialogues_per_step=8)
    return replace(small, shapes=((2, 192), (1, 320)), compiled=False)


# How far finished weights stay what they were after a further run: it evens out what only its last steps did, an answer
# that never ends among them. Measured at 0, 0.15, 0.25, 0.35 and 0.5; see bench/RESULTS.md.
KEPT = 0.35


def further_plan(seed: int) -> Plan:
    """A plan that goes on from finished weights: at a third of the rates, with more of what is still weak."""
    return Plan(steps=FURTHER + 3_800, seed=seed, rate=0.004, adam_rate=1e-3, first_step=FURTHER)


def new_model(plan: Plan, tokenizer: Any) -> Any:
    """A fresh Llama for the plan."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(plan.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=plan.width,
        intermediate_size=plan.width * 3,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.width // 64,
        num_key_value_heads=plan.width // 64,
        head_dim=64,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return model


def _optimizers(model: Any, plan: Plan, *, kind: Any) -> list[Any]:
    import torch

    from ftchat.starter.muon import Muon

    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        Muon(matrices, lr=plan.rate, momentum=0.95, weight_decay=0.01, kind=kind),
        torch.optim.AdamW(rest, lr=plan.adam_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _packed(plan: Plan, tokenizer: Any, *, step: int, pieces: list[str]) -> list[Batch]:
    """The dialogues of one step laid side by side in the rows of each shape of the plan, short rows first.

    The shapes never change, because a shape that is new is compiled, which takes half a minute (so for what is learned,
    too: places come in multiples of 512). The longest dialogues
    choose first; what then does not fit is left out.
    """
    import torch

    found = encoded(tokenizer, dialogues(plan.seed, step, count=plan.dialogues_per_step, pieces=pieces))
    batches = []
    for rows, length in plan.shapes:
        shape = (rows, length)
        batches.append((torch.zeros(shape).long(), torch.full(shape, -100), torch.zeros(shape).long()))
    places = [(batch, row) for batch in batches for row in range(batch[0].shape[0])]
    filled = [0] * len(places)
    for number, (row, learned) in enumerate(sorted(found, key=lambda item: -len(item[0])), start=1):
        place = next((i for i, (batch, _) in enumerate(places) if filled[i] + len(row) <= batch[0].shape[1]), None)
        if place is None:
            continue
        (ids, targets, segments), line = places[place]
        first, last = filled[place], filled[place] + len(row)
        ids[line, first:last], segments[line, first:last] = torch.tensor(row), number
        wanted = [token if yes else -100 for token, yes in zip(row[1:], learned[1:], strict=True)]
        targets[line, first : last - 1] = torch.tensor(wanted)
        filled[place] = last
    return batches


def _kind(plan: Plan, device: str) -> Any:
    """What products are made in: bf16, or fp32 where a processor is quicker with that. The weights are fp32 always."""
    import torch

    from ftchat import fp32

    return torch.float32 if device == "cpu" and fp32.share(plan.width) < 1 else torch.bfloat16


def _summed_loss(model: Any, batch: Batch, *, forward: Callable[..., Any], device: str, kind: Any) -> Any:
    """Summed loss over the learned tokens; the head scores only those, and a dialogue sees only itself."""
    import torch

    ids, targets, segments = (part.to(device) for part in batch)
    flat = targets.flatten()
    scored, spare = (flat >= 0).nonzero().flatten(), (flat < 0).nonzero().flatten()
    places = torch.cat([scored, spare[: -len(scored) % 512]])
    found = forward(model, ids, bias_of(segments, kind), *turned(ids.shape[1], device, kind), places)
    logits = torch.nn.functional.linear(found.to(kind), model.lm_head.weight.to(kind))
    return torch.nn.functional.cross_entropy(logits.float(), flat[places], reduction="sum")


def _step(model: Any, optimizers: list[Any], batches: list[Batch], *, loss_of: Callable[..., Any]) -> float:
    """One update; returns the mean loss per learned token."""
    import torch

    counts = [int((targets >= 0).sum()) for _, targets, _ in batches]
    learned = max(1, sum(counts))
    total = 0.0
    for batch, count in zip(batches, counts, strict=True):
        if not count:
            continue  # there may be nothing in the few long rows
        loss = loss_of(model, batch) / learned
        loss.backward()
        total += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return total


def _share(progress: float, step: int) -> float:
    """The share of the peak rate: a short rise, a plateau, then a straight fall to nearly nothing."""
    rise = min(1.0, (step + 1) / 40)
    return rise * min(1.0, max(0.02, (1.0 - progress) / 0.7))


def fit(model: Any, tokenizer: Any, *, plan: Plan, checkpoint: Path, say: Callable[[str], None]) -> tuple[int, int]:
    """Trains until the steps are made. Returns how many it made and the tokens read."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = _kind(plan, device)
    model.to(device).train()
    optimizers = _optimizers(model, plan, kind=kind)
    step, tokens, spent = _resume(checkpoint, model, optimizers=optimizers, plan=plan)
    step = max(step, plan.first_step)
    say(f"starting at step {step}")
    pieces, forward = pieces_of(tokenizer), quick(hidden, wanted=plan.compiled)
    loss_of = partial(_summed_loss, forward=forward, device=device, kind=kind)
    began, saved, mean = time.monotonic() - spent, time.monotonic(), math.nan
    while step < plan.steps:
        share = _share((step - plan.first_step) / (plan.steps - plan.first_step), step - plan.first_step)
        for optimizer, peak in zip(optimizers, (plan.rate, plan.adam_rate), strict=True):
            optimizer.param_groups[0]["lr"] = peak * share
        packed = _packed(plan, tokenizer, step=step, pieces=pieces)
        loss = _step(model, optimizers, packed, loss_of=loss_of)
        tokens += sum(int((segments > 0).sum()) for _, _, segments in packed)
        mean = loss if math.isnan(mean) else 0.9 * mean + 0.1 * loss
        step += 1
        if step % 20 == 0:
            spent = time.monotonic() - began
            left = (plan.steps - step) * spent / (step - plan.first_step)
            say(f"step {step} of {plan.steps} loss {mean:.4f} tokens {tokens:,} seconds {spent:.0f} left {left:.0f}")
        if time.monotonic() - saved > plan.save_every:
            place = (step, tokens, time.monotonic() - began)
            _keep(checkpoint, model, optimizers=optimizers, plan=plan, place=place)
            saved = time.monotonic()
    return step - plan.first_step, tokens


def _keep(checkpoint: Path, model: Any, *, optimizers: list[Any], plan: Plan, place: tuple[int, int, float]) -> None:
    """Writes the checkpoint aside, then renames it."""
    import torch

    aside = checkpoint.with_suffix(".part")
    states = [optimizer.state_dict() for optimizer in optimizers]
    torch.save({"model": model.state_dict(), "optimizers": states, "plan": _said(plan), "place": place}, aside)
    os.replace(aside, checkpoint)


def _said(plan: Plan) -> str:
    """What decides what comes of a plan."""
    return str(replace(plan, compiled=True, save_every=0.0))


def _resume(checkpoint: Path, model: Any, *, optimizers: list[Any], plan: Plan) -> tuple[int, int, float]:
    """Step, tokens and seconds of an earlier start, whose state is loaded; zeros where there was none."""
    import torch

    if not checkpoint.exists():
        return 0, 0, 0.0
    kept = torch.load(checkpoint, weights_only=True)
    if kept["plan"] != _said(plan):
        raise SetupError(
            f"{checkpoint.parent} holds a build of another seed or plan. Remove it, or give --out another."
        )
    model.load_state_dict(kept["model"])
    for optimizer, state in zip(optimizers, kept["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    step, tokens, spent = kept["place"]
    return step, tokens, spent
