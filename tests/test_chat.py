"""A turn in one lane or two, over the real store, prompts and client; vLLM is scripted."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from room import ANN, BASE, BOB, Room

from ftchat.contestants import Contestants
from ftchat.errors import BadInput, Conflict, EngineNotReady, NotFound, TooLong
from ftchat.prompt import Prompter
from ftchat.records import Params


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    yield made
    await made.close()


async def test_a_chat_turn_is_answered_and_kept_with_its_counts(room: Room) -> None:
    turn = await room.chat.ask(ANN, "What does the brie cost?", mode="chat")
    await room.done(turn)
    reply = room.store.turns.get(turn).reply("only")
    assert (reply.text, reply.finish, reply.contestant) == ("The answer is plain.", "stop", "base")
    assert reply.completion_tokens == 4
    assert reply.prompt_tokens > 4
    assert reply.ttft_ms is not None


async def test_rows_are_committed_before_the_first_token(room: Room) -> None:
    room.vllm.pace_s = 0.2
    turn = await room.chat.ask(ANN, "hello", mode="compare")
    assert [r.finish for r in room.store.turns.get(turn).replies] == [None, None]
    assert room.chat.seen(ANN, turn).writing


async def test_each_lane_streams_at_its_own_pace_and_fails_alone(room: Room) -> None:
    room.adapter()
    room.vllm.fails.add("shop-v1")
    turn = await room.chat.ask(ANN, "hello", mode="compare", contestants=["base", "shop-v1"], blind=False)
    await room.done(turn)
    left, right = room.store.turns.get(turn).replies
    assert (left.text, left.finish) == ("The answer is plain.", "stop")
    assert (right.text, right.finish) == ("", "error")
    assert right.error


async def test_before_the_vote_nothing_names_or_measures_a_lane(room: Room) -> None:
    room.adapter()
    turn = await room.chat.ask(ANN, "hello", mode="compare")
    await room.done(turn)
    hidden = room.chat.seen(ANN, turn)
    assert {(lane.contestant, lane.tokens, lane.ttft_ms) for lane in hidden.lanes} == {(None, None, None)}
    vote = await room.judging.vote(ANN, turn, "left")
    assert vote.blind
    shown = room.chat.seen(ANN, turn)
    assert [lane.contestant for lane in shown.lanes] == [vote.left, vote.right]
    assert {vote.left, vote.right} == {"base", "shop-v1"}


async def test_an_early_vote_ends_both_lanes_and_what_was_seen_is_what_was_judged(room: Room) -> None:
    room.vllm.answers["base"] = "word " * 200
    room.vllm.pace_s = 0.02
    turn = await room.chat.ask(ANN, "hello", mode="compare")
    with pytest.raises(Conflict, match="some text"):
        await room.judging.vote(ANN, turn, "left")
    async for seen in room.chat.watch(ANN, turn):
        if seen.votable:
            break
    await room.judging.vote(ANN, turn, "right")
    assert [r.finish for r in room.store.turns.get(turn).replies] == ["cut", "cut"]
    assert room.vllm.closed == 2


async def test_stop_keeps_the_text_so_far(room: Room) -> None:
    room.vllm.answers["base"] = "word " * 200
    room.vllm.pace_s = 0.02
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    await asyncio.sleep(0.2)
    await room.chat.stop(ANN, turn)
    reply = room.store.turns.get(turn).reply("only")
    assert reply.finish == "cut"
    assert reply.text.startswith("word word")


async def test_judging_follows_the_blind_vote(room: Room) -> None:
    turn = await room.chat.ask(ANN, "hello", mode="compare")
    await room.done(turn)
    reply = room.chat.seen(ANN, turn).lanes[0].reply
    with pytest.raises(Conflict, match="Vote first"):
        room.judging.correct(ANN, reply, "better")
    await room.judging.vote(ANN, turn, "both_bad")
    room.judging.correct(ANN, reply, "better")
    assert room.chat.seen(ANN, turn).lanes[0].corrected == "better"
    approved = room.store.feedback.all(status="approved")
    assert [(f.kind, f.value, f.split) for f in approved] == [
        ("vote", "both_bad", "train"),
        ("correction", "better", "train"),
    ]


async def test_a_repeated_vote_is_one_row_and_another_vote_a_conflict(room: Room) -> None:
    turn = await room.chat.ask(ANN, "hello", mode="compare")
    await room.done(turn)
    votes = await asyncio.gather(*(room.judging.vote(ANN, turn, "left", key="click") for _ in range(20)))
    assert len({vote.id for vote in votes}) == 1
    assert await room.judging.vote(ANN, turn, "left") == votes[0]
    with pytest.raises(Conflict):
        await room.judging.vote(ANN, turn, "right")


async def test_a_correction_that_changes_nothing_is_refused(room: Room) -> None:
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    await room.done(turn)
    with pytest.raises(BadInput, match="same as the reply"):
        room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, " The answer is plain. ")


async def test_the_next_turn_is_told_what_the_correction_said(room: Room) -> None:
    first = await room.chat.ask(ANN, "What is it?", mode="chat")
    await room.done(first)
    seen = room.chat.seen(ANN, first)
    room.judging.correct(ANN, seen.lanes[0].reply, "It is CHEESE.")
    second = await room.chat.ask(ANN, "And cheaper?", mode="chat", conversation=seen.conversation)
    await room.done(second)
    prompt = Prompter(BASE.path).decode(room.vllm.bodies[-1]["prompt"])
    assert "It is CHEESE." in prompt
    assert "The answer is plain." not in prompt


async def test_a_compare_conversation_keeps_its_sides_until_the_vote(room: Room) -> None:
    room.adapter()
    first = await room.chat.ask(ANN, "one", mode="compare")
    await room.done(first)
    conversation = room.chat.seen(ANN, first).conversation
    second = await room.chat.ask(ANN, "two", mode="compare", conversation=conversation)
    sides = [[r.contestant for r in room.store.turns.get(turn).replies] for turn in (first, second)]
    assert sides[0] == sides[1]


async def test_few_shot_has_the_nearest_corrections_in_its_prompt_and_says_which(room: Room) -> None:
    first = await room.chat.ask(ANN, "What does the brie cost?", mode="chat")
    await room.done(first)
    correction = room.judging.correct(ANN, room.chat.seen(ANN, first).lanes[0].reply, "BRIE: 5 euros")
    turn = await room.chat.ask(ANN, "What does the gouda cost?", mode="chat", contestants=["few-shot"])
    await room.done(turn)
    reply = room.store.turns.get(turn).reply("only")
    assert reply.examples == (correction,)
    assert reply.model == "base"
    assert "BRIE: 5 euros" in Prompter(BASE.path).decode(room.vllm.bodies[-1]["prompt"])


async def test_what_is_not_yours_is_not_found(room: Room) -> None:
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    for refused in (lambda: room.chat.seen(BOB, turn), lambda: room.chat.turns(BOB, "c_1")):
        with pytest.raises(NotFound):
            refused()
    with pytest.raises(NotFound):
        await room.chat.stop(BOB, turn)
    with pytest.raises(NotFound):
        await room.chat.ask(BOB, "x", mode="chat", conversation=room.chat.seen(ANN, turn).conversation)


async def test_nothing_is_kept_of_a_prompt_that_cannot_be_asked(room: Room) -> None:
    with pytest.raises(TooLong, match="tokens"):
        await room.chat.ask(ANN, "word " * 5000, mode="chat")
    with pytest.raises(BadInput, match="no contestant called 'gpt'"):
        await room.chat.ask(ANN, "hello", mode="chat", contestants=["gpt"])
    room.reason = "The engine is starting."
    with pytest.raises(EngineNotReady, match="starting"):
        await room.chat.ask(ANN, "hello", mode="chat")
    assert room.chat.conversations(ANN) == []


async def test_a_killed_app_leaves_replies_marked_as_cut(room: Room) -> None:
    room.vllm.pace_s = 1.0
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    assert room.store.turns.cut_unfinished() == 1
    assert room.store.turns.get(turn).reply("only").finish == "cut"


async def test_a_champion_is_compared_with_the_newest_adapter_and_base(room: Room) -> None:
    room.adapter("shop-v1")
    room.store.training.promote("shop-v1", base="b0", by="ann", why="")
    pairs = {frozenset(Contestants(room.store, BASE, chance=random.Random(i)).pair()) for i in range(30)}
    assert pairs == {frozenset({"shop-v1", "base"})}


async def test_named_contestants_are_blind_too(room: Room) -> None:
    room.adapter()
    sides = set()
    for number in range(12):
        turn = await room.chat.ask(ANN, f"hello {number}", mode="compare", contestants=["shop-v1", "base"])
        sides.add(room.store.turns.get(turn).reply("left").contestant)
        await room.done(turn)
    assert sides == {"base", "shop-v1"}
    turn = await room.chat.ask(ANN, "open", mode="compare", contestants=["shop-v1", "base"], blind=False)
    assert [r.contestant for r in room.store.turns.get(turn).replies] == ["shop-v1", "base"]


async def test_an_error_before_the_vote_names_nobody_and_the_other_side_can_win(room: Room) -> None:
    room.adapter()
    room.vllm.fails.add("shop-v1")
    turn = await room.chat.ask(ANN, "hello", mode="compare")
    await room.done(turn)
    seen = room.chat.seen(ANN, turn)
    assert seen.votable
    assert "This side could not answer." in {lane.error for lane in seen.lanes}
    await room.judging.vote(ANN, turn, "tie")
    assert "broken" in "".join(lane.error for lane in room.chat.seen(ANN, turn).lanes)


async def test_a_vote_after_the_names_are_known_is_not_blind(room: Room) -> None:
    room.adapter()
    first = await room.chat.ask(ANN, "one", mode="compare")
    await room.done(first)
    conversation = room.chat.seen(ANN, first).conversation
    second = await room.chat.ask(ANN, "two", mode="compare", conversation=conversation)
    await room.done(second)
    assert (await room.judging.vote(ANN, second, "left")).blind
    assert not (await room.judging.vote(ANN, first, "left")).blind


async def test_asking_at_once_with_one_key_is_one_turn(room: Room) -> None:
    asked = (room.chat.ask(ANN, "hello", mode="chat", key="k") for _ in range(8))
    turns = set(await asyncio.gather(*asked))
    assert len(turns) == 1
    await room.done(turns.pop())
    assert len(room.chat.conversations(ANN)) == 1


async def test_a_question_before_the_answer_has_ended_is_refused(room: Room) -> None:
    room.vllm.pace_s = 0.2
    turn = await room.chat.ask(ANN, "one", mode="chat")
    conversation = room.chat.seen(ANN, turn).conversation
    with pytest.raises(Conflict, match="still being written"):
        await room.chat.ask(ANN, "two", mode="chat", conversation=conversation)


async def test_a_lane_that_is_stopped_at_once_has_an_end(room: Room) -> None:
    turn = await room.chat.ask(ANN, "hello", mode="compare")
    await room.chat.stop(ANN, turn)
    assert [r.finish for r in room.store.turns.get(turn).replies] == ["cut", "cut"]


async def test_an_answer_is_saved_when_the_database_can_be_written_again(room: Room) -> None:
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    held = sqlite3.connect(room.store.path)
    room.store._writer.conn.execute("PRAGMA busy_timeout=50")
    held.execute("BEGIN IMMEDIATE")
    await asyncio.sleep(0.4)
    held.rollback()
    held.close()
    await room.done(turn)
    assert room.store.turns.get(turn).reply("only").finish == "stop"


async def test_no_more_is_asked_for_than_the_context_holds(room: Room) -> None:
    long = "word " * 900
    turn = await room.chat.ask(ANN, long, mode="chat", params=Params(max_tokens=5000))
    await room.done(turn)
    body = room.vllm.bodies[-1]
    assert len(body["prompt"]) + body["max_tokens"] == room.prompter.context_length


async def test_of_questions_asked_at_once_in_a_conversation_one_is_taken(room: Room) -> None:
    first = await room.chat.ask(ANN, "one", mode="chat")
    await room.done(first)
    conversation = room.chat.seen(ANN, first).conversation
    asked = (room.chat.ask(ANN, f"two {i}", mode="chat", conversation=conversation) for i in range(4))
    found = await asyncio.gather(*asked, return_exceptions=True)
    taken = [one for one in found if isinstance(one, str)]
    assert len(taken) == 1
    assert {type(one) for one in found} == {str, Conflict}
    assert room.chat.turns(ANN, conversation) == [first, *taken]
