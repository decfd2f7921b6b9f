"""The self test's report: what it says of checks, times and memory. The whole of it, with a real engine, is soak."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from running import wait_for

from ftchat.cli import selftest
from ftchat.cli.memory import Peaks, Watch
from ftchat.cli.selftest import Report

TAKES = "x = bytearray({} << 20); x[::4096] = b'x' * len(x[::4096]); del x; print(1, flush=True); input()"


def test_a_report_is_good_only_when_every_check_is() -> None:
    report = Report()
    assert not report.ok
    report.check("it starts", True)
    assert report.ok
    report.check("it learned", False, "nothing")
    assert not report.ok
    assert "  FAILED  it learned: nothing" in report.words("x").splitlines()
    assert report.facts("x")["checks"][1] == {"check": "it learned", "ok": False, "detail": "nothing"}


def test_a_report_has_the_seconds_of_each_stage_and_the_memory_of_each_part() -> None:
    report = Report()
    report.seconds, report.stages = {"start": 31.04, "retrain": 20.0}, {"snapshot": 1.52, "train": 12.0, "exam": 6.5}
    report.memory = Peaks(at_once=3.214, parts={"engine": 2.0, "app": 0.5, "trainer": 1.25}, gpu=20.5)
    lines = report.words("x").splitlines()
    assert "  time: start 31.0 s, retrain 20.0 s" in lines
    assert "  stages of the run: snapshot 1.5 s, train 12.0 s, exam 6.5 s" in lines
    parts = "app 0.5 GiB, engine 2.0 GiB, trainer 1.2 GiB"
    assert f"  memory, at most: 3.2 GiB at once ({parts}); GPU, with whatever else is on it: 20.5 GiB" in lines
    facts = report.facts("x")
    assert facts["stages_s"] == {"snapshot": 1.5, "train": 12.0, "exam": 6.5}
    assert facts["memory_gib"] == {"at_once": 3.21, "app": 0.5, "engine": 2.0, "trainer": 1.25, "gpu": 20.5}


def started(*command: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_memory_is_that_of_a_process_and_its_children_by_part_and_what_was_given_back_counts(tmp_path: Path) -> None:
    """A trainer that took 200 MiB before anybody looked, and gave them back: the kernel knows."""
    alone = Peaks()
    alone.look(os.getpid())
    (tmp_path / "ftchat.training").write_text(TAKES.format(200))
    trainer = started(str(tmp_path / "ftchat.training"))
    seen = Peaks()
    seen.look(os.getpid())
    trainer.communicate(b"\n")
    assert set(seen.parts) - set(alone.parts) == {"trainer"}  # what else this process has begun stays the same
    assert 0.19 < seen.parts["trainer"] < 0.3
    assert seen.at_once - alone.at_once < 0.1


def test_what_is_watched_is_kept_at_its_most() -> None:
    alone, peaks = Peaks(), Peaks()
    alone.look(os.getpid())
    with Watch(os.getpid(), peaks):
        child = started("-c", TAKES.replace("del x; ", "").format(200))
        wait_for(lambda: peaks.at_once > alone.at_once + 0.15, what="a look", within_s=30)
        child.communicate(b"\n")
    assert peaks.at_once > alone.at_once + 0.15


def test_memory_of_a_gpu_is_what_is_in_use_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = Peaks()
    monkeypatch.setenv("PATH", str(tmp_path))
    peaks.look(os.getpid())
    assert peaks.gpu is None
    tool = tmp_path / "nvidia-smi"
    for free in (60_000, 50_000, 70_000):
        tool.write_text(f"#!/bin/sh\necho {free}, 81920\n")
        tool.chmod(stat.S_IRWXU)
        peaks.look(os.getpid())
    assert peaks.gpu == pytest.approx((81920 - 50_000) / 1024)


@pytest.mark.engine
@pytest.mark.soak
def test_the_whole_self_test_on_the_practice_model(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        selftest.main(["--json"])
    report = json.loads(capsys.readouterr().out)
    assert (ended.value.code, report["ok"]) == (0, True), report["checks"]
    assert {"snapshot", "train", "exam"} <= set(report["stages_s"])
    assert sum(report["stages_s"].values()) == pytest.approx(report["seconds"]["retrain"], abs=1.0)
    memory = report["memory_gib"]
    assert memory["at_once"] > memory["engine"] / 2 > 0.1
    assert memory["trainer"] > 0.1
    print(json.dumps(report, indent=1))
