"""The store on a real SQLite file."""

import json
import sqlite3
import time
from pathlib import Path

import pytest

from ftchat import ids
from ftchat.config import TrainArgs
from ftchat.errors import Conflict, NewerSchema, NotFound
from ftchat.records import Conversation, Params, Reply, Turn, new_id, now
from ftchat.store import Store
from ftchat.store.feedback import split_of
from ftchat.store.schema import migrations

BASE = "b0"


def ask(store: Store, prompt: str, *, mode: str = "compare", owner: str = "ann", blind: bool = True) -> Turn:
    """A committed turn with finished replies."""
    turn_id, conversation = new_id("t"), new_id("c")
    lanes = ("left", "right") if mode == "compare" else ("only",)
    replies = tuple(
        Reply(id=new_id("r"), turn=turn_id, lane=lane, contestant="base", model="base", base=BASE) for lane in lanes
    )
    turn = Turn(
        id=turn_id,
        conversation=conversation,
        owner=owner,
        mode=mode,
        prompt=prompt,
        blind=blind and mode == "compare",
        parent=None,
        params=Params(stop=("x",)),
        created_at=now(),
        replies=replies,
    )
    store.turns.add(turn, new=Conversation(conversation, owner, prompt, "", turn.created_at))
    for reply in replies:
        store.turns.finish(Reply(**{**vars(reply), "text": f"{reply.lane} answer", "finish": "stop"}))
    return store.turns.get(turn_id)


def ask_many(store: Store, number: int) -> list[Turn]:
    """Turns in one transaction, for tests that need some pages of them."""
    with store.writing():
        return [ask(store, f"question {i}") for i in range(number)]


def correct(store: Store, prompt: str, text: str) -> str:
    """An approved correction of the left reply to a prompt."""
    turn = ask(store, prompt)
    correction = store.feedback.add_correction(turn.reply("left").id, "ann", text)
    store.feedback.review(correction, "approved", "ann")
    return correction


def test_a_turn_comes_back_as_it_was_committed(store: Store) -> None:
    turn = ask(store, "What does the brie cost?")
    assert [r.text for r in turn.replies] == ["left answer", "right answer"]
    assert turn.params == Params(stop=("x",))
    assert store.turns.conversations("ann", limit=5)[0].title == "What does the brie cost?"


def test_what_is_not_yours_does_not_exist(store: Store) -> None:
    turn = ask(store, "hi there")
    with pytest.raises(NotFound):
        store.turns.get(turn.id, owner="bob")
    with pytest.raises(NotFound):
        store.turns.conversation(turn.conversation, owner="bob")


def test_a_finished_reply_never_changes(store: Store) -> None:
    reply = ask(store, "hi there").reply("left")
    store.turns.finish(Reply(**{**vars(reply), "text": "something else"}))
    assert store.turns.get(reply.turn).reply("left").text == "left answer"
    with pytest.raises(sqlite3.IntegrityError, match="never changes"), store.writing() as db:
        db.conn.execute("UPDATE replies SET text = 'x'")


