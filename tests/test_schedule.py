"""Retraining by itself: when it is due and why not, what the loop does about it, and who is told of the end."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from room import Room
from runs import corrected

from ftchat import web
from ftchat.config import Settings, TrainArgs
from ftchat.errors import SetupError, StoreError
from ftchat.records import Run
from ftchat.schedule import Decision, Plan, Schedule, Seen, due, needed, next_time
from ftchat.webhook import Webhook

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NEW = Plan(when="new", least=8, every=HOUR)
NIGHTLY = replace(NEW, when="0 3 * * *")
SEEN = Seen(run=None, new=8, last_rows=0, last_began=None, failed=False, enough=True, engine="ready")


# -- whether it is due --


def test_eight_new_pieces_are_enough_at_first() -> None:
    assert due(NEW, SEEN, now=NOON, since=NOON) == Decision(
        press=True, reason="8 new pieces of approved feedback came in, and 8 are enough."
    )


@pytest.mark.parametrize(
    ("last_rows", "enough"), [(0, 8), (40, 8), (41, 9), (45, 9), (100, 20), (101, 21), (5000, 1000)]
)
def test_after_a_large_run_a_fifth_as_much_must_be_new(last_rows: int, enough: int) -> None:
    assert needed(NEW, last_rows) == enough
    for new in (enough - 1, enough):
        decision = due(NEW, replace(SEEN, new=new, last_rows=last_rows), now=NOON, since=NOON)
        assert decision.press == (new == enough)


@pytest.mark.parametrize(
    ("changed", "reason", "next_at"),
    [
        ({"run": "n_1"}, "Run n_1 is on.", None),
        ({"new": 0}, "Nothing new was approved since the last run.", None),
        ({"new": 1}, "1 new piece of approved feedback came in; it waits for 8.", None),
        ({"enough": False}, "There is too little to learn from yet; the card says what would help.", None),
        ({"failed": True}, "The last run failed or was stopped on just this feedback: press Retrain.", None),
        (
            {"last_began": NOON - HOUR / 2},
            "The last run began at 11:30; the next may from 2026-11-21 12:30 on.",
            NOON + HOUR / 2,
        ),
        ({"engine": "starting"}, "The engine is not ready (starting).", None),
    ],
)
def test_what_speaks_against_it_is_said(changed: dict[str, Any], reason: str, next_at: datetime | None) -> None:
    assert due(NEW, replace(SEEN, **changed), now=NOON, since=NOON) == Decision(
        press=False, reason=reason, next_at=next_at
    )


def test_once_the_interval_is_over_it_is_due() -> None:
    assert due(NEW, replace(SEEN, last_began=NOON - HOUR), now=NOON, since=NOON).press


def test_a_schedule_that_is_off_never_is() -> None:
    assert due(replace(NEW, when="off"), SEEN, now=NOON, since=NOON) == Decision(
        press=False, reason="The schedule is off."
    )


def test_with_a_cron_expression_it_waits_for_its_time() -> None:
    three = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    waiting = due(NIGHTLY, SEEN, now=NOON, since=NOON)
    assert (waiting.press, waiting.next_at) == (False, three)
    assert waiting.reason == (
        "It looks at 2026-11-22 03:00. As it stands: 8 new pieces of approved feedback came in, and 8 are enough. "
        "It will train then."
    )
    for now in (three, three + timedelta(minutes=20)):
        decision = due(NIGHTLY, SEEN, now=now, since=NOON)
        assert (decision.press, decision.next_at) == (True, three + timedelta(days=1))
    skipped = due(NIGHTLY, replace(SEEN, new=0), now=three, since=NOON)
    assert skipped == Decision(
        press=False,
        reason="Skipped: Nothing new was approved since the last run.",
        next_at=three + timedelta(days=1),
    )
    assert not due(NIGHTLY, SEEN, now=three + HOUR, since=three).press


@pytest.mark.parametrize("cron", ["nightly", "0 3 * *", "61 * * * *", "0 0 30 2 *", ""])
def test_a_time_that_is_none_is_refused_with_an_example(cron: str) -> None:
    with pytest.raises(SetupError, match=r"every night at three"):
        Plan(when=cron, least=8, every=HOUR)


def test_an_effort_that_is_none_is_refused() -> None:
    with pytest.raises(SetupError, match="schedule_effort is 'hard'"):
        Plan(when="new", least=8, every=HOUR, effort="hard")


def test_cron_times_are_of_the_clock_on_the_wall_also_when_it_is_put_back() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    summer = datetime(2026, 10, 24, 12, 0, tzinfo=berlin)
    nights = [next_time("30 4 * * *", summer)]
    nights.append(next_time("30 4 * * *", nights[0]))
    assert [(night.hour, night.utcoffset()) for night in nights] == [(4, HOUR), (4, HOUR)]


def test_the_clock_of_this_machine_is_read_as_it_will_be_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        evening = datetime(2026, 10, 24, 12, 0).astimezone()  # the clock is put back that night
        nights = [next_time("30 4 * * *", evening)]
        nights.append(next_time("30 4 * * *", nights[0]))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [(night.day, night.hour, night.utcoffset()) for night in nights] == [(25, 4, HOUR), (26, 4, HOUR)]


# -- the loop --


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    made.vllm.logprobs["shop-v1"] = -0.9
    yield made
    await made.close()


class Pressed:
    """Stands for the pipeline, whose runs have tests of their own: its presses become runs in the store."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.by: list[tuple[str, str]] = []
        self.card = room.pipeline.card
        self.engine_stage = room.pipeline.engine_stage
        self.last_rows = room.pipeline.last_rows
        self.last_begun = room.pipeline.last_begun

    async def press(self, user: str, *, effort: str) -> Run:
        run = self._room.store.training.start_run(by=user, base="b0", args=TrainArgs())
        self.by.append((user, effort))
        return run


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now().astimezone()

    def __call__(self) -> datetime:
        return self.now


