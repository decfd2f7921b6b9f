"""Rating sessions: questions answered ahead within limits, one at a time, blind, and gone on with after a restart."""

import asyncio
from typing import Any

import pytest
from room import ANN, BOB, Room

from ftchat.errors import BadInput, Conflict, NotFound
from ftchat.seen import TurnSeen
from ftchat.sessions import Sessions


async def settled(room: Room) -> None:
    """Until nothing is being asked ahead, and all that was asked is answered."""
    while room.sessions._fillers:
        await asyncio.wait(list(room.sessions._fillers.values()))
    while room.chat.figures()[0]:
        await asyncio.sleep(0.01)


async def shown(room: Room, session: str) -> TurnSeen:
    """The next turn, once it is answered."""
    while (found := await room.sessions.next(ANN, session)).turn is None or found.turn.writing:
        assert not found.session.done
        await asyncio.sleep(0.01)
    return found.turn


def turns(room: Room) -> list[str]:
    """The questions that were asked, in order."""
    return [c.title for c in reversed(room.chat.conversations(ANN))]


async def test_so_many_are_answered_ahead_and_each_judged_one_lets_the_next_be_asked(room: Room) -> None:
    room.adapter()
    session = await room.sessions.create(ANN, [f"Question {i}" for i in range(6)], title="Six")
    await settled(room)
    assert turns(room) == [f"Question {i}" for i in range(4)]
    first = await room.sessions.next(ANN, session)
    assert (first.session.title, first.session.total, first.session.left, first.ready) == ("Six", 6, 6, 4)
    assert first.turn is not None
    assert first.turn.prompt == "Question 0"
    assert (first.turn.blind, first.turn.votable) == (True, True)
    assert [lane.contestant for lane in first.turn.lanes] == [None, None]
    await room.judging.vote(ANN, first.turn.turn, "left")
    second = await room.sessions.next(ANN, session)
    assert second.turn is not None
    assert (second.turn.prompt, second.session.voted, second.session.left, second.ready) == ("Question 1", 1, 5, 3)
    await settled(room)
    assert turns(room) == [f"Question {i}" for i in range(5)]


async def test_a_question_that_is_voted_on_while_the_list_is_read_is_not_asked_again(room: Room) -> None:
    session = await room.sessions.create(ANN, ["a", "b"])
    await settled(room)
    before = room.store.sessions.items(session, limit=9)
    await room.judging.vote(ANN, str(before[0].turn), "left")
    with pytest.MonkeyPatch.context() as patch:  # the list as it was read a moment ago
        patch.setattr(room.store.sessions, "items", lambda session, *, limit: before)
        assert await room.sessions._unanswered(ANN, session) is None


async def test_one_question_of_a_session_is_written_at_a_time(room: Room) -> None:
    room.vllm.pace_s = 0.02
    most = 0
    session = await room.sessions.create(ANN, ["a", "b", "c"])
    while room.sessions._fillers:
        most = max(most, room.chat.figures()[0])
        await room.sessions.next(ANN, session)
        await asyncio.sleep(0.005)
    assert most == 2  # the two lanes of one turn
    assert turns(room) == ["a", "b", "c"]


async def test_it_is_done_when_every_question_is_judged_or_skipped_and_an_undone_vote_opens_it_again(
    room: Room,
) -> None:
    session = await room.sessions.create(ANN, ["a", "b"])
    vote = await room.judging.vote(ANN, (await shown(room, session)).turn, "tie")
    room.sessions.skip(ANN, session, (await shown(room, session)).turn)
    end = await room.sessions.next(ANN, session)
    assert (end.turn, end.session.done, end.session.voted, end.session.skipped) == (None, True, 1, 1)
    assert [(i.prompt, i.skipped) for i in room.sessions.left_out(ANN, session)] == [("b", "Skipped by the rater.")]
    room.judging.undo(ANN, vote.id)
    assert (await shown(room, session)).prompt == "a"


async def test_after_a_restart_it_goes_on_where_it_was(room: Room) -> None:
    room.vllm.pace_s = 0.05
    session = await room.sessions.create(ANN, ["a", "b", "c"])
    while not turns(room):
        await asyncio.sleep(0.01)
    await room.sessions.close()
    room.vllm.pace_s = 0.0
    again = Sessions(room.store, room.chat, settings=room.settings)
    room.sessions = again
    assert (await again.next(ANN, session)).session.left == 3
    await settled(room)
    assert turns(room) == ["a", "b", "c"]
    assert [s.id for s in again.of(ANN)] == [session]
    assert again.of(BOB) == []


async def test_a_question_that_was_asked_but_not_noted_is_not_asked_twice(room: Room) -> None:
    session = await room.sessions.create(ANN, ["a"])
    await settled(room)
    with room.store.writing() as db:  # as if the app had ended between the two
        db.conn.execute("UPDATE session_items SET turn = NULL, asked = 0")
    await room.sessions.next(ANN, session)
    await settled(room)
    assert (await shown(room, session)).prompt == "a"
    assert turns(room) == ["a"]


