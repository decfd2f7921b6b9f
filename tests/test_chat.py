"""A turn in one lane or two, over the real store, prompts and client; vLLM is scripted."""

import asyncio
import sqlite3

import pytest
from room import ANN, BASE, BOB, Room

from ftchat.errors import BadInput, Conflict, EngineNotReady, NotFound, TooLong
from ftchat.prompt import Prompter
from ftchat.records import Message, Params, Reply


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


async def test_a_lane_that_stalls_does_not_hold_up_the_other(room: Room) -> None:
    room.adapter()
    room.vllm.paces["shop-v1"] = 60.0
    turn = await room.chat.ask(ANN, "hello", mode="compare", contestants=["base", "shop-v1"], blind=False)
    async for seen in room.chat.watch(ANN, turn):
        if seen.lanes[0].finish:
            break
    assert [(lane.text, lane.finish) for lane in seen.lanes] == [("The answer is plain.", "stop"), ("", None)]
    await room.chat.stop(ANN, turn)
    assert [r.finish for r in room.store.turns.get(turn).replies] == ["stop", "cut"]


async def test_each_lane_streams_at_its_own_pace_and_fails_alone(room: Room) -> None:
    room.adapter()
    room.vllm.fails.add("shop-v1")
    turn = await room.chat.ask(ANN, "hello", mode="compare", contestants=["base", "shop-v1"], blind=False)
    await room.done(turn)
    left, right = room.store.turns.get(turn).replies
    assert (left.text, left.finish) == ("The answer is plain.", "stop")
    assert (right.text, right.finish) == ("", "error")
    assert right.error


async def test_stop_keeps_the_text_so_far(room: Room) -> None:
    room.vllm.answers["base"] = "word " * 200
    room.vllm.pace_s = 0.02
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    await asyncio.sleep(0.2)
    await room.chat.stop(ANN, turn)
    reply = room.store.turns.get(turn).reply("only")
    assert reply.finish == "cut"
    assert reply.text.startswith("word word")


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


# -- the tree --


async def chain(room: Room, *prompts: str) -> list[str]:
    """Chat turns, one after the other."""
    turns: list[str] = []
    for prompt in prompts:
        room.vllm.answers["base"] = f"Re: {prompt}"
        turns.append(await room.chat.ask(ANN, prompt, mode="chat", after=turns[-1] if turns else None))
        await room.done(turns[-1])
    return turns


def asked(room: Room) -> str:
    """What the engine was asked last."""
    return room.prompter.decode(room.vllm.bodies[-1]["prompt"])


async def test_regenerate_makes_a_sibling_and_the_newest_path_is_the_current_one(room: Room) -> None:
    one, two, three = await chain(room, "one", "two", "three")
    conversation = room.chat.seen(ANN, one).conversation
    room.vllm.answers["base"] = "Another answer."
    again = await room.chat.regenerate(ANN, two)
    writing = room.chat.seen(ANN, again)
    await room.done(again)
    seen = room.chat.seen(ANN, again)
    for found in (writing, seen):
        assert (found.parent, found.siblings, found.position, found.prompt) == (one, (two, again), 2, "two")
    assert room.chat.seen(ANN, two).position == 1
    assert room.chat.seen(ANN, three).siblings == (three,)
    assert room.chat.path(ANN, conversation) == [one, again]
    assert room.chat.path_through(ANN, two) == [one, two, three]
    assert room.chat.turns(ANN, conversation) == [one, two, three, again]
    follow = await room.chat.ask(ANN, "four", mode="chat", conversation=conversation)
    await room.done(follow)
    assert "Another answer." in asked(room)
    assert not any(old in asked(room) for old in ("Re: two", "three"))


