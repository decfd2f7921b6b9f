"""Backups of a home: one moment in one verified file, kept by age, and gone back to without losing what is replaced."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from test_store import BASE, ask, ask_many
from test_store_faults import vote
from test_store_opening import damaged

from ftchat import backups
from ftchat.backups import Backups
from ftchat.config import Settings
from ftchat.errors import HomeInUse, NewerSchema, NotFound, StoreError
from ftchat.lease import Lease
from ftchat.store import Store, copies


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Store:
    opened = Store(home / "data" / backups.DATABASE)
    opened.turns.add_base(BASE, "tiny")
    return opened


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_backup_is_one_file_with_everything_saved_so_far(store: Store, home: Path) -> None:
    turn = ask(store, "What does the brie cost?")
    vote(store, turn.id)
    made = backups.backup(home)
    assert (made.rows["turns"], made.rows["votes"], made.rows["standing"]) == (1, 1, 1)
    assert os.listdir(home / "data" / "backups") == [made.path.name]
    assert made.path.name.endswith("-manual.db")
    assert copies.verified(made.path) == made.rows
    assert [(b.path, b.bytes) for b in backups.listed(home)] == [(made.path, made.path.stat().st_size)]


def test_a_backup_made_while_votes_come_in_is_of_one_moment(store: Store, home: Path) -> None:
    turns = ask_many(store, 300)
    ended = threading.Event()

    def voting() -> None:
        for turn in turns:
            vote(store, turn.id, key=turn.id)
        ended.set()

    voter = threading.Thread(target=voting)
    voter.start()
    made = []
    while not ended.is_set():
        made.append(backups.backup(home, to=home / f"{len(made)}.db").rows)
    voter.join()
    counts = [rows["votes"] for rows in made]
    assert len(made) >= 3
    assert counts == sorted(counts)
    assert len(set(counts) - {0, 300}) > 0
    assert all(r["votes"] == r["reviews"] == r["idempotency"] == r["standing"] for r in made)
    assert store.feedback.counts() == {"vote/approved": 300}


def test_a_backup_after_the_app_was_killed_holds_what_it_had_saved(home: Path) -> None:
    script = f"""
import os, signal, sys
sys.path[:0] = [{str(Path(__file__).parent)!r}]
from pathlib import Path
from test_store import BASE, ask, ask_many
from ftchat.store import Store
store = Store(Path({str(home / "data" / backups.DATABASE)!r}))
store.turns.add_base(BASE, "tiny")
for i in range(7):
    ask(store, "hi there")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert backups.backup(home).rows["turns"] == 7


def test_a_home_without_a_database_has_nothing_to_back_up(home: Path) -> None:
    with pytest.raises(NotFound, match="nothing to back up"):
        backups.backup(home)
    assert not home.exists()


