"""The verdict is a pure function: same scores, same verdict, reasons in words."""

import math
import random
import time
from dataclasses import replace

import pytest

from ftchat.config import GateArgs, Settings
from ftchat.exam import Answers, Pinned, Scores, decide, shuffled, sign_flip, without_pins
from ftchat.exam.chance import interval, mean
from ftchat.pipeline.examine import gate_of

GATE = GateArgs()
FLAWS = {"fixed": 3, "still": 1, "new": 2, "unseen": 0, "unseen_fixed": 0, "marked": 4}
FLAWS |= {"fixed_before": 1, "new_before": 0}
CLEAR = [0.5, 0.4, 0.6, 0.3, 0.5, 0.7, 0.2, 0.4]


def scores(gains: list[float], *, rise: float = 0.0, groups: list[str] | None = None) -> Scores:
    """A candidate that is better than the champion by these gains."""
    return Scores(
        rows=tuple(groups or [f"g{i}" for i in range(len(gains))]),
        target={"new-v1": tuple(2.0 - g for g in gains), "base": (2.0,) * len(gains)},
        replay={"new-v1": (0.5 + rise,), "base": (0.5,)},
    )


def answers(*, closer: int = 6, **others: object) -> Answers:
    given = {"closer": {"new-v1": closer, "old-v3": 3, "base": 1}, "length": {"new-v1": 1.0, "base": 0.9}}
    return Answers(**{"asked": 8, "looked_at": 8, **given, **others})  # type: ignore[arg-type]


def verdict(given: Scores, said: Answers | None = None, *, before: int = 0) -> tuple[str, tuple[str, ...]]:
    found = decide(given, candidate="new-v1", champion="base", gate=GATE, answers=said, before=before)
    return found.decision, found.reasons


def test_without_exam_questions_the_verdict_is_insufficient_and_says_how_many_are_needed() -> None:
    decision, reasons = verdict(scores([]))
    assert (decision, reasons[0]) == (
        "INSUFFICIENT",
        "No question is kept aside for the exam yet; 8 are needed for a verdict.",
    )


def test_under_eight_groups_nothing_is_promoted_however_good() -> None:
    decision, reasons = verdict(scores([1.0] * 7))
    assert decision == "INSUFFICIENT"
    likelier = "What you wanted became likelier on 7 of 7 questions it had never seen than with base"
    assert reasons[0] == f"{likelier} (+1.00 nats a token)."
    assert reasons[-1] == "That is 7 of the 8 questions that a verdict needs, so you decide."


def test_eight_clear_gains_promote() -> None:
    assert verdict(scores(CLEAR))[0] == "PROMOTE"


@pytest.mark.parametrize(("before", "said"), [(0, ""), (1, " 1 adapter was"), (3, " 3 adapters were")])
def test_how_many_had_their_chance_before_is_said(before: int, said: str) -> None:
    chance = "Chance alone would bring such a gain in likelihood 0.4% of the time (limit 5%)."
    decision, reasons = verdict(scores(CLEAR), before=before)
    assert (decision, reasons[-1]) == ("PROMOTE", chance + (said and f"{said} examined against base before it."))


def test_rows_of_one_group_count_once() -> None:
    assert verdict(scores([0.5] * 10, groups=["same"] * 10))[0] == "INSUFFICIENT"


def test_noise_around_zero_is_not_promoted() -> None:
    assert verdict(scores([0.5, -0.4, 0.3, -0.5, 0.2, -0.3, 0.4, -0.2]))[0] == "INSUFFICIENT"


def test_clear_losses_are_rejected() -> None:
    decision, reasons = verdict(scores([-0.5] * 8))
    assert (decision, reasons[-1]) == ("REJECT", "Chance alone would bring such a loss in likelihood 0.4% of the time.")


def test_of_very_many_rows_chance_is_drawn_within_a_moment() -> None:
    began = time.process_time()
    assert sign_flip([0.1, -0.1] * 2500) == pytest.approx(0.5, abs=0.02)
    assert time.process_time() - began < 3.0


def test_forgetting_rejects_what_would_be_promoted() -> None:
    decision, reasons = verdict(scores([0.5] * 8, rise=0.2))
    assert decision == "REJECT"
    assert reasons[1].startswith("It forgot some of what base knew")


