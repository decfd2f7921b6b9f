"""The tensors of an adapter: pairs of LoRA matrices that fit the layers of the base, of finite and sane numbers.

Shapes come from the headers of safetensors files; only the adapter's own numbers are read. It knows no configuration
beyond rank and layers.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ftchat.base import tensors_of
from ftchat.errors import BadAdapter

_NAME = re.compile(r"base_model\.model\.([\w.]{1,200})\.lora_([AB])\.weight")
_KINDS = {"F32": 4, "F16": 2, "BF16": 2}  # bytes of a number
_COMPARED = {*_KINDS, "F8_E4M3", "F8_E5M2"}  # a base's weights in other formats are packed: their shapes say nothing
_LARGEST = 1e4  # no trained LoRA has such a number; one flipped bit of an exponent makes one
_HEADER = 1 << 20  # bytes, with room

Shape = tuple[int, ...]


def check_weights(file: Path, *, config: Mapping[str, Any], max_rank: int, base: Path | None) -> None:
    """Refuse tensors that are no LoRA, do not fit, or are not numbers to compute with."""
    layers = base_layers(base) if base is not None else {}
    if base is not None and (size := file.stat().st_size) > (most := largest(base, max_rank=max_rank)):
        raise BadAdapter(
            f"{file.name} has {size:,} bytes; a LoRA of rank {max_rank} for this base has at most {most:,}."
        )
    pairs = _pairs(tensors_of(file))
    for layer, matrices in pairs.items():
        _check_pair(layer, matrices, rank=config["r"])
        if base is not None:
            _check_fit(layer, matrices, layers)
    touched = {layer.rsplit(".", 1)[-1] for layer in pairs}
    if extra := sorted(touched - set(config["target_modules"])):
        raise BadAdapter(f"The adapter has weights for {extra[0]}, which its target_modules do not name.")
    if missing := sorted(set(config["target_modules"]) - touched):
        raise BadAdapter(f"The adapter says that it changes {missing[0]}, and has no weights for it.")
    _check_numbers(file)


def _pairs(tensors: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Shape]]:
    """The shapes of A and B by layer."""
    found: dict[str, dict[str, Shape]] = {}
    for name, tensor in tensors.items():
        known = _NAME.fullmatch(name)
        if known is None:
            raise BadAdapter(f"The adapter has a tensor {name[:120]!r}, which is no LoRA matrix of a layer.")
        if tensor.get("dtype") not in _KINDS:
            raise BadAdapter(
                f"The adapter's numbers are of kind {str(tensor.get('dtype'))[:20]}: use F32, F16 or BF16."
            )
        shape = tensor.get("shape")
        if not isinstance(shape, list) or not all(isinstance(n, int) and 0 < n < 1 << 31 for n in shape):
            raise BadAdapter(f"The adapter's tensor {name} has no shape that can be.")
        found.setdefault(known[1], {})[known[2]] = tuple(shape)
    if not found:
        raise BadAdapter("The adapter has no LoRA weights.")
    return found


def _check_pair(layer: str, matrices: Mapping[str, Shape], *, rank: int) -> None:
    if set(matrices) != {"A", "B"}:
        lacks = ({"A", "B"} - set(matrices)).pop()
        raise BadAdapter(f"The adapter has only half of the LoRA of {layer}: lora_{lacks} is missing.")
    a, b = matrices["A"], matrices["B"]
    if len(a) != 2 or len(b) != 2 or a[0] != b[1]:
        raise BadAdapter(f"The LoRA of {layer} has shapes {list(a)} and {list(b)}, which cannot be multiplied.")
    if a[0] != rank:
        raise BadAdapter(f"The LoRA of {layer} has rank {a[0]}, and the configuration says {rank}.")


def _check_fit(layer: str, matrices: Mapping[str, Shape], layers: Mapping[str, Shape | None]) -> None:
    if _key(layer) not in layers:
        raise BadAdapter(f"The adapter changes {layer}, which this base does not have: it was made for another one.")
    wanted, given = layers[_key(layer)], (matrices["B"][0], matrices["A"][1])
    if wanted is not None and wanted != given:
        raise BadAdapter(
            f"The LoRA of {layer} is for a layer of {given[0]} by {given[1]}, and this base has {wanted[0]} by "
            f"{wanted[1]}: it was made for another one."
        )


def _check_numbers(file: Path) -> None:
    """Read every number once, as plain numbers: nothing here needs torch."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np"):  # refuses a header whose tensors overlap, leave gaps or end too late
            tensors = tensors_of(file)
    except (SafetensorError, ValueError, TypeError) as err:
        raise BadAdapter(f"{file.name} is damaged: {err}.") from err
    with file.open("rb") as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
    effect = False
    for name, tensor in tensors.items():
        begin, end = tensor["data_offsets"]
        numbers = _read(file, start + begin, end - begin, kind=tensor["dtype"])
        if not bool(np.isfinite(numbers).all()):
            raise BadAdapter(f"The adapter's weights are not finite numbers (in {name}).")
        size = float(np.abs(numbers).max(initial=0.0))
        if size > _LARGEST:
            raise BadAdapter(f"The adapter's weights are damaged: {name} has a number of size {size:.3g}.")
        effect = effect or (".lora_B." in name and size > 0)
    if not effect:
        raise BadAdapter("The adapter has no effect: every lora_B is zero, as before training.")


def _read(file: Path, start: int, length: int, *, kind: str) -> npt.NDArray[np.floating[Any]]:
    """The numbers of one tensor. BF16 is the upper half of F32."""
    if kind == "BF16":
        halves = np.fromfile(file, dtype="<u2", count=length // 2, offset=start)
        return (halves.astype("<u4") << 16).view("<f4")
    return np.fromfile(file, dtype="<f4" if kind == "F32" else "<f2", count=length // _KINDS[kind], offset=start)


def base_layers(base: Path) -> dict[str, Shape | None]:
    """The linear layers of a base by `_key`, with their shapes (out, in) where these can be compared."""
    return _layers(base, tuple(sorted((f.name, f.stat().st_size) for f in base.glob("*.safetensors"))))


@lru_cache(maxsize=8)
def _layers(base: Path, files: tuple[tuple[str, int], ...]) -> dict[str, Shape | None]:
    found: dict[str, Shape | None] = {}
    for file, _ in files:
        for name, tensor in tensors_of(base / file).items():
            layer, _, what = name.rpartition(".")
            if what == "weight" and tensor["dtype"] in _COMPARED:
                if len(tensor["shape"]) == 2:
                    found[_key(layer)] = tuple(tensor["shape"])
            elif what in ("weight", "qweight", "weight_packed"):
                found[_key(layer)] = None
    return found


def largest(base: Path, *, max_rank: int) -> int:
    """Bytes that a LoRA of this base can have at most; of packed layers, what a large one has."""
    numbers = sum(sum(shape) if shape else 1 << 17 for shape in base_layers(base).values()) * max_rank
    return numbers * max(_KINDS.values()) + _HEADER


def _key(layer: str) -> str:
    """What names a layer in every way of saying it: programs differ in what stands before `layers`."""
    head, found, rest = layer.partition("layers.")
    return f"{'.' if 'visual' in head or 'vision' in head else ''}{found}{rest}" if found else layer
