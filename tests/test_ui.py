"""The pages as a whole, without a browser: what is laid out, and what of it is reachable."""

import ast
import importlib
import inspect
import re
import sys
from collections import Counter
from inspect import isasyncgenfunction, iscoroutinefunction
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import gradio as gr
import pytest

from ftchat import ui
from ftchat.parts import Parts
from ftchat.ui.elements import NOWHERE, id_in

# What tests, keys and a person's own style sheet may rely on.
ELEMENTS = {
    *("strip", "strip-state", "retrain", "tabs", "tab-compare", "tab-chat", "tab-train"),
    *("compare-banner", "compare-earlier", "pane-left", "pane-right", "vote-bar"),
    *("after-vote", "judged", "undo-vote", "next-question"),
    *(f"{part}-{side}" for part in ("fixed", "correct", "correction", "save", "cancel") for side in ("left", "right")),
    *("compare-waits", "compare-notice", "compare-prompt", "compare-send", "compare-offers", "compare-new"),
    *("choose", "choose-left", "choose-right", "choose-blind", "compare-hold", "compare-keys", "ask-again"),
    *(
        f"{part}-{side}"
        for part in ("told", "instruct", "instruction", "rewrite", "change")
        for side in ("left", "right")
    ),
    *("vote-comment", "asked-again", "session-bar", "session-far", "session-skipping", "session-leave", "session-end"),
    *("compare-versions", "compare-past", "compare-search", "compare-history"),
    *(f"similar-{page}" for page in ("compare", "chat", "review")),
    *("session-new", "session-list", "session-file", "session-start", "session-open"),
    *("chat-history", "chat-new", "chat-past", "chat-live", "chat-waits", "chat-notice", "chat-prompt", "chat-send"),
    *("chat-stop", "chat-hold", "chat-who", "chat-how", "chat-system", "chat-temperature", "chat-top-p"),
    *("chat-max-tokens", "chat-search", "chat-offers", "edit-question", "edit-ask", "edit-cancel"),
    *(f"{part}-chat" for part in ("correction", "instruction", "rewrite", "change", "save", "cancel")),
    *("train-notice", "run", "run-plot", "run-acts", "run-shows", "card"),
    *("effort", "train-start", "train-more", "train-rank", "run-past", "strip-trouble"),
    *(f"tab-{name}" for name in ("review", "models", "leaderboard", "settings")),
    *(f"review-{part}" for part in ("status", "kind", "person", "search", "notice", "list", "keys", "exchange")),
    *("correction-queue", "save-queue", "cancel-queue", "board"),
    *(f"models-{part}" for part in ("notice", "list", "rows", "progress", "import")),
    *(f"settings-{part}" for part in ("notice", "made", "people", "backups", "model", "list")),
}


@pytest.fixture(scope="module")
def blocks() -> gr.Blocks:
    """Laying out asks nothing of the parts but the name."""
    return ui.build(cast(Parts, SimpleNamespace(settings=SimpleNamespace(name="shop", open=True))))[0]


def test_every_element_has_its_stable_id_once(blocks: gr.Blocks) -> None:
    ids = Counter(block.elem_id for block in blocks.blocks.values() if getattr(block, "elem_id", None))
    assert set(ids.values()) == {1}
    assert set(ids) >= ELEMENTS


def test_no_event_is_an_open_api_and_none_waits_behind_another(blocks: gr.Blocks) -> None:
    events = [event for event in blocks.fns.values() if event.fn is not None]
    assert {event.api_visibility for event in events} == {"private"}
    assert blocks.get_api_info()["named_endpoints"] == {}
    assert blocks._queue.default_concurrency_limit is None
    assert blocks.max_threads == ui.MOST_EVENTS


def test_a_page_keeps_nothing_but_ids(blocks: gr.Blocks) -> None:
    """A session is no boundary: what is in it can be read and written by others."""
    kept = [block.value for block in blocks.blocks.values() if isinstance(block, gr.State)]
    assert [value for value in kept if value not in ("", {})] == []


