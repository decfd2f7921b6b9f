"""The shorter ways through gradio give what gradio itself gives, and are the ones that the app takes."""

import asyncio
from copy import deepcopy
from pathlib import Path
from typing import Any

import fastapi
import gradio as gr
import pytest
from fastapi.routing import APIRoute
from gradio.state_holder import SessionState
from room import Room
from starlette.routing import Mount

from ftchat import ui
from ftchat.ui import once
from ftchat.ui.passing import Pages
from ftchat.ui.upkeep import Session, Sessions


class Made:
    """The same small page twice: ours, and as gradio has it."""

    def __init__(self, kind: type[gr.Blocks]) -> None:
        with kind() as self.blocks:
            self.html, self.box, self.tick = gr.HTML("a"), gr.Textbox("b"), gr.Checkbox()
            self.choice, self.several = gr.Dropdown(["x", "y"]), gr.CheckboxGroup(["x", "y"])
            self.state, self.deaf, self.kept = gr.State(""), gr.State(""), gr.BrowserState("")
            parts = [self.html, self.box, self.tick, self.choice, self.several, self.state, self.deaf, self.kept]
            self.parts = dict(zip(NAMES, parts, strict=True))
            self.state.change(lambda: None)
            self.box.submit(lambda *given: None, parts, parts)
            self.tick.change(lambda given: None, [self.box], [self.html])
        self.many, self.single = list(self.blocks.fns.values())[1:]
        self.session = (Session if kind is Pages else SessionState)(self.blocks)

    def post(self, event: Any, given: Any) -> Any:
        given = deepcopy(given)  # gradio empties what it is given
        given = {self.parts[name]: value for name, value in given.items()} if isinstance(given, dict) else given
        given = gr.skip() if given == "SKIP" else given
        sent = asyncio.run(self.blocks.postprocess_data(event, given, self.session))
        states = {name: self.session[self.parts[name]._id] for name in ("state", "deaf")}
        held = {name: self.session[part._id] for name, part in self.parts.items() if name not in states}
        seen = [(held["box"].placeholder, held["choice"].choices), [one.visible for one in held.values()]]
        return [_sent(value) for value in sent], states, seen

    def pre(self, given: list[Any]) -> Any:
        try:
            return asyncio.run(self.blocks.preprocess_data(self.many, given, self.session))
        except gr.Error as err:
            return str(err)


OFTEN = ["/gradio_api/run/{api_name}", "/gradio_api/queue/join", "/gradio_api/queue/data"]
NAMES = ("html", "box", "tick", "choice", "several", "state", "deaf", "kept")


def _sent(value: Any) -> Any:
    """Of HTML that is left as it is, gradio says that its "__type__" is "update"."""
    return gr.skip() if value == {**gr.skip(), "props": gr.skip()} else value


@pytest.fixture
def both() -> tuple[Made, Made]:
    return Made(Pages), Made(gr.Blocks)


@pytest.mark.parametrize(
    "given",
    [
        "SKIP",
        {"html": "<b>hello</b>"},
        {"html": "", "state": "one"},
        {"state": "one", "deaf": ["two"], "kept": "three"},
        {"box": gr.update(value="new", placeholder="Ask on"), "html": "now"},
        {"box": "plain", "tick": True, "choice": "y", "several": ["x"]},
        {"choice": gr.update(choices=["p", "q"], value="q"), "tick": gr.update(visible=False)},
        {"html": gr.update(visible=False), "state": gr.skip()},
        {"html": None, "box": None, "state": None},
        ["<i>x</i>", "box", False, "x", ["y"], "s", "d", "k"],
        ("<i>x</i>", gr.skip(), gr.skip(), "y", [], gr.skip(), 7, {"a": 1}),
    ],
)
def test_pages_are_sent_what_gradio_would_send(both: tuple[Made, Made], given: Any) -> None:
    ours, theirs = both
    for _ in range(2):  # the second time upon what the first has left
        assert ours.post(ours.many, given) == theirs.post(theirs.many, given)


@pytest.mark.parametrize("given", ["SKIP", "text", {"html": "text"}, None, gr.update(value="text", visible=False)])
def test_an_event_with_one_output_is_sent_alike(both: tuple[Made, Made], given: Any) -> None:
    ours, theirs = both
    if isinstance(given, dict) and "__type__" in given:
        sent = [asyncio.run(m.blocks.postprocess_data(m.single, dict(given), m.session)) for m in both]
        assert _sent(sent[0][0]) == _sent(sent[1][0])
    else:
        assert ours.post(ours.single, given) == theirs.post(theirs.single, given)


@pytest.mark.parametrize("given", [[], ["too", "few"]])
def test_too_few_values_are_refused_as_gradio_refuses_them(both: tuple[Made, Made], given: Any) -> None:
    for made in both:
        with pytest.raises(ValueError, match="enough output values"):
            made.post(made.many, list(given))


@pytest.mark.parametrize(
    "given",
    [
        ["<b>", "typed", True, "x", ["x"], None, None, "kept"],
        [None, None, None, None, [], None, None, None],
        ["", "", False, "no such choice", [], None, None, ""],
        [1, 2.5, "yes", "y", ["x", "y"], None, None, {"a": 1}],
    ],
)
def test_callbacks_are_given_what_gradio_would_give_them(both: tuple[Made, Made], given: list[Any]) -> None:
    ours, theirs = both
    assert ours.pre(list(given)) == theirs.pre(list(given))


def test_states_that_are_listened_to_are_tracked(both: tuple[Made, Made]) -> None:
    ours = both[0]
    for made in both:
        made.session[made.state._id] = "now"
    found = [made.blocks.get_state_ids_to_track(made.many, made.session) for made in both]
    assert [ids == [made.state._id] for made, (ids, _) in zip(both, found, strict=True)] == [True, True]
    assert found[0][1] == found[1][1]
    assert ours.blocks.get_state_ids_to_track(ours.many, None) == ([], [])


async def test_the_app_takes_these_ways(tmp_path: Path) -> None:
    room, app = Room(tmp_path), fastapi.FastAPI()
    app.get("/api/something")(lambda: None)
    ui.mount(app, room.parts)
    await room.close()
    inner: Any = next(route for route in app.routes if isinstance(route, Mount)).app
    inner = inner._app  # behind the doorway
    assert [getattr(route, "path", None) for route in inner.routes[:3]] == OFTEN
    asked = [one.call for route in inner.routes if isinstance(route, APIRoute) for one in route.dependant.dependencies]
    assert "login_check" not in {getattr(call, "__name__", "") for call in asked}
    assert once._nobody in asked
    blocks = inner.get_blocks()
    assert type(blocks) is Pages
    assert type(inner.state_holder) is Sessions
    assert blocks.state_holder is inner.state_holder
    assert type(inner.state_holder["a page"]) is Session


def test_a_page_holds_its_states_and_no_descriptions() -> None:
    made = Made(Pages)
    holder = Sessions()
    holder.set_blocks(made.blocks)
    page = holder["one"]
    assert page is holder["one"]
    assert page is not holder["two"]
    page[made.state._id] = "here"
    assert (page[made.state._id], holder["two"][made.state._id]) == ("here", "")
    other = gr.Textbox("other", render=False)
    page[made.box._id] = other
    assert page[made.box._id] is other
    assert holder["two"][made.box._id] is made.box
    assert list(page.components) == []
    assert [block for block, _, _ in page.state_components] == [made.state]
