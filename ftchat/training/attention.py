"""Attention on a CPU as plain products, a band of positions at a time; and as torch has it everywhere else.

With heads as narrow as 64, torch's own kernel for CPUs takes more than twice as long (bench/RESULTS.md). Here the heads
that share keys lie in one product, a band of queries sees only the keys to its left, and nothing is kept for the
gradient but what came in: what each position looked at is worked out again, as memory would grow with the square of a
line.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

BAND = 128  # positions: fewer make small products, more look at what they may not see


def heard(query: Tensor, key: Tensor, value: Tensor, *, scale: float, mask: Tensor | None) -> Tensor:
    """What each position hears, [lines, positions, heads, width], as the query is. Without a mask it looks left;
    with one, which is added, it says all that a position may not look at."""
    if query.device.type == "cpu":
        found: Tensor = _Banded.apply(query, key, value, scale, mask)  # type: ignore[no-untyped-call]
        return found
    return whole(query, key, value, scale=scale, mask=mask)


def whole(query: Tensor, key: Tensor, value: Tensor, *, scale: float, mask: Tensor | None) -> Tensor:
    """The same as torch has it."""
    if mask is not None:  # with one, torch's quick kernels want as many keys as queries
        key, value = (part.repeat_interleave(query.shape[2] // part.shape[2], dim=2) for part in (key, value))
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True
    ).transpose(1, 2)


class _Banded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Tensor | None) -> Tensor:
        found = torch.empty(query.shape, dtype=query.dtype)
        bands, into = _Bands(query, key, value, scale, mask), _by_key(found, key.shape[2])
        for start, end in bands.places():
            into[:, :, :, start:end] = (bands.looks(start, end) @ bands.values(end)).view(bands.shape(start, end))
        ctx.save_for_backward(query, key, value)
        ctx.scale, ctx.mask = scale, mask
        return found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        query, key, value = ctx.saved_tensors
        bands = _Bands(query, key, value, ctx.scale, ctx.mask)
        given = _by_key(grad.contiguous(), key.shape[2])
        of_query = torch.empty(query.shape, dtype=query.dtype)
        into = _by_key(of_query, key.shape[2])
        of_key, of_value = torch.zeros(bands.key.shape), torch.zeros(bands.value.shape)  # fp32: a long line adds up
        for start, end in bands.places():
            looks, asked = bands.looks(start, end), bands.asked(start, end)
            came = given[:, :, :, start:end].reshape(asked.shape)
            of_value[:, :end] += looks.transpose(1, 2) @ came
            steep = torch._softmax_backward_data(came @ bands.values(end).transpose(1, 2), looks, -1, looks.dtype)
            into[:, :, :, start:end] = (steep @ bands.keys(end)).view(bands.shape(start, end))
            of_key[:, :end] += steep.transpose(1, 2) @ asked
        own = (len(key), key.shape[2], key.shape[1], key.shape[3])
        back = [part.to(grad.dtype).view(own).transpose(1, 2) for part in (of_key, of_value)]
        return of_query.mul_(ctx.scale), *back, None, None


class _Bands:
    """Queries by the key that they share, with what each band of them looks at."""

    def __init__(self, query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Tensor | None) -> None:
        self.query = _by_key(query * scale, key.shape[2])  # [lines, keys, sharing, positions, width]
        self.key, self.value = (part.transpose(1, 2).flatten(0, 1) for part in (key, value))
        self._mask = mask

    def places(self) -> list[tuple[int, int]]:
        length = self.query.shape[3]
        return [(start, min(start + BAND, length)) for start in range(0, length, BAND)]

    def shape(self, start: int, end: int) -> tuple[int, ...]:
        return (*self.query.shape[:3], end - start, self.query.shape[4])

    def asked(self, start: int, end: int) -> Tensor:
        return self.query[:, :, :, start:end].reshape(len(self.key), -1, self.query.shape[4])

    def keys(self, end: int) -> Tensor:
        return self.key[:, :end]

    def values(self, end: int) -> Tensor:
        return self.value[:, :end]

    def looks(self, start: int, end: int) -> Tensor:
        """How much each position of a band looks at each to its left, [lines and keys, sharing and positions, end]."""
        found = self.asked(start, end) @ self.keys(end).transpose(1, 2)
        whole = found.view(*self.shape(start, end)[:4], end)
        if self._mask is None:
            right = torch.ones(end - start, end - start, dtype=torch.bool).triu_(1)
            whole[..., start:].masked_fill_(right, -torch.inf)
        else:
            whole += self._mask[:, :, start:end, :end].unsqueeze(2)
        return whole.softmax(dim=-1).view(found.shape)


def _by_key(heads: Tensor, keys: int) -> Tensor:
    """[lines, positions, heads, width] as [lines, keys, heads that share the key, positions, width]; a view."""
    return heads.view(*heads.shape[:2], keys, -1, heads.shape[3]).permute(0, 2, 3, 1, 4)
