"""Which votes count, on a real database; and the leaderboard as a client of the API sees it."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from room import Room

from ftchat.config import TrainArgs
from ftchat.ratings import board
from ftchat.records import BASE, FEW_SHOT, Ballots, Conversation, Params, Reply, Row, Turn, Winner, new_id, now
from ftchat.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store(tmp_path / "data" / "ftchat.db")
    for base in ("b0", "b1"):
        opened.turns.add_base(base, "tiny")
    return opened


def compare(
    store: Store,
    left: str,
    right: str,
    *,
    prompt: str = "",
    base: str = "b0",
    blind: bool = True,
    failed: bool = False,
    examples: tuple[str, ...] = (),
) -> Turn:
    """A compare turn with its replies, on a question of its own unless one is given."""
    turn_id = new_id("t")
    prompt = prompt or turn_id
    replies = tuple(
        Reply(
            id=new_id("r"), turn=turn_id, lane=lane, contestant=name, model=name, base=base, text="yes", finish=finish
        )
        for lane, name, finish in (("left", left, "stop"), ("right", right, "error" if failed else "cut"))
    )
    replies = tuple(Reply(**{**vars(r), "examples": examples if r.contestant == FEW_SHOT else ()}) for r in replies)
    turn = Turn(
        id=turn_id,
        conversation=new_id("c"),
        owner="ann",
        mode="compare",
        prompt=prompt,
        blind=blind,
        parent=None,
        params=Params(),
        created_at=now(),
        replies=replies,
    )
    store.turns.add(turn, new=Conversation(turn.conversation, "ann", prompt, "", turn.created_at))
    return turn


def vote(store: Store, left: str, right: str, winner: Winner, *, by: str = "ann", **turn: Any) -> str:
    """A vote on such a turn."""
    return store.feedback.add_vote(compare(store, left, right, **turn), by, winner, reasons=None, comment="")


def correct(store: Store, prompt: str) -> str:
    """An approved correction of base's reply to a question."""
    reply = compare(store, BASE, BASE, prompt=prompt).reply("left").id
    correction = store.feedback.add_correction(reply, "ann", "better")
    store.feedback.review(correction, "approved", "ann")
    return correction


def trained(store: Store, name: str, *feedback: tuple[str, str], number: int = 1) -> None:
    """An adapter and the run that made it, from these pieces of feedback with their splits."""
    run = store.training.start_run(by="ann", base="b0", args=TrainArgs())
    rows = [
        Row(
            id=item,
            role="target",
            split=split,  # type: ignore[arg-type]
            weight=1.0,
            group="",
            messages=(),
            target="wanted",
            rejected=None,
            rater="ann",
        )
        for item, split in feedback
    ]
    store.training.update_run(run.id, snapshot=store.training.add_snapshot(f"{name:20}", rows), stage="done")
    store.training.add_adapter(name, number=number, base="b0", run=run.id)


def test_blind_votes_are_counted_by_side_and_rater(store: Store) -> None:
    vote(store, "v1", BASE, "left")
    vote(store, BASE, "v1", "right")
    vote(store, BASE, "v1", "right", by="bob")
    vote(store, BASE, FEW_SHOT, "tie")
    vote(store, BASE, FEW_SHOT, "both_bad")

    assert store.ballots.counted("b0") == Ballots(
        counts={
            ("v1", BASE, "left"): 1,
            (BASE, "v1", "right"): 2,
            (BASE, FEW_SHOT, "tie"): 1,
            (BASE, FEW_SHOT, "both_bad"): 1,
        },
        raters={"ann": 4, "bob": 1},
        excluded={},
    )


def test_a_board_is_of_one_base(store: Store) -> None:
    vote(store, "v1", BASE, "left")
    vote(store, "old-v1", BASE, "left", base="b1")
    assert store.ballots.counted("b0").counts == {("v1", BASE, "left"): 1}
    assert store.ballots.counted("b1").counts == {("old-v1", BASE, "left"): 1}
    assert store.ballots.counted("b2") == Ballots(counts={}, raters={}, excluded={})


