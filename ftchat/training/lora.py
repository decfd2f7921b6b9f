"""Linear layers with their LoRAs as one operation: the products in what the base is held in, the gradients in fp32.

PEFT casts a layer's whole input to fp32 for the LoRA, which costs a fifth of a step on CPU and holds a second copy of
every activation. Here the two thin matrices take the base's kind of numbers instead; rounded to bf16 they are what is
served. Layers that read the same states share the thin products. It knows nothing of models beyond such layers.
"""

import types
from collections.abc import Sequence
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor
from torch.nn import functional


def fan(layers: Sequence[Any], x: Tensor) -> tuple[Tensor, ...]:
    """What several linear layers with their LoRAs make of the same states."""
    bases = [layer.base_layer for layer in layers]
    if layers[0].disable_adapters:
        return tuple(base(x) for base in bases)
    name = layers[0].active_adapters[0]
    frozen = [part for base in bases for part in (base.weight, base.bias)]
    learned = [part for one in layers for part in (one.lora_A[name].weight, one.lora_B[name].weight)]
    scales = [one.scaling[name] for one in layers]
    found: tuple[Tensor, ...] = _Fan.apply(x, scales, *frozen, *learned)  # type: ignore[no-untyped-call]
    return found


class _Fan(torch.autograd.Function):
    """W x + b + s B A x for several W, and the gradients for x and each A and B; every W is frozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scales: list[float], *given: Tensor) -> tuple[Tensor, ...]:
        count, rows = len(scales), x.reshape(-1, x.shape[-1])
        frozen, learned = given[: 2 * count], given[2 * count :]
        weights, biases, downs, ups = frozen[::2], frozen[1::2], learned[::2], learned[1::2]
        thin = torch.cat([down.to(x.dtype) for down in downs])
        wides = [(up * scale).to(x.dtype) for up, scale in zip(ups, scales, strict=True)]
        middles = torch.split(rows @ thin.t(), [len(down) for down in downs], dim=1)
        outs = [
            functional.linear(rows, weight, bias).addmm_(middle, wide.t())
            for weight, bias, middle, wide in zip(weights, biases, middles, wides, strict=True)
        ]
        ctx.save_for_backward(rows, thin, *weights, *wides, *middles)
        ctx.scales, ctx.shape = scales, x.shape
        return tuple(out.view(*x.shape[:-1], -1) for out in outs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        count = len(ctx.scales)
        rows, thin, *saved = ctx.saved_tensors
        weights, wides, middles = saved[:count], saved[count : 2 * count], saved[2 * count :]
        given = [grad.reshape(-1, grad.shape[-1]) for grad in grads]
        inner = torch.cat([grad @ wide for grad, wide in zip(given, wides, strict=True)], dim=1)
        ups = [(g.t() @ m).float() * s for g, m, s in zip(given, middles, ctx.scales, strict=True)]
        downs = torch.split((inner.t() @ rows).float(), [wide.shape[1] for wide in wides])
        back = None
        if ctx.needs_input_grad[0]:
            back = inner @ thin
            for grad, weight in zip(given, weights, strict=True):
                back.addmm_(grad, weight)
            back = back.view(ctx.shape)
        learned = [part for pair in zip(downs, ups, strict=True) for part in pair]
        return back, None, *[None] * (2 * count), *learned


def fuse(model: torch.nn.Module) -> int:
    """Make every plain LoRA layer of the model one operation; returns how many. Others are left to PEFT."""
    fused = 0
    for module in model.modules():
        if isinstance(module, Linear) and is_plain(module):
            module.__dict__["forward"] = types.MethodType(_forward, module)
            fused += 1
    return fused


def is_plain(module: Any) -> bool:
    """Whether a LoRA layer is nothing but W, A and B."""
    name = module.active_adapters[0]
    identity = isinstance(module.lora_dropout[name], torch.nn.Identity)
    return type(module.base_layer) is torch.nn.Linear and identity and not module.lora_variant


def _forward(self: Any, x: Tensor) -> Tensor:
    return fan([self], x)[0]
