"""Two endpoints, kept at the desired set: stand-ins for vLLM as processes of their own, one of which is killed."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from room import BASE, Room
from test_registry import candidate

from ftchat import reconcile
from ftchat.engine import Endpoint, Engine, Request
from ftchat.errors import AnswerCut, BadAdapter, EngineNotReady, EngineTimeout, FtchatError
from ftchat.launch import free_port
from ftchat.reconcile import Reconcile, steps
from ftchat.records import Params
from ftchat.service import Service

SCRIPT = Path(__file__).with_name("stand_in.py")


class Pair:
    """Two vLLMs of which either can be killed and started again at its place, and what looks after them."""

    def __init__(self, room: Room, folder: Path, **how: Any) -> None:
        self.room, self.folder, self.how = room, folder, how
        self.ports = [free_port(), free_port()]
        self.flags = [folder / "flags0", folder / "flags1"]
        self.running: list[subprocess.Popen[bytes] | None] = [None, None]
        self.engine = Engine([Endpoint(f"http://127.0.0.1:{port}") for port in self.ports])
        self.service = Service(
            room.store,
            self.engine,
            prompter=room.prompter,
            registry=room.registry,
            base=BASE,
            settings=room.settings,
        )
        self.reconcile = Reconcile(self.engine, self.service)

    def start(self, *which: int) -> None:
        for index in which or (0, 1):
            self.flags[index].mkdir(exist_ok=True)
            how = {"flags": str(self.flags[index]), **self.how}
            line = [sys.executable, str(SCRIPT), str(self.ports[index]), json.dumps(how)]
            self.running[index] = subprocess.Popen(line, stdout=subprocess.DEVNULL)

    def kill(self, index: int) -> None:
        process = self.running[index]
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.running[index] = None

    async def up(self, *, count: int = 2) -> None:
        assert await until(lambda: self._healthy() == count)

    def _healthy(self) -> int:
        found = 0
        for port in self.ports:
            try:
                found += httpx.get(f"http://127.0.0.1:{port}/health", timeout=1).status_code == 200
            except httpx.TransportError:
                continue
        return found

    async def serving(self) -> list[list[str] | None]:
        """Per endpoint its adapters; None for one that is gone."""
        return [sorted(names - {"base"}) if names else None for names in await self.engine.models()]

    def adapters(self, *numbers: int, state: str = "challenger") -> None:
        for number in numbers:
            name = f"shop-v{number}"
            self.room.registry.publish(candidate(self.folder / f"c{number}"), name, base="b0", lineage={})
            self.room.store.training.add_adapter(name, number=number, base="b0", run=None)
            self.room.store.training.set_state(name, state)

    async def close(self) -> None:
        for index, process in enumerate(self.running):
            if process is not None:
                self.kill(index)
        await self.engine.close()


async def until(condition: Callable[[], object]) -> bool:
    """Whether it comes true within a minute, which a busy machine may need."""
    for _ in range(3000):
        if condition():
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.fixture
async def pair(room: Room, tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(room, tmp_path)
    made.start()
    await made.up()
    yield made
    await made.close()


def test_what_is_missing_comes_most_wanted_first_and_only_what_is_spare_goes() -> None:
    served = frozenset({"base", "shop-v1", "shop-v7", "other"})
    assert steps(served, desired=["shop-v9", "shop-v1", "shop-v8"], spare=["shop-v7", "shop-v6"]) == (
        ["shop-v9", "shop-v8"],
        ["shop-v7"],
    )


async def test_every_endpoint_is_brought_to_the_desired_set(pair: Pair) -> None:
    pair.adapters(1, 2, 3)
    assert pair.reconcile.stage == "starting"
    await pair.reconcile.look()
    assert await pair.serving() == [["shop-v1", "shop-v2", "shop-v3"]] * 2
    assert (pair.reconcile.stage, pair.reconcile.trouble) == ("ready", "")


async def test_an_engine_that_calls_its_model_otherwise_is_told_how_to_be_started(room: Room) -> None:
    room.vllm.answers = {"org/model": "Hello."}
    watch = Reconcile(room.engine, room.service)
    await watch.look()
    assert watch.trouble.endswith("serves no base. Start that engine with --served-model-name base.")
    room.vllm.answers["base"] = "Hello."
    watch._due.clear()
    await watch.look()
    assert watch.trouble == ""


async def test_an_engine_that_does_not_say_what_it_serves_is_named_until_it_does(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was started with another key: its health needs none."""
    watch, served = Reconcile(room.engine, room.service), room.engine.models

    async def refused() -> list[None]:
        return [None]

    monkeypatch.setattr(room.engine, "models", refused)
    await watch.look()
    mute = f"{room.engine.urls[0]} is there and has not said yet what it serves."
    assert (watch.stage, watch.trouble.startswith(mute)) == ("loading adapters", True)
    assert watch.trouble.endswith("check that this is vLLM, and engine_key.")
    monkeypatch.setattr(room.engine, "models", served)
    await watch.look()
    assert (watch.stage, watch.trouble) == ("ready", "")


