"""How many adapters, how long a context, how much KV cache: from a model's shape and the free memory, with reasons.

`fit` is pure: numbers in, numbers and sentences out. What a setting fixes is taken as it is; what is 0 is computed. The
engine and the trainer of the same model are reckoned together, since both run while people go on chatting. It does not
know processes; `look` and `shape_of` read this machine and a model folder for it.

The fixed amounts were measured with the practice model on two cores: the engine took 1.51 GiB beside its weights, cache
and adapters (sum of proportional set sizes), two training steps of 2048 tokens 0.96 GiB in all (peak resident set; this
gives 1.03). What a larger model's steps take, and what a GPU needs on top, was reckoned and not measured.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ftchat.base import INDEX, read_json, tensors_of
from ftchat.config import Settings

GIB = 1 << 30
RANK = 32  # the largest rank that a training plan chooses by itself
SLOTS = 4  # both lanes of a compare turn, a candidate in its exam, and one more
_CACHED = (8, 32)  # adapters kept loaded: the desired set is six and what people chose
_CACHED_SHARE = 0.1
_TYPICAL_TOKENS = 2048  # of a conversation: so much KV cache for each answer in flight, where memory allows
_LEAST_KV = GIB // 16
_UNKNOWN_KV = GIB  # for a model whose configuration does not say its shape
_BATCH_TOKENS = 2048  # of a training step, as TrainArgs has it
_LOGITS = {"cpu": 2**23, "gpu": 2**25}  # that the trainer makes at once (training.head.CHUNK)
_LOGIT = 26  # bytes of memory for each of them, at the most
_APP = int(0.5 * GIB)
_FIXED = {"cpu": (int(1.6 * GIB), int(0.8 * GIB)), "gpu": (3 * GIB, 1 * GIB)}  # engine, trainer: before any weight
_COPIED = 1 << 17  # values of a matrix up to which the plugin copies it (cpu_lora.wrapper.SMALL)
_GPU_SHARE = 0.8  # of what is left on a GPU; on a CPU the rest belongs to others

Device = Literal["cpu", "gpu"]
Level = Literal["fits", "tight", "short"]
_UNSEEN: tuple[Level, str] = ("tight", "The memory of the GPU cannot be read: check `nvidia-smi`.")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What decides how much memory a model takes. Zero where its configuration does not say."""

    weights: int  # bytes in bfloat16
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    longest: int  # tokens that the model allows
    latent: int = 0  # values per token and layer where keys and values are kept compressed (DeepSeek)

    @property
    def kv_token(self) -> int:
        """Bytes of KV cache for one token."""
        return 2 * self.layers * (self.latent or 2 * self.kv_heads * self.head_dim)

    def adapter_values(self, rank: int) -> int:
        """Values of an adapter on every linear layer."""
        inner, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = 2 * (self.hidden + inner) + 2 * (self.hidden + kv)
        return rank * self.layers * (attention + 3 * (self.hidden + self.intermediate))

    def copied_values(self, rank: int) -> int:
        """Values of it that the plugin for CPUs keeps a second time, in float32: those of small layers."""
        inner, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        total = 0
        for width, pieces in (
            (self.hidden, (inner, kv, kv)),
            (inner, (self.hidden,)),
            (self.hidden, (self.intermediate,) * 2),
            (self.intermediate, (self.hidden,)),
        ):
            first, second = rank * len(pieces) * width, rank * sum(pieces)
            if max(first, rank * max(pieces)) <= _COPIED:
                joined = second * len(pieces)
                total += first + (joined if joined <= _COPIED else second)
        return self.layers * total


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of the memory that model and cache go into."""

    device: Device
    free: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Settings without zeros, and the bytes they come to. `short`: it will hardly start; `tight`: not beside a run."""

    settings: Settings
    memory: Memory
    weights: int
    adapters: int
    kv: int
    engine: int  # everything of the engine
    trainer: int
    reasons: Mapping[str, str]  # per computed setting
    level: Level
    advice: str  # empty when it fits

    @property
    def hopeless(self) -> bool:
        """Whether weights and cache alone are more than is free, however generous the rest of the estimate is."""
        return self.memory.total > 0 and self.weights + self.kv > self.memory.free

    @property
    def words(self) -> str:
        """The estimate as one sentence."""
        return (
            f"The engine needs about {gib(self.engine)} (weights {gib(self.weights)}, KV cache {gib(self.kv)}, "
            f"adapters {gib(self.adapters)}) and the trainer about {gib(self.trainer)}; {gib(self.memory.free)} of "
            f"{gib(self.memory.total)} are free on this {self.memory.device.upper()}."
        )


