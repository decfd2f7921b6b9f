"""Adapter folders: what is published is complete and checked, what is wrong is refused with its reason."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ftchat.errors import BadAdapter, NotFound
from ftchat.registry import Registry

GOOD = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"]}


def candidate(folder: Path, *, config: object = None, weight: float = 0.5) -> Path:
    """A small adapter as the trainer leaves it."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(GOOD if config is None else config))
    save_file(lora(weight), folder / "adapter_model.safetensors")
    return folder


def lora(weight: float = 0.5, *, rank: int = 8, width: int = 256) -> dict[str, torch.Tensor]:
    """Matrices for two layers of the practice model."""
    stem = "base_model.model.model.layers.0.self_attn"
    tensors = {}
    for layer in ("q_proj", "v_proj"):
        tensors[f"{stem}.{layer}.lora_A.weight"] = torch.full((rank, width), 0.25)
        tensors[f"{stem}.{layer}.lora_B.weight"] = torch.full((width, rank), weight)
    return tensors


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "adapters", max_rank=32)


def test_a_published_adapter_is_listed_with_its_manifest(registry: Registry, tmp_path: Path) -> None:
    path = registry.publish(candidate(tmp_path / "c"), "shop-v1", base="b0", lineage={"run": "n_1"})
    assert registry.names() == ["shop-v1"]
    assert registry.path("shop-v1") == path
    assert registry.manifest("shop-v1")["run"] == "n_1"
    registry.verify("shop-v1")


def test_a_version_is_never_replaced(registry: Registry, tmp_path: Path) -> None:
    registry.publish(candidate(tmp_path / "c"), "shop-v1", base="b0", lineage={})
    with pytest.raises(BadAdapter, match="never replaced"):
        registry.publish(candidate(tmp_path / "d"), "shop-v1", base="b0", lineage={})


def test_a_half_made_folder_is_not_an_adapter(registry: Registry, tmp_path: Path) -> None:
    candidate(registry.root / "shop-v1")
    candidate(registry.root / ".shop-v2.part")
    assert registry.names() == []
    with pytest.raises(NotFound):
        registry.path("shop-v1")


@pytest.mark.parametrize("name", ["../evil-v1", "Shop-v1", "shop", "shop-v0", "shop-v01x", "a/b-v1"])
def test_a_name_that_is_none_is_refused(registry: Registry, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadAdapter):
        registry.publish(candidate(tmp_path / "c"), name, base="b0", lineage={})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "IA3"}, "not a LoRA"),
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"r": 64}, "rank 64"),
        ({"r": "8"}, "rank '8'"),
        ({"target_modules": ".*"}, "only a list of the decoder's"),
        ({"target_modules": ["lm_head"]}, "only a list of the decoder's"),
    ],
)
def test_what_vllm_cannot_serve_is_refused(
    registry: Registry, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(BadAdapter, match=message):
        registry.publish(candidate(tmp_path / "c", config={**GOOD, **change}), "shop-v1", base="b0", lineage={})
    assert registry.names() == []


def test_weights_that_are_not_finite_are_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(BadAdapter, match="not finite"):
        registry.publish(candidate(tmp_path / "c", weight=float("nan")), "shop-v1", base="b0", lineage={})


def test_truncated_weights_are_refused(registry: Registry, tmp_path: Path) -> None:
    folder = candidate(tmp_path / "c")
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    with pytest.raises(BadAdapter, match="damaged"):
        registry.publish(folder, "shop-v1", base="b0", lineage={})


def test_pickles_and_symlinks_are_refused(registry: Registry, tmp_path: Path) -> None:
    pickled = candidate(tmp_path / "p")
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    with pytest.raises(BadAdapter, match=r"no adapter_model\.safetensors"):
        registry.publish(pickled, "shop-v1", base="b0", lineage={})
    linked = candidate(tmp_path / "l")
    (linked / "adapter_config.json").unlink()
    (linked / "adapter_config.json").symlink_to(pickled / "adapter_config.json")
    with pytest.raises(BadAdapter, match=r"adapter_config\.json cannot be taken .* no link"):
        registry.publish(linked, "shop-v1", base="b0", lineage={})


def test_a_flipped_bit_after_publication_is_noticed(registry: Registry, tmp_path: Path) -> None:
    path = registry.publish(candidate(tmp_path / "c"), "shop-v1", base="b0", lineage={})
    weights = path / "adapter_model.safetensors"
    body = bytearray(weights.read_bytes())
    body[-1] ^= 1
    weights.write_bytes(body)
    with pytest.raises(BadAdapter, match="has changed"):
        registry.verify("shop-v1")
