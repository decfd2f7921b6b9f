"""Corrections of one house rule as texts, taught ones and others kept aside, and how likely an adapter makes those.

The corrections are the scenario's own templates, so that no model need be asked; likelihoods are computed in fp32 by
PEFT and transformers, the same way for every trainer's adapter.
"""

import math
from pathlib import Path
from typing import Any

from bench.training import texts
from ftchat.prompt import Prompter
from ftchat.records import Message
from ftchat.scenarios import Asked, Scenario, filled, read_scenario, shipped_scenarios
from ftchat.starter import model_path

SCENARIO = "price-form"


def split(folder: Path, *, taught: int) -> tuple[Path, Path]:
    """Files of rows that are taught, and of rows about other products."""
    (path,) = (path for path in shipped_scenarios() if path.stem == SCENARIO)
    scenario, prompter = read_scenario(path), Prompter(model_path())

    def row(asked: Asked) -> texts.Texts:
        prompt = prompter.decode(prompter.render([Message("user", asked.prompt)]))
        return texts.Texts(prompt, _wanted(scenario, asked))

    first = texts.write(folder / "taught.jsonl", [row(asked) for asked in scenario.teach[:taught]])
    return first, texts.write(folder / "aside.jsonl", [row(asked) for asked in scenario.held_out])


def _wanted(scenario: Scenario, asked: Asked) -> str:
    return filled(scenario.correction.template, asked.facts)


def nll(adapter: Path | None, rows: Path) -> float:
    """Nats a token of the rows' replies, the last token included; of base without an adapter."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_path())
    model: Any = AutoModelForCausalLM.from_pretrained(model_path(), dtype=torch.float32)
    model = PeftModel.from_pretrained(model, adapter) if adapter is not None else model
    total, tokens = 0.0, 0
    for row in texts.read(rows):
        prompt = tokenizer(row.prompt, add_special_tokens=False).input_ids
        answer = [*tokenizer(row.chosen, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        total += float(torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum"))
        tokens += len(answer)
    return total / tokens if tokens else math.nan
