"""A real ftchat as a user starts it: `python app.py --open` on a home of its own, driven over HTTP or in a browser."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
ENGINE_S = 240  # how long the engine may take to be ready on a busy machine of two cores


class Running:
    """One app process over a home; it can be killed and started again."""

    def __init__(self, home: Path, *flags: str, alone: bool = True) -> None:
        """`alone`: without logins."""
        self.home = home
        self.flags = ("--open", *flags) if alone else flags
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when its pages answer."""
        command = [sys.executable, str(ROOT / "app.py"), "--home", str(self.home), "--port", str(self.port)]
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "app.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *self.flags], stdout=log, stderr=log, cwd=self.home)
        wait_for(lambda: self.get("/healthz"), what="the pages", within_s=60, log=self.home / "app.log")

    def until_ready(self) -> None:
        """Return when the engine can answer."""
        wait_for(lambda: self.get("/readyz"), what="the engine", within_s=ENGINE_S, log=self.home / "app.log")

    def get(self, path: str) -> Any:
        """The JSON answer of a GET."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, **body: Any) -> Any:
        """The JSON answer of a POST."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def kill(self) -> None:
        """SIGKILL to the app alone, as the out-of-memory killer would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """As Ctrl+C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            finally:
                if self.process.poll() is None:
                    self.process.kill()

    def family(self) -> list[int]:
        """Living processes that were started in this home: the app, the engine, a trainer."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                ours = (entry / "cwd").readlink() == self.home
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except (OSError, IndexError):
                continue
            if ours and state not in "ZX":
                found.append(int(entry.name))
        return found


def wait_for(look: Any, *, what: str, within_s: float, log: Path | None = None) -> Any:
    """What `look` gives once it gives something and does not fail to connect; else an error with the log's end."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if found := look():
                return found
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.3)
    tail = log.read_text(errors="replace")[-2000:] if log and log.is_file() else ""
    raise AssertionError(f"{what} did not come up within {within_s:.0f} s.\n{tail}")
