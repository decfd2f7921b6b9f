"""Retraining by itself: when enough new feedback has been approved, at any time or at the times of a cron expression.

`due` is pure and says why or why not. The loop looks every few seconds, presses as the user "schedule", and keeps why
it did not. A cron time that passes while nothing is due is skipped until the next. It does not know how a run is made.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

from ftchat.config import EFFORTS, Settings
from ftchat.errors import FtchatError, SetupError

if TYPE_CHECKING:  # whoever asks for a plan alone need not wait for what makes runs
    from ftchat.pipeline import Pipeline
    from ftchat.store import Store

log = logging.getLogger(__name__)
BY = "schedule"
OFF, NEW = "off", "new"  # of the setting; everything else is a cron expression
SHARE = 0.2  # of what the last adapter was made from, that must be new
_LOOK_S = 15.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for."""

    when: str
    least: int
    every: timedelta
    effort: str = "normal"

    def __post_init__(self) -> None:
        """Refuse a time that is none, and one that never comes."""
        if self.effort not in EFFORTS:
            raise SetupError(f"schedule_effort is {self.effort!r}: use {', '.join(EFFORTS)}.")
        if self.when not in (OFF, NEW):
            next_time(self.when, datetime(2026, 1, 1, tzinfo=UTC))

    @staticmethod
    def of(settings: Settings) -> "Plan":
        """What the settings ask for."""
        every = timedelta(seconds=settings.schedule_every_s)
        return Plan(when=settings.schedule, least=settings.schedule_new, every=every, effort=settings.schedule_effort)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Where things stand when the loop looks."""

    run: str | None  # that is on
    new: int  # pieces of feedback that the last adapter was not made from
    last_rows: int  # that it was made from
    last_began: datetime | None
    failed: bool  # the last run, or it was stopped, and nothing was approved since it began
    enough: bool
    engine: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether to press now, why or why not, and when it may change by itself."""

    press: bool
    reason: str
    next_at: datetime | None = None


def due(plan: Plan, seen: Seen, *, now: datetime, since: datetime) -> Decision:
    """Whether a run should begin now. Cron times up to `since` are over."""
    if plan.when == OFF:
        return Decision(press=False, reason="The schedule is off.")
    against = _against(plan, seen, now)
    good = f"{_pieces(seen.new)} came in, and {needed(plan, seen.last_rows)} are enough."
    if plan.when == NEW:
        return against or Decision(press=True, reason=good)
    if next_time(plan.when, since) <= now:
        following = next_time(plan.when, now)
        if against is None:
            return Decision(press=True, reason=good, next_at=following)
        return Decision(press=False, reason=f"Skipped: {against.reason}", next_at=following)
    look = next_time(plan.when, since)
    as_it_is = against.reason if against else f"{good} It will train then."
    return Decision(press=False, reason=f"It looks at {look:%Y-%m-%d %H:%M}. As it stands: {as_it_is}", next_at=look)


def needed(plan: Plan, last_rows: int) -> int:
    """How many new pieces of feedback are enough."""
    return max(plan.least, math.ceil(SHARE * last_rows - 1e-9))


def _against(plan: Plan, seen: Seen, now: datetime) -> Decision | None:
    """The first thing that speaks against a run now."""
    if seen.run is not None:
        return Decision(press=False, reason=f"Run {seen.run} is on.")
    if not seen.new:
        return Decision(press=False, reason="Nothing new was approved since the last run.")
    enough = needed(plan, seen.last_rows)
    if seen.new < enough:
        return Decision(press=False, reason=f"{_pieces(seen.new)} came in; it waits for {enough}.")
    if not seen.enough:
        return Decision(press=False, reason="There is too little to learn from yet; the card says what would help.")
    if seen.failed:
        return Decision(press=False, reason="The last run failed or was stopped on just this feedback: press Retrain.")
    if seen.last_began is not None and now < (free := seen.last_began + plan.every):
        words = f"The last run began at {seen.last_began:%H:%M}; the next may from {free:%Y-%m-%d %H:%M} on."
        return Decision(press=False, reason=words, next_at=free)
    if seen.engine != "ready":
        return Decision(press=False, reason=f"The engine is not ready ({seen.engine}).")
    return None


