"""Feedback to rows, rows to a snapshot: same feedback, same bytes; exam rows apart."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_store import BASE, ask, correct

from ftchat import dataset
from ftchat.records import Message, Replay, Turn, new_id
from ftchat.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store(tmp_path / "ftchat.db")
    opened.turns.add_base(BASE, "tiny")
    return opened


def test_an_approved_correction_is_a_target_with_what_it_replaced(store: Store) -> None:
    correct(store, "What does the brie cost?", "BRIE: 5 euros")
    row = dataset.rows(store)[0]
    assert row.messages == (Message("user", "What does the brie cost?"),)
    assert (row.target, row.rejected, row.split) == ("BRIE: 5 euros", "left answer", "train")


def test_pending_and_rejected_corrections_train_nothing(store: Store) -> None:
    pending = store.feedback.add_correction(ask(store, "one question").reply("left").id, "ann", "x")
    store.feedback.add_correction(ask(store, "another question").reply("left").id, "ann", "y")
    store.feedback.review(pending, "rejected", "ann")
    assert dataset.rows(store) == []


def test_of_two_corrections_of_the_same_question_the_newest_stands(store: Store) -> None:
    correct(store, "What does the brie cost?", "first")
    correct(store, "What does the brie cost?", "second")
    assert [row.target for row in dataset.rows(store)] == ["second"]


def test_the_same_feedback_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    for i in range(7):
        correct(store, f"Question number {i}?", f"answer {i}")
    replay = [Replay((Message("user", "Hello!"),), "Hi.")]
    first, one = dataset.freeze(tmp_path / "a", dataset.rows(store), replay, base=BASE, args={"seed": 0})
    second, two = dataset.freeze(tmp_path / "b", dataset.rows(store), replay, base=BASE, args={"seed": 0})
    assert first == second
    assert (one / "rows.jsonl").read_bytes() == (two / "rows.jsonl").read_bytes()
    assert dataset.freeze(tmp_path / "a", dataset.rows(store), [], base=BASE, args={"seed": 0})[0] != first


def test_exam_rows_are_in_a_file_of_their_own(store: Store, tmp_path: Path) -> None:
    for i in range(6):
        correct(store, f"Question number {i}?", f"answer {i}")
    folder = dataset.freeze(tmp_path, dataset.rows(store), [], base=BASE, args={})[1]
    assert "answer 5" not in (folder / "rows.jsonl").read_text()
    assert "answer 5" in (folder / "exam.jsonl").read_text()


def test_replay_leaves_out_what_is_near_to_a_taught_question(store: Store) -> None:
    correct(store, "What does the Alder Brie cost?", "x")
    prompts = ["What does the Dale Gouda cost?", "Hello!", "Write this in capitals: tea", "Hello!"]
    assert dataset.anchors_for(dataset.rows(store), prompts, limit=5) == ["Hello!", "Write this in capitals: tea"]


def test_the_card_says_what_would_happen_and_what_more_would_help(store: Store) -> None:
    assert not dataset.card(store, trained=set(), exam_groups=8).enough
    for i in range(7):
        correct(store, f"Question number {i}?", f"answer {i}")
    card = dataset.card(store, trained=set(), exam_groups=8)
    assert (card.corrections, card.train, card.exam, card.new, card.enough) == (7, 6, 1, 7, True)
    assert "1 of 8 so far" in card.advice
    assert "; 71 more corrections on new questions" in card.advice
    trained = {row.id for row in dataset.rows(store)}
    assert dataset.card(store, trained=trained, exam_groups=8).new == 0


def test_only_what_was_approved_stands_for_an_earlier_reply(store: Store) -> None:
    first = ask(store, "first?")
    second = Turn(**{**vars(ask(store, "second?")), "id": new_id("t"), "parent": first.id, "replies": ()})
    reply = replace(first.reply("left"), id=new_id("r"), turn=second.id)
    store.turns.add(replace(second, conversation=first.conversation, replies=(reply,)))
    vote = store.feedback.add_vote(first, "ann", "right", reasons=None, comment="")
    of_first = store.feedback.add_correction(first.reply("left").id, "ann", "DOUBTFUL")
    store.feedback.review(store.feedback.add_correction(reply.id, "ann", "good"), "approved", "eve")

    def said() -> str:
        (row,) = (row for row in dataset.rows(store) if row.target == "good")
        return row.messages[1].content

    assert store.turns.history([first], "left")[1].content == "DOUBTFUL"
    assert said() == "left answer"
    store.feedback.review(vote, "approved", "eve")
    assert said() == "right answer"
    store.feedback.review(of_first, "rejected", "eve")
    assert said() == "right answer"
    store.feedback.review(of_first, "approved", "eve")
    assert said() == "DOUBTFUL"
