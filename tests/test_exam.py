"""The verdict is a pure function: same scores, same verdict, reasons in words."""

import pytest

from ftchat.config import GateArgs
from ftchat.exam import Scores, decide, sign_flip

GATE = GateArgs()


def scores(gains: list[float], *, rise: float = 0.0, groups: list[str] | None = None) -> Scores:
    """A candidate that is better than the champion by these gains."""
    return Scores(
        rows=tuple(groups or [f"g{i}" for i in range(len(gains))]),
        target={"new-v1": tuple(2.0 - g for g in gains), "base": (2.0,) * len(gains)},
        replay={"new-v1": 0.5 + rise, "base": 0.5},
    )


def verdict(given: Scores) -> tuple[str, str]:
    found = decide(given, candidate="new-v1", champion="base", gate=GATE)
    return found.decision, found.reasons[0]


def test_without_exam_questions_the_verdict_is_insufficient_and_says_how_many_are_needed() -> None:
    assert verdict(scores([])) == (
        "INSUFFICIENT",
        "No question is kept aside for the exam yet; 8 are needed for a verdict.",
    )


def test_under_eight_groups_nothing_is_promoted_however_good() -> None:
    decision, reason = verdict(scores([1.0] * 7))
    assert decision == "INSUFFICIENT"
    assert reason.startswith("7 of 7 questions it had never seen now come closer to what you wanted than with base")


def test_eight_clear_gains_promote() -> None:
    assert verdict(scores([0.5, 0.4, 0.6, 0.3, 0.5, 0.7, 0.2, 0.4]))[0] == "PROMOTE"


def test_rows_of_one_group_count_once() -> None:
    assert verdict(scores([0.5] * 10, groups=["same"] * 10))[0] == "INSUFFICIENT"


def test_noise_around_zero_is_not_promoted() -> None:
    assert verdict(scores([0.5, -0.4, 0.3, -0.5, 0.2, -0.3, 0.4, -0.2]))[0] == "INSUFFICIENT"


def test_clear_losses_are_rejected() -> None:
    assert verdict(scores([-0.5] * 8))[0] == "REJECT"


def test_forgetting_rejects_what_would_be_promoted() -> None:
    decision = decide(scores([0.5] * 8, rise=0.2), candidate="new-v1", champion="base", gate=GATE)
    assert decision.decision == "REJECT"
    assert decision.reasons[1].startswith("It forgot some of what base knew")


@pytest.mark.parametrize(("gains", "p"), [([1.0] * 8, 1 / 256), ([1.0, -1.0], 0.75), ([0.0] * 8, 1.0)])
def test_the_sign_flip_test_is_exact_for_few_rows(gains: list[float], p: float) -> None:
    assert sign_flip(gains) == pytest.approx(p)


def test_the_drawn_test_agrees_with_the_exact_one() -> None:
    gains = [0.3, -0.1, 0.4, 0.2, -0.3, 0.5, 0.1, 0.2, -0.2, 0.3, 0.1, -0.1, 0.2, 0.3]
    drawn = sign_flip([*gains, 0.0])
    assert drawn == pytest.approx(sign_flip(gains), abs=0.02)
