"""How much of everything: computed from a model's shape and the free memory, and what to do if it is short."""

import json
import os
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ftchat import sizing, starter
from ftchat.config import Settings
from ftchat.sizing import GIB, Memory, Shape, elsewhere, fit, shape_of

AUTO = Settings(max_loras=0, max_cpu_loras=0, max_lora_rank=0, context_length=0, kv_cache_gib=0)
HALF = Shape(  # Qwen2.5-0.5B
    weights=988_000_000,
    layers=24,
    hidden=896,
    intermediate=4864,
    heads=14,
    kv_heads=2,
    head_dim=64,
    vocab=151_936,
    longest=32_768,
)
EIGHT = Shape(  # Llama-3.1-8B
    weights=16_060_000_000,
    layers=32,
    hidden=4096,
    intermediate=14_336,
    heads=32,
    kv_heads=8,
    head_dim=128,
    vocab=128_256,
    longest=131_072,
)


def cpu(free: float, total: float = 64) -> Memory:
    return Memory(device="cpu", free=int(free * GIB), total=int(total * GIB))


def chosen(found: sizing.Fit) -> tuple[int, int, int, int]:
    made = found.settings
    return made.max_loras, made.max_cpu_loras, made.max_lora_rank, made.context_length


def test_the_shape_is_that_of_the_model_in_the_folder() -> None:
    found = shape_of(starter.model_path())
    assert replace(found, weights=0) == Shape(
        weights=0,
        layers=6,
        hidden=256,
        intermediate=768,
        heads=4,
        kv_heads=4,
        head_dim=64,
        vocab=1536,
        longest=2048,
    )
    on_disk = (starter.model_path() / "model.safetensors").stat().st_size
    assert on_disk * 0.98 < found.weights < on_disk
    assert found.kv_token == 2 * 6 * 4 * 64 * 2  # keys and values, layers, heads, head_dim, bytes


