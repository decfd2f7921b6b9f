"""What a blind turn keeps to itself until its own vote: names, sides, and who of the two cannot answer."""

import pytest
from room import ANN, Room

from ftchat.errors import BadAdapter, Conflict, EngineNotReady


async def asked(room: Room, prompt: str, *, after: str | None = None, blind: bool = True) -> str:
    """A compare turn whose lanes have ended."""
    turn = await room.chat.ask(ANN, prompt, mode="compare", after=after, blind=blind)
    await room.done(turn)
    return turn


def sides(room: Room, turn: str) -> list[str]:
    """Who stands left and right."""
    return [reply.contestant for reply in room.store.turns.get(turn).replies]


async def test_a_question_after_a_vote_is_blind_even_where_chance_draws_the_same_sides(room: Room) -> None:
    room.adapter()
    first = await asked(room, "one")
    await room.judging.vote(ANN, first, "left")
    same = 0
    for number in range(8):
        follow = await asked(room, f"two {number}", after=first)
        assert [lane.contestant for lane in room.chat.seen(ANN, follow).lanes] == [None, None]
        assert (await room.judging.vote(ANN, follow, "right")).blind
        same += sides(room, follow) == sides(room, first)
    assert 0 < same < 8


async def test_with_one_contestant_a_question_after_a_vote_is_blind_and_can_be_voted_on(room: Room) -> None:
    first = await asked(room, "one")
    await room.judging.vote(ANN, first, "left")
    follow = await asked(room, "two", after=first)
    assert room.chat.seen(ANN, follow).lanes[0].contestant is None
    assert (await room.judging.vote(ANN, follow, "left")).blind


async def test_an_open_question_after_a_blind_one_does_not_tell_its_sides(room: Room) -> None:
    room.adapter()
    first = await asked(room, "one")
    drawn = set()
    for number in range(12):
        follow = await asked(room, f"two {number}", after=first, blind=False)
        assert [lane.contestant for lane in room.chat.seen(ANN, follow).lanes] == sides(room, follow)
        drawn.add(tuple(sides(room, follow)))
    assert drawn == {("base", "shop-v1"), ("shop-v1", "base")}
    assert (await room.judging.vote(ANN, first, "left")).blind


async def test_a_blind_question_after_an_open_one_does_not_keep_the_sides_that_are_known(room: Room) -> None:
    room.adapter()
    first = await asked(room, "one", blind=False)
    drawn = {tuple(sides(room, await asked(room, f"two {number}", after=first))) for number in range(12)}
    assert drawn == {("base", "shop-v1"), ("shop-v1", "base")}


async def test_when_a_hidden_contestant_cannot_answer_any_more_it_is_not_named(room: Room) -> None:
    room.adapter()
    first = await asked(room, "one")
    room.store.training.set_state("shop-v1", "broken", reasons=["It has no effect."])
    for again in (room.chat.ask(ANN, "two", mode="compare", after=first), room.chat.regenerate(ANN, first)):
        with pytest.raises(Conflict) as refused:
            await again
        assert refused.value.message == (
            "One of the two cannot answer any more. Vote on the turn before, or begin a new conversation."
        )


async def test_when_a_drawn_contestant_cannot_be_loaded_it_is_not_named(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.adapter()

    async def refuse(model: str) -> None:
        if model == "shop-v1":
            raise BadAdapter("shop-v1 is damaged.")

    monkeypatch.setattr(room.chat, "_summon", refuse)
    with pytest.raises(Conflict, match=r"^One of the two cannot answer any more\."):
        await room.chat.ask(ANN, "one", mode="compare")
    with pytest.raises(BadAdapter, match="shop-v1"):
        await room.chat.ask(ANN, "one", mode="compare", contestants=["shop-v1", "base"], blind=False)

    async def not_ready(model: str) -> None:
        raise EngineNotReady("The engine is restarting.")

    monkeypatch.setattr(room.chat, "_summon", not_ready)
    with pytest.raises(EngineNotReady):
        await room.chat.ask(ANN, "one", mode="compare")