async def test_an_edit_is_another_wording_beside_the_first_and_one_goes_on_from_any_turn(room: Room) -> None:
    one, two, _ = await chain(room, "one", "two", "three")
    edited = await room.chat.edit(ANN, two, "two, but louder")
    await room.done(edited)
    assert (room.chat.seen(ANN, edited).parent, room.chat.seen(ANN, edited).siblings) == (one, (two, edited))
    assert "Re: one" in asked(room)
    assert "three" not in asked(room)
    branch = await room.chat.ask(ANN, "from the first", mode="chat", after=one)
    await room.done(branch)
    assert room.chat.seen(ANN, branch).siblings == (two, edited, branch)
    assert room.chat.path_through(ANN, one) == [one, branch]


async def test_another_first_question_is_a_conversation_and_a_group_of_its_own_and_still_a_sibling(room: Room) -> None:
    one, _ = await chain(room, "What does the brie cost?", "And cheaper?")
    seen = room.chat.seen(ANN, one)
    same = await room.chat.edit(ANN, one, "what does the  BRIE cost")
    await room.done(same)
    other = await room.chat.edit(ANN, one, "What does the feta cost?")
    await room.done(other)
    third = await room.chat.edit(ANN, other, "What does the gouda cost?")
    await room.done(third)
    family = (one, same, other, third)
    for turn in family:
        assert room.chat.seen(ANN, turn).siblings == family
    places = [room.chat.seen(ANN, turn).conversation for turn in family]
    assert places[0] == places[1] == seen.conversation
    assert len(set(places)) == 3
    for turn in (one, other):
        room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, "better")
    groups = [f.group for f in room.store.feedback.all(kind="correction")]
    assert groups == ["what does the brie cost", "what does the feta cost"]
    assert [c.title for c in room.chat.conversations(ANN)] == [
        "What does the gouda cost?",
        "What does the feta cost?",
        "What does the brie cost?",
    ]


async def test_a_blind_turn_regenerated_before_the_vote_keeps_its_sides_and_after_it_is_drawn_anew(room: Room) -> None:
    room.adapter()
    turn = await room.chat.ask(ANN, "one", mode="compare")
    await room.done(turn)
    again = await room.chat.regenerate(ANN, turn)
    await room.done(again)
    sides = [[r.contestant for r in room.store.turns.get(t).replies] for t in (turn, again)]
    assert sides[0] == sides[1]
    await room.judging.vote(ANN, turn, "left")
    assert room.chat.seen(ANN, again).lanes[0].contestant is not None  # the same two on the same sides
    drawn = set()
    for _ in range(8):
        new = await room.chat.regenerate(ANN, turn)
        await room.done(new)
        drawn.add(tuple(r.contestant for r in room.store.turns.get(new).replies))
    assert drawn == {("base", "shop-v1"), ("shop-v1", "base")}


async def test_messages_that_go_another_way_from_some_turn_on_branch_off_there(room: Room) -> None:
    one, two = await chain(room, "one", "two")
    said = [Message("user", "one"), Message("assistant", "Re: one")]
    more = [Message("user", "two"), Message("assistant", "Re: two")]
    assert room.chat.continued_by(ANN, said) == one
    assert room.chat.continued_by(ANN, [*said, *more]) == two
    assert room.chat.continued_by(BOB, said) is None
    assert room.chat.continued_by(ANN, [*said, more[0], Message("assistant", "Said elsewhere.")]) is None
    assert room.chat.continued_by(ANN, said[:1]) is None
    assert room.chat.continued_by(ANN, [Message("system", "Be brief."), *said]) is None


