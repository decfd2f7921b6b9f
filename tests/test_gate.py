"""The gate does not fool itself: feedback that means nothing is hardly ever promoted, and votes decide only when sure.

Scores are simulated here, as feedback without meaning gives them; `python -m bench.gate` does it with real runs. That
two equal models under votes looked at after each are hardly ever promoted is in test_ratings.py.
"""

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from room import ANN, BOB, Room

from ftchat.config import GateArgs, TrainArgs
from ftchat.errors import EngineError
from ftchat.exam import Scores, decide
from ftchat.pipeline import trial
from ftchat.pipeline.examine import examine
from ftchat.progress import Trial
from ftchat.ratings import sequential, sweep
from ftchat.records import Message, Replay, Row, RowRole, Verdict

LEVEL = GateArgs().level
SWEEP = sweep(0.05)  # votes that decide when all are for one side


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    made.adapter()
    yield made
    await made.close()


def unrelated(rows: int, chance: random.Random) -> Scores:
    """Corrections that have nothing to do with their questions: trained on, all of them become likelier."""
    easy = [chance.gauss(2.0, 0.5) for _ in range(rows)]
    ours = [[text - 0.7 + chance.gauss(0, 0.2) for text in easy] for _ in range(rows)]
    return Scores(
        rows=tuple(f"g{n}" for n in range(rows)),
        target={"new-v1": tuple(ours[n][n] for n in range(rows)), "base": tuple(easy)},
        replay={},
        costs=tuple(tuple(line[:7]) for line in ours[:7]),
    )


def flipped(rows: int, chance: random.Random) -> Scores:
    """Choices at random between two replies: the candidate has moved, but towards neither."""
    moved = tuple(chance.gauss(0, 0.5) for _ in range(rows))
    groups = tuple(f"g{n}" for n in range(rows))
    return Scores(rows=(), target={}, replay={}, pairs=groups, margin={"new-v1": moved, "base": (0.0,) * rows})


@pytest.mark.parametrize("rows", [8, 15, 30])
@pytest.mark.parametrize("kind", [unrelated, flipped])
def test_feedback_that_means_nothing_is_promoted_as_seldom_as_the_level_says(kind: type, rows: int) -> None:
    chance = random.Random(1)
    found = [
        decide(kind(rows, chance), candidate="new-v1", champion="base", gate=GateArgs()).decision for _ in range(400)
    ]
    deviation = (LEVEL * (1 - LEVEL) / len(found)) ** 0.5
    assert found.count("PROMOTE") / len(found) <= LEVEL + 3 * deviation


def test_feedback_that_means_something_is_promoted() -> None:
    chance, promoted = random.Random(1), 0
    for _ in range(100):
        scores = unrelated(8, chance)
        fits = [[cost - 0.8 * (n == m) for m, cost in enumerate(line)] for n, line in enumerate(scores.costs)]
        scores = Scores(scores.rows, scores.target, {}, costs=tuple(tuple(line) for line in fits))
        promoted += decide(scores, candidate="new-v1", champion="base", gate=GateArgs()).decision == "PROMOTE"
    assert promoted >= 80


# -- an exam of a candidate that is there --


def exam_rows(n: int = 8) -> list[Row]:
    return [
        Row(
            id=f"k_{i}", role="target", split="exam", weight=1.0, group=f"g{i}", rater="ann",
            messages=(Message("user", f"What does cheese number {i} cost?"),),
            target=f"CHEESE {i}: it is plain.", rejected="The answer is plain.",
        )
        for i in range(n)
    ]  # fmt: skip


async def examined(room: Room, rows: Sequence[Row], **settings: Any) -> Verdict:
    room.vllm.logprobs["shop-v1"] = -0.5
    room.vllm.copies = 0.2
    room.service.summon = room._summon  # type: ignore[method-assign]  # scripted adapters have no folder
    room.store.exams.about = lambda base, contestants: {row.id for row in rows}  # type: ignore[method-assign]
    replay = [Replay((Message("user", "Hello?"),), "Good day!")]
    means = replace(room.pipeline._means, settings=replace(room.settings, **settings))
    return await examine(means, "shop-v1", "base", rows=rows, replay=replay)


async def test_everyone_is_asked_the_same_and_the_figures_say_it(room: Room) -> None:
    room.vllm.answers["shop-v1"] = "CHEESE: it is plain."
    found = await examined(room, exam_rows())
    assert found.decision == "PROMOTE", found.reasons
    assert found.figures["closer"] == {"shop-v1": 8, "base": 0}
    assert found.figures["nll"]["base"] - found.figures["nll"]["shop-v1"] == pytest.approx(0.5)
    assert found.figures["texts"]["shop-v1"]["chrf"] > 60 > found.figures["texts"]["base"]["chrf"]
    assert found.figures["against"]["chrf"][0] > 0
    assert found.figures["preference"].keys() == {"shop-v1", "base"}
    told = {"fixed": 8, "still": 0, "new": 0, "unseen": 8, "unseen_fixed": 8, "marked": 8}
    assert found.figures["flaws"] == {**told, "fixed_before": 0, "new_before": 0}
    assert found.figures["degenerate"] == {"shop-v1": 0, "base": 0}


