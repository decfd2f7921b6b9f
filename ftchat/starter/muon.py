"""Muon: a step of a matrix is its momentum with all directions made about equally long (Keller Jordan, 2024).

As torch.optim.Muon computes it, but for all matrices of a shape at once, and in whichever numbers are quick here:
torch's own goes through them one by one, in bf16. It knows nothing of the model.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.775, 2.0315
_TIMES = 5


class Muon(torch.optim.Optimizer):
    """For weights of two dimensions; `kind` is what products are made in."""

    def __init__(
        self, weights: Iterable[Tensor], *, lr: float, momentum: float, weight_decay: float, kind: torch.dtype
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.kind = kind

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # there is no closure
        """One step of every weight that has a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[tuple(weight.shape)].append((weight, self._way(weight, weight.grad, group["momentum"])))
            for shape, found in alike.items():
                rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                ways = evened(torch.stack([way for _, way in found]), self.kind)
                for (weight, _), way in zip(found, ways, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(way, alpha=rate)

    def _way(self, weight: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        """The gradient with a look ahead along its mean (Nesterov)."""
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)  # as torch calls it, whose checkpoints fit
        mean: Tensor = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        return torch.lerp(gradient, mean, momentum)


def evened(matrices: Tensor, kind: torch.dtype) -> Tensor:
    """Matrices whose singular values all lie between about 0.7 and 1.2, along the same directions as those given."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).to(kind)
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for _ in range(_TIMES):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x.mT if tall else x).to(matrices.dtype)
