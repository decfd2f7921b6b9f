"""Writes of many who ask at once, each a step of its own in one transaction: the disk is waited for once for all.

What is asked for while a commit is on its way goes into the next one. A step that fails takes back its own rows and no
others; a commit that fails is told to everyone in it. It knows transactions, not what is written.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from sqlite_utils import Database

_MOST = 64  # steps in one transaction: who waits for the first waits for the last
_BUSY_S = 0.02  # since the last commit: more will be asked for at once,
_GATHER_S = 0.003  # so that a short wait saves many


@dataclass(eq=False)
class _Step:
    """What to do, who waits for it, and what it gave."""

    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    waiting: "asyncio.Future[Any]"
    given: Any = None
    failed: Exception | None = None

    def settle(self) -> None:
        """Tell who waits, on the loop."""
        if self.waiting.done():
            return
        if self.failed is not None:
            self.waiting.set_exception(self.failed)
        else:
            self.waiting.set_result(self.given)


@dataclass(eq=False)
class Batches:
    """One thread that writes what was asked for meanwhile."""

    writing: Callable[[], AbstractContextManager[Database]]
    _asked: "SimpleQueue[_Step | None]" = field(default_factory=SimpleQueue)
    _thread: threading.Thread | None = None
    _starting: threading.Lock = field(default_factory=threading.Lock)

    async def do(self, work: Callable[[], Any]) -> Any:
        """What it gives, when it is on disk."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store", daemon=True)
                self._thread.start()
        loop = asyncio.get_running_loop()
        step = _Step(work, loop, loop.create_future())
        self._asked.put(step)
        return await step.waiting

    def close(self) -> None:
        """End, when all that was asked for is written."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._asked.put(None)
            thread.join()

    def _run(self) -> None:
        ended = 0.0
        while (first := self._asked.get()) is not None:
            if time.monotonic() - ended < _BUSY_S:
                time.sleep(_GATHER_S)
            steps = [first]
            last = False
            while not last and len(steps) < _MOST:
                try:
                    step = self._asked.get_nowait()
                except Empty:
                    break
                if step is None:
                    last = True
                else:
                    steps.append(step)
            self._commit(steps)
            _tell(steps)
            ended = time.monotonic()
            if last:
                return

    def _commit(self, steps: Sequence[_Step]) -> None:
        """All of them in one transaction."""
        try:
            with self.writing() as db:
                for step in steps:
                    _take(step, db.conn)
        except Exception as err:  # noqa: BLE001  # whoever waits is told, whatever it is
            for step in steps:
                step.failed = step.failed or err


def _take(step: _Step, connection: sqlite3.Connection) -> None:
    """One step; raises only what ends the whole transaction, as a full disk does."""
    connection.execute("SAVEPOINT step")
    try:
        step.given = step.work()
    except Exception as err:  # who asked for this step is told
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO step")
        step.failed = err
    connection.execute("RELEASE step")


def _tell(steps: Sequence[_Step]) -> None:
    """Wake who waits: each loop once."""
    for loop in {step.loop for step in steps}:
        mine = [step for step in steps if step.loop is loop]

        def settle(mine: Sequence[_Step] = mine) -> None:
            for step in mine:
                step.settle()

        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            continue  # the loop has ended, and nobody waits in it
