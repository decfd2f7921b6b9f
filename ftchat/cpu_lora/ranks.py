"""How vLLM counts the tokens that are likelier than the one there, which it does whenever log-probabilities are asked
for: as plain torch.

vLLM compiles this one comparison the first time. On a CPU that takes 7 to 14 s, in which every answer stands still, to
save a table of truth values beside logits four times as large; and it was the exam of a home's first adapter that
waited. It knows nothing of LoRA or requests.
"""

import sys
from typing import Any

_NAME = "batched_count_greater_than"
_SAMPLER = "vllm.v1.sample.sampler"  # has it by name once it is imported


def count_plainly(operations: Any) -> bool:
    """Let vLLM use what it would compile as it is written; False where this vLLM has it in another way."""
    compiled = getattr(operations, _NAME, None)
    plain = getattr(compiled, "_torchdynamo_orig_callable", None)
    if not callable(plain):
        return False
    setattr(operations, _NAME, plain)
    sampler = sys.modules.get(_SAMPLER)
    if getattr(sampler, _NAME, None) is compiled:
        setattr(sampler, _NAME, plain)
    return True
