"""What stands between vLLM's linear layers and an adapter's matrices on CPU: their products, with little around them.

vLLM's own way splits the rows anew in each layer, and multiplies each projection of a packed layer (q, k and v; gate
and up) by itself, in float32. Here the rows are split once per batch, the first matrices of a packed layer are one,
and so that a token of an answer, where nearly all is overhead, costs little, there are two ways to multiply:

- few rows and a small layer: float32 copies made once per adapter, the second matrices joined into one as well. On one
  core a layer of width 256 takes 6 us so, 33 with bfloat16, whose products are slow to begin; base itself takes 20.
- otherwise: bfloat16, as the adapter is stored, added in place. 990 rows through a layer of 896 to 9728 take 1.1 ms so,
  64 in float32; base takes 38.

Imported by the plugin alone, in vLLM's processes. It does not know requests or adapters' names.
"""

from types import SimpleNamespace
from typing import Any

import torch
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

from ftchat.cpu_lora.operations import Part, by_row

FEW = 8  # rows up to which float32 is quicker
SMALL = 1 << 17  # values of a matrix up to which a copy in float32 is kept for each slot
Stacks = tuple[torch.Tensor, ...]
Piece = tuple[slice, slice, torch.Tensor]  # columns of a layer's output, ranks, and the matrix from these to those


class Matrices:
    """One adapter's matrices of one layer, made ready to multiply by; `empty` where it does not touch the layer."""

    def __init__(self, first: Stacks, second: Stacks, slot: int) -> None:
        """`first` and `second` are vLLM's stacks (slots, 1, rank, width) and (slots, 1, width, rank) per projection."""
        pairs = [(a[slot, 0], b[slot, 0]) for a, b in zip(first, second, strict=True)]
        ranks = [_rank(a, b) for a, b in pairs]
        used = [a[:rank] for (a, _), rank in zip(pairs, ranks, strict=True) if rank]
        self.empty = not used
        if self.empty:
            return
        self._first = (used[0] if len(used) == 1 else torch.cat(used)).t()
        self._second: list[Piece] = []
        column = done = 0
        for (_, b), rank in zip(pairs, ranks, strict=True):
            if rank:
                self._second.append((slice(column, column + len(b)), slice(done, done + rank), b[:, :rank].t()))
            column, done = column + len(b), done + rank
        self._quick: tuple[torch.Tensor, list[Piece]] | None = None
        if max(self._first.numel(), *(matrix.numel() for _, _, matrix in self._second)) <= SMALL:
            self._quick = (self._first.float().contiguous(), _in_float32(self._second, (done, column)))

    def add(self, output: torch.Tensor, inputs: torch.Tensor) -> None:
        """Add to each row of the output what the adapter makes of the row of inputs."""
        if self._quick is not None and len(inputs) <= FEW:
            first, pieces = self._quick
            shrunk = torch.mm(inputs.float(), first)
            if len(pieces) == 1 and pieces[0][2].shape[1] == output.shape[1]:
                output.add_(torch.mm(shrunk, pieces[0][2]))
                return
            for columns, ranks, matrix in pieces:
                output[:, columns].add_(torch.mm(shrunk[:, ranks], matrix))
            return
        shrunk = torch.mm(inputs, self._first)
        for columns, ranks, matrix in self._second:
            output[:, columns].addmm_(shrunk[:, ranks], matrix)


class Layer:
    """The matrices of one layer, per slot, for as long as nobody writes into vLLM's stacks."""

    def __init__(self, first: Stacks, second: Stacks) -> None:
        self.stacks = (first, second)
        kinds = {stack.dtype for stack in first + second}
        traced = not any(stack.is_inference() for stack in first + second)  # else a write into them does not show
        self.dtype = kinds.pop() if traced and len(kinds) == 1 else None
        self._written = -1
        self._slots: dict[int, Matrices] = {}

    def of(self, slot: int) -> Matrices:
        """Those of the adapter that is in this slot now."""
        first, second = self.stacks
        written = sum([stack._version for stack in first]) + sum([stack._version for stack in second])
        if written != self._written:  # an adapter came or went
            self._written = written
            self._slots.clear()
        found = self._slots.get(slot)
        if found is None:
            found = self._slots[slot] = Matrices(first, second, slot)
        return found