@pytest.mark.parametrize("table", ["votes", "corrections", "ratings", "reviews", "turns"])
def test_what_people_said_cannot_be_changed_or_deleted(store: Store, table: str) -> None:
    turn = ask(store, "hi there")
    store.feedback.add_vote(turn, "ann", "left", reasons=None, comment="")
    store.feedback.add_rating(turn.reply("left").id, "ann", "up", reasons=None, comment="")
    correction = store.feedback.add_correction(turn.reply("left").id, "ann", "better")
    store.feedback.review(correction, "approved", "ann")
    for sql in (f"DELETE FROM {table}", f"UPDATE {table} SET created_at = 'x'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), store.writing() as db:
            db.conn.execute(sql)


def test_one_vote_stands_and_after_an_undo_the_next_is_not_blind(store: Store) -> None:
    turn = ask(store, "hi there")
    first = store.feedback.add_vote(turn, "ann", "left", reasons=None, comment="")
    with pytest.raises(Conflict):
        store.feedback.add_vote(turn, "ann", "right", reasons=None, comment="")
    store.feedback.void(first, "ann")
    store.feedback.void(first, "ann")
    assert store.feedback.vote_of(turn.id) is None
    store.feedback.add_vote(turn, "ann", "right", reasons=None, comment="")
    vote = store.feedback.vote_of(turn.id)
    assert vote is not None
    assert (vote.winner, vote.blind) == ("right", False)


def test_a_failed_transaction_leaves_nothing_and_the_next_one_works(store: Store) -> None:
    turn = ask(store, "hi there")

    def vote_and_correct() -> None:
        with store.writing():
            store.feedback.add_vote(turn, "ann", "left", reasons=None, comment="fine")
            store.feedback.add_correction(turn.reply("left").id, "ann", "\ud800")

    with pytest.raises(UnicodeEncodeError):
        vote_and_correct()
    assert store.feedback.vote_of(turn.id) is None
    store.feedback.add_vote(turn, "ann", "tie", reasons=None, comment="")
    assert store.feedback.counts() == {"vote/pending": 1}


def test_of_six_new_groups_the_sixth_is_for_the_exam_and_splits_are_for_good(store: Store) -> None:
    for i in range(7):
        correct(store, f"Question number {i}?", f"answer {i}")
    correct(store, "question  NUMBER 5", "the same group again")
    splits = [f.split for f in store.feedback.all(kind="correction")]
    assert splits == ["train"] * 5 + ["exam", "train", "exam"]
    assert [n for n in range(1, 50) if split_of(n) == "tune"] == [24, 36, 48]
    assert [n for n in range(1, 32) if split_of(n) == "exam"] == [6, 12, 18, 30]


def test_the_nearest_corrections_are_approved_and_not_of_the_exam(store: Store) -> None:
    kept = correct(store, "What does the brie cost?", "BRIE: 5")
    turn = ask(store, "What does the gouda cost?")
    store.feedback.add_correction(turn.reply("left").id, "ann", "pending")
    for i in range(4):
        correct(store, f"filler {i} text", "x")
    correct(store, "What does the feta cost?", "of the exam")
    assert [f.id for f in store.feedback.nearest('What "does" the alder-brie (cost)?', limit=5)] == [kept]
    assert store.feedback.nearest("?!", limit=5) == []


def test_a_second_unfinished_run_is_refused_with_the_id_of_the_first(store: Store) -> None:
    run = store.training.start_run(by="ann", base=BASE, args=TrainArgs())
    with pytest.raises(Conflict, match=run.id):
        store.training.start_run(by="bob", base=BASE, args=TrainArgs())
    store.training.update_run(run.id, stage="failed", reason="stopped")
    assert store.training.start_run(by="bob", base=BASE, args=TrainArgs()).stage == "queued"


def test_promote_and_roll_back_keep_the_states_true(store: Store) -> None:
    for number in (store.training.next_number("shop", above=0), store.training.next_number("shop", above=0)):
        store.training.add_adapter(f"shop-v{number}", number=number, base=BASE, run=None)
    store.training.promote("shop-v1", base=BASE, by="ann", why="")
    store.training.promote("shop-v2", base=BASE, by="ann", why="")
    assert {a.name: a.state for a in store.training.adapters()} == {"shop-v1": "retired", "shop-v2": "champion"}
    assert store.training.champions(BASE) == ["shop-v2", "shop-v1", "base"]
    store.training.promote("shop-v1", base=BASE, by="ann", why="rolled back")
    assert store.training.champion(BASE) == "shop-v1"


def test_an_idempotency_key_gives_the_first_result(store: Store) -> None:
    store.remember("ann", "k1", {"id": "v_1"})
    assert store.once("ann", "k1") == {"id": "v_1"}
    assert store.once("bob", "k1") is None
    assert store.once("ann", None) is None


def test_everything_is_there_after_closing_and_opening_again(store: Store) -> None:
    turn = ask(store, "hi there")
    store.feedback.add_vote(turn, "ann", "left", reasons={"left": ["clear"]}, comment="ok")
    store.close()
    again = Store(store.path)
    vote = again.feedback.vote_of(turn.id)
    assert vote is not None
    assert vote.winner == "left"
    assert again.row("PRAGMA synchronous") == {"synchronous": 2}


def test_after_a_start_with_the_clock_set_back_what_is_new_comes_after_what_was_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = time.time_ns()
    monkeypatch.setattr(ids.time, "time_ns", lambda: at + 3_600_000_000_000)
    turn = ask(store, "an hour ahead")
    vote = store.feedback.add_vote(turn, "ann", "left", reasons=None, comment="")
    store.close()
    monkeypatch.undo()
    monkeypatch.setattr(ids, "_last", 0)  # as in a new process
    again = Store(store.path)
    new = ask(again, "now")
    assert again.turns.of_conversation(turn.conversation) == [turn.id]
    assert new.id > turn.id
    assert again.feedback.add_vote(new, "ann", "left", reasons=None, comment="") > vote
    again.close()


def test_a_newer_schema_is_refused(store: Store) -> None:
    with store.writing() as db:
        row = {"migration_set": migrations.name, "name": "m999_from_the_future", "applied_at": now()}
        db.table("_sqlite_migrations").insert(row)
    store.close()
    with pytest.raises(NewerSchema, match="m999_from_the_future"):
        Store(store.path)


def test_a_database_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    from sqlite_utils import Database

    path = tmp_path / "old.db"
    old = Database(path)
    migrations.apply(old, stop_before="m002_what_was_trained")
    old.table("bases").insert({"fingerprint": BASE, "name": "tiny", "first_seen_at": now()})
    old.close()
    store = Store(path)
    assert store.row("SELECT name FROM bases") == {"name": "tiny"}
    assert json.dumps(store.training.runs()) == "[]"
