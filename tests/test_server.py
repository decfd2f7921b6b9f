"""The managed vLLM: stages, failures with their cause, restarts, and no process left behind.

Restarts and failures run on a stand-in that speaks as vLLM does and dies as told; the rest on the real one.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

import ftchat.server
from ftchat import child
from ftchat.config import Settings
from ftchat.engine import Endpoint, Engine
from ftchat.errors import BadAdapter, EngineNotReady, SetupError
from ftchat.server import Server, command, environment
from ftchat.server_log import Log, cause_of

STAND_IN = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

port, lives = int(sys.argv[1]), float(sys.argv[2])
print("key is", os.environ["VLLM_API_KEY"], flush=True)
print("(Worker pid=1) INFO Starting to load model x...", flush=True)
if lives < 0:
    print("(Worker pid=1) ERROR 11-21 02:10:05 [worker.py:1] RuntimeError: the flux ran out", flush=True)
    sys.exit(1)

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        event = {"choices": [{"text": "x", "finish_reason": "stop"}]}
        self.send_response(200); self.end_headers()
        self.wfile.write(f"data: {json.dumps(event)}\\n\\n".encode())

server = HTTPServer(("127.0.0.1", port), Answer)
server.timeout = 0.05
end = time.monotonic() + lives
while time.monotonic() < end:
    server.handle_request()
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder that looks like a model."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").touch()
    return folder


@pytest.fixture
async def stand_in(tmp_path: Path, base: Path, monkeypatch):
    """A Server whose vLLM is the stand-in; `lives` holds how many seconds each start of it lives."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    lives = [600.0]

    def told(settings: Settings, *, base: Path, endpoint: Endpoint) -> list[str]:
        return [sys.executable, str(script), endpoint.url.rsplit(":", 1)[1], str(lives.pop(0) if lives else 600.0)]

    monkeypatch.setattr(ftchat.server, "command", told)
    monkeypatch.setattr(ftchat.server, "_BACK_OFF_S", (0.0, 0.0, 0.0))
    server = Server(Settings(home=tmp_path, cpu_lora=False), base=base, state_dir=tmp_path / "engine")
    yield server, lives
    await server.stop()


async def until(condition: Callable[[], object]) -> bool:
    """Whether it comes true within 20 s."""
    for _ in range(2000):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


async def test_start_goes_through_its_stages_and_loads_adapters_before_it_is_ready(stand_in):
    server, _ = stand_in
    at_load = []

    async def on_ready() -> None:
        at_load.append((server.stage, await Engine([server.endpoint]).ready()))

    server.on_ready = on_ready
    assert server.stage == "stopped"
    await server.start()
    assert at_load == [("warming up", True)]
    assert (server.stage, server.reason, server.warning) == ("ready", "", "")
    await server.stop()
    assert server.stage == "stopped"


async def test_adapter_that_cannot_be_loaded_is_a_warning(stand_in):
    server, _ = stand_in

    async def on_ready() -> None:
        raise BadAdapter("shop-v1 is damaged.")

    server.on_ready = on_ready
    await server.start()
    assert (server.stage, server.warning[-19:]) == ("ready", "shop-v1 is damaged.")


async def test_engine_that_ends_is_started_again_and_its_adapters_are_loaded_again(stand_in):
    server, lives = stand_in
    lives[:] = [1.0, 600.0]
    loads = []

    async def on_ready() -> None:
        loads.append(server.stage)

    server.on_ready = on_ready
    await server.start()
    assert await until(lambda: len(loads) == 2)
    assert await until(lambda: server.stage == "ready")


async def test_engine_that_keeps_ending_stays_off_and_says_so(stand_in):
    server, lives = stand_in
    lives[:] = [1.0, -1.0, -1.0, -1.0]
    await server.start()
    assert await until(lambda: "stays off" in server.reason)
    assert server.stage == "failed"
    assert server.reason == (
        "The engine did not start. Its last error: RuntimeError: the flux ran out "
        "It was restarted 3 times in 10 minutes and now stays off."
    )
    assert lives == []


async def test_start_that_fails_says_why_and_leaves_nothing(stand_in, tmp_path):
    server, lives = stand_in
    lives[:] = [-1.0]
    with pytest.raises(EngineNotReady, match="the flux ran out"):
        await server.start()
    assert server.stage == "failed"
    assert not (tmp_path / "engine" / "engine.json").exists()
    await server.start()
    assert server.stage == "ready"


def test_last_error_is_the_one_that_says_something():
    lines = [
        "ERROR KeyError: 'x'",
        'ERROR   File "a.py"',
        "EngineDeadError: See stack trace (above) for the root cause.",
    ]
    assert cause_of(lines, 1) == "Its last error: ERROR KeyError: 'x'"


async def test_taken_port_is_named(stand_in):
    server, _ = stand_in
    host, port = server.endpoint.url.removeprefix("http://").split(":")
    taken = await asyncio.start_server(lambda *_: None, host, int(port))
    with pytest.raises(EngineNotReady, match=f"Port {port} was taken"):
        await server.start()
    taken.close()
    await taken.wait_closed()


async def test_stop_during_a_start_leaves_no_process(stand_in, monkeypatch):
    server, _ = stand_in
    groups = []
    monkeypatch.setattr(child, "record", lambda _, pgid: groups.append(pgid))
    starting = asyncio.create_task(server.start())
    assert await until(lambda: groups)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert child.members(groups[0]) == {}


