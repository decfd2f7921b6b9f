"""Progress: every version that is kept, base and few-shot, scored on the exam rows of today.

What was measured once is kept by a digest of all its tokens, so that a new exam row costs one question per version and
a new version one per row. It is brought up to date in the background, and never while a run is on.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ftchat import dataset, exam
from ftchat.errors import FtchatError
from ftchat.exam import Examiner
from ftchat.pipeline.means import Means
from ftchat.pipeline.measured import Measured
from ftchat.records import BASE, FEW_SHOT, Row


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How one contestant does on today's exam rows."""

    contestant: str
    state: str
    created_at: str | None
    rows: int  # of these so many are scored
    nll: float | None  # per token of what people wanted
    closer: int | None  # rows on which that is lower than base's


@dataclass(frozen=True)
class _Asked:
    """Today's exam rows, and by which digests the scores on them are kept: everyone's, and few-shot's."""

    rows: Sequence[Row]
    plain: Sequence[str]
    few_shot: Sequence[str] | None  # None while there is nothing to show examples of


class Standings:
    """The scores of everyone, kept up to date."""

    def __init__(self, means: Means) -> None:
        """Over the parts of a running app."""
        self._means = means
        self._task: asyncio.Task[None] | None = None
        self._asked: tuple[object, _Asked] | None = None
        self._seen: tuple[object, tuple[int, list[Standing]]] | None = None
        self.trouble = ""

    @property
    def busy(self) -> bool:
        """Whether scores are being measured."""
        return self._task is not None and not self._task.done()

    def refresh(self) -> None:
        """Measure what is missing, in the background."""
        if not self.busy:
            self._task = asyncio.create_task(self._measure())

    async def close(self) -> None:
        """End what is being measured."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def seen(self) -> tuple[int, list[Standing]]:
        """How many exam rows there are, and how everyone does on them, newest version first, base and few-shot last.

        Looked up anew only when feedback or adapters changed, or scores were missing."""
        adapters = [(adapter.name, adapter.state) for adapter in self._means.service.adapters()]
        key = (self._means.store.feedback.newest(), adapters)
        kept = self._seen  # several may ask at once
        if kept is not None and kept[0] == key:
            return kept[1]
        asked = self._today()
        rows, found = len(asked.rows), self._scored(asked)
        complete = all(standing.rows == rows for standing in found)
        self._seen = (key, (rows, found)) if complete else None
        return rows, found

    def _scored(self, asked: _Asked) -> list[Standing]:
        known = {name: self._known(name, asked) for name in self._who(asked)}
        base = known[BASE]
        made = {adapter.name: adapter for adapter in self._means.service.adapters()}
        found = []
        for name, scores in known.items():
            both = [(ours, theirs) for ours, theirs in zip(scores, base, strict=True) if None not in (ours, theirs)]
            there = [score for score in scores if score is not None]
            found.append(
                Standing(
                    contestant=name,
                    state=made[name].state if name in made else "",
                    created_at=made[name].created_at if name in made else None,
                    rows=len(there),
                    nll=exam.mean(there) if there else None,
                    closer=sum(ours < theirs for ours, theirs in both) if both else None,  # type: ignore[operator]
                )
            )
        return found

    def _who(self, asked: _Asked) -> list[str]:
        kept = [adapter.name for adapter in self._means.service.adapters() if adapter.state != "broken"]
        return [*kept, *([] if asked.few_shot is None else [FEW_SHOT]), BASE]

    def _today(self) -> _Asked:
        """Gathered and rendered when feedback changed, however often it is looked while scores come in."""
        key = self._means.store.feedback.newest()
        if self._asked is None or self._asked[0] != key:
            wanted, examiner = exam.paper(dataset.rows(self._means.store)).wanted, self._examiner()
            rows = [row for row in wanted if examiner.fits(row.messages, row.target)]
            few_shot = self._digests(FEW_SHOT, rows) if FEW_SHOT in self._means.contestants.names() else None
            self._asked = (key, _Asked(rows, self._digests(BASE, rows), few_shot))
        return self._asked[1]

    def _known(self, name: str, asked: _Asked) -> list[float | None]:
        scores = self._means.store.exams.scores(self._means.base.fingerprint, name)
        return [scores.get(one) for one in (asked.few_shot or () if name == FEW_SHOT else asked.plain)]

    def _examiner(self) -> Examiner:
        means = self._means
        return Examiner(means.engine, means.prompter, means.contestants, Measured(means))

    def _digests(self, name: str, rows: Sequence[Row]) -> list[str]:
        examiner = self._examiner()
        return [exam.digest(examiner.rendered(name, row.messages, row.target)) for row in rows]

    async def _measure(self) -> None:
        """One contestant after the other; one that cannot be loaded is left out, and why is said."""
        asked = await asyncio.to_thread(self._today)
        self.trouble = ""
        for name in await asyncio.to_thread(self._who, asked):
            if self._means.store.training.unfinished() is not None:
                return  # its exam comes first; whoever looks at Progress afterwards begins again
            try:
                await self._measure_one(name, asked)
            except FtchatError as err:
                self.trouble = f"{name} could not be scored: {err.message}"

    async def _measure_one(self, name: str, asked: _Asked) -> None:
        if None not in await asyncio.to_thread(self._known, name, asked):
            return
        examiner = self._examiner()
        async with self._means.service.lent(BASE if name == FEW_SHOT else name):
            await exam.all_of(lambda row: examiner.nll(name, row.messages, row.target), asked.rows)
