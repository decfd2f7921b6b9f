"""A guarded group: ends with its app, with its command, on request; and what a killed guard leaves is reaped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ftchat import child

FAMILY = "sleep 300 & sleep 300 & wait"


def start(shell: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        child.guarded(["sh", "-c", shell]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )


def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def family():
    """A guard, a shell and two sleepers."""
    with start(FAMILY) as guard:
        assert until(lambda: len(child.members(guard.pid)) == 4)
        yield guard
        child.kill(guard.pid)


def test_group_ends_when_its_app_is_killed(tmp_path: Path):
    app = tmp_path / "app.py"
    app.write_text(
        "import subprocess, sys, time\nfrom ftchat import child\n"
        f"guard = subprocess.Popen(child.guarded(['sh', '-c', {FAMILY!r}]), stdin=subprocess.PIPE,"
        " start_new_session=True)\nprint(guard.pid, flush=True)\ntime.sleep(300)\n"
    )
    with subprocess.Popen([sys.executable, app], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        pgid = int(running.stdout.readline())
        assert until(lambda: len(child.members(pgid)) == 4)
        running.kill()
    assert until(lambda: not child.members(pgid), seconds=3)


def test_group_ends_with_its_command_whose_status_is_handed_on():
    with start("sleep 300 & exit 3") as guard:
        assert guard.wait(timeout=10) == 3
        assert child.members(guard.pid) == {}


def test_status_of_a_command_that_was_killed_is_told_as_a_shell_tells_it():
    with start("kill -ILL $$") as guard:
        assert guard.wait(timeout=10) == 128 + signal.SIGILL


def test_command_ends_when_its_guard_is_killed():
    with start("exec sleep 300") as guard:
        assert until(lambda: len(child.members(guard.pid)) == 2)
        guard.kill()
        assert until(lambda: not child.members(guard.pid), seconds=3)


def test_end_asks_first_and_then_insists():
    with start("trap 'echo asked' TERM; echo ready; while :; do sleep 0.05; done") as guard:
        assert guard.stdout is not None
        assert guard.stdout.readline() == b"ready\n"
        child.end(guard.pid, grace_s=0.5)
        assert child.members(guard.pid) == {}
        assert guard.stdout.read() == b"asked\n"


def test_reap_ends_what_a_killed_guard_left(tmp_path: Path, family: subprocess.Popen[bytes]):
    child.record(tmp_path / "group.json", family.pid)
    family.kill()
    family.wait()
    assert child.reap(tmp_path / "group.json") >= 2
    assert child.members(family.pid) == {}
    assert not (tmp_path / "group.json").exists()


@pytest.mark.parametrize("change", [{"boot": "another"}, {"members": []}, {"shift": 1}])
def test_reap_leaves_strangers_alone(tmp_path: Path, family: subprocess.Popen[bytes], change: dict[str, object]):
    path = tmp_path / "group.json"
    child.record(path, family.pid)
    noted = json.loads(path.read_text())
    noted["members"] = [[pid, started + int("shift" in change)] for pid, started in noted["members"]]
    path.write_text(json.dumps(noted | change))
    assert child.reap(path) == 0
    assert len(child.members(family.pid)) == 4


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"pgid": "x", "members": []}'])
def test_reap_survives_a_damaged_record(tmp_path: Path, text: str):
    (tmp_path / "group.json").write_text(text)
    assert child.reap(tmp_path / "group.json") == 0


def test_reap_without_a_record_does_nothing(tmp_path: Path):
    assert child.reap(tmp_path / "none.json") == 0
    assert os.getpid() in child.members(os.getpgrp())
