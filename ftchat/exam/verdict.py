"""PROMOTE, REJECT or INSUFFICIENT, with the reasons in words: a pure function of what was measured.

Four things must come together for PROMOTE: what people wanted became likelier than with the champion (sign-flip test
over groups), its answers come no less often closer to that than the champion's, nothing that should have stayed was
lost (guards), and the wanted texts have to do with their questions (shuffle test, where there are texts enough for it
to say so). The second keeps a few questions that were taught the contrary, and gain much, from outweighing many that
lose a little each. What was lost counts however few questions there are. The last one keeps feedback that means nothing
from being learned and praised: texts of one kind become likelier by being trained on, whether or not they answer
anything. Of two replies of which people chose one that cannot be said, so there the first three decide.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from ftchat.config import GateArgs
from ftchat.exam.chance import mean, shuffled, sign_flip
from ftchat.exam.scores import Answers, Scores
from ftchat.records import BASE, Verdict
from ftchat.training import guards

_NAMED = 3  # pins that a reason names
_ANOTHER = 0.5  # nats a token, from which on an answer is another one
_FEW = 8  # answers, below which their middle length is chance
_PINNED = "Pinned “"
_MEASURES = {
    "bleu": ("BLEU", ".1f"),
    "rouge_l": ("ROUGE-L", ".2f"),
    "chrf": ("chrF", ".1f"),
    "exact": ("the same to the letter", ".0%"),
}


def decide(
    scores: Scores, *, candidate: str, champion: str, gate: GateArgs, answers: Answers | None = None, before: int = 0
) -> Verdict:
    """The verdict. Below `gate.min_groups` exam groups it is never PROMOTE. `before`: exams against this champion."""
    wrote, chose = _by_group(scores, candidate=candidate, champion=champion)
    gains = [*wrote, *chose]
    if guards.not_a_number(*gains, *chain.from_iterable(scores.replay.values())):
        broken = f"How likely {candidate} or {champion} finds an answer was not a number, so nothing can be said of it."
        return Verdict(decision="REJECT", reasons=(broken,), figures={"groups": len(gains)})
    failed, held = _guards(scores, answers, candidate=candidate, champion=champion, gate=gate)
    notes = _notes(scores, answers, candidate=candidate, champion=champion)
    figures = {"champion": champion, **_figures(scores, answers, gains=gains, candidate=candidate)}
    if not gains:
        first = f"No question is kept aside for the exam yet; {gate.min_groups} are needed for a verdict."
        reasons = (first, *failed, *held, *notes)
        return Verdict(decision="REJECT" if failed else "INSUFFICIENT", reasons=reasons, figures=figures)
    words = _headline(answers, wrote=wrote, chose=chose, candidate=candidate, champion=champion)
    if len(gains) < gate.min_groups:
        few = f"That is {len(gains)} of the {gate.min_groups} questions that a verdict needs, so you decide."
        reasons = (*words, *failed, *held, *notes, *([] if failed else [few]))
        return Verdict(decision="REJECT" if failed else "INSUFFICIENT", reasons=reasons, figures=figures)
    fewer = _fewer(answers, candidate=candidate, champion=champion)
    decision, why = _decision(gains, scores, gate=gate, figures=figures, fewer=fewer, before=before)
    decision = "REJECT" if failed else decision
    return Verdict(
        decision=decision,  # type: ignore[arg-type]  # one of the three
        reasons=(*words, *failed, *held, *notes, *([] if failed else why)),
        figures=figures,
    )


def _decision(
    gains: Sequence[float], scores: Scores, *, gate: GateArgs, figures: dict[str, Any], fewer: str, before: int
) -> tuple[str, list[str]]:
    """What the figures say when no guard objects. `fewer`: why its answers are worse than likelihoods say."""
    p = figures["p"]
    if p > gate.level:
        worse = sign_flip([-g for g in gains])
        if worse <= gate.level:
            return "REJECT", [f"Chance alone would bring such a loss in likelihood {worse:.1%} of the time."]
        chance = f"Chance alone would bring such a gain in likelihood {p:.0%} of the time"
        return "INSUFFICIENT", [f"{chance}; the limit is {gate.level:.0%}."]
    if fewer:
        return "INSUFFICIENT", [fewer]
    if 1 / math.factorial(len(scores.costs)) <= gate.level:  # of fewer texts even a perfect fit may be chance
        fit = figures["fit_p"] = shuffled(scores.costs)
        if fit > gate.level:
            unfit = "But your wording fits other questions as well as its own, so the exam cannot tell; you decide."
            return "INSUFFICIENT", [unfit]
    chance = f"Chance alone would bring such a gain in likelihood {p:.1%} of the time (limit {gate.level:.0%})."
    earlier = "1 adapter was" if before == 1 else f"{before} adapters were"
    return "PROMOTE", [chance + (f" {earlier} examined against {figures['champion']} before it." if before else "")]


def _fewer(answers: Answers | None, *, candidate: str, champion: str) -> str:
    """In words, if fewer answers come closer than with the champion."""
    if answers is None or answers.closer.get(candidate, 0) >= answers.closer.get(champion, 0):
        return ""
    return f"But fewer answers come closer to your wording than with {champion}, so you decide."


def _headline(
    answers: Answers | None, *, wrote: Sequence[float], chose: Sequence[float], candidate: str, champion: str
) -> list[str]:
    """What it means, in words first: of what people wrote, and of two answers of which they chose one."""
    said = []
    if answers is not None and answers.asked:
        others = [name for name in dict.fromkeys((champion, BASE)) if name in answers.closer and name != candidate]
        beside = "".join(f"{'; ' if n == 0 else ', '}{name}: {answers.closer[name]}" for n, name in enumerate(others))
        ours = f"{answers.closer[candidate]} of {answers.asked}"
        said.append(f"{ours} questions it had never seen now come closer to your wording{beside}.")
    for what, gains in (
        ("What you wanted became likelier", wrote),
        ("Of two answers the one that you preferred is further ahead", chose),
    ):
        if gains:
            unseen = "" if said else " questions it had never seen"
            many = f"{sum(g > 0 for g in gains)} of {len(gains)}{unseen}"
            said.append(f"{what} on {many} than with {champion} ({mean(gains):+.2f} nats a token).")
    return said


def _guards(
    scores: Scores, answers: Answers | None, *, candidate: str, champion: str, gate: GateArgs
) -> tuple[list[str], list[str]]:
    """Reasons against it, and what was looked at and found well."""
    failed: list[str] = []
    held: list[str] = []
    if scores.replay:
        rise = _rise(scores, candidate)
        others, many = _others(scores, candidate), len(scores.replay[BASE])
        may = math.floor(gate.replay_others * many + 1e-9)
        forgets = rise > gate.replay_nll_rise or others > may
        kept = "It forgot some of what base knew" if forgets else "What base knew, it still knows"
        said = f"{rise:+.3f} nats a token, limit {gate.replay_nll_rise}"
        said += f"; {others} of {many} are others now, {may} may be" if others else ""
        said = f"{kept} (answers it should have kept: {said})."
        (failed if forgets else held).append(said)
    if answers is not None:
        failed += _bad_answers(answers, candidate=candidate, champion=champion, gate=gate)
        broken, fine = _pins(answers, candidate=candidate, champion=champion)
        failed, held = failed + broken, held + fine
    return failed, held


def _bad_answers(answers: Answers, *, candidate: str, champion: str, gate: GateArgs) -> list[str]:
    """Answers that are none, and answers that are far too long or too short."""
    found = []
    ours, theirs = answers.degenerate.get(candidate, 0), answers.degenerate.get(champion, 0)
    if ours - theirs > max(1.0, gate.degenerate_rise * answers.looked_at):
        found.append(f"{ours} of its answers are empty, endless or a loop; {champion}: {theirs}.")
    if answers.looked_at < _FEW:  # one that is long says nothing of the others
        return found
    length, before = answers.length.get(candidate), answers.length.get(champion)
    if length is not None and before is not None and _off(length) > max(math.log(gate.length_ratio), _off(before)):
        found.append(
            f"Its answers are {length:.1f} times as long as what you wanted; {1 / gate.length_ratio:.2g} to "
            f"{gate.length_ratio:.2g} times are allowed."
        )
    return found


def _off(ratio: float) -> float:
    return abs(math.log(max(ratio, 1e-3)))


def _pins(answers: Answers, *, candidate: str, champion: str) -> tuple[list[str], list[str]]:
    """What must still be answered: it counts against a candidate where the champion holds it."""
    lost = [pin for pin in answers.pins if pin.broken[candidate] and not pin.broken.get(champion)]
    never = [pin for pin in answers.pins if pin.broken[candidate] and pin.broken.get(champion)]
    failed = [f"{_PINNED}{pin.prompt}”: {pin.broken[candidate]}." for pin in lost[:_NAMED]]
    if len(lost) > _NAMED:
        failed.append(f"So do {len(lost) - _NAMED} more pins.")
    fine = []
    if answers.pins and not lost and not never:
        fine.append(f"All {len(answers.pins)} pins hold." if len(answers.pins) > 1 else "The pin holds.")
    if never:
        fine.append(f"{len(never)} of {len(answers.pins)} pins do not hold, and did not with {champion}.")
    return failed, fine


def without_pins(reasons: Sequence[str]) -> list[str]:
    """The reasons for those who may not read pins: that some do not hold, and not which."""
    hidden = "What reviewers pinned no longer holds."
    return list(dict.fromkeys(hidden if reason.startswith(_PINNED) else reason for reason in reasons))


def _notes(scores: Scores, answers: Answers | None, *, candidate: str, champion: str) -> list[str]:
    """What else people want to know."""
    notes = _compared(scores, candidate=candidate, champion=champion)
    notes += _beside(answers, candidate=candidate, champion=champion) if answers is not None else []
    if scores.left_out:
        rows = "1 exam row is" if scores.left_out == 1 else f"{scores.left_out} exam rows are"
        notes.append(f"{rows} longer than the model can read, and left out.")
    if scores.taught:
        rows = "1 exam row asks" if scores.taught == 1 else f"{scores.taught} exam rows ask"
        notes.append(f"{rows} what was also taught in another conversation, and left out.")
    if answers is not None and any(answers.flaws.values()):
        notes.append(_flaws(answers.flaws, champion=champion))
    return notes


def _flaws(found: Mapping[str, int], *, champion: str) -> str:
    """What became of replies that were marked as bad."""
    asked = found["fixed"] + found["still"]
    some = f"{asked}" if asked == found["marked"] else f"{asked} of the {found['marked']}"
    whose = BASE if champion == BASE else f"{BASE} and {champion}"
    apart = f" (of {found['unseen']} never taught, {found['unseen_fixed']})" if found["unseen"] else ""
    return (
        f"Of {some} replies of {whose} marked bad, {found['fixed']} are fixed{apart} and {found['still']} still there; "
        f"{found['new']} answers that were liked are now others. Asked the same again, {champion} fixes "
        f"{found['fixed_before']} itself and answers {found['new_before']} of the liked ones otherwise."
    )


def _compared(scores: Scores, *, candidate: str, champion: str) -> list[str]:
    """Whether it finds the better one of two answers likelier, and why that may be the wrong way."""
    if candidate not in scores.prefers:
        return []
    n, others = scores.compared, [name for name in dict.fromkeys((champion, BASE)) if name != candidate]
    beside = ", ".join(f"{name}: {scores.prefers[name] * n:.0f}" for name in others if name in scores.prefers)
    ours = f"{scores.prefers[candidate] * n:.0f} of {n}"
    notes = [f"Of two answers it finds the one you preferred likelier in {ours} cases{beside and f' ({beside})'}."]
    if fallen := guards.falling(scores.shifts, last=len(scores.shifts)):
        notes.append(f"Of the answers that won a vote: {fallen[0].lower()}{fallen[1:]}")
    return notes


def _beside(answers: Answers, *, candidate: str, champion: str) -> list[str]:
    """The usual measures of texts, each with where its difference lies; of few questions, with the champion's."""
    ours, theirs, found = answers.texts.get(candidate, {}), answers.texts.get(champion, {}), answers.against
    if not ours or not theirs:
        return []
    said = []
    for name, (words, form) in _MEASURES.items():
        low, high = found.get(name, (0.0, 0.0))
        against = f"{low:+{form}} to {high:+{form}}" if found else f"{champion}: {theirs[name]:{form}}"
        said.append(f"{words} {ours[name]:{form}} ({against})")
    beside = f", and against {champion} (95%)" if found else ""
    return [f"Beside your wording{beside}: {', '.join(said)}."]


