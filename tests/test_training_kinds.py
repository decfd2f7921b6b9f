"""Each kind of feedback alone teaches the practice model: answers never taught move the right way. Long, so soak."""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.training.pupil import Pupil
from ftchat.records import Message, Row
from ftchat.scenarios import Asked, Scenario, read_scenario, shipped_scenarios
from ftchat.starter import model_path
from ftchat.training.measure import preferred
from ftchat.training.model import Learner
from ftchat.training.rows import batches, prepare
from ftchat.training.snapshot import Snapshot

TAUGHT = 24


def _pairs(scenario: Scenario, asked: tuple[Asked, ...], told: list[str]) -> list[Row]:
    """What people wanted over what base said, where base broke the rule."""
    return [
        Row(
            id=f"v_{at}", role="pair", split="train", weight=1.0, group=f"g{at}",
            messages=(Message("user", one.prompt),), target=scenario.corrected(one, reply), rejected=reply, rater="u_1",
        )
        for at, (one, reply) in enumerate(zip(asked, told, strict=True))
        if not scenario.is_kept(one, reply)
    ]  # fmt: skip


def _as_kind(kind: str, pairs: list[Row]) -> list[Row]:
    """The same wishes, told by one kind of feedback only; thumbs are by turns up and down, on one reply each."""
    if kind == "corrections":
        return [replace(row, role="target") for row in pairs]
    if kind == "votes":
        return pairs
    up = [replace(row, role="positive", rejected=None) for row in pairs[::2]]
    return up + [replace(row, role="negative", target=str(row.rejected), rejected=None) for row in pairs[1::2]]


def _right(pupil: Pupil, learner: Learner, exam: list[Row]) -> list[bool]:
    """Of each pair never taught, whether the wanted answer gained more than the other."""
    examples = prepare(Snapshot(train=tuple(exam), tune=(), replay=()), pupil.prompter).feedback
    found: list[bool] = []
    for batch in batches(examples, tokens=2048, shared=learner.shared):
        with torch.no_grad():
            found += preferred(learner.score(batch), batch, learner.reference(batch))
    return found


def lower_bound(right: int, count: int) -> float:
    """The lower end of Wilson's 95% interval."""
    z, share = 1.96, right / count
    middle = share + z * z / (2 * count)
    return (middle - z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))) / (1 + z * z / count)


def test_lower_bound_is_wilsons() -> None:
    assert lower_bound(20, 30) == pytest.approx(0.4878, abs=1e-4)
    assert lower_bound(16, 16) == pytest.approx(0.8064, abs=1e-4)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["corrections", "votes", "thumbs"])
@pytest.mark.parametrize("rule", ["sign-off", "policy", "brevity"])
def test_each_kind_of_feedback_alone_teaches_what_people_want(kind: str, rule: str, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    (path,) = (path for path in shipped_scenarios() if path.stem == rule)
    scenario, pupil = read_scenario(path), Pupil(model_path(), tmp_path, threads=1)
    taught, aside = scenario.teach[:TAUGHT], scenario.held_out
    told = pupil.ask(pupil.base(), [(Message("user", one.prompt),) for one in (*taught, *aside)])
    learner, _ = pupil.ours(_as_kind(kind, _pairs(scenario, taught, told[:TAUGHT])), ())
    right = _right(pupil, learner, _pairs(scenario, aside, told[TAUGHT:]))
    torch.set_num_threads(threads)
    assert lower_bound(sum(right), len(right)) > 0.5