async def test_while_the_engine_is_not_ready_it_waits_and_says_why(room: Room) -> None:
    room.reason = "The engine is starting."
    session = await room.sessions.create(ANN, ["a", "b"])
    waiting = await room.sessions.next(ANN, session)
    assert (waiting.turn, waiting.prompt, waiting.waiting) == (None, "a", "The engine is starting.")
    assert turns(room) == []
    room.reason = ""
    assert (await shown(room, session)).prompt == "a"


async def test_what_nobody_could_answer_is_asked_again_and_then_left_to_the_person(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftchat.sessions._AGAIN_S", (0.0, 0.0))
    room.vllm.fails.add("base")
    session = await room.sessions.create(ANN, ["a", "b"])
    await settled(room)
    seen = await shown(room, session)
    assert (seen.votable, [lane.finish for lane in seen.lanes]) == (False, ["error", "error"])
    assert turns(room) == ["a"] * 3 + ["b"] * 3
    room.sessions.skip(ANN, session, seen.turn)
    with pytest.raises(Conflict, match="not waiting"):
        room.sessions.skip(ANN, session, seen.turn)
    assert (await shown(room, session)).prompt == "b"


async def test_a_question_that_is_not_asked_yet_is_left_out_by_its_position(room: Room) -> None:
    room.reason = "The engine is starting."
    session = await room.sessions.create(ANN, ["a", "b"])
    with pytest.raises(NotFound):
        room.sessions.skip(BOB, session, 1)
    waiting = await room.sessions.next(ANN, session)
    room.sessions.skip(ANN, session, waiting.position)
    with pytest.raises(Conflict, match="not waiting"):
        room.sessions.skip(ANN, session, waiting.position)
    room.reason = ""
    assert (await shown(room, session)).prompt == "b"
    assert [item.prompt for item in room.sessions.left_out(ANN, session)] == ["a"]


async def test_a_question_too_long_for_the_model_is_left_out_with_the_reason(room: Room) -> None:
    session = await room.sessions.create(ANN, ["word " * 1900, "b"])
    await settled(room)
    assert (await shown(room, session)).prompt == "b"
    (item,) = room.sessions.left_out(ANN, session)
    assert "the model takes at most 2,048" in (item.skipped or "")


async def test_a_session_is_its_owners_and_can_be_closed(room: Room) -> None:
    session = await room.sessions.create(ANN, "\n first \n\n second\r\nthird\n")
    assert (await shown(room, session)).prompt == "first"
    with pytest.raises(NotFound):
        await room.sessions.next(BOB, session)
    with pytest.raises(NotFound):
        room.sessions.skip(BOB, session, "t_1")
    with pytest.raises(NotFound):
        await room.sessions.end(BOB, session)
    await room.sessions.end(ANN, session)
    assert (await room.sessions.next(ANN, session)).session.done


BAD: list[tuple[Any, str]] = [
    ([], "takes 1 to 500 questions; there are 0"),
    (["x"] * 501, "there are 501"),
    (["fine", " "], "Question 2 is empty."),
    (["fine", None], "Question 2 must be a text."),
    (["x" * 100_001], "Question 1 has 100,001 characters; at most 100,000"),
    (" \n ", "The list is empty."),
    ("x" * 10_000_000, "The list has 10,000,000 characters"),
]


@pytest.mark.parametrize(("prompts", "message"), BAD)
async def test_a_bad_list_is_refused_by_number_and_nothing_of_it_is_kept(
    room: Room, prompts: Any, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        await room.sessions.create(ANN, prompts)
    assert room.sessions.of(ANN) == []
    session = await room.sessions.create(ANN, ["\ud800 a\x00", "\u202e 🧀"])
    assert (await shown(room, session)).prompt == "? a\ufffd"


async def test_when_the_last_question_is_judged_during_a_look_there_is_nothing_next(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await room.sessions.create(ANN, ["a"])
    turn = (await shown(room, session)).turn
    get = room.store.sessions.get

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        found = get(*args, **kwargs)
        if not found.done:
            asked = room.store.turns.get(turn)
            room.store.feedback.add_vote(asked, "ann", "left", reasons=None, comment="")
        return found

    monkeypatch.setattr(room.store.sessions, "get", meanwhile)
    found = await room.sessions.next(ANN, session)
    assert (found.turn, found.session.done, found.session.voted) == (None, True, 1)


async def test_why_a_question_cannot_be_asked_is_said_and_no_longer_once_it_can(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(model: str) -> None:
        raise Conflict(f"{model} cannot be loaded.")

    summon = room.chat._summon
    monkeypatch.setattr(room.chat, "_summon", refuse)
    session = await room.sessions.create(ANN, ["a"])
    await settled(room)
    found = await room.sessions.next(ANN, session)
    assert found.waiting.startswith("One of the two cannot answer any more.")
    await settled(room)
    monkeypatch.setattr(room.chat, "_summon", summon)
    assert (await shown(room, session)).prompt == "a"
    assert room.sessions._trouble == {}
