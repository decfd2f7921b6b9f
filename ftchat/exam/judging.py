"""The process that judges answers, as the app sees it: started early, given everything at once, never waited for long.

It knows how to talk to `python -m ftchat.exam`. It does not know metrics.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

from ftchat.errors import TrainingError

_WAIT_S = 120.0


class Judge:
    """One such process."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self.took = 0.0  # seconds, of the last judging

    async def begin(self) -> None:
        """Let it import what it needs."""
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if key in os.environ}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ftchat.exam",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**kept, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C means the app; without it this ends with its input
        )  # fmt: skip

    async def judge(self, asked: dict[str, Any]) -> tuple[dict[str, Any], list[bool | None]]:
        """The figures, and for each pattern whether its text matches; None: that took too long."""
        if self._process is None:
            await self.begin()
        assert self._process is not None
        began = time.monotonic()
        try:
            async with asyncio.timeout(_WAIT_S):
                out, err = await self._process.communicate(json.dumps(asked).encode())
        except TimeoutError as late:
            raise TrainingError("Judging the exam's answers took too long. Press Retrain to try again.") from late
        self.took = time.monotonic() - began
        if self._process.returncode != 0:
            last = err.decode(errors="replace").strip().splitlines()
            raise TrainingError(f"The exam's answers could not be judged. Its last line: {last[-1] if last else '-'}")
        figures, matches = (json.loads(line) for line in out.decode().splitlines())
        return figures, matches

    async def end(self) -> None:
        """Nothing of it stays."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