async def test_adapters_are_back_within_ten_seconds_of_an_endpoints_return(pair: Pair) -> None:
    pair.adapters(1, 2)
    keeping = asyncio.create_task(pair.reconcile.keep())
    assert await until(lambda: pair.reconcile.stage == "ready")
    pair.kill(1)
    await asyncio.sleep(reconcile.LOOK_S * 1.5)  # its absence is noticed, as in a restart of half a minute
    assert await pair.serving() == [["shop-v1", "shop-v2"], None]
    pair.start(1)
    await pair.up()
    back = time.monotonic()
    while await pair.serving() != [["shop-v1", "shop-v2"]] * 2 and time.monotonic() - back < 10:
        await asyncio.sleep(0.05)
    assert time.monotonic() - back < 10
    keeping.cancel()


async def test_a_restart_that_nobody_saw_is_found_at_the_next_comparison(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (reconcile.LOOK_S, reconcile.EVERY_S) == (2.0, 10.0)
    monkeypatch.setattr(reconcile, "EVERY_S", 0.0)
    pair.adapters(1)
    await pair.reconcile.look()
    pair.kill(0)
    pair.start(0)
    await pair.up()
    assert await pair.serving() == [[], ["shop-v1"]]
    await pair.reconcile.look()
    assert await pair.serving() == [["shop-v1"]] * 2


async def test_one_endpoint_killed_under_load_fails_nothing_that_had_no_text(room: Room, tmp_path: Path) -> None:
    pair = Pair(room, tmp_path, words=20, pace=0.02)
    pair.start()
    await pair.up()
    pair.adapters(1)
    await pair.reconcile.look()
    outcomes: list[tuple[str, type[FtchatError] | None]] = []

    async def ask(number: int) -> None:
        await asyncio.sleep(number * 0.02)
        model = "shop-v1" if number % 2 else "base"
        text = ""
        try:
            async for piece in pair.engine.stream(Request(model=model, token_ids=[5], params=Params(max_tokens=20))):
                text += piece.text
        except FtchatError as err:
            outcomes.append((text, type(err)))
        else:
            outcomes.append((text, None))

    asking = [asyncio.create_task(ask(number)) for number in range(80)]
    assert await until(lambda: len(outcomes) >= 10)
    pair.kill(1)
    await asyncio.gather(*asking)
    cut = [(text, error) for text, error in outcomes if error is not None]
    assert [text for text, _ in cut if not text] == []
    assert {error for _, error in cut} <= {AnswerCut}
    assert 0 < len(cut) < 40  # those that were being written there
    whole = [text for text, error in outcomes if error is None]
    assert set(whole) == {"base " * 20, "shop-v1 " * 20}
    await pair.close()


async def test_an_endpoint_that_says_nothing_any_more_fails_nothing_either(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftchat.engine._LOOK_S", 0.1)
    monkeypatch.setattr("ftchat.engine.endpoint._QUICK", httpx.Timeout(0.2))
    (pair.flags[0] / "silent").touch()
    requests = [Request(model="base", token_ids=[5], params=Params(max_tokens=1)) for _ in range(8)]
    async with asyncio.timeout(20):
        found = await asyncio.gather(*(pair.engine.answer(request) for request in requests))
    assert found == [("base ", "length")] * 8
    (pair.flags[0] / "silent").unlink()


async def test_what_nobody_needs_is_unloaded_and_what_is_not_ours_is_left(pair: Pair) -> None:
    pair.adapters(1, 2)
    for name in ("shop-v1", "shop-v2", "shop-v9", "someone-elses-v1", "shop-voice"):
        await pair.engine.load(name, pair.folder)
    pair.room.store.training.set_state("shop-v2", "retired")
    await pair.reconcile.look()
    assert await pair.serving() == [["shop-v1", "shop-voice", "someone-elses-v1"]] * 2


async def test_what_someone_chooses_while_others_are_loaded_is_not_unloaded(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.adapters(1)
    pair.adapters(2, state="retired")
    await pair.service.load("shop-v2")
    load = pair.engine.load

    async def slow(name: str, path: Path, *, only: int | None = None) -> None:
        await pair.service.summon("shop-v2")
        await load(name, path, only=only)

    monkeypatch.setattr(pair.engine, "load", slow)
    await pair.reconcile.look()
    assert await pair.serving() == [["shop-v1", "shop-v2"]] * 2


async def test_what_someone_chose_stays_until_newer_choices_push_it_out(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "EVERY_S", 0.0)
    pair.adapters(*range(1, 13), state="retired")
    for number in (1, 2, 1, *range(3, 9)):
        await pair.service.summon(f"shop-v{number}")
    assert pair.service.desired() == [f"shop-v{number}" for number in (8, 7, 6, 5, 4, 3, 1, 2)]
    await pair.service.summon("shop-v9")
    await pair.reconcile.look()
    assert await pair.serving() == [[f"shop-v{number}" for number in (1, 3, 4, 5, 6, 7, 8, 9)]] * 2
    await pair.service.summon("shop-v2")  # it was unloaded: choosing it brings it back
    assert "shop-v2" in (await pair.serving())[0]


async def test_the_newest_come_first_within_what_may_be_loaded(pair: Pair) -> None:
    pair.adapters(*range(1, 12))
    pair.room.store.training.promote("shop-v1", base="b0", by="ann", why="", back=False)
    assert pair.service.desired() == ["shop-v1", *(f"shop-v{number}" for number in range(11, 4, -1))]


async def test_what_one_endpoint_refuses_is_told_not_asked_again_at_once_and_stays_in_service(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "EVERY_S", 0.0)
    pair.adapters(1)
    pair.room.store.training.promote("shop-v1", base="b0", by="ann", why="", back=False)
    asked = []
    load = pair.engine.load

    async def refusing(name: str, path: Path, *, only: int | None = None) -> None:
        asked.append(only)
        if only == 1:
            raise BadAdapter("It does not see that folder.")
        await load(name, path, only=only)

    monkeypatch.setattr(pair.engine, "load", refusing)
    for _ in range(3):
        await pair.reconcile.look()
    assert sorted(asked) == [0, 1]
    assert pair.reconcile.trouble == "shop-v1 is not loaded. It does not see that folder."
    assert pair.service.champion() == "shop-v1"
    monkeypatch.setattr(reconcile, "REFUSED_S", 0.0)
    pair.reconcile._refused.clear()
    monkeypatch.setattr(pair.engine, "load", load)
    await pair.reconcile.look()
    assert (pair.reconcile.trouble, await pair.serving()) == ("", [["shop-v1"]] * 2)


@pytest.mark.parametrize("why", [EngineNotReady("It went away."), EngineTimeout("It said nothing.")], ids=type)
async def test_an_endpoint_that_could_not_load_just_then_is_asked_again_at_the_next_look(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, why: FtchatError
) -> None:
    pair.adapters(1)
    load = pair.engine.load

    async def failing(name: str, path: Path, *, only: int | None = None) -> None:
        if only == 1:
            raise why
        await load(name, path, only=only)

    monkeypatch.setattr(pair.engine, "load", failing)
    await pair.reconcile.look()
    assert pair.reconcile.trouble == f"shop-v1 is not loaded. {why.message}"
    monkeypatch.setattr(pair.engine, "load", load)
    await pair.reconcile.look()
    assert (pair.reconcile.trouble, await pair.serving()) == ("", [["shop-v1"]] * 2)


def silent(port: int) -> str:
    """What is said of an endpoint that gives no answer."""
    return (
        f"http://127.0.0.1:{port} gives no answer. Check that this is the engine's address, that no firewall lies "
        "between, and whether that engine hangs: then start it again."
    )


async def test_an_endpoint_that_hangs_is_absent_after_three_looks_until_it_answers_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftchat.engine.endpoint._QUICK", httpx.Timeout(0.2))
    await pair.reconcile.look()
    stages = []
    for flags in pair.flags:
        (flags / "silent").touch()
    for _ in range(3):
        await pair.reconcile.look()
        stages.append((pair.reconcile.stage, pair.reconcile.trouble))
    assert stages == [("ready", ""), ("ready", ""), ("starting", " ".join(map(silent, pair.ports)))]
    for flags in pair.flags:
        (flags / "silent").unlink()
    monkeypatch.setattr("ftchat.engine.endpoint._QUICK", httpx.Timeout(5.0))
    await pair.reconcile.look()
    assert (pair.reconcile.stage, pair.reconcile.trouble) == ("ready", "")


async def test_an_address_that_takes_no_connection_is_named_with_what_to_check(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftchat.engine.endpoint._QUICK", httpx.Timeout(0.2))
    with ExitStack() as open_:
        full = open_.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = full.getsockname()[1]
        for _ in range(4):  # its queue is full: what is sent there is dropped, as behind a firewall
            one = open_.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        engine = Engine([Endpoint(f"http://127.0.0.1:{port}")])
        found = Reconcile(engine, room.service)
        for _ in range(3):
            assert found.trouble == ""
            await found.look()
        assert (found.stage, found.trouble) == ("starting", silent(port))
        await engine.close()


async def test_without_any_endpoint_it_waits(pair: Pair) -> None:
    await pair.reconcile.look()
    for index in (0, 1):
        pair.kill(index)
    await pair.reconcile.look()
    assert pair.reconcile.stage == "starting"
    assert pair.reconcile.trouble == " ".join(f"Nothing answers at http://127.0.0.1:{port}." for port in pair.ports)
    pair.start(0)
    await pair.up(count=1)
    await pair.reconcile.look()
    assert pair.reconcile.stage == "ready"
    assert pair.reconcile.trouble == f"Nothing answers at http://127.0.0.1:{pair.ports[1]}."
