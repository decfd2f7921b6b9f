"""Rewriting a reply on instruction: what the model is shown, what is kept of it, and whose it is."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from room import ANN, BOB, Room

from ftchat.engine import Piece, Request
from ftchat.errors import BadInput, Conflict, EngineError, EngineNotReady, NotFound
from ftchat.records import Person


async def answered(room: Room, prompt: str = "What does the brie cost?", who: Person = ANN) -> str:
    """The reply of a chat turn by an adapter."""
    turn = await room.chat.ask(who, prompt, mode="chat", contestants=["shop-v1"], system="Be brief.")
    await room.done(turn, who)
    room.vllm.answers["base"] = "5 euros."
    return room.chat.seen(who, turn).lanes[0].reply


async def test_the_base_is_shown_the_conversation_and_the_instruction_and_nothing_is_kept(room: Room) -> None:
    room.adapter(says="The brie costs five.")
    reply = await answered(room)
    assert await room.redrafts.propose(ANN, reply, "shorter, and name the price in euros.") == "5 euros."
    body = room.vllm.bodies[-1]
    shown = room.prompter.decode(body["prompt"])
    said = ("Be brief.", "What does the brie cost?", "The brie costs five.", "Rewrite your last answer: shorter, and")
    assert [shown.count(text) for text in said] == [1, 1, 1, 1]
    assert [shown.index(text) for text in said] == sorted(shown.index(text) for text in said)
    assert (body["model"], body["temperature"]) == ("base", 0.0)
    assert room.store.feedback.counts() == {}
    assert len(room.chat.turns(ANN, room.store.turns.turn_of(reply)[0].conversation)) == 1


async def test_what_was_accepted_is_a_correction_that_keeps_its_instruction(room: Room) -> None:
    room.adapter()
    reply = await answered(room)
    proposed = await room.redrafts.propose(ANN, reply, "shorter")
    correction = room.judging.correct(ANN, reply, proposed, instruction="shorter")
    assert room.store.judged.instruction_of(correction) == "shorter"
    assert room.store.feedback.all(kind="correction")[0].value == "5 euros."
    written = room.judging.correct(ANN, reply, "By hand.")
    assert room.store.judged.instruction_of(written) == ""


async def test_what_the_person_changed_already_is_rewritten_instead(room: Room) -> None:
    room.adapter(says="The brie costs five.")
    reply = await answered(room)
    await room.redrafts.propose(ANN, reply, "politer", text="The brie: 5 euros")
    shown = room.prompter.decode(room.vllm.bodies[-1]["prompt"])
    assert "The brie: 5 euros" in shown
    assert "costs five" not in shown


async def test_a_blind_reply_is_rewritten_after_the_vote_only_and_only_for_its_owner(room: Room) -> None:
    turn = await room.chat.ask(ANN, "hello", mode="compare")
    await room.done(turn)
    reply = room.chat.seen(ANN, turn).lanes[0].reply
    with pytest.raises(Conflict, match="Vote first"):
        await room.redrafts.propose(ANN, reply, "shorter")
    await room.judging.vote(ANN, turn, "left")
    for who in (BOB, Person("eve", "reviewer")):
        with pytest.raises(NotFound):
            await room.redrafts.propose(who, reply, "shorter")
    room.vllm.answers["base"] = "Short."
    assert await room.redrafts.propose(ANN, reply, "shorter") == "Short."


@pytest.mark.parametrize("instruction", ["", "  ", "x" * 1_001, "x" * 10_000_000, None, 5])
async def test_a_bad_instruction_is_refused_and_the_next_one_works(room: Room, instruction: object) -> None:
    room.adapter()
    reply = await answered(room)
    with pytest.raises(BadInput, match="The instruction"):
        await room.redrafts.propose(ANN, reply, instruction)
    for strange in ("\ud800", "a\x00b", "\u202eabc 🧀"):
        assert await room.redrafts.propose(ANN, reply, strange) == "5 euros."


async def test_where_the_model_has_nothing_to_offer_it_says_so(room: Room) -> None:
    room.adapter(says="5 euros.")
    reply = await answered(room)
    with pytest.raises(Conflict, match="changed nothing"):
        await room.redrafts.propose(ANN, reply, "shorter")
    room.vllm.fails.add("base")
    with pytest.raises(EngineError, match="could not answer"):
        await room.redrafts.propose(ANN, reply, "shorter")
    room.reason = "The engine is starting."
    with pytest.raises(EngineNotReady):
        await room.redrafts.propose(ANN, reply, "shorter")
    room.reason = ""
    room.vllm.fails.add("shop-v1")
    with pytest.raises(Conflict, match="no text to rewrite"):
        await room.redrafts.propose(ANN, await answered(room), "shorter")


async def test_a_rewriting_may_be_longer_than_an_answer_and_one_that_is_cut_is_not_proposed(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.adapter()
    reply = await answered(room)
    await room.redrafts.propose(ANN, reply, "longer")
    assert room.vllm.bodies[-1]["max_tokens"] == 4 * room.settings.max_tokens
    stream = room.engine.stream

    async def cut(request: Request) -> AsyncIterator[Piece]:
        async for piece in stream(request):
            yield replace(piece, finish="length") if piece.finish else piece

    monkeypatch.setattr(room.engine, "stream", cut)
    with pytest.raises(Conflict, match=r"^The rewriting did not fit. Ask for a shorter one\.$"):
        await room.redrafts.propose(ANN, reply, "longer")


async def test_a_long_answer_keeps_the_room_that_an_answer_has(room: Room) -> None:
    room.adapter()
    reply = await answered(room)
    room.vllm.answers["base"] = "Short."
    assert await room.redrafts.propose(ANN, reply, "shorter", text="word " * 1_600) == "Short."
    body = room.vllm.bodies[-1]
    assert len(body["prompt"]) + body["max_tokens"] == room.prompter.context_length


async def test_a_reviewer_is_proposed_a_rewriting_of_what_somebody_found_bad_on_both_sides(room: Room) -> None:
    room.adapter()
    turn = await room.chat.ask(BOB, "What does the brie cost?", mode="compare")
    await room.done(turn, BOB)
    room.vllm.answers["base"] = "5 euros."
    reply = room.store.turns.get(turn).reply("left").id
    with pytest.raises(NotFound):
        await room.redrafts.propose(ANN, reply, "shorter")
    await room.judging.vote(BOB, turn, "both_bad")
    assert await room.redrafts.propose(ANN, reply, "shorter") == "5 euros."
    with pytest.raises(NotFound):
        await room.redrafts.propose(Person("dan", "rater"), reply, "shorter")