def scheduled(room: Room, clock: Callable[[], datetime], **given: Any) -> tuple[Schedule, Pressed]:
    pipeline = Pressed(room)
    settings = replace(room.settings, **given)
    return Schedule(room.store, pipeline, settings=settings, clock=clock), pipeline  # type: ignore[arg-type]


def finish(room: Room, run: str, *, stage: str = "done") -> None:
    from ftchat import dataset

    log = room.store.training
    log.update_run(run, snapshot=log.add_snapshot(f"{run:0<40}", dataset.rows(room.store)))
    log.update_run(run, stage=stage, reason="as it went")


async def test_the_loop_presses_once_enough_is_new_and_says_meanwhile_how_far_it_is(room: Room) -> None:
    clock = Clock()
    schedule, pressed = scheduled(room, clock, schedule="new", schedule_every_s=0, schedule_effort="quick")
    await corrected(room, 7)
    assert not (await schedule.look()).press
    assert schedule.state().words == "7 new pieces of approved feedback came in; it waits for 8."
    await corrected(room, 1, first=7)
    assert schedule.state().words == "It begins a run within seconds."
    assert (await schedule.look()).press
    assert pressed.by == [("schedule", "quick")]
    run = room.store.training.unfinished()
    assert run is not None
    assert schedule.last is not None
    assert (schedule.last.run, schedule.last.at) == (run, clock.now)
    await schedule.look()
    assert schedule.state().words == f"Run {run} is on."
    finish(room, run)
    await schedule.look()
    assert (schedule.state().new, schedule.state().words) == (0, "Nothing new was approved since the last run.")
    assert len(pressed.by) == 1


@pytest.mark.parametrize("stage", ["failed", "stopped"])
async def test_a_run_that_failed_or_was_stopped_is_not_tried_again_until_something_new_was_approved(
    room: Room, stage: str
) -> None:
    clock = Clock()
    schedule, pressed = scheduled(room, clock, schedule="new", schedule_new=1, schedule_every_s=0)
    await corrected(room, 2)
    await schedule.look()
    finish(room, room.store.training.unfinished() or "", stage=stage)
    assert (await schedule.look()).reason.startswith("The last run failed or was stopped on just this feedback")
    await asyncio.sleep(0.01)
    clock.now += HOUR
    await corrected(room, 1, first=2)
    assert (await schedule.look()).press
    assert len(pressed.by) == 2