async def test_what_is_beside_and_after_a_turn_is_its_owners(room: Room) -> None:
    (turn,) = await chain(room, "one")
    for asking in (
        room.chat.regenerate(BOB, turn),
        room.chat.edit(BOB, turn, "x"),
        room.chat.ask_again(BOB, turn),
        room.chat.ask(BOB, "x", mode="chat", after=turn),
    ):
        with pytest.raises(NotFound):
            await asking
    for looking in (lambda: room.chat.path_through(BOB, turn), lambda: room.chat.path(BOB, "c_1")):
        with pytest.raises(NotFound):
            looking()
    room.vllm.pace_s = 0.2
    writing = await room.chat.regenerate(ANN, turn)
    for asking in (room.chat.regenerate(ANN, writing), room.chat.ask(ANN, "x", mode="chat", after=writing)):
        with pytest.raises(Conflict, match="still being written"):
            await asking
    with pytest.raises(BadInput, match="is not a turn of c_1"):
        await room.chat.ask(ANN, "x", mode="chat", after=turn, conversation="c_1")


async def test_a_repeated_regenerate_with_one_key_is_one_turn(room: Room) -> None:
    (turn,) = await chain(room, "one")
    found = {await room.chat.regenerate(ANN, turn, key="k") for _ in range(3)}
    assert len(found) == 1
    await room.done(*found)
    assert room.chat.seen(ANN, turn).siblings == (turn, *found)


# -- what fits --


async def test_older_turns_are_left_out_whole_and_the_turn_says_how_many(room: Room) -> None:
    turns = await chain(room, *(f"number {i}: " + "word " * 500 for i in range(5)))
    seen = [room.chat.seen(ANN, turn) for turn in turns]
    assert [one.trimmed for one in seen] == [0, 0, 1, 2, 3]
    assert [one.lanes[0].trimmed for one in seen] == [0, 0, 1, 2, 3]
    assert room.store.turns.get(turns[4]).reply("only").trimmed == 3
    assert [f"number {i}:" in asked(room) for i in range(5)] == [False, False, False, True, True]


async def test_what_was_left_out_tells_nothing_of_a_hidden_lane(room: Room) -> None:
    room.vllm.answers["base"] = "It is so."
    first = await room.chat.ask(ANN, "What does the brie cost? " + "word " * 550, mode="chat")
    await room.done(first)
    room.judging.correct(ANN, room.chat.seen(ANN, first).lanes[0].reply, "BRIE: " + "five " * 40)
    second = await room.chat.ask(ANN, "brie " + "word " * 550, mode="chat", after=first)
    await room.done(second)
    third = await room.chat.ask(
        ANN, "brie " + "word " * 550, mode="compare", after=second, contestants=["base", "few-shot"]
    )
    await room.done(third)
    kept = {r.contestant: (r.trimmed, len(r.examples)) for r in room.store.turns.get(third).replies}
    assert kept == {"base": (0, 0), "few-shot": (1, 1)}
    assert [(lane.trimmed, lane.examples) for lane in room.chat.seen(ANN, third).lanes] == [(1, ()), (1, ())]
    await room.judging.vote(ANN, third, "tie")
    assert {lane.trimmed for lane in room.chat.seen(ANN, third).lanes} == {0, 1}


# -- ask again --


async def test_asking_again_answers_at_once_with_what_was_just_corrected(room: Room) -> None:
    turn = await room.chat.ask(BOB, "What does the brie cost?", mode="compare")
    await room.done(turn, BOB)
    with pytest.raises(Conflict, match="Vote first"):
        await room.chat.ask_again(BOB, turn)
    await room.judging.vote(BOB, turn, "both_bad")
    with pytest.raises(Conflict, match="Correct an answer first"):
        await room.chat.ask_again(BOB, turn)
    correction = room.judging.correct(BOB, room.chat.seen(BOB, turn).lanes[0].reply, "BRIE: 5 euros")
    again = await room.chat.ask_again(BOB, turn, key="k")
    await room.done(again, BOB)
    assert await room.chat.ask_again(BOB, turn, key="k") == again
    seen = room.chat.seen(BOB, again)
    assert (seen.mode, seen.siblings, seen.lanes[0].contestant, seen.lanes[0].examples) == (
        "chat",
        (turn, again),
        "few-shot",
        (correction,),
    )
    assert "BRIE: 5 euros" in asked(room)
    assert room.store.feedback.all(status="approved") == []  # it still waits for review: nobody else is shown it
    assert room.contestants.prepare("few-shot", [Message("user", "What does the brie cost?")]).examples == ()