def _figures(scores: Scores, answers: Answers | None, *, gains: Sequence[float], candidate: str) -> dict[str, Any]:
    """Everything that was measured, as numbers."""
    nlls = {name: mean(values) for name, values in scores.replay.items()}
    figures: dict[str, Any] = {"groups": len(gains), "replay_nll": nlls}
    if scores.replay:
        figures["replay_nll_rise"] = _rise(scores, candidate)
        figures["replay_others"] = _others(scores, candidate)
    if gains:
        nll = {name: mean(values) for name, values in scores.target.items() if values}
        figures |= {"better": sum(g > 0 for g in gains), "mean_gain": mean(gains), "p": sign_flip(gains), "nll": nll}
    if scores.prefers:
        figures["preference"] = dict(scores.prefers)
    if answers is not None:
        figures |= {"asked": answers.asked, "closer": dict(answers.closer), "degenerate": dict(answers.degenerate)}
        figures |= {"length": dict(answers.length), "texts": {k: dict(v) for k, v in answers.texts.items()}}
        figures |= {"against": {k: list(v) for k, v in answers.against.items()}, "flaws": dict(answers.flaws)}
        figures["pins"] = [{"prompt": pin.prompt, "broken": dict(pin.broken)} for pin in answers.pins]
    return figures


def _rise(scores: Scores, candidate: str) -> float:
    """How much less likely what should have stayed became, in the mean of what is no other answer by now: those are
    counted by themselves, since a habit that is taught may well reach a few of these questions."""
    return mean([rise for rise in _rises(scores, candidate) if rise <= _ANOTHER])


