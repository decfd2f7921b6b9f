"""How vLLM counts the tokens that are likelier than the one there, which it does whenever log-probabilities are asked
for: as plain torch, some rows at a time.

vLLM compiles this one comparison the first time, so that it needs no table as large as the logits. On two slow cores
that took 14 s, in which every answer stood still, and it was the exam of a home's first adapter that waited. Some rows
at a time need no such table either. It knows nothing of LoRA or requests.
"""

import sys
from typing import Any

import torch

ROWS = 32  # at once: 44 MB of counts beside logits of 152 thousand words
_NAME = "batched_count_greater_than"
_SAMPLER = "vllm.v1.sample.sampler"  # has it by name once it is imported


def count(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """In each row of x, how many are at least the row's value."""
    parts = zip(torch.split(x, ROWS), torch.split(values, ROWS), strict=True)
    return torch.cat([(some >= least).sum(-1) for some, least in parts])


def count_plainly(operations: Any) -> bool:
    """Let vLLM count so; False where this vLLM has it in another way, or means something else."""
    theirs = getattr(operations, _NAME, None)
    plain = getattr(theirs, "_torchdynamo_orig_callable", None)
    if not callable(plain):
        return False
    asked = torch.tensor([[1.0, 3.0, 2.0], [5.0, 4.0, 4.0]]), torch.tensor([[2.0], [4.0]])
    if not torch.equal(plain(*asked), count(*asked)):
        return False
    setattr(operations, _NAME, count)
    sampler = sys.modules.get(_SAMPLER)
    if getattr(sampler, _NAME, None) is theirs:
        setattr(sampler, _NAME, count)
    return True
