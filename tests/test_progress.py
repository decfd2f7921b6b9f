"""What is read of a run's figures at each look: all of it once, then what is new; and all of another file."""

import json
from pathlib import Path
from typing import Any

import pytest

from ftchat import progress
from ftchat.progress import Metrics
from ftchat.training.job import MetricsLog, read_metrics


@pytest.fixture
def offsets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From where each look read."""
    seen: list[int] = []

    def reading(path: Path, offset: int) -> Any:
        seen.append(offset)
        return read_metrics(path, offset)

    monkeypatch.setattr(progress, "read_metrics", reading)
    return seen


def line(step: int) -> str:
    return json.dumps({"event": "step", "step": step}) + "\n"


def steps(metrics: Metrics, folder: Path) -> list[int]:
    return [event["step"] for event in metrics.of(folder)]


def test_of_a_run_only_what_is_new_is_read(tmp_path: Path, offsets: list[int]) -> None:
    metrics, log = Metrics(), MetricsLog(tmp_path / "metrics.jsonl")
    assert steps(metrics, tmp_path) == []
    sizes, size = [0, 0], 0
    for step in range(200):
        log.write("step", step=step)
        size = (tmp_path / "metrics.jsonl").stat().st_size
        sizes.append(size)
        assert steps(metrics, tmp_path) == list(range(step + 1))
    assert offsets == sizes[:-1]
    assert steps(metrics, tmp_path) == list(range(200))
    assert offsets[-1] == size
    log.close()


def test_a_line_that_is_still_written_comes_with_the_next_look(tmp_path: Path) -> None:
    metrics, path = Metrics(), tmp_path / "metrics.jsonl"
    path.write_text(line(1) + line(2)[:9], encoding="utf-8")
    assert steps(metrics, tmp_path) == [1]
    path.write_text(line(1) + line(2), encoding="utf-8")
    assert steps(metrics, tmp_path) == [1, 2]


@pytest.mark.parametrize("other", [[7], [7, 8], [7, 8, 9], []])
def test_another_file_in_its_place_is_read_from_the_beginning(tmp_path: Path, other: list[int]) -> None:
    metrics, path = Metrics(), tmp_path / "metrics.jsonl"
    path.write_text(line(1) + line(2), encoding="utf-8")
    assert steps(metrics, tmp_path) == [1, 2]
    path.write_text("".join(map(line, other)), encoding="utf-8")
    assert steps(metrics, tmp_path) == other
    path.unlink()
    assert steps(metrics, tmp_path) == []


def test_runs_that_were_looked_at_long_ago_are_let_go(tmp_path: Path, offsets: list[int]) -> None:
    metrics = Metrics()
    for name in "abcde":
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(line(1), encoding="utf-8")
        assert steps(metrics, tmp_path / name) == [1]
    assert steps(metrics, tmp_path / "a") == [1]
    assert offsets == [0] * 6
    assert steps(metrics, tmp_path / "e") == [1]
    assert offsets[-1] == len(line(1))
