"""What the store does when something goes wrong: nothing half-written, nothing lost, and the next write works."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from room import ANN, Room
from test_store import ask, ask_many

from ftchat.errors import Conflict, StoreError
from ftchat.records import Turn, Vote
from ftchat.store import Store, copies
from ftchat.store.opening import connect


def vote(store: Store, turn: str, *, key: str | None = None) -> str:
    """One vote with its review and its key, in one transaction, as people give it."""
    with store.writing():
        given = store.feedback.add_vote(store.turns.get(turn), "ann", "left", reasons=None, comment="")
        store.feedback.review(given, "approved", "ann")
        store.remember("ann", key, given)
    return given


def test_every_connection_waits_for_the_disk_and_keeps_the_rules(store: Store) -> None:
    for connection in (connect(store.path), store._writer.conn):
        found = {
            pragma: connection.execute(f"PRAGMA {pragma}").fetchone()[0]
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "trusted_schema")
        }
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 5000,
            "trusted_schema": 0,
        }
    assert store.row("PRAGMA query_only") == {"query_only": 1}


def test_a_connection_that_does_not_take_its_pragmas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="journal_mode stays memory"):
        connect(Path(":memory:"))


def test_every_table_is_strict(store: Store) -> None:
    plain = [
        row["name"]
        for row in store.rows("SELECT name FROM pragma_table_list WHERE type = 'table' AND strict = 0")
        if not row["name"].startswith(("sqlite_", "_sqlite_migrations"))
    ]
    assert plain == []


def test_a_row_that_refers_to_nothing_is_refused(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        store.feedback.add_rating("r_nothing", "ann", "up", reasons=None, comment="")
    assert store.feedback.counts() == {}


@pytest.mark.parametrize(
    "interruption", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, ValueError]
)
def test_whatever_interrupts_a_transaction_nothing_of_it_stays(store: Store, interruption: type[BaseException]) -> None:
    turn = ask(store, "hi there")

    def interrupted() -> None:
        with store.writing():
            store.feedback.add_vote(turn, "ann", "left", reasons=None, comment="")
            raise interruption

    with pytest.raises(interruption):
        interrupted()
    assert store.feedback.counts() == {}
    vote(store, turn.id)
    assert store.feedback.counts() == {"vote/approved": 1}


def test_after_a_text_that_cannot_be_stored_a_hundred_votes_are_taken(store: Store) -> None:
    turns = ask_many(store, 100)
    for turn in turns:
        with pytest.raises(UnicodeEncodeError):
            store.feedback.add_vote(turn, "ann", "left", reasons=None, comment="\ud800")
        vote(store, turn.id)
    assert store.feedback.counts() == {"vote/approved": 100}


def test_what_one_thread_has_not_committed_another_does_not_read(store: Store) -> None:
    turn = ask(store, "hi there")
    seen = []
    with store.writing():
        vote(store, turn.id)
        reader = threading.Thread(target=lambda: seen.append(store.feedback.counts()))
        reader.start()
        reader.join()
        assert store.feedback.counts() == {"vote/approved": 1}
    assert seen == [{}]


def test_a_hundred_threads_with_one_key_make_one_row(store: Store) -> None:
    turn = ask(store, "hi there")
    begin = threading.Barrier(100)

    def click() -> str:
        begin.wait()
        with store.writing():
            return store.once("ann", "k1") or vote(store, turn.id, key="k1")

    with ThreadPoolExecutor(100) as pool:
        given = {future.result() for future in [pool.submit(click) for _ in range(100)]}
    assert store.rows("SELECT id FROM votes") == [{"id": given.pop()}]
    assert given == set()


@pytest.mark.parametrize("key", [None, "POST /api/votes k1"])
async def test_a_hundred_clicks_of_one_vote_are_one_row(tmp_path: Path, key: str | None) -> None:
    room = Room(tmp_path)
    turn = await room.chat.ask(ANN, "What does the brie cost?", mode="compare")
    await room.done(turn)
    clicks = [room.judging.vote(ANN, turn, "left", key=key) for _ in range(100)]
    votes = {vote.id for vote in await asyncio.gather(*clicks)}
    assert room.store.rows("SELECT id FROM votes") == [{"id": votes.pop()}]
    assert votes == set()
    await room.close()


async def test_of_a_hundred_clicks_of_two_votes_the_first_is_kept(tmp_path: Path) -> None:
    room = Room(tmp_path)
    turn = await room.chat.ask(ANN, "What does the brie cost?", mode="compare")
    await room.done(turn)
    clicks = [room.judging.vote(ANN, turn, "left" if i % 2 else "right") for i in range(100)]
    answers = await asyncio.gather(*clicks, return_exceptions=True)
    kept = {answer.id for answer in answers if isinstance(answer, Vote)}
    assert [row["id"] for row in room.store.rows("SELECT id FROM votes")] == list(kept)
    assert {type(answer) for answer in answers} == {Vote, Conflict}
    await room.close()


def test_another_process_that_writes_is_waited_for(store: Store) -> None:
    turn = ask(store, "hi there")
    other = connect(store.path)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    vote(store, turn.id)
    assert store.feedback.counts() == {"vote/approved": 1}


def test_when_the_database_may_not_grow_a_vote_is_refused_and_everything_else_stays(store: Store) -> None:
    turns = [ask(store, f"question {i} " + "x" * 2000) for i in range(20)]
    vote(store, turns[0].id)
    pages = store.rows("PRAGMA page_count")[0]["page_count"]
    writer = store._writer.conn
    writer.execute(f"PRAGMA max_page_count = {pages}")

    def vote_and_correct(turn: Turn) -> None:
        with store.writing():
            vote(store, turn.id)
            store.feedback.add_correction(turn.reply("left").id, "ann", "y" * 50_000)

    for turn in turns[1:]:
        with pytest.raises(StoreError, match="disk is full"):
            vote_and_correct(turn)
    assert store.feedback.counts() == {"vote/approved": 1}
    assert store.turns.get(turns[5].id).prompt.startswith("question 5")
    writer.execute("PRAGMA max_page_count = 1000000")
    vote(store, turns[1].id)
    assert store.feedback.counts() == {"vote/approved": 2}


_FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from test_store import BASE, ask, ask_many
from test_store_faults import vote
from ftchat.errors import StoreError
from ftchat.store import Store
store = Store(Path({path!r}))
store.turns.add_base(BASE, "tiny")
turns = ask_many(store, 60)
store._writer.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))  # of each file
taken, refused = 0, set()
for turn in turns[:40]:
    try:
        vote(store, turn.id)
        taken += 1
    except StoreError as err:
        refused.add(err.message.split(" (")[0])
assert 0 < taken < 40, taken
assert refused == {{"The disk is full"}}, refused
assert store.feedback.counts() == {{"vote/approved": taken}}
assert [store.feedback.vote_of(t.id) is not None for t in turns[:40]] == [True] * taken + [False] * (40 - taken)
assert len(store.feedback.page(limit=100)[0]) == taken
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for turn in turns[taken:]:
    vote(store, turn.id)
assert store.feedback.counts() == {{"vote/approved": 60}}
store.close()
print("as promised")
"""


def test_on_a_full_disk_votes_are_refused_reads_work_and_with_room_votes_are_taken_again(tmp_path: Path) -> None:
    script = _FULL_DISK.format(tests=str(Path(__file__).parent), path=str(tmp_path / "ftchat.db"))
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (child.stdout, child.stderr) == ("as promised\n", "")
    rows = copies.verified(tmp_path / "ftchat.db")
    assert (rows["votes"], rows["reviews"], rows["standing"]) == (60, 60, 60)
