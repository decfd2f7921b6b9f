"""A vLLM plugin that makes LoRA right and fast on CPU: entry point `ftchat_cpu_lora` of group vllm.general_plugins.

vLLM 0.32 gives a request without an adapter (index -1) the adapter in the last slot when both are in one batch, and it
gathers one LoRA matrix per token, which makes a long prompt ten times slower than base. Here each adapter in the batch
is one matrix product over its own rows, and rows with index -1 are left alone (vllm-project/vllm pull 48421). Asking
for prompt log-probabilities while other requests run, which ends vLLM 0.32 on CPU as soon as LoRA is on, works too.
`operations` replaces vLLM's operations, `wrapper` the way its linear layers use them; `waits` keeps vLLM's processes
from spinning while they wait for each other, and `ranks` from compiling while somebody waits for log-probabilities.

It stays away on other platforms, when FTCHAT_CPU_LORA is 0, and where a probe finds that vLLM's own operations mean
something else than ours on rows that have an adapter. It does not know servers or requests.
"""

import logging
import os
from typing import Any

import torch

from ftchat.cpu_lora import operations, ranks, waits

log = logging.getLogger("vllm.ftchat")  # below vLLM's own logger, so that its lines reach vLLM's log

_OPERATIONS = ("bgmv_shrink", "bgmv_expand", "bgmv_expand_slice", "sgmv_shrink", "sgmv_expand", "sgmv_expand_slice")


def register() -> None:
    """What vLLM calls once in each of its processes."""
    if os.environ.get("FTCHAT_CPU_LORA", "1") == "0":
        return
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    _allow_amx()
    from vllm.distributed.device_communicators import shm_broadcast
    from vllm.lora.punica_wrapper import punica_cpu
    from vllm.v1.sample.ops import logprobs

    if getattr(punica_cpu.bgmv_shrink, "__module__", "") == operations.__name__:
        return
    waits.shorten(shm_broadcast)
    ranks.count_plainly(logprobs)
    theirs = {name: getattr(punica_cpu, name, None) for name in _OPERATIONS}
    trouble = disagreement(theirs)
    if not trouble:
        from ftchat.cpu_lora import wrapper

        trouble = wrapper.disagreement()
    if trouble:
        log.warning("ftchat leaves LoRA on CPU as it is: %s", trouble)
        return
    for name in _OPERATIONS:
        setattr(punica_cpu, name, getattr(operations, name))
    punica_cpu.PunicaWrapperCPU = wrapper.Wrapper  # vLLM looks it up here when it makes a model's layers
    log.info("ftchat mends LoRA on CPU: rows without an adapter stay base, one matrix product per adapter.")


def disagreement(theirs: dict[str, Any]) -> str:
    """How vLLM's operations differ from ours on rows that all have an adapter; empty when they do not."""
    generator = torch.Generator().manual_seed(0)
    slots, lengths = torch.tensor([1, 0]), torch.tensor([2, 3])
    by_row = torch.repeat_interleave(slots, lengths)
    runs = (torch.tensor([0, 2]), lengths, slots, 2, 3, 5)
    wide, narrow = torch.randn(5, 8, generator=generator), torch.randn(5, 4, generator=generator)
    stack = torch.randn(2, 1, 4, 8, generator=generator)
    tails: dict[str, tuple[Any, ...]] = {"shrink": (0.5,), "expand": (True,), "expand_slice": (2, 8, True)}
    for name, operation in theirs.items():
        if operation is None:
            return f"this vLLM has no {name}."
        kind = name.partition("_")[2]
        given, matrices = (wide, stack) if kind == "shrink" else (narrow, stack.transpose(2, 3).contiguous())
        place = (by_row,) if name.startswith("bgmv") else runs
        found = torch.ones(5, 4 if kind == "shrink" else 10 if kind == "expand_slice" else 8)
        wanted = found.clone()
        try:
            operation(given, matrices, found, *place, *tails[kind])
            getattr(operations, name)(given, matrices, wanted, *place, *tails[kind])
        except (TypeError, ValueError, RuntimeError, IndexError) as err:
            return f"{name} of this vLLM takes other arguments ({err})."
        if not torch.allclose(found, wanted, atol=1e-4):
            return f"{name} of this vLLM computes something else."
    return ""


def _allow_amx() -> None:
    """Ask Linux for the AMX registers: vLLM 0.32 uses them in attention without asking, and dies."""
    ask = getattr(torch.cpu, "_init_amx", None)
    if ask is not None:
        ask()
