"""A list that is searched and paged in the database: a field to search in, and one page of what is found.

It does not know what is listed: it is given how to find it, by what a page ends, and how it is shown.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import gradio as gr

from ftchat import texts
from ftchat.parts import Parts
from ftchat.records import Person, Standing
from ftchat.ui.elements import AT_ONCE, Updates, html
from ftchat.ui.pieces import button

PAGE = 20
_TURNS = ("page-further", "page-back", "page-first")
_TO_TOP = f"""() => {list(_TURNS)}.includes(window.ftchatPressed) && setTimeout(
    () => document.querySelector('LIST')?.scrollIntoView({{ block: 'start' }}), 60)"""
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Find(Protocol[T_co]):
    """What is found, as many as `limit`: all of it when `search` is empty, from the first on when `after` is."""

    def __call__(self, search: str, after: str, limit: int) -> Sequence[T_co]:
        """Ask the database."""


class Paged(Generic[T]):
    """Its components, and what they show."""

    def __init__(
        self,
        parts: Parts,
        name: str,
        *,
        label: str,
        least: Standing,
        find: Find[T],
        key: Callable[[T], str],
        show: Callable[[Person, Sequence[T], bool], str],
    ) -> None:
        """Lay it out in the Blocks that is open, for those who are at `least` this. `show` is told whether something
        is searched for."""
        self._parts, self._least = parts, least
        self._find, self._key, self._show = find, key, show
        self.search = gr.Textbox(
            value="",
            label=label,
            show_label=False,
            placeholder=label,
            container=False,
            elem_id=f"{name}-search",
            elem_classes="paged-search",
            max_length=200,
        )
        self.at = gr.State("")  # what each page before this one ends with, a line for each
        self.list = html(elem_id=f"{name}-list", clicks=True)

    def given(self) -> list[Any]:
        """What says which page is on show, for `shown`."""
        return [self.search, self.at]

    def outputs(self) -> list[Any]:
        """What `shown` writes."""
        return [self.at, self.list]

    def wire(self) -> None:
        """Which event calls what. Other buttons in the list are somebody else's."""
        self.search.change(self.look, [self.search], self.outputs(), **{**AT_ONCE, "trigger_mode": "always_last"})
        turned = self.list.click(self.turn, self.given(), self.outputs(), **AT_ONCE)
        turned.then(None, js=_TO_TOP.replace("LIST", f"#{self.list.elem_id}"))

    def shown(self, who: Person, search: str, at: str) -> Updates:
        """One page."""
        before = at.split("\n") if at else []
        found = self._find(search.strip(), before[-1] if before else "", PAGE + 1)
        if at and not found:  # the last of this page is gone
            return self.shown(who, search, "")
        page = found[:PAGE]
        acts = button("page-first", texts.TO_THE_FIRST, kind="ghost") if len(before) > 1 else ""
        acts += button("page-back", texts.PAGE_BACK, kind="ghost") if before else ""
        acts += (
            button("page-further", texts.FURTHER, value=self._key(page[-1]), kind="ghost") if len(found) > PAGE else ""
        )
        shown = self._show(who, page, bool(search.strip()))
        return {self.at: at, self.list: f'{shown}<nav class="turning">{acts}</nav>'}

    # -- callbacks --

    def look(self, search: str, request: gr.Request) -> Updates:
        """What was searched for, from its first page on."""
        return self.shown(self._parts.person(request, self._least), search, "")

    def turn(self, search: str, at: str, clicked: gr.EventData, request: gr.Request) -> Any:
        """Another page."""
        if not turns(clicked):
            return gr.skip()
        before = at.split("\n") if at else []
        ways = {"page-further": [*before, str(clicked.value)], "page-back": before[:-1], "page-first": []}
        return self.shown(self._parts.person(request, self._least), search, "\n".join(ways[clicked.act]))


def turns(clicked: gr.EventData) -> bool:
    """Whether a click in a list turns its page."""
    return clicked.act in _TURNS
