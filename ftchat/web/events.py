"""Server-sent events as a response: as starlette streams, with less work, and ended at once when the reader goes.

It does not know what the events say.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Last(str):
    """The text after which none comes: it goes out with the end of the response."""

    __slots__ = ()


class Events(StreamingResponse):
    """The texts of a generator, which is closed in any case."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None], *, headers: Mapping[str, str]) -> None:
        """Nothing is asked of the generator before the response is sent."""
        super().__init__(events, headers=headers)
        self._events = events
        self._left = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them until they end, or the reader goes. A task group, as starlette has, costs more than an answer."""
        sending = asyncio.current_task()
        assert sending is not None
        listening = asyncio.create_task(self._listen(receive, sending))
        try:
            await self.stream_response(send)
        except asyncio.CancelledError:
            if not self._left:
                raise
            sending.uncancel()
        finally:
            listening.cancel()
            await self._events.aclose()

    async def stream_response(self, send: Send) -> None:
        """The head, and each text as it comes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        ended = False
        async for text in self._events:
            ended = isinstance(text, Last)
            await send({"type": "http.response.body", "body": text.encode(), "more_body": not ended})
        if not ended:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _listen(self, receive: Receive, sending: "asyncio.Task[object]") -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._left = True
        sending.cancel()