def fit(settings: Settings, shape: Shape, memory: Memory) -> Fit:
    """Fill in what is 0, and say how it fits."""
    reasons: dict[str, str] = {}
    chosen = _adapters(settings, shape, memory, reasons=reasons)
    each = 2 * shape.adapter_values(chosen.max_lora_rank)
    adapters = (chosen.max_loras + chosen.max_cpu_loras) * each
    if memory.device == "cpu" and chosen.cpu_lora:
        adapters += chosen.max_loras * 4 * shape.copied_values(chosen.max_lora_rank)
    trainer = trainer_needs(shape, memory.device)
    fixed = _FIXED[memory.device][0]
    others = _APP if memory.device == "cpu" else 0
    left = memory.free - others - fixed - shape.weights - adapters
    kv = _kv(chosen, shape, left=left - trainer, memory=memory, reasons=reasons)
    chosen = replace(chosen, kv_cache_gib=kv / GIB, context_length=_context(chosen, shape, kv=kv, reasons=reasons))
    level, advice = _UNSEEN
    if memory.total:
        level, advice = _judged(settings, chosen, shape, device=memory.device, kv=kv, left=left, trainer=trainer)
    return Fit(
        settings=chosen,
        memory=memory,
        weights=shape.weights,
        adapters=adapters,
        kv=kv,
        engine=fixed + shape.weights + adapters + kv,
        trainer=trainer,
        reasons=reasons,
        level=level,
        advice=advice,
    )


def elsewhere(settings: Settings, shape: Shape) -> Settings:
    """Settings without zeros for an engine on another machine, whose memory is not ours to reckon with."""
    plenty = Memory(device="cpu", free=1 << 50, total=1 << 50)
    chosen = fit(settings, shape, plenty).settings
    return replace(chosen, context_length=settings.context_length or shape.longest)


def _adapters(settings: Settings, shape: Shape, memory: Memory, *, reasons: dict[str, str]) -> Settings:
    rank = settings.max_lora_rank or RANK
    if not settings.max_lora_rank:
        reasons["max_lora_rank"] = f"{RANK} is the largest that training chooses by itself; a larger one costs speed."
    slots = settings.max_loras or min(SLOTS, settings.max_cpu_loras or SLOTS)
    if not settings.max_loras:
        reasons["max_loras"] = "Two answers side by side, an exam, and one more may need one at once."
    cached = settings.max_cpu_loras
    if not cached:
        each = max(1, 2 * shape.adapter_values(rank))
        low, high = _CACHED
        room = int(_CACHED_SHARE * memory.free) // each
        cached = max(slots, min(high, max(low, room)))
        reasons["max_cpu_loras"] = f"At most {high}; an adapter of rank {rank} takes {gib(each)} of {gib(memory.free)}."
    return replace(settings, max_lora_rank=rank, max_loras=slots, max_cpu_loras=cached)


