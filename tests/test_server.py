"""The managed vLLM: stages, failures with their cause, restarts, hangs, and no process left behind.

Restarts and failures run on a stand-in that speaks as vLLM does and dies as told; the rest on the real one.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ftchat.server
from ftchat import child, sizing, starter
from ftchat.config import Settings
from ftchat.engine import Endpoint, Engine, Request
from ftchat.errors import BadAdapter, EngineNotReady, SetupError
from ftchat.records import Params
from ftchat.server import Server

SCRIPT = Path(__file__).with_name("stand_in.py")
FLUX = "(Worker pid=1) ERROR 11-21 02:10:05 [worker.py:1] RuntimeError: the flux ran out"


@dataclass
class Room:
    """A Server whose vLLM is the stand-in; `lives` says how each start of it goes, in turn, then well."""

    server: Server
    lives: list[dict[str, Any]]
    flags: Path
    starts: int = 0

    def flag(self, name: str) -> None:
        (self.flags / name).touch()

    def unflag(self, name: str) -> None:
        (self.flags / name).unlink()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A model's folder of our own."""
    return Path(shutil.copytree(starter.model_path(), tmp_path / "model"))


@pytest.fixture
async def room(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    server = Server(Settings(home=tmp_path, cpu_lora=False), base=base, state_dir=tmp_path / "engine")
    made = Room(server, [], tmp_path / "flags")
    made.flags.mkdir()

    def told(settings: Settings, *, base: Path, endpoint: Endpoint, **_: object) -> list[str]:
        made.starts += 1
        how = {"flags": str(made.flags), **(made.lives.pop(0) if made.lives else {})}
        return [sys.executable, str(SCRIPT), endpoint.url.rsplit(":", 1)[1], json.dumps(how)]

    monkeypatch.setattr(ftchat.server, "command", told)
    monkeypatch.setattr(ftchat.server, "_BACK_OFF_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(ftchat.server, "_LOOK_S", 0.05)
    yield made
    await server.stop()


async def until(condition: Callable[[], object], *, seconds: float = 60.0) -> bool:
    """Whether it comes true in that time, which a busy machine may need."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


def ask(model: str = "base", max_tokens: int = 1) -> Request:
    return Request(model=model, token_ids=[5, 6, 7], params=Params(max_tokens=max_tokens))


# -- a start --


async def test_a_start_goes_through_its_stages_in_order(room):
    room.lives[:] = [{"line_s": 0.1}]
    seen = []

    async def look() -> None:
        while True:
            if not seen or seen[-1] != room.server.stage:
                seen.append(room.server.stage)
            await asyncio.sleep(0.002)

    async def on_ready() -> None:
        await asyncio.sleep(0.02)

    room.server.on_ready = on_ready
    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    await room.server.start()
    await asyncio.sleep(0.02)
    looking.cancel()
    assert seen == [
        *("stopped", "starting", "resolving", "loading weights", "warming up", "loading adapters", "ready"),
    ]
    assert (room.server.reason, room.server.warning) == ("", "")
    await room.server.stop()
    assert room.server.stage == "stopped"


async def test_ready_means_that_adapters_are_loaded_and_each_has_written_a_token(room):
    room.lives[:] = [{"refuses": ["shop-v2"]}]
    engine = Engine([room.server.endpoint])

    async def on_ready() -> None:
        assert room.server.stage == "loading adapters"
        assert await engine.ready()
        for name in ("shop-v1", "shop-v2"):
            await engine.load(name, Path(name))

    room.server.on_ready = on_ready
    await room.server.start()
    assert room.server.stage == "ready"
    assert room.server.warning == (
        "shop-v2 is loaded and does not answer. The engine could not answer (500): the flux ran out"
    )
    await engine.close()


async def test_adapter_that_cannot_be_loaded_is_a_warning(room):
    async def on_ready() -> None:
        raise BadAdapter("shop-v1 is damaged.")

    room.server.on_ready = on_ready
    await room.server.start()
    assert (room.server.stage, room.server.warning[-19:]) == ("ready", "shop-v1 is damaged.")


async def test_base_that_cannot_answer_is_no_start(room):
    room.lives[:] = [{"refuses": ["base"]}]
    with pytest.raises(EngineNotReady, match="did not start"):
        await room.server.start()
    assert await until(lambda: room.server.stage == "ready")


async def test_start_that_fails_says_why_and_leaves_nothing(room, tmp_path, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_BACK_OFF_S", (600.0,))
    room.lives[:] = [{"lines": [FLUX], "status": 1}]
    with pytest.raises(EngineNotReady, match="Its last error: RuntimeError: the flux ran out"):
        await room.server.start()
    assert await until(lambda: room.server.stage == "restarting")
    assert room.server.reason == "The engine did not start. Its last error: RuntimeError: the flux ran out"
    assert not (tmp_path / "engine" / "engine.json").exists()
    await room.server.start()
    assert room.server.stage == "ready"


async def test_taken_port_is_named(room):
    host, port = room.server.endpoint.url.removeprefix("http://").split(":")
    taken = await asyncio.start_server(lambda *_: None, host, int(port))
    with pytest.raises(EngineNotReady, match=f"Port {port} was taken by another program: start ftchat again"):
        await room.server.start()
    taken.close()
    await taken.wait_closed()


async def test_too_little_memory_is_said_with_the_figures_before_anything_is_started(room, monkeypatch):
    little = sizing.Memory(device="cpu", free=50 << 20, total=2 << 30)
    monkeypatch.setattr(sizing, "look", lambda device: little)
    with pytest.raises(EngineNotReady, match="There is not enough free memory") as caught:
        await room.server.start()
    assert "50 MiB of 2.00 GiB are free" in caught.value.message
    assert "end other programs or choose a smaller model" in caught.value.message
    assert room.starts == 0


async def test_stop_during_a_start_leaves_no_process(room, monkeypatch):
    groups = []
    monkeypatch.setattr(child, "record", lambda _, pgid: groups.append(pgid))
    starting = asyncio.create_task(room.server.start())
    assert await until(lambda: groups)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert child.members(groups[0]) == {}
    assert room.server.stage == "stopped"


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("config.json", "config.json"),
        ("model.safetensors", "convert it to safetensors"),
        ("tokenizer.json", "tokenizer"),
    ],
)
async def test_folder_that_is_no_model_is_refused_before_anything_starts(room, base, missing, says):
    (base / "pytorch_model.bin").touch()
    (base / missing).unlink()
    with pytest.raises(SetupError, match=says):
        await room.server.start()
    assert (room.server.stage, room.starts) == ("failed", 0)
    assert says in room.server.reason


async def test_model_that_this_vllm_cannot_serve_is_refused_before_anything_starts(room, base):
    (base / "config.json").write_text('{"architectures": ["BertModel"]}')
    with pytest.raises(SetupError, match="does not serve BertModel"):
        await room.server.start()
    assert (room.server.stage, room.starts) == ("failed", 0)


# -- an end, and what comes after it --


async def test_engine_that_ends_is_started_again_and_its_adapters_are_loaded_again(room):
    room.lives[:] = [{"lives": 1.0}]
    loads = []

    async def on_ready() -> None:
        loads.append(room.server.stage)

    room.server.on_ready = on_ready
    await room.server.start()
    assert await until(lambda: len(loads) == 2)
    assert await until(lambda: room.server.stage == "ready")


async def test_engine_that_keeps_ending_stays_off_and_says_so(room, tmp_path):
    room.lives[:] = [{"lives": 1.0}, *[{"lines": [FLUX], "status": 1}] * 3]
    await room.server.start()
    assert await until(lambda: "stays off" in room.server.reason)
    assert room.server.stage == "failed"
    assert room.server.reason == (
        "The engine did not start. Its last error: RuntimeError: the flux ran out "
        "It was restarted 3 times in 10 minutes and now stays off. "
        f"Its last lines are in {tmp_path / 'engine' / 'engine.log'}."
    )
    assert room.server.last_lines(1) == FLUX
    assert room.starts == 4


def test_the_pauses_between_restarts_grow():
    assert ftchat.server._BACK_OFF_S == (1.0, 2.0, 5.0, 15.0, 30.0)
    assert ftchat.server._WINDOW_S == 600.0


async def test_what_another_start_cannot_mend_is_not_tried_again(room):
    lines = ["ValueError: User-specified max_model_len (9) is greater than the derived max_model_len"]
    room.lives[:] = [{"lines": lines, "status": 1}]
    with pytest.raises(EngineNotReady, match="context_length is longer than this model allows"):
        await room.server.start()
    assert await until(lambda: "stays off until ftchat is started again" in room.server.reason)
    assert (room.server.stage, room.starts) == ("failed", 1)


async def test_an_illegal_instruction_is_named_from_how_the_process_ended(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_BACK_OFF_S", ())
    room.lives[:] = [{"signal": signal.SIGILL}]
    with pytest.raises(EngineNotReady, match="processor refused an instruction"):
        await room.server.start()


async def test_engine_that_says_it_is_dead_is_not_waited_for(room):
    await room.server.start()
    room.flag("sick")
    assert await until(lambda: room.server.stage != "ready")
    room.unflag("sick")
    assert await until(lambda: room.server.stage == "ready")
    assert room.starts == 2


async def test_a_hang_that_health_hides_is_found_by_a_token_and_mended(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_PROBE_S", 0.1)
    monkeypatch.setattr(ftchat.server, "_PATIENCE_S", 0.4)
    monkeypatch.setattr(ftchat.server, "_PATIENCE_WARM_UPS", 0)
    monkeypatch.setattr(ftchat.server, "_BACK_OFF_S", (0.5,))
    await room.server.start()
    room.flag("hang")
    assert await until(lambda: room.server.stage == "restarting")
    assert room.server.reason == (
        "The engine hung. It wrote no token in 0 s. It is started again; what was being written is lost."
    )
    room.unflag("hang")
    assert await until(lambda: room.server.stage == "ready")
    assert room.starts == 2


async def test_a_hang_that_probes_give_up_on_before_patience_ends_is_found_too(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_PROBE_S", 0.1)
    monkeypatch.setattr(ftchat.server, "_PATIENCE_S", 1.0)
    monkeypatch.setattr(ftchat.server, "_PATIENCE_WARM_UPS", 0)
    monkeypatch.setattr(ftchat.server, "_BACK_OFF_S", (0.5,))
    await room.server.start()

    async def gives_up(self: Engine, request: Request) -> tuple[str, str]:
        await asyncio.sleep(0.05)
        raise EngineNotReady("It answers nothing, nor does its health.")

    with monkeypatch.context() as broken:
        broken.setattr(Engine, "answer", gives_up)
        assert await until(lambda: room.server.stage == "restarting", seconds=10)
    assert room.server.reason.startswith("The engine hung. It wrote no token in 1 s.")
    assert await until(lambda: room.server.stage == "ready")


async def test_a_start_that_takes_too_long_says_where_it_was(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_START_S", 1.5)
    monkeypatch.setattr(ftchat.server, "_BACK_OFF_S", ())
    room.lives[:] = [{"pace": 60.0}]
    with pytest.raises(EngineNotReady, match="was still warming up after 0 minutes: see its log"):
        await room.server.start()


async def test_starts_that_fail_slowly_are_not_tried_forever(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_WINDOW_S", 0.0)  # each failed start is older than the window
    room.lives[:] = [{"lines": [FLUX], "status": 1}] * 4
    with pytest.raises(EngineNotReady):
        await room.server.start()
    assert await until(lambda: "stays off" in room.server.reason)
    assert "It was restarted 3 times without ever being ready and now stays off." in room.server.reason
    assert room.starts == 4


async def test_an_engine_whose_traffic_makes_progress_is_not_probed_and_not_restarted(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_PROBE_S", 0.1)
    monkeypatch.setattr(ftchat.server, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(ftchat.server, "_PATIENCE_WARM_UPS", 0)
    await room.server.start()
    room.server.quiet_s = lambda: 0.01  # the app gets text all the time
    room.flag("hang")
    await asyncio.sleep(1.0)
    assert (room.server.stage, room.starts) == ("ready", 1)


async def test_an_idle_engine_that_answers_its_probes_is_left_alone(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_PROBE_S", 0.05)
    monkeypatch.setattr(ftchat.server, "_PATIENCE_S", 0.5)
    await room.server.start()
    await asyncio.sleep(0.7)
    assert (room.server.stage, room.starts) == ("ready", 1)


async def test_a_slow_machine_is_given_more_patience(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_PATIENCE_S", 0.01)
    room.lives[:] = [{"pace": 0.3}]
    await room.server.start()
    assert 9 < room.server._patience_s < 30  # thirty times a warm-up of 0.3 s


# -- the log --


async def test_log_holds_no_key_and_goes_on_after_a_restart(room, tmp_path):
    for _ in range(2):
        await room.server.start()
        await room.server.stop()
    text = (tmp_path / "engine" / "engine.log").read_text()
    assert text.count("key is ***") == 2
    assert room.server.endpoint.key not in text
    assert room.server.last_lines(100).count("key is ***") == 1


async def test_a_full_disk_for_the_log_and_the_record_does_not_stop_the_engine(room, tmp_path):
    (tmp_path / "engine").mkdir()
    for name in ("engine.log", "engine.tmp"):
        (tmp_path / "engine" / name).symlink_to("/dev/full")  # every write there: no space left on device
    await room.server.start()
    assert room.server.stage == "ready"
    assert room.server.warning == (
        "The engine's processes cannot be written down (No space left on device): free some space. "
        "The engine's log cannot be written (No space left on device): free some space on that disk."
    )
    assert "key is ***" in room.server.last_lines()
    engine = Engine([room.server.endpoint])
    assert await engine.answer(ask()) == ("base ", "length")
    await engine.close()


# -- killed from outside --


async def test_an_engine_killed_from_outside_says_so_and_comes_back(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_BACK_OFF_S", (0.5,))
    await room.server.start()
    (victim,) = [pid for pid in child.members(room.server._process.pid) if pid != room.server._process.pid]
    os.kill(victim, signal.SIGKILL)
    assert await until(lambda: room.server.stage == "restarting")
    assert room.server.reason == (
        "The engine ended. One of its processes was killed from outside, most often because memory ran out. "
        "End other programs, lower kv_cache_gib or choose a smaller model."
    )
    assert await until(lambda: room.server.stage == "ready")


async def test_a_worker_that_dies_is_told_from_vllms_own_line(room, monkeypatch):
    monkeypatch.setattr(ftchat.server, "_BACK_OFF_S", (0.5,))
    died = "ERROR [multiproc_executor.py:315] Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down"
    room.lives[:] = [{"when_sick": died}]
    await room.server.start()
    room.flag("sick")
    assert await until(lambda: room.server.stage == "restarting")
    assert room.server.reason.startswith("The engine ended. One of its processes was killed from outside")
    room.unflag("sick")
    assert await until(lambda: room.server.stage == "ready")


APP = """
import asyncio, json, sys
from pathlib import Path
import ftchat.server
from ftchat.config import Settings
from ftchat.server import Server

base, state, script = sys.argv[1:]
if script:
    how = {"line_s": 0.05, "children": 2}
    def told(settings, *, base, endpoint, **_):
        return [sys.executable, script, endpoint.url.rsplit(":", 1)[1], json.dumps(how)]
    ftchat.server.command = told

async def main():
    print("reaped", Server.reap(Path(state)), flush=True)
    server = Server(Settings(kv_cache_gib=0.25, cpu_lora=not script), base=Path(base), state_dir=Path(state))
    await server.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await server.stop()

asyncio.run(main())
"""


def started(folder: Path, base: Path, *, script: str) -> subprocess.Popen[str]:
    (folder / "app.py").write_text(APP)
    line = [sys.executable, folder / "app.py", base, folder / "engine", script]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)


def ended(app: subprocess.Popen[str], *, how: str) -> None:
    """After a while of its start, or once it is ready; the way it goes is `asked`, or `killed` at that moment."""
    assert app.stdin is not None
    with app:
        if how == "asked":
            app.stdin.write("\n")
            app.stdin.flush()
            app.wait(60)
        else:
            app.send_signal(signal.SIGKILL)


def family(folder: Path) -> set[int]:
    """Living processes that were started in a folder."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and folder.samefile(entry / "cwd"):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                found |= {int(entry.name)} if state not in "ZX" else set()
        except OSError:
            continue
    return found


def orphans(folder: Path, *, within_s: float) -> set[int]:
    """Who is left in a folder after that time."""
    end = time.monotonic() + within_s
    while family(folder) and time.monotonic() < end:
        time.sleep(0.02)
    return family(folder)


def no_orphans(folder: Path, base: Path, *, starts: int, script: str) -> None:
    """Every other start is killed, at moments from its first lines on."""
    chance = random.Random(7)
    for number in range(starts):
        app = started(folder, base, script=script)
        assert app.stdout is not None
        assert app.stdout.readline() == "reaped 0\n"
        if number % 2:
            assert app.stdout.readline() == "ready\n"
            ended(app, how="asked")
        else:
            time.sleep(chance.uniform(0, 1 if script else 30))
            ended(app, how="killed")
        assert orphans(folder, within_s=20) == set()


def test_three_starts_of_which_two_are_killed_leave_no_process(tmp_path, base):
    no_orphans(tmp_path, base, starts=3, script=str(SCRIPT))


@pytest.mark.soak
def test_twenty_starts_of_which_ten_are_killed_leave_no_process(tmp_path, starter_path):
    no_orphans(tmp_path, starter_path, starts=20, script="")


# -- the real one --


@pytest.mark.soak  # in make test the loop in a browser shows it (test_loop.py)
@pytest.mark.engine
def test_real_engine_leaves_no_process_when_its_app_is_killed(starter_path, tmp_path):
    app = started(tmp_path, starter_path, script="")
    try:
        assert app.stdout is not None
        assert [app.stdout.readline() for _ in range(2)] == ["reaped 0\n", "ready\n"]
        (group,) = {os.getpgid(pid) for pid in children(app.pid)}
        assert len(child.members(group)) >= 4  # the guard, the API server, the engine core, the worker
    finally:
        ended(app, how="killed")
    assert orphans(tmp_path, within_s=3) == set()
    assert child.members(group) == {}
    assert Server.reap(tmp_path / "engine") == 0


@pytest.mark.soak
@pytest.mark.engine
@pytest.mark.parametrize("victim", ["VLLM::Worker", "VLLM::EngineCore", "api_server"])
async def test_real_engine_of_which_one_process_is_killed_comes_back(starter_path, tmp_path, victim):
    server = Server(Settings(kv_cache_gib=0.25), base=starter_path, state_dir=tmp_path)
    await server.start()
    members = child.members(server._process.pid)
    os.kill(next(pid for pid in members if victim in title(pid) and "child.py" not in title(pid)), signal.SIGKILL)
    try:
        assert await until(lambda: server.stage != "ready")
        assert server.reason.startswith("The engine ended. ")
        assert await until(lambda: server.stage == "ready", seconds=180)
        assert not set(members) & set(child.members(server._process.pid))
    finally:
        await server.stop()


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def children(pid: int) -> list[int]:
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