def next_time(cron: str, after: datetime) -> datetime:
    """The first time after a time that a cron expression names, by the clock on this machine's wall.

    A time of day is meant as the clock shows it, also where it is put forward or back in between: what `astimezone`
    gives has one offset only, so the clock is read without, and the zone asked again.
    """
    wall = isinstance(after.tzinfo, timezone)
    try:
        found = next(CronSim(cron, after.astimezone().replace(tzinfo=None) if wall else after))
        return found.astimezone() if wall else found
    except (CronSimError, StopIteration) as err:
        why = f" ({err})" if str(err) else ", or never comes"
        raise SetupError(
            f"schedule is {cron!r}, which is no cron expression{why}. Use {OFF}, {NEW}, or one such as '0 3 * * *' "
            "(every night at three)."
        ) from err


def _pieces(n: int) -> str:
    return "1 new piece of approved feedback" if n == 1 else f"{n} new pieces of approved feedback"


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What came of a look that could have begun a run."""

    at: datetime
    run: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class State:
    """The schedule as pages and the API show it."""

    when: str
    words: str
    next_at: datetime | None
    needed: int
    new: int
    last: Looked | None


class Schedule:
    """The schedule of a running app."""

    def __init__(
        self, store: "Store", pipeline: "Pipeline", *, settings: Settings, clock: Callable[[], datetime] | None = None
    ) -> None:
        """Over the parts of a running app; `clock` gives the local time with its zone."""
        self._store, self._pipeline = store, pipeline
        self.plan = Plan.of(settings)
        self._clock = clock or (lambda: datetime.now().astimezone())
        self._since = self._clock()
        self.last: Looked | None = None

    async def keep(self) -> None:
        """Look again and again, until cancelled."""
        while self.plan.when != OFF:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.look()
            except Exception:  # whatever it was, the next look may find it gone
                log.exception("The schedule could not look")

    async def look(self) -> Decision:
        """Press if it is time to."""
        now = self._clock()
        self._since = min(self._since, now)  # a clock that was ahead has been put back
        decision = due(self.plan, await asyncio.to_thread(self._seen), now=now, since=self._since)
        passed = self.plan.when not in (OFF, NEW) and next_time(self.plan.when, self._since) <= now
        self._since = now if passed else self._since
        if decision.press:
            await self._press(now, decision.reason)
        elif passed:
            self.last = Looked(at=now, run=None, reason=decision.reason)
        return decision

    async def _press(self, now: datetime, reason: str) -> None:
        try:
            run = await self._pipeline.press(BY, effort=self.plan.effort)
            self.last = Looked(at=now, run=run.id, reason=reason)
        except FtchatError as err:  # somebody else was quicker, or the engine went away
            self.last = Looked(at=now, run=None, reason=f"Skipped: {err.message}")

    def state(self, *, lately: bool = False) -> State:
        """Where it stands, in words; with `lately`, by the card that open pages are shown."""
        seen = self._seen(lately=lately)
        decision = due(self.plan, seen, now=self._clock(), since=self._since)
        words = "It begins a run within seconds." if decision.press else decision.reason
        return State(
            when=self.plan.when,
            words=words,
            next_at=decision.next_at,
            needed=needed(self.plan, seen.last_rows),
            new=seen.new,
            last=self.last,
        )

    def _seen(self, *, lately: bool = False) -> Seen:
        card, training = self._pipeline.card(lately=lately), self._store.training
        newest = self._pipeline.last_begun()
        zone = self._clock().tzinfo
        return Seen(
            run=training.unfinished(),
            new=card.new,
            last_rows=self._pipeline.last_rows(),
            last_began=datetime.fromisoformat(newest.created_at).astimezone(zone) if newest else None,
            failed=newest is not None
            and newest.stage in ("failed", "stopped")
            and self._store.lessons.decided_at() < newest.created_at,
            enough=card.enough,
            engine=self._pipeline.engine_stage()[0],
        )
