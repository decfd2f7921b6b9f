"""A child process with all its descendants, as one group that never outlives the app.

Between the app and the command stands a guard: this file, run as a program. It leads the group, keeps its standard
input open to the app, and ends the whole group when that input closes (the app is gone, however it went) or when the
command ends by itself. A record file names the group's processes with their start times, so that a later app can end
what a killed guard left behind, and never a stranger that got a reused process id.

It knows nothing of vLLM, training or HTTP, and it imports nothing but the standard library. Linux only.

Run: python -I ftchat/child.py COMMAND [ARGUMENT ...]
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_LOOK_S = 0.2  # how often the guard looks at the command
_PR_SET_PDEATHSIG = 1
_STATE, _PGRP, _STARTED = 0, 2, 19  # fields of /proc/PID/stat after the name


def guarded(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` under a guard. Give it a new session and a pipe as standard input."""
    return [sys.executable, "-I", str(Path(__file__).resolve()), *command]


def members(pgid: int) -> dict[int, int]:
    """Living processes of a group, each with its start time in clock ticks since boot."""
    found = {}
    for entry in Path("/proc").iterdir():
        fields = _stat(entry.name) if entry.name.isdigit() else []
        if fields and int(fields[_PGRP]) == pgid and fields[_STATE] not in "ZX":
            found[int(entry.name)] = int(fields[_STARTED])
    return found


def end(pgid: int, *, grace_s: float) -> None:
    """End a group: SIGTERM, `grace_s` to leave, then SIGKILL until nobody is left."""
    _signal(pgid, signal.SIGTERM)
    _wait_empty(pgid, grace_s)
    kill(pgid)


def kill(pgid: int) -> None:
    """End a group at once, and return when nobody is left in it."""
    for _ in range(50):  # a process that is just being forked may escape the first round
        if not members(pgid):
            return
        _signal(pgid, signal.SIGKILL)
        _wait_empty(pgid, 0.2)


def record(path: Path, pgid: int) -> None:
    """Write down who belongs to the group, for `reap`. Call again when the group has grown."""
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps({"boot": _boot(), "pgid": pgid, "members": list(members(pgid).items())}))
    aside.replace(path)


def reap(path: Path) -> int:
    """End the group that a killed app left behind; how many processes that were. Unknown processes are left alone.

    Only for the one app that holds this home: a living app's group would be ended too.
    """
    try:
        noted = json.loads(path.read_text())
        pgid, recorded = int(noted["pgid"]), {int(pid): int(started) for pid, started in noted["members"]}
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    alive = members(pgid) if noted.get("boot") == _boot() else {}
    ours = any(alive.get(pid) == started for pid, started in recorded.items())
    if ours:
        kill(pgid)
    path.unlink(missing_ok=True)
    return len(alive) if ours else 0


def _stat(pid: str) -> list[str]:
    """Fields of /proc/PID/stat after the name, which may itself hold spaces and brackets; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _signal(pgid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # the group is gone, which is what a signal is for
        os.killpg(pgid, number)


def _wait_empty(pgid: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while members(pgid) and time.monotonic() < until:
        time.sleep(0.02)


def _die_with_guard() -> None:
    """In the new process: ask the kernel for SIGKILL when the guard goes (its only thread is the parent)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _guard(command: Sequence[str]) -> int:
    """Run the command until it ends or the app is gone; then end what is left of the group."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # meant for the command; a handler, since SIG_IGN would be inherited
    app = os.getppid()
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_guard)
    while running.poll() is None:
        readable, _, _ = select.select([0], [], [], _LOOK_S)
        if os.getppid() != app or (readable and not os.read(0, 1)):
            break
    _kill_others()
    status = running.wait()
    return status if status >= 0 else 128 - status  # as a shell says it: 137 is SIGKILL, 132 illegal instruction


def _kill_others() -> None:
    """End everybody in the guard's own group but the guard, who has the exit status to hand on."""
    for _ in range(500):
        others = [pid for pid in members(os.getpgrp()) if pid != os.getpid()]
        if not others:
            return
        for pid in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(_guard(sys.argv[1:]))