def test_votes_that_say_nothing_fair_are_left_out_and_said(store: Store) -> None:
    vote(store, "v1", BASE, "left", blind=False)
    vote(store, "v1", BASE, "left", failed=True)
    vote(store, BASE, BASE, "left")
    turn = compare(store, "v1", BASE)
    store.feedback.void(store.feedback.add_vote(turn, "ann", "left", reasons=None, comment=""), "ann")
    store.feedback.add_vote(turn, "ann", "right", reasons=None, comment="")  # the names are known by now

    assert store.ballots.counted("b0") == Ballots(
        counts={}, raters={}, excluded={"error": 1, "not_blind": 2, "same_contestant": 1, "undone": 1}
    )


@pytest.mark.parametrize(
    ("split", "counted"),
    [("train", {("v1", BASE, "left"): 1}), ("tune", {("v1", BASE, "left"): 1}), ("exam", {("v1", BASE, "left"): 3})],
)
def test_a_question_that_trained_an_adapter_neither_counts_for_it_nor_against_it(
    store: Store, split: str, counted: dict[Any, int]
) -> None:
    trained(store, "v1", (correct(store, "What does the brie cost?"), split))
    vote(store, "v1", BASE, "left", prompt="What does the brie cost?")
    vote(store, "v1", BASE, "left", prompt="what does the  BRIE cost")
    vote(store, "v1", BASE, "left", prompt="Who are you?")
    vote(store, "v2", BASE, "right", prompt="What does the brie cost?")

    found = store.ballots.counted("b0")

    assert found.counts == {**counted, ("v2", BASE, "right"): 1}
    assert found.excluded == ({"trained_on_it": 2} if split != "exam" else {})


def test_what_an_adapter_learned_before_it_went_on_is_not_asked_of_it_either(store: Store) -> None:
    trained(store, "v1", (correct(store, "What does the brie cost?"), "train"))
    trained(store, "v2", (correct(store, "What does the feta cost?"), "train"), number=2)
    store.lineage.went_on_from(store.training.adapter("v2").run or "", "v1")
    for prompt in ("What does the brie cost?", "What does the feta cost?", "Who are you?"):
        vote(store, "v2", BASE, "left", prompt=prompt)
    assert store.ballots.counted("b0").counts == {("v2", BASE, "left"): 1}
    assert store.ballots.counted("b0").excluded == {"trained_on_it": 2}
    assert store.ballots.duel("b0", "v2", BASE).wins == 1


def test_votes_and_thumbs_train_a_question_too(store: Store) -> None:
    given = vote(store, BASE, FEW_SHOT, "left", prompt="one")
    thumb = store.feedback.add_rating(
        compare(store, BASE, BASE, prompt="two").reply("left").id, "ann", "up", reasons=None, comment=""
    )
    trained(store, "v1", (given, "train"), (thumb, "train"))
    for prompt in ("one", "two", "three"):
        vote(store, BASE, "v1", "right", prompt=prompt)

    found = store.ballots.counted("b0")

    assert found.counts == {(BASE, FEW_SHOT, "left"): 1, (BASE, "v1", "right"): 1}
    assert found.excluded == {"trained_on_it": 2}


def test_few_shot_is_not_judged_on_a_question_whose_correction_it_was_shown(store: Store) -> None:
    brie, gouda = correct(store, "brie?"), correct(store, "gouda?")
    vote(store, FEW_SHOT, BASE, "left", prompt="brie?", examples=(gouda, brie))
    vote(store, BASE, FEW_SHOT, "right", prompt="brie?", examples=(gouda,))
    vote(store, FEW_SHOT, BASE, "left", prompt="feta?", examples=(gouda, brie))

    found = store.ballots.counted("b0")

    assert found.counts == {(FEW_SHOT, BASE, "left"): 1, (BASE, FEW_SHOT, "right"): 1}
    assert found.excluded == {"shown_the_answer": 1}


