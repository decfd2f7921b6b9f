"""The trainer goes when the app goes, however it went, and lets the app go first. It knows nothing of training and
imports nothing slow.
"""

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path

APP = "FTCHAT_APP_PID"  # the app's process, as it says itself: it may have gone before anybody could ask
_PR_SET_PDEATHSIG = 1
_NICE = 5  # chat goes first where trainer and engine share cores
_NICEST = 19


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent goes, however it went; and go now if it has gone already."""
    parent = int(os.environ.get(APP, os.getppid()))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def leave_the_terminal_to_the_app() -> None:
    """Ctrl-C reaches everybody in the terminal. It means the app, which ends this process; the run then goes on at the
    next start, and must not be finished early before."""
    if APP in os.environ:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def let_others_go_first() -> None:
    """A lower priority, once."""
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))


def take_what_is_left() -> None:
    """Compute only where a core has nothing else to do: for who takes all of them. Whoever chats has them at once.

    Where the kernel weighs sessions against each other first (autogroup), that counts within a session alone, and the
    engine has its own. So this process gets one, too, of the lowest weight.
    """
    for thread in (int(name) for name in os.listdir("/proc/self/task")):
        try:
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
        except OSError:  # not allowed in this container
            os.setpriority(os.PRIO_PROCESS, thread, _NICEST)
    with suppress(OSError):  # leads a group already
        os.setsid()
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # no autogroup here
            Path("/proc/self/autogroup").write_text(str(_NICEST), encoding="ascii")
