"""A pipeline in a process of its own that kills itself, as SIGKILL would, at one moment of a run.

Run: python tests/lone_app.py HOME MOMENT. The home holds corrections; a run is begun or goes on. Exit status 3 means
that the moment never came. vLLM is scripted; everything else, the trainer too, is real.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from room import Room

import ftchat.registry
from ftchat.pipeline.course import Course

MOMENTS = ("queued", "snapshot", "train", "save", "exam", "publish")


def die(*_: Any, **__: Any) -> None:
    """Nothing is closed, nothing is said."""
    os.kill(os.getpid(), signal.SIGKILL)


def trap(room: Room, moment: str) -> None:
    """Die at a moment that one can hook into; the others are watched for."""
    if moment == "save":
        ftchat.registry.flush = die  # the folder is written, and not yet under its name
    if moment == "exam":
        room.vllm.when_scored = lambda count: die() if count == 5 else None  # the probe's come first
    if moment == "publish":
        Course._conclude = die  # type: ignore[method-assign]


def there(room: Room, run: str, moment: str) -> bool:
    """Whether a run has come to the moment."""
    if moment == "snapshot":
        return len(room.vllm.bodies) > 3  # some of the replay answers are there
    if moment == "train":
        return room.pipeline.seen(run).step >= 3
    return moment == "queued"


async def main(home: Path, moment: str) -> None:
    """Begin, or go on, and die."""
    room = Room(home)
    room.vllm.logprobs["shop-v1"] = -0.9
    room.vllm.pace_s = 0.01
    trap(room, moment)
    run = room.pipeline.go_on() or (await room.pipeline.press("ann", args={"steps": 12})).id
    while not room.store.training.run(run).ended:
        if there(room, run, moment):
            die()
        await asyncio.sleep(0.01)
    sys.exit(3)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
