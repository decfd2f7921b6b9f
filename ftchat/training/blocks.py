"""The blocks of a Llama-like model with a LoRA, in few operations: what the model itself computes, sooner.

Between the large products a model makes many small passes over memory: norms in fp32, rotary positions by slices and
copies, one LoRA at a time. Here each is one operation with a gradient of its own, the layers that read the same states
share their LoRA's products, and the last block works only where a learned token is predicted, since feedback is mostly
prompt. `Learner` asks once whether the result is the model's own. It knows neither losses nor heads.
"""

from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor
from torch.nn import functional

from ftchat.training.attention import heard
from ftchat.training.layout import Layout, can_share
from ftchat.training.lora import fan, is_plain

KINDS = frozenset({"llama", "mistral", "qwen2", "qwen3"})
_AWAY = 0.05  # of the size of the states: bf16 alone makes 0.018 of 24 blocks
_OF_BLOCK = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
_OF_ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
_OF_MLP = {"gate_proj", "up_proj", "down_proj", "act_fn"}


@dataclass(frozen=True)
class Blocks:
    """The blocks of one base, whose linear layers all have a LoRA."""

    inner: Any

    @staticmethod
    def of(base: Any) -> "Blocks | None":
        """Those of a base that is built as these are; None for others."""
        inner, config = base.base_model, base.config.get_text_config()
        known = config.model_type in KINDS and config.hidden_act == "silu" and can_share(config)
        return Blocks(inner) if known and all(_is_known(layer) for layer in inner.layers) else None

    def states(self, laid: Layout) -> Tensor:
        """The hidden states that predict the learned tokens."""
        ids, positions = laid.ids, laid.positions
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)
        x = self.inner.embed_tokens(ids)
        cos, sin = (part.unsqueeze(2) for part in self.inner.rotary_emb(x, positions))
        for layer in self.inner.layers:
            attended = _attended(layer.self_attn, _norm(layer.input_layernorm, x), turn=(cos, sin), mask=laid.mask)
            if layer is self.inner.layers[-1]:
                x, attended = x[laid.row, laid.column], attended[laid.row, laid.column]
            x = x + fan([layer.self_attn.o_proj], attended)[0]
            x = x + _mlp(layer.mlp, _norm(layer.post_attention_layernorm, x))
        return _norm(self.inner.norm, x)

    @torch.no_grad()
    def suits(self, ids: Tensor, hidden: Tensor) -> bool:
        """Whether the hidden states are those that the model itself has for these ids, one line of them."""
        column = torch.arange(ids.shape[1], device=ids.device)
        nothing = torch.zeros_like(column)
        laid = Layout(ids, None, None, row=nothing, column=column, wanted=nothing, owner=nothing)
        away = (self.states(laid).float() - hidden[0].float()).norm() / hidden[0].float().norm()
        return float(away) < _AWAY


def _is_known(layer: Any) -> bool:
    """Whether a block has the parts that are expected, and no others."""
    attention = {name for name, _ in layer.self_attn.named_children()} - {"q_norm", "k_norm"}
    parts = {name for name, _ in layer.named_children()}, {name for name, _ in layer.mlp.named_children()}
    if attention != _OF_ATTENTION or parts != (_OF_BLOCK, _OF_MLP):
        return False
    linear = [getattr(layer.self_attn, name) for name in _OF_ATTENTION]
    linear += [layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj]
    return all(isinstance(one, Linear) and is_plain(one) for one in linear)


def _mlp(layer: Any, x: Tensor) -> Tensor:
    gate, up = fan([layer.gate_proj, layer.up_proj], x)
    gated: Tensor = _Gated.apply(gate, up)  # type: ignore[no-untyped-call]
    return fan([layer.down_proj], gated)[0]


def _attended(layer: Any, x: Tensor, *, turn: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
    """What each position hears from those it may look at, all heads side by side."""
    heads = [part.view(*x.shape[:2], -1, layer.head_dim) for part in fan([layer.q_proj, layer.k_proj, layer.v_proj], x)]
    for at, norm in enumerate(("q_norm", "k_norm")):
        if hasattr(layer, norm):
            heads[at] = _norm(getattr(layer, norm), heads[at])
        heads[at] = _Turned.apply(heads[at], *turn)  # type: ignore[no-untyped-call]
    return heard(*heads, scale=layer.scaling, mask=mask).flatten(2)


def _norm(layer: Any, x: Tensor) -> Tensor:
    found: Tensor = _Norm.apply(x, layer.weight, layer.variance_epsilon)  # type: ignore[no-untyped-call]
    return found


class _Norm(torch.autograd.Function):
    """x over its root mean square, times a frozen weight; the mean is taken in fp32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
        by = square.div_(x.shape[-1]).add_(epsilon).rsqrt_()
        normal = torch.mul(x, by).to(x.dtype)
        ctx.save_for_backward(normal, weight, by)
        return normal * weight

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        normal, weight, by = ctx.saved_tensors
        steep = grad * weight
        along = (steep * normal).sum(dim=-1, keepdim=True, dtype=torch.float32).div_(-normal.shape[-1])
        return torch.addcmul(steep, normal, along.to(normal.dtype)).mul_(by.to(normal.dtype)), None, None


class _Turned(torch.autograd.Function):
    """Each head turned to its position: the halves of a head are the two coordinates."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turned(grad, cos, -sin), None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    found = x * cos
    found[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1.0)
    found[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return found


class _Gated(torch.autograd.Function):
    """silu(gate) * up."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        opened = functional.silu(gate)
        ctx.save_for_backward(gate, up, opened)
        return opened * up

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        gate, up, opened = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grad * up, gate), grad * opened