def test_the_words_say_first_what_people_see() -> None:
    found = decide(
        replace(scores(CLEAR), target={**scores(CLEAR).target, "old-v3": (2.0,) * 8}),
        candidate="new-v1",
        champion="old-v3",
        gate=GATE,
        answers=answers(length={"new-v1": 1.0, "old-v3": 1.0}),
    )
    assert found.reasons == (
        "6 of 8 questions it had never seen now come closer to your wording; old-v3: 3, base: 1.",
        "What you wanted became likelier on 8 of 8 than with old-v3 (+0.45 nats a token).",
        "What base knew, it still knows (answers it should have kept: +0.000 nats a token, limit 0.05).",
        "Chance alone would bring such a gain in likelihood 0.4% of the time (limit 5%).",
    )
    assert (found.figures["asked"], found.figures["closer"]["base"], found.figures["groups"]) == (8, 1, 8)


def test_a_choice_between_two_replies_counts_where_nobody_wrote_the_text() -> None:
    margins = {"new-v1": (0.5,) * 8, "base": (0.1,) * 8}
    given = Scores(rows=(), target={}, replay={}, pairs=tuple(f"g{i}" for i in range(8)), margin=margins)
    found = decide(given, candidate="new-v1", champion="base", gate=GATE)
    assert (found.decision, round(found.figures["mean_gain"], 6)) == ("PROMOTE", 0.4)
    ahead = "Of two answers the one that you preferred is further ahead on 8 of 8"
    assert found.reasons[0] == f"{ahead} questions it had never seen than with base (+0.40 nats a token)."
    both = replace(given, **{name: getattr(scores([0.5, -0.1]), name) for name in ("rows", "target")})
    found = decide(both, candidate="new-v1", champion="base", gate=GATE, answers=answers(asked=2))
    assert found.reasons[1:3] == (
        "What you wanted became likelier on 1 of 2 than with base (+0.20 nats a token).",
        "Of two answers the one that you preferred is further ahead on 6 of 6 than with base (+0.40 nats a token).",
    ), "where somebody wrote the text, that counts"


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_no_gain(broken: float) -> None:
    given = scores(CLEAR)
    ours = (*given.target["new-v1"][:-1], broken)
    worse = replace(given, target={**given.target, "new-v1": ours})
    said = "How likely new-v1 or base finds an answer was not a number, so nothing can be said of it."
    assert verdict(worse) == ("REJECT", (said,))
    assert verdict(replace(given, replay={"new-v1": (broken,), "base": (0.5,)})) == ("REJECT", (said,))


def test_how_many_preferred_answers_are_found_likelier_is_said_and_at_what_cost() -> None:
    prefers = {"new-v1": 0.75, "old-v3": 0.5, "base": 0.25}
    given = replace(scores(CLEAR), compared=8, prefers=prefers, shifts=(-0.3,) * 4 + (0.1,) * 4)
    given = replace(given, target={**given.target, "old-v3": (2.0,) * 8})
    found = decide(given, candidate="new-v1", champion="old-v3", gate=GATE)
    assert found.reasons[2:4] == (
        "Of two answers it finds the one you preferred likelier in 6 of 8 cases (old-v3: 4, base: 2).",
        "Chance alone would bring such a gain in likelihood 0.4% of the time (limit 5%).",
    )
    fallen = decide(replace(given, shifts=(-0.4,) * 4 + (0.1,) * 4), candidate="new-v1", champion="old-v3", gate=GATE)
    assert fallen.decision == "PROMOTE"
    assert fallen.reasons[3] == (
        "Of the answers that won a vote: wanted answers became less likely than for base, by 0.15 nats a token; the "
        "limit is 0.1."
    )


def test_gains_on_a_few_questions_do_not_outweigh_answers_that_got_worse() -> None:
    gains = [3.5, 3.0, 3.2, 2.9, 3.1, 3.3, *[-0.01] * 14]
    assert verdict(scores(gains), answers(closer=1))[0] == "PROMOTE"
    decision, reasons = verdict(scores(gains), answers(closer=0))
    assert (decision, reasons[-1]) == (
        "INSUFFICIENT",
        "But fewer answers come closer to your wording than with base, so you decide.",
    )


def test_texts_that_fit_other_questions_as_well_are_not_praised() -> None:
    same = tuple((1.0,) * 6 for _ in range(6))
    decision, reasons = verdict(replace(scores(CLEAR), costs=same))
    assert decision == "INSUFFICIENT"
    assert "fits other questions as well as its own" in reasons[-1]
    own = tuple(tuple(0.5 if i == j else 1.0 for j in range(6)) for i in range(6))
    assert verdict(replace(scores(CLEAR), costs=own))[0] == "PROMOTE"


