"""SIGKILL of the app, the trainer and the engine at each moment of a run: it finishes after a restart, or says why not.

The app is a process of its own that kills itself; the trainer is the real one; the engine is scripted. Four of the
eighteen cases are in `make test`, the others in `make soak`.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from lone_app import MOMENTS, there
from room import ANN, Room
from runs import corrected

from ftchat.records import Run

CASES = [(victim, moment) for victim in ("app", "trainer", "engine") for moment in MOMENTS]
QUICK = {("app", "train"), ("app", "exam"), ("trainer", "snapshot"), ("engine", "exam")}
PROGRAM = Path(__file__).with_name("lone_app.py")


def cases() -> list[object]:
    return [pytest.param(*case, marks=() if case in QUICK else pytest.mark.soak, id="-".join(case)) for case in CASES]


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A home with corrections of five questions."""
    room = Room(tmp_path)
    await corrected(room, 5)
    await room.close()
    return tmp_path


def trainers(home: Path) -> list[int]:
    """Living trainers of a home: those that write to one of its logs."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            ours = (
                (entry / "fd" / "2").readlink().is_relative_to(home / "data" / "runs")
                if entry.name.isdigit()
                else False
            )
            dead = ours and (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        if ours and not dead:
            found.append(int(entry.name))
    return found


async def until(moment: str, room: Room, run: str) -> None:
    """Return when a run has come to a moment; one that only the app itself can hook into is met by its stage."""
    stage = {"save": "exam", "exam": "exam", "publish": "publish"}.get(moment, "")
    async with asyncio.timeout(60):
        while not (found := room.store.training.run(run)).ended:
            if found.stage == stage or there(room, run, moment):
                return
            await asyncio.sleep(0.005)
    raise AssertionError(f"The run ended before the moment came: {found.reason}")


async def revive(room: Room) -> None:
    """The engine comes back empty, and is given its adapters, as the server and the watch over endpoints do it."""
    await asyncio.sleep(1.5)
    room.vllm.dead = False
    await room.service.load_desired()
    room.reason = ""


async def finished(room: Room) -> Run:
    run = room.pipeline.latest()
    assert run is not None
    async with asyncio.timeout(120):
        while not (found := room.store.training.run(run)).ended:
            await asyncio.sleep(0.05)
    return found


async def champion_answers(room: Room) -> None:
    turn = await room.chat.ask(ANN, "Are you there?", mode="chat")
    await room.done(turn)
    assert room.chat.seen(ANN, turn).lanes[0].finish == "stop"


def all_listed_are_whole(room: Room) -> None:
    for adapter in room.service.adapters():
        room.registry.verify(adapter.name)
    assert room.registry.names() == [adapter.name for adapter in room.service.adapters()]
    room.registry.sweep()
    assert [path.name for path in room.registry.root.glob("*") if path.name not in room.registry.names()] == []


@pytest.mark.parametrize(("victim", "moment"), cases())
async def test_a_run_outlives_a_kill_or_says_why_not(home: Path, victim: str, moment: str) -> None:
    if victim == "app":
        app = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), str(home), moment)
        assert await app.wait() == -signal.SIGKILL
        await asyncio.sleep(0.2)
        assert trainers(home) == []
    room = Room(home)
    room.vllm.logprobs["shop-v1"] = -0.9
    if victim == "app":
        all_listed_are_whole(room)
        room.pipeline.go_on()
    else:
        run = await room.pipeline.press("ann", args={"steps": 12})
        await until(moment, room, run.id)
    if victim == "trainer":
        there_now = trainers(home)
        assert bool(there_now) or moment not in ("snapshot", "train")  # it begins to import while the snapshot is made
        for process in there_now:
            os.kill(process, signal.SIGKILL)
        await champion_answers(room)
    if victim == "engine":
        room.vllm.kill()
        room.reason = "It was killed."
        await revive(room)
    done = await finished(room)
    assert done.reason
    assert (done.stage, done.adapter) == ("done", "shop-v1"), done.reason
    all_listed_are_whole(room)
    assert trainers(home) == []
    await champion_answers(room)
    await room.close()
