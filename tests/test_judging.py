"""Votes, thumbs and corrections over the real chat and store: what is taken, refused, and taken back."""

import asyncio
from typing import Any

import pytest
from room import ANN, BOB, Room

from ftchat.errors import BadInput, Conflict, FtchatError, NotFound
from ftchat.records import Person, Reply
from ftchat.seen import LaneSeen

EVE = Person("eve", "reviewer")


async def compared(room: Room, prompt: str = "hello", who: Person = ANN) -> str:
    """A blind turn whose lanes have ended."""
    turn = await room.chat.ask(who, prompt, mode="compare")
    await room.done(turn, who)
    return turn


async def answered(room: Room, prompt: str = "hello", who: Person = ANN) -> str:
    """The reply of a chat turn."""
    turn = await room.chat.ask(who, prompt, mode="chat")
    await room.done(turn, who)
    return room.chat.seen(who, turn).lanes[0].reply


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
    assert await room.judging.vote(ANN, turn, "left", key="click") == votes[0]
    for winner in ("left", "right"):
        with pytest.raises(Conflict, match="already has a vote"):
            await room.judging.vote(ANN, turn, winner)
    assert room.store.feedback.counts() == {"vote/approved": 1}


async def test_a_hundred_clicks_at_once_are_one_row(room: Room) -> None:
    turn = await compared(room)
    clicks = (room.judging.vote(ANN, turn, "left") for _ in range(100))
    found = await asyncio.gather(*clicks, return_exceptions=True)
    assert len({one.id for one in found if not isinstance(one, BaseException)}) == 1
    assert {type(one) for one in found if isinstance(one, BaseException)} <= {Conflict}
    assert room.store.feedback.counts() == {"vote/approved": 1}


async def test_a_reviewer_corrects_what_somebody_found_bad_on_both_sides(room: Room) -> None:
    bad, other = await compared(room, who=BOB), await compared(room, "other?", BOB)
    reply = room.store.turns.get(bad).reply("right").id
    for who in (EVE, Person("dan", "rater")):
        with pytest.raises(NotFound):
            room.judging.correct(who, reply, "Too early.")
    await room.judging.vote(BOB, bad, "both_bad")
    await room.judging.vote(BOB, other, "left")
    assert (room.judging.to_correct(EVE), room.judging.to_correct(Person("dan", "rater"))) == ([bad], [])

    given = room.store.feedback.get(room.judging.correct(EVE, reply, "As it should be."))

    assert (given.rater, given.status, given.value) == ("eve", "approved", "As it should be.")
    assert room.judging.to_correct(EVE) == []
    assert room.store.judged.given_on(reply, rater="bob").corrected is None
    room.judging.correct(EVE, reply, "Better still.")  # and may think better of it
    for who, refused in ((EVE, "rate"), (Person("dan", "rater"), "rate"), (Person("dan", "rater"), "correct")):
        with pytest.raises(NotFound):
            getattr(room.judging, refused)(who, reply, "up")
    with pytest.raises(NotFound):
        room.judging.correct(EVE, room.store.turns.get(other).reply("left").id, "Not in the queue.")


async def test_a_correction_that_changes_nothing_is_refused(room: Room) -> None:
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    await room.done(turn)
    with pytest.raises(BadInput, match="same as the reply"):
        room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, " The answer is plain. ")


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


async def test_a_vote_is_on_ones_own_compare_turn_only(room: Room) -> None:
    theirs = await compared(room, who=BOB)
    chat = room.chat.seen(ANN, (await room.chat.ask(ANN, "hello", mode="chat"))).turn
    for who in (ANN, EVE):  # they may read it, and still have no voice in it
        with pytest.raises(NotFound, match="no such turn"):
            await room.judging.vote(who, theirs, "left")
    with pytest.raises(Conflict, match="Only a compare turn"):
        await room.judging.vote(ANN, chat, "left")
    assert room.store.feedback.counts() == {}


async def test_a_vote_where_nobody_could_answer_is_refused(room: Room) -> None:
    room.vllm.fails.add("base")
    turn = await compared(room)
    with pytest.raises(Conflict, match="need some text"):
        await room.judging.vote(ANN, turn, "both_bad")


async def test_reasons_and_a_comment_may_follow_the_vote_and_the_newest_stand(room: Room) -> None:
    turn = await compared(room)
    vote = await room.judging.vote(ANN, turn, "left", reasons={"right": ["too long"]}, comment=" quick ")
    assert (vote.reasons, vote.comment) == ({"right": ("too long",)}, "quick")
    room.judging.explain(ANN, vote.id, reasons={"left": ["clear", "clear"]})
    said = room.judging.explain(ANN, vote.id, reasons={"left": ["clear"], "right": []}, comment="why")
    assert said == room.chat.seen(ANN, turn).vote
    assert (said.id, said.reasons, said.comment) == (vote.id, {"left": ("clear",), "right": ()}, "why")
    with pytest.raises(NotFound):
        room.judging.explain(BOB, vote.id)
    room.judging.undo(ANN, vote.id)
    with pytest.raises(Conflict, match="undone"):
        room.judging.explain(ANN, vote.id)


