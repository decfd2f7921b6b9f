"""vLLM's six LoRA operations, each as one matrix product per adapter in the batch; rows without an adapter are let be.

They have the names and arguments of vllm.lora.ops.torch_ops. It does not know layers, requests or vLLM itself.
"""

from collections.abc import Iterator

import torch

# Rows of a batch that share an adapter: its slot, and where they are.
Part = tuple[int, slice | torch.Tensor]


def bgmv_shrink(
    inputs: torch.Tensor, weights: torch.Tensor, output: torch.Tensor, slots: torch.Tensor, scaling: float = 1.0
) -> None:
    """output[row] = scaling * A[slot of row] @ inputs[row], for rows that have a slot."""
    _shrink(inputs, weights, output, by_row(slots, len(inputs)), scaling)


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
    _shrink(inputs, weights, output, by_run(lengths, slots), scaling)


def bgmv_expand(
    inputs: torch.Tensor, weights: torch.Tensor, output: torch.Tensor, slots: torch.Tensor, add_inputs: bool = True
) -> None:
    """output[row] += B[slot of row] @ inputs[row], for rows that have a slot."""
    _expand(inputs, weights, output, by_row(slots, len(inputs)), add=add_inputs)


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
    _expand(inputs, weights, output, by_run(lengths, slots), add=add_inputs)


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
    _expand(inputs, weights, output[:, offset : offset + size], by_row(slots, len(inputs)), add=add_inputs)


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
    _expand(inputs, weights, output[:, offset : offset + size], by_run(lengths, slots), add=add_inputs)


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


def by_run(lengths: torch.Tensor, slots: torch.Tensor) -> Iterator[Part]:
    """The parts of a batch given as runs of rows."""
    start = 0
    for length, slot in zip(lengths.tolist(), slots.tolist(), strict=True):
        if slot >= 0 and length:
            yield slot, slice(start, start + length)
        start += length


def by_row(slots: torch.Tensor, rows: int) -> Iterator[Part]:
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