def _kv(settings: Settings, shape: Shape, *, left: int, memory: Memory, reasons: dict[str, str]) -> int:
    """Bytes of KV cache: enough for every answer in flight, as far as memory goes, never less than two answers need.

    0 leaves it to vLLM, where nothing is known of the memory.
    """
    if settings.kv_cache_gib:
        return int(settings.kv_cache_gib * GIB)
    if not memory.total:
        reasons["kv_cache_gib"] = "The memory of the GPU cannot be read: vLLM takes what it finds."
        return 0
    if not shape.kv_token:
        reasons["kv_cache_gib"] = "The model's configuration does not say its shape."
        return _UNKNOWN_KV
    longest = settings.context_length or shape.longest or _TYPICAL_TOKENS
    least = max(_LEAST_KV, 2 * shape.kv_token * (settings.context_length or min(longest, _TYPICAL_TOKENS)))
    wanted = max(least, settings.max_in_flight * shape.kv_token * min(longest, _TYPICAL_TOKENS))
    if memory.device == "gpu":
        wanted = max(wanted, int(_GPU_SHARE * left))
    kv = max(least, min(wanted, left))
    tokens = kv // shape.kv_token
    why = "for all answers in flight" if kv == wanted else "as much as the memory allows"
    reasons["kv_cache_gib"] = f"{gib(kv)} hold {tokens:,} tokens: {why}."
    return kv


