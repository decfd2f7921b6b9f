"""What is read off while training: steps, looks at the tune rows, and how fast it goes. Numbers, and no decisions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ftchat.training.loss import Part, Reference, Scored
from ftchat.training.plan import Plan
from ftchat.training.rows import Example

TAUGHT = ("target", "positive")  # whose texts themselves should come


@dataclass(frozen=True)
class Reading:
    """One step: the joint loss, each term's mean, and the mean change of wanted answers (none where no row has two)."""

    loss: float
    parts: dict[Part, float]
    shift: float | None


@dataclass(frozen=True)
class Look:
    """The tune rows: the joint loss, nats a token of texts that should come, if any, and the share of pairs that go the
    right way."""

    loss: float
    nll: float | None
    preferred: float | None

    @property
    def finite(self) -> bool:
        """Whether it can be compared with another look."""
        return math.isfinite(self.loss) and math.isfinite(self.nll or 0.0)


def by_example(scored: Scored, batch: Sequence[Example]) -> list[tuple[Example, list[float]]]:
    """Each example with the log-probabilities of its answers."""
    return [(example, sums[:, 0].tolist()) for example, sums in zip(batch, scored.sums(batch), strict=True)]


def wanted(scored: Scored, batch: Sequence[Example]) -> tuple[float, int]:
    """Log-probability and number of the tokens that people wanted: of a vote only the difference is meant."""
    found = [(own[0], example.learned) for example, own in by_example(scored, batch) if example.role in TAUGHT]
    return sum(logp for logp, _ in found), sum(tokens for _, tokens in found)


def gains(scored: Scored, batch: Sequence[Example], reference: Reference) -> list[tuple[Example, list[float]]]:
    """How much likelier than for base each answer has become, in nats, of the examples that base was asked about."""
    return [
        (example, [now - before for now, (before, _) in zip(own, reference[example.id], strict=True)])
        for example, own in by_example(scored, batch)
        if example.id in reference
    ]


def shift(scored: Scored, batch: Sequence[Example], reference: Reference) -> list[float]:
    """Change of the wanted answer of each pair, in nats a token."""
    compared = gains(scored, batch, reference)
    return [gain[0] / example.learned for example, gain in compared if len(gain) == 2]


def preferred(scored: Scored, batch: Sequence[Example], reference: Reference) -> list[bool]:
    """Of each pair, whether the wanted answer gained more than the other."""
    return [gain[0] > gain[1] for _, gain in gains(scored, batch, reference) if len(gain) == 2]


@dataclass
class Pace:
    """How fast it goes: tokens a second and tokens a step, both smoothed, and how long a look takes."""

    speed: float = 0.0
    per_step: float = 0.0
    look_s: float = 0.0

    def step(self, tokens: int, seconds: float) -> None:
        """One step was made."""
        speed = tokens / max(seconds, 1e-6)
        self.speed = 0.8 * self.speed + 0.2 * speed if self.speed else speed
        self.per_step = 0.8 * self.per_step + 0.2 * tokens if self.per_step else tokens

    def look(self, seconds: float) -> None:
        """One look was made."""
        self.look_s = seconds

    def left(self, step: int, plan: Plan) -> float:
        """Seconds until the last step and the last look."""
        steps = plan.steps - step
        looks = 1 + steps // plan.evaluate_every
        return round(steps * self.per_step / self.speed + looks * self.look_s, 2)
