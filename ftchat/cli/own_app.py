"""An app of a command's own: started on a home that is thrown away, without a login, and ended with the command.

Nothing of it outlives the command, however that ends; a model of a hub is kept, in the home of whoever gave the
command. It does not know what the app is asked.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ftchat import child, hub
from ftchat.config import load_settings
from ftchat.errors import HomeInUse, SetupError
from ftchat.lease import Announced, Lease, announced

_LOOK_S, _GRACE_S = 0.3, 20.0
_PATIENCE_S = 900.0  # until the pages are there, and again until it can answer: a large model on a small machine
# Settings that are of one home and its people, and of no app that is thrown away.
OTHERS = (
    *("home", "host", "port", "open", "hosts", "proxies", "user_rate", "address_rate"),
    *("schedule", "schedule_new", "schedule_every_s", "schedule_effort", "webhook"),
)


@dataclass(frozen=True)
class OwnApp:
    """An app that can answer: where it is, and its process group and home, for whoever measures them."""

    at: Announced
    home: Path
    group: int
    started_s: float


@contextmanager
def own_app(flags: Sequence[str], *, tell: Callable[[str], None], keep: Path | None = None) -> Iterator[OwnApp]:
    """Start it with these flags of `ftchat serve`, and wait until it can answer. `keep` is a home that stays."""
    with _ending_in_order(), tempfile.TemporaryDirectory(prefix="ftchat-own-") as scratch:
        home = keep or Path(scratch)
        (home / "data").mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ftchat.cli", "serve", "--open", "--home", str(home), "--port", "0", *flags]
        began = time.monotonic()
        with (home / "data" / "app.log").open("wb") as log:
            process = subprocess.Popen(
                child.guarded(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_env(),
            )
        try:
            at = _pages(process, home)
            _until_ready(process, home, at, tell)
            yield OwnApp(at, home, process.pid, time.monotonic() - began)
        finally:
            child.end(process.pid, grace_s=_GRACE_S)
            if process.stdin is not None:
                process.stdin.close()
            process.wait()


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """A command that is told to end (SIGTERM) ends its app and removes its home first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _env() -> dict[str, str]:
    """Without the variables that belong to another home; the rest of what surrounds us stays."""
    theirs = {f"FTCHAT_{name.upper()}" for name in (*OTHERS, "approve_own")}
    return {key: value for key, value in os.environ.items() if key not in theirs}


def from_hub(model: str | None, tell: Callable[[str], None], *, home: str | None = None) -> list[str]:
    """The flag for a model of a hub, given or in FTCHAT_MODEL: downloaded into the home that the command was given in,
    as `ftchat serve` does there, it stays. No flag for any other model."""
    name = os.environ.get("FTCHAT_MODEL", "") if model is None else model
    if not hub.is_id(name):
        return []
    state = load_settings({"home": home}).home / "data"
    folder = hub.folder(name, state)
    if folder is None:
        try:
            lease = Lease(state / "lease")
        except HomeInUse as err:  # it may be downloading the very same
            raise SetupError(
                f"{name} is not in {state.parent} yet, and an app runs there. End it, or set FTCHAT_HOME to another."
            ) from err
        try:
            folder = hub.fetch(name, state, tell=lambda progress: tell(f"{name}: {progress.words}"))
        finally:
            lease.release()
    return ["--model", str(folder)]


def _pages(process: "subprocess.Popen[bytes]", home: Path) -> Announced:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if found := announced(home / "data" / "lease"):
            return found
        if process.poll() is not None:
            break
        time.sleep(_LOOK_S)
    raise SetupError(f"The app did not start. {_last_words(home)}")


def _until_ready(process: "subprocess.Popen[bytes]", home: Path, at: Announced, tell: Callable[[str], None]) -> None:
    until, stage = time.monotonic() + _PATIENCE_S, ""
    with httpx.Client(base_url=at.url, timeout=30, trust_env=False) as client:
        while time.monotonic() < until and process.poll() is None:
            try:
                said = client.get("/readyz").json()
            except httpx.TransportError:  # it may be about to end: then its last words say more
                time.sleep(_LOOK_S)
                continue
            if said["ready"]:
                return
            if said["stage"] == "failed":
                raise SetupError(f"The engine did not start: {said['reason']}")
            if said["stage"] != stage:
                stage = said["stage"]
                tell(f"engine: {stage}")
            time.sleep(_LOOK_S)
    raise SetupError(f"The engine did not come up. {_last_words(home)}")


def _last_words(home: Path) -> str:
    lines = (home / "data" / "app.log").read_text(errors="replace").strip().splitlines()
    return f"It said last: {' '.join(lines[-3:])}" if lines else "It said nothing."