def test_small_layers_of_an_adapter_in_use_are_there_twice_on_a_cpu() -> None:
    qkv, out = 32 * 3 * 896 + 3 * 32 * (896 + 128 + 128), 2 * 32 * 896  # the layers around 4,864 are too wide to copy
    assert HALF.copied_values(32) == 24 * (qkv + out)
    assert (EIGHT.copied_values(32), EIGHT.copied_values(64)) == (32 * 2 * 32 * 4096, 0)
    with_plugin, without = (fit(replace(AUTO, cpu_lora=on), HALF, cpu(20)).adapters for on in (True, False))
    assert with_plugin - without == 4 * 4 * HALF.copied_values(32)  # slots, bytes


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512}, (2, 64, 256, 4, 4, 16, 512)),
        ({"text_config": {"hidden_size": 64, "num_hidden_layers": 3}}, (3, 64, 256, 0, 0, 64, 0)),
        ({"hidden_size": 64, "num_attention_heads": [2, 4], "num_key_value_heads": [1, 2]}, (0, 64, 256, 4, 2, 16, 0)),
        ({"architectures": ["Odd"]}, (0, 0, 0, 0, 0, 0, 0)),
    ],
)
def test_other_families_names_are_known(tmp_path: Path, config: object, wanted: tuple[int, ...]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    made = shape_of(tmp_path)
    found = made.layers, made.hidden, made.intermediate, made.heads, made.kv_heads, made.head_dim, made.longest
    assert found == wanted


def test_the_tokenizers_bound_on_the_length_counts_and_its_infinity_does_not(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(starter.model_path(), tmp_path / "model"))
    for bound, wanted in ((1024, 1024), (1e30, 2048), (None, 2048)):
        (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": bound}))
        assert shape_of(folder).longest == wanted


def test_keys_and_values_that_are_kept_compressed_take_little(tmp_path: Path) -> None:
    config = {"num_hidden_layers": 2, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "num_attention_heads": 128}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert shape_of(tmp_path).kv_token == 2 * 2 * 576


def test_what_is_zero_is_computed_with_a_reason() -> None:
    found = fit(AUTO, HALF, cpu(16))
    assert chosen(found) == (4, 32, 32, 32_768)
    assert found.kv == 32 * 2048 * 24 * 2 * 2 * 64 * 2  # answers in flight, tokens, then bytes of a token
    assert found.settings.kv_cache_gib == found.kv / GIB
    assert set(found.reasons) == {"max_loras", "max_cpu_loras", "max_lora_rank", "context_length", "kv_cache_gib"}
    assert (found.level, found.advice) == ("fits", "")


def test_what_is_set_is_taken_as_it_is() -> None:
    given = Settings(max_loras=2, max_cpu_loras=9, max_lora_rank=64, context_length=4096, kv_cache_gib=0.5)
    found = fit(given, HALF, cpu(16))
    assert found.settings == given
    assert found.reasons == {}
    assert found.kv == GIB // 2


def test_fewer_adapters_stay_loaded_where_they_are_large_and_memory_is_small() -> None:
    assert chosen(fit(AUTO, EIGHT, cpu(64)))[:2] == (4, 32)
    assert chosen(fit(AUTO, EIGHT, cpu(20)))[:2] == (4, 12)
    assert chosen(fit(AUTO, EIGHT, cpu(4)))[:2] == (4, 8)
    assert chosen(fit(replace(AUTO, max_cpu_loras=3), EIGHT, cpu(64)))[:2] == (3, 3)
    assert chosen(fit(replace(AUTO, max_loras=40), EIGHT, cpu(20)))[:2] == (40, 40)


def test_the_context_is_what_the_cache_can_hold_twice() -> None:
    found = fit(replace(AUTO, kv_cache_gib=1.0), EIGHT, cpu(64))
    assert found.settings.context_length == 4096  # 8,192 tokens of 128 KiB in 1 GiB
    assert "131,072" in found.reasons["context_length"]
    assert found.level == "fits"


def test_a_gpu_is_filled_up_to_what_the_trainer_needs() -> None:
    memory = Memory(device="gpu", free=78 * GIB, total=80 * GIB)
    found = fit(AUTO, EIGHT, memory)
    assert found.level == "fits"
    assert 0.7 * memory.free < found.engine + found.trainer < memory.free
    assert found.settings.context_length > 60_000


@pytest.mark.parametrize(
    ("settings", "shape", "memory", "level", "says"),
    [
        (AUTO, EIGHT, cpu(12), "short", "choose a smaller model"),
        (replace(AUTO, kv_cache_gib=8), HALF, cpu(8), "short", "are missing: lower kv_cache_gib, end other"),
        (AUTO, HALF, cpu(6), "tight", "end other programs before Retrain"),
        (replace(AUTO, context_length=40_000), HALF, cpu(64), "short", "set context_length to that or less, or to 0"),
        (
            replace(AUTO, context_length=16_384, kv_cache_gib=0.1),
            HALF,
            cpu(64),
            "short",
            "needs a KV cache of 0.19 GiB: set kv_cache_gib to that or more, or context_length to 8,738 or less",
        ),
        (AUTO, HALF, Memory(device="gpu", free=GIB, total=GIB), "short", "are missing: end other programs"),
        (AUTO, HALF, Memory(device="gpu", free=0, total=0), "tight", "cannot be read: check `nvidia-smi`"),
    ],
)
def test_what_does_not_fit_says_what_to_change(
    settings: Settings, shape: Shape, memory: Memory, level: str, says: str
) -> None:
    found = fit(settings, shape, memory)
    assert found.level == level
    assert re.search(says, found.advice), found.advice


def test_hopeless_is_only_what_weights_and_cache_alone_are_too_much_for() -> None:
    assert fit(AUTO, EIGHT, cpu(14)).hopeless
    assert (fit(AUTO, EIGHT, cpu(17)).hopeless, fit(AUTO, EIGHT, cpu(17)).level) == (False, "short")
    assert not fit(AUTO, EIGHT, Memory(device="gpu", free=0, total=0)).hopeless  # nothing is known of that GPU


def test_where_the_memory_of_a_gpu_cannot_be_read_vllm_decides() -> None:
    found = fit(AUTO, HALF, Memory(device="gpu", free=0, total=0))
    assert (found.kv, found.settings.kv_cache_gib, found.settings.context_length) == (0, 0.0, 32_768)


def test_a_model_of_unknown_shape_gets_a_plain_cache_and_its_own_length() -> None:
    unknown = replace(HALF, layers=0, longest=0)
    found = fit(AUTO, unknown, cpu(16))
    assert (found.kv, found.settings.context_length) == (GIB, 0)
    assert "does not say" in found.reasons["kv_cache_gib"]


def test_an_engine_elsewhere_is_not_measured_by_this_machine() -> None:
    made = elsewhere(AUTO, EIGHT)
    assert (made.max_loras, made.max_cpu_loras, made.max_lora_rank, made.context_length) == (4, 32, 32, 131_072)
    assert elsewhere(replace(AUTO, context_length=999), EIGHT).context_length == 999


def test_the_estimate_is_one_sentence_that_names_every_part() -> None:
    words = fit(AUTO, HALF, cpu(16, total=24)).words
    assert words.startswith("The engine needs about ")
    for part in ("weights 0.92 GiB", "KV cache 0.75 GiB", "adapters", "the trainer about", "16.00 GiB of 24.00 GiB"):
        assert part in words


def _files(folder: Path, **texts: str) -> Path:
    folder.mkdir()
    for name, text in texts.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return folder


def test_a_containers_limit_counts_and_its_file_cache_is_free(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: {32 << 20} kB\nMemFree: 1 kB\nMemAvailable: {20 << 20} kB\n")
    kinds = f"anon 5\ninactive_file {1 * GIB}\n"
    limited = _files(tmp_path / "a", memory_max=str(8 * GIB), memory_current=str(3 * GIB), memory_stat=kinds)
    free = _files(tmp_path / "b", memory_max="max\n", memory_current=str(3 * GIB), memory_stat=kinds)
    assert sizing._cpu(meminfo, limited) == cpu(6, total=8)
    assert sizing._cpu(meminfo, free) == cpu(20, total=32)
    assert sizing._cpu(meminfo, tmp_path / "none") == cpu(20, total=32)


def test_a_gpus_memory_is_what_nvidia_smi_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\ncase "$*" in *"-i 1") echo "1024, 2048";; *) echo "70000, 81920"; echo "1, 2";; esac\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert sizing.look("gpu") == Memory(device="gpu", free=70_000 << 20, total=81_920 << 20)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert sizing.look("gpu") == Memory(device="gpu", free=GIB, total=2 * GIB)
    tool.write_text("#!/bin/sh\necho no devices\nexit 6\n")
    assert sizing.look("gpu") == Memory(device="gpu", free=0, total=0)


def test_this_machine_has_memory() -> None:
    found = sizing.look("cpu")
    assert 0 < found.free <= found.total
