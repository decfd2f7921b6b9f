"""A batch of examples as the tensors that a model reads, and where in them the learned tokens are predicted.

The answers of a pair can stand in one line behind their common prompt: each sees the prompt and itself, and counts its
positions on from the prompt. A pair of a long prompt and short answers then costs little more than one answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ftchat.training.rows import Example, Line


@dataclass(frozen=True)
class Layout:
    """`ids` are padded on the right. The hidden state at (`row`, `column`) predicts `wanted`, a token of the answer
    `owner`. Lines without branches need no mask and no positions: attention looks left only."""

    ids: Tensor
    positions: Tensor | None
    mask: Tensor | None
    row: Tensor
    column: Tensor
    wanted: Tensor
    owner: Tensor


def lay_out(batch: Sequence[Example], *, shared: bool, dtype: torch.dtype, device: torch.device) -> Layout:
    """The batch's tensors; answers are counted in the order of the examples."""
    lines = [line for example in batch for line in example.lines(shared=shared)]
    longest = max(line.length for line in lines)
    placed = [_placed(line) for line in lines]
    branched = any(len(line.answers) > 1 for line in lines)
    ids = _padded([p.ids for p in placed], longest)
    cells, owner = [(row, c, w) for row, p in enumerate(placed) for c, w, _ in p.cells], []
    first = 0
    for line, p in zip(lines, placed, strict=True):
        owner += [first + answer for _, _, answer in p.cells]
        first += len(line.answers)
    row, column, wanted = torch.tensor(cells, device=device).unbind(1)
    positions = _padded([p.positions for p in placed], longest).to(device) if branched else None
    mask = _mask(_padded([p.branches for p in placed], longest).to(device), dtype) if branched else None
    return Layout(ids.to(device), positions, mask, row, column, wanted, torch.tensor(owner, device=device))


@dataclass(frozen=True)
class _Placed:
    """A line's ids, positions and branches (0 is the prompt), and its cells: column, wanted token, answer."""

    ids: list[int]
    positions: list[int]
    branches: list[int]
    cells: list[tuple[int, int, int]]


def _placed(line: Line) -> _Placed:
    start = len(line.prompt)
    placed = _Placed([*line.prompt], [*range(start)], [0] * start, [])
    for number, answer in enumerate(line.answers):
        at = len(placed.ids)
        columns = [start - 1, *range(at, at + len(answer) - 1)]
        placed.cells.extend((column, token, number) for column, token in zip(columns, answer, strict=True))
        placed.ids.extend(answer[:-1])
        placed.positions.extend(range(start, start + len(answer) - 1))
        placed.branches.extend([number + 1] * (len(answer) - 1))
    return placed


def _padded(rows: Sequence[Sequence[int]], longest: int) -> Tensor:
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])


def _mask(branches: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to attention: 0 where a position may look, and otherwise nearly minus infinity. [lines, 1, n, n]"""
    length = branches.shape[1]
    left = torch.ones(length, length, dtype=torch.bool, device=branches.device).tril()
    looks, at = branches.unsqueeze(2), branches.unsqueeze(1)
    allowed = left & ((at == 0) | (at == looks))
    return (
        torch.zeros(allowed.shape, dtype=dtype, device=branches.device)
        .masked_fill_(~allowed, torch.finfo(dtype).min)
        .unsqueeze(1)
    )


def can_share(config: Any) -> bool:
    """Whether lines may branch: rotary positions, and attention that always looks at everything to its left."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    known = getattr(config, "_attn_implementation", "") in ("sdpa", "eager")
    return known and kinds == {"full_attention"} and not window and bool(getattr(config, "rope_parameters", None))
