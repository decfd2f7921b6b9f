"""One training in a process of its own, so that its time and its memory are its own.

    python -m bench.training.one SPEC.json

The last line of its output is one JSON object: seconds of each step by the wall clock and by the processor's, the
largest resident memory, and for ours the useful work and the rate of the machine's matrix products. `way` is ours,
tuned (TRL with a base in bf16 and no gradient checkpointing) or default (TRL as it comes, given the model's folder).
Rows, steps, batch, rank and rate are the same.
"""

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to train. `out` empty keeps nothing."""

    way: str
    kind: str
    model: str
    rows: str
    batch: int
    steps: int
    rate: float
    threads: int
    rank: int = 16
    tokens: int = 4096
    out: str = ""
    preparing: bool = False  # count what comes before the first step, too


def main(path: str) -> dict[str, Any]:
    spec = Spec(**json.loads(Path(path).read_text()))
    import torch

    torch.set_num_threads(spec.threads)
    found = _ours(spec) if spec.way == "ours" else theirs(spec)
    if torch.cuda.is_available():
        found["peak_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
    else:
        # Not ru_maxrss, which a new process takes over from the one that started it.
        status = Path("/proc/self/status").read_text()
        found["peak_mib"] = round(int(status.split("VmHWM:")[1].split()[0]) / 2**10)
    if spec.way == "ours" and spec.kind == "sft" and not spec.preparing:
        found |= _work(spec, found["precision"])
    return found


def _ours(spec: Spec) -> dict[str, Any]:
    from transformers import AutoTokenizer

    from bench.training.texts import as_examples, read
    from ftchat import fp32
    from ftchat.config import TrainArgs
    from ftchat.prompt import Prompter
    from ftchat.training.job import MetricsLog
    from ftchat.training.loop import Course
    from ftchat.training.model import Learner, device_here, load_base, width_of
    from ftchat.training.plan import choose
    from ftchat.training.precision import quickest
    from ftchat.training.rows import Examples
    from ftchat.training.run import amounts_of
    from ftchat.training.save import save_adapter

    model, device = Path(spec.model), device_here()
    kind = quickest(model, device)
    base, prompter = load_base(model, device, kind=kind), Prompter(model)
    began = time.perf_counter()
    end = AutoTokenizer.from_pretrained(spec.model).eos_token_id
    rows = as_examples(read(Path(spec.rows)), prompter, end=end, pairs=spec.kind == "dpo")
    examples = Examples(feedback=rows, replay=(), tune=(), left_out=())
    args = TrainArgs(rank=spec.rank, learning_rate=spec.rate, steps=spec.steps, batch_tokens=spec.tokens)
    plan = replace(choose(args, amounts_of(examples, width=width_of(base))), rows_per_step=spec.batch)
    learner = Learner(base, rank=plan.rank, alpha=plan.alpha, seed=0)
    stamps: list[tuple[float, float]] = []
    log = MetricsLog(Path(spec.rows).with_suffix(".metrics"))
    log.listener = lambda event: stamps.append(_now()) if event["event"] == "step" else None
    course = Course(
        learner, examples, plan=plan, prompter=prompter, samples=(), log=log, stop=threading.Event(), keeper=Nowhere()
    )
    started = _now()
    with fp32.tiny_is_nought():
        course.run()
    if spec.out:
        save_adapter(learner, Path(spec.out), base_name="base")
    spans = list(zip([started, *stamps], stamps, strict=False))
    seconds, cpu = ([after[i] - before[i] for before, after in spans] for i in (0, 1))
    told = {"seconds": seconds, "cpu_s": cpu, "prepared_s": started[0] - began}
    return told | {"precision": str(kind).removeprefix("torch.")}


def _now() -> tuple[float, float]:
    """Wall clock, and processor seconds of all threads, which a busy machine changes far less."""
    return time.perf_counter(), time.process_time()


class Nowhere:
    """No checkpoints: TRL writes none here either."""

    def read(self) -> None:
        return None

    def write(self, state: dict[str, Any]) -> None:
        del state


def theirs(spec: Spec) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    from bench.training.texts import read

    tokenizer = AutoTokenizer.from_pretrained(spec.model)
    end, pairs = tokenizer.eos_token, spec.kind == "dpo"
    rows = [asdict(row) for row in read(Path(spec.rows))]
    named = [_named(row, end, pairs=pairs) for row in rows]
    given: dict[str, Any] = {
        "output_dir": f"{spec.rows}.trl", "max_steps": spec.steps, "per_device_train_batch_size": spec.batch,
        "learning_rate": spec.rate, "report_to": [], "use_cpu": not torch.cuda.is_available(), "disable_tqdm": True,
        "save_strategy": "no", "max_length": None,
    }  # fmt: skip
    model: Any = spec.model
    if spec.way == "tuned":
        model = AutoModelForCausalLM.from_pretrained(spec.model, dtype=torch.bfloat16)
        given |= {"bf16": True, "gradient_checkpointing": False, "adam_beta2": 0.99}
        given |= {"lr_scheduler_type": "cosine", "warmup_steps": -(-spec.steps // 10)}
    lora = LoraConfig(r=spec.rank, lora_alpha=2 * spec.rank, target_modules="all-linear", task_type="CAUSAL_LM")
    times: list[tuple[float, float]] = []
    steps: list[tuple[float, float]] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            times.append(_now())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            after = _now()
            steps.append((after[0] - times[-1][0], after[1] - times[-1][1]))

    trainer = (DPOTrainer if pairs else SFTTrainer)(
        model=model, args=(DPOConfig if pairs else SFTConfig)(**given), train_dataset=Dataset.from_list(named),
        processing_class=tokenizer, peft_config=lora, callbacks=[Clock()],
    )  # fmt: skip
    trainer.train()
    if spec.out:
        trainer.save_model(spec.out)
    return {"seconds": [wall for wall, _ in steps], "cpu_s": [cpu for _, cpu in steps]}


def _named(row: dict[str, str], end: str, *, pairs: bool) -> dict[str, str]:
    if pairs:
        return {"prompt": row["prompt"], "chosen": row["chosen"] + end, "rejected": row["rejected"] + end}
    return {"prompt": row["prompt"], "completion": row["chosen"] + end}


def _work(spec: Spec, precision: str) -> dict[str, Any]:
    """Useful FLOPs of a step, and the rate of the model's largest matrix product that the same threads reach.

    Useful is what the gradients of a LoRA need: of each layer's products the forward one and the one for the gradient
    of its input, at every position; of the head both, at learned positions only. Attention and the LoRA are left out.
    """
    import torch

    config = json.loads((Path(spec.model) / "config.json").read_text())
    width, inner, words = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    keys = width // config["num_attention_heads"] * config["num_key_value_heads"]
    layer = 2 * width * width + 2 * width * keys + 3 * width * inner
    rows = [json.loads(line) for line in Path(spec.rows).read_text().splitlines()]
    learned = sum(len(row["chosen"]) + 1 for row in rows) / len(rows)
    read = sum(len(row["prompt"]) for row in rows) / len(rows) + learned - 1
    flops = spec.batch * 4.0 * (read * config["num_hidden_layers"] * layer + learned * width * words)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    many = 8192 if device.type == "cuda" else int(spec.batch * read)
    kind, some = getattr(torch, precision), int(spec.batch * learned)
    rates = [_rate(torch, many, width, inner, device, kind), _rate(torch, some, width, words, device, kind)]
    return {"flops": flops, "product_flops_per_s": max(rates), "tokens": spec.batch * read}


def _rate(torch: Any, rows: int, width: int, out: int, device: Any, kind: Any) -> float:
    left = torch.randn(rows, width, dtype=kind, device=device)
    right = torch.randn(out, width, dtype=kind, device=device)
    best = 0.0
    for _ in range(5):
        if device.type == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        torch.nn.functional.linear(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2.0 * rows * width * out / (time.perf_counter() - began))
    return best


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])), flush=True)
