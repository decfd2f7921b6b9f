"""The change of one correction in other answers: which are found, what is saved, and whose it is."""

from dataclasses import replace

import pytest
from room import ANN, BOB, Room

from ftchat import lineage, similar
from ftchat.edits import REWRITTEN
from ftchat.errors import BadInput, Conflict, NotFound
from ftchat.records import Person

EVE = Person("eve", "reviewer")
PLAIN = "The answer is plain."
SIGNED = f"{PLAIN} Warm wishes!"


async def answered(room: Room, prompt: str, who: Person = BOB) -> str:
    """The reply of a chat turn, by base."""
    turn = await room.chat.ask(who, prompt, mode="chat")
    await room.done(turn, who)
    return room.chat.seen(who, turn).lanes[0].reply


async def compared(room: Room, prompt: str, who: Person = BOB) -> str:
    turn = await room.chat.ask(who, prompt, mode="compare")
    await room.done(turn, who)
    return turn


async def signed(room: Room, who: Person = BOB, text: str = SIGNED) -> str:
    """A correction to carry over."""
    return room.judging.correct(who, await answered(room, "the first?", who), text)


async def test_the_change_is_shown_for_what_one_may_correct_and_for_nothing_else(room: Room) -> None:
    room.adapter()
    fits = await answered(room, "one?")
    await answered(room, "of somebody else?", ANN)
    room.judging.correct(BOB, await answered(room, "corrected?"), "Done already.")
    room.judging.undo(BOB, room.judging.correct(BOB, again := await answered(room, "taken back?"), "No."))
    room.vllm.answers["base"] = f"{SIGNED}"
    await answered(room, "has it?")
    room.vllm.answers["base"] = PLAIN
    await compared(room, "hidden?")
    voted = await compared(room, "voted?")
    await room.judging.vote(BOB, voted, "right")
    better = room.store.turns.get(voted).reply("right")
    correction = await signed(room)
    await answered(room, "the first?")  # would become the same correction

    found = similar.preview(room.store, BOB, correction)

    assert (found.words, found.found, found.fits_others) == ("“Warm wishes!” is put after.", 3, True)
    assert [one.reply for one in found.shown] == [better.id, again, fits]
    assert [(one.before, one.after) for one in found.shown[1:]] == [(PLAIN, SIGNED)] * 2
    assert found.shown[2].prompt == "one?"


async def test_each_becomes_a_correction_of_ones_own_reviewed_by_ones_role(room: Room) -> None:
    replies = [await answered(room, f"question {n}?") for n in range(3)]
    correction = await signed(room)
    made = similar.apply(room.store, room.judging, BOB, correction, replies[:2], key="k1")
    assert similar.apply(room.store, room.judging, BOB, correction, replies[:2], key="k1") == made
    assert similar.apply(room.store, room.judging, BOB, correction, replies[:2]) == made  # pressed twice
    assert [room.store.feedback.get(id_).value for id_ in made] == [SIGNED] * 2
    assert {(room.store.feedback.get(id_).rater, room.store.feedback.status(id_)) for id_ in made} == {
        ("bob", "pending")
    }
    assert [one.reply for one in similar.preview(room.store, BOB, correction).shown] == replies[2:]
    similar.undo(room.store, room.judging, BOB, made)
    assert [room.store.feedback.status(id_) for id_ in made] == [None, None]
    assert similar.preview(room.store, BOB, correction).found == 3

    admins = [await answered(room, "mine?", ANN)]
    mine = similar.apply(room.store, room.judging, ANN, await signed(room, ANN), admins)
    assert room.store.feedback.status(mine[0]) == "approved"