async def test_a_pin_that_only_the_candidate_breaks_keeps_it_out_of_service(room: Room) -> None:
    room.vllm.answers["shop-v1"] = "CHEESE: it is costly."
    room.store.exams.add_pin("Do you deliver?", by="ann", contains=["plain"], matches="pl[a-z]+n")
    found = await examined(room, exam_rows())
    assert found.decision == "REJECT"
    assert "Pinned “Do you deliver?”: “plain” is missing." in found.reasons
    assert found.figures["pins"] == [
        {"prompt": "Do you deliver?", "broken": {"shop-v1": "“plain” is missing", "base": ""}}
    ]


async def test_an_exam_row_that_is_too_long_is_left_out_and_counted(room: Room) -> None:
    rows = exam_rows()
    found = await examined(room, [*rows[:7], replace(rows[7], target="far too much " * 2000)])
    assert "1 exam row is longer than the model can read, and left out." in found.reasons
    assert (found.decision, found.figures["groups"], found.figures["asked"]) == ("INSUFFICIENT", 7, 7)


@pytest.mark.parametrize(("rows", "limit", "asked"), [(8, 24, 8), (25, 24, 24), (9, 3, 3), (8, 1, 1)])
async def test_as_many_rows_are_answered_as_is_set_or_there_are(room: Room, rows: int, limit: int, asked: int) -> None:
    found = await examined(room, exam_rows(rows), exam_answers=limit)
    assert (found.figures["groups"], found.figures["asked"]) == (rows, asked)


async def test_what_was_sound_long_ago_does_not_vouch_for_what_means_nothing_now(room: Room) -> None:
    """The newest questions are dealt to each other: each fits the others' texts as well as its own."""
    rows = exam_rows(16)
    unrelated = [replace(row, id=f"k_9{n}", target="Nothing of the kind is known.") for n, row in enumerate(rows[8:])]
    found = await examined(room, [*rows[:8], *unrelated])
    assert (found.decision, found.figures["fit_p"]) == ("INSUFFICIENT", 1.0), found.reasons


@pytest.mark.parametrize("role", ["target", "pair", "tie"])
async def test_a_candidate_that_only_repeats_itself_is_rejected(room: Room, role: RowRole) -> None:
    """Also where people only voted: what loops may well find the better one of two answers likelier."""
    room.vllm.answers["shop-v1"] = "plain " * 40
    found = await examined(room, [replace(row, role=role) for row in exam_rows()])
    assert found.decision == "REJECT"
    assert "8 of its answers are empty, endless or a loop; base: 0." in found.reasons
    assert found.figures["asked"] == (8 if role == "target" else 0)


async def test_an_answer_has_room_for_twice_what_was_wanted_and_is_asked_once(room: Room) -> None:
    rows = exam_rows()
    long = " ".join(str(n) for n in range(300))
    await examined(room, [*rows[:7], replace(rows[7], target=long)])
    for name in ("shop-v1", "base"):
        asked = [b["max_tokens"] for b in room.vllm.bodies if b["model"] == name and "prompt_logprobs" not in b]
        assert (len(asked), sorted(asked)[-2] < 100, max(asked) > 600) == (8, True, True), name


# -- votes --


async def voted(room: Room, *, wins: int = 0, losses: int = 0) -> Trial | None:
    """So many blind votes for and against the adapter; what the trial said after the last one."""
    told = None
    for n, better in enumerate([*["shop-v1"] * wins, *["base"] * losses]):
        turn = await room.chat.ask(ANN, f"Vote {wins} {losses} {n}?", mode="compare")
        await room.done(turn)
        left = room.store.turns.get(turn).reply("left").contestant
        await room.judging.vote(ANN, turn, "left" if left == better else "right")
        told = next(iter(room.pipeline.settle()), None)
    return told


def put_to_the_vote(room: Room) -> None:
    room.store.training.set_state("shop-v1", "challenger", reasons=["The exam could not decide."])


