"""The vLLM process that ftchat starts by itself: spawn, stages, warm-up, watch, restart, stop, reap.

It listens on 127.0.0.1 only, on a free port, with a random key that is never on a command line. Its processes are one
group under a guard (child.py), so that none outlives the app. Ready means: healthy, warm, adapters loaded, and each of
them has written a token. It does not know which adapters: whoever does sets `on_ready`.
"""

import asyncio
import contextlib
import logging
import math
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ftchat import child, sizing
from ftchat.base import check_architecture, check_folder, served_here
from ftchat.config import Settings
from ftchat.engine import Endpoint, Engine, Request
from ftchat.errors import EngineError, EngineNotReady, FtchatError, SetupError
from ftchat.launch import command, environment, flavour, free_port, hold_port
from ftchat.records import BASE, Params
from ftchat.server_log import Cause, Log, Stage, cause_of, stage_after

log = logging.getLogger(__name__)
_START_S = 1800.0  # a large model from a slow disk; a start that hangs is told apart by its stage
_GRACE_S = 8.0
_FINISH_S = 60.0
_POLL_S = 0.25
_LOOK_S = 2.0
_LAST_WORDS_S = 1.0
_BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 30.0)
_WINDOW_S = 600.0
_PROBE_S = 15.0  # without any text, before a token is asked for: a hang is not seen in /health
_PATIENCE_S = 60.0  # for that token, at least; and so many times what the warm-up took, for slow machines
_PATIENCE_WARM_UPS = 30
_LATE = "It was still {1} after {0:.0f} minutes: see its log for what takes so long."
_WARM_UP = tuple(range(3, 19))  # 16 tokens: a first prompt of one token kills vLLM 0.32 on AMX processors
_PLUGIN_LINE = "ftchat mends LoRA on CPU"  # as cpu_lora says it, which must not be imported here


