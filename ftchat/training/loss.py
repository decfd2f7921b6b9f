"""The joint loss: one term for each thing that an example can teach, each a mean over the whole step.

    target    likelihood of a correction               contrast  corrected over original (DPO)
    pair      a vote's winner over the other (DPO)     anchor    a light pull towards a vote's winner
    unpaired  liked up, disliked down (APO-zero)       liked     a light pull towards a liked reply
    replay    base's own words, and what else it could have said

Replay is the divergence from base's distribution at every token of its answer, not the likelihood of that answer: it is
nothing at the start, pulls only where something has moved, and holds more than the one answer that was written down.
Of 33 answers of kinds that were not taught, 21 stayed the same to the letter with it and 16 without (40 corrections of
a price form on the practice model, 80 steps, both 10 of 10 on products never taught).

Means are over tokens where a likelihood is meant and over rows where a preference or a replayed answer is, so that no
long answer is held harder than a short one. A term then counts as much as its rows weigh beside as many rows of the
usual weight, times its share: neither a step's mixture nor rows that are all light make one row louder than another.

Two answers are compared by what comes after the beginning that they share: it says nothing of which is better, and
where lengths are evened out (`normal_length`) it would be pushed down with the longer one. Corrections are never evened
out: that the wanted one is longer or shorter is what was taught. Their DPO has a small share, since it goes on pushing
the original's letters down long after the correction is known. It does not know how a model is run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ftchat.training.rows import Example, Role

Part = Literal["target", "contrast", "pair", "anchor", "unpaired", "liked", "replay"]
LIKELIHOODS: tuple[Part, ...] = ("target", "anchor", "liked")
COMPARED: tuple[Part, ...] = ("contrast", "pair", "unpaired")  # with what base says
# Where DPO would let both replies of a pair fall, the pull holds the better one up: a correction's is its own target.
TEACHES: Mapping[Role, tuple[Part, ...]] = {
    "target": ("target", "contrast"),
    "pair": ("pair", "anchor"),
    "positive": ("unpaired", "liked"),
    "negative": ("unpaired",),
    "replay": ("replay",),
}
SHARES: Mapping[Part, float] = {
    "target": 1.0, "contrast": 0.3, "pair": 1.0, "anchor": 0.2, "unpaired": 0.5, "liked": 0.3, "replay": 0.5,
}  # fmt: skip
BETA = 0.1


@dataclass(frozen=True)
class Scored:
    """Log-probabilities (fp32) of a batch's learned tokens, and which answer of the batch each belongs to."""

    logp: Tensor
    owner: Tensor

    def sums(self, batch: Sequence[Example]) -> tuple[Tensor, ...]:
        """For each example of the batch [answers, 2]: the log-probability of each answer, and of the part of it that
        comes after what both answers begin with."""
        counts = [len(e.answers) for e in batch]
        late = [at >= e.common for e in batch for answer in e.answers for at in range(len(answer))]
        apart = self.logp.where(torch.tensor(late, device=self.logp.device), 0.0)
        found = torch.zeros(sum(counts), 2, device=self.logp.device)
        found = found.index_add(0, self.owner, torch.stack([self.logp, apart], dim=1))
        return torch.split(found, counts)


def parts_of(example: Example) -> tuple[Part, ...]:
    """What an example teaches; a correction without a rejected reply has nothing to be compared with."""
    return tuple(p for p in TEACHES[example.role] if p != "contrast" or len(example.answers) == 2)


@dataclass(frozen=True)
class Sizes:
    """Of one step: what each term's sum is divided by, and how much the term counts."""

    divisor: Mapping[Part, float]
    counts: Mapping[Part, float]


Reference = Mapping[str, Sequence[Sequence[float]]]  # row id -> what `Scored.sums` gives it of base


@dataclass(frozen=True)
class JointLoss:
    """What a step minimises. `normal_length` above 0 compares the replies of a vote by log-probability a token, times
    that length: where winners are much longer or shorter than the others, length must not be what is learned.
    `usual_weight` is the mean weight of all feedback, of which a step has some rows only."""

    shares: Mapping[Part, float]
    beta: float = BETA
    normal_length: float = 0.0
    usual_weight: float = 1.0

    def sizes(self, step: Sequence[Example]) -> Sizes:
        """The sizes of a whole step, which its batches share."""
        of: dict[Part, list[Example]] = {}
        for example in step:
            for part in parts_of(example):
                of.setdefault(part, []).append(example)
        divisor = {p: sum(e.weight * (e.learned if p in LIKELIHOODS else 1) for e in of[p]) for p in of}
        feedback = sum(e.role != "replay" for e in step) * self.usual_weight or 1.0
        weight = {p: 1.0 if p == "replay" else sum(e.weight for e in of[p]) / feedback for p in of}
        return Sizes(divisor, {p: self.shares[p] * weight[p] for p in of})

    def of(
        self, scored: Scored, batch: Sequence[Example], *, sizes: Sizes, reference: Reference | None = None
    ) -> dict[Part, Tensor]:
        """One batch's contribution to each term's mean; over the batches of a step they add up to the mean."""
        found: dict[Part, Tensor] = {}
        for example, logp in zip(batch, scored.sums(batch), strict=True):
            for part in parts_of(example):
                term = example.weight * self._term(part, example, logp, reference or {}) / sizes.divisor[part]
                found[part] = found[part] + term if part in found else term
        return found

    def _term(self, part: Part, example: Example, logp: Tensor, reference: Reference) -> Tensor:
        if part in LIKELIHOODS:
            return -logp[0, 0]
        if part == "replay":
            return -logp[0, 0] / example.learned
        gain = logp - torch.tensor(reference[example.id], device=logp.device)
        if part == "unpaired":
            return torch.sigmoid(self.beta * gain[0, 0] * (1.0 if example.role == "negative" else -1.0))
        return -logsigmoid(self.beta * self._margin(example, gain[:, 1]))

    def _margin(self, example: Example, gain: Tensor) -> Tensor:
        """By how much the wanted answer gained more than the other, from where they differ."""
        if not self.normal_length or example.role == "target":
            return gain[0] - gain[1]
        lengths = [length / self.normal_length for length in example.apart]
        return gain[0] / lengths[0] - gain[1] / lengths[1]

    def total(self, parts: Mapping[Part, Tensor], sizes: Sizes) -> Tensor:
        """The terms together, each as much as it counts."""
        return torch.stack([sizes.counts[part] * value for part, value in parts.items()]).sum()