class Wrapper(PunicaWrapperCPU):  # type: ignore[misc]  # vLLM has no types
    """vLLM's own, but for linear layers, and output layers that the adapters in the batch leave alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parts: list[Part] = []  # of the rows that go through the layers
        self._writing: set[int] = set()  # slots of the adapters whose next tokens are asked for
        self._layers: dict[int, Layer] = {}

    def update_metadata(self, *args: Any, **kwargs: Any) -> None:
        """Take the adapter of each row, once for all layers."""
        super().update_metadata(*args, **kwargs)
        self._writing = {slot for slot in self.sampler_indices.tolist() if slot >= 0}
        self._parts = list(by_row(self.token_lora_indices, len(self.token_lora_indices)))

    def add_lora_linear(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: Stacks,
        lora_b_stacked: Stacks,
        scale: float,
        output_slices: tuple[int, ...],
        **others: Any,
    ) -> None:
        """Add to each row of y what its adapter makes of its row of x."""
        if not self._parts:
            return
        layer = self._layer(lora_a_stacked, lora_b_stacked)
        if others or scale != 1.0 or x.dim() != 2 or y.dim() != 2 or not x.dtype == y.dtype == layer.dtype:
            super().add_lora_linear(y, x, lora_a_stacked, lora_b_stacked, scale, output_slices, **others)
            return
        for slot, rows in self._parts:
            matrices = layer.of(slot)
            if matrices.empty:
                continue
            if isinstance(rows, slice):
                whole = rows.stop - rows.start == len(x)
                matrices.add(y if whole else y[rows], x if whole else x[rows])
            else:
                taken = y[rows]
                matrices.add(taken, x[rows])
                y[rows] = taken

    def add_lora_logits(
        self, y: torch.Tensor, x: torch.Tensor, lora_a_stacked: torch.Tensor, lora_b_stacked: torch.Tensor, *rest: Any,
        **others: Any,
    ) -> None:  # fmt: skip
        """As vLLM does, but not for adapters that leave the output layer alone, as all do that are trained here."""
        layer = self._layer((lora_a_stacked,), (lora_b_stacked,))
        if layer.dtype is None or not all(layer.of(slot).empty for slot in self._writing):
            super().add_lora_logits(y, x, lora_a_stacked, lora_b_stacked, *rest, **others)

    def _layer(self, first: Stacks, second: Stacks) -> Layer:
        """The layer that these stacks belong to, which it holds, so that the id stays theirs."""
        found = self._layers.get(id(first[0]))
        if found is None:
            found = self._layers[id(first[0])] = Layer(first, second)
        return found


@torch.inference_mode(mode=False)  # as vLLM makes its stacks
def disagreement() -> str:
    """How vLLM's linear layers would fare differently with this, all rows having an adapter; empty when they do not."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(5, 8, generator=generator)
    first = tuple(torch.randn(2, 1, 4, 8, generator=generator) for _ in range(2))
    second = tuple(torch.randn(2, 1, width, 4, generator=generator) for width in (6, 3))
    mapping = SimpleNamespace(index_mapping=(7, 7, 5, 5, 5), prompt_mapping=(7, 5), is_prefill=True)
    outputs = []
    try:
        for kind in (PunicaWrapperCPU, Wrapper):
            made = kind(8, 8, "cpu")
            made.update_metadata(mapping, [5, 7], 3, 16)
            outputs.append(torch.ones(5, 9))
            made.add_lora_linear(outputs[-1], inputs, first, second, 1.0, (6, 3))
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError) as err:
        return f"the layers of this vLLM are built in another way ({err})."
    alike = torch.allclose(outputs[0], outputs[1], atol=1e-4)
    return "" if alike else "the layers of this vLLM compute something else."


def _rank(first: torch.Tensor, second: torch.Tensor) -> int:
    """Of an adapter whose matrices are filled up with zeros to the largest rank that the server takes."""
    used = (first.any(1) & second.any(0)).nonzero()
    return int(used.max()) + 1 if len(used) else 0


def _in_float32(pieces: list[Piece], size: tuple[int, int]) -> list[Piece]:
    """Copies of the second matrices, joined into one of that size where this is small."""
    if size[0] * size[1] > SMALL:
        return [(columns, ranks, matrix.float().contiguous()) for columns, ranks, matrix in pieces]
    joined = torch.zeros(size)
    for columns, ranks, matrix in pieces:
        joined[ranks, columns] = matrix
    return [(slice(0, size[1]), slice(0, size[0]), joined)]
