"""The trainer seen from the app: a child process that is given a job and leaves metrics and a candidate.

`begin` lets it import what it needs before there is a job; `run` gives it one, waits for it and reports progress;
`stop` asks it to keep the best; `end` kills it. A job that was begun before goes on from its checkpoint, if it left
one. It does not know what a candidate is for.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftchat.errors import TrainingError
from ftchat.training.job import FILE, Job, read_metrics
from ftchat.training.parent import APP

POLL_S = 0.3
_BEGIN, _END = 0.08, 0.85  # the trainer's part of the run's progress bar
_LOADING = {"importing": 0.06, "loading": 0.07, "training": _BEGIN, "saving": _END}


Report = Callable[[float, float | None], Awaitable[None]]  # the run's progress, and the seconds that are left


class _Killed(TrainingError):
    """By somebody else, or by the kernel."""


class Trainee:
    """One training process."""

    def __init__(self, folder: Path) -> None:
        """The job and its log are written to `folder`."""
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._stop_asked = False
        self._heard = False  # the process has begun its job

    async def begin(self) -> None:
        """Start the process, which imports what it needs and waits for its job."""
        self._heard = False
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "trainer.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ftchat.training.early"),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(),
            )

    async def run(self, job: Job, report: Report) -> dict[str, Any]:
        """Train; returns the metrics' last event. Ending without a candidate is a TrainingError with its reason.

        A trainer that is killed was most likely too large for the memory, which Linux says in no other way: once it
        goes on from its checkpoint with half the tokens at once.
        """
        try:
            return await self._run(job, report)
        except _Killed:
            return await self._run(replace(job, halve=True), report)

    async def _run(self, job: Job, report: Report) -> dict[str, Any]:
        if self._process is None or self._process.returncode is not None:  # killed while it had nothing to do yet
            await self.begin()
        assert self._process is not None
        assert self._process.stdin is not None
        path = self._written(job)
        offset = job.metrics.stat().st_size if job.metrics.is_file() else 0
        try:
            self._process.stdin.write(f"{path}\n".encode())
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass  # it ended already: what it left says why
        self._process.stdin.close()
        return await self._follow(job, offset, report=report)

    def _written(self, job: Job) -> Path:
        """The job's file. One that is there is of the same job, which goes on or is done again as it began, perhaps at
        another place."""
        path, aside = self._folder / FILE, self._folder / "job.part"
        if path.is_file():
            before = Job.read(path)
            places = {name: getattr(job, name) for name in ("base", "snapshot", "out", "metrics", "start")}
            job = replace(before, **places, halve=job.halve or before.halve)
        job.write(aside)
        aside.rename(path)
        return path

    def stop(self) -> None:
        """Ask it to finish with the best so far; as soon as it can hear, since before it would just die."""
        self._stop_asked = True
        if self._heard and self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    async def end(self) -> None:
        """Kill it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _follow(self, job: Job, offset: int, *, report: Report) -> dict[str, Any]:
        assert self._process is not None
        last, waiting = dict[str, Any](), asyncio.create_task(self._process.wait())
        while True:
            done, _ = await asyncio.wait([waiting], timeout=POLL_S)
            events, offset = read_metrics(job.metrics, offset)
            self._hear(events)
            for event in events:
                last = event
                if event["event"] == "stage":
                    await report(_LOADING.get(event["stage"], _BEGIN), None)
            steps = [event for event in events if event["event"] == "step"]
            if steps:
                share = steps[-1]["step"] / max(1, steps[-1]["steps"])
                await report(_BEGIN + share * (_END - _BEGIN), steps[-1]["eta_s"])
            if done:
                return self._result(last)

    def _hear(self, events: list[dict[str, Any]]) -> None:
        """Its first word: now it heeds a stop."""
        if events and not self._heard:
            self._heard = True
            if self._stop_asked:
                self.stop()

    def _result(self, last: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        code = self._process.returncode
        if last.get("event") == "done":  # whatever befell it afterwards, the candidate is there
            return last
        if last.get("event") == "error":
            raise TrainingError(str(last["message"]))
        if code == -signal.SIGKILL:
            raise _Killed("The trainer was killed, most likely for lack of memory. Close other programs and retry.")
        if self._stop_asked:
            raise TrainingError("Stopped before there was anything to keep.")
        tail = (self._folder / "trainer.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise TrainingError(f"The trainer ended early (status {code}). Its last line: {tail[-1] if tail else '-'}")


def _environment() -> dict[str, str]:
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    gpu = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PYTORCH_CUDA_ALLOC_CONF")
    kept = {key: os.environ[key] for key in (*keep, *gpu) if key in os.environ}
    return {
        **kept,
        APP: str(os.getpid()),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
