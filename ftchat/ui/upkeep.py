"""What gradio would hold for an open page, put away: streams that nothing more comes through, states of closed pages.

It knows gradio's insides; it does not know who is logged in, or what is on the pages.
"""

import asyncio
from datetime import datetime, timedelta

import gradio as gr
from gradio.server_messages import ProcessCompletedMessage

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
