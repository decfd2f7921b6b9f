"""Who can answer and who meets whom: pairs by what is not known yet, corrections within a budget of tokens."""

import random
from collections import Counter

import pytest
from room import ANN, BASE, BOB, Room

from ftchat.contestants import CHAMPION_SHARE, EXAMPLES, Contestants
from ftchat.errors import BadInput, Conflict
from ftchat.ratings import strengths
from ftchat.records import Conversation, Message, Params, Person, Reply, Turn, Winner, new_id, now

DRAWS = 600


def voted(room: Room, left: str, right: str, winner: Winner) -> None:
    """A blind vote between two."""
    turn, conversation = new_id("t"), new_id("c")
    replies = tuple(
        Reply(id=new_id("r"), turn=turn, lane=lane, contestant=name, model=name, base="b0", text="x", finish="stop")
        for lane, name in (("left", left), ("right", right))
    )
    asked = Turn(
        id=turn,
        conversation=conversation,
        owner="ann",
        mode="compare",
        prompt=turn,
        blind=True,
        parent=None,
        params=Params(),
        created_at=now(),
        replies=replies,
    )
    room.store.turns.add(asked, new=Conversation(conversation, "ann", turn, "", now()))
    room.store.feedback.add_vote(asked, "ann", winner, reasons=None, comment="")


async def corrected(room: Room, prompt: str, text: str, who: Person = ANN) -> str:
    """A correction of the answer to a question."""
    turn = await room.chat.ask(who, prompt, mode="chat")
    await room.done(turn, who)
    return room.judging.correct(who, room.chat.seen(who, turn).lanes[0].reply, text)


def drawn(room: Room, n: int = DRAWS) -> Counter[frozenset[str]]:
    chance = Contestants(room.store, BASE, prompter=room.prompter, chance=random.Random(7))
    return Counter(frozenset(chance.pair()) for _ in range(n))


async def test_a_fresh_home_compares_base_with_itself(room: Room) -> None:
    assert room.contestants.pair() == ["base", "base"]


async def test_champion_and_newest_adapter_meet_in_three_of_ten_turns_at_least(room: Room) -> None:
    for number in (1, 2, 3):
        room.adapter(f"shop-v{number}")
    newest = frozenset({"base", "shop-v3"})
    for i in range(60):
        voted(room, *(("base", "shop-v3") if i % 2 else ("shop-v3", "base")), winner="left")
    share = drawn(room)[newest] / DRAWS
    assert CHAMPION_SHARE <= share < CHAMPION_SHARE + 0.1


async def test_the_less_is_known_of_a_pair_the_likelier_it_is_drawn(room: Room) -> None:
    room.adapter("shop-v1")
    room.adapter("shop-v2")
    for i in range(40):
        voted(room, *(("base", "shop-v1") if i % 2 else ("shop-v1", "base")), winner="left")
    known = strengths(room.store.ballots.counted("b0"), names=("base", "shop-v1", "shop-v2"))
    pairs = [("base", "shop-v1"), ("base", "shop-v2"), ("shop-v1", "shop-v2")]
    variances = {frozenset(pair): known.variance(*pair) for pair in pairs}
    found = drawn(room)
    for pair, variance in variances.items():
        always = CHAMPION_SHARE if pair == {"base", "shop-v2"} else 0.0
        wanted = always + (1 - CHAMPION_SHARE) * variance / sum(variances.values())
        assert found[pair] / DRAWS == pytest.approx(wanted, abs=0.06)
    assert variances[frozenset({"base", "shop-v1"})] < variances[frozenset({"base", "shop-v2"})] / 4


async def test_who_is_out_of_play_is_not_drawn(room: Room) -> None:
    for number in (1, 2, 3):
        room.adapter(f"shop-v{number}")
    room.store.training.set_state("shop-v3", "broken", reasons=["Its files have changed."])
    room.store.training.set_state("shop-v2", "retired")
    assert set(drawn(room, 40)) == {frozenset({"base", "shop-v1"})}


