"""The base's folder is checked, and its fingerprint changes with what decides its answers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ftchat import starter
from ftchat.base import check_architecture, check_folder, open_base, served_here
from ftchat.errors import HomeInUse, SetupError
from ftchat.lease import Lease


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(starter.model_path(), tmp_path / "model"))


def test_the_fingerprint_follows_the_files_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    shipped = open_base(starter.model_path(), practice=True, cache=tmp_path / "a.json")
    copied = open_base(folder, practice=False, cache=tmp_path / "a.json")
    assert copied.fingerprint == shipped.fingerprint
    assert (shipped.name, copied.name) == ("starter", "model")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert open_base(folder, practice=False, cache=tmp_path / "a.json").fingerprint != shipped.fingerprint


def test_a_cache_that_cannot_be_read_is_as_good_as_none(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c.json"
    first = open_base(folder, practice=False, cache=cache).fingerprint
    cache.write_text(cache.read_text()[:20])
    assert open_base(folder, practice=False, cache=cache).fingerprint == first
    assert json.loads(cache.read_text())


def _index(folder: Path, *files: str) -> None:
    """An index that says the weights are in these files."""
    shards = {f"tensor{n}": name for n, name in enumerate(files)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


def _only(folder: Path, name: str) -> None:
    """The weights under another name, and nothing else of the model."""
    (folder / "model.safetensors").rename(folder / name)
    (folder / "config.json").unlink()


def _cut(folder: Path, size: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "There is no model folder .*Give --model"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read .*Copy or download"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json holds no JSON object"),
        (lambda folder: (folder / "adapter_config.json").touch(), "holds an adapter, not a base model"),
        (
            lambda folder: _only(folder, "model.Q4.gguf"),
            "It has model.Q4.gguf, .*download the model in its safetensors",
        ),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "no .safetensors file. It has pytorch_model.bin, which can run code when loaded: convert it to safetensors",
        ),
        (lambda folder: (folder / "model.safetensors").unlink(), "no .safetensors file. Copy or download"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer, such as tokenizer.json"),
        (lambda folder: (folder / "tokenizer_config.json").unlink(), "has no tokenizer_config.json"),
        (
            lambda folder: _index(folder, "model.safetensors", "model-00002-of-00002.safetensors"),
            r"lacks model-00002-of-00002.safetensors \(1 of 2 weight files are missing\). Copy or download",
        ),
        (lambda folder: _index(folder), "index.json names no weights"),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors"),
            "lacks model.safetensors.index.json",
        ),
        (lambda folder: _cut(folder, 1_000_000), r"has 1,000,000 bytes of [\d,]+: it was cut off"),
        (lambda folder: _cut(folder, 100), "cut off or damaged"),
        (lambda folder: _cut(folder, 0), "cut off or damaged"),
        (
            lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
            "Git LFS pointer, .*run `git lfs pull`",
        ),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"no"),
            "model.safetensors cannot be read",
        ),
    ],
)
def test_a_folder_that_cannot_be_served_is_refused_with_its_reason(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(folder)
    with pytest.raises(SetupError, match=message):
        open_base(folder, practice=False, cache=tmp_path / "c.json")


def test_a_sharded_model_whose_shards_are_all_there_is_taken(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    _index(folder, "model-00001-of-00001.safetensors")
    check_folder(folder)


def test_the_architectures_are_those_of_the_installed_vllm() -> None:
    found = served_here()
    assert {"LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "GemmaForCausalLM", "Phi3ForCausalLM"} <= found
    assert not {"BertModel", "LlamaForSequenceClassification"} & found


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "does not serve BertForMaskedLM as a chat model. Choose a model"),
        ({"architectures": []}, "names no architectures"),
        ({"model_type": "llama"}, "names no architectures"),
    ],
)
def test_a_model_that_this_vllm_has_no_code_for_is_refused(folder: Path, config: object, message: str) -> None:
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SetupError, match=message):
        check_architecture(folder, served=served_here())


def test_where_the_list_is_unknown_any_architecture_is_tried(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"architectures": ["NewForCausalLM"]}))
    check_architecture(folder, served=frozenset())


def test_a_home_has_one_app_and_says_who_holds_it(tmp_path: Path) -> None:
    first = Lease(tmp_path / "data" / "lease")
    with pytest.raises(HomeInUse, match="ftchat with process id"):
        Lease(tmp_path / "data" / "lease")
    first.release()
    Lease(tmp_path / "data" / "lease").release()
