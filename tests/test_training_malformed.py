"""Malformed job files and snapshots, hundreds of them: each ends with a sentence, a status that is not 0, and no
candidate. The trainer's own main is called in this process, before whose checks nothing slow is imported."""

import io
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_jobs import row, snapshot_of, trainer, write_job

from ftchat.training.__main__ import main

JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
NO_TEXT = JUNK.filter(lambda value: not isinstance(value, str) or not value or "\x00" in value)
NO_NUMBER = JUNK.filter(lambda value: isinstance(value, bool) or not isinstance(value, int | float))
NO_OBJECT = JUNK.filter(lambda value: not isinstance(value, dict))
NO_ARRAY = JUNK.filter(lambda value: not isinstance(value, list))
UNKNOWN = st.text(min_size=1, max_size=8).map(lambda text: f"x{text}")
FAR = st.one_of(st.integers(max_value=-1), st.integers(min_value=2**40), st.just(10**400))
HALF = st.sampled_from(("\ud83d", "half a \ude00 face"))  # of a character, which JSON can write and nothing else can

Files = dict[str, bytes]
Damage = Callable[[Files], Files]


def _json(name: str, change: Callable[[Any], Any], *, line: int | None = None) -> Damage:
    """A change of a file's JSON value, or of one line's."""

    def damage(files: Files) -> Files:
        lines = files[name].decode().splitlines()
        if line is None:
            return {**files, name: json.dumps(change(json.loads(files[name]))).encode()}
        lines[line] = json.dumps(change(json.loads(lines[line])))
        return {**files, name: "\n".join(lines).encode()}

    return damage


def _set(name: str, key: str, value: Any, *, line: int | None = None) -> Damage:
    return _json(name, lambda found: {**found, key: value}, line=line)


def _without(name: str, key: str, *, line: int | None = None) -> Damage:
    return _json(name, lambda found: {k: v for k, v in found.items() if k != key}, line=line)


def _bytes(name: str, change: Callable[[bytes], bytes]) -> Damage:
    return lambda files: {**files, name: change(files[name])}


JOB, ROWS, REPLAY, MANIFEST = "job.json", "snapshot/rows.jsonl", "snapshot/replay.jsonl", "snapshot/manifest.json"
PATHS = ("base", "snapshot", "out", "metrics")
FIELDS = ("id", "role", "split", "weight", "group", "messages", "target", "rejected", "rater")
FILES = st.sampled_from((JOB, ROWS, REPLAY, MANIFEST))
LINE = st.integers(0, 3)
NUMBERS = st.sampled_from(("rank", "steps", "seed", "batch_tokens", "learning_rate", "replay_share"))
TEXTS = st.sampled_from(("id", "target", "rater"))
NO_JSON = st.sampled_from((b"\xff\xfe", b"{", b"nul", b"\n[1", b'\n{"a": NaN}'))


def _cut(name: str, share: float) -> Damage:
    return _bytes(name, lambda body: body[: int(share * (len(body) - 2)) or 1])


def _gone(name: str) -> Damage:
    return lambda files: {key: body for key, body in files.items() if key != name}


def _more(name: str, what: bytes) -> Damage:
    return _bytes(name, lambda body: body + what)


def _argument(key: str, value: Any) -> Damage:
    return _set(JOB, "args", {key: value})


def _field(key: str, value: Any, line: int) -> Damage:
    return _set(ROWS, key, value, line=line)


def _line(name: str, value: Any) -> Damage:
    return _json(name, lambda _: value, line=0)


