"""A list of conversations: searched and paged in the database, opened with a click. Chat and Compare have one each."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.parts import Parts
from ftchat.records import Mode, Person
from ftchat.ui import chat_views
from ftchat.ui.elements import AT_ONCE, STREAM, Updates, html, id_in

PAGE = 30


class History:
    """Its components, and what they show."""

    def __init__(self, parts: Parts, *, page: str = "chat", mode: Mode = "chat") -> None:
        """Lay it out in the Blocks that is open: the conversations that began in a mode."""
        self._parts, self._mode = parts, mode
        self.search = gr.Textbox(
            value="",
            label=texts.SEARCH,
            show_label=False,
            placeholder=texts.SEARCH_EXAMPLE,
            container=False,
            elem_id=f"{page}-search",
            max_length=1000,
        )
        self.list = html(elem_id=f"{page}-history", clicks=True)

    def outputs(self) -> list[Any]:
        """What `newest` writes."""
        return [self.search, self.list]

    def wire(self, turn: gr.State, *, opening: Callable[..., Any], outputs: list[Any]) -> None:
        """Which event calls what: `turn` is on the page; `opening` opens one of the list, or turns its page."""
        look = {**AT_ONCE, "trigger_mode": "always_last"}
        self.search.change(self.find, [self.search, turn], [self.list], **look)
        self.list.click(opening, [self.search, turn], outputs, **{**STREAM, "trigger_mode": "multiple"})

    def newest(self, who: Person, turn: str) -> Updates:
        """The newest conversations; what was searched for is done with."""
        return {self.search: "", self.list: self.page(who, turn)}

    def page(self, who: Person, turn: str, *, search: str = "", before: str | None = None) -> str:
        """One page of the list; what is searched for may be the beginning of a word."""
        wanted = f"{search.strip()}*" if search.strip() else None
        log = self._parts.store.turns
        current = log.get(turn, owner=who.reads).conversation if id_in(turn) else ""
        found = log.conversations(who.name, mode=self._mode, limit=PAGE + 1, search=wanted, before=before)
        if not found:
            return chat_views.no_history(searched=wanted is not None)
        more, paged = len(found) > PAGE, before is not None
        return chat_views.history(found[:PAGE], current=current, more=more, paged=paged)

    def find(self, search: str, turn: str, request: gr.Request) -> str:
        """Conversations in which a question or a correction has these words."""
        return self.page(self._parts.person(request), turn, search=search)
