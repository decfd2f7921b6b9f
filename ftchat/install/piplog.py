"""Reads what pip printed: whether torch's CPU build is missing from the index, and which package failed and why.

Pure functions over text. The texts in tests/test_install_piplog.py are pip's own.
"""

from __future__ import annotations

import re

from ftchat.install.report import Problem

AGAIN = "then run the same command again"
_NO_MATCH = re.compile(r"No matching distribution found for ([^\s;]+)")
_NOT_FOUND = re.compile(r"satisfies the requirement ([^\s;]+)[^\n]*\(from versions: ([^)]*)\)")
_UNAVAILABLE = re.compile(r"have no matching distributions available for your environment:\n((?:[ ]+\S+\n?)+)")
_RETRIED = re.compile(r"connection broken by .*: (/\S+)$", re.MULTILINE)
_HTTP = re.compile(r"HTTP error (\d+) while getting (\S+)")
_GAVE_UP = re.compile(r"Max retries exceeded with url: (\S+)|Download failed after[^\n]*\n\W*URL: (\S+)")
_BUILD = re.compile(r"Failed (?:to build|building wheel for) '?([A-Za-z0-9._-]+)")


def lacks_cpu_torch(output: str) -> bool:
    """Whether pip reached its index and found no CPU build of torch on it."""
    for found, versions in _NOT_FOUND.findall(output):
        if re.fullmatch(r"torch==\S+\+cpu", found):
            return versions != "none" or not unreachable(output)
    asked = re.search(r"depends on torch==\S+\+cpu", output)
    return bool(asked) and _plain(missing(output)) == "torch" and not unreachable(output)


def missing(output: str) -> str:
    """The requirement that pip could not find, with its version where pip tells it; empty where there is none."""
    found = _NO_MATCH.search(output) or _NOT_FOUND.search(output)
    if found:
        return found.group(1)
    found = _UNAVAILABLE.search(output)
    if not found:
        return ""
    name = found.group(1).split()[0]
    pin = re.search(rf"\(constraint\) ({re.escape(name)}\S+)", output)
    return pin.group(1) if pin else name


def unreachable(output: str) -> bool:
    """Whether the index did not answer for the missing package: pip says "no matching" then too, of what exists."""
    retried = {_plain(_last_part(path)) for path in _RETRIED.findall(output)}
    return _plain(missing(output)) in retried


def explain(output: str) -> Problem:
    """The package that failed, why, and what to do."""
    log = relevant(output)
    for rule in (_disk, _certificate, _http, _network, _version, _build):
        told = rule(output)
        if told:
            return Problem(told[0], told[1], log)
    name = last_package(output)
    return Problem(f"pip failed{f' at {name}' if name else ''}", f"read .venv/install.log, {AGAIN}", log)


def relevant(output: str, limit: int = 8) -> tuple[str, ...]:
    """The lines with pip's errors, or else its last ones."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\s*(ERROR|error|WARNING: Retrying|×)(:|\s)", line)]
    return tuple(line[:200] for line in (errors or lines)[-limit:])


def last_package(output: str) -> str:
    """The package that pip was about to fetch when it stopped; empty where it names none."""
    found = re.findall(r"^\s*(?:Collecting|Processing|Downloading) (\S+)", output, re.MULTILINE)
    return _last_part(found[-1]) if found else ""


def _disk(output: str) -> tuple[str, str] | None:
    if "No space left on device" not in output:
        return None
    name = last_package(output)
    remedy = f"free some, or point TMPDIR at a folder on a larger disk, {AGAIN}"
    return f"the disk is full{f' (at {name})' if name else ''}", remedy


def _certificate(output: str) -> tuple[str, str] | None:
    if "CERTIFICATE_VERIFY_FAILED" not in output:
        return None
    name = missing(output) or last_package(output) or "a package"
    return f"{name} could not be downloaded: the certificate was refused", f"point PIP_CERT at your CA file, {AGAIN}"


def _http(output: str) -> tuple[str, str] | None:
    found = _HTTP.search(output)
    if not found:
        return None
    what = f"{_last_part(found.group(2))} could not be downloaded: the index answered {found.group(1)}"
    return what, f"if pip uses a mirror (`pip config list`), check that the file is on it, {AGAIN}"


def _network(output: str) -> tuple[str, str] | None:
    gave_up = _GAVE_UP.search(output)
    if not gave_up and not unreachable(output):
        return None
    name = missing(output) or _last_part((gave_up.group(1) or gave_up.group(2)) if gave_up else "")
    remedy = f"check the network and pip's settings for a proxy or a mirror (`pip config list`), {AGAIN}"
    return f"{name} could not be downloaded: the index did not answer, or not to the end", remedy


def _version(output: str) -> tuple[str, str] | None:
    name = missing(output)
    if name:
        remedy = f"check its name and version; if pip uses a mirror (`pip config list`), add it there; {AGAIN}"
        return f"{name} is not on the index that pip uses", remedy
    if "ResolutionImpossible" not in output:
        return None
    found = re.search(r"Cannot install (.+?) because", output)
    what = f"the pins contradict each other{f' ({found.group(1)})' if found else ''}"
    return what, "undo the last change to pyproject.toml or the constraint file, or run `make pins`"


def _build(output: str) -> tuple[str, str] | None:
    found = _BUILD.search(output)
    if not found and "subprocess-exited-with-error" not in output:
        return None
    name = found.group(1) if found else last_package(output)
    return f"{name} could not be built here", f"`apt install build-essential python3-dev`, {AGAIN}"


def _last_part(url: str) -> str:
    """The file or project at the end of a path or URL."""
    return url.split("?")[0].split("#")[0].rstrip("/").rsplit("/", 1)[-1]


def _plain(requirement: str) -> str:
    """A project's name as indexes write it, without versions."""
    return re.split(r"[=<>!~\[;]", requirement)[0].strip().lower().replace("_", "-").replace(".", "-")