class Server:
    """One managed vLLM. Use it from one event loop, but read `stage`, `reason` and `warning` from anywhere."""

    def __init__(self, settings: Settings, *, base: Path, state_dir: Path) -> None:
        """`base` is the model's folder; `state_dir` takes the log and the record of running processes."""
        self._settings = settings
        self._base = base
        self._state_dir = state_dir
        self.endpoint = Endpoint(f"http://127.0.0.1:{free_port()}", secrets.token_hex(24))
        self.stage: Stage = "stopped"
        self.reason = ""
        self.on_ready: Callable[[], Awaitable[None]] | None = None  # after each start, before the stage is ready
        self.quiet_s: Callable[[], float] = lambda: float("inf")  # since the app last got some text from this engine
        self._shortcomings: list[str] = []
        self._log = Log(state_dir / "engine.log", secret=self.endpoint.key)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._held: socket.socket | None = None
        self._patience_s = _PATIENCE_S
        self._was_ready = False
        self._ready_at = -math.inf
        self._cause = Cause("")

    @staticmethod
    def reap(state_dir: Path) -> int:
        """End what a killed app left running in `state_dir`; how many processes. Only under the home's lease."""
        return child.reap(state_dir / "engine.json")

    @property
    def warning(self) -> str:
        """It runs, but not as it should."""
        return " ".join(filter(None, [*self._shortcomings, self._log.trouble]))

    def last_lines(self, count: int = 40) -> str:
        """The newest lines of the log."""
        return self._log.last(count)

    async def start(self) -> None:
        """Start vLLM and return when it answers; from then on it is watched and restarted."""
        if self._watcher is not None:
            await self.stop()
        try:
            check_folder(self._base)
            check_architecture(self._base, served=served_here())
        except SetupError as err:
            self.stage, self.reason = "failed", err.message
            raise
        with contextlib.suppress(OSError):  # a full disk costs the log and the record, not the engine
            self._state_dir.mkdir(parents=True, exist_ok=True)
        try:
            await self._launch()
        finally:  # also after a start that failed: it may come up later
            if self.stage != "stopped":
                self._watcher = asyncio.create_task(self._watch(), name="engine watch")

    async def stand_aside(self, why: str, *, idle: Callable[[], bool]) -> None:
        """End vLLM for a while. What is being written is finished first, as far as that takes no longer than usual;
        who asks meanwhile is told why."""
        self.stage, self.reason = "stopped", why
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_S):
                while not idle():  # noqa: ASYNC110 - it has no bell
                    await asyncio.sleep(_POLL_S)
        await self.stop()
        self.reason = why

    async def stop(self) -> None:
        """End vLLM with all its processes."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await self._end(grace_s=_GRACE_S)
        self.stage, self.reason, self._was_ready = "stopped", "", False

    async def _launch(self) -> None:
        """One start, to the end: ready, or nothing left of it and the reason known."""
        self.stage, self.reason, self._shortcomings = "starting", "", []
        self._log.begin()
        try:
            self._held = self._held or hold_port(self.endpoint)
            async with asyncio.timeout(_START_S):
                await self._until_ready(await self._spawn())
        except TimeoutError as err:
            await self._fail("The engine did not start.", Cause(_LATE.format(_START_S / 60, self.stage)))
            raise EngineNotReady(self.reason) from err
        except Exception as err:
            # Whatever it was, it is said and tried again: a stage that never changes helps nobody.
            ours = isinstance(err, OSError | SetupError)  # says by itself what to do; else the log knows more
            if not isinstance(err, OSError | FtchatError):
                log.exception("The engine's start was broken off.")
            await self._fail("The engine did not start.", Cause(str(err)) if ours else None)
            raise EngineNotReady(self.reason) from err
        except BaseException:
            await self._end(grace_s=0)
            self.stage = "stopped"
            raise

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            *child.guarded(await asyncio.to_thread(self._command)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(self._settings, key=self.endpoint.key, given=os.environ),
            cwd=self._settings.home,
            start_new_session=True,
            limit=1 << 20,
        )
        self._reader = asyncio.create_task(self._read(self._process), name="engine log")
        self._record(self._process)
        return self._process

    def _command(self) -> list[str]:
        """The command line, for the memory there is now; what cannot fit is refused with the figures."""
        shape = sizing.shape_of(self._base)
        found = sizing.fit(self._settings, shape, sizing.look(flavour()))
        if found.hopeless:
            raise SetupError(f"There is not enough free memory. {found.words} {found.advice}")
        share = found.engine / found.memory.total if found.memory.device == "gpu" and found.memory.total else 0.0
        return command(found.settings, base=self._base, endpoint=self.endpoint, longest=shape.longest, gpu_share=share)

    def _record(self, process: asyncio.subprocess.Process) -> None:
        """Write down who belongs to the engine. The guard ends them all anyway, so a full disk is only said."""
        try:
            child.record(self._state_dir / "engine.json", process.pid)
        except OSError as err:
            self._shortcomings = [f"The engine's processes cannot be written down ({err.strerror}): free some space."]

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        """Wait for its health, let it write a few tokens, let the app load its adapters, and let each write one."""
        engine = Engine([self.endpoint])
        try:
            while not await engine.ready():
                if process.returncode is not None:
                    raise EngineNotReady("The engine ended while it was starting.")
                await asyncio.sleep(_POLL_S)
            self.stage = "warming up"
            began = time.monotonic()
            await engine.answer(_request(BASE, max_tokens=8))
            self._patience_s = max(_PATIENCE_S, _PATIENCE_WARM_UPS * (time.monotonic() - began))
            self._record(process)
            self._note_plugin()
            self.stage = "loading adapters"
            if self.on_ready is not None:
                try:
                    await self.on_ready()
                except FtchatError as err:
                    self._shortcomings.append(f"The engine runs, but not all adapters are loaded. {err.message}")
            await self._canaries(engine)
        finally:
            await engine.close()
        self.stage, self._was_ready, self._ready_at = "ready", True, time.monotonic()

    async def _canaries(self, engine: Engine) -> None:
        """Base must write a token; an adapter that cannot is said."""
        await engine.answer(_request(BASE, max_tokens=1))
        for name in sorted(((await engine.models())[0] or frozenset()) - {BASE}):
            try:
                await engine.answer(_request(name, max_tokens=1))
            except EngineNotReady:
                raise
            except FtchatError as err:
                self._shortcomings.append(f"{name} is loaded and does not answer. {err.message}")

    def _note_plugin(self) -> None:
        if flavour() == "cpu" and self._settings.cpu_lora and not any(_PLUGIN_LINE in li for li in self._log.lines):
            self._shortcomings.append(
                "LoRA on CPU is not mended: base may answer wrongly while an adapter answers beside it. "
                "Install ftchat into this environment (pip install -e .), or see the engine's log."
            )

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
            self.stage = stage_after(self._log.add(raw.decode("utf-8", "replace")), self.stage)

    async def _watch(self) -> None:
        """Restart it when it ends or hangs: after 1, 2, 5, 15, 30 s, but not a sixth time within ten minutes, nor a
        sixth time without ever having been ready in between."""
        restarts: list[float] = []
        while True:
            if self._process is not None:  # None after a start that failed and has said why
                await self._fail(*await self._until_gone(self._process))
            restarts = [at for at in restarts if time.monotonic() - at < _WINDOW_S or at > self._ready_at]
            if self._cause.lasting and not self._was_ready:
                self._give_up("It stays off until ftchat is started again.")
                return
            if len(restarts) == len(_BACK_OFF_S):
                quick = time.monotonic() - restarts[0] < _WINDOW_S
                when = "in 10 minutes" if quick else "without ever being ready"
                self._give_up(f"It was restarted {len(restarts)} times {when} and now stays off.")
                return
            self.stage = "restarting"
            await asyncio.sleep(_BACK_OFF_S[len(restarts)])
            restarts.append(time.monotonic())
            with contextlib.suppress(EngineNotReady):
                await self._launch()

    def _give_up(self, why: str) -> None:
        """Say where the last lines are; whoever sits at the console reads them at once."""
        self.reason += f" {why} Its last lines are in {self._state_dir / 'engine.log'}."
        log.error("%s\n%s", self.reason, self.last_lines())

    async def _until_gone(self, process: asyncio.subprocess.Process) -> tuple[str, Cause | None]:
        """Wait until it has ended, says that it is dead, or hangs; what to say of it."""
        engine = Engine([self.endpoint])
        signs = [
            asyncio.create_task(self._ended(process)),
            asyncio.create_task(self._dead(engine)),
            asyncio.create_task(self._hung(engine)),
        ]
        try:
            await asyncio.wait(signs, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(signs[:1], timeout=_LAST_WORDS_S)  # how a process ended says more than that it is gone
            return next(sign for sign in signs if sign.done()).result()
        finally:
            for sign in signs:
                sign.cancel()
            await asyncio.gather(*signs, return_exceptions=True)
            await engine.close()

    async def _ended(self, process: asyncio.subprocess.Process) -> tuple[str, Cause | None]:
        await process.wait()
        return "The engine ended.", None

    async def _dead(self, engine: Engine) -> tuple[str, Cause | None]:
        """A worker that died gives 503 at once, and the process ends by itself only seconds later."""
        looks = 0
        while looks < 2:
            await asyncio.sleep(_LOOK_S)
            looks = looks + 1 if await engine.health() == ["dead"] else 0
        return "The engine ended.", None

    async def _hung(self, engine: Engine) -> tuple[str, Cause | None]:
        """Ask for a token when nobody got one for a while, again if that ends without one. None for long is a hang."""

        def quiet_s() -> float:
            return min(self.quiet_s(), engine.quiet_s())

        since: float | None = None  # when the first of the probes began that got no token
        while True:
            await asyncio.sleep(max(_PROBE_S - quiet_s(), _PROBE_S / 5))
            if quiet_s() < _PROBE_S:
                since = None
                continue
            now = time.monotonic()
            since = now if since is None else max(since, now - quiet_s())
            with contextlib.suppress(EngineError, TimeoutError):
                async with asyncio.timeout(since + self._patience_s - now):
                    await engine.answer(_request(BASE, max_tokens=1))
            if quiet_s() < _PROBE_S:
                since = None
                continue
            waited_s = time.monotonic() - since
            if min(waited_s, quiet_s()) >= self._patience_s:
                how_long = f"It wrote no token in {waited_s:.0f} s."
                return "The engine hung.", Cause(f"{how_long} It is started again; what was being written is lost.")

    async def _fail(self, what: str, cause: Cause | None) -> None:
        """Clear away what is left, and say why."""
        status = self._process.returncode if self._process else None
        await self._end(grace_s=0)
        self._cause = cause or cause_of(self._log.lines, status)
        self.reason = f"{what} {self._cause.sentence}"
        self.stage = "failed"

    async def _end(self, *, grace_s: float) -> None:
        """Leave no process of the group, and all its lines in the log."""
        process, self._process = self._process, None  # its id may be used anew: never end it twice
        if process is not None:
            await asyncio.to_thread(child.end, process.pid, grace_s=grace_s)
            await process.wait()
            if process.stdin is not None:
                process.stdin.close()
            with contextlib.suppress(OSError):
                (self._state_dir / "engine.json").unlink(missing_ok=True)
        if self._reader is not None:
            await asyncio.wait([self._reader])  # not awaited itself: who is cancelled here must not cancel it
            self._reader = None
        if self._held is not None:
            self._held.close()
            self._held = None


def _request(model: str, *, max_tokens: int) -> Request:
    return Request(model=model, token_ids=_WARM_UP, params=Params(temperature=0.0, max_tokens=max_tokens))