# -- bad input --


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "The prompt is empty."),
        (" \n\t ", "The prompt is empty."),
        ("x" * 10_000_000, "has 10,000,000 characters; at most 100,000"),
        ("word " * 3000, r"This prompt has 3,\d+ tokens; the model takes at most 2,048 with room for an answer"),
        (None, "must be a text"),
        (7, "must be a text"),
    ],
)
async def test_a_prompt_that_cannot_be_asked_leaves_nothing_and_the_next_one_works(
    room: Room, prompt: str, message: str
) -> None:
    (turn,) = await chain(room, "one")
    for mode in ("chat", "compare"):
        with pytest.raises(BadInput, match=message):
            await room.chat.ask(ANN, prompt, mode=mode)
    with pytest.raises(BadInput, match=message):
        await room.chat.edit(ANN, turn, prompt)
    assert [c.title for c in room.chat.conversations(ANN)] == ["one"]
    assert len(await chain(room, "two")) == 1


@pytest.mark.parametrize("prompt", ["\ud800 a \udfff", "a\x00b", "\u202eright\u200f", "🧀" * 40, "\r\n x \u2028"])
async def test_a_strange_prompt_is_asked_and_kept_as_text(room: Room, prompt: str) -> None:
    turn = await room.chat.ask(
        ANN, prompt, mode="chat", system=prompt, context=[Message("user", prompt), Message("assistant", prompt)]
    )
    await room.done(turn)
    seen = room.chat.seen(ANN, turn)
    assert seen.prompt == prompt.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    assert seen.lanes[0].finish == "stop"
    assert room.store.turns.conversation(seen.conversation).head[0] == Message("system", seen.prompt)


async def test_names_and_ids_that_are_no_text_are_not_found(room: Room) -> None:
    for name in ("\ud800", "shop\x00", "x" * 100_000):
        with pytest.raises(BadInput):
            await room.chat.ask(ANN, "x", mode="chat", contestants=[name])
        with pytest.raises(NotFound):
            await room.chat.ask(ANN, "x", mode="chat", conversation=name)
        with pytest.raises(NotFound):
            await room.chat.ask(ANN, "x", mode="chat", after=name)
        with pytest.raises(NotFound):
            room.chat.seen(ANN, name)
    with pytest.raises(BadInput, match="takes 2 contestants"):
        await room.chat.ask(ANN, "x", mode="compare", contestants=["base"])
    with pytest.raises(BadInput, match="64 bits"):
        Params(seed=2**63)
    assert Params(stop=("\ud800",)).stop == ("?",)
    assert room.chat.conversations(ANN) == []


async def test_whatever_breaks_while_an_answer_is_saved_the_turn_ends(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(reply: Reply) -> None:
        raise sqlite3.IntegrityError("a rule of the tables")

    monkeypatch.setattr(room.store.turns, "finish", broken)
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    live = room.chat._lanes.get(turn)
    assert live is not None
    await asyncio.wait_for(asyncio.wait(live.writers), 10)
    assert live.replies["only"].error == "This answer could not be saved. Something in ftchat broke (IntegrityError)."
    assert (live.replies["only"].finish, live.writing) == ("error", False)
    assert "An answer could not be written." in caplog.messages
    await room.done(turn)
    assert room.chat.figures()[0] == 0


async def test_a_client_that_knows_nothing_of_a_correction_is_not_joined_to_it(room: Room) -> None:
    (turn,) = await chain(room, "one")
    room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, "CORRECTED.")
    assert room.chat.continued_by(ANN, [Message("user", "one"), Message("assistant", "Re: one")]) is None
    assert room.chat.continued_by(ANN, [Message("user", "one"), Message("assistant", "CORRECTED.")]) == turn
