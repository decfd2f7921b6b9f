"""A call that is repeated under its idempotency key: done once, answered alike.

For calls whose parts do not themselves keep what they gave; the others do it in the transaction that writes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from ftchat.records import Person
from ftchat.store import Store

Answer = TypeVar("Answer")


class Repeats:
    """The calls under way that have a key. What they gave is kept in the store, for later ones."""

    def __init__(self, store: Store) -> None:
        """Over an open store."""
        self._store = store
        self._under_way: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def once(self, who: Person, key: str | None, do: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `do` gives, which must be JSON; under a key that was used before, what it gave then."""
        if key is None:
            return await do()
        here = (who.name, key)
        if here not in self._under_way:
            task = asyncio.create_task(self._kept(who, key, do))
            self._under_way[here] = task
            task.add_done_callback(lambda done: self._over(here, done))
        # Shielded: a client that goes away does not take the answer from the one that asks again.
        answer: Answer = await asyncio.shield(self._under_way[here])
        return answer

    def at_once(self, who: Person, key: str | None, do: Callable[[], Answer]) -> Answer:
        """The same for what only writes to the store: in one transaction."""
        if key is None:
            return do()
        with self._store.writing():
            before = self._store.once(who.name, key)
            if before is not None:
                return before["answer"]  # type: ignore[no-any-return]
            answer = do()
            self._store.remember(who.name, key, {"answer": answer})
        return answer

    async def _kept(self, who: Person, key: str, do: Callable[[], Awaitable[Answer]]) -> Answer:
        before = await asyncio.to_thread(self._store.once, who.name, key)
        if before is not None:
            return before["answer"]  # type: ignore[no-any-return]  # what this very method kept
        answer = await do()
        await asyncio.to_thread(self._store.remember, who.name, key, {"answer": answer})
        return answer

    def _over(self, here: tuple[str, str], task: asyncio.Task[Any]) -> None:
        del self._under_way[here]
        if not task.cancelled():
            task.exception()  # looked at: whoever still waits gets it, and nobody may be left to


async def _repeats(request: Request) -> Repeats:
    repeats: Repeats = request.app.state.repeats
    return repeats


RepeatsOf = Annotated[Repeats, Depends(_repeats)]
