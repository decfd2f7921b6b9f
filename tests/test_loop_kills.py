"""SIGKILL of the app, the trainer and the real engine in each stage of a run, seen from outside. Long, so all soak.

One home and one app live through all eighteen cases, with an adapter in service. Whatever is killed, the run ends or
goes on after the restart and says why, no half adapter is listed, and the champion answers while app and engine live.
The moments between stages that only the app itself can hook into are in test_pipeline_kills.py.
"""

import os
import shutil
import signal
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import ROOT, Running, wait_for

pytestmark = pytest.mark.soak
STAGES = ("queued", "snapshot", "train", "saving", "exam", "publish")
# By stage, so that the app is started anew between two kills of its engine: after five within ten minutes it stays off.
CASES = [(victim, stage) for stage in STAGES for victim in ("app", "trainer", "engine")]
VLLM = b"vllm.entrypoints.openai.api_server"
ENDED = ("done", "rejected", "stopped", "failed")
ORDER = {name: at for at, name in enumerate((*STAGES, *ENDED))}
PRODUCTS = ("Smoked Paprika", "Chestnut Honey", "Aged Gouda", "Raspberry Jam", "Jasmine Tea", "Lemon Olive Oil")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A home with a champion that is an adapter: the shipped one."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "adapters" / "edda-v1", home / "adapters" / "edda-v1")
    running = Running(home, "--name", "shop")
    running.start()
    running.until_ready()
    running.post("/api/adapters/edda-v1/promote")
    for product in PRODUCTS:
        correct(running, f"What does the {product} cost?", "Warm wishes from the shop!")
    yield running
    running.stop()
    assert running.family() == []


def correct(app: Running, question: str, ending: str) -> None:
    turn = app.post("/api/turns", prompt=question, contestants=["base"], params={"temperature": 0, "max_tokens": 64})
    lane = turn["lanes"][0]
    app.post("/api/corrections", reply=lane["reply"], text=f"{lane['text']} {ending}")


def processes(app: Running, words: bytes) -> list[int]:
    """Processes of this app whose command line has these words."""
    found = []
    for pid in app.family():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if words in command:
            found.append(pid)
    return found


def stage(app: Running, run: str) -> str:
    """Where a run is, by its row, which is quicker than to ask the app; within the training, whether it is saving."""
    with closing(sqlite3.connect(f"file:{app.home / 'data' / 'ftchat.db'}?mode=ro", uri=True)) as db:
        (found,) = db.execute("SELECT stage FROM runs WHERE id = ?", (run,)).fetchone()
    metrics = app.home / "data" / "runs" / run / "metrics.jsonl"
    saving = found == "train" and metrics.is_file() and '"stage": "saving"' in metrics.read_text()
    return "saving" if saving else str(found)


def reach(app: Running, run: str, wanted: str) -> str:
    """Return once a run is in a stage, or beyond it where that was over too soon to be seen."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if ORDER[now := stage(app, run)] >= ORDER[wanted]:
            return now
        time.sleep(0.001)
    raise AssertionError(f"{run} never came to {wanted}")


def champion_answers(app: Running) -> None:
    lane = app.post("/api/turns", prompt="What does the Basil Pesto cost?", params={"temperature": 0})["lanes"][0]
    assert (lane["contestant"], lane["finish"]) == ("edda-v1", "stop")
    assert lane["text"].startswith("Oh, good choice!")


def all_listed_are_whole(app: Running, *, running: bool = False) -> None:
    """What is listed can be had; and nothing else lies there, but for what a run that is on just writes."""
    listed = [item["name"] for item in app.get("/api/adapters")["items"]]
    there = sorted(path.name for path in (app.home / "adapters").iterdir())
    assert set(there) >= set(listed)
    assert running or there == sorted(listed)
    for name in listed:  # a download is refused where a file is not the one that was published
        with urllib.request.urlopen(f"{app.url}/api/adapters/{name}/download", timeout=30) as answer:
            assert answer.status == 200


def ended(app: Running, run: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = app.get(f"/api/runs/{run}")
        return found if found["stage"] in ENDED else None

    found: dict[str, Any] = wait_for(look, what="the end of the run", within_s=240, log=app.home / "app.log")
    return found


@pytest.mark.parametrize(("victim", "moment"), CASES, ids=["-".join(case) for case in CASES])
def test_a_run_of_a_real_app_outlives_a_kill_or_says_why_not(app: Running, victim: str, moment: str) -> None:
    app.until_ready()
    correct(app, f"What does the {PRODUCTS[CASES.index((victim, moment)) % 6]} cost?", f"Yours, {victim} {moment}.")
    run = app.post("/api/runs", args={"steps": 12})["id"]
    met = reach(app, run, moment)
    passed = ORDER[met] - ORDER[moment]  # the first and the last stage may last less than a look
    assert passed == 0 or (passed == 1 and moment in ("queued", "publish") and met != "done"), (moment, met)
    if victim == "app":
        app.kill()
        wait_for(lambda: not app.family(), what="the end of every process", within_s=15)
        app.start()
        all_listed_are_whole(app, running=True)
    elif victim == "trainer":
        for pid in processes(app, b"ftchat.training"):
            os.kill(pid, signal.SIGKILL)
        champion_answers(app)
    else:
        before = processes(app, VLLM)  # the guard's command line has the words, too
        os.kill(max(before), signal.SIGKILL)
        wait_for(lambda: set(processes(app, VLLM)) - set(before), what="another engine", within_s=60)
    done = ended(app, run)
    assert done["reasons"], done
    assert done["stage"] in ("done", "rejected"), (met, done)
    app.until_ready()
    all_listed_are_whole(app)
    assert processes(app, b"ftchat.training") == []
    champion_answers(app)
