"""Processes that a measurement asks: the scripted vLLM, and ftchat with its pages as a user starts it."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path

from bench.serving.scripted import Pace
from ftchat.launch import free_port

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A child that answers at `url`."""

    def __init__(self, command: list[str], *, url: str, log: Path) -> None:
        self.url, self._log = url, log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
            )

    def until_it_answers(self, path: str) -> None:
        """Wait until that path is answered with 200."""
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + path, timeout=10):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        raise TimeoutError(f"{self.url}{path} was not answered.\n{self._log.read_text(errors='replace')[-2000:]}")

    def cpu_s(self) -> float:
        """Processor seconds that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss_mb(self) -> float:
        """Its resident memory, in millions of bytes."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def end(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


def scripted(folder: Path, pace: Pace) -> Process:
    """The scripted vLLM, answering."""
    port = free_port()
    command = [sys.executable, "-m", "bench.serving.scripted", str(port), json.dumps(asdict(pace))]
    made = Process(command, url=f"http://127.0.0.1:{port}", log=folder / "scripted.log")
    made.until_it_answers("/health")
    return made


def plain(folder: Path, *, engine: str) -> Process:
    """A plain gr.ChatInterface over the same engine, answering."""
    port = free_port()
    command = [sys.executable, "-m", "bench.serving.plain", str(port), engine]
    made = Process(command, url=f"http://127.0.0.1:{port}", log=folder / "plain.log")
    made.until_it_answers("/config")
    return made


def ftchat(home: Path, *flags: str, engine: str, key: str = "", model: Path | None = None) -> Process:
    """ftchat over an engine that runs elsewhere, ready to answer."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, str(ROOT / "app.py"), "--open", "--home", str(home), "--port", str(port)]
    command += ["--engine-url", engine, *flags]
    if key:
        command += ["--engine-key", key]
    if model is not None:
        command += ["--model", str(model)]
    made = Process(command, url=f"http://127.0.0.1:{port}", log=home / "app.log")
    made.until_it_answers("/readyz")
    return made