async def test_after_an_undo_the_next_vote_is_not_blind(room: Room) -> None:
    turn = await compared(room)
    vote = await room.judging.vote(ANN, turn, "left")
    with pytest.raises(NotFound):
        room.judging.undo(BOB, vote.id)
    for _ in range(2):
        room.judging.undo(ANN, vote.id)
    assert room.chat.seen(ANN, turn).vote is None
    again = await room.judging.vote(ANN, turn, "right")
    assert (again.winner, again.blind) == ("right", False)
    assert room.store.ballots.counted("b0").counts == {}


async def test_thumbs_and_corrections_can_be_taken_back_by_the_ids_that_are_seen(room: Room) -> None:
    reply = await answered(room)
    turn = room.store.turns.turn_of(reply)[0].id

    def lane() -> LaneSeen:
        return room.chat.seen(ANN, turn).lanes[0]

    rating = room.judging.rate(ANN, reply, "down", reasons=["wrong fact"], comment="Brie is 5.")
    correction = room.judging.correct(ANN, reply, "Brie is 5 euros.")
    assert (lane().rating_id, lane().rating, lane().reasons, lane().comment) == (
        rating,
        "down",
        ("wrong fact",),
        "Brie is 5.",
    )
    assert (lane().correction, lane().corrected) == (correction, "Brie is 5 euros.")
    second = room.judging.rate(ANN, reply, "up")
    assert (lane().rating_id, lane().rating, lane().reasons) == (second, "up", ())
    for given in (second, correction):
        room.judging.undo(ANN, given)
    assert (lane().rating, lane().rating_id, lane().corrected, lane().correction) == (None, None, None, None)
    assert room.store.feedback.counts() == {}
    assert room.judging.rate(ANN, reply, "up") != second


async def test_what_both_got_wrong_waits_to_be_corrected(room: Room) -> None:
    turns = {who: [await compared(room, f"{who.name} {i}", who) for i in range(2)] for who in (ANN, BOB)}
    votes = {turn: await room.judging.vote(who, turn, "both_bad") for who, all_ in turns.items() for turn in all_}
    await room.judging.vote(ANN, await compared(room, "fine"), "tie")
    assert room.judging.to_correct(BOB) == turns[BOB][::-1]
    assert room.judging.to_correct(EVE) == [*turns[BOB][::-1], *turns[ANN][::-1]]
    assert room.judging.to_correct(EVE, before=turns[BOB][0]) == turns[ANN][::-1]
    correction = room.judging.correct(ANN, room.chat.seen(ANN, turns[ANN][0]).lanes[1].reply, "better")
    room.judging.undo(BOB, votes[turns[BOB][1]].id)
    assert room.judging.to_correct(ANN) == [turns[BOB][0], turns[ANN][1]]
    room.judging.undo(ANN, correction)
    assert room.judging.to_correct(ANN, limit=1) == [turns[BOB][0]]


