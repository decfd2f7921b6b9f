"""Composition: settings to parts to a running app.

The pages are up within seconds; the engine starts behind them, and its stage is on every page. When the app ends, in
whatever way, the engine and the trainer end with it. Run: `python app.py --open`, or `ftchat serve --open`.
"""

import argparse
import asyncio
import dataclasses
import errno
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from ftchat import anchors, hub, links, sizing, starter, ui, web
from ftchat.accounts import Accounts
from ftchat.aside import Room
from ftchat.backups import DATABASE, Backups
from ftchat.base import check_architecture, open_base, served_here
from ftchat.chat import Chat
from ftchat.config import Settings, add_flags, load_settings
from ftchat.contestants import Contestants
from ftchat.engine import Endpoint, Engine
from ftchat.errors import FtchatError, HomeInUse, SetupError
from ftchat.judging import Judging
from ftchat.lanes import Lanes
from ftchat.launch import flavour
from ftchat.lease import Lease
from ftchat.parts import Parts
from ftchat.pipeline import Pipeline
from ftchat.prompt import Prompter
from ftchat.reconcile import Reconcile
from ftchat.redrafts import Redrafts
from ftchat.registry import Registry
from ftchat.schedule import Schedule
from ftchat.server import Server
from ftchat.service import Service
from ftchat.sessions import Sessions
from ftchat.store import Store
from ftchat.webhook import Webhook


class App:
    """Everything that runs in this process, made in order and ended in reverse."""

    def __init__(self, settings: Settings, lease: Lease | None = None) -> None:
        """Take the home unless its lease is given, open what is in it, and wire the parts. Nothing is started yet."""
        self.settings = settings
        folder = settings.home / "data"
        self.lease = lease or Lease(folder / "lease")
        Server.reap(folder / "engine")
        self.base = open_base(
            _model(settings),
            practice=not settings.model,
            cache=folder / "fingerprints.json",
            name=settings.model if hub.is_id(settings.model) else "",
        )
        settings = self.settings = _sized(settings, self.base.path)
        self.store = Store(folder / DATABASE)
        self.backups = Backups(self.store, settings)
        self.store.turns.add_base(self.base.fingerprint, self.base.name)
        self.store.turns.cut_unfinished()
        self.prompter = Prompter(self.base.path, context_length=settings.context_length)
        self.server = (
            None if settings.engine_url else Server(settings, base=self.base.path, state_dir=folder / "engine")
        )
        self.engine = Engine(
            self._endpoints(), max_in_flight=settings.max_in_flight, thinks=lambda: self.prompter.thinks
        )
        self.parts = self._wire()
        self.reconcile = Reconcile(self.engine, self.parts.service)

    def _endpoints(self) -> list[Endpoint]:
        if self.server is not None:
            return [self.server.endpoint]
        return [Endpoint(url, self.settings.engine_key) for url in self.settings.engine_url]

    def _wire(self) -> Parts:
        contestants = Contestants(
            self.store, self.base, prompter=self.prompter, few_shot_tokens=self.settings.few_shot_tokens
        )
        registry = Registry(self.settings.home / "adapters", max_rank=self.settings.max_lora_rank, base=self.base)
        registry.sweep()
        service = Service(
            self.store,
            self.engine,
            prompter=self.prompter,
            registry=registry,
            base=self.base,
            settings=self.settings,
        )
        service.adopt()
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
        judging = Judging(self.store, chat, settings=self.settings)
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
            room=Room(self.server, self.settings, self.base.path, idle=lambda: not self.engine.asked()).made,
        )
        judging.after_vote = pipeline.settle
        return Parts(
            settings=self.settings,
            base=self.base,
            store=self.store,
            accounts=Accounts(self.store),
            chat=chat,
            judging=judging,
            redrafts=Redrafts(self.store, chat, judging),
            sessions=Sessions(self.store, chat, settings=self.settings),
            pipeline=pipeline,
            service=service,
            backups=self.backups,
            schedule=Schedule(self.store, pipeline, settings=self.settings),
            webhook=Webhook(self.store, self.settings),
        )

    def engine_stage(self) -> tuple[str, str]:
        """Where the engine stands, in a word, and what is wrong with it, if anything."""
        if self.server is None:
            return self.reconcile.stage, self.reconcile.trouble
        troubled = self.reconcile.trouble if self.server.stage == "ready" else ""
        return self.server.stage, self.server.reason or self.server.warning or troubled

    def _waiting(self) -> str:
        stage, reason = self.engine_stage()
        if stage == "ready":
            return ""
        if stage == "failed":
            return f"The engine cannot answer: {reason}"
        if stage == "stopped" and reason:  # it made room for a run
            return reason
        if stage == "restarting":
            return f"The engine is started again. {reason}"
        return f"The engine is not ready yet ({stage}). It takes about half a minute on a small machine."

    @asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        """The app's life: the engine comes up in the background, and everything ends with it."""
        warm = asyncio.create_task(asyncio.to_thread(self._warm))
        engine = asyncio.create_task(self._managed() if self.server else self.reconcile.keep())
        backups = asyncio.create_task(self.backups.keep())
        schedule = asyncio.create_task(self.parts.schedule.keep())
        webhook = asyncio.create_task(self.parts.webhook.keep())
        await asyncio.to_thread(self.parts.pipeline.settle)  # the last vote may have decided, and the app was killed
        self.parts.pipeline.go_on()
        self.lease.announce(self.settings.url, self.parts.accounts.key)
        print(self._welcome(), flush=True)
        try:
            yield
        finally:
            for task in (engine, warm, backups, schedule, webhook):
                task.cancel()
            await asyncio.gather(engine, warm, backups, schedule, webhook, return_exceptions=True)
            await self.parts.pipeline.close()
            await self.parts.webhook.close()
            await self.parts.sessions.close()
            await self.parts.chat.close()
            if self.server is not None:
                await self.server.stop()
            await self.engine.close()
            self.store.close()
            self.lease.release()

    def _warm(self) -> None:
        """Load the tokenizer, which takes seconds, and say what is unusual about this base."""
        try:
            _, remarks = self.prompter.stop_id, self.prompter.remarks
        except FtchatError as err:
            remarks = (err.message,)
        for remark in remarks:
            print(f"ftchat: {remark}", file=sys.stderr, flush=True)

    def _welcome(self) -> str:
        """Where to go; at first, and until there is an admin, with the link that makes one."""
        url = self.settings.address
        first = None if self.settings.open else self.parts.accounts.first_admin()
        if first is None:
            return f"\n  Open {url}\n"
        said = f"\n  Open {url}/join/{first}\n  to set the admin's password. The link works once, for a day.\n"
        remark = links.remark(url) if self.settings.host in ("0.0.0.0", "::") else ""
        return f"{said}  {remark}\n" if remark else said

    async def _managed(self) -> None:
        """Our own engine: its adapters come with each start, and are looked after like those of any endpoint."""
        assert self.server is not None
        self.server.on_ready = self.parts.service.load_desired
        self.server.quiet_s = self.engine.quiet_s
        try:
            await self.server.start()
        except FtchatError as err:
            print(f"ftchat: {err.message}", file=sys.stderr, flush=True)
        await self.reconcile.keep()


