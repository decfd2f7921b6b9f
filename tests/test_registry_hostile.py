"""Adapters from elsewhere that are broken or mean harm: none comes in, each is told why, and nothing is left of it."""

import io
import json
import os
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from room import BASE
from safetensors.torch import save_file
from test_registry import GOOD, lora

from ftchat.errors import BadAdapter
from ftchat.registry import CONFIG, MANIFEST, WEIGHTS, Registry

FITTING = {**GOOD, "base_model_name_or_path": "someone/starter", "lora_dropout": 0.0, "bias": "none"}
STEM = "base_model.model.model.layers.0.self_attn.q_proj"


class Bomb:
    """A pickle that shows whether it was loaded."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("was-unpickled",)


@dataclass
class Source:
    """An adapter in a folder of its own, good until it is spoiled."""

    folder: Path

    def config(self, **changed: Any) -> "Source":
        self.folder.mkdir(exist_ok=True)
        (self.folder / CONFIG).write_text(json.dumps({**FITTING, **changed}))
        return self

    def weights(self, tensors: dict[str, torch.Tensor]) -> "Source":
        save_file(tensors, self.folder / WEIGHTS)
        return self

    def manifest(self, **said: Any) -> "Source":
        (self.folder / MANIFEST).write_text(json.dumps(said))
        return self

    def raw(self, file: str, body: bytes) -> "Source":
        (self.folder / file).write_bytes(body)
        return self

    def body(self, file: str) -> bytes:
        return (self.folder / file).read_bytes()

    def zipped(self, prefix: str = "", *, compression: int = zipfile.ZIP_STORED) -> Path:
        path = self.folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w", compression) as archive:
            for file in sorted(self.folder.iterdir()):
                archive.write(file, prefix + file.name)
        return path


def good(folder: Path) -> Source:
    return Source(folder / "given").config().weights(lora())


def header(change: Callable[[dict[str, Any]], Any]) -> Callable[[Source], Path]:
    """The good weights under a header that says something else."""

    def spoil(source: Source) -> Path:
        body = source.body(WEIGHTS)
        length = struct.unpack("<Q", body[:8])[0]
        told = json.loads(body[8 : 8 + length])
        changed = change(told)
        new = json.dumps(told if changed is None else changed).encode()
        return source.raw(WEIGHTS, struct.pack("<Q", len(new)) + new + body[8 + length :]).folder

    return spoil


def shifted(told: dict[str, Any]) -> None:
    """Two tensors over the same bytes."""
    names = [name for name in told if name != "__metadata__"]
    told[names[1]]["data_offsets"] = told[names[0]]["data_offsets"]


def entry(name: str, body: bytes = b"x", *, mode: int = 0) -> Callable[[Source], Path]:
    """The good zip with one entry more."""

    def spoil(source: Source) -> Path:
        path = source.zipped()
        made = zipfile.ZipInfo(name)
        made.filename = made.orig_filename = name
        made.external_attr = mode << 16
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(made, body)
        return path

    return spoil


def twice(source: Source) -> Path:
    path = source.zipped()
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CONFIG, json.dumps({**FITTING, "r": 4}))
    return path


def without(file: str) -> Callable[[Source], Path]:
    def spoil(source: Source) -> Path:
        (source.folder / file).unlink()
        return source.folder

    return spoil


def linked(file: str) -> Callable[[Source], Path]:
    def spoil(source: Source) -> Path:
        aside = source.folder.with_name("aside")
        (source.folder / file).rename(aside)
        (source.folder / file).symlink_to(aside)
        return source.folder

    return spoil


def piped(source: Source) -> Path:
    (source.folder / WEIGHTS).unlink()
    os.mkfifo(source.folder / WEIGHTS)
    return source.folder


def pickled(source: Source) -> Path:
    (source.folder / WEIGHTS).unlink()
    torch.save(lora(), source.folder / "adapter_model.bin")
    return source.folder


def flipped(body: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(body)
    changed[at] ^= 1 << bit
    return bytes(changed)


def flipped_in_zip(source: Source) -> Path:
    path = source.zipped()
    body = path.read_bytes()
    path.write_bytes(flipped(body, body.index(b"lora_B") + 400, 3))
    return path


def flipped_beside_its_manifest(source: Source) -> Path:
    registry = Registry(source.folder.parent / "theirs", max_rank=32, base=BASE)
    folder = registry.publish(source.folder, "shop-v7", base=BASE.fingerprint, lineage={})
    (folder / WEIGHTS).write_bytes(flipped(source.body(WEIGHTS), -1, 0))
    return folder


def bomb(source: Source) -> Path:
    """A zip of some kilobytes that unpacks to 300 megabytes."""
    path = source.folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CONFIG, source.body(CONFIG))
        with archive.open(WEIGHTS, "w") as target:
            for _ in range(300):
                target.write(bytes(1 << 20))
    return path


def lying_bomb(source: Source) -> Path:
    """The same, saying everywhere that it is small."""
    path = bomb(source)
    body, size = path.read_bytes(), struct.pack("<I", 300 << 20)
    assert body.count(size) >= 1
    path.write_bytes(body.replace(size, struct.pack("<I", 1000)))
    return path


def encrypted(source: Source) -> Path:
    path = source.zipped()
    body = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        where = -1
        while (where := body.find(mark, where + 1)) >= 0:
            body[where + at] |= 1
    path.write_bytes(bytes(body))
    return path


def crowded(source: Source) -> Path:
    path = source.zipped()
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(300):
            archive.writestr(f"{number}.txt", b"")
    return path


def two_in_one(source: Source) -> Path:
    path = source.zipped("a/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(source.folder / CONFIG, f"b/{CONFIG}")
        archive.write(source.folder / WEIGHTS, f"b/{WEIGHTS}")
    return path


def cut(source: Source) -> Path:
    path = source.zipped()
    path.write_bytes(path.read_bytes()[:-100])
    return path


def numbers(value: float) -> Callable[[Source], Path]:
    def spoil(source: Source) -> Path:
        tensors = lora()
        tensors[f"{STEM}.lora_A.weight"][3, 5] = value
        return source.weights(tensors).folder

    return spoil


def tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Source], Path]:
    def spoil(source: Source) -> Path:
        made = lora()
        change(made)
        return source.weights(made).folder

    return spoil


def said(**changed: Any) -> Callable[[Source], Path]:
    return lambda source: source.config(**changed).folder


def text(body: bytes) -> Callable[[Source], Path]:
    return lambda source: source.raw(CONFIG, body).folder


NAN_CONFIG = json.dumps(FITTING).replace('"r": 8', '"r": 8, "lora_dropout": NaN').encode()
CASES: dict[str, tuple[Callable[[Source], Path], str]] = {
    # what can run code
    "pickled weights": (pickled, r"adapter_model\.bin' is not taken, since it can run code"),
    "a pickle beside the weights": (lambda s: s.raw("training_args.bin", pickle.dumps(Bomb())).folder, "can run code"),
    "a pickle by the name of the weights": (lambda s: s.raw(WEIGHTS, pickle.dumps(Bomb())).folder, "damaged"),
    "a torch archive by the name of the weights": (
        lambda s: (torch.save(lora(), s.folder / WEIGHTS), s.folder)[1],
        "damaged",
    ),
    "python beside the weights": (lambda s: s.raw("modeling_shop.py", b"import os").folder, "can run code"),
    "a pickle in the zip": (entry("x/optimizer.pt", pickle.dumps(Bomb())), "can run code"),
    "code of its own": (
        said(auto_mapping={"base_model_class": "Evil", "parent_library": "evil.code"}),
        "wants .*'evil.code'.* imported",
    ),
    # what leads elsewhere
    "a zip path upwards": (entry("../../adapter_config.json"), "leads elsewhere"),
    "an absolute zip path": (entry("/etc/cron.d/x"), "leads elsewhere"),
    "a zip path with backslashes": (entry("..\\..\\x"), "leads elsewhere"),
    "a zip path with a drive": (entry("C:/x"), "leads elsewhere"),
    "a link in the zip": (entry("weights", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "a link or a device"),
    "a device in the zip": (entry("tty", mode=stat.S_IFCHR | 0o666), "a link or a device"),
    "linked weights": (linked(WEIGHTS), "no link"),
    "a linked configuration": (linked(CONFIG), "no link"),
    "a pipe for weights": (piped, r"no adapter_model\.safetensors"),
    # how it is packed
    "a configuration twice": (twice, "twice"),
    "names that differ in case alone": (entry(CONFIG.upper()), "twice"),
    "two adapters in one zip": (two_in_one, "more than one adapter"),
    "a zip bomb": (bomb, "unpacks to 314,572,800 bytes"),
    "a zip bomb that lies": (lying_bomb, "no zip that can be read|has more than|damaged|unpacks to"),
    "an encrypted zip": (encrypted, "is encrypted"),
    "a zip packed in another way": (lambda s: s.zipped(compression=zipfile.ZIP_LZMA), "use an ordinary zip"),
    "a zip of 300 entries": (crowded, "302 entries"),
    "a zip cut off": (cut, "no zip that can be read"),
    "no zip at all": (lambda s: s.raw("x.zip", b"hello").folder / "x.zip", "no zip that can be read"),
    "an empty zip": (lambda s: s.raw("x.zip", b"PK\5\6" + bytes(18)).folder / "x.zip", r"no adapter_config\.json"),
    "no configuration": (without(CONFIG), r"no adapter_config\.json"),
    "no weights": (without(WEIGHTS), r"no adapter_model\.safetensors"),
    # the configuration
    "a configuration of two megabytes": (
        lambda s: s.raw(CONFIG, b" " * (2 << 20) + s.body(CONFIG)).folder,
        r"adapter_config\.json has more than 1,048,576 bytes",
    ),
    "a configuration nested without end": (text(b'{"a":' + b"[" * 100_000), "nested too deeply"),
    "a configuration that is cut off": (text(b'{"peft_type": "LO'), "is not JSON"),
    "a configuration that is a list": (text(b"[]"), "no JSON object"),
    "a configuration in another encoding": (text(b"\xff\xfe{"), "is not JSON"),
    "a key twice": (text(json.dumps(FITTING).encode()[:-1] + b', "r": 4}'), "gives a key twice"),
    "NaN in the configuration": (text(NAN_CONFIG), "NaN, which is no number|gives a key twice"),
    "another method": (said(peft_type="IA3"), "not a LoRA but 'IA3'"),
    "a regex for modules": (said(target_modules=".*proj"), "only a list"),
    "a regex among the modules": (said(target_modules=["q_proj", ".*"]), "only a list"),
    "the output layer": (said(target_modules=["q_proj", "lm_head"]), "only a list"),
    "DoRA": (said(use_dora=True), "uses DoRA: use_dora"),
    "whole layers": (said(modules_to_save=["embed_tokens"]), "modules_to_save"),
    "biases": (said(bias="all"), "biases"),
    "biases of LoRA": (said(lora_bias=True), "lora_bias"),
    "PiSSA": (said(init_lora_weights="pissa"), "'pissa', which changes the base itself"),
    "ranks by pattern": (said(rank_pattern={".*": 512}), "uses rank_pattern"),
    "experts by parameter": (said(target_parameters=["x"]), "uses target_parameters"),
    "something of tomorrow": (said(use_newest_trick=True), "uses use_newest_trick"),
    "rank 64": (said(r=64), "rank 64; at most 32"),
    "rank 0": (said(r=0), "rank 0"),
    "a rank that is true": (said(r=True), "rank True"),
    "a rank that is no number": (said(r="8"), "rank '8'"),
    "an alpha beyond measure": (said(lora_alpha=1e30), "lora_alpha is 1e"),
    "an alpha below 0": (said(lora_alpha=-8), "lora_alpha is -8"),
    # for another base
    "another base by name": (said(base_model_name_or_path="meta-llama/Llama-3.2-1B"), "made for 'meta-llama"),
    "no base at all": (said(base_model_name_or_path=None), "made for 'None'"),
    "another base of the same shape": (
        lambda s: s.manifest(name="shop-v1", base="1234567890abcdef", base_name="starter").folder,
        "fingerprint 1234567890abcdef, and the base served here is 'starter' with b0",
    ),
    "another width": (lambda s: s.weights(lora(width=128)).folder, "for a layer of 128 by 128"),
    "a layer that the base has not": (
        tensors(
            lambda t: [t.update({k.replace("layers.0", "layers.99"): t[k].clone()}) for k in sorted(t) if "q_proj" in k]
        ),
        r"layers\.99\.self_attn\.q_proj, which this base does not have",
    ),
    # the weights
    "truncated weights": (lambda s: s.raw(WEIGHTS, s.body(WEIGHTS)[:-7]).folder, "was cut off"),
    "weights with something appended": (lambda s: s.raw(WEIGHTS, s.body(WEIGHTS) + b"more").folder, "damaged"),
    "a header longer than the file": (
        lambda s: s.raw(WEIGHTS, struct.pack("<Q", 1 << 40) + s.body(WEIGHTS)[8:]).folder,
        "damaged",
    ),
    "a header nested without end": (
        lambda s: s.raw(WEIGHTS, struct.pack("<Q", 200_000) + b"[" * 200_000).folder,
        "nested too deeply",
    ),
    "a header of a list": (header(lambda told: []), "damaged"),
    "tensors over the same bytes": (header(shifted), "damaged"),
    "a shape below 0": (
        header(lambda told: told[f"{STEM}.lora_A.weight"].update(shape=[-8, -256])),
        "no shape that can be",
    ),
    "a bit flipped in the zip": (flipped_in_zip, "no zip that can be read"),
    "a bit flipped since it was exported": (flipped_beside_its_manifest, "changed since it was exported"),
    "a bit flipped in an exponent": (
        lambda s: s.raw(WEIGHTS, flipped(s.body(WEIGHTS), -1, 6)).folder,
        "has a number of size",
    ),
    "a bit flipped in the header": (
        lambda s: s.raw(WEIGHTS, flipped(s.body(WEIGHTS), s.body(WEIGHTS).index(b"lora_A"), 0)).folder,
        "is no LoRA matrix",
    ),
    "NaN": (numbers(float("nan")), "not finite"),
    "Inf": (numbers(float("inf")), "not finite"),
    "numbers without measure": (numbers(1e30), "number of size 1e"),
    "whole numbers": (tensors(lambda t: t.update({f"{STEM}.lora_A.weight": torch.ones(8, 256).int()})), "kind I32"),
    "another rank than it says": (lambda s: s.weights(lora(rank=16)).folder, "rank 16, and the configuration says 8"),
    "half a pair": (tensors(lambda t: t.pop(f"{STEM}.lora_B.weight")), "lora_B is missing"),
    "matrices that cannot be multiplied": (
        tensors(lambda t: t.update({f"{STEM}.lora_B.weight": torch.ones(256, 4)})),
        "cannot be multiplied",
    ),
    "a tensor that is no LoRA": (
        tensors(lambda t: t.update({"base_model.model.lm_head.weight": torch.ones(4, 4)})),
        "no LoRA matrix",
    ),
    "a magnitude, as of DoRA": (
        tensors(lambda t: t.update({f"{STEM}.lora_magnitude_vector": torch.ones(256)})),
        "no LoRA matrix",
    ),
    "an embedding": (
        tensors(lambda t: t.update({"base_model.model.model.embed_tokens.lora_embedding_A": torch.ones(8, 4096)})),
        "no LoRA matrix",
    ),
    "a module that it does not name": (
        said(target_modules=["q_proj"]),
        "weights for v_proj, which its target_modules do not name",
    ),
    "a module without weights": (said(target_modules=["q_proj", "v_proj", "o_proj"]), "no weights for it"),
    "no effect": (tensors(lambda t: [t[k].zero_() for k in t if "lora_B" in k]), "has no effect"),
    "no tensors": (lambda s: s.weights({}).folder, "no LoRA weights"),
}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "adapters", max_rank=32, base=BASE)


def test_there_are_more_than_forty() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_what_is_broken_or_means_harm_stays_out(
    name: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spoil, reason = CASES[name]
    source = spoil(good(tmp_path))
    with pytest.raises(BadAdapter, match=reason) as refused, registry.received(source):
        raise AssertionError("it came in")
    assert refused.value.message.endswith((".", ")"))
    assert len(refused.value.message) < 500
    assert list(registry.root.iterdir()) == []
    assert not (tmp_path / "was-unpickled").exists()


@pytest.mark.parametrize(
    "how", ["folder", "zip", "zip of a folder", "deflated", "with papers", "of no task", "exported"]
)
def test_what_is_sound_comes_in(how: str, registry: Registry, tmp_path: Path) -> None:
    source = good(tmp_path)
    if how == "of no task":
        plain = {"base_model_class": "LlamaForCausalLM", "parent_library": "transformers.models.llama.modeling_llama"}
        source.config(auto_mapping=plain)
    if how == "with papers":
        source.raw("README.md", b"# shop").raw("tokenizer.json", b"{}")
    given = {
        "zip": lambda: source.zipped(),
        "zip of a folder": lambda: source.zipped("shop/"),
        "deflated": lambda: source.zipped(compression=zipfile.ZIP_DEFLATED),
        "exported": lambda: registry.publish(source.folder, "shop-v1", base=BASE.fingerprint, lineage={}),
    }.get(how, lambda: source.folder)()
    with registry.received(given) as folder:
        published = registry.publish(folder, "shop-v2", base=BASE.fingerprint, lineage={"imported": True})
    assert {file.name for file in published.iterdir()} == {CONFIG, WEIGHTS, MANIFEST}
    assert registry.manifest("shop-v2")["imported"] is True
    registry.verify("shop-v2")
    assert [path.name for path in registry.root.iterdir() if path.name.startswith(".")] == []


def test_what_was_half_done_when_a_process_ended_is_swept(registry: Registry, tmp_path: Path) -> None:
    registry.publish(good(tmp_path).folder, "shop-v1", base="b0", lineage={})
    for left in (".incoming-0123", ".shop-v2.part", ".shop-v3.gone"):
        (registry.root / left).mkdir()
    registry.sweep()
    assert [path.name for path in registry.root.iterdir()] == ["shop-v1"]


def test_a_removed_adapter_is_gone_at_once_and_can_be_removed_again(registry: Registry, tmp_path: Path) -> None:
    registry.publish(good(tmp_path).folder, "shop-v1", base="b0", lineage={})
    registry.remove("shop-v1")
    registry.remove("shop-v1")
    assert list(registry.root.iterdir()) == []
    with pytest.raises(BadAdapter, match="is not a name"):
        registry.remove("../given")
    assert io.BytesIO((tmp_path / "given" / WEIGHTS).read_bytes()).read(1)
