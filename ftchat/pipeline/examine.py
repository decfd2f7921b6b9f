"""The exam of one candidate, from its questions to its verdict.

It brings everyone to the engine who is asked. What is asked and what follows is `exam`'s.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ftchat import exam
from ftchat.config import GateArgs, Settings
from ftchat.exam import Asking, Examiner, Judge, Paper, Scores
from ftchat.pipeline.means import Means
from ftchat.pipeline.measured import Measured
from ftchat.records import BASE, FEW_SHOT, Replay, Row, Verdict
from ftchat.store.exams import Pin


async def examine(
    means: Means, candidate: str, champion: str, *, rows: Sequence[Row], replay: Sequence[Replay]
) -> Verdict:
    """Ask candidate, champion, base and few-shot; if the engine goes away meanwhile, again when it is back."""
    pins, gate = means.store.exams.pins(), gate_of(means.settings)
    wrote = await asyncio.to_thread(means.store.exams.about, means.base.fingerprint, (BASE, champion))
    paper = exam.paper(rows, wrote=wrote)
    known = [FEW_SHOT] if FEW_SHOT in means.contestants.names() else []
    who = list(dict.fromkeys([candidate, champion, BASE, *known]))
    judge = Judge()
    await judge.begin()
    try:

        async def asked() -> tuple[Scores, exam.Answers | None, float]:
            for contestant in who:
                await means.service.summon(BASE if contestant == FEW_SHOT else contestant)
            return await _asked(means, candidate, champion, who=who, paper=paper, pins=pins, replay=replay, judge=judge)

        scores, answers, asking_s = await means.patiently(asked)
    finally:
        await judge.end()
    before = await asyncio.to_thread(means.store.exams.against, means.base.fingerprint, champion)
    decide = partial(exam.decide, scores, candidate=candidate, champion=champion, gate=gate, before=before)
    verdict = await asyncio.to_thread(decide, answers=answers)
    return replace(verdict, figures={**verdict.figures, "asking_s": round(asking_s, 3)})


async def _asked(
    means: Means, candidate: str, champion: str, *, who: Sequence[str], paper: Paper, pins: Sequence[Pin],
    replay: Sequence[Replay], judge: Judge,
) -> tuple[Scores, exam.Answers | None, float]:  # fmt: skip
    """What was measured, and in how many seconds of asking, without the judging."""
    began = time.monotonic()
    examiner = Examiner(means.engine, means.prompter, means.contestants, Measured(means))
    enough = len({row.group for row in (*paper.wanted, *paper.pairs)}) >= means.settings.exam_groups
    scores = await exam.measure(examiner, candidate=candidate, who=who, paper=paper, replay=replay, dealt=enough)
    asking = Asking(candidate, champion, who, means.settings.exam_answers)
    answers = await exam.answered(examiner, asking, paper=paper, pins=pins, judge=judge)
    return scores, answers, time.monotonic() - began - judge.took


def gate_of(settings: Settings) -> GateArgs:
    """The thresholds that a verdict goes by."""
    return GateArgs(
        min_groups=settings.exam_groups,
        level=settings.exam_level,
        replay_nll_rise=settings.exam_forgetting,
        replay_others=settings.exam_others,
        degenerate_rise=settings.exam_degenerate,
        length_ratio=settings.exam_length,
    )
