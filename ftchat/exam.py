"""The exam: candidate, champion and base on the same exam rows, through the same engine; and the verdict.

What is measured is the negative log-likelihood, per token, of the text that people wanted: paired by row, so that few
rows say much. `decide` is pure and returns its reasons. It does not know how a candidate was made or loaded.
"""

import asyncio
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ftchat.config import GateArgs
from ftchat.contestants import Contestants
from ftchat.engine import Engine
from ftchat.errors import TooLong
from ftchat.prompt import Prompter
from ftchat.records import BASE, FEW_SHOT, Message, Replay, Row, Verdict

_EXACT = 14  # rows up to which every flip of signs is tried; above, so many are drawn:
_FLIPS = 20_000


@dataclass(frozen=True)
class Scores:
    """NLL per token of each contestant, row by row, and on replay answers."""

    rows: tuple[str, ...]  # groups
    target: Mapping[str, tuple[float, ...]]
    replay: Mapping[str, float]
    left_out: int = 0  # rows that are longer than the model's context


async def measure(
    engine: Engine,
    prompter: Prompter,
    contestants: Contestants,
    *,
    who: Sequence[str],
    rows: Sequence[Row],
    replay: Sequence[Replay],
) -> Scores:
    """Ask the engine for the scores of everyone on everything."""

    async def nll(name: str, messages: Sequence[Message], answer: str) -> float:
        prepared = await asyncio.to_thread(contestants.prepare, name, messages)
        ids, start = prompter.render_answer(prepared.messages, answer)
        return _mean_nll(await engine.score(prepared.model, ids, start))

    asked = [row for row in rows if _fits(prompter, row.messages, row.target)]
    kept = [item for item in replay if _fits(prompter, item.messages, item.answer)]
    target = {name: tuple([await nll(name, row.messages, row.target) for row in asked]) for name in who}
    models = [name for name in who if name != FEW_SHOT]
    retained = {name: _mean([await nll(name, i.messages, i.answer) for i in kept]) for name in models} if kept else {}
    return Scores(tuple(row.group for row in asked), target, retained, len(rows) - len(asked))


def _fits(prompter: Prompter, messages: Sequence[Message], answer: str) -> bool:
    """Whether the model can read it at all; the trainer leaves out what it cannot, too."""
    try:
        prompter.render_answer(messages, answer)
    except TooLong:
        return False
    return True


def decide(scores: Scores, *, candidate: str, champion: str, gate: GateArgs) -> Verdict:
    """PROMOTE, REJECT or INSUFFICIENT, with the reasons in words."""
    groups = len(set(scores.rows))
    reasons, figures = [], {"groups": groups, "replay_nll": dict(scores.replay)}
    rise = scores.replay.get(candidate, 0.0) - scores.replay.get(BASE, 0.0)
    forgets = bool(scores.replay) and rise > gate.replay_nll_rise
    if scores.replay:
        figures["replay_nll_rise"] = rise
        kept = "It forgot some of what base knew" if forgets else "What base knew, it still knows"
        reasons.append(f"{kept} (answers it should have kept: {rise:+.3f} nats a token, limit {gate.replay_nll_rise}).")
    if scores.left_out:
        reasons.append(f"{scores.left_out} exam rows are longer than the model can read and were left out.")
    if not groups:
        reasons.insert(0, f"No question is kept aside for the exam yet; {gate.min_groups} are needed for a verdict.")
        return Verdict(decision="INSUFFICIENT", reasons=tuple(reasons), figures=figures)
    gains = _by_group(scores, candidate=candidate, champion=champion)
    better, p_value = sum(g > 0 for g in gains), sign_flip(gains)
    figures |= {"better": better, "mean_gain": _mean(gains), "p": p_value, "nll": _means(scores)}
    reasons.insert(
        0,
        f"{better} of {groups} questions it had never seen now come closer to what you wanted than with {champion} "
        f"({_mean(gains):+.2f} nats a token).",
    )
    if groups < gate.min_groups:
        reasons.append(f"That is {groups} of the {gate.min_groups} questions that a verdict needs, so you decide.")
        return Verdict(decision="INSUFFICIENT", reasons=tuple(reasons), figures=figures)
    if forgets:
        return Verdict(decision="REJECT", reasons=tuple(reasons), figures=figures)
    if p_value <= gate.level:
        reasons.append(f"Chance alone would do that {p_value:.1%} of the time (limit {gate.level:.0%}).")
        return Verdict(decision="PROMOTE", reasons=tuple(reasons), figures=figures)
    worse = sign_flip([-g for g in gains])
    reasons.append(f"Chance alone would do that {p_value:.0%} of the time; the limit is {gate.level:.0%}.")
    return Verdict(
        decision="REJECT" if worse <= gate.level else "INSUFFICIENT", reasons=tuple(reasons), figures=figures
    )


def sign_flip(gains: Sequence[float], *, seed: int = 0) -> float:
    """How often random signs give a mean at least this large: exact for few rows, drawn (seeded) for many."""
    observed = sum(gains) - 1e-12
    sizes = [abs(g) for g in gains]
    if len(sizes) <= _EXACT:
        sums = [sum(s * x for s, x in zip(signs, sizes, strict=True)) for signs in _signs(len(sizes))]
        return sum(total >= observed for total in sums) / len(sums)
    draw = random.Random(seed)
    hits = sum(sum(x if draw.random() < 0.5 else -x for x in sizes) >= observed for _ in range(_FLIPS))
    return (hits + 1) / (_FLIPS + 1)


def _signs(n: int) -> list[tuple[int, ...]]:
    return list(itertools.product((1, -1), repeat=n))


def _by_group(scores: Scores, *, candidate: str, champion: str) -> list[float]:
    """Gain of the candidate over the champion: one number a group, since rows of a group are not independent."""
    gains: dict[str, list[float]] = {}
    for group, ours, theirs in zip(scores.rows, scores.target[candidate], scores.target[champion], strict=True):
        gains.setdefault(group, []).append(theirs - ours)
    return [_mean(values) for values in gains.values()]


def _means(scores: Scores) -> dict[str, float]:
    return {name: _mean(values) for name, values in scores.target.items()}


def _mean_nll(logprobs: Sequence[float]) -> float:
    return -_mean(logprobs)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