MALFORMED: st.SearchStrategy[Damage] = st.one_of(
    # files that are no files, or no JSON
    st.builds(_cut, st.sampled_from((JOB, MANIFEST)), st.floats(0, 1)),
    st.builds(_gone, FILES),
    st.builds(_more, FILES, NO_JSON),
    st.builds(lambda depth: _bytes(JOB, lambda _: b"[" * depth), st.sampled_from((10, 100_000))),
    # the job
    st.builds(lambda key: _without(JOB, key), st.sampled_from(PATHS)),
    st.builds(lambda key, value: _set(JOB, key, value), st.sampled_from(PATHS), NO_TEXT),
    st.builds(lambda key, value: _set(JOB, key, value), st.sampled_from(PATHS), HALF),
    st.builds(lambda length: _set(JOB, "out", "x" * length), st.integers(300, 6000)),
    st.builds(lambda value: _set(JOB, "context_length", value), st.one_of(NO_NUMBER, FAR)),
    st.builds(lambda value: _set(JOB, "halve", value), JUNK.filter(lambda value: not isinstance(value, bool))),
    st.builds(lambda body: lambda files: {**files, "model/config.json": body}, NO_JSON),
    st.builds(lambda key, value: _set(JOB, key, value), UNKNOWN, JUNK),
    st.builds(lambda value: _set(JOB, "args", value), NO_OBJECT),
    st.builds(_argument, NUMBERS, st.one_of(NO_NUMBER, FAR)),
    st.builds(_argument, UNKNOWN, JUNK),
    st.builds(_argument, st.just("effort"), JUNK),
    st.builds(lambda value: _set(JOB, "samples", value), st.one_of(NO_ARRAY, st.lists(NO_OBJECT, min_size=1))),
    st.builds(lambda value: _set(JOB, "threads", value), st.one_of(NO_NUMBER, FAR)),
    st.builds(lambda value: _set(JOB, "start", value), NO_TEXT.filter(lambda value: value is not None)),
    st.builds(lambda value: _set(JOB, "fresh", value), st.one_of(NO_ARRAY, st.lists(NO_TEXT, min_size=1))),
    # the rows
    st.builds(lambda key, line: _without(ROWS, key, line=line), st.sampled_from(FIELDS), LINE),
    st.builds(_field, UNKNOWN, JUNK, LINE),
    st.builds(_field, TEXTS, NO_TEXT, LINE),
    st.builds(_field, st.just("group"), NO_TEXT.filter(lambda v: not isinstance(v, str)), LINE),
    st.builds(_field, st.one_of(TEXTS, st.sampled_from(("group", "rejected"))), HALF, LINE),
    st.builds(_field, st.sampled_from(("role", "split", "messages")), JUNK, LINE),
    st.builds(_field, st.just("weight"), st.one_of(NO_NUMBER, FAR, st.just(0)), LINE),
    st.builds(_field, st.just("rejected"), JUNK.filter(lambda v: not isinstance(v, str) or not v), st.just(1)),
    st.builds(_field, st.just("id"), st.just("k_0"), st.integers(1, 3)),
    st.builds(_line, st.just(ROWS), NO_OBJECT),
    st.just(lambda files: _only_exam(files)),
    # replay
    st.builds(lambda key: _without(REPLAY, key, line=0), st.sampled_from(("messages", "answer"))),
    st.builds(lambda value: _set(REPLAY, "answer", value, line=1), NO_TEXT),
    st.builds(_line, st.just(REPLAY), NO_OBJECT),
)


def _only_exam(files: Files) -> Files:
    first = files[ROWS].splitlines(keepends=True)[0]
    return _field("split", "exam", 0)({**files, ROWS: first})


@pytest.fixture(scope="module")
def sound() -> Files:
    """A job's files that are as they should be, with paths from the folder that they lie in."""
    rows = [row(0), row(1, role="pair", rejected="b"), row(2, role="positive"), row(3, role="negative")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_job(folder, folder / "model", snapshot_of(rows))
        found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {file: body.replace(name.encode(), b"@HERE@") for file, body in found.items()}


def _written(folder: Path, files: Files) -> Path:
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    (folder / "snapshot").mkdir()
    for name, body in files.items():
        (folder / name).write_bytes(body.replace(b"@HERE@", str(folder).encode()))
    return folder / "job.json"


def _refused(files: Files, *, in_process: bool = True) -> str:
    """What the trainer says to damaged files; nothing that looks like a candidate may be left."""
    with tempfile.TemporaryDirectory() as name:
        folder, said = Path(name), io.StringIO()
        path = _written(folder, files)
        if in_process:
            with redirect_stderr(said):
                status = main([str(path)], threading.Event())
        else:
            with trainer(folder) as process:
                status = process.wait(timeout=60)
            said.write((folder / "log").read_text())
        assert status == 1
        names = {str(p.relative_to(folder)) for p in folder.rglob("*")}
        assert not {n for n in names if "adapter" in n or n.startswith((".", "candidate"))}
    return said.getvalue()


def _is_a_sentence(said: str) -> None:
    assert said.count("\n") == 1, said
    assert said.endswith(".\n")
    assert "Traceback" not in said
    assert "The trainer broke" not in said


@settings(max_examples=60, deadline=None)
@given(damage=MALFORMED)
def test_malformed_job_or_snapshot_ends_with_a_sentence_and_no_candidate(sound: Files, damage: Damage) -> None:
    _is_a_sentence(_refused(damage(sound)))


@pytest.mark.soak
@settings(max_examples=200, deadline=None)
@given(damage=MALFORMED)
def test_two_hundred_malformed_ones_in_the_real_process(sound: Files, damage: Damage) -> None:
    _is_a_sentence(_refused(damage(sound), in_process=False))


def test_sound_files_pass_these_checks(sound: Files) -> None:
    """The damage above is what is refused: undamaged, the trainer gets as far as the model, which is empty here."""
    with tempfile.TemporaryDirectory() as name:
        path = _written(Path(name), sound)
        code = "import sys; from ftchat.training.job import Job; from ftchat.training.snapshot import read_snapshot\n"
        code += "from pathlib import Path\nprint(len(read_snapshot(Job.read(Path(sys.argv[1])).snapshot).train))"
        asked = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    assert asked.stdout == "4\n"
    assert json.loads(sound[ROWS].splitlines()[0])["id"] == asdict(row(0))["id"]
