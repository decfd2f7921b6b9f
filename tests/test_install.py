"""The set-up: what it finds on a machine, which Python and browser it takes, and how it is called twice."""

import ast
import errno
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ftchat.install import __main__ as command
from ftchat.install import browser, machine, python, stamp
from ftchat.install.machine import GIB, Finding, Machine
from ftchat.install.packages import Wish
from ftchat.install.python import Python
from ftchat.install.report import Problem, Report

ROOT = Path(__file__).resolve().parents[1]
INSTALL = ROOT / "ftchat" / "install"

GOOD = Machine(
    system="Linux",
    arch="x86_64",
    libc=("glibc", "2.36"),
    cpuinfo="processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\n",
    memory_bytes=16 * GIB,
    disk_free_bytes=50 * GIB,
    temp_free_bytes=50 * GIB,
    gpu="",
    has_compiler=True,
)


def levels(at: Machine, flavour: str = "cpu") -> list[str]:
    return [finding.level for finding in machine.findings(at, flavour)]


# The machine


def test_a_good_machine_has_nothing_to_say():
    assert set(levels(GOOD)) == {"ok"}
    assert set(levels(replace(GOOD, gpu="GPU 0: NVIDIA L4"), "gpu")) == {"ok"}


@pytest.mark.parametrize(
    ("change", "flavour", "level", "words"),
    [
        ({"system": "Darwin", "arch": "arm64"}, "cpu", "error", "container"),
        ({"system": "Darwin", "arch": "arm64"}, "remote", "warning", "not tested"),
        ({"system": "Windows", "arch": "AMD64"}, "cpu", "error", "WSL"),
        ({"arch": "riscv64"}, "cpu", "error", "--engine-url"),
        ({"arch": "aarch64", "cpuinfo": "Features\t: fp asimd"}, "cpu", "warning", "not tested"),
        ({"libc": ("", "")}, "cpu", "error", "Debian"),
        ({"libc": ("glibc", "2.28")}, "cpu", "error", "Debian"),
        ({"cpuinfo": "flags : sse4_2 avx"}, "cpu", "error", "--engine-url"),
        ({"cpuinfo": "flags : sse4_2 avx avx2"}, "cpu", "warning", "avx512f"),
        ({"cpuinfo": ""}, "cpu", "warning", "cannot be read"),
        ({"memory_bytes": 2 * GIB}, "cpu", "error", "larger machine"),
        ({"memory_bytes": 4 * GIB}, "cpu", "warning", "close other programs"),
        ({"memory_bytes": 0}, "cpu", "warning", "cannot be read"),
        ({"disk_free_bytes": 3 * GIB}, "cpu", "error", "larger disk"),
        ({"temp_free_bytes": GIB}, "cpu", "warning", "TMPDIR"),
        ({"gpu": ""}, "gpu", "warning", "FTCHAT_FLAVOUR=cpu"),
        ({"gpu": "GPU 0: NVIDIA L4", "has_compiler": False}, "gpu", "warning", "build-essential"),
    ],
)
def test_each_shortcoming_is_found_and_has_a_remedy(change, flavour, level, words):
    found = [finding for finding in machine.findings(replace(GOOD, **change), flavour) if finding.level != "ok"]

    assert [finding.level for finding in found] == [level]
    assert words in found[0].lines()


def test_an_old_processor_is_no_matter_with_a_gpu_or_an_engine_elsewhere():
    old = replace(GOOD, cpuinfo="flags : sse4_2", gpu="GPU 0: NVIDIA L4")

    assert set(levels(old, "gpu")) == {"ok"}
    assert set(levels(old, "remote")) == {"ok"}


def test_a_finding_refuses_trouble_without_a_remedy():
    with pytest.raises(ValueError, match="has no remedy"):
        Finding("error", "something is wrong")
    with pytest.raises(ValueError, match="level is 'bad'"):
        Finding("bad", "something")


def test_memory_is_the_containers_limit_where_that_is_less():
    meminfo = "MemTotal:       16384000 kB\nMemFree:         1000000 kB\n"

    assert machine.memory(meminfo, 0) == 16384000 * 1024
    assert machine.memory(meminfo, 4 * GIB) == 4 * GIB
    assert machine.memory(meminfo, 2**63) == 16384000 * 1024
    assert machine.memory("", 0) == 0


