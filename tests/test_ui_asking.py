"""Compare and Chat as a browser calls them, without one: what begins a turn puts the one before away, what cannot be
asked can be skipped, a rewriting that comes late changes nothing, and a page that the app forgot stores nothing."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest
from room import ANN, Room

from ftchat import texts
from ftchat.errors import Conflict
from ftchat.ui.chat import ChatPage
from ftchat.ui.compare import ComparePage
from ftchat.ui.elements import NOWHERE, Updates
from ftchat.ui.watching import see

ME = replace(ANN, name="admin")  # who is at this machine
HERE = cast(gr.Request, SimpleNamespace(session_hash="page"))
FORGOTTEN = "ftchat was restarted since this page was opened"
HOW = ("", "champion", 0.7, 0.95, 64)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    made.adapter()
    yield made
    await made.close()


def laid_out(page: Any, room: Room) -> Any:
    with gr.Blocks() as blocks:
        made = page(room.parts)
        made.wire(blocks)
    return made


@pytest.fixture
def compare(room: Room) -> ComparePage:
    return cast(ComparePage, laid_out(ComparePage, room))


@pytest.fixture
def chat(room: Room) -> ChatPage:
    return cast(ChatPage, laid_out(ChatPage, room))


def click(act: str, value: str = "") -> gr.EventData:
    return cast(gr.EventData, SimpleNamespace(act=act, value=value))


async def first(views: AsyncIterator[Any]) -> Any:
    """The first view of a stream that goes on for as long as somebody waits."""
    async with aclosing(cast(AsyncGenerator[Any, None], views)) as stream:
        return await anext(stream)


async def last(views: AsyncIterator[Any]) -> Any:
    """The last view of a stream, but for the skip that ends it."""
    seen = [view async for view in views]
    return seen[-2]


async def asked(compare: ComparePage, room: Room, prompt: str, shown: str = NOWHERE) -> Updates:
    updates = await compare.ask(HERE, "", prompt, shown, "", "", True)
    await room.done(updates[compare.turn], ME)
    return cast(Updates, updates)


def skipping(compare: ComparePage, shown: Updates) -> gr.EventData:
    """A press of Skip as it is shown."""
    return click("skip", re.findall(r'data-value="(\w+)"', shown[compare.session.skip])[0])


def stored(room: Room) -> list[Any]:
    """How much there is of what people write."""
    tables = ("conversations", "turns", "votes", "ratings", "corrections", "voids")
    return [room.store.rows(f"SELECT COUNT(*) AS n FROM {table}")[0]["n"] for table in tables]


# -- the turn before is put away --


async def test_a_suggestion_puts_the_comparison_before_away_with_its_panel(room: Room, compare: ComparePage) -> None:
    turn = (await asked(compare, room, "What does the gouda cost?"))[compare.turn]
    voted = await compare.vote(turn, click("left", turn), HERE)
    assert "vote-saved" in voted[compare.after.judged]
    offered = await compare.offer(click("offer", "What does the brie cost?"), HERE)
    assert offered[compare.prompt]["value"] == "What does the brie cost?"
    assert (offered[compare.turn], offered[compare.kept]) == (NOWHERE, NOWHERE)
    assert offered[compare.votes].count("disabled") == 4
    assert "What does the gouda cost?" not in str([offered[pane] for pane in compare.panes.values()])
    assert (offered[compare.after.judged], offered[compare.after.comment]) == ("", "")
    assert set(offered) <= set(compare.begun)


async def test_each_follow_up_puts_the_panel_before_away_also_after_the_same_turn_again(
    room: Room, compare: ComparePage
) -> None:
    first = await asked(compare, room, "What does the gouda cost?")
    ups = [await asked(compare, room, prompt, first[compare.turn]) for prompt in ("And the brie?", "And the tea?")]
    gone = [updates[compare.after.gone] for updates in (first, *ups)]
    assert len(set(gone)) == 3  # gradio tells of a state only when it has changed
    assert compare.after.left()[compare.after.judged] == ""


async def test_the_next_question_of_a_session_comes_without_the_panel_and_the_comment_of_the_one_before(
    room: Room, compare: ComparePage
) -> None:
    shown = await last(compare.start("One?\nTwo?", HERE))
    await room.done(shown[compare.turn], ME)
    await compare.vote(shown[compare.turn], click("left", shown[compare.turn]), HERE)
    following = await last(compare.onward(shown[compare.session.id], HERE))
    assert following[compare.turn] not in (NOWHERE, shown[compare.turn])
    assert (following[compare.after.judged], following[compare.after.comment]) == ("", "")


# -- what cannot be asked --


async def test_a_question_of_a_session_that_nobody_can_ask_is_skipped(
    room: Room, compare: ComparePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(model: str) -> None:
        raise Conflict(f"{model} cannot be loaded.")

    monkeypatch.setattr(room.chat, "_summon", refuse)
    session = await room.sessions.create(ME, ["One?", "Two?"])
    waiting = await first(compare.go_on(HERE, click("go-on", session)))
    assert (waiting[compare.turn], "One?" in waiting[compare.panes["left"]]) == (NOWHERE, True)
    for _ in range(2):  # a double click on what is shown
        following = await first(compare.skip(session, waiting[compare.turn], HERE, skipping(compare, waiting)))
        assert (following[compare.turn], "Two?" in following[compare.panes["left"]]) == (NOWHERE, True)
    assert [item.prompt for item in room.sessions.left_out(ME, session)] == ["One?"]


async def test_a_question_that_nobody_could_answer_says_so_and_is_skipped(
    room: Room, compare: ComparePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftchat.sessions._AGAIN_S", ())
    room.vllm.fails |= {"base", "shop-v1"}
    session = await room.sessions.create(ME, ["One?", "Two?"])
    while (turn := (await room.sessions.next(ME, session)).turn) is None or turn.writing:
        await room.sessions._fillers[session]
    waiting = await first(compare.go_on(HERE, click("go-on", session)))
    assert waiting[compare.turn] == NOWHERE
    assert texts.SESSION_UNANSWERED in waiting[compare.notice]
    await first(compare.skip(session, waiting[compare.turn], HERE, skipping(compare, waiting)))
    assert [item.prompt for item in room.sessions.left_out(ME, session)] == ["One?"]


# -- a rewriting that comes late --


async def redrafted(chat: ChatPage, opened: Updates) -> dict[str, Any]:
    editor = chat.said.editor
    reply, opening, text = opened[editor.reply], opened[editor.opening], opened[editor.text]["value"]
    drafted = await last(editor.redraft(reply, opening, "in euros", text, HERE))
    return cast(dict[str, Any], drafted[editor.draft])


async def answered(chat: ChatPage, room: Room, prompt: str, leaf: str = NOWHERE) -> str:
    turn: str = (await chat.ask(HERE, "", prompt, leaf, *HOW))[chat.turn]
    await room.done(turn, ME)
    return turn


async def test_a_rewriting_goes_into_the_field_that_it_was_asked_for_as_long_as_nobody_wrote_there(
    room: Room, chat: ChatPage
) -> None:
    editor = chat.said.editor
    turn = await answered(chat, room, "What does it cost?")
    other = await answered(chat, room, "And the brie?", turn)
    one, two = (room.store.turns.get(each).replies[0].id for each in (turn, other))
    room.vllm.answers["base"] = "It is EUR 12, now."
    first = chat.said.correcting(ME, one)
    draft, text = await redrafted(chat, first), first[editor.text]["value"]
    written = editor.drafted(first[editor.opening], text, draft)
    assert (written[editor.text], written[editor.by]) == ("It is EUR 12, now.", "in euros")
    assert written[editor.draft] == {}

    typed = editor.drafted(first[editor.opening], f"{text} Thank you!", draft)
    again, second = chat.said.correcting(ME, one), chat.said.correcting(ME, two)
    late = [editor.drafted(opened[editor.opening], text, draft) for opened in (again, second)]
    assert [editor.text in updates for updates in (typed, *late)] == [False] * 3
    assert texts.REWRITTEN_LATE in typed[editor.said]
    assert [texts.REWRITTEN_ELSEWHERE in updates[editor.said] for updates in late] == [True, True]


async def test_what_is_said_about_one_answer_of_a_long_chat_sends_that_part_of_it_alone(
    room: Room, chat: ChatPage
) -> None:
    leaf = NOWHERE
    for n in range(30):
        leaf = await answered(chat, room, f"Question {n}?", leaf)
    path = room.store.tree.path(room.store.turns.get(leaf).conversation)
    first, newest = (room.store.turns.get(turn).replies[0].id for turn in (path[0], leaf))
    said = chat.said

    async def after(act: str, value: str) -> Updates:
        return cast(Updates, await chat.act(leaf, *HOW[1:], HERE, click(act, value)))

    up = await after("up", newest)
    assert set(up) == {said.live, chat.notice}
    assert len(up[said.live]) < 5_000 < len(said.view(ME, leaf)[said.past])
    assert up[said.live] == said.view(ME, leaf)[said.live] != (await after("up", newest))[said.live]
    down = await after("down", first)
    assert (set(down), down[said.past]) == ({said.past, chat.notice}, said.view(ME, leaf)[said.past])
    kept = room.judging.correct(ME, first, "It is EUR 12.")
    assert "EUR 12" not in (await after("uncorrect", kept))[said.past]
    later = await answered(chat, room, "Of another tab?", leaf)
    assert set(await after("up", newest)) == {said.past, said.live, chat.notice}
    assert later in said.view(ME, leaf)[said.live]


# -- a page that the app forgot --


async def test_an_opened_page_says_what_stands_on_it_also_when_nothing_does(
    compare: ComparePage, chat: ChatPage
) -> None:
    assert (await chat.resume(NOWHERE, HERE))[chat.turn] == NOWHERE
    for kept in (NOWHERE, "t_of_another_home"):
        assert (await last(compare.resume(kept, NOWHERE, HERE)))[compare.turn] == NOWHERE


async def test_what_is_clicked_on_a_forgotten_chat_is_refused_and_nothing_is_stored(room: Room, chat: ChatPage) -> None:
    turn = await answered(chat, room, "What does it cost?")
    reply, before = room.store.turns.get(turn).replies[0].id, stored(room)
    room.reason = "The engine is starting."  # nor is anything kept for later
    said = [await chat.ask(HERE, "", "And the brie?", "", *HOW)]
    room.reason = ""
    said += [await chat.ask(HERE, "", "And the brie?", "", *HOW)]
    for act, value in (("up", reply), ("regenerate", turn), ("correct", reply), ("reason", f"{reply}|wrong fact")):
        said.append(await chat.act("", *HOW[1:], HERE, click(act, value)))
    said.append(await chat.reword("", "And the brie?", *HOW[1:], HERE))
    assert [set(updates) for updates in said] == [{chat.notice}] * len(said)
    assert all(FORGOTTEN in updates[chat.notice] for updates in said)
    assert FORGOTTEN in chat.correct("", reply, "It costs EUR 12.", "", HERE)[chat.said.editor.said]
    assert FORGOTTEN in await chat.end("", HERE)
    assert "value" not in chat.again("", HERE)  # the conversation stays in sight
    assert stored(room) == before


async def test_what_is_clicked_on_a_forgotten_comparison_is_refused_and_nothing_is_stored(
    room: Room, compare: ComparePage
) -> None:
    updates = await asked(compare, room, "What does it cost?")
    turn = updates[compare.turn]
    await compare.vote(turn, click("left", turn), HERE)
    room.reason = "The engine is starting."  # nor is anything kept for later
    session = await room.sessions.create(ME, ["One?"])
    reply, before, after = room.store.turns.get(turn).replies[0].id, stored(room), compare.after
    clicks: list[Callable[[], Any]] = [
        lambda: compare.ask(HERE, "", "And the brie?", "", "", "", True),
        lambda: compare.vote("", click("left", turn), HERE),
        lambda: compare.ask_again("", HERE),
        lambda: after.say("", HERE, click("up", reply)),
        lambda: after.take_back("", HERE),
        lambda: compare.versions.act("", "", "", HERE, click("regenerate", turn)),
    ]
    said = [await each() for each in clicks]
    said.append(after._opening("left")("", HERE))
    said.append(await last(compare.skip(session, "", HERE, click("skip", turn))))
    assert [set(updates) for updates in said] == [{compare.notice}] * len(said)
    assert all(FORGOTTEN in updates[compare.notice] for updates in said)
    assert FORGOTTEN in after._saving("left")("", reply, "EUR 12.", "", HERE)[after.editors["left"].said]
    assert FORGOTTEN in await after.remark("", "Because.", HERE)
    assert stored(room) == before
    assert room.sessions.left_out(ME, session) == []


@pytest.mark.parametrize("page", ["compare", "chat"])
async def test_a_question_that_waited_is_asked_after_what_stands_and_the_box_is_free_again(
    page: str, request: pytest.FixtureRequest, room: Room
) -> None:
    made = request.getfixturevalue(page)
    how = ("", "", True) if page == "compare" else HOW
    asked = await made.ask(HERE, "", "One?", NOWHERE, *how)
    turn = asked[made.turn]
    async for _ in room.parts.chat.watch(ME, turn):
        """Until it is answered."""
    room.reason = "The engine is starting."
    held = await made.ask(HERE, "", "And two?", turn, *how)
    token = held[made.row.held]
    assert held[made.prompt]["interactive"] is False
    room.reason = ""
    sent = await made.ask(HERE, token, "And two?", turn, *how)
    assert sent[made.turn] not in ("", turn)
    assert (sent[made.prompt]["interactive"], sent[made.prompt].get("value")) == (True, "")
    assert room.store.turns.get(sent[made.turn]).prompt == "And two?"


async def test_a_vote_counts_for_the_turn_that_its_button_was_shown_with(room: Room, compare: ComparePage) -> None:
    first = (await asked(compare, room, "What does the gouda cost?"))[compare.turn]
    following = (await asked(compare, room, "And the brie?", first))[compare.turn]
    before = stored(room)
    late = await compare.vote(following, click("left", first), HERE)
    assert (set(late), stored(room)) == ({compare.notice}, before)
    assert texts.VOTED_TOO_LATE in late[compare.notice]
    bar = compare.view(see(room.chat, ME, following))[compare.votes]
    assert bar.count(f'data-value="{following}"') == 4
    await compare.vote(following, click("left", following), HERE)
    assert room.store.judged.vote_of(following) is not None


# -- again, and otherwise --


async def remarked(compare: ComparePage, room: Room) -> str:
    """A turn that was voted on, with a remark."""
    turn: str = (await asked(compare, room, "What does the gouda cost?"))[compare.turn]
    await compare.vote(turn, click("left", turn), HERE)
    await compare.after.remark(turn, "Because.", HERE)
    return turn


async def test_a_vote_that_another_page_has_given_is_shown_to_who_votes_otherwise(
    room: Room, compare: ComparePage
) -> None:
    turn = await remarked(compare, room)
    before = stored(room)
    late = await compare.vote(turn, click("right", turn), HERE)
    assert stored(room) == before
    assert "Undo it first" in late[compare.notice]
    assert ("vote-saved" in late[compare.after.judged], late[compare.after.comment]) == (True, "Because.")
    assert late[compare.votes].count("disabled") == 4


async def test_what_was_said_about_a_vote_that_is_taken_back_is_not_said_about_the_next(
    room: Room, compare: ComparePage
) -> None:
    turn = await remarked(compare, room)
    undone = await compare.after.take_back(turn, HERE)
    assert (undone[compare.after.comment], undone[compare.notice]) == ("", "")
    again = await compare.vote(turn, click("right", turn), HERE)
    vote = room.store.judged.vote_of(turn)
    assert vote is not None
    assert (compare.after.comment in again, vote.winner, vote.comment) == (False, "right", "")


async def test_both_answers_anew_are_by_those_who_are_chosen(
    room: Room, compare: ComparePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.contestants, "pair", lambda: ["base", "base"])
    turn = (await asked(compare, room, "What does the gouda cost?"))[compare.turn]
    await compare.vote(turn, click("left", turn), HERE)

    async def anew(left: str, right: str) -> Updates:
        return await compare.versions.act(turn, left, right, HERE, click("regenerate", turn))

    for chosen, wanted in ((("base", "shop-v1"), ["base", "shop-v1"]), (("", ""), ["base", "base"])):
        made = (await anew(*chosen))[compare.turn]
        await room.done(made, ME)
        assert sorted(reply.contestant for reply in room.store.turns.get(made).replies) == wanted
    refused = await anew("base", "")
    assert set(refused) == {compare.notice}  # and Regenerate stays where it is
    assert texts.CHOOSE_BOTH in refused[compare.notice]


async def test_a_second_press_of_regenerate_leads_to_the_answer_that_is_being_written(
    room: Room, chat: ChatPage
) -> None:
    turn = await answered(chat, room, "What does it cost?")
    room.vllm.pace_s = 0.1
    made = [(await chat.act(turn, *HOW[1:], HERE, click("regenerate", turn)))[chat.turn] for _ in range(2)]
    room.vllm.pace_s = 0.0
    assert made[0] == made[1] != turn
    await room.done(made[0], ME)
    later = (await chat.act(turn, *HOW[1:], HERE, click("regenerate", turn)))[chat.turn]
    assert later not in (turn, *made)
    await room.done(later, ME)