def _others(scores: Scores, candidate: str) -> int:
    """How many answers that should have stayed are others by now."""
    return sum(rise > _ANOTHER for rise in _rises(scores, candidate))


def _rises(scores: Scores, candidate: str) -> list[float]:
    """The same, answer by answer."""
    return [now - before for now, before in zip(scores.replay[candidate], scores.replay[BASE], strict=True)]


def _by_group(scores: Scores, *, candidate: str, champion: str) -> tuple[list[float], list[float]]:
    """Gains of the candidate over the champion: one number a group, since rows of a group are not independent.

    First of the groups in which people wrote the text: how much likelier that became. Then of those in which they only
    chose one of two: how much further apart the two are.
    """
    wrote = _gains(scores.rows, better=scores.target, candidate=candidate, champion=champion, sign=-1.0)
    chose = _gains(scores.pairs, better=scores.margin, candidate=candidate, champion=champion, sign=1.0)
    only = [values for group, values in chose.items() if group not in wrote]
    return [mean(values) for values in wrote.values()], [mean(values) for values in only]


def _gains(
    groups: Sequence[str], *, better: Mapping[str, Sequence[float]], candidate: str, champion: str, sign: float
) -> dict[str, list[float]]:
    gains: dict[str, list[float]] = {}
    if groups:
        for group, ours, theirs in zip(groups, better[candidate], better[champion], strict=True):
            gains.setdefault(group, []).append(sign * (ours - theirs))
    return gains