@pytest.mark.parametrize(("texts", "decision"), [(0, "PROMOTE"), (1, "PROMOTE"), (3, "PROMOTE"), (4, "INSUFFICIENT")])
def test_texts_too_few_to_say_whether_they_fit_do_not_stand_in_the_way_of_votes(texts: int, decision: str) -> None:
    unfit = tuple((1.0,) * texts for _ in range(texts))
    assert verdict(replace(scores(CLEAR), costs=unfit))[0] == decision


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            answers(degenerate={"new-v1": 3, "base": 1}),
            "3 of its answers are empty, endless or a loop; base: 1.",
        ),
        (
            answers(length={"new-v1": 2.6, "base": 1.1}),
            "Its answers are 2.6 times as long as what you wanted; 0.5 to 2 times are allowed.",
        ),
        (
            answers(length={"new-v1": 0.3, "base": 1.1}),
            "Its answers are 0.3 times as long as what you wanted; 0.5 to 2 times are allowed.",
        ),
        (
            answers(pins=(Pinned("Do you deliver?", {"new-v1": "“yes” is missing", "base": ""}),)),
            "Pinned “Do you deliver?”: “yes” is missing.",
        ),
    ],
)
def test_a_guard_that_fails_rejects_what_would_be_promoted(said: Answers, reason: str) -> None:
    decision, reasons = verdict(scores(CLEAR), said)
    assert decision == "REJECT"
    assert reason in reasons


@pytest.mark.parametrize(
    ("rises", "decision", "said"),
    [
        ([0.01] * 20 + [3.0] * 4, "PROMOTE", "+0.010 nats a token, limit 0.05; 4 of 24 are others now, 4 may be"),
        ([0.01] * 19 + [0.6] * 5, "REJECT", "+0.010 nats a token, limit 0.05; 5 of 24 are others now, 4 may be"),
        ([0.4] + [0.0] * 3, "REJECT", "+0.100 nats a token, limit 0.05"),
        ([0.06] * 24, "REJECT", "+0.060 nats a token, limit 0.05"),
        ([-0.06] * 24, "PROMOTE", "-0.060 nats a token, limit 0.05"),
    ],
)
def test_a_few_answers_may_be_others_and_the_rest_must_be_as_likely_as_before(
    rises: list[float], decision: str, said: str
) -> None:
    replay = {"new-v1": tuple(0.1 + rise for rise in rises), "base": (0.1,) * len(rises)}
    found, reasons = verdict(replace(scores(CLEAR), replay=replay))
    kept = "What base knew, it still knows" if decision == "PROMOTE" else "It forgot some of what base knew"
    assert (found, f"{kept} (answers it should have kept: {said})." in reasons) == (decision, True), reasons


@pytest.mark.parametrize(
    ("setting", "value", "rise", "said", "decisions"),
    [
        ("exam_groups", 9, 0.0, {}, ("PROMOTE", "INSUFFICIENT")),
        ("exam_level", 0.001, 0.0, {}, ("PROMOTE", "INSUFFICIENT")),
        ("exam_forgetting", 0.01, 0.02, {}, ("PROMOTE", "REJECT")),
        ("exam_others", 1.0, 0.6, {}, ("REJECT", "PROMOTE")),
        ("exam_degenerate", 0.5, 0.0, {"degenerate": {"new-v1": 2, "base": 0}}, ("REJECT", "PROMOTE")),
        ("exam_length", 1.5, 0.0, {"length": {"new-v1": 1.8, "base": 1.0}}, ("PROMOTE", "REJECT")),
    ],
)
def test_each_threshold_that_is_set_counts(
    setting: str, value: float, rise: float, said: dict[str, object], decisions: tuple[str, str]
) -> None:
    given = {"candidate": "new-v1", "champion": "base", "answers": answers(**said)}
    found = [
        decide(scores(CLEAR, rise=rise), gate=gate_of(settings), **given).decision  # type: ignore[arg-type]
        for settings in (Settings(), Settings(**{setting: value}))  # type: ignore[arg-type]
    ]
    assert tuple(found) == decisions


@pytest.mark.parametrize(
    "said",
    [
        answers(degenerate={"new-v1": 1, "base": 0}),
        answers(length={"new-v1": 2.6, "base": 3.0}),  # too long, but less so than before
        answers(looked_at=7, length={"new-v1": 2.6, "base": 1.0}),  # too few to say so
        answers(pins=(Pinned("Do you deliver?", {"new-v1": "“yes” is missing", "base": "“yes” is missing"}),)),
        answers(flaws=FLAWS),
    ],
)
def test_what_was_no_better_before_does_not_reject(said: Answers) -> None:
    assert verdict(scores(CLEAR), said)[0] == "PROMOTE"


