"""Room for a trainer on one device: the plan and its words, and an engine that stands aside and comes back."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

import ftchat.server
from ftchat import aside, progress, sizing, starter
from ftchat.aside import Plan, Room, plan
from ftchat.config import Settings, TrainArgs
from ftchat.engine import Endpoint
from ftchat.errors import SetupError
from ftchat.records import Run
from ftchat.server import Server
from ftchat.sizing import GIB, Memory

STAND_IN = Path(__file__).with_name("stand_in.py")


def gpu(free: float, total: float = 24) -> Memory:
    return Memory(device="gpu", free=int(free * GIB), total=int(total * GIB))


def test_both_share_a_gpu_where_the_trainer_fits_beside_the_engine() -> None:
    words = "The trainer needs about 6.00 GiB, and 8.00 GiB of the GPU are free beside the engine."
    assert plan("auto", gpu(8), needed=6 * GIB) == Plan(False, words)


def test_the_engine_stands_aside_where_the_trainer_does_not_fit() -> None:
    found = plan("auto", gpu(4), needed=6 * GIB)
    assert found.aside
    assert found.words == (
        "The trainer needs about 6.00 GiB, and 4.00 GiB of the GPU are free beside the engine, which stands aside. "
        "Nothing is answered until it has trained."
    )


@pytest.mark.parametrize(("how", "gone"), [("always", False), ("never", True)])
def test_the_settings_decide_whatever_is_free(how: aside.Beside, gone: bool) -> None:
    assert [plan(how, gpu(free), needed=6 * GIB).aside for free in (1, 20)] == [gone, gone]


def test_a_gpu_whose_memory_cannot_be_read_is_shared() -> None:
    assert not plan("auto", gpu(0, 0), needed=6 * GIB).aside


def test_another_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="train_beside is 'maybe': use auto, always or never"):
        Settings(home=tmp_path, train_beside="maybe")  # type: ignore[arg-type]


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """An engine that is up; its process is a stand-in."""

    def told(settings: Settings, *, base: Path, endpoint: Endpoint, **_: object) -> list[str]:
        return [sys.executable, str(STAND_IN), endpoint.url.rsplit(":", 1)[1], "{}"]

    monkeypatch.setattr(ftchat.server, "command", told)
    made = Server(Settings(home=tmp_path, cpu_lora=False), base=starter.model_path(), state_dir=tmp_path / "engine")
    await made.start()
    yield made
    await made.stop()


def room(server: Server, how: aside.Beside, *, idle: Callable[[], bool] = lambda: True) -> Room:
    return Room(server, Settings(home=Path(), train_beside=how), starter.model_path(), idle=idle)


async def test_an_engine_that_stands_aside_says_why_and_comes_back(server: Server) -> None:
    async with room(server, "never").made(TrainArgs(), lambda: 0) as words:
        assert words == "The engine stands aside, as the settings say. Nothing is answered until it has trained."
        assert (server.stage, server.reason) == ("stopped", words)
    assert (server.stage, server.reason) == ("ready", "")


async def test_it_comes_back_after_a_training_that_failed(server: Server) -> None:
    with pytest.raises(ValueError, match="no rows"):
        async with room(server, "never").made(TrainArgs(), lambda: 0):
            raise ValueError("no rows")
    assert server.stage == "ready"


async def test_it_stays_away_when_the_app_ends(server: Server) -> None:
    async def train() -> None:
        async with room(server, "never").made(TrainArgs(), lambda: 0):
            await asyncio.sleep(60)

    training = asyncio.create_task(train())
    while server.stage != "stopped":
        await asyncio.sleep(0.01)
    training.cancel()
    await asyncio.wait([training])
    assert server.stage == "stopped"


async def test_what_is_being_written_is_finished_first(server: Server) -> None:
    writing = [True, True]  # at the first two looks
    stages = []

    def idle() -> bool:
        stages.append(server.stage)
        return not (writing and writing.pop())

    async with room(server, "never", idle=idle).made(TrainArgs(), lambda: 0):
        assert stages == ["stopped"] * 3  # who asks anew is told
    assert server.stage == "ready"


async def test_an_engine_that_did_not_survive_beside_the_trainer_comes_back_after_it(server: Server) -> None:
    async with room(server, "auto").made(TrainArgs(), lambda: 0):
        await server.stop()
        server.stage = "failed"  # as after five restarts for which there was no memory
    assert server.stage == "ready"


async def test_on_a_gpu_the_plan_goes_by_the_memory_of_this_moment_and_the_run_s_own_size(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "flavour", lambda: "gpu")
    monkeypatch.setattr(sizing, "look", lambda device: gpu(1.5))
    small, large = TrainArgs(rank=8, batch_tokens=256), TrainArgs(rank=512, batch_tokens=16384)
    asked = ((small, 9), (large, 9), (small, 50_000))
    plans = [room(server, "auto").plan(args, partial(int, longest)) for args, longest in asked]
    assert [plan.aside for plan in plans] == [False, True, True]
    async with room(server, "auto").made(large, lambda: 0) as words:
        assert (server.stage, server.reason) == ("stopped", words)
    assert server.stage == "ready"


async def test_on_a_cpu_it_stays_up(server: Server) -> None:
    async with room(server, "auto").made(TrainArgs(), lambda: 0) as words:
        assert (words, server.stage) == ("", "ready")


def test_what_was_done_is_told_with_the_run(tmp_path: Path) -> None:
    run = Run(id="r_1", stage="train", by="ann", created_at="2026-01-01T00:00:00Z")
    assert progress.see(run, tmp_path).room == ""
    for words in ("The engine stands aside.", "They share."):  # a run that lost its app asks anew
        progress.note_room(tmp_path, words)
    assert progress.see(run, tmp_path).room == "They share."