def test_a_backup_overwrites_nothing(store: Store, home: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.db"
    target.write_text("my own")
    with pytest.raises(StoreError, match="is there already"):
        backups.backup(home, to=target)
    assert target.read_text() == "my own"
    assert backups.backup(home, to=tmp_path).path.parent == tmp_path


def test_a_damaged_database_makes_no_backup(store: Store, home: Path) -> None:
    ask_many(store, 200)
    store.close()
    damaged(store.path, how="page")
    with pytest.raises(StoreError, match=r"damaged|copied"):
        backups.backup(home)
    assert os.listdir(home / "data" / "backups") == []


# -- going back --


def test_going_back_brings_what_was_saved_and_keeps_what_is_replaced(store: Store, home: Path) -> None:
    first = ask(store, "before the backup")
    vote(store, first.id)
    made = backups.backup(home)
    later = ask(store, "after the backup")
    store.close()

    done = backups.restore(home, made.path)

    assert (done.database, done.backup, done.rows) == (store.path, made.path, made.rows)
    again = Store(store.path)
    assert [c.title for c in again.turns.conversations("ann", limit=5)] == ["before the backup"]
    assert again.feedback.counts() == {"vote/approved": 1}
    vote(again, ask(again, "and onwards").id)
    again.close()
    assert done.replaced is not None
    assert done.replaced.parent == home / "data" / "backups"
    kept = Store(done.replaced)
    assert [c.title for c in kept.turns.conversations("ann", limit=5)] == ["after the backup", "before the backup"]
    assert kept.turns.get(later.id) == later
    assert [b.path for b in backups.listed(home)] == [made.path]


def test_the_log_of_a_database_that_is_gone_is_not_written_into_the_one_that_is_put_back(
    store: Store, home: Path
) -> None:
    ask_many(store, 50)
    made = backups.backup(home)
    ask_many(store, 50)
    log = store.path.with_name("ftchat.db-wal")
    killed = log.read_bytes()
    assert killed
    store.close()
    store.path.unlink()
    log.write_bytes(killed)

    done = backups.restore(home, made.path)

    assert done.replaced is None
    assert sorted(p.name for p in store.path.parent.iterdir()) == ["backups", "ftchat.db", "lease"]
    (kept,) = (home / "data" / "backups").glob("*-wal")
    assert kept.read_bytes() == killed
    again = Store(store.path)
    assert len(again.turns.conversations(None, limit=500)) == 50
    assert again.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_what_was_only_in_the_log_of_a_killed_app_is_kept_aside_and_not_replayed(store: Store, home: Path) -> None:
    made = backups.backup(home)
    ask(store, "only in the log")
    log = store.path.with_name("ftchat.db-wal")
    assert log.stat().st_size > 0
    killed = [path.read_bytes() for path in (store.path, log)]
    store.close()
    store.path.write_bytes(killed[0])
    log.write_bytes(killed[1])

    done = backups.restore(home, made.path)

    assert sorted(p.name for p in store.path.parent.iterdir()) == ["backups", "ftchat.db", "lease"]
    assert Store(store.path).turns.conversations(None, limit=5) == []
    assert done.replaced is not None
    assert [c.title for c in Store(done.replaced).turns.conversations(None, limit=5)] == ["only in the log"]


@pytest.mark.parametrize("how", ["no database", "page", "cut", "empty", "gone"])
def test_a_damaged_home_answers_again_after_going_back(store: Store, home: Path, how: str) -> None:
    ask_many(store, 200)
    made = backups.backup(home)
    store.close()
    damaged(store.path, how=how)
    with pytest.raises(StoreError, match="ftchat restore"):
        Store(store.path)
    done = backups.restore(home, Path(made.path.name))  # by its name alone
    assert len(Store(store.path).turns.conversations(None, limit=500)) == 200
    assert (done.replaced is None) == (how == "gone")


def test_an_assistant_moves_to_another_home_by_its_backup(store: Store, home: Path, tmp_path: Path) -> None:
    ask(store, "What does the brie cost?")
    made = backups.backup(home, to=tmp_path / "brie.db")
    done = backups.restore(tmp_path / "new", made.path)
    assert done.replaced is None
    assert len(Store(done.database).turns.conversations("ann", limit=5)) == 1


def test_while_an_app_uses_the_home_going_back_is_refused(store: Store, home: Path) -> None:
    made = backups.backup(home)
    lease = Lease(home / "data" / "lease")
    before = sorted(os.listdir(home / "data"))
    with pytest.raises(HomeInUse, match=f"process id {os.getpid()}"):
        backups.restore(home, made.path)
    assert sorted(os.listdir(home / "data")) == before
    lease.release()
    store.close()
    backups.restore(home, made.path)
    Lease(home / "data" / "lease").release()


@pytest.mark.parametrize("how", ["no database", "page", "cut", "empty"])
def test_a_damaged_backup_replaces_nothing(store: Store, home: Path, how: str) -> None:
    ask_many(store, 200)
    made = backups.backup(home)
    store.close()
    damaged(made.path, how=how)
    with pytest.raises(StoreError):
        backups.restore(home, made.path)
    assert len(Store(store.path).turns.conversations(None, limit=500)) == 200


def test_only_a_backup_of_ftchat_that_this_version_knows_is_gone_back_to(
    store: Store, home: Path, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (a)")
    other.close()
    newer = backups.backup(home).path
    with sqlite3.connect(newer) as changed:
        changed.execute("INSERT INTO _sqlite_migrations VALUES (999, 'ftchat', 'm999_later', '')")
    changed.close()
    store.close()
    for source, refused, says in (
        (tmp_path / "other.db", StoreError, "not a backup of ftchat"),
        (newer, NewerSchema, "m999_later"),
        (store.path, StoreError, "the database itself"),
        (tmp_path / "nothing.db", NotFound, "no backup"),
    ):
        with pytest.raises(refused, match=says):
            backups.restore(home, source)
    assert sorted(p.name for p in store.path.parent.iterdir()) in (
        ["backups", "ftchat.db"],
        ["backups", "ftchat.db", "lease"],
    )


# -- every hour --


def hourly(store: Store, home: Path, clock: Clock, **settings: int) -> Backups:
    return Backups(store, Settings(home=home, **settings), clock=clock)


def test_of_a_month_of_hours_the_newest_day_and_the_last_of_a_fortnight_are_kept() -> None:
    last = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)
    made = [Path(copies.name_for(copies.HOURLY, last - timedelta(hours=h))) for h in range(30 * 24)]
    fortnight = [last, *(last.replace(hour=23) - timedelta(days=d) for d in range(1, 14))]
    wanted = {last - timedelta(hours=h) for h in range(24)} | set(fortnight)
    assert {copies.made_at(path) for path in backups.kept(made, 24, days=14)} == wanted


def test_old_backups_go_as_new_ones_come_but_never_those_made_by_hand(store: Store, home: Path) -> None:
    clock = Clock()
    keeper = hourly(store, home, clock, backups_hourly=2, backups_daily=2)
    by_hand = backups.backup(home).path
    made = []
    for _ in range(7):
        ask_cheaply(store)
        made.append(keeper.make())
        clock.now += timedelta(hours=10)
    assert {b.path for b in backups.listed(home)} == {by_hand, made[4], made[5], made[6]}
    assert keeper.trouble == ""


def ask_cheaply(store: Store) -> None:
    """A change of a few bytes."""
    store.remember("ann", os.urandom(8).hex(), "")


def test_when_nothing_was_said_since_there_is_no_new_backup(store: Store, home: Path) -> None:
    clock = Clock()
    keeper = hourly(store, home, clock)
    for made in (True, False):
        assert (keeper.make() is not None) == made
        clock.now += timedelta(hours=1)
    ask_cheaply(store)
    assert keeper.make() is not None
    assert len(backups.listed(home)) == 2


def test_on_a_full_disk_the_app_goes_on_and_says_that_there_is_no_new_backup(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = hourly(store, home, Clock())
    with monkeypatch.context() as full:
        full.setattr(copies, "ROOM", 1 << 60)
        assert keeper.make() is None
    assert keeper.trouble.startswith("There is no new backup.")
    assert "MB are free on its disk" in keeper.trouble
    assert [record.message for record in caplog.records] == [keeper.trouble]
    vote(store, ask(store, "hi there").id)
    assert os.listdir(store.backups) == []
    assert keeper.make() is not None
    assert keeper.trouble == ""


async def test_while_the_app_runs_backups_come_by_themselves_and_end_with_it(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_LOOK_S", 0.05)
    monkeypatch.setattr(backups, "_SOON_S", 0.05)
    clock = Clock()
    keeper = hourly(store, home, clock)
    task = asyncio.create_task(keeper.keep())

    async def until(count: int) -> None:
        while len(backups.listed(home)) < count:
            await asyncio.sleep(0.02)

    await asyncio.wait_for(until(1), 10)
    ask_cheaply(store)
    await asyncio.sleep(0.3)
    assert len(backups.listed(home)) == 1  # an hour has not passed
    clock.now += timedelta(hours=1, seconds=1)
    await asyncio.wait_for(until(2), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_with_zero_seconds_between_two_there_are_none(store: Store, home: Path) -> None:
    await hourly(store, home, Clock(), backup_every_s=0).keep()
    assert backups.listed(home) == []


def test_what_a_killed_app_left_half_copied_is_dropped_after_a_day(store: Store, home: Path) -> None:
    store.backups.mkdir()
    old, new = store.backups / "a.db.part", store.backups / "b.db.part"
    for part in (old, new):
        part.write_text("half")
    os.utime(old, (0, 0))
    assert hourly(store, home, Clock()).make() is not None
    assert (old.exists(), new.exists()) == (False, True)


async def test_a_running_app_makes_backups_of_its_home(home: Path) -> None:
    from fastapi import FastAPI

    from ftchat.serve import App

    settings = Settings(home=home, open=True, engine_url=("http://127.0.0.1:9",), backup_every_s=1)
    async with App(settings).running(FastAPI()):
        async with asyncio.timeout(20):
            while not backups.listed(home):
                await asyncio.sleep(0.1)
    assert copies.verified(backups.listed(home)[0].path)["bases"] == 1


@pytest.mark.parametrize("broken", [False, True])
def test_where_there_are_no_links_what_is_replaced_is_copied(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    ask(store, "before")
    made = backups.backup(home)
    ask(store, "after")
    store.close()
    database = home / "data" / backups.DATABASE
    if broken:
        database.write_bytes(database.read_bytes()[:5000])
    there = database.read_bytes()

    def refuse(self: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    done = backups.restore(home, made.path)
    assert done.rows["turns"] == 1
    assert done.replaced is not None
    if broken:
        assert done.replaced.read_bytes() == there
    else:
        assert copies.verified(done.replaced)["turns"] == 2
