"""One linear layer with its LoRA as one operation: the products in the base's bf16, the gradients in the LoRA's fp32.

PEFT casts a layer's whole input to fp32 for the LoRA, which costs a fifth of a step on CPU and holds a second copy of
every activation. Here the two thin matrices are rounded to bf16 instead, which is what serving does with them. It knows
nothing of models beyond one layer.
"""

import types
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor


class _Together(torch.autograd.Function):
    """W x + b + s B A x, and its gradients for x, A and B; W is frozen."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        thin, wide = down.to(x.dtype), (up * scale).to(x.dtype)
        middle = rows @ thin.t()
        result = torch.nn.functional.linear(rows, weight, bias).addmm_(middle, wide.t())
        ctx.save_for_backward(rows, weight, thin, wide, middle)
        ctx.scale, ctx.shape = scale, x.shape
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, thin, wide, middle = ctx.saved_tensors
        given = grad.reshape(-1, grad.shape[-1])
        inner = given @ wide
        up = (given.t() @ middle).float() * ctx.scale
        down = (inner.t() @ rows).float()
        back = (given @ weight).addmm_(inner, thin).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return back, None, None, down, up, None


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
    base, name = self.base_layer, self.active_adapters[0]
    if self.disable_adapters:
        result: Tensor = base(x)
        return result
    down, up = self.lora_A[name].weight, self.lora_B[name].weight
    found: Tensor = _Together.apply(x, base.weight, base.bias, down, up, self.scaling[name])  # type: ignore[no-untyped-call]
    return found
