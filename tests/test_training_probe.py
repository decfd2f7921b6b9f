"""What a trainer leaves for whoever serves its adapter: what the model itself gives the tokens of one answer."""

import json
from pathlib import Path

import pytest
import torch
from tiny_llama import write_base

from ftchat.registry import PROBE
from ftchat.training.model import Learner, load_base
from ftchat.training.probe import probe_of
from ftchat.training.rows import Example
from ftchat.training.save import save_adapter


def example(id_: str, *, prompt: int, answer: int) -> Example:
    return Example(id=id_, role="target", prompt=tuple(range(5, 5 + prompt)), answers=(tuple(range(9, 9 + answer)),))


def test_the_probe_is_what_the_model_gives_the_longest_answer_that_is_not_too_long(tmp_path: Path) -> None:
    learner = Learner(load_base(write_base(tmp_path / "base"), torch.device("cpu")), rank=4, alpha=8, seed=1)
    for name, value in learner.weights().items():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.1)
    rows = [
        example("k_1", prompt=6, answer=3),
        example("k_2", prompt=8, answer=12),
        example("k_3", prompt=240, answer=20),
    ]
    probe = probe_of(learner, rows)
    assert (len(probe["token_ids"]), probe["start"], len(probe["logprobs"])) == (20, 8, 12)
    with torch.no_grad():
        logits = learner.model(torch.tensor([probe["token_ids"]])).logits[0].float().log_softmax(-1)
    plain = [float(logits[at - 1, probe["token_ids"][at]]) for at in range(8, 20)]
    assert probe["logprobs"] == pytest.approx(plain, abs=0.05)
    save_adapter(learner, tmp_path / "out", base_name="tiny", probe=probe)
    assert json.loads((tmp_path / "out" / PROBE).read_text()) == probe


def test_where_every_row_is_long_a_part_of_one_is_enough(tmp_path: Path) -> None:
    learner = Learner(load_base(write_base(tmp_path / "base"), torch.device("cpu")), rank=4, alpha=8, seed=1)
    for prompt, answer, start in ((250, 200, 128), (250, 20, 236)):
        row = Example(id="k_1", role="pair", prompt=(5,) * prompt, answers=((9,) * answer, (7,)))
        probe = probe_of(learner, [row])
        assert (len(probe["token_ids"]), probe["start"]) == (256, start)
        assert len(probe["logprobs"]) == 256 - start