def test_of_broken_pins_others_than_reviewers_hear_that_they_are_broken_and_not_which() -> None:
    pins = tuple(Pinned(f"Secret {n}?", {"new-v1": "“soon” is missing", "base": ""}) for n in range(2))
    _, reasons = verdict(scores(CLEAR), answers(pins=pins))
    told = without_pins(reasons)
    assert "Secret 0" in " ".join(reasons)
    assert not any("Secret" in reason or "soon" in reason for reason in told)
    assert [reason for reason in told if reason not in reasons] == ["What reviewers pinned no longer holds."]


def test_what_became_of_bad_replies_is_said() -> None:
    _, reasons = verdict(scores(CLEAR), answers(flaws=FLAWS))
    others = "2 answers that were liked are now others."
    others += " Asked the same again, base fixes 1 itself and answers 0 of the liked ones otherwise."
    assert f"Of 4 replies of base marked bad, 3 are fixed and 1 still there; {others}" in reasons
    some = answers(flaws={**FLAWS, "marked": 60, "unseen": 2, "unseen_fixed": 1})
    _, reasons = verdict(scores(CLEAR), some)
    said = "Of 4 of the 60 replies of base marked bad, 3 are fixed (of 2 never taught, 1) and 1 still there;"
    assert f"{said} {others}" in reasons


def test_the_usual_measures_are_said_with_where_their_difference_lies() -> None:
    texts = {"new-v1": {"bleu": 41.25, "rouge_l": 0.614, "chrf": 63.0, "exact": 0.25}}
    texts["base"] = {"bleu": 9.0, "rouge_l": 0.5, "chrf": 41.0, "exact": 0.0}
    against = {"bleu": (9.0, 38.04), "rouge_l": (-0.1, 0.4), "chrf": (10.0, 33.9), "exact": (0.0, 0.5)}
    _, reasons = verdict(scores(CLEAR), answers(texts=texts, against=against))
    assert (
        "Beside your wording, and against base (95%): BLEU 41.2 (+9.0 to +38.0), ROUGE-L 0.61 (-0.10 to +0.40), "
        "chrF 63.0 (+10.0 to +33.9), the same to the letter 25% (+0% to +50%)."
    ) in reasons
    _, reasons = verdict(scores(CLEAR), answers(texts=texts))
    assert (
        "Beside your wording: BLEU 41.2 (base: 9.0), ROUGE-L 0.61 (base: 0.50), chrF 63.0 (base: 41.0), "
        "the same to the letter 25% (base: 0%)."
    ) in reasons


@pytest.mark.parametrize(("gains", "p"), [([1.0] * 8, 1 / 256), ([1.0, -1.0], 0.75), ([0.0] * 8, 1.0)])
def test_the_sign_flip_test_is_exact_for_few_rows(gains: list[float], p: float) -> None:
    assert sign_flip(gains) == pytest.approx(p)


def test_the_drawn_test_agrees_with_the_exact_one() -> None:
    gains = [0.3, -0.1, 0.4, 0.2, -0.3, 0.5, 0.1, 0.2, -0.2, 0.3, 0.1, -0.1, 0.2, 0.3]
    drawn = sign_flip([*gains, 0.0])
    assert drawn == pytest.approx(sign_flip(gains), abs=0.02)


def test_texts_dealt_at_random_pass_the_shuffle_test_as_seldom_as_its_level_says() -> None:
    chance, passed = random.Random(3), 0
    for _ in range(400):
        easy = [chance.gauss(0, 1) for _ in range(6)]  # some texts are likelier than others, whatever was asked
        costs = [[easy[j] + chance.gauss(0, 1) for j in range(6)] for _ in range(6)]
        passed += shuffled(costs) <= 0.05
    assert passed <= 400 * 0.05 + 3 * (400 * 0.05 * 0.95) ** 0.5


def test_the_drawn_shuffle_test_sees_what_fits() -> None:
    fits = [[0.5 if i == j else 1.0 for j in range(9)] for i in range(9)]
    assert shuffled(fits) < 0.001
    assert shuffled([[1.0] * 9 for _ in range(9)]) == 1.0


def test_the_paired_bootstrap_holds_the_mean() -> None:
    gains = [0.1, 0.2, 0.15, 0.3, 0.05, 0.2, 0.1, 0.25]
    low, high = interval([[at] for at in range(8)], lambda drawn: mean([gains[at] for at in drawn]))
    assert 0.05 < low < mean(gains) < high < 0.3
    within = interval([[0, 1, 2, 3], [4, 5, 6, 7]], lambda drawn: mean([gains[at] for at in drawn]))
    assert within == (pytest.approx(mean(gains[4:])), pytest.approx(mean(gains[:4]))), "rows of a group go together"
