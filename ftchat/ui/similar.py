"""After a correction: the same change in other answers, shown first and saved in one press. Compare, Chat and Review
have one each.

It knows one correction at a time, by its id. Whose it is, and what may be corrected, is asked of the core each time.
"""

from typing import Any

import gradio as gr

from ftchat import similar
from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.ui import similar_views, views
from ftchat.ui.elements import AT_ONCE, Updates, html, into_view


class Similar:
    """Its component, and what is done with it."""

    def __init__(self, parts: Parts, page: str) -> None:
        """Lay it out where the page is being built."""
        self._parts = parts
        self.box = html(elem_id=f"similar-{page}", clicks=True)

    def wire(self, *corrections: gr.HTML) -> Any:
        """Which event calls what: `corrections` are where corrections stand, each with its button. Returns the event
        after which answers may be corrected that were not before."""
        for shown in corrections:
            looked = shown.click(self.look, None, [self.box], **AT_ONCE)
            looked.then(None, js=into_view(f"#{self.box.elem_id} details", pressed="similar"))
        return self.box.click(self.act, None, [self.box], **AT_ONCE)

    def offered(self, who: Person, correction: str) -> Updates:
        """That a change which was just saved fits other answers too; nothing when it does not."""
        return {self.box: similar_views.panel(similar.preview(self._parts.store, who, correction))}

    def none(self) -> Updates:
        """Nothing is offered."""
        return {self.box: ""}

    def look(self, request: gr.Request, clicked: gr.EventData) -> Any:
        """The list, when it is asked for; other buttons are somebody else's."""
        if clicked.act != "similar":
            return gr.skip()
        try:
            who = self._parts.person(request, "rater")
            return similar_views.panel(similar.preview(self._parts.store, who, str(clicked.value)), opened=True)
        except FtchatError as err:
            return views.notice(err.message, kind="bad")

    def act(self, request: gr.Request, clicked: gr.EventData) -> str:
        """Save for those that are ticked, take that back, or leave it."""
        act, value = str(clicked.act), str(clicked.value or "")
        try:
            who = self._parts.person(request, "rater")
            if act == "similar-save":
                return self._saved(who, value, [str(reply) for reply in getattr(clicked, "filled", None) or ()])
            if act == "similar-undo":
                similar.undo(self._parts.store, self._parts.judging, who, value.split())
                return similar_views.taken_back(len(value.split()))
            return ""
        except FtchatError as err:
            return views.notice(err.message, kind="bad")

    def _saved(self, who: Person, correction: str, replies: list[str]) -> str:
        store = self._parts.store
        try:
            return similar_views.saved(similar.apply(store, self._parts.judging, who, correction, replies))
        except FtchatError as err:
            return similar_views.panel(similar.preview(store, who, correction), opened=True, said=err.message)
