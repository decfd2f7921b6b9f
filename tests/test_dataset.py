"""Feedback to rows, rows to a snapshot: same feedback, same bytes; exam rows apart; and the card that says so."""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_store import BASE, ask, correct

from ftchat import anchors, dataset, exports, starter
from ftchat.dataset import Gathered, personal, settling
from ftchat.errors import BadInput
from ftchat.records import ROW_ROLES, Conversation, Finish, Message, Params, Replay, Reply, Row, Turn, new_id, now
from ftchat.starter.corpus import dialogues
from ftchat.store import Store
from ftchat.store.lessons import feedback_of
from ftchat.training.snapshot import ROLES, read_snapshot


def said(
    store: Store,
    prompt: str,
    left: str = "one",
    right: str = "two",
    *,
    finish: Finish = "stop",
    after: Turn | None = None,
) -> Turn:
    """A compare turn with two finished replies; `finish` is that of the left one."""
    turn = Turn(
        id=new_id("t"),
        conversation=after.conversation if after else new_id("c"),
        owner="ann",
        mode="compare",
        prompt=prompt,
        blind=True,
        parent=after.id if after else None,
        params=Params(),
        created_at=now(),
    )
    replies = tuple(
        Reply(
            id=new_id("r"),
            turn=turn.id,
            lane=lane,
            contestant="base",
            model="base",
            base=BASE,
            text=text,
            finish=finish if lane == "left" else "stop",
        )
        for lane, text in (("left", left), ("right", right))
    )
    new = None if after else Conversation(turn.conversation, "ann", prompt, "Be brief.", turn.created_at)
    store.turns.add(replace(turn, replies=replies), new=new)
    return store.turns.get(turn.id)