@pytest.mark.parametrize(
    ("environ", "gpu", "flavour"),
    [
        ({}, "", "cpu"),
        ({}, "GPU 0: NVIDIA L4", "gpu"),
        ({"FTCHAT_FLAVOUR": "cpu"}, "GPU 0: NVIDIA L4", "cpu"),
        ({"FTCHAT_FLAVOUR": " GPU "}, "", "gpu"),
    ],
)
def test_flavour_is_asked_for_or_follows_the_gpu(environ, gpu, flavour):
    assert machine.choose_flavour(environ, gpu)[0] == flavour


def test_a_flavour_nobody_knows_is_a_problem(monkeypatch):
    monkeypatch.setenv("FTCHAT_FLAVOUR", "tpu")

    with pytest.raises(Problem, match="FTCHAT_FLAVOUR is 'tpu'"):
        command.flavour("")


def test_this_machine_can_be_looked_at():
    seen = machine.look(ROOT, "")

    assert seen.system == "Linux"
    assert seen.memory_bytes > GIB


# The Python

BOUNDS = ((3, 11), (3, 15))


def test_supported_versions_are_those_of_pyproject():
    assert python.supported((ROOT / "pyproject.toml").read_text(encoding="utf-8")) == BOUNDS


def test_the_first_python_that_can_carry_ftchat_is_taken():
    old = Python("/a", (3, 9, 2), (), "3.34.1")
    bare = Python("/b", (3, 12, 3), ("ensurepip",), "3.45.1")
    good = Python("/c", (3, 11, 2), (), "3.40.1")

    assert python.choose([old, bare, good], BOUNDS) == good


@pytest.mark.parametrize(
    ("found", "what", "remedy"),
    [
        ([], "found: none", "apt install python3.11"),
        ([Python("/a", (3, 9, 2), (), "3.34.1")], "needs Python 3.11 to 3.14; found: 3.9.2", "FTCHAT_PYTHON"),
        ([Python("/a", (3, 11, 2), ("venv", "ensurepip"), "3.40.1")], "virtual env", "apt install python3.11-venv"),
        ([Python("/a", (3, 11, 2), ("ssl",), "3.40.1")], "without ssl", "OpenSSL"),
        ([Python("/a", (3, 11, 2), (), "3.34.1")], "has SQLite 3.34.1; ftchat needs 3.37", "newer system"),
    ],
)
def test_a_python_that_cannot_carry_it_is_a_problem_with_a_remedy(found, what, remedy):
    with pytest.raises(Problem) as problem:
        python.choose(found, BOUNDS)

    assert what in problem.value.what
    assert remedy in problem.value.remedy


def test_this_python_is_probed_and_one_that_is_not_there_is_none(tmp_path):
    assert python.probe(sys.executable) == Python(sys.executable, sys.version_info[:3], (), sqlite3.sqlite_version)
    assert python.probe(str(tmp_path / "python")) is None


def test_ftchat_python_overrules_path_and_may_be_a_name(tmp_path, monkeypatch):
    assert python.candidates({"FTCHAT_PYTHON": "/opt/python"}, tmp_path) == ["/opt/python"]
    program(tmp_path / "python3.99")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert python.candidates({"FTCHAT_PYTHON": "python3.99"}, tmp_path) == [str(tmp_path / "python3.99")]
    assert python.candidates({}, tmp_path)[0] == sys.executable


@pytest.mark.parametrize("path", sorted([ROOT / "ftchat" / "__init__.py", *INSTALL.glob("*.py")]), ids=lambda p: p.name)
def test_the_set_up_can_be_read_by_python_3_8(path):
    assert ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8)).body