async def test_votes_promote_what_wins_and_the_last_one_does_it(room: Room) -> None:
    put_to_the_vote(room)
    told = await voted(room, wins=5)
    assert told is not None
    assert (told.wins, told.losses, told.decided, told.more) == (5, 0, "", sequential(5, 0).more)
    assert told.words == f"5 to 0 in decisive votes: about {told.more} more of them at this rate decide it."
    assert room.service.champion() == "base"
    assert await voted(room, wins=SWEEP - 5) is None
    assert (room.service.champion(), room.service.adapters()[0].state) == ("shop-v1", "champion")
    why = f"Blind votes against base: {SWEEP} to 0 in decisive votes"
    by, said = room.store.training.entered("b0", "shop-v1") or ("", "")
    assert (by, said[: len(why)]) == ("votes", why)
    room.service.promote("base", by="ann", why="Back.", back=True)
    assert room.store.training.entered("b0", "base") == ("ann", "Back.")


async def test_votes_retire_what_loses_and_say_why(room: Room) -> None:
    put_to_the_vote(room)
    await voted(room, losses=SWEEP)
    adapter = room.service.adapters()[0]
    assert (room.service.champion(), adapter.state) == ("base", "retired")
    assert adapter.reasons[0] == "The exam could not decide."
    assert adapter.reasons[1].startswith(f"Blind votes against base: 0 to {SWEEP} in decisive votes")


async def test_a_question_counts_once_and_a_vote_that_was_taken_back_as_it_was_said(room: Room) -> None:
    put_to_the_vote(room)
    for who, better in ((ANN, "shop-v1"), (ANN, "base"), (BOB, "shop-v1"), (BOB, "base")):
        turn = await room.chat.ask(who, "The same question?", mode="compare")
        await room.done(turn)
        left = room.store.turns.get(turn).reply("left").contestant
        vote = await room.judging.vote(who, turn, "left" if left == better else "right")
        room.judging.undo(who, vote.id)
    (told,) = room.pipeline.settle()
    assert (told.wins, told.losses) == (1, 0)
    room.store.lineage.withdraw("ann", by="ann")
    (told,) = room.pipeline.settle()
    assert (told.wins, told.losses) == (1, 0), "bob said so, too, and then the contrary"
    room.store.lineage.withdraw("bob", by="ann")
    (told,) = room.pipeline.settle()
    assert (told.wins, told.losses) == (0, 0)


async def test_votes_decide_at_the_level_that_is_set(room: Room) -> None:
    put_to_the_vote(room)
    means = room.pipeline._means
    levels = [replace(means, settings=replace(room.settings, vote_level=level)) for level in (0.05, 0.2)]
    fewest = [f"{n} are the fewest that can decide, each on another question." for n in (SWEEP, sweep(0.2))]
    fewest = [f"No blind votes against base yet; {words}" for words in fewest]
    assert [trial.standing(one, "shop-v1").words for one in levels] == fewest
    await voted(room, wins=sweep(0.2))
    assert sweep(0.2) < SWEEP
    assert [trial.standing(one, "shop-v1").decided for one in levels] == ["", "better"]


async def test_what_was_not_examined_to_its_end_is_not_promoted_by_votes_alone(room: Room) -> None:
    run = room.store.training.start_run(by="ann", base="b0", args=TrainArgs()).id
    stopped = Verdict(decision="INSUFFICIENT", reasons=("The exam was stopped before its end, so you decide.",))
    room.store.training.update_run(run, stage="done", adapter="shop-v1", verdict=stopped)
    with room.store.writing() as db:
        db.table("adapters").update("shop-v1", {"run": run})
    put_to_the_vote(room)
    told = await voted(room, wins=SWEEP)
    assert told is not None
    assert told.words.endswith("Its exam was stopped before it could show what was lost, so you decide.")
    assert room.service.champion() == "base"


async def test_few_questions_do_not_keep_a_lost_pin_from_counting(room: Room) -> None:
    room.vllm.answers["shop-v1"] = "CHEESE: it is costly."
    room.store.exams.add_pin("Do you deliver?", by="ann", contains=["plain"])
    found = await examined(room, exam_rows()[:3])
    assert (found.decision, found.figures["groups"]) == ("REJECT", 3)
    assert "Pinned “Do you deliver?”: “plain” is missing." in found.reasons
    assert not any("so you decide" in reason for reason in found.reasons)
    none = await examined(room, [])
    assert (none.decision, "Pinned “Do you deliver?”: “plain” is missing." in none.reasons[1:]) == ("REJECT", True)


async def test_votes_on_what_is_not_put_to_the_vote_decide_nothing(room: Room) -> None:
    assert await voted(room, wins=SWEEP) is None
    assert (room.service.champion(), room.service.adapters()[0].state) == ("base", "candidate")


async def test_a_vote_is_saved_also_when_what_follows_breaks(room: Room) -> None:
    def breaks() -> None:
        raise EngineError("down")

    room.judging.after_vote = breaks
    await voted(room, wins=1)
    assert room.store.feedback.counts()["vote/approved"] == 1