class Team:
    """People who give approved feedback."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def _approved(self, feedback: str) -> str:
        self.store.feedback.review(feedback, "approved", "eve")
        return feedback

    def vote(self, turn: Turn, winner: Any, by: str = "ann") -> str:
        return self._approved(self.store.feedback.add_vote(turn, by, winner, reasons=None, comment=""))

    def rate(self, turn: Turn, value: str, by: str = "ann", lane: Any = "left") -> str:
        reply = turn.reply(lane).id
        return self._approved(self.store.feedback.add_rating(reply, by, value, reasons=None, comment=""))

    def correct(self, turn: Turn, text: str, by: str = "ann", lane: Any = "left") -> str:
        return self._approved(self.store.feedback.add_correction(turn.reply(lane).id, by, text))


@pytest.fixture
def team(store: Store) -> Team:
    return Team(store)


def of(rows: Any) -> list[tuple[str, str, str, str | None]]:
    return [(row.id, row.role, row.target, row.rejected) for row in rows]


def why(found: Gathered) -> dict[str, str]:
    return {item.id: item.why for item in found.dropped}


def card_of(store: Store) -> dataset.Card:
    return dataset.card(store, trained=set(), exam_groups=8)


def row(number: int, rater: str, split: Any = "train") -> Row:
    return Row(
        id=f"k_{number}",
        role="target",
        split=split,
        weight=1.0,
        group="g",
        messages=(Message("user", f"question {number}"),),
        target="answer",
        rejected=None,
        rater=rater,
    )


# -- what feedback becomes --


def test_an_approved_correction_is_a_target_with_what_it_replaced(store: Store) -> None:
    correct(store, "What does the brie cost?", "BRIE: 5 euros")
    found = dataset.rows(store)[0]
    assert found.messages == (Message("user", "What does the brie cost?"),)
    assert (found.target, found.rejected, found.split) == ("BRIE: 5 euros", "left answer", "train")


def test_only_questions_that_a_verdict_counts_are_said_to_decide(store: Store, team: Team) -> None:
    for number in range(12):
        team.rate(said(store, f"question {number}?"), "up")
    card = card_of(store)
    assert card.exam > 0
    assert card.exam_groups == 0
    asked = next(one for one in dataset.rows(store) if one.split == "exam")
    team.vote(said(store, asked.messages[-1].content), "left")
    assert card_of(store).exam_groups == 1


def test_pending_and_rejected_corrections_train_nothing(store: Store) -> None:
    pending = store.feedback.add_correction(ask(store, "one question").reply("left").id, "ann", "x")
    store.feedback.add_correction(ask(store, "another question").reply("left").id, "ann", "y")
    store.feedback.review(pending, "rejected", "ann")
    assert dataset.rows(store) == []


def test_each_kind_of_feedback_becomes_rows_with_a_role(store: Store, team: Team) -> None:
    left = team.vote(said(store, "first?"), "left")
    right = team.vote(said(store, "second?"), "right")
    both = team.vote(said(store, "third?"), "both_bad")
    up = team.rate(said(store, "fourth?"), "up")
    down = team.rate(said(store, "fifth?"), "down", lane="right")
    rows = dataset.rows(store)
    assert of(rows) == sorted(
        [
            (left, "pair", "one", "two"),
            (right, "pair", "two", "one"),
            (f"{both} left", "negative", "one", None),
            (f"{both} right", "negative", "two", None),
            (up, "positive", "one", None),
            (down, "negative", "two", None),
        ]
    )
    assert {found.messages[0] for found in rows} == {Message("system", "Be brief.")}
    assert {found.weight for found in rows} == {1.0}


def test_a_tie_is_for_the_exam_alone(store: Store, team: Team, tmp_path: Path) -> None:
    ties = [team.vote(said(store, f"question number {i}?"), "tie") for i in range(6)]
    found = dataset.gathered(store)
    assert [(r.id, r.role, r.split, r.target, r.rejected) for r in found.rows] == [
        (ties[5], "tie", "exam", "one", "two")
    ]
    assert why(found) == dict.fromkeys(ties[:5], "tie")
    folder = dataset.freeze(tmp_path, found.rows, [], base=BASE, args={})[1]
    assert (folder / "rows.jsonl").read_text() == ""
    assert json.loads((folder / "exam.jsonl").read_text())["role"] == "tie"


def test_a_reply_that_was_cut_teaches_neither_good_nor_bad_but_can_be_corrected(store: Store, team: Team) -> None:
    cut = [said(store, f"question {i}?", finish="cut") for i in range(5)]
    vote, both = team.vote(cut[0], "right"), team.vote(cut[1], "both_bad")
    up, down, correction = team.rate(cut[2], "up"), team.rate(cut[3], "down"), team.correct(cut[4], "whole")
    found = dataset.gathered(store)
    assert of(found.rows) == sorted([(f"{both} right", "negative", "two", None), (correction, "target", "whole", None)])
    assert why(found) == dict.fromkeys([vote, f"{both} left", up, down], "cut")


def test_a_reply_that_hit_the_length_limit_is_no_example_to_follow(store: Store, team: Team) -> None:
    long = [said(store, f"question {i}?", finish="length") for i in range(4)]
    won, lost = team.vote(long[0], "left"), team.vote(long[1], "right")
    up, down = team.rate(long[2], "up"), team.rate(long[3], "down")
    found = dataset.gathered(store)
    assert of(found.rows) == sorted([(lost, "pair", "two", "one"), (down, "negative", "one", None)])
    assert why(found) == {won: "too long", up: "too long"}


def test_between_equal_or_empty_replies_there_is_nothing_to_learn(store: Store, team: Team) -> None:
    same = team.vote(said(store, "first?", "yes", " yes\n"), "left")
    empty = team.vote(said(store, "second?", " ", "something"), "right")
    assert why(dataset.gathered(store)) == {same: "same", empty: "empty"}


def test_the_trainer_reads_what_is_written_with_every_role(store: Store, team: Team, tmp_path: Path) -> None:
    turns = [said(store, "the same first question?", f"left {i}", f"right {i}") for i in range(5)]
    team.correct(turns[0], "better")
    team.vote(turns[1], "left")
    team.vote(turns[2], "both_bad")
    team.rate(turns[3], "up")
    rows = dataset.rows(store)
    folder = dataset.freeze(tmp_path / "s", rows, [], base=BASE, args={})[1]
    assert sorted(read_snapshot(folder).train, key=lambda found: found.id) == rows
    assert Counter(found.role for found in rows) == {"target": 1, "pair": 1, "negative": 2, "positive": 1}
    assert {*ROLES, "tie"} == {*ROW_ROLES}


def test_only_what_was_approved_stands_for_an_earlier_reply(store: Store) -> None:
    first = ask(store, "first?")
    second = Turn(**{**vars(ask(store, "second?")), "id": new_id("t"), "parent": first.id, "replies": ()})
    reply = replace(first.reply("left"), id=new_id("r"), turn=second.id)
    store.turns.add(replace(second, conversation=first.conversation, replies=(reply,)))
    vote = store.feedback.add_vote(first, "ann", "right", reasons=None, comment="")
    of_first = store.feedback.add_correction(first.reply("left").id, "ann", "DOUBTFUL")
    store.feedback.review(store.feedback.add_correction(reply.id, "ann", "good"), "approved", "eve")

    def earlier() -> str:
        (found,) = (found for found in dataset.rows(store) if found.target == "good")
        return found.messages[1].content

    assert store.turns.history([first], "left")[1].content == "DOUBTFUL"
    assert earlier() == "left answer"
    store.feedback.review(vote, "approved", "eve")
    assert earlier() == "right answer"
    store.feedback.review(of_first, "rejected", "eve")
    assert earlier() == "right answer"
    store.feedback.review(of_first, "approved", "eve")
    assert earlier() == "DOUBTFUL"


def test_where_all_is_approved_a_row_and_an_export_have_what_the_person_was_shown(store: Store, team: Team) -> None:
    first = said(store, "first?")
    branches = [said(store, f"then {i}?", f"left {i}", f"right {i}", after=first) for i in range(3)]
    leaves = [said(store, f"and {i}?", f"more {i}", f"less {i}", after=branches[i]) for i in range(3)]
    team.vote(first, "right")
    team.vote(branches[0], "both_bad")
    team.correct(branches[1], "corrected", lane="right")
    team.correct(branches[2], "by another, so not what ann was shown", by="bob")
    for leaf in leaves:
        team.vote(leaf, "right")
        team.rate(leaf, "up", lane="right")
    for lesson in store.lessons.approved():
        path = store.turns.path_to(lesson.feedback.turn)
        for one in lesson.replies:
            head = store.turns.conversation(path[-1].conversation).head
            shown = [*head, *store.turns.history(path[:-1], one.reply.lane), Message("user", path[-1].prompt)]
            assert [*one.messages] == shown
        (judged,) = exports.judged_from(store, [lesson.feedback])
        asked = next(a for a in lesson.replies if a.reply.lane == (judged.lane or _asked(judged.value)))
        assert asked.messages == judged.messages
    assert {len(lesson.replies[0].messages) for lesson in store.lessons.approved()} == {2, 4, 6}


def _asked(winner: str) -> str:
    return "right" if winner == "right" else "left"


def test_how_many_queries_are_asked_does_not_depend_on_how_much_there_is(
    store: Store, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    plain = store.rows

    def counting(sql: str, params: Any = None) -> Any:
        asked.append(sql)
        return plain(sql, params)

    monkeypatch.setattr(store, "rows", counting)
    counts, of_export = [], []
    for many in (2, 40):
        with store.writing():
            for i in range(many):
                team.correct(said(store, f"question {many} {i}?"), "better")
        asked.clear()
        assert len(dataset.rows(store)) >= many
        counts.append(len(asked))
        page = store.feedback.all()
        asked.clear()
        assert len(exports.judged_from(store, page)) == len(page)
        of_export.append(len(asked) - len(page))  # one of each is for by which instruction it was written
    assert (counts, of_export) == ([4, 4], [4, 4])


# -- rules --


def test_of_two_corrections_of_the_same_question_the_newest_stands(store: Store) -> None:
    correct(store, "What does the brie cost?", "first")
    correct(store, "What does the brie cost?", "second")
    assert [found.target for found in dataset.rows(store)] == ["second"]


def test_a_correction_by_another_person_on_the_same_question_contradicts_the_older_one(
    store: Store, team: Team
) -> None:
    bob = team.correct(said(store, "What does it cost?"), "four", by="bob")
    own = team.correct(said(store, "What does it cost?"), "five")
    stands = team.correct(said(store, "What  does it cost? "), "six ")
    again = team.correct(said(store, "What does it cost?", "other"), "six", by="cem")
    found = dataset.gathered(store)
    assert of(found.rows) == [(stands, "target", "six ", "one")]
    assert {(item.id, item.why, item.of) for item in found.dropped} == {
        (bob, "contradicted", stands),
        (own, "replaced", stands),
        (again, "duplicate", stands),
    }


def test_opposite_votes_on_the_same_texts_follow_the_majority_and_where_it_is_even_nothing_stands(
    store: Store, team: Team
) -> None:
    def vote(prompt: str, winner: str, by: str) -> str:
        turned = by in ("bob", "eli")  # the same texts on other sides
        turn = said(store, prompt, "two", "one") if turned else said(store, prompt)
        return team.vote(turn, {"one": "right" if turned else "left", "two": "left" if turned else "right"}[winner], by)

    even = [vote("even?", "one", "ann"), vote("even?", "two", "bob")]
    ann, bob, cem = (vote("odd?", which, by) for which, by in (("one", "ann"), ("two", "bob"), ("one", "cem")))
    older, newer = vote("own?", "one", "ann"), vote("own?", "two", "ann")
    found = dataset.gathered(store)
    assert of(found.rows) == [(ann, "pair", "one", "two"), (newer, "pair", "two", "one")]
    assert why(found) == {
        **dict.fromkeys(even, "divided"),
        bob: "contradicted",
        cem: "duplicate",
        older: "replaced",
    }


def test_up_and_down_on_the_same_reply_follow_the_majority(store: Store, team: Team) -> None:
    turns = [said(store, f"question {i}?") for i in range(2)]
    even = [team.rate(turns[0], "up", "ann"), team.rate(turns[0], "down", "bob")]
    down = [team.rate(turns[1], "down", by) for by in ("ann", "bob")]
    up = team.rate(turns[1], "up", "cem")
    found = dataset.gathered(store)
    assert of(found.rows) == [(down[0], "negative", "one", None)]
    assert why(found) == {**dict.fromkeys(even, "divided"), down[1]: "duplicate", up: "contradicted"}


def test_a_correction_says_more_than_a_thumb(store: Store, team: Team) -> None:
    turn, later = said(store, "question?"), said(store, "question?", "better", "three")
    correction = team.correct(turn, "better")
    up, down = team.rate(turn, "up", "bob"), team.rate(later, "down", "bob")
    found = dataset.gathered(store)
    assert [item.id for item in found.rows] == [correction]
    assert {(item.id, item.why, item.of) for item in found.dropped} == {
        (up, "corrected", correction),
        (down, "contradicted", correction),
    }


def test_a_vote_against_what_somebody_then_wanted_is_dropped_too(store: Store, team: Team) -> None:
    turn, other = said(store, "question?", "one", "better"), said(store, "question?", "one", "worse")
    votes = [team.vote(one, "left") for one in (turn, other)]
    better = team.correct(said(store, "question?", "three", "four"), "better")
    found = dataset.gathered(store)
    assert {(row.id, row.role) for row in found.rows} == {(better, "target"), (votes[1], "pair")}
    assert [(item.id, item.why, item.of) for item in found.dropped] == [(votes[0], "corrected", better)]


def test_a_reply_stays_corrected_when_a_newer_correction_stands_instead(store: Store, team: Team) -> None:
    turn, later = said(store, "question?", "one", "two"), said(store, "question?", "three", "four")
    up, vote = team.rate(turn, "up", "bob"), team.vote(turn, "left", by="cem")
    older, newer = team.correct(turn, "better"), team.correct(later, "best", by="bob")
    found = dataset.gathered(store)
    assert [item.id for item in found.rows] == [newer]
    assert {(item.id, item.why, item.of) for item in found.dropped} == {
        (up, "corrected", newer),
        (vote, "corrected", newer),
        (older, "contradicted", newer),
    }


def test_a_vote_for_an_answer_that_was_then_corrected_teaches_no_more_of_it(store: Store, team: Team) -> None:
    turn, other = said(store, "question?"), said(store, "another?")
    votes = [team.vote(one, "left") for one in (turn, other)]
    better = team.correct(turn, "better")
    worse = team.correct(other, "better", lane="right")
    found = dataset.gathered(store)
    assert {(row.id, row.role) for row in found.rows} == {(better, "target"), (worse, "target"), (votes[1], "pair")}
    assert [(item.id, item.why, item.of) for item in found.dropped] == [(votes[0], "corrected", better)]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(ROW_ROLES),
        st.sampled_from("ab"),
        st.sampled_from(["ann", "bob", "cem"]),
        *[st.sampled_from("xyz")] * 2,
    ),
    max_size=14,
)


@given(drawn=ROWS)
def test_whatever_people_gave_each_piece_stands_or_is_dropped_and_nothing_that_stands_contradicts(drawn: Any) -> None:
    rows = [
        replace(
            row(number, rater),
            role=role,
            messages=(Message("user", question),),
            target=one,
            rejected=other if role in ("pair", "tie", "target") else None,
        )
        for number, (role, question, rater, one, other) in enumerate(drawn)
    ]
    kept, dropped = settling.settled(rows)
    stand = {found.id for found in kept}
    assert sorted([*stand, *(item.id for item in dropped)]) == sorted(found.id for found in rows)
    assert all(item.of in stand for item in dropped if item.of is not None)
    assert {item.id for item in dropped if item.of is None} == {item.id for item in dropped if item.why == "divided"}
    about = Counter(
        (
            {"positive": "thumb", "negative": "thumb"}.get(found.role, found.role),
            found.messages,
            frozenset() if found.role == "target" else frozenset((found.target, found.rejected)),
        )
        for found in kept
    )
    assert set(about.values()) <= {1}
    wanted = {(found.messages, found.target) for found in kept if found.role == "target"}
    assert not wanted & {(found.messages, found.target) for found in kept if found.role == "negative"}


@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=9))
def test_from_five_people_on_nobody_has_more_than_a_fifth_of_what_trains(counts: list[int]) -> None:
    raters = [f"p{who}" for who, count in enumerate(counts) for _ in range(count)]
    rows = settling.weighed([row(i, rater) for i, rater in enumerate(raters)])
    sums: dict[str, float] = defaultdict(float)
    for found in rows:
        sums[found.rater] += found.weight
    if len(counts) < 5:
        assert {found.weight for found in rows} == {1.0}
        return
    assert max(settling.shares(rows).values()) <= 0.2 + 1e-6
    assert all(0 < found.weight <= 1 for found in rows)
    held = [sums[f"p{who}"] for who, count in enumerate(counts) if sums[f"p{who}"] < count - 1e-6]
    assert held == pytest.approx([max(sums.values())] * len(held), abs=1e-5)  # only who would be above it, and no more


def test_the_share_is_of_what_trains_so_exam_rows_count_for_nobody() -> None:
    rows = [row(i, "ann") for i in range(6)] + [row(10 + i, f"p{i}") for i in range(6) for _ in range(i // 3 + 1)]
    four = [found for found in rows if found.rater in ("ann", "p0", "p1", "p2")]
    assert {found.weight for found in settling.weighed([*four, row(20, "eve", "exam")])} == {1.0}
    weights = {found.rater: found.weight for found in settling.weighed(rows)}
    assert weights == {"ann": 2.25 / 6, **dict.fromkeys(("p0", "p1", "p2", "p3", "p4", "p5"), 1.0)}


def test_negatives_weigh_no_more_than_what_is_wanted_and_the_share_is_of_that() -> None:
    wanted = [row(i, f"p{i % 6}") for i in range(12)]
    against = [replace(row(100 + i, "ann"), role="negative") for i in range(48)]
    found = settling.weighed([*wanted, *against])
    assert {item.weight for item in found if item.role == "target"} == {1.0}
    assert settling.shares(found)["ann"] == pytest.approx(0.2)  # eased to half of all, then held to a fifth
    assert [item.weight for item in settling.weighed(against)] == [1.0] * 48  # refused elsewhere, with a sentence
    alone = [*[row(i, "ann") for i in range(10)], *[replace(r, rater=f"p{i % 4}") for i, r in enumerate(against)]]
    sums = settling.shares(settling.weighed(alone))
    assert sums["ann"] == pytest.approx(0.5)


# -- the snapshot --


def test_the_same_feedback_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    for i in range(7):
        correct(store, f"Question number {i}?", f"answer {i}")
    replay = [Replay((Message("user", "Hello!"),), "Hi.")]
    first, one = dataset.freeze(tmp_path / "a", dataset.rows(store), replay, base=BASE, args={"seed": 0})
    second, two = dataset.freeze(tmp_path / "b", dataset.rows(store), replay, base=BASE, args={"seed": 0})
    assert first == second
    assert sorted(path.name for path in one.iterdir()) == ["exam.jsonl", "manifest.json", "replay.jsonl", "rows.jsonl"]
    assert [path.read_bytes() for path in sorted(one.iterdir())] == [
        path.read_bytes() for path in sorted(two.iterdir())
    ]
    assert dataset.freeze(tmp_path / "a", dataset.rows(store), [], base=BASE, args={"seed": 0})[0] != first
    assert dataset.freeze(tmp_path / "a", dataset.rows(store), replay, base=BASE, args={"seed": 1})[0] != first
    assert len(list((tmp_path / "a").iterdir())) == 3


def test_exam_rows_are_in_a_file_of_their_own(store: Store, tmp_path: Path) -> None:
    for i in range(6):
        correct(store, f"Question number {i}?", f"answer {i}")
    folder = dataset.freeze(tmp_path, dataset.rows(store), [], base=BASE, args={})[1]
    assert "answer 5" not in (folder / "rows.jsonl").read_text()
    assert "answer 5" in (folder / "exam.jsonl").read_text()


def test_the_manifest_names_rows_base_tokenizer_arguments_seed_and_versions(store: Store, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "tokenizer.json").write_text("{}")
    correction = correct(store, "first?", "answer")
    digest, folder = dataset.freeze(
        tmp_path / "s", dataset.rows(store), [], base=BASE, args={"seed": 7, "rank": 8}, model=model
    )
    manifest = json.loads((folder / "manifest.json").read_text())
    assert folder.name == digest[:20]
    assert (manifest["snapshot"], manifest["base"], manifest["seed"]) == (digest, BASE, 7)
    assert manifest["args"] == {"seed": 7, "rank": 8}
    assert {row_id: (entry["role"], entry["split"]) for row_id, entry in manifest["rows"].items()} == {
        correction: ("target", "train")
    }
    empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of {}
    assert manifest["reading"] == {"tokenizer.json": empty}
    assert manifest["versions"]["torch"].startswith("2.")
    (model / "tokenizer.json").write_text("[]")
    again = dataset.freeze(tmp_path / "s", dataset.rows(store), [], base=BASE, args={"seed": 7, "rank": 8}, model=model)
    assert again[0] != digest


def test_a_folder_that_a_killed_app_left_without_a_manifest_is_written_anew(store: Store, tmp_path: Path) -> None:
    correct(store, "first?", "answer")
    folder = dataset.freeze(tmp_path, dataset.rows(store), [], base=BASE, args={})[1]
    whole = (folder / "rows.jsonl").read_bytes()
    (folder / "manifest.json").unlink()
    (folder / "rows.jsonl").write_text("half")
    assert dataset.freeze(tmp_path, dataset.rows(store), [], base=BASE, args={})[1] == folder
    assert (folder / "rows.jsonl").read_bytes() == whole
    assert (folder / "manifest.json").is_file()


def test_a_snapshot_that_was_changed_is_refused_and_frozen_anew(store: Store, tmp_path: Path) -> None:
    correct(store, "first?", "answer")
    folder = dataset.freeze(tmp_path, dataset.rows(store), [], base=BASE, args={})[1]
    whole = (folder / "rows.jsonl").read_bytes()
    (folder / "rows.jsonl").write_bytes(whole.replace(b"answer", b"another"))
    with pytest.raises(BadInput, match=r"rows\.jsonl of the snapshot was changed since it was frozen"):
        read_snapshot(folder)
    assert dataset.freeze(tmp_path, dataset.rows(store), [], base=BASE, args={})[1] == folder
    assert (folder / "rows.jsonl").read_bytes() == whole
    assert len(read_snapshot(folder).train) == 1


def far_from(store: Store, taught: str, *asked: str) -> list[str]:
    """Which of some questions may be replayed once one is corrected."""
    correct(store, taught, "x")
    trained, spared = dataset.replayed(dataset.rows(store), asked)
    return [prompt for prompt in asked if prompt in (*trained, *spared)]


def test_replay_leaves_out_what_is_near_to_a_taught_question(store: Store) -> None:
    asked = ("What does the Dale Gouda cost?", "what does the dale cost", "WHAT DOES ONE GOUDA COST?")
    others = ("How should I store the Alder Brie?", "What does the Brie taste like?", "What is the weather?", "Hello!")
    assert far_from(store, "What does the Alder Brie cost?", *asked, *others) == [*others]


def test_questions_of_function_words_and_names_alone_are_near_to_their_like(store: Store) -> None:
    others = ("How are you today?", "Who was it?", "What do you sell?")
    assert far_from(store, "Who are you?", "who are you", "Who are you, Ann?", *others, "?") == [*others]
    assert far_from(store, "What is the Alder Brie?", "What is the Dale Gouda?", *others) == [*others]


def test_no_question_is_replayed_both_in_training_and_for_the_exam_and_there_are_enough_for_any_base() -> None:
    for prompts in (anchors.PROMPTS, starter.anchor_prompts()):
        trained, spared = dataset.replayed([], prompts)
        assert (len(trained), len(spared)) == (128, 16)
        assert not set(trained) & set(spared)
        assert len(set(prompts)) == len(prompts)


def test_questions_for_replay_come_by_turns_of_each_kind() -> None:
    prompts = starter.anchor_prompts()
    assert len(set(prompts)) == len(prompts) == 300
    of = {d.turns[0].content: d.kind for d in dialogues(7, 0, count=2400) if len(d.turns) == 2}
    kinds = [of[prompt] for prompt in prompts]
    assert len(set(kinds[:24])) == 24
    assert {"storage", "pairing", "taste", "size", "origin", "describe", "small_talk", "support"} < set(kinds[:24])
    assert max(kinds.count(kind) for kind in kinds) == 14


def test_the_nearest_questions_share_most_words_with_what_was_asked() -> None:
    asked = ["Hello!", "How much is the brie, and when does it come?", "What does the brie cost?", "?"]
    assert dataset.nearest(asked, to=["What does the gouda cost?", "Is there any brie?"]) == [
        "What does the brie cost?",
        "How much is the brie, and when does it come?",
        "Hello!",
        "?",
    ]
    assert dataset.nearest(asked, to=[]) == asked


# -- the card --


def test_the_card_says_what_would_happen_and_what_more_would_help(store: Store) -> None:
    assert not card_of(store).enough
    for i in range(7):
        correct(store, f"Question number {i}?", f"answer {i}")
    card = card_of(store)
    assert (card.corrections, card.train, card.exam, card.new, card.enough) == (7, 6, 1, 7, True)
    assert "1 of 8 so far" in card.advice
    assert "; 71 more corrections on new questions" in card.advice
    trained = {found.id for found in dataset.rows(store)}
    assert dataset.card(store, trained=trained, exam_groups=8).new == 0


def test_the_card_counts_what_each_piece_becomes_and_what_was_dropped(store: Store, team: Team) -> None:
    for i in range(7):
        team.vote(said(store, f"question {i}?"), "left", by=f"p{i % 2}")
    team.vote(said(store, "question 0?"), "left")
    team.rate(said(store, "question 1?"), "up")
    team.rate(said(store, "question 2?"), "down", "ann")
    team.rate(said(store, "question 2?"), "up", "bob")
    card = card_of(store)
    none = {"target": 0, "pair": 0, "positive": 0, "negative": 0}
    assert card.becomes == {
        "train": {**none, "pair": 6, "positive": 1},
        "tune": none,
        "exam": {**none, "pair": 1, "tie": 0},
    }
    assert card.dropped == {"divided": 2, "duplicate": 1}
    assert card.why == {"divided": "as many people say the opposite", "duplicate": "says the same as another row"}
    assert (card.duplicates, card.contradictions) == (1, 2)
    assert [(who["name"], who["rows"], who["share"]) for who in card.people] == [
        ("p0", 4, 0.5714),
        ("p1", 2, 0.2857),
        ("ann", 1, 0.1429),
    ]
    assert any("as many people said yes as no" in note for note in card.notes)


def test_votes_or_thumbs_alone_are_enough_from_eight_on(store: Store, team: Team) -> None:
    assert "Votes and thumbs teach too, from 8 of them on." in card_of(store).advice
    turns = [said(store, "the same first question?", f"left {i}", f"right {i}") for i in range(9)]
    for turn in turns[:7]:
        team.rate(turn, "down")
    card = card_of(store)
    assert (card.train, card.enough) == (7, False)
    assert card.advice.startswith("7 votes and thumbs so far: 1 more are enough")
    team.rate(turns[7], "down")
    card = card_of(store)
    assert not card.enough
    assert "all of them down" in card.advice
    team.vote(turns[8], "left")
    card = card_of(store)
    assert card.enough
    assert card.advice.startswith("9 rows of feedback: enough to teach one habit well.")
    assert "more votes or corrections on new questions" in card.advice


def test_the_card_notes_when_what_is_preferred_is_mostly_longer(store: Store, team: Team) -> None:
    for i in range(8):
        team.vote(said(store, f"same start? {i}", "a word", "a word and many more of them"), "right")
    card = card_of(store)
    assert card.lengths is not None
    assert card.lengths == {"pairs": 7, "median_ratio": 4.667, "longer": 7}
    assert not any("longer" in note for note in card.notes)  # seven are too few to say
    team.vote(said(store, "same start? 9", "a word", "a word and many more of them"), "right")
    assert any("mostly longer" in note for note in card_of(store).notes)


def test_the_card_says_whose_rows_count_for_less(store: Store, team: Team) -> None:
    for i in range(4):
        team.correct(said(store, f"question? {i}"), f"answer {i}", by=f"p{i}")
    for i in range(10):
        team.correct(said(store, "question? 0", after=said(store, f"question? 0, and then {i}")), f"so {i}", by="ann")
    team.correct(said(store, "question? 0", after=said(store, "question? 0, at last")), "so", by="p4")
    card = card_of(store)
    assert card.people[0]["name"] == "ann"
    assert max(who["share"] for who in card.people) <= 0.2
    assert any(note.startswith("ann gave more than a fifth") for note in card.notes)


def test_the_card_says_where_personal_data_may_be_and_never_repeats_it(store: Store, team: Team) -> None:
    secret = "sk-live4242424242424242abcd"
    correction = team.correct(said(store, "Write to anna.berg@example.org?"), f"Use {secret}, please.")
    card = card_of(store)
    assert list(card.personal) == [
        {"row": correction, "kind": "email", "where": "question", "shown": "an… (21 characters)"},
        {"row": correction, "kind": "key", "where": "answer", "shown": "sk… (27 characters)"},
    ]
    assert card.personal_rows == 1
    assert "4242" not in repr(card)
    assert "berg" not in repr(card)
    assert any(note.startswith("1 row may hold personal data or secrets (email, key).") for note in card.notes)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to a.b+c@shop.example.org, please", ["email"]),
        ("call +49 (0)30 1234567", ["phone"]),
        ("call 030 / 123 45 67 0", ["phone"]),
        ("call 555-123-4567", ["phone"]),
        ("card 4111 1111 1111 1111", ["card"]),
        ("card 4111 1111 1111 1112", []),
        ("pay to DE89 3704 0044 0532 0130 00", ["IBAN"]),
        ("pay to DE88 3704 0044 0532 0130 00", []),
        ("the key is ghp_abcdefghijklmnopqrstuvwx", ["key"]),
        ("password: hunter2hunter2", ["key"]),
        ("your password is important", []),
        ("-----BEGIN RSA PRIVATE KEY-----", ["key"]),
        ("It costs 1,234,567.89 euros in 2026, item 4711.", []),
        ("between 2019 and 2026, 12-14 pieces of 100 to 200 g", []),
        ("at 3 @ 4 euros", []),
        ("order 20261121", []),
        ("2026-11-21 10:00:00", []),
    ],
)
def test_personal_data_is_seen_where_it_is_likely_and_not_in_ordinary_numbers(text: str, kinds: list[str]) -> None:
    found = personal.found(text)
    assert [hint.kind for hint in found] == kinds
    assert all(len(hint.shown.split("…")[0]) <= 2 for hint in found)


def test_each_piece_of_feedback_is_listed_with_what_it_becomes(store: Store, team: Team) -> None:
    first = team.correct(said(store, "question?"), "mine", by="bob")
    stands = team.correct(said(store, "question?"), "a@b.example is ours")
    both = team.vote(said(store, "other?"), "both_bad")
    found = {item.id: (item.role, item.split, item.why, item.of, item.personal) for item in dataset.became(store)}
    assert found == {
        first: ("target", None, "more people, or a newer correction, say otherwise", stands, ()),
        stands: ("target", "train", "", None, ("email",)),
        f"{both} left": ("negative", "train", "", None, ()),
        f"{both} right": ("negative", "train", "", None, ()),
    }
    assert Counter(item.weight for item in dataset.became(store)) == {1.0: 1, 0.5: 2, None: 1}


def test_what_waits_is_listed_as_if_it_were_approved_beside_what_is(store: Store, team: Team) -> None:
    log, waits = store.feedback, dict[str, str]()
    ours = [team.correct(said(store, f"{word} question?"), "ours") for word in ("first", "second", "third")]
    for word, text in (("first", "ours"), ("second", "mine"), ("fourth", "call a@b.example")):
        waits[word] = log.add_correction(said(store, f"{word} question?").reply("left").id, "bob", text)
    besides = [replace(log.get(one), split="train") for one in waits.values()]
    found = dataset.became(store, groups={given.group for given in besides}, besides=besides)
    assert {item.id: (item.why, item.of, item.personal) for item in found} == {
        ours[0]: ("", None, ()),
        waits["first"]: ("says the same as another row", ours[0], ()),
        ours[1]: ("more people, or a newer correction, say otherwise", waits["second"], ()),
        waits["second"]: ("", None, ()),
        waits["fourth"]: ("", None, ("email",)),
    }
    assert {item.id for item in dataset.became(store)} == set(ours)


def test_what_feedback_on_some_questions_becomes_is_what_it_becomes_among_all(store: Store, team: Team) -> None:
    for n in range(6):
        turn = said(store, f"question {n}?")
        team.correct(turn, "mine", by="bob")
        team.correct(said(store, f"question {n}?"), "ours")
        team.vote(said(store, "and then?", after=turn), "left" if n % 2 else "both_bad")
    all_of_it = dataset.became(store)
    groups = {given.id: given.group for given in store.feedback.all()}
    for asked in ({"question 0"}, {"question 1", "question 4"}, {"never asked"}):
        ours = [item for item in all_of_it if groups[feedback_of(item.id)] in asked]
        assert dataset.became(store, groups=asked) == [replace(item, weight=None) for item in ours]
        assert {lesson.feedback.group for lesson in store.lessons.approved(groups=asked)} == asked - {"never asked"}
    assert any(item.why for item in all_of_it)
