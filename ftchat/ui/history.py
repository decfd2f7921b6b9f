"""A list of conversations: searched and paged in the database, opened with a click. Chat and Compare have one each."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ftchat.parts import Parts
from ftchat.records import Mode, Person
from ftchat.ui import chat_views, texts
from ftchat.ui.elements import AT_ONCE, Updates, conversation_of, html

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

    def wire(self, conversation: gr.BrowserState, *, opening: Callable[..., Any], outputs: list[Any]) -> None:
        """Which event calls what; `opening` opens a conversation of the list, or turns its page."""
        look = {**AT_ONCE, "trigger_mode": "always_last"}
        self.search.change(self.find, [self.search, conversation], [self.list], **look)
        self.list.click(opening, [self.search, conversation], outputs, **{**AT_ONCE, "queue": True})

    def newest(self, who: Person, current: str | None) -> Updates:
        """The newest conversations; what was searched for is done with."""
        return {self.search: "", self.list: self.page(who, current)}

    def page(self, who: Person, current: str | None, *, search: str = "", before: str | None = None) -> str:
        """One page of the list; what is searched for may be the beginning of a word."""
        wanted = f"{search.strip()}*" if search.strip() else None
        log = self._parts.store.turns
        found = log.conversations(who.name, mode=self._mode, limit=PAGE + 1, search=wanted, before=before)
        if not found:
            return chat_views.no_history(searched=wanted is not None)
        more, paged = len(found) > PAGE, before is not None
        return chat_views.history(found[:PAGE], current=current or "", more=more, paged=paged)

    def find(self, search: str, conversation: str, request: gr.Request) -> str:
        """Conversations in which a question or a correction has these words."""
        return self.page(self._parts.person(request), conversation_of(conversation), search=search)