async def test_log_holds_no_key_and_keeps_its_predecessor(stand_in, tmp_path):
    server, _ = stand_in
    await server.start()
    await server.stop()
    await server.start()
    for name in ("engine.log", "engine.log.1"):
        assert "key is ***" in (tmp_path / "engine" / name).read_text()
    assert "key is ***" in server.last_lines()


def test_log_that_cannot_be_written_says_so_and_goes_on(tmp_path):
    log = Log(tmp_path / "missing" / "engine.log", secret="s")
    log.add("a line")
    assert log.last() == "a line"
    assert "cannot be written" in log.trouble


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("OSError: [Errno 98] Address already in use", 1, "port was taken"),
        ("DefaultCPUAllocator: can't allocate memory", 1, "kv_cache_gib"),
        ("ValueError: Available memory on node 0 (1/2 GiB) on kv cache allocation is less than", 1, "kv_cache_gib"),
        ("", 137, "memory ran out"),
        ("", 132, "instruction"),
        ("ERROR Worker proc VllmWorker-0 died unexpectedly (exit code: -4), shutting down.", 1, "instruction"),
        ("ERROR Worker proc VllmWorker-0 died unexpectedly (exit code: None), shutting down.", 1, "memory ran out"),
        ("ValueError: User-specified max_model_len (9) is greater than the derived max_model_len", 1, "context_length"),
        ("safetensors_rust.SafetensorError: Error while deserializing header", 1, "damaged"),
        ("OSError: [Errno 28] No space left on device", 1, "disk is full"),
        ("ModuleNotFoundError: No module named 'vllm'", 1, "Install ftchat again"),
        ("(EngineCore pid=7) ERROR 11-21 02:10:05 [core.py:3] KeyError: 'x'", 1, "last error: KeyError: 'x'"),
        ("INFO all is well", 3, "exit status 3"),
    ],
)
def test_cause_is_a_sentence_with_a_remedy(line, status, says):
    assert says in cause_of(["INFO begin", line], status)


def test_command_rounds_the_rank_up_and_holds_no_key():
    endpoint = Endpoint("http://127.0.0.1:8111", "the-key")
    line = command(Settings(max_lora_rank=33, context_length=512, kv_cache_gib=0.5), base=Path("/m"), endpoint=endpoint)
    after = dict(pairwise(line))
    assert after["--max-lora-rank"] == "64"
    assert after["--max-model-len"] == "512"
    assert (after["--host"], after["--port"], after["--model"]) == ("127.0.0.1", "8111", "/m")
    assert "the-key" not in " ".join(line)


def test_environment_passes_on_only_what_is_known_to_be_needed():
    given = {"PATH": "/bin", "HF_TOKEN": "secret", "VLLM_LORA_RESOLVER_CACHE_DIR": "/x", "OMP_NUM_THREADS": "9"}
    found = environment(Settings(cpu_lora=False), key="k", given=given)
    assert found["PATH"] == "/bin"
    assert (found["VLLM_API_KEY"], found["FTCHAT_CPU_LORA"], found["HF_HUB_OFFLINE"]) == ("k", "0", "1")
    assert not {"HF_TOKEN", "VLLM_LORA_RESOLVER_CACHE_DIR", "OMP_NUM_THREADS"} & set(found)


@pytest.mark.parametrize(
    ("missing", "says"),
    [("model", "no folder"), ("model/config.json", "config.json"), ("model/model.safetensors", "safetensors")],
)
async def test_folder_that_is_no_model_is_refused_before_anything_starts(tmp_path, base, missing, says):
    (base / "pytorch_model.bin").touch()
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    server = Server(Settings(), base=base, state_dir=tmp_path / "engine")
    with pytest.raises(SetupError, match=says):
        await server.start()
    assert not (tmp_path / "engine").exists()


@pytest.mark.engine
def test_real_engine_is_ready_mended_and_closed_to_strangers(vllm):
    assert (vllm.stage, vllm.reason, vllm.warning) == ("ready", "", "")
    assert httpx.get(f"{vllm.endpoint.url}/v1/models").status_code == 401
    assert vllm.endpoint.key not in vllm.last_lines(2000)


APP = """
import asyncio, sys
from pathlib import Path
from ftchat.config import Settings
from ftchat.server import Server

async def main():
    server = Server(Settings(kv_cache_gib=0.25), base=Path(sys.argv[1]), state_dir=Path(sys.argv[2]))
    await server.start()
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.engine
def test_real_engine_leaves_no_process_when_its_app_is_killed(starter_path, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    line = [sys.executable, tmp_path / "app.py", starter_path, tmp_path / "engine"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as app:
        try:
            assert app.stdout is not None
            assert app.stdout.readline() == "ready\n"
            (group,) = {os.getpgid(pid) for pid in children(app.pid)}
            assert len(child.members(group)) >= 4  # the guard, the API server, the engine core, the worker
        finally:
            app.send_signal(signal.SIGKILL)
    end = time.monotonic() + 3
    while child.members(group) and time.monotonic() < end:
        time.sleep(0.02)
    assert child.members(group) == {}
    assert Server.reap(tmp_path / "engine") == 0


def children(pid: int) -> list[int]:
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
