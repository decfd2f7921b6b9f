"""Servers, each started on a free port and ended with all its processes: vLLM as the app manages it, vLLM bare, the
app.

It knows how long each took to be there. It does not know what is asked of them.
"""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ftchat import child, sizing
from ftchat.config import Settings
from ftchat.engine import Endpoint, Engine
from ftchat.launch import command, environment, flavour, free_port
from ftchat.server import Server

ROOT = Path(__file__).resolve().parents[2]
SLOTS = 2  # adapters in one batch; the traffic fills them all
_START_S = 300.0


@dataclass(frozen=True)
class Served:
    """A vLLM that is ready, and its adapters."""

    engine: Engine
    endpoint: Endpoint
    adapters: tuple[str, ...]
    start_s: float


def settings(folder: Path, *, mended: bool = True) -> Settings:
    """Two slots, and a KV cache that is the same on every machine."""
    return Settings(home=folder, max_loras=SLOTS, max_cpu_loras=4, max_lora_rank=32, kv_cache_gib=0.5, cpu_lora=mended)


@asynccontextmanager
async def managed(
    folder: Path, base: Path, adapters: Sequence[Path] = (), *, mended: bool = True
) -> AsyncIterator[Served]:
    """vLLM as the app starts it. `start_s` is until it is ready, as the app calls it, without adapters."""
    server = Server(settings(folder, mended=mended), base=base, state_dir=folder / "engine")
    began = time.perf_counter()
    await server.start()
    start_s = time.perf_counter() - began
    engine = Engine([server.endpoint], max_in_flight=64)
    try:
        for path in adapters:
            await engine.load(path.name, path)
        yield Served(engine, server.endpoint, tuple(path.name for path in adapters), start_s)
    finally:
        await engine.close()
        await server.stop()


def bare_start_s(folder: Path, base: Path) -> float:
    """Seconds until vLLM is healthy, by the same command line, without ftchat's plugin and without anybody's care."""
    given = settings(folder)
    shape = sizing.shape_of(base)
    endpoint = Endpoint(f"http://127.0.0.1:{free_port()}", "bare")
    fitted = sizing.fit(given, shape, sizing.look(flavour())).settings
    line = command(fitted, base=base, endpoint=endpoint, longest=shape.longest)
    env = environment(replace(given, cpu_lora=False), key=endpoint.key, given=os.environ) | {"VLLM_PLUGINS": ""}
    with (folder / "bare.log").open("wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(line, stdout=log, stderr=log, env=env, cwd=folder, start_new_session=True)
        try:
            while not _answers(f"{endpoint.url}/health"):
                if process.poll() is not None or time.perf_counter() - began > _START_S:
                    raise RuntimeError(f"vLLM did not start: {(folder / 'bare.log').read_text()[-2000:]}")
                time.sleep(0.1)
            return time.perf_counter() - began
        finally:
            child.end(process.pid, grace_s=8)
            process.wait()


@contextmanager
def app(home: Path) -> Iterator[str]:
    """The whole app on the practice model, as `make run` starts it; its address, before anybody listens there."""
    home.mkdir()
    port = free_port()
    line = [sys.executable, str(ROOT / "app.py"), "--open", "--home", str(home), "--port", str(port)]
    with (home / "app.log").open("wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log, cwd=home, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        child.kill(process.pid)  # the engine's guard has seen the app go, and ends its own group
        process.wait()


def seconds_until_they_answer(url: str, paths: Sequence[str]) -> dict[str, float]:
    """From now, for each path of a server that is starting."""
    began, found = time.perf_counter(), {}
    while len(found) < len(paths):
        for path in paths:
            if path not in found and _answers(url + path):
                found[path] = time.perf_counter() - began
        if time.perf_counter() - began > _START_S:
            raise RuntimeError(f"{url} does not answer.")
        time.sleep(0.05)
    return found


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return bool(response.read() is not None and response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