async def test_one_that_cannot_answer_any_more_says_why_unless_its_side_is_hidden(room: Room) -> None:
    room.adapter("shop-v1")
    turn = await room.chat.ask(ANN, "hello", mode="compare", contestants=["base", "shop-v1"])
    await room.done(turn)
    conversation = room.chat.seen(ANN, turn).conversation
    room.store.training.set_state("shop-v1", "broken", reasons=["Its files have changed."])
    broken = r"shop-v1 is broken \(Its files have changed.\), so it cannot answer. Choose another contestant."
    nameless = "^One of the two cannot answer any more"
    for asking, why in (
        (room.chat.ask(ANN, "more", mode="compare", conversation=conversation), nameless),
        (room.chat.ask(ANN, "more", mode="chat", contestants=["shop-v1"]), broken),
        (room.chat.regenerate(ANN, turn), nameless),
    ):
        with pytest.raises(Conflict, match=why):
            await asking
    with pytest.raises(BadInput, match=r"no contestant called 'shop-v9'\. There are: champion, base, few-shot\."):
        await room.chat.ask(ANN, "more", mode="chat", contestants=["shop-v9"])
    assert room.chat.turns(ANN, conversation) == [turn]
    await room.chat.ask(ANN, "more", mode="chat", conversation=conversation)


async def test_few_shot_shows_the_nearest_last_and_each_question_once_with_its_newest_correction(room: Room) -> None:
    far = await corrected(room, "What does the gouda weigh?", "GOUDA: 1 kg")
    await corrected(room, "What does the brie cost?", "BRIE: 4 euros")
    near = await corrected(room, "what does the BRIE cost", "BRIE: 5 euros")
    prepared = room.contestants.prepare("few-shot", [Message("user", "What does the brie cost today?")])
    assert prepared.examples == (near, far)
    assert [m.content for m in prepared.messages] == [
        "What does the gouda weigh?",
        "GOUDA: 1 kg",
        "what does the BRIE cost",
        "BRIE: 5 euros",
        "What does the brie cost today?",
    ]
    assert (prepared.model, prepared.lead) == ("base", 4)


async def test_few_shot_stays_within_its_budget_and_a_long_correction_keeps_out_no_short_one(room: Room) -> None:
    for i in range(EXAMPLES + 4):
        await corrected(room, f"What does cheese {i} cost?", f"CHEESE {i}: {i} euros")
    question = Message("user", "What does cheese 3 cost now?")
    assert len(room.contestants.prepare("few-shot", [question]).examples) == EXAMPLES
    tight = Contestants(room.store, BASE, prompter=room.prompter, few_shot_tokens=100)
    await corrected(room, "What does cheese 3 cost now, please?", "CHEESE 3: " + "very good " * 200)
    prepared = tight.prepare("few-shot", [question])
    used = room.prompter.count(prepared.messages) - room.prompter.count([question])
    assert 50 < used <= 100
    whole = room.prompter.context_length
    assert tight.prepare("few-shot", [question], room=whole - 20).examples == ()


async def test_few_shot_never_shows_what_is_kept_for_the_exam_or_waits_for_review(room: Room) -> None:
    made = [await corrected(room, f"What does cheese {i} cost?", f"CHEESE {i}") for i in range(6)]
    exam = room.store.feedback.all(kind="correction")[5]
    assert (exam.id, exam.split) == (made[5], "exam")
    pending = await corrected(room, "What does butter cost?", "BUTTER", BOB)
    for own in (None, "ann"):
        prepared = room.contestants.prepare("few-shot", [Message("user", "What does cheese cost?")], own=own)
        assert set(prepared.examples) == set(made[:5])
    assert pending in room.contestants.prepare("few-shot", [Message("user", "butter cost?")], own="bob").examples


async def test_examples_stay_when_older_turns_are_left_out(room: Room) -> None:
    shown = await corrected(room, "What does the brie cost?", "BRIE: 5 euros")
    first = await room.chat.ask(ANN, "word " * 700, mode="chat")
    await room.done(first)
    second = await room.chat.ask(ANN, "word " * 700, mode="chat", after=first)
    await room.done(second)
    third = await room.chat.ask(
        ANN, "What does the brie cost now? " + "word " * 500, mode="chat", after=second, contestants=["few-shot"]
    )
    await room.done(third)
    lane = room.chat.seen(ANN, third).lanes[0]
    assert (lane.examples, lane.trimmed) == ((shown,), 1)
    assert "BRIE: 5 euros" in room.prompter.decode(room.vllm.bodies[-1]["prompt"])
