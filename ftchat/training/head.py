"""The head over the learned positions only, a few at a time: log-probabilities of wanted tokens, and their gradient.

A head of 152 thousand words makes 300 KB of every position in bf16, and five times that with fp32 copies and gradients.
The head is frozen, so all that is ever needed of a position is one number and one vector: how its log-probability
changes with its hidden state. Both are made chunk by chunk in the forward pass, and no logits are kept.

What some architectures do after the head (a scale, a soft cap) is known here by its name in the configuration; `suits`
says whether the result is the model's own.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CHUNK = {"cpu": 2**23, "cuda": 2**25}  # logits made at once; each costs up to 26 bytes, which sizing reckons with


@dataclass(frozen=True)
class Head:
    """The last layer of a model: `scale` multiplies its logits, `cap` (if above 0) bends them to stay below it."""

    weight: Tensor
    bias: Tensor | None
    scale: float = 1.0
    cap: float = 0.0

    @staticmethod
    def of(model: Any) -> "Head":
        """The head of a causal language model."""
        layer, config = model.get_output_embeddings(), model.config.get_text_config()

        def said(name: str, otherwise: float) -> float:
            return float(getattr(config, name, None) or otherwise)

        scale = said("logit_scale", 1.0) / said("logits_scaling", 1.0)
        return Head(layer.weight, getattr(layer, "bias", None), scale, said("final_logit_softcapping", 0.0))

    def logits(self, hidden: Tensor) -> Tensor:
        """All logits, in fp32."""
        found = torch.nn.functional.linear(hidden, self.weight, self.bias).float()
        found = found * self.scale if self.scale != 1.0 else found
        return self.cap * torch.tanh(found / self.cap) if self.cap else found

    def logp(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """Log-probability (fp32) of the wanted token at each hidden state."""
        found: Tensor = _Wanted.apply(hidden, self, wanted)  # type: ignore[no-untyped-call]
        return found

    def drift(self, hidden: Tensor, before: Tensor) -> Tensor:
        """How far each next token's distribution has moved (divergence, nats) from what the states `before` give."""
        found: Tensor = _Drift.apply(hidden, self, before)  # type: ignore[no-untyped-call]
        return found

    @torch.no_grad()
    def suits(self, hidden: Tensor, logits: Tensor) -> bool:
        """Whether the logits are what the model itself makes of these hidden states."""
        return bool(torch.allclose(self.logits(hidden), logits.float(), rtol=0.02, atol=0.02))


def _rows(head: Head, hidden: Tensor) -> list[slice]:
    """The hidden states in chunks whose logits are not too many at once."""
    count = max(1, CHUNK.get(hidden.device.type, CHUNK["cpu"]) // len(head.weight))
    return [slice(start, start + count) for start in range(0, len(hidden), count)]


class _Wanted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Head, wanted: Tensor) -> Tensor:
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        found = []
        for part in _rows(head, hidden):
            logits = head.logits(hidden[part])
            norm = logits.logsumexp(dim=-1, keepdim=True)
            picked = wanted[part].unsqueeze(1)
            found.append((logits.gather(1, picked) - norm).squeeze(1))
            if slope is not None:
                steep = (logits - norm).exp_().neg_()
                steep.scatter_add_(1, picked, torch.ones_like(picked, dtype=steep.dtype))
                slope[part] = _through(head, logits, steep)
        ctx.save_for_backward(slope)
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        (slope,) = ctx.saved_tensors
        return (slope * grad.unsqueeze(1)).to(slope.dtype), None, None


class _Drift(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Head, before: Tensor) -> Tensor:
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        found = []
        for part in _rows(head, hidden):
            logits = head.logits(hidden[part])
            now, was = logits.log_softmax(dim=-1), head.logits(before[part]).log_softmax(dim=-1)
            likely = was.exp()
            found.append(was.sub_(now).mul_(likely).sum(dim=-1))
            if slope is not None:
                slope[part] = _through(head, logits, now.exp_().sub_(likely))
        ctx.save_for_backward(slope)
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        (slope,) = ctx.saved_tensors
        return (slope * grad.unsqueeze(1)).to(slope.dtype), None, None


def _through(head: Head, logits: Tensor, steep: Tensor) -> Tensor:
    """The slope for hidden states, from that for logits."""
    if head.cap:
        steep = steep * (1.0 - (logits / head.cap) ** 2)
    if head.scale != 1.0:
        steep = steep * head.scale
    return steep.to(head.weight.dtype) @ head.weight
