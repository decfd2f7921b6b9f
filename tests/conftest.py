"""What several test files share: the practice model, one real vLLM for the whole session, and two adapters for it; a
`room` of one's own, a trainer and a judge that take no time; a browser, and the address of a file's own `room` with its
pages. And how tests are dealt out to two processes.

A server in this process leaves logging alone (log_config=None): when it is set up anew, absl, which comes with
`rouge_score`, closes pytest's stderr.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ftchat.starter
from ftchat.config import Settings
from ftchat.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from room import Room
    from xdist.scheduler.loadscope import LoadScopeScheduling

BROWSERS = ("tests/test_loop", "tests/test_pages")
ONE_VLLM = ("tests/test_api.py", "tests/test_engine_real", "tests/test_registry_real", "tests/test_serve.py")
MODELS = (
    *("tests/test_pipeline", "tests/test_training", "tests/test_starter", "tests/test_families"),
    *("tests/test_server.py", "tests/test_simulate", "tests/test_again", "tests/test_cli_work", "tests/test_hub"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "LoadScopeScheduling":
    """Each file is done by one process. All that drive a browser are done by the same one, as two browsers at once on
    two cores wait for each other longer than some tests do; and so are all that share one vLLM, started once then.
    """
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class Pieces(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            shared = {BROWSERS: "browser", ONE_VLLM: "vLLM"}
            return next((name for those, name in shared.items() if nodeid.startswith(those)), nodeid.partition("::")[0])

    return Pieces(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that drive a browser come first, as the longest piece that one process has to do; it waits a good deal, so
    what computes most is done beside it, not at the end beside each other."""
    order = (BROWSERS, ONE_VLLM, MODELS)
    items.sort(key=lambda item: next((n for n, those in enumerate(order) if item.nodeid.startswith(those)), len(order)))


@pytest.fixture(scope="session")
def starter_path() -> Path:
    """The folder of the practice model."""
    return ftchat.starter.model_path()


@pytest.fixture(scope="session")
def vllm(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server (`vllm.endpoint`), shared by the session: about 30 s to start. Two adapter slots, both wanted.

    It lives on a loop in a thread of its own, so that tests with and without a loop can use it.
    """
    settings = Settings(max_loras=2, max_cpu_loras=16, kv_cache_gib=0.25)
    server = Server(settings, base=starter_path, state_dir=tmp_path_factory.mktemp("engine"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="vllm")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def adapters(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters with random weights on every linear layer, of different ranks."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folders = [tmp_path_factory.mktemp("adapters") / f"random-v{number}" for number in (1, 2)]
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(starter_path, dtype=torch.bfloat16)
        shape = LoraConfig(r=8 << seed, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
        get_peft_model(model, shape).save_pretrained(folder)
    return folders


@pytest.fixture
async def room(tmp_path: Path) -> "AsyncIterator[Room]":
    """An app of one person, fresh for each test. Files that need another one have their own."""
    from room import Room  # most files need none

    made = Room(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the trainer makes is not asked here, and answers are judged in this process."""
    from quick_trainer import QuickJudge, QuickTrainee

    monkeypatch.setattr("ftchat.pipeline.course.Trainee", QuickTrainee)
    monkeypatch.setattr("ftchat.pipeline.examine.Judge", QuickJudge)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A Chromium; contexts and pages are the test's."""
    from served import chromium  # most files need no browser

    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def url(room: "Room") -> Iterator[str]:
    """Where the whole app of the file's room answers."""
    from served import served

    with served(room) as address:
        yield address


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    """A store that knows the base `b0`. A test may close it before its end."""
    import sqlite3
    from contextlib import suppress

    from ftchat.store import Store

    made = Store(tmp_path / "data" / "ftchat.db")
    made.turns.add_base("b0", "tiny")
    yield made
    with suppress(sqlite3.ProgrammingError):  # closed already
        made.close()


@pytest.fixture
async def client(room: "Room") -> AsyncIterator[Any]:
    """A client of the API of the test's room, without a port between them."""
    import httpx

    from ftchat import web

    transport = httpx.ASGITransport(app=web.build(room.parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as made:
        yield made