async def test_there_is_nothing_to_rate_where_there_is_no_text_but_something_to_correct(room: Room) -> None:
    room.vllm.fails.add("base")
    reply = await answered(room)
    with pytest.raises(Conflict, match="no text to rate"):
        room.judging.rate(ANN, reply, "down")
    room.judging.correct(ANN, reply, "What it should have said.")
    assert room.store.feedback.counts() == {"correction/approved": 1}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"winner": "me"}, "winner is 'me'"),
    ({"reasons": {"left": ["too gouda"]}}, "no reason called 'too gouda' here. There are: right voice, useful detail"),
    ({"reasons": {"left": "clear"}}, "must be a list"),
    ({"reasons": {"left": [["clear"]]}}, "no reason called"),
    ({"reasons": {"middle": ["clear"]}}, "left and right"),
    ({"reasons": ["clear"]}, "left and right"),
    ({"comment": "x" * 2_001}, "at most 2,000"),
    ({"comment": 5}, "must be a text"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
async def test_a_vote_that_cannot_be_taken_stores_nothing_and_the_next_one_works(
    room: Room, given: dict[str, Any], message: str
) -> None:
    turn = await compared(room)
    with pytest.raises(BadInput, match=message):
        await room.judging.vote(ANN, turn, **{"winner": "left", **given})
    assert room.store.feedback.counts() == {}
    assert (await room.judging.vote(ANN, turn, "left")).blind


@pytest.mark.parametrize("comment", ["\ud800", "a\x00b", "\u202eabc", "🧀" * 500, " "])
async def test_a_strange_comment_is_kept_as_text(room: Room, comment: str) -> None:
    vote = await room.judging.vote(ANN, await compared(room), "left", comment=comment)
    wanted = {"\ud800": "?", "a\x00b": "a\ufffdb", " ": ""}.get(comment, comment)
    assert vote.comment == wanted


@pytest.mark.parametrize("text", ["", " \n", "x" * 100_001, "x" * 10_000_000, None, 7])
async def test_a_bad_correction_or_thumb_stores_nothing_and_the_next_one_works(room: Room, text: Any) -> None:
    reply = await answered(room)
    refused = (
        lambda: room.judging.correct(ANN, reply, text),
        lambda: room.judging.correct(ANN, reply, "fine", instruction="x" * 1_001),
        lambda: room.judging.rate(ANN, reply, "sideways"),
        lambda: room.judging.rate(ANN, reply, "up", reasons=["too long"]),
        lambda: room.judging.rate(BOB, reply, "up"),
        lambda: room.judging.rate(ANN, "r_\ud800", "up"),
        lambda: room.judging.undo(ANN, "x_1"),
        lambda: room.judging.undo(ANN, "k_\x00\ud800"),
    )
    for refuse in refused:
        with pytest.raises(FtchatError):
            refuse()
    assert room.store.feedback.counts() == {}
    room.judging.correct(ANN, reply, "Größe \ud800 \x00 \u202e 🧀")
    assert room.chat.seen(ANN, room.store.turns.turn_of(reply)[0].id).lanes[0].corrected == "Größe ? \ufffd \u202e 🧀"


async def test_the_same_correction_or_thumb_again_is_the_one_that_stands(room: Room) -> None:
    reply = await answered(room, who=BOB)
    correction = room.judging.correct(BOB, reply, "Better.")
    thumb = room.judging.rate(BOB, reply, "down", reasons=["wrong fact"], comment="Why.")
    for given in (correction, thumb):
        room.store.feedback.review(given, "approved", "ann")
    assert room.judging.correct(BOB, reply, " Better.\n", key="c") == correction
    assert room.judging.rate(BOB, reply, "down", reasons=["wrong fact"], comment="Why.", key="r") == thumb
    assert room.store.feedback.counts() == {"correction/approved": 1, "rating/approved": 1}
    assert room.judging.correct(BOB, reply, "Better still.") != correction
    assert room.judging.rate(BOB, reply, "down", comment="Why.") != thumb
    assert room.store.feedback.counts() == {"correction/pending": 1, "rating/pending": 1}
    assert room.judging.correct(BOB, reply, "Other.", key="c") == correction  # both keys were remembered
    assert room.judging.rate(BOB, reply, "up", key="r") == thumb


async def test_the_same_text_by_an_instruction_keeps_its_instruction(room: Room) -> None:
    reply = await answered(room)
    by_hand = room.judging.correct(ANN, reply, "Better.")
    assert room.judging.correct(ANN, reply, "Better.") == by_hand
    by_instruction = room.judging.correct(ANN, reply, "Better.", instruction="better")
    assert by_instruction != by_hand
    assert room.judging.correct(ANN, reply, "Better.", instruction="better") == by_instruction


async def test_clicks_at_once_under_several_keys_are_one_vote_and_each_key_keeps_working(room: Room) -> None:
    turn = await compared(room)
    first, second = await asyncio.gather(
        room.judging.vote(ANN, turn, "left", key="one"),
        room.judging.vote(ANN, turn, "left", key="two", reasons={"left": ["clear"]}),
    )
    assert first.id == second.id
    for key in ("one", "two"):
        again = await room.judging.vote(ANN, turn, "left", key=key)
        assert (again.id, again.reasons) == (first.id, {"left": ("clear",)})
    assert room.store.feedback.counts() == {"vote/approved": 1}


async def test_an_answer_whose_end_was_lost_is_not_judged(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = room.store.turns.finish

    def lose(reply: Reply) -> None:
        if reply.lane == "right":
            finish(reply)

    monkeypatch.setattr(room.store.turns, "finish", lose)
    turn = await compared(room)
    with pytest.raises(Conflict, match="lost before it could be saved"):
        await room.judging.vote(ANN, turn, "right")
    chat = await answered(room)
    for judge in (lambda: room.judging.correct(ANN, chat, "x"), lambda: room.judging.rate(ANN, chat, "up")):
        with pytest.raises(Conflict, match="lost before it could be saved"):
            judge()
    assert room.store.feedback.counts() == {}


async def test_an_answer_that_is_being_written_says_so_when_it_is_judged(room: Room) -> None:
    room.vllm.pace_s = 0.2
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    with pytest.raises(Conflict, match="still being written"):
        room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, "x")