async def test_all_are_saved_or_none(room: Room) -> None:
    correction = await signed(room)
    good, taken = await answered(room, "good?"), await answered(room, "taken?")
    room.judging.correct(BOB, taken, "Something else.")
    before = room.store.changes
    with pytest.raises(Conflict, match="corrected meanwhile"):
        similar.apply(room.store, room.judging, BOB, correction, [good, taken])
    room.vllm.answers["base"] = SIGNED
    with pytest.raises(Conflict, match="does not fit"):
        similar.apply(room.store, room.judging, BOB, correction, [good, await answered(room, "has it?")])
    with pytest.raises(NotFound):
        similar.apply(room.store, room.judging, BOB, correction, [good, await answered(room, "anns?", ANN)])
    for replies in ([], [good] * (similar.MOST + 1)):
        with pytest.raises(BadInput, match="name 1 to 20"):
            similar.apply(room.store, room.judging, BOB, correction, replies)
    assert room.store.judged.given_on(good, rater="bob").corrected is None
    assert room.store.changes >= before


async def test_the_newest_twenty_are_shown_and_all_are_counted(room: Room) -> None:
    correction = await signed(room)
    replies = [await answered(room, f"question {n}?") for n in range(similar.MOST + 3)]
    found = similar.preview(room.store, BOB, correction)
    assert (found.found, len(found.shown)) == (similar.MOST + 3, similar.MOST)
    assert found.shown[0].reply == replies[-1]


async def test_a_change_that_fits_nothing_else_says_so_and_is_not_made(room: Room) -> None:
    correction, other = await signed(room, text="Nothing alike was said."), await answered(room, "other?")
    assert similar.preview(room.store, BOB, correction) == similar.Preview(
        correction=correction, words=REWRITTEN, found=0, fits_others=False
    )
    with pytest.raises(Conflict, match="written anew"):
        similar.apply(room.store, room.judging, BOB, correction, [other])


async def test_only_ones_own_correction_is_carried_over_and_only_while_it_stands(room: Room) -> None:
    correction, vote = await signed(room), await room.judging.vote(BOB, await compared(room, "voted?"), "left")
    for who, id_ in ((ANN, correction), (EVE, correction), (BOB, vote.id), (BOB, "k_0")):
        with pytest.raises(NotFound):
            similar.preview(room.store, who, id_)
    room.judging.undo(BOB, correction)
    with pytest.raises(NotFound, match="taken back"):
        similar.preview(room.store, BOB, correction)


async def test_another_base_and_answers_that_were_cut_are_left_alone(room: Room) -> None:
    turn = room.store.turns.get(room.store.turns.turn_of(await answered(room, "old?"))[0].id)
    room.store.turns.add_base("b1", "another")
    for n, changed in enumerate(({"base": "b1"}, {"finish": "cut"}, {"finish": "length"})):
        id_ = f"{turn.id}{n}"
        reply = replace(turn.replies[0], id=f"{turn.replies[0].id}{n}", turn=id_, **changed)  # type: ignore[arg-type]
        room.store.turns.add(replace(turn, id=id_, parent=turn.id, prompt=f"{n}?", replies=(reply,)))
    found = similar.preview(room.store, BOB, await signed(room))
    assert [one.prompt for one in found.shown] == ["old?"]


async def test_a_reviewer_is_shown_what_others_found_bad_and_nothing_that_was_withdrawn(room: Room) -> None:
    bad = await compared(room, "bad?")
    await room.judging.vote(BOB, bad, "both_bad")
    correction = await signed(room, EVE)
    assert [one.turn for one in similar.preview(room.store, EVE, correction).shown] == [bad]
    made = similar.apply(room.store, room.judging, EVE, correction, [room.store.turns.get(bad).replies[0].id])
    given = room.store.feedback.get(made[0])
    assert (given.rater, given.status, room.judging.to_correct(BOB)) == ("eve", "approved", [])

    mine = room.judging.correct(BOB, await answered(room, "withdrawn?"), SIGNED)
    lineage.withdraw(room.store, ANN, "bob")
    assert room.store.feedback.status(mine) is None
    again = await signed(room, BOB)
    assert similar.preview(room.store, BOB, again).found == 0
