"""Writes that are asked for soon: many of them in one commit, and each with an end of its own."""

import asyncio
from functools import partial
from pathlib import Path

from test_store import BASE, ask, ask_many

from ftchat.errors import Conflict, StoreError
from ftchat.records import Turn
from ftchat.store import Store


def vote(store: Store, turn: Turn) -> str:
    return store.feedback.add_vote(turn, "ann", "left", reasons=None, comment="")


def commits(store: Store) -> list[str]:
    """Each commit from now on."""
    found: list[str] = []
    store._writer.conn.set_trace_callback(lambda sql: found.append(sql) if sql == "COMMIT" else None)
    return found


async def test_what_is_asked_for_during_a_commit_shares_the_next_one(store: Store) -> None:
    turns = ask_many(store, 50)
    made = commits(store)
    given = await asyncio.gather(*(store.soon(partial(vote, store, turn)) for turn in turns))
    assert len(set(given)) == 50
    assert len(store.rows("SELECT id FROM votes")) == 50
    assert len(made) < 25


async def test_one_alone_is_a_commit_of_its_own_and_on_disk_when_it_returns(store: Store) -> None:
    turns = ask_many(store, 3)
    made = commits(store)
    for count, turn in enumerate(turns, start=1):
        await store.soon(partial(vote, store, turn))
        assert len(made) == len(store.rows("SELECT id FROM votes")) == count


async def test_a_step_that_fails_takes_back_its_own_rows_and_no_others(store: Store) -> None:
    turns = ask_many(store, 20)

    def half(turn: Turn) -> str:
        vote(store, turn)
        raise Conflict("not this one")

    works = [partial(half if at % 3 == 0 else partial(vote, store), turn) for at, turn in enumerate(turns)]
    ended = await asyncio.gather(*(store.soon(work) for work in works), return_exceptions=True)
    assert [isinstance(end, Conflict) for end in ended] == [at % 3 == 0 for at in range(20)]
    kept = {row["turn"] for row in store.rows("SELECT turn FROM votes")}
    assert kept == {turn.id for at, turn in enumerate(turns) if at % 3}


async def test_a_disk_that_is_full_is_told_to_everyone_in_the_transaction(store: Store) -> None:
    turns = ask_many(store, 10)
    db = store._writer.conn
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")

    def large(turn: Turn) -> str:
        return store.feedback.add_vote(turn, "ann", "left", reasons=None, comment="x" * 100_000)

    ended = await asyncio.gather(*(store.soon(partial(large, turn)) for turn in turns), return_exceptions=True)
    assert all(isinstance(end, StoreError) and "disk is full" in str(end) for end in ended)
    assert store.rows("SELECT id FROM votes") == []
    db.execute("PRAGMA max_page_count = 1000000")
    assert await store.soon(partial(vote, store, turns[0]))


async def test_what_was_asked_for_is_written_before_the_store_closes(tmp_path: Path) -> None:
    store = Store(tmp_path / "data" / "ftchat.db")
    store.turns.add_base(BASE, "tiny")
    turns = ask_many(store, 30)
    asked = [asyncio.ensure_future(store.soon(partial(vote, store, turn))) for turn in turns]
    await asyncio.sleep(0)
    store.close()
    assert len(set(await asyncio.gather(*asked))) == 30
    again = Store(store.path)
    assert len(again.rows("SELECT id FROM votes")) == 30
    again.close()


async def test_who_stops_waiting_does_not_stop_the_write(store: Store) -> None:
    turn = ask(store, "hello")
    waiting = asyncio.ensure_future(store.soon(partial(vote, store, turn)))
    await asyncio.sleep(0)
    waiting.cancel()
    await store.soon(lambda: None)
    assert waiting.cancelled()
    assert len(store.rows("SELECT id FROM votes")) == 1
