"""What the settings ask for: the model and memory for it, the home with what is in it, the port, engines elsewhere."""

import asyncio
import os
import socket
import tempfile
from pathlib import Path

from ftchat import hub, sizing
from ftchat.base import check_architecture, check_folder, read_json, served_here
from ftchat.config import Settings
from ftchat.doctor.here import nearest
from ftchat.engine import Endpoint, Engine
from ftchat.errors import FtchatError, SetupError
from ftchat.install.machine import Finding
from ftchat.launch import flavour
from ftchat.lease import announced, holder
from ftchat.records import BASE
from ftchat.registry import Registry
from ftchat.schedule import OFF, Plan
from ftchat.store.facts import steps_ahead
from ftchat.webhook import listener


def model_files(model: Path, settings: Settings) -> Finding:
    """The base model's files."""
    if hub.is_id(settings.model) and not model.is_dir():
        says = f"{settings.model} is not downloaded yet"
        return Finding("warning", says, "start `ftchat serve`, which downloads it, where there is a way to the hub")
    try:
        check_folder(model)
        if not settings.engine_url:
            check_architecture(model, served=served_here())
    except SetupError as err:
        return Finding("error", err.message, "give --model the folder of a complete instruct model")
    templates = [model / "chat_template.jinja", model / "chat_template.json"]
    if not any(file.is_file() for file in templates) and not read_json(model / "tokenizer_config.json").get(
        "chat_template"
    ):
        says = f"{model} has no chat template: conversations are written to it as plain text"
        return Finding("warning", says, "choose the model's instruct or chat variant, which answers better")
    shape = sizing.shape_of(model)
    named = "the practice model" if not settings.model else str(model)
    return Finding("ok", f"{named}: weights {sizing.gib(shape.weights)}, up to {shape.longest:,} tokens")


def memory(settings: Settings, model: Path, *, running: bool) -> Finding:
    """Engine and trainer together, for this model."""
    if hub.is_id(settings.model) and not model.is_dir():
        return Finding("warning", "what it takes is known once it is here", "run `ftchat doctor` again after that")
    if settings.engine_url:
        shape = sizing.shape_of(model)
        found = sizing.fit(sizing.elsewhere(settings, shape), shape, sizing.look("cpu"))
        says = f"the trainer needs about {sizing.gib(found.trainer)}; {sizing.gib(found.memory.free)} are free"
        short = found.trainer > found.memory.free
        return Finding("warning", says, "end other programs before Retrain") if short else Finding("ok", says)
    found = sizing.measured(settings, model, device=flavour())
    if running and found.level != "fits":
        return Finding("ok", f"{found.words} What runs on this home already takes its part of it.")
    if found.level == "fits":
        return Finding("ok", found.words)
    return Finding("error" if found.level == "short" else "warning", found.words, found.advice)


def home(home: Path) -> Finding:
    """The folder, whether it can be written, and who uses it."""
    place = nearest(home)
    if not place.is_dir():
        return Finding("error", f"{place} is not a folder", "give --home another place")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as err:
        return Finding("error", f"{place} cannot be written ({err.strerror})", "give --home a folder of yours")
    data = home / "data"
    if data.is_dir() and data.stat().st_mode & 0o077:
        return Finding("warning", f"{data} is open to others on this machine", f"chmod 700 {data}")
    if who := holder(data / "lease"):
        return Finding("ok", f"{home} is in use by {who}")
    return Finding("ok", f"{home}" if place == home else f"{home} is made at the first start")


def database(path: Path) -> Finding:
    """The file's schema."""
    if not path.is_file():
        return Finding("ok", "there is none yet")
    ahead = steps_ahead(path)
    if ahead:
        return Finding("ok", f"{path.name} is brought up to date at the next start ({ahead} steps), after a backup")
    return Finding("ok", f"{path.name} has the newest schema")


def adapters(settings: Settings) -> Finding:
    """Folders with a manifest that can be read."""
    registry = Registry(settings.home / "adapters", max_rank=settings.max_lora_rank)
    names = registry.names()
    broken = []
    for name in names:
        try:
            registry.manifest(name)
        except FtchatError as err:
            broken.append(err.message)
    if broken:
        remedy = "put those folders back from a copy of your own, or delete the adapters"
        return Finding("warning", " ".join(broken), remedy)
    return Finding("ok", f"{len(names)} in {settings.home / 'adapters'}")


def port(settings: Settings, running: str | None) -> Finding:
    """Where the app listens, and whether a managed engine finds a port."""
    where = f"{settings.host}:{settings.port}"
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        socket.create_server((settings.host, settings.port), family=family).close()
        socket.create_server(("127.0.0.1", 0)).close()
    except OSError as err:
        app = announced(settings.home / "data" / "lease") if running else None
        if app is not None and app.url.endswith(f":{settings.port}"):
            return Finding("ok", f"{app.url} is where this home's ftchat listens")
        why = os.strerror(err.errno or 0)
        remedy = "end what listens there, or give --port another"
        return Finding("error", f"{where} cannot be listened on ({why})", remedy)
    return Finding("ok", f"{where} is free")


def engine(settings: Settings) -> Finding:
    """Engines elsewhere: there, with our key, and serving the base under its name."""
    if not settings.engine_url:
        return Finding("ok", "managed: started with the app, on a port of its own")
    return asyncio.run(_elsewhere(settings))


def schedule(settings: Settings) -> Finding:
    """When it retrains by itself."""
    plan = Plan.of(settings)
    return Finding("ok", "off" if plan.when == OFF else f"{plan.when}, with effort {plan.effort}")


def webhook(settings: Settings) -> Finding:
    """Who is told of ended runs; what else its address says is a secret."""
    told = listener(settings)
    return Finding("ok", f"{told.host} is told of runs that have ended" if told else "none")


async def _elsewhere(settings: Settings) -> Finding:
    engine = Engine([Endpoint(url, settings.engine_key) for url in settings.engine_url])
    try:
        found = list(zip(settings.engine_url, await engine.health(), await engine.models(), strict=True))
    finally:
        await engine.close()
    for url, health, names in found:
        if health != "live":
            return Finding("error", f"nothing healthy answers at {url}", "start vLLM there, or correct engine_url")
        if names is None:
            return Finding("error", f"{url} does not say what it serves", "check that it is vLLM, and engine_key")
        if BASE not in names:
            return Finding("error", f"{url} serves no model called {BASE}", f"start it with --served-model-name {BASE}")
    return Finding("ok", f"{len(found)} answer and serve {BASE}")
