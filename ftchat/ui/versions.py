"""The versions of a compared turn: a way from one to the next, and both answers anew beside it.

It shows nothing while a turn is written, nor in a rating session, where each question is asked once. Which turn is on
the page is the page's; whose it is, is asked of the core each time.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.ui import views
from ftchat.ui.choosing import Choosing, contestants
from ftchat.ui.elements import AS_IT_IS, AT_ONCE, STREAM, Updates, html, id_in, there

To = Callable[[Person, str, gr.Request], Updates]  # a turn onto the page


class Versions:
    """Its component, and what is done with it."""

    def __init__(self, parts: Parts) -> None:
        """Lay it out where the page is being built."""
        self._parts = parts
        self.box = html(elem_id="compare-versions", clicks=True)

    def wire(
        self,
        turn: gr.State,
        session: gr.HTML,
        choosing: Choosing,
        *,
        written: gr.State,
        notice: gr.HTML,
        to: To,
        told: list[Any],
    ) -> None:
        """Which event calls what: `written` changes when a turn stands; `to` gives what is `told`, the `notice` too."""
        self._to, self._notice = to, notice
        written.change(self.view, [turn, session], [self.box], **AT_ONCE, **AS_IT_IS, preprocess=False)
        self.box.click(self.act, [turn, *choosing.chosen.values()], [*told, self.box], **STREAM)

    async def view(self, turn: str, session: str, request: gr.Request) -> str:
        """Which of its versions a turn is, once it is written."""
        who = self._parts.person(request)
        seen = self._parts.chat.seen(who, turn) if id_in(turn) else None
        if seen is None or seen.writing or seen.mode != "compare" or id_in(session):
            return ""
        compared = [one for one in seen.siblings if one == turn or self._parts.chat.seen(who, one).mode == "compare"]
        again = views.small_button("regenerate", turn, texts.REGENERATE) if who.is_at_least("rater") else ""
        return f'<div class="under versions">{views.siblings(compared, turn)}{again}</div>'

    async def act(self, turn: str, left: str, right: str, request: gr.Request, clicked: gr.EventData) -> Updates:
        """Another version onto the page, or one more, by those who are chosen."""
        try:
            if str(clicked.act) == "sibling":
                return self._to(self._parts.person(request), str(clicked.value), request)
            who, turn = self._parts.person(request, "rater"), there(turn)
            made = await self._parts.chat.regenerate(who, turn, contestants=contestants(left, right))
            return self._to(who, made, request)
        except FtchatError as err:
            return {self._notice: views.notice(err.message, kind="bad")}