def test_new_votes_undone_votes_and_new_adapters_change_what_was_counted_before(store: Store) -> None:
    def counts() -> dict[Any, int]:
        kept, anew = store.ballots.counted("b0"), Store(store.path).ballots.counted("b0")
        assert kept == anew
        return dict(kept.counts)

    correction = correct(store, "brie?")
    first = vote(store, "v1", BASE, "left", prompt="brie?")
    assert counts() == {("v1", BASE, "left"): 1}
    vote(store, "v1", BASE, "left")
    vote(store, BASE, "v1", "tie", by="bob")
    assert counts() == {("v1", BASE, "left"): 2, (BASE, "v1", "tie"): 1}
    trained(store, "v1", (correction, "train"))
    assert counts() == {("v1", BASE, "left"): 1, (BASE, "v1", "tie"): 1}
    assert store.ballots.counted("b0").excluded == {"trained_on_it": 1}
    store.feedback.void(first, "ann")
    assert counts() == {("v1", BASE, "left"): 1, (BASE, "v1", "tie"): 1}
    assert store.ballots.counted("b0").excluded == {"undone": 1}
    assert store.ballots.counted("b0") is store.ballots.counted("b0")


def test_a_vote_that_a_reviewer_rejects_no_longer_counts_until_it_is_approved_again(store: Store) -> None:
    first, second = vote(store, "base", "shop-v1", "left"), vote(store, "base", "shop-v1", "right")
    both = {("base", "shop-v1", "left"): 1, ("base", "shop-v1", "right"): 1}
    assert store.ballots.counted("b0").counts == both
    store.feedback.review(first, "rejected", "eve")
    found = store.ballots.counted("b0")
    assert (found.counts, found.excluded) == ({("base", "shop-v1", "right"): 1}, {"rejected": 1})
    store.feedback.review(first, "approved", "eve")
    store.feedback.review(second, "rejected", "eve")
    assert store.ballots.counted("b0").counts == {("base", "shop-v1", "left"): 1}
    store.feedback.void(second, "ann")
    assert store.ballots.counted("b0").excluded == {"undone": 1}


def test_who_belongs_on_a_board_without_a_vote(store: Store) -> None:
    for number, name in enumerate(("v1", "v2", "v3"), start=1):
        trained(store, name, number=number)
    store.training.set_state("v2", "rejected", reasons=["forgot too much"])
    assert store.ballots.contestants("b0") == (BASE, FEW_SHOT, "v3", "v1")
    assert store.ballots.contestants("b1") == (BASE, FEW_SHOT)


# -- over HTTP --


async def test_an_empty_board_says_that_nothing_is_compared_yet(client: httpx.AsyncClient) -> None:
    found = (await client.get("/api/leaderboard")).json()
    assert [(row["contestant"], row["badge"], row["words"]) for row in found["rows"]] == [
        ("base", "not compared yet", "base is in service."),
        ("few-shot", "not compared yet", "few-shot and base are not compared with each other yet."),
    ]
    assert found["left_bias"]["warning"] == ""
    assert (found["votes"], found["excluded"], found["top_rater_share"]) == (0, {}, None)


async def test_the_leaderboard_of_an_adapter_that_mostly_wins(client: httpx.AsyncClient, room: Room) -> None:
    room.adapter()
    for winner in ("left", "left", "left", "right", "tie", "both_bad"):
        vote(room.store, "shop-v1", BASE, winner)
        vote(room.store, BASE, "shop-v1", {"left": "right", "right": "left"}.get(winner, winner), by="bob")
    vote(room.store, BASE, "shop-v1", "left", failed=True)

    found = (await client.get("/api/leaderboard")).json()

    against = {"wins": 6, "losses": 2, "ties": 2, "both_bad": 2}
    assert found["rows"][0] == {
        "contestant": "shop-v1",
        "votes": 12,
        **against,
        "against_champion": against,
        "win_probability": 0.6818,
        "low": 0.3942,
        "high": 0.9073,
        "likely_better": 0.898,
        "more": 44,
        "words": "shop-v1 is 90% likely better than base: 10 votes, about 45 more to be sure.",
        "rating": 1119.6,
        "rating_low": 926.5,
        "rating_high": 1344.4,
        "rating_ties_ignored": 1145.3,
        "badge": "preliminary",
        "rank_low": 1,
        "rank_high": 2,
    }
    assert [row["contestant"] for row in found["rows"]] == ["shop-v1", "base", "few-shot"]
    assert found["matrix"] == {
        "shop-v1": {"base": against},
        "base": {"shop-v1": {"wins": 2, "losses": 6, "ties": 2, "both_bad": 2}},
        "few-shot": {},
    }
    assert {key: value for key, value in found.items() if key not in ("rows", "matrix")} == {
        "base": "b0",
        "base_name": "starter",
        "champion": "base",
        "left_bias": {"share": 0.5, "low": 0.2491, "high": 0.7509, "elo": 0.0, "warning": ""},
        "ties_matter": False,
        "votes": 12,
        "both_bad": 2,
        "raters": 2,
        "top_rater_share": 0.5,
        "excluded": {"error": 1},
    }


