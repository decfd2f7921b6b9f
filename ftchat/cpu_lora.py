"""A vLLM plugin that makes LoRA right and fast on CPU: entry point `ftchat_cpu_lora` of group vllm.general_plugins.

vLLM 0.32 gives a request without an adapter (index -1) the adapter in the last slot when both are in one batch, and it
gathers one LoRA matrix per token, which makes a long prompt ten times slower than base. Here each adapter in the batch
is one matrix product over its own rows, and rows with index -1 are left alone (vllm-project/vllm pull 48421). Asking
for prompt log-probabilities while other requests run, which ends vLLM 0.32 on CPU as soon as LoRA is on, works too.

It stays away on other platforms, when FTCHAT_CPU_LORA is 0, and where a probe finds that vLLM's own operations mean
something else than ours on rows that have an adapter. It does not know servers or requests.
"""

import logging
import os
from collections.abc import Iterator
from typing import Any

import torch

log = logging.getLogger("vllm.ftchat")  # below vLLM's own logger, so that its lines reach vLLM's log

_OPERATIONS = ("bgmv_shrink", "bgmv_expand", "bgmv_expand_slice", "sgmv_shrink", "sgmv_expand", "sgmv_expand_slice")

# Rows of a batch that share an adapter: its slot, and where they are.
Part = tuple[int, slice | torch.Tensor]


def register() -> None:
    """What vLLM calls once in each of its processes."""
    if os.environ.get("FTCHAT_CPU_LORA", "1") == "0":
        return
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    _allow_amx()
    from vllm.lora.punica_wrapper import punica_cpu

    if getattr(punica_cpu.bgmv_shrink, "__module__", "") == __name__:
        return
    ours = {name: globals()[name] for name in _OPERATIONS}
    if trouble := disagreement({name: getattr(punica_cpu, name, None) for name in _OPERATIONS}):
        log.warning("ftchat leaves LoRA on CPU as it is: %s", trouble)
        return
    for name, operation in ours.items():
        setattr(punica_cpu, name, operation)
    log.info("ftchat mends LoRA on CPU: rows without an adapter stay base, one matrix product per adapter.")


def bgmv_shrink(
    inputs: torch.Tensor, weights: torch.Tensor, output: torch.Tensor, slots: torch.Tensor, scaling: float = 1.0
) -> None:
    """output[row] = scaling * A[slot of row] @ inputs[row], for rows that have a slot."""
    _shrink(inputs, weights, output, _by_row(slots, len(inputs)), scaling)


def sgmv_shrink(
    inputs: torch.Tensor,
    weights: torch.Tensor,
    output: torch.Tensor,
    starts: torch.Tensor,
    lengths: torch.Tensor,
    slots: torch.Tensor,
    batches: int,
    max_length: int,
    tokens: int,
    scaling: float,
) -> None:
    """As bgmv_shrink, for runs of rows of known length."""
    _shrink(inputs, weights, output, _by_run(lengths, slots), scaling)


def bgmv_expand(
    inputs: torch.Tensor, weights: torch.Tensor, output: torch.Tensor, slots: torch.Tensor, add_inputs: bool = True
) -> None:
    """output[row] += B[slot of row] @ inputs[row], for rows that have a slot."""
    _expand(inputs, weights, output, _by_row(slots, len(inputs)), add=add_inputs)


def sgmv_expand(
    inputs: torch.Tensor,
    weights: torch.Tensor,
    output: torch.Tensor,
    starts: torch.Tensor,
    lengths: torch.Tensor,
    slots: torch.Tensor,
    batches: int,
    max_length: int,
    tokens: int,
    add_inputs: bool = False,
) -> None:
    """As bgmv_expand, for runs of rows of known length."""
    _expand(inputs, weights, output, _by_run(lengths, slots), add=add_inputs)


def bgmv_expand_slice(
    inputs: torch.Tensor,
    weights: torch.Tensor,
    output: torch.Tensor,
    slots: torch.Tensor,
    offset: int,
    size: int,
    add_inputs: bool = True,
) -> None:
    """As bgmv_expand, into `size` columns of the output from `offset` on."""
    _expand(inputs, weights, output[:, offset : offset + size], _by_row(slots, len(inputs)), add=add_inputs)


def sgmv_expand_slice(
    inputs: torch.Tensor,
    weights: torch.Tensor,
    output: torch.Tensor,
    starts: torch.Tensor,
    lengths: torch.Tensor,
    slots: torch.Tensor,
    batches: int,
    max_length: int,
    tokens: int,
    offset: int,
    size: int,
    add_inputs: bool = False,
) -> None:
    """As bgmv_expand_slice, for runs of rows of known length."""
    _expand(inputs, weights, output[:, offset : offset + size], _by_run(lengths, slots), add=add_inputs)


def _shrink(
    inputs: torch.Tensor, weights: torch.Tensor, output: torch.Tensor, parts: Iterator[Part], scaling: float
) -> None:
    for slot, rows in parts:
        matrix = _matrix(weights, slot, output.dtype)  # (rank, width)
        output[rows, : matrix.shape[0]] = (inputs[rows].to(output.dtype) @ matrix.t()).mul_(scaling)


def _expand(
    inputs: torch.Tensor, weights: torch.Tensor, output: torch.Tensor, parts: Iterator[Part], *, add: bool
) -> None:
    for slot, rows in parts:
        matrix = _matrix(weights, slot, output.dtype)  # (width, rank); one of the two may be padded to more columns
        found = inputs[rows].to(output.dtype) @ matrix.t()
        columns = min(found.shape[1], output.shape[1])
        if add:
            output[rows, :columns] += found[:, :columns]
        else:
            output[rows, :columns] = found[:, :columns]


def _matrix(weights: torch.Tensor, slot: int, dtype: torch.dtype) -> torch.Tensor:
    """One adapter's matrix out of the stack of (slots, height, width) or (slots, 1, height, width)."""
    matrix = weights[slot]
    return (matrix[0] if matrix.dim() == 3 else matrix).to(dtype)


def _by_run(lengths: torch.Tensor, slots: torch.Tensor) -> Iterator[Part]:
    """The parts of a batch given as runs of rows."""
    start = 0
    for length, slot in zip(lengths.tolist(), slots.tolist(), strict=True):
        if slot >= 0 and length:
            yield slot, slice(start, start + length)
        start += length


def _by_row(slots: torch.Tensor, rows: int) -> Iterator[Part]:
    """The parts of a batch given row by row.

    When prompts are scored, the rows are the tokens of one request, but the slots are those of all that run, and vLLM
    0.32 ends with an error. If they all agree, so it is. If not, nobody can tell, and the output layer, the only one
    this happens to, is taken as having no adapter: those trained here never touch it.
    """
    listed = slots.tolist()
    if len(listed) != rows:
        listed = listed[:1] * rows if len(set(listed)) == 1 else []
    for slot in sorted(set(listed)):
        if slot < 0:
            continue
        at = [row for row, other in enumerate(listed) if other == slot]
        whole = at[-1] - at[0] + 1 == len(at)
        yield slot, slice(at[0], at[-1] + 1) if whole else torch.tensor(at)


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
            globals()[name](given, matrices, wanted, *place, *tails[kind])
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
