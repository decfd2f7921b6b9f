"""The tables of the tree, of reasons and of sessions: brought to an older file, and what of them may change."""

import json
import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from ftchat.records import now
from ftchat.store import Store
from ftchat.store.schema import migrations

BEFORE = "m020_a_tree_of_turns"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store over a file of the step before, in which one comparison was voted on and corrected."""
    path = tmp_path / "data" / "ftchat.db"
    path.parent.mkdir()
    old = Database(path)
    migrations.apply(old, stop_before=BEFORE)
    at, params = now(), json.dumps({"temperature": 0, "top_p": 1, "max_tokens": 9, "seed": None, "stop": []})
    old["bases"].insert({"fingerprint": "b0", "name": "tiny", "first_seen_at": at})
    old["conversations"].insert(
        {"id": "c_1", "owner": "ann", "title": "hi", "system": "", "group_key": "hi", "created_at": at}
    )
    turn = {"id": "t_1", "conversation": "c_1", "owner": "ann", "mode": "compare", "blind": 1, "prompt": "hi"}
    old["turns"].insert({**turn, "params": params, "created_at": at})
    for lane in ("left", "right"):
        reply = {"id": f"r_{lane}", "turn": "t_1", "lane": lane, "contestant": "base", "model": "base", "base": "b0"}
        old["replies"].insert({**reply, "text": "hello", "finish": "stop"})
    said = {"rater": "ann", "created_at": at}
    vote = {"id": "v_1", "turn": "t_1", "winner": "both_bad", "blind": 1, "comment": "both wrong", **said}
    old["votes"].insert({**vote, "reasons": json.dumps({"left": ["wrong fact"]})})
    old["corrections"].insert({"id": "k_1", "reply": "r_left", "text": "better", **said})
    old.close()
    return Store(path)


def test_an_older_file_is_brought_up_to_date_and_nothing_in_it_is_lost(store: Store) -> None:
    turn = store.turns.get("t_1")
    assert [(r.text, r.trimmed) for r in turn.replies] == [("hello", 0), ("hello", 0)]
    assert store.tree.siblings(turn) == ("t_1",)
    assert store.tree.path("c_1") == ["t_1"]
    vote = store.judged.vote_of("t_1")
    assert vote is not None
    assert (vote.reasons, vote.comment) == ({"left": ("wrong fact",)}, "both wrong")
    assert store.judged.instruction_of("k_1") == ""
    assert store.judged.to_correct("ann") == []
    store.feedback.void("k_1", "ann")
    assert store.judged.to_correct(None) == ["t_1"]
    assert store.sessions.of("ann") == []


@pytest.mark.parametrize("table", ["vote_reasons", "correction_origins"])
def test_why_something_was_said_cannot_be_changed_or_deleted(store: Store, table: str) -> None:
    store.judged.add_reasons("v_1", {"right": ["too long"]}, "")
    store.judged.add_origin("k_1", "shorter")
    for sql in (f"DELETE FROM {table}", f"UPDATE {table} SET rowid = 99"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), store.writing() as db:
            db.conn.execute(sql)


def test_the_correction_queue_is_found_by_index(store: Store) -> None:
    plan = store.rows("EXPLAIN QUERY PLAN SELECT turn FROM votes WHERE winner = 'both_bad' ORDER BY turn")
    assert [row["detail"] for row in plan] == ["SCAN votes USING INDEX votes_both_bad"]


def test_what_somebody_went_on_with_is_found_by_index_whatever_else_they_asked(store: Store) -> None:
    asked = "SELECT id FROM conversations WHERE owner = 'ann' AND group_key = 'hi' ORDER BY id DESC LIMIT 50"
    (plan,) = store.rows(f"EXPLAIN QUERY PLAN {asked}")
    assert plan["detail"] == "SEARCH conversations USING COVERING INDEX conversations_group (group_key=? AND owner=?)"


def test_a_session_of_no_known_id_or_question_changes_nothing(store: Store) -> None:
    session = store.sessions.add("ann", "one", ["a", "b"])
    store.sessions.skip(session, 9, "no such question")
    store.sessions.skip(session, 1, "first reason")
    store.sessions.skip(session, 1, "second reason")
    assert [(i.position, i.skipped) for i in store.sessions.left_out(session)] == [(1, "first reason")]
    assert [(i.position, i.prompt, i.turn, i.asked) for i in store.sessions.items(session, limit=5)] == [
        (2, "b", None, 0)
    ]
    store.sessions.became(session, 2, "t_1")
    found = store.sessions.get(session)
    assert (found.total, found.voted, found.skipped, found.done) == (2, 1, 1, True)