async def test_against_an_adapter_in_service_the_others_are_told_how_they_stand(
    client: httpx.AsyncClient, room: Room
) -> None:
    room.adapter()
    room.store.training.promote("shop-v1", base="b0", by="ann", why="votes")
    for _ in range(9):
        vote(room.store, "shop-v1", BASE, "left")
    found = (await client.get("/api/leaderboard")).json()
    assert found["champion"] == "shop-v1"
    assert {row["contestant"]: row["words"] for row in found["rows"]} == {
        "shop-v1": "shop-v1 is in service.",
        "base": "shop-v1 is more than 99% likely better than base: 9 votes, enough to be sure.",
        "few-shot": "few-shot and shop-v1 are not compared with each other yet.",
    }


@pytest.mark.soak
def test_two_hundred_thousand_votes_make_a_board_within_a_second(store: Store) -> None:
    names = [BASE, FEW_SHOT, *(f"v{n}" for n in range(1, 7))]
    answer = "some words of an answer " * 20
    with store.writing() as db:
        for n in range(200_000):
            left, right = names[n % 8], names[(n + 1 + n // 8 % 7) % 8]
            turn, conversation = f"t_{n:020}", f"c_{n:020}"
            db.conn.execute(
                "INSERT INTO conversations (id, owner, title, group_key, created_at) VALUES (?, 'ann', '', ?, '')",
                (conversation, f"question {n % 5_000}"),
            )
            db.conn.execute(
                "INSERT INTO turns (id, conversation, owner, mode, blind, prompt, params, created_at) "
                "VALUES (?, ?, 'ann', 'compare', 1, 'why', '{}', '')",
                (turn, conversation),
            )
            for lane, name in (("left", left), ("right", right)):
                db.conn.execute(
                    "INSERT INTO replies (id, turn, lane, contestant, model, base, text, finish) "
                    "VALUES (?, ?, ?, ?, ?, 'b0', ?, 'stop')",
                    (f"r_{lane}{n:020}", turn, lane, name, name, answer),
                )
            db.conn.execute(
                "INSERT INTO votes (id, turn, rater, winner, blind, reasons, comment, created_at) "
                "VALUES (?, ?, ?, ?, 1, '{}', '', '')",
                (f"v_{n:020}", turn, f"rater {n % 20}", ("left", "right", "tie")[n % 3]),
            )
    for number in range(1, 7):
        trained(store, f"v{number}", *((f"v_{n:020}", "train") for n in range(number * 300)), number=number)

    start = time.perf_counter()
    found = board(store.ballots.counted("b0"), contestants=store.ballots.contestants("b0"), champion="v6")
    first_s = time.perf_counter() - start
    vote(store, "v6", BASE, "left")
    start = time.perf_counter()
    after = board(store.ballots.counted("b0"), contestants=store.ballots.contestants("b0"), champion="v6")
    again_s = time.perf_counter() - start

    assert found.votes + sum(found.excluded.values()) == 200_000
    assert after.votes == found.votes + 1
    assert (first_s <= 1.0, again_s <= 0.1) == (True, True), (first_s, again_s)
