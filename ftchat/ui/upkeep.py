"""What gradio would hold for an open page, put away: streams that nothing more comes through, states of closed pages,
and a description of every component for every page.

It knows gradio's insides; it does not know who is logged in, or what is on the pages.
"""

import asyncio
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage
from gradio.state_holder import SessionState, StateHolder

_LOOK_EVERY_S = 2.0
_FORGET_AFTER = timedelta(days=1)  # an open page lets gradio bring something each minute (see news.js)


class Upkeep:
    """Of the pages in one Blocks."""

    def __init__(self, blocks: gr.Blocks) -> None:
        """Over what is mounted."""
        self._blocks = blocks

    def forget(self, now: datetime) -> None:
        """Forget what is kept for pages that nobody used for a day."""
        states = self._blocks.state_holder
        with states.lock:
            for session, used in list(states.time_last_used.items()):
                if now - used > _FORGET_AFTER:
                    states.session_data.pop(session, None)
                    del states.time_last_used[session]

    async def end_when_idle(self, session: str) -> None:
        """While a session's stream is open: end it when nothing is to come.

        The browser opens one for each event that it learns of while none is open, also for an event that has ended by
        then. Gradio ends a stream only after the end of an event, so that such a one would stay. It is given the end
        of an event that never was, and looks itself whether another has begun meanwhile.
        """
        queue = self._blocks._queue
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            messages = queue.pending_messages_per_session.get(session)
            if messages is not None and not queue.pending_event_ids_session.setdefault(session, set()):
                messages.put_nowait(ProcessCompletedMessage(event_id="none", output={}, success=True))


class Sessions(StateHolder):
    """What gradio holds for each page."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)


class Session(SessionState):
    """What gradio holds for one page, without a description of each component: gradio reads those for links into a
    page's state, which the doorway refuses."""

    def __init__(self, blocks: gr.Blocks) -> None:
        """Gradio describes the components that are among `blocks.blocks`: none."""
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks={}))  # type: ignore[arg-type]

    def __setitem__(self, key: int, value: Any) -> None:
        block = self.blocks_config.blocks.get(key)
        if isinstance(block, gr.State):
            self._state_ttl[key] = (block.time_to_live, datetime.now())  # noqa: DTZ005 - as gradio notes it
            self.state_data[key] = value
        else:
            self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        """No description to be changed."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """No description to be changed."""
