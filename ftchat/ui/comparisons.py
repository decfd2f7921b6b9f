"""The list of past comparisons under Compare: searched and paged in the database, opened with a click."""

from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.ui import views
from ftchat.ui.elements import AT_ONCE, Updates
from ftchat.ui.history import History
from ftchat.ui.versions import To


class Comparisons:
    """Its components, and what is done with them."""

    def __init__(self, parts: Parts) -> None:
        """Lay it out where the page is being built; it is read when it is unfolded."""
        self._parts = parts
        with gr.Accordion(texts.COMPARISONS, open=False, elem_id="compare-past") as self.folded:
            self.history = History(parts, page="compare", mode="compare")

    def wire(self, turn: gr.State, *, to: To, told: list[Any]) -> None:
        """Which event calls what; `to` gives what is `told`."""
        self._to = to
        shown = [*told, *self.history.outputs(), self.folded]
        self.history.wire(turn, opening=self.open, outputs=shown)
        self.folded.expand(self.history.find, [self.history.search, turn], [self.history.list], **AT_ONCE)

    async def open(self, search: str, turn: str, request: gr.Request, clicked: gr.EventData) -> Updates:
        """A comparison from the list, or another page of it."""
        who, act, value = self._parts.person(request), str(clicked.act), str(clicked.value)
        if act != "open":
            return {self.history.list: self.history.page(who, turn, search=search, before=value or None)}
        try:
            turns = self._parts.chat.path(who, value)
            return {**self._to(who, turns[-1], request), self.folded: gr.update(open=False)}
        except FtchatError as err:  # somebody else's
            return {self.history.list: views.notice(err.message, kind="bad")}
