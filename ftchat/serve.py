"""Composition: settings to parts to a running app.

The pages are up within seconds; the engine starts behind them, and its stage is on every page. When the app ends, in
whatever way, the engine and the trainer end with it. Run: `python app.py --open`, or `ftchat serve --open`.
"""

import argparse
import asyncio
import dataclasses
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from ftchat import anchors, starter, ui, web
from ftchat.base import open_base
from ftchat.chat import Chat
from ftchat.config import Settings, load_settings
from ftchat.contestants import Contestants
from ftchat.engine import Endpoint, Engine
from ftchat.errors import FtchatError, SetupError
from ftchat.judging import Judging
from ftchat.lanes import Lanes
from ftchat.lease import Lease
from ftchat.parts import Parts
from ftchat.pipeline import Pipeline
from ftchat.prompt import Prompter
from ftchat.registry import Registry
from ftchat.server import Server
from ftchat.service import Service
from ftchat.store import Store

POLL_S = 2.0


class App:
    """Everything that runs in this process, made in order and ended in reverse."""

    def __init__(self, settings: Settings) -> None:
        """Take the home, open what is in it, and wire the parts. Nothing is started yet."""
        self.settings = settings
        folder = settings.home / "data"
        self.lease = Lease(folder / "lease")
        Server.reap(folder / "engine")
        model = Path(settings.model).expanduser().resolve() if settings.model else starter.model_path()
        self.base = open_base(model, practice=not settings.model, cache=folder / "fingerprints.json")
        self.store = Store(folder / "ftchat.db")
        self.store.turns.add_base(self.base.fingerprint, self.base.name)
        self.store.turns.cut_unfinished()
        self.prompter = Prompter(self.base.path, context_length=settings.context_length)
        self.server = (
            None if settings.engine_url else Server(settings, base=self.base.path, state_dir=folder / "engine")
        )
        self.engine = Engine(self._endpoints(), max_in_flight=settings.max_in_flight)
        self._elsewhere, self._trouble = "starting", ""  # where an engine stands that is not ours to start
        self.parts = self._wire()
        self.parts.pipeline.recover()

    def _endpoints(self) -> list[Endpoint]:
        if self.server is not None:
            return [self.server.endpoint]
        return [Endpoint(url, self.settings.engine_key) for url in self.settings.engine_url]

    def _wire(self) -> Parts:
        contestants = Contestants(self.store, self.base)
        registry = Registry(self.settings.home / "adapters", max_rank=self.settings.max_lora_rank)
        service = Service(
            self.store,
            self.engine,
            prompter=self.prompter,
            registry=registry,
            base=self.base,
            settings=self.settings,
        )
        chat = Chat(
            self.store,
            Lanes(self.store, self.engine),
            prompter=self.prompter,
            contestants=contestants,
            base=self.base,
            settings=self.settings,
            waiting=self._waiting,
            summon=service.summon,
        )
        practice = self.base.practice
        pipeline = Pipeline(
            self.store,
            self.engine,
            prompter=self.prompter,
            contestants=contestants,
            service=service,
            registry=registry,
            base=self.base,
            settings=self.settings,
            anchors=starter.anchor_prompts() if practice else anchors.PROMPTS,
            examples=starter.sample_prompts() if practice else (),
            engine_stage=self.engine_stage,
        )
        return Parts(
            settings=self.settings,
            base=self.base,
            store=self.store,
            chat=chat,
            judging=Judging(self.store, chat, settings=self.settings),
            pipeline=pipeline,
            service=service,
        )

    def engine_stage(self) -> tuple[str, str]:
        """Where the engine stands, in a word, and what is wrong with it, if anything."""
        if self.server is None:
            return self._elsewhere, self._trouble
        return self.server.stage, self.server.reason or self.server.warning

    def _waiting(self) -> str:
        stage, reason = self.engine_stage()
        if stage == "ready":
            return ""
        if stage == "failed":
            return f"The engine cannot answer: {reason}"
        return f"The engine is not ready yet ({stage}). It takes about half a minute on a small machine."

    @asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        """The app's life: the engine comes up in the background, and everything ends with it."""
        warm = asyncio.create_task(asyncio.to_thread(lambda: self.prompter.stop_id))
        engine = asyncio.create_task(self._managed() if self.server else self._watched())
        print(f"\n  Open http://{self.settings.host}:{self.settings.port}\n", flush=True)
        try:
            yield
        finally:
            for task in (engine, warm):
                task.cancel()
            await asyncio.gather(engine, warm, return_exceptions=True)
            await self.parts.pipeline.close()
            await self.parts.chat.close()
            if self.server is not None:
                await self.server.stop()
            await self.engine.close()
            self.store.close()
            self.lease.release()

    async def _managed(self) -> None:
        assert self.server is not None
        self.server.on_ready = self.parts.service.load_desired
        try:
            await self.server.start()
        except FtchatError as err:
            print(f"ftchat: {err.message}", file=sys.stderr, flush=True)

    async def _watched(self) -> None:
        """An engine elsewhere: look whether it answers, and bring its adapters when it comes back."""
        while True:
            try:
                if not await self.engine.ready():
                    self._elsewhere = "starting"
                elif self._elsewhere != "ready":
                    await self.parts.service.load_desired()
                    self._elsewhere, self._trouble = "ready", ""
            except Exception as err:  # noqa: BLE001  # said and tried again at the next look: the watch must not end
                self._elsewhere, self._trouble = "ready", f"Not all adapters are loaded. {err}"
            await asyncio.sleep(POLL_S)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until interrupted. Exit status 2: these settings cannot work; 3: the home or the port is taken."""
    try:
        settings = load_settings(vars(parser().parse_args(argv)))
        serve(settings)
    except KeyboardInterrupt:
        print("ftchat has ended; everything is saved.")  # uvicorn raises it once the app's life is over
    except FtchatError as err:
        print(f"ftchat: {err.message}", file=sys.stderr)
        sys.exit(3 if err.status == 409 else 2)


def serve(settings: Settings) -> None:
    """Listen, then wire and run."""
    if not settings.open:
        raise SetupError(
            "This version of ftchat has no accounts yet: start it with --open, for you alone on 127.0.0.1."
        )
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    listening = _listen(settings)
    app = App(settings)
    fastapi = web.build(app.parts, lifespan=app.running)
    ui.mount(fastapi, app.parts)
    config = uvicorn.Config(fastapi, log_level="warning", timeout_graceful_shutdown=3, proxy_headers=False)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as err:
        raise PortTaken(
            f"Port {settings.port} on {settings.host} is taken ({err.strerror}). Give --port another."
        ) from err


class PortTaken(SetupError):
    """Another program listens there."""

    status = 409


def parser() -> argparse.ArgumentParser:
    """One flag for each setting."""
    made = argparse.ArgumentParser("ftchat serve", description="Serve ftchat: pages, API and engine.")
    for setting in dataclasses.fields(Settings):
        flag, text = f"--{setting.name.replace('_', '-')}", setting.metadata["help"]
        if setting.type is bool:
            made.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            made.add_argument(flag, default=None, help=text)
    return made
