"""Can this machine run ftchat with these settings? Each thing looked at is ok, a warning or an error with its remedy.

It reads versions from package metadata and imports neither torch nor vLLM, so that it answers within a second or two,
also where they are broken. It changes nothing, starts nothing and fetches nothing. Run: `ftchat doctor`.
"""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ftchat import hub, starter
from ftchat.backups import DATABASE
from ftchat.config import Settings
from ftchat.doctor import asked, here
from ftchat.errors import FtchatError
from ftchat.install import machine
from ftchat.install.machine import Finding
from ftchat.lease import holder
from ftchat.store.facts import sqlite_version


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    finding: Finding

    def facts(self) -> dict[str, str]:
        """As JSON has it."""
        found = self.finding
        return {"name": self.name, "level": found.level, "says": found.what, "remedy": found.remedy}


def examine(settings: Settings, environ: Mapping[str, str]) -> list[Check]:
    """Every check, in the order in which one thing needs another."""
    model = Path(settings.model).expanduser().resolve() if settings.model else starter.model_path()
    if hub.is_id(settings.model):
        model = hub.folder(settings.model, settings.home / "data") or Path(settings.model)
    runs = holder(settings.home / "data" / "lease")
    system = os.uname()
    looks: dict[str, Callable[[], Finding]] = {
        "system": lambda: machine.check_system(system.sysname, system.machine, here.flavour_for(settings)),
        "processor": lambda: here.processor(settings),
        "python": lambda: here.python(sys.version_info[:3]),
        "packages": here.packages,
        "vllm": lambda: here.vllm(settings),
        "torch": here.torch,
        "device": lambda: here.device(settings),
        "model": lambda: asked.model_files(model, settings),
        "memory": lambda: asked.memory(settings, model, running=runs is not None),
        "home": lambda: asked.home(settings.home),
        "database": lambda: asked.database(settings.home / "data" / DATABASE),
        "adapters": lambda: asked.adapters(settings),
        "disk": lambda: here.disk(shutil.disk_usage(here.nearest(settings.home)).free),
        "shared memory": lambda: here.shared_memory(Path("/dev/shm")),
        "open files": here.open_files,
        "port": lambda: asked.port(settings, runs),
        "engine": lambda: asked.engine(settings),
        "schedule": lambda: asked.schedule(settings),
        "webhook": lambda: asked.webhook(settings),
        "sqlite": lambda: here.sqlite(sqlite_version()),
        "browser": lambda: here.for_tests(environ),
    }
    return [Check(name, looked(look)) for name, look in looks.items()]


def looked(look: Callable[[], Finding]) -> Finding:
    """A look that could not be taken is itself something to mend."""
    try:
        return look()
    except FtchatError as err:
        return Finding("error", err.message, "mend that first, then run `ftchat doctor` again")
    except OSError as err:
        return Finding("error", f"it could not be looked at: {err}", "check that this user may read and write there")