async def test_a_look_that_breaks_is_logged_and_the_next_one_comes(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    schedule, _ = scheduled(room, Clock(), schedule="new")
    looks = list[int]()

    async def look() -> None:
        looks.append(1)
        raise OSError("too many open files")

    monkeypatch.setattr("ftchat.schedule._LOOK_S", 0.01)
    monkeypatch.setattr(schedule, "look", look)
    keeping = asyncio.create_task(schedule.keep())
    async with asyncio.timeout(5):
        while len(looks) < 2:
            await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert "too many open files" in caplog.text


async def test_a_clock_that_was_ahead_and_is_put_back_hides_no_time(room: Room) -> None:
    clock = Clock()
    schedule, pressed = scheduled(room, clock, schedule="0 3 * * *")
    await corrected(room, 8)
    clock.now -= timedelta(days=3)
    await schedule.look()
    clock.now += timedelta(days=1)
    assert (await schedule.look()).press
    assert len(pressed.by) == 1


async def test_a_cron_time_without_anything_new_is_skipped_and_the_next_is_not(room: Room) -> None:
    clock = Clock()
    clock.now = clock.now.replace(hour=12, minute=0, second=0, microsecond=0)
    schedule, pressed = scheduled(room, clock, schedule="0 3 * * *", schedule_new=1)
    assert not (await schedule.look()).press
    assert schedule.last is None
    clock.now += timedelta(hours=16)
    await schedule.look()
    assert schedule.last is not None
    assert schedule.last.reason == "Skipped: Nothing new was approved since the last run."
    await corrected(room, 1)
    assert not (await schedule.look()).press
    clock.now += timedelta(days=1)
    assert (await schedule.look()).press
    assert pressed.by == [("schedule", "normal")]


async def test_somebody_who_was_quicker_is_no_failure(room: Room) -> None:
    clock = Clock()
    schedule, _ = scheduled(room, clock, schedule="new", schedule_new=1, schedule_every_s=0)
    clock.now += HOUR
    await corrected(room, 1)
    room.reason = "starting"
    assert (await schedule.look()).reason == "The engine is not ready (starting)."
    room.reason = ""
    meanwhile = room.store.training.start_run(by="ann", base="b0", args=TrainArgs()).id
    await schedule._press(clock.now, "8 came in")
    assert schedule.last is not None
    assert schedule.last.reason == f"Skipped: Run {meanwhile} is on. Wait for it or stop it first."


async def test_the_api_says_where_the_schedule_stands_and_only_admins_see_who_is_told(tmp_path: Path) -> None:
    room = Room(tmp_path, alone=False)
    tokens = {role: room.accounts.new_token("admin", role, user=None, name="")[1] for role in ("admin", "viewer")}
    transport = httpx.ASGITransport(app=web.build(room.parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:

        async def asked(role: str) -> Any:
            headers = {"Authorization": f"Bearer {tokens[role]}"}
            return (await client.get("/api/schedule", headers=headers)).json()

        off = {"when": "off", "words": "The schedule is off.", "next_at": None, "needed": 8, "new": 0, "last": None}
        assert await asked("viewer") == {**off, "webhook": None}
        assert await asked("admin") == {**off, "webhook": {"address": "", "last": None}}
    await room.close()


# -- the webhook --


class Listener(httpx.AsyncBaseTransport):
    """Somebody outside, who answers as told."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.heard: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.heard.append(json.loads(await request.aread()))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, headers={"Location": "http://elsewhere"})


def hook(room: Room, listener: Listener, address: str = "https://key:secret@hooks.example/t0ken?x=1") -> Webhook:
    settings = replace(room.settings, webhook=address)
    return Webhook(room.store, settings, transport=listener, waits_s=(0.0, 0.0))


def ended(room: Room, *, stage: str = "done") -> str:
    run = room.store.training.start_run(by="ann", base="b0", args=TrainArgs()).id
    room.store.training.update_run(run, stage=stage, reason="as it went", adapter="shop-v1")
    return run


async def test_the_end_of_a_run_is_told_once_with_names_and_figures_alone(room: Room) -> None:
    listener = Listener(200)
    webhook = hook(room, listener)
    await corrected(room, 1)
    run = ended(room)
    await webhook.tell()
    await webhook.tell()
    (said,) = listener.heard
    assert {**said, "created_at": "", "ended_at": ""} == {
        "event": "run.ended",
        "assistant": "shop",
        "run": run,
        "by": "ann",
        "stage": "done",
        "verdict": None,
        "reason": "as it went",
        "adapter": "shop-v1",
        "created_at": "",
        "ended_at": "",
    }
    assert said["created_at"] <= said["ended_at"]
    told = webhook.last()
    assert told is not None
    assert (told.run, told.status, told.tries, told.trouble) == (run, 200, 1, "")
    await webhook.close()


async def test_what_was_told_and_could_not_be_written_down_is_not_told_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener(200)
    webhook, run = hook(room, listener), ended(room)

    def full(*given: object, **named: object) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(room.store.told, "keep", full)
        with pytest.raises(StoreError):
            await webhook.tell()
    await webhook.tell()
    told = webhook.last()
    assert told is not None
    assert (told.run, told.status, len(listener.heard)) == (run, 200, 1)
    await webhook.close()


@pytest.mark.parametrize(
    ("answers", "status", "tries", "trouble"),
    [
        ([503, httpx.ConnectError("no"), 204], 204, 3, ""),
        ([429, 200], 200, 2, ""),
        ([404], 404, 1, "It answered 404."),
        ([302], 302, 1, "It answered 302."),
        ([500, 500, 500], 500, 3, "It answered 500."),
        ([httpx.ReadTimeout("slow")] * 3, None, 3, "It could not be reached (ReadTimeout)."),
    ],
)
async def test_what_may_pass_is_tried_again_and_what_stays_wrong_is_kept_and_logged_without_secrets(
    room: Room, caplog: pytest.LogCaptureFixture, answers: list[Any], status: int | None, tries: int, trouble: str
) -> None:
    webhook = hook(room, Listener(*answers))
    run = ended(room, stage="failed")
    await webhook.tell()
    told = webhook.last()
    assert told is not None
    assert (told.run, told.status, told.tries, told.trouble) == (run, status, tries, trouble)
    assert webhook.host == "https://hooks.example"
    expected = [f"https://hooks.example was not told that run {run} has ended: {trouble}"] if trouble else []
    assert [record.getMessage() for record in caplog.records if record.name == "ftchat.webhook"] == expected
    assert room.store.training.run(run).stage == "failed"
    await webhook.close()


async def test_what_ended_long_ago_is_no_news(room: Room) -> None:
    run = ended(room)
    with room.store.writing() as db:
        db.conn.execute("UPDATE runs SET ended_at = '2026-01-01T00:00:00.000+00:00' WHERE id = :r", {"r": run})
    webhook = hook(room, Listener())
    await webhook.tell()
    assert webhook.last() is None
    await webhook.close()


@pytest.mark.parametrize(
    "address", ["ftp://example.org", "example.org/hook", "file:///etc/passwd", "http://", "http://a:x"]
)
def test_only_http_addresses_are_told(tmp_path: Path, room: Room, address: str) -> None:
    with pytest.raises(SetupError, match="webhook"):
        Webhook(room.store, Settings(home=tmp_path, webhook=address))


async def test_without_an_address_nobody_is_told_and_nothing_runs(room: Room) -> None:
    async with asyncio.timeout(1):
        await room.parts.webhook.keep()
        await room.parts.schedule.keep()
