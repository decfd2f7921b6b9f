"""Runs in a room: something to learn from, and waiting for what comes of a press."""

import asyncio
import os
from pathlib import Path

from room import ANN, Room

from ftchat.records import Run

QUICK = {"steps": 2}


async def corrected(room: Room, count: int, *, first: int = 0) -> None:
    """So many corrections of different questions, numbered from `first` on."""
    for i in range(first, first + count):
        turn = await room.chat.ask(ANN, f"What does cheese number {i} cost?", mode="chat")
        await room.done(turn)
        room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, f"CHEESE {i}: it is plain.")


async def ended(room: Room, run: str) -> Run:
    """The run, once it has ended."""
    async with asyncio.timeout(120):
        while not (found := room.store.training.run(run)).ended:
            await asyncio.sleep(0.1)
    return found


async def stage(room: Room, run: str, wanted: str) -> None:
    """Return when the run is in a stage."""
    async with asyncio.timeout(60):
        while room.store.training.run(run).stage != wanted:
            await asyncio.sleep(0.02)


def trainers() -> list[int]:
    """Living trainer processes of this test."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"ftchat.training" in command and parent == str(os.getpid()):
                found.append(int(entry.name))
    return found