def test_what_is_sent_many_times_a_second_is_text_or_a_state(blocks: gr.Blocks) -> None:
    """For anything else gradio builds a component anew, each time: a hundred comparisons were too many for it."""
    often = [event for event in blocks.fns.values() if event.fn and event.fn.__name__ in ("follow",)]
    assert len(often) == 2
    assert {type(block) for event in often for block in event.outputs} == {gr.HTML, gr.State}
    assert {event.postprocess for event in often} == {False}


def test_what_says_which_turn_is_watched_comes_in_the_order_in_which_it_was_pressed(blocks: gr.Blocks) -> None:
    """Gradio runs what is not async in a thread: a new conversation could come after the question asked in it, and
    the page would let go of its answer."""
    events = [event for event in blocks.fns.values() if event.fn]
    watched = {event.inputs[1] for event in events if event.fn.__name__ == "follow"}
    saying = [event.fn for event in events if watched.intersection(event.outputs)]
    assert len(saying) > 20
    assert [one.__qualname__ for one in saying if not (iscoroutinefunction(one) or isasyncgenfunction(one))] == []


def test_what_is_queued_is_begun_in_the_order_in_which_it_came(blocks: gr.Blocks) -> None:
    """Gradio begins by lot what waits in several queues."""
    queued = [event for event in blocks.fns.values() if event.fn and event.queue is not False]
    assert len(queued) > 20
    assert {event.concurrency_id for event in queued} == {"line"}
    assert {event.concurrency_limit for event in queued} == {None}


def test_what_a_press_on_compare_may_change_is_among_what_it_writes(blocks: gr.Blocks) -> None:
    events = [event for event in blocks.fns.values() if event.fn]
    writes = {event.fn.__qualname__: {block.elem_id for block in event.outputs} for event in events}
    needed = {
        "ComparePage.vote": {"vote-comment", "compare-notice"},
        "AfterVote.take_back": {"vote-comment", "compare-notice"},
        "Versions.act": {"compare-versions", "compare-notice"},
    }
    assert {name: parts - writes[name] for name, parts in needed.items()} == {name: set() for name in needed}


def test_what_is_pressed_in_a_conversation_while_another_press_is_on_its_way_is_not_dropped(blocks: gr.Blocks) -> None:
    pressed = [event for event in blocks.fns.values() if event.fn and event.fn.__qualname__ == "ChatPage.act"]
    assert [event.trigger_mode for event in pressed] == ["multiple"] * 2


@pytest.mark.parametrize("stored", [None, "", NOWHERE, 7, {"a": 1}])
def test_a_browser_that_remembers_nothing_begins_anew(stored: object) -> None:
    assert id_in(stored) is None
    assert id_in("t_1") == "t_1"


def test_what_a_component_takes_is_worked_out_once_and_is_what_it_takes(blocks: gr.Blocks) -> None:
    kinds = {type(block) for block in blocks.blocks.values()}
    assert {gr.HTML, gr.Textbox, gr.Button} <= {base for kind in kinds for base in kind.__mro__}
    for kind in kinds:
        constructor = kind.__init__
        assert inspect.signature(constructor) is inspect.signature(constructor), kind
        code = inspect.unwrap(constructor, stop=lambda function: not hasattr(function, "__wrapped__")).__code__
        taken = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        named = [p.name for p in inspect.signature(constructor).parameters.values() if p.kind is not p.VAR_KEYWORD]
        assert tuple(named) == taken, kind


def test_matplotlib_is_not_looked_for_at_each_event(blocks: gr.Blocks) -> None:
    with pytest.raises(ImportError):
        importlib.import_module("matplotlib")
    assert sys.modules["matplotlib"] is None


def test_english_words_stand_in_the_texts_alone() -> None:
    """Between tags, and in what is read out: what a view writes there itself nobody could translate."""
    words = re.compile(r"""(?:aria-label|title|placeholder|alt)="[A-Za-z]|>[A-Za-z]{2,}[ .,:<]""")
    views = [path for path in Path(ui.__file__).parent.glob("*.py") if not path.name.startswith("texts")]
    found = [(path.name, node) for path in views for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    texts = [(name, str(node.value)) for name, node in found if isinstance(node, ast.Constant)]
    assert [(name, text) for name, text in texts if "<" in text and words.search(text)] == []