def _sized(settings: Settings, model: Path) -> Settings:
    """What is 0 computed, for this machine where the engine is ours; a model that it could never serve is refused."""
    if settings.engine_url:
        return sizing.elsewhere(settings, sizing.shape_of(model))
    check_architecture(model, served=served_here())
    found = sizing.measured(settings, model, device=flavour())
    if found.advice:
        print(f"ftchat: {found.words} {found.advice}", file=sys.stderr, flush=True)
    return found.settings


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until interrupted. Exit status 2: these settings cannot work; 3: the home or the port is taken."""
    try:
        settings = load_settings(vars(parser().parse_args(argv)))
        serve(settings)
    except KeyboardInterrupt:
        print("ftchat has ended; everything is saved.")  # uvicorn raises it once the app's life is over
    except FtchatError as err:
        print(f"ftchat: {err.message}", file=sys.stderr)
        sys.exit(3 if isinstance(err, (HomeInUse, PortTaken)) else 2)


def serve(settings: Settings) -> None:
    """Listen, then wire and run."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    listening = _listen(settings)
    lease = Lease(settings.home / "data" / "lease")  # a second start must not download into the same files
    if hub.is_id(settings.model):
        _fetch(settings, listening)
    app = App(dataclasses.replace(settings, port=listening.getsockname()[1]), lease)
    fastapi = web.build(app.parts, lifespan=app.running)
    ui.mount(fastapi, app.parts)
    config = uvicorn.Config(
        fastapi, log_level="warning", access_log=False, timeout_graceful_shutdown=3, proxy_headers=False
    )
    uvicorn.Server(config).run(sockets=[listening])


def _model(settings: Settings) -> Path:
    """The base's folder."""
    if not settings.model:
        return starter.model_path()
    if not hub.is_id(settings.model):
        return Path(settings.model).expanduser().resolve()
    found = hub.folder(settings.model, settings.home / "data")
    if found is None:
        raise SetupError(f"{settings.model} is not downloaded yet: `ftchat serve` does that.")
    return found


def _fetch(settings: Settings, listening: socket.socket) -> None:
    """Download the base unless it is here, telling console and browsers how far it is."""
    state = settings.home / "data"
    if hub.folder(settings.model, state) is not None:
        return
    told, failed = ["The model's files are looked up."], list[Exception]()

    def tell(progress: hub.Progress) -> None:
        told[0] = f"The model is downloaded: {progress.words}."  # without its name, for whoever is not logged in
        print(f"ftchat: resolving {settings.model}: {progress.words}", file=sys.stderr, flush=True)

    def work() -> None:
        try:
            hub.fetch(settings.model, state, tell=tell)
        except (FtchatError, OSError) as err:  # raised again where somebody waits for it
            failed.append(err)
        finally:
            waiting.should_exit = True

    waiting = uvicorn.Server(uvicorn.Config(web.arriving(lambda: told[0]), log_level="warning", proxy_headers=False))
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    waiting.run(sockets=[listening.dup()])
    thread.join()
    if failed:
        raise failed[0]


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as err:
        where, why = f"{settings.host}:{settings.port}", err.strerror
        if err.errno == errno.EADDRINUSE:
            raise PortTaken(f"Port {settings.port} on {settings.host} is taken ({why}). Give --port another.") from err
        if err.errno == errno.EACCES:
            raise SetupError(f"{where} needs more rights than you have ({why}). Give --port one from 1024 on.") from err
        raise SetupError(
            f"{where} is nothing to listen on here ({why}). Give --host an address of this machine."
        ) from err


class PortTaken(SetupError):
    """Another program listens there."""


def parser() -> argparse.ArgumentParser:
    """One flag for each setting."""
    made = argparse.ArgumentParser("ftchat serve", description="Serve ftchat: pages, API and engine.")
    add_flags(made)
    return made
