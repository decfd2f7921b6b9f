"""A trainer that learns nothing, at once, for what comes before and after; and the exam's judge without a process of
its own, which takes seconds to begin. The real ones have tests of their own.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from test_registry import candidate

from ftchat.exam.judged import judge
from ftchat.trainee import Report
from ftchat.training.job import Job, MetricsLog


class QuickTrainee:
    """Leaves a candidate of made-up weights and the metrics of two steps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def begin(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    async def run(self, job: Job, report: Report) -> dict[str, Any]:
        job.write(self._folder / "job.json")
        log = MetricsLog(job.metrics)
        for step in (1, 2):
            log.write("step", step=step, steps=2, loss=1.0 / step, eta_s=0.0)
        candidate(job.out)
        log.write("done", steps=2)
        log.close()
        await report(0.85, None)
        return {"event": "done", "steps": 2}

    def stop(self) -> None:
        """It is too late."""

    async def end(self) -> None:
        """There is no process."""


class QuickJudge:
    """The same figures."""

    took = 0.0

    async def begin(self) -> None:
        """There is nothing to import."""

    async def judge(self, asked: dict[str, Any]) -> tuple[dict[str, Any], list[bool | None]]:
        figures = json.loads(json.dumps(await asyncio.to_thread(judge, asked)))
        return figures, [bool(re.search(pattern, text)) for pattern, text in asked["patterns"]]

    async def end(self) -> None:
        """There is no process."""