# The browser


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A .venv whose python does nothing."""
    return program(tmp_path / ".venv" / "bin" / "python").parents[1]


def test_the_browser_is_named_or_on_path_or_playwrights(tmp_path):
    named = program(tmp_path / "named" / "brave")
    on_path = program(tmp_path / "bin" / "google-chrome")
    fetched = program(tmp_path / ".cache" / "ms-playwright" / "chromium-1200" / "chrome-linux64" / "chrome")
    here = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}

    assert browser.find_browser({**here, "FTCHAT_BROWSER": str(named)}) == named
    assert browser.find_browser(here) == on_path
    assert browser.find_browser({**here, "PATH": ""}) == fetched
    assert browser.find_browser({"HOME": str(tmp_path / "elsewhere"), "PATH": ""}) is None


def test_a_browser_that_only_asks_for_a_snap_is_none(tmp_path):
    program(tmp_path / "bin" / "chromium-browser", '#!/bin/sh\necho "run: snap install chromium"\nexit 1\n')

    assert browser.find_browser({"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}) is None


def test_a_browser_that_is_named_wrongly_is_a_problem(tmp_path):
    with pytest.raises(Problem, match="FTCHAT_BROWSER is '/no/such'"):
        browser.find_browser({"FTCHAT_BROWSER": "/no/such", "PATH": "/usr/bin"})


def test_no_browser_at_all_is_a_failure_with_a_remedy(venv, monkeypatch):
    monkeypatch.setattr(browser, "find_browser", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(Problem, match="there is no browser") as problem:
        browser.ensure_browser(venv, Report())

    assert "FTCHAT_BROWSER" in problem.value.remedy
    assert "playwright install chromium" in (venv / "install.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("fetched", [False, True])
def test_a_browser_that_does_not_start_is_a_failure(venv, monkeypatch, tmp_path, fetched):
    broken = program(tmp_path / "chromium", "#!/bin/sh\necho 'libnss3.so: not found' >&2\nexit 127\n")
    found = iter([None, broken] if fetched else [broken])
    monkeypatch.setattr(browser, "find_browser", lambda: next(found))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(Problem, match="does not start") as problem:
        browser.ensure_browser(venv, Report())

    assert problem.value.log == ("libnss3.so: not found",)


# The command


def test_what_may_not_be_written_is_a_problem_with_a_remedy(monkeypatch, capsys):
    def refused(*given, **named):
        raise PermissionError(errno.EACCES, "Permission denied", "/here/.venv")

    monkeypatch.setattr(command, "set_up", refused)

    assert command.main([]) == 1
    said = "".join(capsys.readouterr())
    assert "/here/.venv cannot be written or read (Permission denied)" in said
    assert "chown" in said


def test_where_folders_cannot_be_locked_the_set_up_goes_on(tmp_path, monkeypatch, capsys):
    def refused(*given):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("fcntl.flock", refused)

    with command.locked(tmp_path, Report()):
        pass
    assert "locks no folders" in "".join(capsys.readouterr())


def test_one_set_up_at_a_time(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from ftchat.install.__main__ import locked; from ftchat.install.report import Report\n"
        f"with locked(Path({str(tmp_path)!r}), Report()): print('in', flush=True)\n"
    )
    with command.locked(tmp_path, Report()):
        other = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert "another set-up is at work" in other.stdout.readline()
        assert other.poll() is None

    assert other.communicate(timeout=30)[0] == "in\n"


def test_the_second_call_takes_no_time():
    """The command as make calls it, over the .venv that make has finished."""
    made = stamp.read(ROOT / ".venv" / stamp.STAMP)
    wish = Wish(root=ROOT, flavour=made.flavour if made else "cpu", dev=False, system="Linux", python="3.11")
    found = stamp.judge(stamp.inspect(wish.venv), wish.stamp()).action
    assert found == "keep", "the .venv in this folder was not finished by the set-up: run the tests with `make test`"
    start = time.monotonic()

    done = subprocess.run(
        [sys.executable, "-m", "ftchat.install"],
        cwd=ROOT,
        env={**os.environ, "FTCHAT_FLAVOUR": wish.flavour},
        capture_output=True,
        text=True,
        check=True,
    )

    assert time.monotonic() - start < 2
    assert [line.split("] ")[1] for line in done.stdout.splitlines()] == ["set-up is complete"]


def test_an_old_python_gets_a_sentence(tmp_path):
    """Seen from outside, with no fitting Python on PATH."""
    folder = tmp_path / "ftchat" / "install"
    folder.mkdir(parents=True)
    for path in [ROOT / "ftchat" / "__init__.py", *INSTALL.glob("*.py")]:
        (tmp_path / path.relative_to(ROOT)).write_bytes(path.read_bytes())
    (tmp_path / "pyproject.toml").write_text('requires-python = ">=3.98,<3.99"\n', encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "ftchat.install"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "ftchat needs Python 3.98 to 3.98; found: 3." in done.stderr
    assert "What to do: install one" in done.stderr
