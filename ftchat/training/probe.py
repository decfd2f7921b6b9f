"""What the trained model gives the tokens of one answer, left beside the adapter: who serves it can tell whether it is
the same model.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ftchat.training.model import Learner
from ftchat.training.rows import Example

_LONGEST = 256  # tokens of prompt and answer: enough to tell models apart, and quick to score


def probe_of(learner: Learner, examples: Sequence[Example]) -> dict[str, Any]:
    """Token ids, where the answer begins, and its log-probabilities; where every row is long, of a part of one."""
    short = [e for e in examples if len(e.prompt) + e.learned <= _LONGEST]
    chosen = max(short, key=lambda e: e.learned) if short else _cut(examples[0])
    alone = replace(chosen, role="target", answers=chosen.answers[:1])
    with torch.no_grad():
        logprobs = learner.score([alone]).logp.tolist()
    token_ids = [*alone.prompt, *alone.answers[0]]
    return {"token_ids": token_ids, "start": len(alone.prompt), "logprobs": [round(value, 5) for value in logprobs]}


def _cut(example: Example) -> Example:
    """The end of its prompt and the beginning of its answer: any tokens will do."""
    answer = example.answers[0][: _LONGEST // 2]
    return replace(example, role="target", prompt=example.prompt[len(answer) - _LONGEST :], answers=(answer,))
