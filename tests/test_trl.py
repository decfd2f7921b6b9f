"""Our losses and gradients against TRL's own trainers, on a tiny model in fp32: the oracle for what a row teaches."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from tiny_llama import END, write_base

from ftchat.prompt import Prompter
from ftchat.training.loss import SHARES, JointLoss, Part
from ftchat.training.model import Learner, linear_layers, load_base
from ftchat.training.rows import Example, Role, batches

PROMPTS = ("<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\n", "<|im_start|>user\nAnd what of this?<|im_end|>\n")
WANTED, OTHER = ("Good answer one.", "Two"), ("Bad.", "Something much longer than the other")
LIKE = ("Good answer two, and then some.", "Tw")
EACH: dict[Part, float] = dict.fromkeys((*SHARES,), 0.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("models") / "tiny-llama")


def learner_of(base: Path) -> Learner:
    """A learner in fp32 whose LoRA has already learned something, so that no ratio to base is 1."""
    learner = Learner(load_base(base, torch.device("cpu")).float(), rank=4, alpha=8, seed=1)
    _stir(learner.weights().values())
    return learner


def _stir(weights: Any) -> None:
    torch.manual_seed(5)
    with torch.no_grad():
        for value in weights:
            value.add_(torch.randn_like(value) * 0.05)


def example(base: Path, at: int, role: Role, *answers: str) -> Example:
    prompter = Prompter(base)
    texts = tuple((*prompter.encode(answer), prompter.stop_id) for answer in answers)
    return Example(id=f"{role} {at}", role=role, prompt=tuple(prompter.encode(PROMPTS[at])), answers=texts)


def ours(learner: Learner, rows: Sequence[Example], part: Part, *, shared: bool = True) -> tuple[float, dict[str, Any]]:
    """Our loss with one term alone, over batches of different sizes, and the LoRA's gradients."""
    learner.shared = shared
    joint = JointLoss({**EACH, part: 1.0})
    sizes, total = joint.sizes(rows), 0.0
    reference: dict[str, list[list[float]]] = {}
    for batch in batches(rows, tokens=64, shared=shared):
        reference |= learner.reference(batch)
        parts = joint.of(learner.score(batch), batch, sizes=sizes, reference=reference)
        loss = joint.total(parts, sizes)
        loss.backward()
        total += float(loss.detach())
    gradients = {name: value.grad.clone() for name, value in learner.weights().items()}
    learner.model.zero_grad()
    return total, gradients


def theirs(base: Path, folder: Path, trainer: Any, config: Any, rows: list[dict[str, Any]], **more: Any) -> Any:
    """The loss that a TRL trainer computes of one batch of all rows, and its gradients."""
    from datasets import Dataset
    from transformers import AutoTokenizer

    learner_base = load_base(base, torch.device("cpu")).float()
    lora = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=0.0, target_modules=linear_layers(learner_base), task_type="CAUSAL_LM"
    )
    args = config(
        output_dir=str(folder), per_device_train_batch_size=len(rows), bf16=False, gradient_checkpointing=False,
        report_to=[], use_cpu=True, disable_tqdm=True, **more,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(base)
    made = trainer(
        model=learner_base,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora,
    )
    weights = {n: v for n, v in made.model.named_parameters() if v.requires_grad}
    assert {v.dtype for v in weights.values()} == {torch.float32}
    torch.manual_seed(1)
    return made, weights


def same_start(learner: Learner, weights: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, value in learner.weights().items():
            weights[name].copy_(value)


def check(made: Any, weights: dict[str, torch.Tensor], learner: Learner, found: tuple[float, dict[str, Any]]) -> None:
    same_start(learner, weights)
    made.model.train()
    batch = made._prepare_inputs(next(iter(made.get_train_dataloader())))
    loss = made.compute_loss(made.model, batch)
    loss.backward()
    assert found[0] == pytest.approx(float(loss.detach()), abs=1e-4)
    assert set(found[1]) == set(weights)
    for name, gradient in found[1].items():
        torch.testing.assert_close(gradient, weights[name].grad, rtol=1e-3, atol=2e-6)
        assert float(gradient.abs().max()) > 0.0


@pytest.mark.filterwarnings("default")
def test_target_loss_and_gradients_equal_trls_sft(base: Path, tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    learner = learner_of(base)
    rows = [example(base, at, "target", WANTED[at]) for at in range(2)]
    given = [{"prompt": PROMPTS[at], "completion": WANTED[at] + END} for at in range(2)]
    made, weights = theirs(base, tmp_path, SFTTrainer, SFTConfig, given, max_length=None)
    check(made, weights, learner, ours(learner, rows, "target"))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("role", "part", "others", "shared"),
    [("pair", "pair", OTHER, True), ("pair", "pair", OTHER, False), ("target", "contrast", LIKE, True)],
    ids=["prompt shared", "prompt twice", "corrections that begin as their originals do"],
)
def test_pair_loss_and_gradients_equal_trls_dpo(
    role: Role, part: Part, others: tuple[str, ...], shared: bool, base: Path, tmp_path: Path
) -> None:
    from trl import DPOConfig, DPOTrainer

    learner = learner_of(base)
    assert learner.shared
    rows = [example(base, at, role, WANTED[at], others[at]) for at in range(2)]
    given = [
        {"prompt": p, "chosen": w + END, "rejected": o + END} for p, w, o in zip(PROMPTS, WANTED, others, strict=True)
    ]
    made, weights = theirs(base, tmp_path, DPOTrainer, DPOConfig, given, max_length=None, beta=0.1)
    check(made, weights, learner, ours(learner, rows, part, shared=shared))


@pytest.mark.filterwarnings("default")
def test_unpaired_loss_and_gradients_equal_trls_kto_with_apo_zero(base: Path, tmp_path: Path) -> None:
    from trl import KTOConfig, KTOTrainer

    learner = learner_of(base)
    texts = (*WANTED, *OTHER)
    roles: tuple[Role, ...] = ("positive", "positive", "negative", "negative")
    rows = [example(base, at % 2, role, text) for at, (role, text) in enumerate(zip(roles, texts, strict=True))]
    given = [{"prompt": PROMPTS[at % 2], "completion": text + END, "label": at < 2} for at, text in enumerate(texts)]
    made, weights = theirs(
        base, tmp_path, KTOTrainer, KTOConfig, given, max_length=None, loss_type="apo_zero_unpaired", beta=0.1
    )
    check(made, weights, learner, ours(learner, rows, "unpaired"))


def test_terms_are_means_that_count_as_their_rows_weigh(base: Path) -> None:
    rows = [example(base, 0, "target", WANTED[0], OTHER[0]), example(base, 1, "pair", WANTED[1], OTHER[1])]
    rows += [example(base, 0, "positive", WANTED[1]), example(base, 0, "replay", "x")]
    sizes = JointLoss(
        {"target": 1.0, "contrast": 0.3, "pair": 1.0, "anchor": 0.2, "unpaired": 0.5, "liked": 0.3, "replay": 0.4}
    ).sizes(rows)
    assert {part: round(count, 6) for part, count in sizes.counts.items()} == {
        "target": round(1 / 3, 6), "contrast": 0.1, "pair": round(1 / 3, 6), "anchor": round(0.2 / 3, 6),
        "unpaired": round(0.5 / 3, 6), "liked": 0.1, "replay": 0.4,
    }  # fmt: skip
    lengths = {part: sizes.divisor[part] for part in itertools.islice(("target", "pair", "replay"), 3)}
    assert lengths == {"target": len(rows[0].answers[0]), "pair": 1, "replay": 1}
