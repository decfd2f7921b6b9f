"""What the trainer holds the base in: whatever is quicker here, where there is memory for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from ftchat import sizing
from ftchat.training import precision
from ftchat.training.model import Learner, load_base
from ftchat.training.rows import Example
from tests.tiny_llama import write_base

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("precision") / "base")


@pytest.fixture
def took(monkeypatch: pytest.MonkeyPatch) -> dict[torch.dtype, float]:
    """Seconds of a product, by what the numbers are."""
    seconds = {torch.bfloat16: 1.0, torch.float32: 1.0}
    monkeypatch.setattr(precision, "_took", lambda width, kind: seconds[kind])
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


def test_the_time_of_a_product_is_measured() -> None:
    assert 0 < precision._took(64, torch.bfloat16) < 1


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
