"""What a button of Models, Train or Review was shown with, and what a refusal leaves; called without a browser."""

import re
from types import SimpleNamespace
from typing import Any, cast

import furnished
import gradio as gr
import pytest
from room import Room
from test_service import adapters

from ftchat.config import TrainArgs
from ftchat.ui.models import ModelsPage
from ftchat.ui.review import PAGE, ReviewPage
from ftchat.ui.train import TrainPage

HERE = cast(gr.Request, SimpleNamespace(session_hash="page"))


def laid_out(page: Any, room: Room) -> Any:
    with gr.Blocks():
        return page(room.parts)


def click(act: str, value: str) -> Any:
    return SimpleNamespace(act=act, value=value)


@pytest.mark.parametrize("kind", [ModelsPage, TrainPage])
async def test_a_second_press_of_roll_back_does_not_go_back_from_what_the_first_put_into_service(
    room: Room, kind: Any
) -> None:
    adapters(room, 1, 2, 3)
    for name in ("shop-v1", "shop-v2", "shop-v3"):
        await room.service.use("ann", name)
    page = laid_out(kind, room)
    pressed = click("back", "shop-v3")
    shown = room.parts.person(HERE)
    assert 'data-act="back" data-value="shop-v3"' in str(page.view(shown))
    said = [
        await (page.act("", "", pressed, HERE) if kind is ModelsPage else page.act(pressed, HERE)) for _ in range(2)
    ]
    assert room.service.champion() == "shop-v2"
    assert "shop-v2 was put into service just now" in said[1][page.notice]
    assert 'data-act="back" data-value="shop-v2"' in str(page.view(shown))


async def test_use_it_anyway_is_about_the_adapter_that_was_shown(room: Room) -> None:
    adapters(room, 1, 2)
    page = laid_out(TrainPage, room)
    await page.act(click("use", "shop-v1"), HERE)
    assert room.service.champion() == "shop-v1"
    run = room.store.training.start_run(by="ann", base="b0", args=TrainArgs()).id
    room.store.training.update_run(run, stage="stopped")
    assert "This run has already ended" in (await page.act(click("stop", run), HERE))[page.notice]


async def test_what_was_taken_back_meanwhile_is_off_the_list_when_a_decision_is_refused(room: Room) -> None:
    page = laid_out(ReviewPage, room)
    turn = furnished.compared(room, "Is it fresh?", ("base", "base"), owner="bob")
    gone, stays = (room.store.feedback.add_correction(reply.id, "bob", "Yes!") for reply in turn.replies)
    asked = ("pending", "all", "", "", "")
    room.store.feedback.void(gone, "bob")
    refused = page.act(*asked, click("approved", f"{gone} {stays}"), HERE)
    assert "taken back" in refused[page.notice]
    assert room.store.feedback.status(stays) == "pending"
    assert (gone in refused[page.list], stays in refused[page.list]) == (False, True)
    page.act(*asked, click("approved", stays), HERE)
    assert room.store.feedback.status(stays) == "approved"


async def test_what_another_reviewer_decided_meanwhile_stays_and_an_undo_puts_back_what_was_changed(room: Room) -> None:
    page, log = laid_out(ReviewPage, room), room.store.feedback
    turn = furnished.compared(room, "Is it fresh?", ("base", "base"), owner="bob")
    theirs, ours = (log.add_correction(reply.id, "bob", "Yes!") for reply in turn.replies)
    asked = ("pending", "all", "", "", "")
    shown = str(page.listed(room.parts.person(HERE), asked[:4])[page.list])
    every = re.findall(r'data-act="approved" data-value="([^"]* [^"]*)"', shown)[0]
    log.review(theirs, "rejected", "eve")
    said = page.act(*asked, click("approved", every), HERE)[page.notice]
    assert "Approved: 1. Decided otherwise meanwhile, and left so: 1." in said
    assert (log.status(theirs), log.status(ours)) == ("rejected", "approved")
    undo = re.findall(r'data-act="undo" data-value="([^"]*)"', said)[0]
    page.act(*asked, click("undo", undo), HERE)
    assert (log.status(theirs), log.status(ours)) == ("rejected", "pending")
    said = page.act("approved", "all", "", "", "", click("rejected", f"{ours}=pending"), HERE)[page.notice]
    undo = re.findall(r'data-act="undo" data-value="([^"]*)"', said)[0]
    log.review(ours, "approved", "eve")
    assert "As before: 0." in page.act(*asked, click("undo", undo), HERE)[page.notice]
    assert log.status(ours) == "approved"
    assert "A status is one of" in page.act(*asked, click("undo", f"approved {ours}=odd"), HERE)[page.notice]


async def test_where_all_of_the_last_page_is_decided_the_first_one_is_shown(room: Room) -> None:
    page, me = laid_out(ReviewPage, room), room.parts.person(HERE)
    for n in range(PAGE + 5):
        turn = furnished.compared(room, f"Question {n}?", ("base", "base"), owner="bob")
        room.store.feedback.add_correction(turn.replies[0].id, "bob", "Yes!")
    asked = ("pending", "all", "", "")
    trail = re.findall(r'data-act="older" data-value="([^"]+)"', page.listed(me, asked)[page.list])[0]
    last = page.listed(me, asked, trail=trail)[page.list]
    every = re.findall(r'data-act="approved" data-value="([^"]* [^"]*)"', last)[0]
    done = page.act(*asked, trail, click("approved", every), HERE)
    assert "Approved: 5." in done[page.notice]
    assert done[page.trail] == ""
    assert done[page.list].count('<li class="item"') == PAGE


async def test_where_all_of_the_last_page_is_corrected_the_first_one_is_shown(room: Room) -> None:
    page, me, log = laid_out(ReviewPage, room), room.parts.person(HERE), room.store.feedback
    for n in range(PAGE + 1):
        turn = furnished.compared(room, f"Question {n}?", ("base", "few-shot"), owner="bob")
        log.add_vote(turn, "bob", "both_bad", reasons={}, comment="")
    asked = ("queue", "all", "", "")
    trail = re.findall(r'data-act="older" data-value="(\w+)"', page.listed(me, asked)[page.list])[0]
    (last,) = room.judging.to_correct(me, before=trail)
    text, reply = "Twelve euros. Warm wishes!", room.store.turns.get(last).replies[0].id
    done = page.correct(*asked, reply, text, "", trail, HERE)
    assert done[page.trail] == ""
    assert done[page.list].count('<li class="item"') == PAGE
