"""What was made from what, both ways; and leaving a person out of everything made from then on."""

import asyncio
from pathlib import Path

import httpx
import pytest
from room import ANN, BOB, Room
from sqlite_utils import Database
from test_dataset import Team, said
from test_store import BASE
from test_store_opening import old_database

from ftchat import dataset, lineage, web
from ftchat.config import TrainArgs
from ftchat.errors import NotFound
from ftchat.records import Message, Person, Row, Split
from ftchat.store import Store
from ftchat.store.ballots import BallotLog

EVE = Person("eve", "reviewer")


@pytest.fixture
def team(store: Store) -> Team:
    return Team(store)


def row(id_: str, *, split: Split = "train", role: str = "target") -> Row:
    return Row(
        id=id_,
        role=role,  # type: ignore[arg-type]
        split=split,
        weight=1.0,
        group="g",
        messages=(Message("user", "question?"),),
        target="answer",
        rejected="other" if role == "pair" else None,
        rater="ann",
    )


def made(store: Store, name: str, rows: list[Row], *, after: str | None = None) -> str:
    """An adapter, as a finished run leaves it."""
    run = store.training.start_run(by="ann", base=BASE, args=TrainArgs()).id
    store.training.update_run(run, snapshot=store.training.add_snapshot(f"{name:0<40}", rows))
    if after is not None:
        store.lineage.went_on_from(run, after)
    store.training.add_adapter(name, number=int(name[-1]), base=BASE, run=run)
    store.training.update_run(run, adapter=name, stage="done")
    return name


def held(store: Store, adapter: str) -> list[tuple[str, str, str, str, bool]]:
    rows = store.lineage.rows_of(adapter, after="", limit=100)
    return [(found.feedback, found.role, found.split, found.through, found.stands) for found in rows]


def test_an_adapter_knows_its_rows_and_a_row_its_adapters(store: Store, team: Team) -> None:
    turns = [said(store, f"question {i}?") for i in range(3)]
    correction, vote = team.correct(turns[0], "better"), team.vote(turns[1], "left", by="bob")
    both = team.vote(turns[2], "both_bad", by="bob")
    made(store, "shop-v1", [row(correction), row(vote, split="exam", role="pair")])
    negatives = [row(f"{both} {lane}", role="negative") for lane in ("left", "right")]
    made(store, "shop-v2", [row(correction), row(vote, role="pair", split="exam"), *negatives])
    assert held(store, "shop-v2") == [
        (correction, "target", "train", "shop-v2", True),
        (vote, "pair", "exam", "shop-v2", True),
        (both, "negative", "train", "shop-v2", True),
    ]
    (first, *_) = store.lineage.rows_of("shop-v2", after="", limit=1)
    assert (first.kind, first.rater, first.prompt, first.value) == ("correction", "ann", "question 0?", "better")
    assert store.lineage.counts_of("shop-v2") == {"train": 2, "tune": 0, "exam": 1, "gone": 0}
    traced = lineage.trace(store, ANN, correction, base=BASE)
    assert [(holder.adapter, holder.split) for holder in traced.adapters] == [
        ("shop-v2", "train"),
        ("shop-v1", "train"),
    ]
    assert traced.words == "Your correction trained shop-v2 and shop-v1."
    assert lineage.trace(store, EVE, vote, base=BASE).words == (
        "bob's vote is kept aside for the exam: it trained nothing, and examined shop-v2 and shop-v1."
    )
    assert [holder.adapter for holder in lineage.trace(store, BOB, both, base=BASE).adapters] == ["shop-v2"]
    assert (
        lineage.trace(store, BOB, team.rate(turns[0], "up", "bob"), base=BASE).words
        == "Your rating is in no adapter yet."
    )