def _context(settings: Settings, shape: Shape, *, kv: int, reasons: dict[str, str]) -> int:
    """Tokens of prompt and answer: what the model allows, if two such answers fit into the cache."""
    if settings.context_length:
        return settings.context_length
    room = kv // shape.kv_token // 2 if kv and shape.kv_token else shape.longest
    if not shape.longest or shape.longest <= room:
        reasons["context_length"] = "What the model allows."
        return shape.longest
    reasons["context_length"] = f"The model allows {shape.longest:,}; the KV cache holds two answers of this length."
    return max(256, room // 256 * 256)


def trainer_needs(shape: Shape, device: Device, *, rank: int = RANK, tokens: int = _BATCH_TOKENS) -> int:
    """Bytes of the trainer: the base in bfloat16, a LoRA with gradients and Adam in fp32, one step's activations. With
    the base in fp32, which training takes only where there is room (training.precision), it is at most twice that."""
    learned = 16 * shape.adapter_values(rank)
    per_token = shape.layers * 2 * (14 * shape.hidden + 6 * shape.intermediate)
    logits = _LOGIT * min(_LOGITS[device], tokens * shape.vocab)
    return _FIXED[device][1] + shape.weights + learned + tokens * per_token + logits


def _judged(
    given: Settings, chosen: Settings, shape: Shape, *, device: Device, kv: int, left: int, trainer: int
) -> tuple[Level, str]:
    """How it fits, and what to do about it."""
    if shape.longest and given.context_length > shape.longest:
        return "short", f"This model allows {shape.longest:,} tokens: set context_length to that or less, or to 0."
    if shape.kv_token and kv // shape.kv_token < chosen.context_length:
        needed = chosen.context_length * shape.kv_token / GIB
        return "short", (
            f"One answer of {chosen.context_length:,} tokens needs a KV cache of {needed:.2f} GiB: set kv_cache_gib to "
            f"that or more, or context_length to {kv // shape.kv_token:,} or less."
        )
    if left < kv:
        lower = "lower kv_cache_gib, " if given.kv_cache_gib else ""
        return "short", f"About {gib(kv - left)} are missing: {lower}end other programs or choose a smaller model."
    if left - kv < trainer and given.train_beside != "never":
        missing = f"While a run trains, {gib(trainer + kv - left)} may be missing"
        if device == "gpu" and given.train_beside == "auto":
            return "tight", f"{missing}: the engine then stands aside, and nothing is answered."
        return "tight", f"{missing}: end other programs before Retrain, or choose a smaller model."
    return "fits", ""


def shape_of(folder: Path) -> Shape:
    """The shape of the model in a folder that was checked."""
    whole = read_json(folder / "config.json")
    config = whole["text_config"] if isinstance(whole.get("text_config"), dict) else whole

    def number(*names: str) -> int:
        found = next((config[name] for name in names if config.get(name)), 0)
        values = found if isinstance(found, list) else [found]  # some models have one per layer
        return max((int(v) for v in values if isinstance(v, int | float)), default=0)

    hidden, heads = number("hidden_size", "n_embd", "d_model"), number("num_attention_heads", "n_head")
    latent = number("kv_lora_rank")
    return Shape(
        weights=_weights(folder),
        layers=number("num_hidden_layers", "n_layer", "num_layers"),
        hidden=hidden,
        intermediate=number("intermediate_size", "n_inner", "ffn_dim") or 4 * hidden,
        heads=heads,
        kv_heads=number("num_key_value_heads") or heads,
        head_dim=number("head_dim") or hidden // max(1, heads),
        vocab=number("vocab_size"),
        longest=_longest(folder, number("max_position_embeddings", "n_positions")),
        latent=latent and latent + number("qk_rope_head_dim"),
    )


def _weights(folder: Path) -> int:
    """Bytes of the weights once they are in bfloat16; what is quantised stays as it is."""
    total = 0
    for file in _weight_files(folder):
        for tensor in tensors_of(file).values():
            start, end = tensor["data_offsets"]
            total += (end - start) // 2 if tensor.get("dtype") == "F32" else end - start
    return total


def _weight_files(folder: Path) -> list[Path]:
    """The files that are loaded: those of the index, where there is one, beside which some models lie whole again."""
    index = folder / INDEX
    if index.is_file():
        return [folder / name for name in sorted({str(name) for name in read_json(index)["weight_map"].values()})]
    return sorted(folder.glob("*.safetensors"))


def _longest(folder: Path, positions: int) -> int:
    """As vLLM finds it: the tokenizer's own bound counts too."""
    file = folder / "tokenizer_config.json"
    bound: Any = read_json(file).get("model_max_length") if file.is_file() else None
    if bound is None or not positions or not isinstance(bound, int | float) or bound <= 0:
        return positions
    return min(positions, int(bound))


def look(device: Device) -> Memory:
    """This machine's memory: of its first GPU, or what this process may use where there is none."""
    return _gpu() if device == "gpu" else _cpu(Path("/proc/meminfo"), Path("/sys/fs/cgroup"))


def _cpu(meminfo: Path, cgroup: Path) -> Memory:
    found: dict[str, str] = dict(re.findall(r"^(\w+):\s*(\d+) kB", meminfo.read_text(), re.MULTILINE))
    total, free = int(found["MemTotal"]) * 1024, int(found.get("MemAvailable", found["MemFree"])) * 1024
    try:
        limit, used, kinds = ((cgroup / f"memory.{name}").read_text().strip() for name in ("max", "current", "stat"))
    except OSError:
        return Memory(device="cpu", free=free, total=total)
    if limit.isdigit():  # else "max"
        cached = dict(line.split() for line in kinds.splitlines()).get("inactive_file", "0")  # given back when needed
        total, free = min(total, int(limit)), min(free, max(0, int(limit) - int(used) + int(cached)))
    return Memory(device="cpu", free=free, total=total)


def _gpu() -> Memory:
    """What nvidia-smi says of the first GPU that we may use; nothing free where it says nothing."""
    asked = ["nvidia-smi", "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"]
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    try:
        done = subprocess.run(
            [*asked, *(["-i", first] if first else [])], capture_output=True, text=True, timeout=20, check=False
        )
        free, total = (int(number) << 20 for number in done.stdout.splitlines()[0].split(","))
    except (OSError, subprocess.TimeoutExpired, IndexError, ValueError):
        return Memory(device="gpu", free=0, total=0)
    return Memory(device="gpu", free=free, total=total)


def gib(count: float) -> str:
    """Bytes as people read them."""
    return f"{count / GIB:.2f} GiB" if count >= GIB / 10 else f"{count / (1 << 20):.0f} MiB"


def measured(settings: Settings, folder: Path, *, device: Device) -> Fit:
    """The fit of the model in a folder on this machine, now."""
    return fit(settings, shape_of(folder), look(device))
