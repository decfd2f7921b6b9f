"""Watching a turn for a page: each change once, the end seen, and of two watchers only the newest."""

import asyncio
from pathlib import Path

import pytest
from room import ANN, Room

from ftchat.seen import LaneSeen, TurnSeen
from ftchat.ui import watching
from ftchat.ui.watching import Watchers, see, until_ready, watched


def seen(text: str, *, done: bool, votable: bool = False) -> TurnSeen:
    lane = LaneSeen(
        lane="only",
        reply="r_1",
        text=text,
        finish="stop" if done else None,
        error="",
        contestant=None,
        tokens=None,
        prompt_tokens=None,
        ttft_ms=None,
        corrected=None,
        rating=None,
    )
    return TurnSeen(
        turn="t_1",
        conversation="c_1",
        mode="chat",
        prompt="?",
        blind=False,
        lanes=(lane,),
        vote=None,
        votable=votable,
    )


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.001)
    monkeypatch.setattr(watching, "SETTLE_S", 0.001)


async def test_each_change_is_seen_once_and_the_end_too() -> None:
    looks = iter([seen("a", done=False), seen("a", done=False), seen("ab", done=False)] + [seen("ab", done=True)] * 2)
    texts = [(now.lanes[0].text, now.writing) async for now in watched(lambda: next(looks), wanted=lambda: True)]
    assert texts == [("a", True), ("ab", True), ("ab", False)]


async def test_what_is_written_just_after_the_end_is_still_seen() -> None:
    """An early vote ends the lanes and is committed a moment later."""
    looks = iter([seen("a", done=True, votable=True), seen("a", done=True, votable=False)])
    found = [now.votable async for now in watched(lambda: next(looks), wanted=lambda: True)]
    assert found == [True, False]


async def test_the_first_words_are_looked_for_at_once_and_the_rest_at_the_pace_of_all_who_watch() -> None:
    looks = iter([seen("", done=False), seen("", done=False), seen("a", done=False), seen("ab", done=False)])
    last, paced = seen("abc", done=True), list[str]()

    def every_s() -> float:
        paced.append("a look")
        return 0.001

    found = [
        now.lanes[0].text async for now in watched(lambda: next(looks, last), wanted=lambda: True, every_s=every_s)
    ]
    assert found == ["", "a", "ab", "abc"]
    assert len(paced) == 2  # before "ab" and before "abc"; the last look, when all has ended, has a time of its own


def test_the_more_people_watch_the_less_often_each_sees_more() -> None:
    watchers = Watchers()
    assert watchers.every_s == watching.EVERY_S
    tokens = {f"page {n}": watchers.renew(f"page {n}") for n in range(100)}
    assert all(watchers.take(page, token) for page, token in tokens.items())
    assert watchers.every_s == 100 / watching.MOST_PER_S
    for page, token in tokens.items():
        watchers.done(page, token)
    assert watchers.every_s == watching.EVERY_S


async def test_questions_are_taken_a_few_at_a_time_and_those_who_read_wait_a_little_for_them() -> None:
    watchers, inside, most, paces = Watchers(), 0, 0, list[float]()

    async def ask() -> None:
        nonlocal inside, most
        async with watchers.asking():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            paces.append(watchers.every_s)
            inside -= 1

    await asyncio.gather(*(ask() for _ in range(20)))
    assert most == watching._ASKING
    assert paces[0] == watching._PATIENT * watching.EVERY_S
    assert paces[-1] == watchers.every_s == watching.EVERY_S


async def test_nobody_waits_long_behind_questions_that_do_not_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_TURN_S", 0.05)
    watchers, stuck = Watchers(), asyncio.Event()

    async def hang() -> None:
        async with watchers.asking():
            await stuck.wait()

    hanging = [asyncio.create_task(hang()) for _ in range(watching._ASKING)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5), watchers.asking():
        assert watchers.every_s == watching.EVERY_S
    stuck.set()
    await asyncio.gather(*hanging)
    stuck.clear()
    given_up = asyncio.create_task(hang())
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    for _ in range(watching._ASKING):  # all places are free again
        await watchers._asking.acquire()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await watchers._asking.acquire()


async def test_a_watcher_ends_when_it_is_not_wanted_any_more() -> None:
    wanted = iter([True, False])
    looks = iter([seen(str(i), done=False) for i in range(9)])
    found = [now.lanes[0].text async for now in watched(lambda: next(looks), wanted=lambda: next(wanted))]
    assert found == ["0", "1"]


def test_only_the_newest_watcher_of_a_page_counts_and_begins_once() -> None:
    watchers = Watchers()
    old, other = watchers.renew("page"), watchers.renew("another page")
    new = watchers.renew("page")
    assert not watchers.counts("page", old)
    assert not watchers.take("another page", new)
    assert watchers.take("page", new)
    assert not watchers.take("page", new)  # the browser heard of one change twice
    assert watchers.counts("another page", other)
    watchers.done("page", new)
    assert not watchers.counts("page", new)


def test_the_page_says_which_of_two_that_were_on_their_way_at_once_is_the_newest() -> None:
    watchers = Watchers()
    asked = watchers.renew("page")
    emptied = watchers.renew("page")  # begun before the question, and answered before it
    assert watchers.take("page", emptied)
    assert watchers.take("page", asked)
    assert watchers.counts("page", asked)
    assert not watchers.counts("page", emptied)


async def test_a_question_waits_for_the_engine_as_long_as_somebody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reasons = iter(["starting", "warming up", ""])
    assert await until_ready(lambda: next(reasons), wanted=lambda: True, hopeless=lambda: False)
    assert not await until_ready(lambda: "starting", wanted=lambda: False, hopeless=lambda: False)


async def test_a_question_does_not_wait_for_an_engine_that_is_down() -> None:
    assert await until_ready(lambda: "it failed", wanted=lambda: True, hopeless=lambda: True)


async def test_a_comparison_is_seen_with_what_was_asked_again_after_it_but_not_after_the_next(tmp_path: Path) -> None:
    room = Room(tmp_path)
    first = await _compared(room, await room.chat.ask(ANN, "What does the gouda cost?", mode="compare"))
    assert see(room.chat, ANN, first).again is None
    again = await room.chat.ask_again(ANN, first)
    await room.done(again)
    scene = see(room.chat, ANN, first)
    assert (scene.turn.turn, scene.again and scene.again.turn) == (first, again)
    second = await _compared(room, await room.chat.regenerate(ANN, first))
    later = await room.chat.ask_again(ANN, second)
    await room.done(later)
    assert [getattr(see(room.chat, ANN, turn).again, "turn", None) for turn in (first, second)] == [again, later]
    await room.close()


async def _compared(room: Room, turn: str) -> str:
    """A turn that was answered, voted on and corrected."""
    await room.done(turn)
    await room.judging.vote(ANN, turn, "left")
    room.judging.correct(ANN, room.store.turns.get(turn).replies[0].id, f"It costs EUR 12, said {turn}.")
    return turn