def test_adapters_from_before_rows_had_roles_know_what_they_were_made_from(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ftchat.db"
    old_database(path, before="m040_rows_both_ways")
    at = "2026-11-20T10:00:00.000+00:00"
    db = Database(path)
    db.table("snapshots").insert({"id": "s_1", "digest": "d", "rows": 1, "created_at": at})
    db.table("snapshot_rows").insert({"snapshot": "s_1", "feedback": "k_06", "split": "train"})
    run = {"id": "n_1", "by": "ann", "base": BASE, "args": "{}", "stage": "done", "snapshot": "s_1", "created_at": at}
    db.table("runs").insert(run)
    adapter = {"name": "shop-v1", "number": 1, "base": BASE, "state": "retired", "run": "n_1", "created_at": at}
    db.table("adapters").insert(adapter)
    db.close()
    store = Store(path)
    assert held(store, "shop-v1") == [("k_06", "target", "train", "shop-v1", False)]  # it was rejected since
    assert (store.lineage.start_of("n_1"), store.told.newest()) == (None, None)
    store.close()


def test_a_vote_that_became_two_rows_is_not_new_feedback_once_it_was_trained_on(store: Store, team: Team) -> None:
    team.vote(said(store, "question?"), "both_bad")
    assert dataset.card(store, trained=set(), exam_groups=8).new == 1
    made(store, "shop-v1", dataset.rows(store))
    (run,) = store.training.runs()
    assert dataset.card(store, trained=store.training.trained_on(run.id), exam_groups=8).new == 0


def test_what_trained_an_adapter_in_service_is_said_with_it(store: Store, team: Team) -> None:
    correction = team.correct(said(store, "question?"), "better")
    made(store, "shop-v1", [row(correction)])
    store.training.promote("shop-v1", base=BASE, by="ann", why="")
    trained = "Your correction trained shop-v1"
    assert lineage.trace(store, ANN, correction, base=BASE).words == f"{trained}; shop-v1 is in service now."
    assert lineage.trace(store, ANN, correction, base="another").words == f"{trained}."  # by which nothing serves


def test_an_adapter_that_goes_on_from_another_holds_its_rows_too(store: Store, team: Team) -> None:
    old, new = (team.correct(said(store, f"question {i}?"), "better") for i in range(2))
    exam = team.correct(said(store, "question 2?"), "better")
    made(store, "shop-v1", [row(old), row(exam, split="exam")])
    made(store, "shop-v2", [row(new)], after="shop-v1")
    made(store, "shop-v3", [row(new)], after="shop-v2")
    assert held(store, "shop-v3") == [
        (old, "target", "train", "shop-v1", True),
        (new, "target", "train", "shop-v2", True),
        (exam, "target", "exam", "shop-v1", True),
    ]
    assert [holder.adapter for holder in store.lineage.holders_of(old)] == ["shop-v3", "shop-v2", "shop-v1"]
    assert [holder.adapter for holder in store.lineage.holders_of(exam)] == ["shop-v1"]
    assert [store.lineage.held_by(f"shop-v{n}") for n in (1, 2, 3)] == [{old}, {old, new}, {old, new}]
    assert [store.lineage.start_of(run.id) for run in store.training.runs()] == ["shop-v2", "shop-v1", None]
    store.training.delete_adapter("shop-v1", by="ann")
    assert [holder.adapter for holder in store.lineage.holders_of(old)] == ["shop-v3", "shop-v2"]


def test_somebody_elses_feedback_is_not_there_to_be_followed(store: Store, team: Team) -> None:
    correction = team.correct(said(store, "question?"), "better")
    with pytest.raises(NotFound):
        lineage.trace(store, BOB, correction, base=BASE)
    for unknown in ("k_0", "x", ""):
        with pytest.raises(NotFound):
            lineage.trace(store, EVE, unknown, base=BASE)


_MARK = "1 piece of feedback in it by bob was withdrawn; the next one that starts from base is without that."


def test_withdrawing_a_person_leaves_them_out_and_marks_what_learned_from_them(store: Store, team: Team) -> None:
    turns = [said(store, f"question {i}?") for i in range(4)]
    bobs = [team.correct(turns[0], "by bob", by="bob"), team.correct(turns[1], "by bob", by="bob")]
    anns = team.correct(turns[2], "by ann")
    pending = store.feedback.add_rating(turns[3].reply("left").id, "bob", "up", reasons=None, comment="")
    made(store, "shop-v1", [row(bobs[0]), row(anns)])
    made(store, "shop-v2", [row(anns), row(bobs[0], split="exam")])
    made(store, "shop-v3", [row(anns)], after="shop-v1")
    found = lineage.withdraw(store, ANN, "bob")
    assert (found.feedback, found.adapters, found.retrain) == (3, {"shop-v3": 1, "shop-v1": 1}, {"effort": "normal"})
    assert found.words.startswith("3 pieces of feedback by bob were withdrawn: no later snapshot holds it. shop-v3 and")
    assert [found.id for found in dataset.rows(store)] == [anns]
    assert store.feedback.counts() == {"correction/approved": 1}
    assert {a.name: a.reasons for a in store.training.adapters()} == {
        "shop-v1": (_MARK,),
        "shop-v2": (),
        "shop-v3": (_MARK,),
    }
    assert store.lineage.counts_of("shop-v1") == {"train": 2, "tune": 0, "exam": 0, "gone": 1}
    assert (bobs[0], "target", "train", "shop-v1", False) in held(store, "shop-v1")
    assert [near.id for near in store.feedback.nearest("question 0?", limit=5)] == [anns]
    with pytest.raises(NotFound):
        store.feedback.get(pending)
    again = lineage.withdraw(store, ANN, "bob")
    assert (again.feedback, again.retrain) == (0, None)
    assert again.words == "Nothing of bob stands: there is nothing to withdraw."


def test_words_that_were_taken_back_before_a_person_left_are_still_in_what_they_trained(
    store: Store, team: Team
) -> None:
    turn = said(store, "question?")
    early = team.correct(turn, "by bob", by="bob")
    made(store, "shop-v1", [row(early)])
    store.feedback.void(early, "bob")
    found = lineage.withdraw(store, ANN, "bob")
    assert (found.feedback, found.adapters, found.retrain) == (0, {"shop-v1": 1}, None)
    assert found.words == (
        "Nothing of it stands. shop-v1 learned from it, which cannot be undone in them. "
        "Too little is left to make one without it: roll back, and delete those."
    )
    assert store.training.adapter("shop-v1").reasons == (_MARK,)


def test_feedback_that_only_chose_the_moment_trained_nothing(store: Store, team: Team) -> None:
    correction = team.correct(said(store, "question?"), "better", by="ann")
    made(store, "shop-v1", [row(correction, split="tune")])
    words = lineage.trace(store, ANN, correction, base=BASE).words
    assert words == "Your correction taught no adapter: it was kept aside to choose the best moment of shop-v1."


def test_an_adapter_that_is_made_from_what_was_withdrawn_meanwhile_is_marked_too(store: Store, team: Team) -> None:
    correction = team.correct(said(store, "question?"), "better", by="bob")
    run = store.training.start_run(by="ann", base=BASE, args=TrainArgs()).id
    store.training.update_run(run, snapshot=store.training.add_snapshot("0" * 40, [row(correction)]))
    assert lineage.withdraw(store, ANN, "bob").words.endswith(f"Run {run} is on and learns from it: stop it.")
    store.training.add_adapter("shop-v1", number=1, base=BASE, run=run)
    store.training.set_state("shop-v1", "challenger", reasons=["Too few questions."])
    assert store.training.adapter("shop-v1").reasons == ("Too few questions.", _MARK)
    store.training.set_state("shop-v1", "retired", reasons=[*store.training.adapter("shop-v1").reasons, "Votes."])
    assert store.training.adapter("shop-v1").reasons == ("Too few questions.", _MARK, "Votes.")


def test_a_run_that_went_on_from_what_learned_of_withdrawn_words_holds_them_too(store: Store, team: Team) -> None:
    first, second = team.correct(said(store, "one?"), "1"), team.correct(said(store, "two?"), "2", by="bob")
    made(store, "v1", [row(first)])
    made(store, "v2", [row(second)], after="v1")
    runs = {name: store.training.adapter(name).run or "" for name in ("v1", "v2")}
    assert not any(store.lineage.holds_withdrawn(run) for run in runs.values())
    store.feedback.void(first, "ann")
    lineage.withdraw(store, EVE, "ann")
    assert all(store.lineage.holds_withdrawn(run) for run in runs.values())


def test_what_only_examined_the_adapter_before_is_not_in_a_run_and_what_examined_its_own_is(
    store: Store, team: Team
) -> None:
    first, second = team.correct(said(store, "one?"), "1"), team.correct(said(store, "two?"), "2", by="bob")
    made(store, "v1", [row(first, split="exam")])
    made(store, "v2", [row(second)], after="v1")
    lineage.withdraw(store, EVE, "ann")
    held = [store.lineage.holds_withdrawn(store.training.adapter(name).run or "") for name in ("v1", "v2")]
    assert held == [True, False]


def test_only_who_is_known_can_be_withdrawn(store: Store, team: Team) -> None:
    with pytest.raises(NotFound, match="Nobody called 'bob'"):
        lineage.withdraw(store, ANN, "bob")
    store.people.add("bob", "rater")
    assert lineage.withdraw(store, ANN, "bob").feedback == 0
    team.correct(said(store, "question?"), "better", by="somebody imported")
    found = lineage.withdraw(store, ANN, "somebody imported")
    assert (found.feedback, found.retrain) == (1, None)
    assert found.words.endswith("No adapter was made from it.")


def test_what_was_withdrawn_counts_in_no_vote(store: Store, team: Team) -> None:
    turn = said(store, "question?", "one", "two")
    team.vote(turn, "left", by="bob")
    lineage.withdraw(store, ANN, "bob")
    assert BallotLog(store).counted(BASE).counts == {}
    assert store.feedback.vote_of(turn.id) is None


async def test_over_the_api_rows_come_in_pages_and_a_repeated_withdrawal_is_one(tmp_path: Path) -> None:
    room = Room(tmp_path)
    ids = []
    for i in range(3):
        turn = await room.chat.ask(ANN, f"question {i}?", mode="chat")
        await room.done(turn)
        ids.append(room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, "better"))
    await asyncio.to_thread(made, room.store, "shop-v1", [row(id_) for id_ in ids])
    transport = httpx.ASGITransport(app=web.build(room.parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:
        page = (await client.get("/api/adapters/shop-v1/rows?limit=2")).json()
        assert ([item["feedback"] for item in page["items"]], page["next"]) == (ids[:2], ids[1])
        rest = (await client.get(f"/api/adapters/shop-v1/rows?limit=2&after={page['next']}")).json()
        assert ([item["feedback"] for item in rest["items"]], rest["next"]) == (ids[2:], None)
        assert (await client.get("/api/adapters/shop-v9/rows")).status_code == 404
        found = (await client.get(f"/api/feedback/{ids[0]}/adapters")).json()
        assert found["adapters"][0]["adapter"] == "shop-v1"
        headers = {"Idempotency-Key": "once"}
        answers = [(await client.post("/api/people/ann/withdraw", headers=headers)).json() for _ in range(2)]
        assert [(a["feedback"], a["adapters"]) for a in answers] == [(3, {"shop-v1": 3})] * 2
        assert (await client.get("/api/dataset")).json()["train"] == 0
    await room.close()
