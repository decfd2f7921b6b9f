"""The joint loss: one term for each part that an example can play, each a mean over the whole step.

An example's part names its term. Today both terms are the negative log-likelihood of the learned tokens; pairs and
single ratings will be further terms over the same log-probabilities. It does not know how a model is run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ftchat.training.rows import Example, Part


@dataclass(frozen=True)
class Scored:
    """Log-probabilities (fp32) of a batch's learned tokens, and which example of the batch each belongs to."""

    logp: Tensor
    owner: Tensor


Term = Callable[[Scored, Tensor], Tensor]


def likelihood(scored: Scored, weights: Tensor) -> Tensor:
    """The negative log-likelihood, summed over the tokens of the examples, each token with its example's weight."""
    return -(scored.logp * weights[scored.owner]).sum()


TERMS: Mapping[Part, Term] = {"target": likelihood, "replay": likelihood}


@dataclass(frozen=True)
class JointLoss:
    """What a step minimises; `shares` is how much each part's mean counts."""

    shares: Mapping[Part, float]

    def sizes(self, step: Sequence[Example]) -> dict[Part, float]:
        """What each part's sum is divided by: the weighted number of its learned tokens in the whole step."""
        return {part: sum(e.weight * e.learned for e in step if e.part == part) for part in TERMS}

    def of(self, scored: Scored, batch: Sequence[Example], *, sizes: Mapping[Part, float]) -> dict[Part, Tensor]:
        """One batch's contribution to each part's mean; over the batches of a step they add up to the mean."""
        found = {}
        for part, term in TERMS.items():
            if any(e.part == part for e in batch):
                weights = torch.tensor([e.weight if e.part == part else 0.0 for e in batch], device=scored.logp.device)
                found[part] = term(scored, weights) / sizes[part]
        return found

    def total(self, parts: Mapping[Part, Tensor]) -> Tensor:
        """The parts together, each with its share."""
        return torch.stack([self.shares[part] * value for part, value in parts.items()]).sum()
