"""What the trainer holds the base in: whatever is quicker here, where there is memory for it."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from running import ROOT
from tiny_llama import write_base
from training_jobs import rows_of_every_kind, snapshot_of
from transformers import AutoModelForCausalLM

from ftchat import fp32, sizing
from ftchat.config import TrainArgs
from ftchat.prompt import Prompter
from ftchat.training import precision
from ftchat.training.job import MetricsLog
from ftchat.training.loop import Course
from ftchat.training.model import Learner, load_base
from ftchat.training.plan import choose
from ftchat.training.rows import Example, prepare
from ftchat.training.run import amounts_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("precision") / "base")


@pytest.fixture
def took(monkeypatch: pytest.MonkeyPatch) -> dict[torch.dtype, float]:
    """Seconds of a product, by what the numbers are."""
    seconds = {torch.bfloat16: 1.0, torch.float32: 1.0}
    monkeypatch.setattr(fp32, "_took", lambda width, kind: seconds[kind])
    return seconds


@pytest.mark.parametrize(("seconds", "wanted"), [(0.6, torch.float32), (0.79, torch.float32), (0.9, torch.bfloat16)])
def test_fp32_is_taken_where_it_is_worth_twice_the_memory(
    base: Path, took: dict[torch.dtype, float], seconds: float, wanted: torch.dtype
) -> None:
    took[torch.float32] = seconds
    assert precision.quickest(base, CPU) == wanted


def test_a_gpu_and_short_memory_mean_bf16(
    base: Path, took: dict[torch.dtype, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    took[torch.float32] = 0.1
    assert precision.quickest(base, torch.device("cuda")) == torch.bfloat16
    needs = sizing.trainer_needs(sizing.shape_of(base), "cpu")
    for free, wanted in ((2 * needs, torch.float32), (2 * needs - 1, torch.bfloat16)):
        memory = replace(sizing.look("cpu"), free=free)
        monkeypatch.setattr(sizing, "look", lambda device, memory=memory: memory)
        assert precision.quickest(base, CPU) == wanted


def test_the_share_is_of_the_quickest_of_each_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.bfloat16: cycle((5.0, 2.0, 4.0)), torch.float32: cycle((3.0, 9.0, 1.0))}  # time after time
    seen = set[tuple[int, int]]()

    def took(width: int, kind: torch.dtype) -> float:
        seen.add((width, torch.get_num_threads()))
        return next(seconds[kind])

    monkeypatch.setattr(fp32, "_took", took)
    threads = torch.get_num_threads()
    assert fp32.share(256) == 0.5
    assert (seen, torch.get_num_threads()) == ({(256, 1)}, threads)


def test_the_time_of_a_product_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp32, "time", SimpleNamespace(perf_counter=iter((1.0, 3.5)).__next__))
    assert fp32._took(64, torch.bfloat16) == 2.5


def test_what_is_tiny_is_nought_within_and_in_threads_that_torch_starts() -> None:
    """In a process of its own, whose threads nobody has started before."""
    code = """
import numpy, torch
from ftchat import fp32
torch.set_num_threads(2)
tiny = torch.from_numpy(numpy.full(1_000_000, 1e-39, "float32"))
with fp32.tiny_is_nought():
    within = int((tiny + tiny).count_nonzero())
print(within, int((tiny[:9] + tiny[:9]).count_nonzero()))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["0", "9"]


def test_positions_turn_as_in_the_model_itself(base: Path) -> None:
    itself = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    wanted = dict(itself.named_buffers())
    assert wanted
    for kind in (torch.bfloat16, torch.float32):
        found = dict(load_base(base, CPU, kind=kind).named_buffers())
        assert {name: value.dtype for name, value in found.items()} == {n: value.dtype for n, value in wanted.items()}
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_either_gives_the_same_answers_the_same_chances_but_for_rounding(base: Path) -> None:
    example = Example(id="one", role="target", prompt=tuple(range(5, 25)), answers=(tuple(range(30, 40)),))
    weights: Any = None
    found = []
    for kind in (torch.bfloat16, torch.float32):
        loaded = load_base(base, CPU, kind=kind)
        assert loaded.dtype == kind
        held = {name: value.float() for name, value in loaded.state_dict().items()}
        weights = weights or held
        assert all(torch.equal(value, weights[name]) for name, value in held.items()), "the weights that are served"
        with torch.no_grad():
            found.append(Learner(loaded, rank=4, alpha=8, seed=1).score([example]).logp)
    torch.testing.assert_close(*found, rtol=0.02, atol=0.05)


class _Kept:
    """A keeper of all checkpoints, that gives back one of them."""

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        self.given, self.written = given, list[dict[str, Any]]()

    def read(self) -> dict[str, Any] | None:
        return deepcopy(self.given)

    def write(self, state: dict[str, Any]) -> None:
        self.written.append(deepcopy(state))


@pytest.mark.parametrize(("kind", "again"), [(torch.bfloat16, False), (torch.float32, True)])
def test_a_run_that_goes_on_with_other_numbers_asks_base_again(
    base: Path, tmp_path: Path, kind: torch.dtype, again: bool
) -> None:
    examples = prepare(snapshot_of(rows_of_every_kind()), Prompter(base))
    plan = choose(TrainArgs(steps=3, batch_tokens=512, evaluate_every=1), amounts_of(examples, width=64))
    asked: list[str] = []

    class Asking(Learner):
        def reference(self, batch: Sequence[Example]) -> dict[str, list[list[float]]]:
            asked.extend(example.id for example in batch)
            return super().reference(batch)

    def run(keeper: _Kept, held: torch.dtype) -> None:
        learner = Asking(load_base(base, CPU, kind=held), rank=plan.rank, alpha=plan.alpha, seed=0)
        with closing(MetricsLog(tmp_path / "metrics.jsonl")) as log:
            Course(
                learner, examples, plan=plan, prompter=Prompter(base), samples=(), log=log, stop=threading.Event(),
                keeper=keeper,
            ).run()  # fmt: skip

    first = _Kept()
    run(first, torch.bfloat16)
    middle = first.written[1]
    known = set(middle["reference"])
    assert known
    asked.clear()
    run(_Kept(middle), kind)
    assert bool(known & set(asked)) == again
