"""Rating sessions on Compare: the panel that begins one, and the bar of the one that is on.

Questions are answered ahead by the core; here they come one after the other, to be voted on and corrected.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.seen import TurnSeen
from ftchat.sessions import Next
from ftchat.ui import compare_views
from ftchat.ui.elements import NOWHERE, Updates, html, id_in, remembered, visible

LOOK_S = 0.4  # between two looks for a question that is not answered yet
_READ_FILE = """
element.addEventListener('change', async (event) => {
  const file = event.target.files && event.target.files[0];
  const list = document.querySelector('#session-list textarea');
  if (!file || !list) return;
  list.value = await file.text();
  list.dispatchEvent(new Event('input', { bubbles: true }));
  event.target.value = '';
});
"""


class RatingSession:
    """Its components, and what they show."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the bar, in the Blocks that is open; `panel` lays out the rest."""
        self._parts = parts
        self.id = remembered("ftchat-session")
        with gr.Column(elem_id="session-bar", visible=False) as self.bar:
            self.far = html(elem_id="session-far")
            with gr.Row(elem_classes="buttons") as self.buttons:
                self.skip = html(compare_views.skip(""), elem_id="session-skipping", clicks=True)
                self.leave = gr.Button(texts.SESSION_LEAVE, elem_id="session-leave", size="sm")
                self.end = gr.Button(texts.SESSION_END, elem_id="session-end", size="sm")

    def panel(self) -> None:
        """Where a list is pasted, and where sessions that are not finished are gone on with."""
        with gr.Accordion(texts.SESSION, open=False, elem_id="session-new") as self.folded:
            html(f'<p class="hint">{texts.SESSION_HINT}</p>', elem_id="session-hint")
            self.list = gr.Textbox(
                value="",
                label=texts.SESSION_LIST,
                placeholder=texts.SESSION_EXAMPLE,
                elem_id="session-list",
                lines=5,
                max_lines=12,
            )
            file = f'<label class="file">{texts.SESSION_FILE} <input type="file" accept=".txt,text/plain"></label>'
            gr.HTML(file, elem_id="session-file", apply_default_css=False, js_on_load=_READ_FILE)
            with gr.Row(elem_classes="buttons"):
                self.start = gr.Button(texts.SESSION_START, elem_id="session-start", variant="primary", size="sm")
            self.unfinished = html(elem_id="session-open", clicks=True)

    def outputs(self) -> list[Any]:
        """What `shown`, `over` and `none` write."""
        return [self.id, self.bar, self.far, self.buttons, self.folded, self.list]

    def open_ones(self, who: Person) -> str:
        """One's own sessions that are not finished."""
        return compare_views.open_sessions(self._parts.sessions.of(who))

    async def coming(self, who: Person, session: str, *, wanted: Callable[[], bool]) -> AsyncIterator[Next]:
        """What comes next, where that changes, until there is a question to judge or none is left."""
        last: Next | None = None
        while wanted():
            found = await self._parts.sessions.next(who, session)
            if found != last:
                yield found
            last = found
            if found.session.done or to_judge(found.turn):
                return
            await asyncio.sleep(LOOK_S)

    def shown(self, found: Next) -> Updates:
        """The bar of a session that is on."""
        updates = visible(self.bar, self.buttons, shown=True)
        updates |= {self.far: compare_views.far(found.session, ready=found.ready), self.id: found.session.id}
        return updates | {self.folded: gr.update(open=False), self.list: ""}

    def over(self, who: Person, session: str) -> Updates:
        """What became of a session that is done or was ended."""
        found = self._parts.store.sessions.get(session, owner=who.name)
        said = compare_views.finished(found, self._parts.sessions.left_out(who, session))
        return {**self.none(), **visible(self.bar, shown=True), self.far: said}

    def none(self) -> Updates:
        """No session is on."""
        return {**visible(self.bar, self.buttons, shown=False), self.id: NOWHERE, self.far: ""}

    def current(self, who: Person, stored: Any) -> str | None:
        """The session that this browser tab remembers, if it is one's own, and one may still vote."""
        session = id_in(stored) if who.is_at_least("rater") else None
        try:
            return self._parts.store.sessions.get(session, owner=who.name).id if session else None
        except FtchatError:  # another home, or somebody else's
            return None


def to_judge(turn: TurnSeen | None) -> bool:
    """Whether there is something to look at: an answer, or one that is being written."""
    return turn is not None and (turn.votable or turn.writing)
