"""How vLLM is started: its flags, without secrets, and the few variables that it sees."""

import socket
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from ftchat.config import Settings
from ftchat.engine import Endpoint
from ftchat.launch import command, environment, flavour, free_port, hold_port


def test_command_rounds_the_rank_up_and_holds_no_key():
    endpoint = Endpoint("http://127.0.0.1:8111", "the-key")
    settings = Settings(max_loras=2, max_cpu_loras=9, max_lora_rank=33, context_length=512, kv_cache_gib=0.5)
    line = command(settings, base=Path("/m"), endpoint=endpoint, longest=2048)
    after = dict(pairwise(line))
    assert (after["--max-lora-rank"], after["--max-loras"], after["--max-cpu-loras"]) == ("64", "2", "9")
    assert (after["--max-model-len"], after["--kv-cache-memory-bytes"]) == ("512", str(1 << 29))
    assert (after["--host"], after["--port"], after["--model"]) == ("127.0.0.1", "8111", "/m")
    assert after["--load-format"] == "safetensors"
    assert "the-key" not in " ".join(line)
    assert not {"--trust-remote-code", "--gpu-memory-utilization"} & set(line)


def test_command_leaves_the_models_own_length_to_vllm_and_takes_only_its_share_of_a_gpu():
    settings = Settings(max_loras=2, max_cpu_loras=9, max_lora_rank=32, context_length=2048, kv_cache_gib=0.5)
    line = command(settings, base=Path("/m"), endpoint=Endpoint("http://127.0.0.1:1"), longest=2048, gpu_share=0.333)
    assert "--max-model-len" not in line
    assert dict(pairwise(line))["--gpu-memory-utilization"] == "0.33"
    unseen = replace(settings, kv_cache_gib=0.0)
    assert "--kv-cache-memory-bytes" not in command(unseen, base=Path("/m"), endpoint=Endpoint("http://127.0.0.1:1"))


def test_environment_passes_on_only_what_is_known_to_be_needed():
    given = {"PATH": "/bin", "HF_TOKEN": "secret", "VLLM_LORA_RESOLVER_CACHE_DIR": "/x", "OMP_NUM_THREADS": "9"}
    found = environment(Settings(cpu_lora=False), key="k", given=given)
    assert found["PATH"] == "/bin"
    assert (found["VLLM_API_KEY"], found["FTCHAT_CPU_LORA"], found["HF_HUB_OFFLINE"]) == ("k", "0", "1")
    assert not {"HF_TOKEN", "VLLM_LORA_RESOLVER_CACHE_DIR", "OMP_NUM_THREADS"} & set(found)


def test_a_held_port_is_refused_to_others_and_let_to_who_reuses_it() -> None:
    endpoint = Endpoint(f"http://127.0.0.1:{free_port()}")
    port = int(endpoint.url.rsplit(":", 1)[1])
    with hold_port(endpoint), socket.socket() as plain:
        with pytest.raises(OSError, match="in use"):
            plain.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match=f"Port {port} was taken"):
            hold_port(endpoint)


def test_this_environment_has_a_vllm() -> None:
    assert flavour() in ("cpu", "gpu")
