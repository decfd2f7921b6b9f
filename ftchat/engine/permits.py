"""A count of permits that are taken n at a time, in the order of asking. It does not know what they are for."""

import asyncio
from collections import deque

from ftchat.errors import EngineBusy


class Permits:
    """`total` permits. Giving back never waits."""

    def __init__(self, total: int) -> None:
        """All of them free."""
        self._total = total
        self._free = total
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, n: int, *, patience_s: float) -> None:
        """Wait for n at once, at most so long."""
        if n > self._total:
            raise EngineBusy(f"{n} answers at once are asked for; max_in_flight is {self._total}.")
        if not self._queue and self._free >= n:
            self._free -= n
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((n, turn))
        try:
            async with asyncio.timeout(patience_s):
                await turn
        except (TimeoutError, asyncio.CancelledError) as err:
            self._leave(n, turn)
            if isinstance(err, TimeoutError):
                raise EngineBusy("Many people are waiting for answers just now. Try again in a moment.") from err
            raise

    def give(self, n: int) -> None:
        """Give n back, and let in whoever they are enough for."""
        self._free += n
        while self._queue and (self._queue[0][1].done() or self._free >= self._queue[0][0]):
            wanted, turn = self._queue.popleft()
            if not turn.done():
                self._free -= wanted
                turn.set_result(None)

    def _leave(self, n: int, turn: asyncio.Future[None]) -> None:
        """Give up waiting; permits that came at that very moment go back."""
        if turn.done() and not turn.cancelled():
            self.give(n)
        else:
            turn.cancel()
            self.give(0)
