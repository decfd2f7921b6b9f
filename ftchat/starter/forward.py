"""The forward pass that training uses: the same numbers as LlamaForCausalLM's, in few operations.

Rows are short and hold several dialogues, so plain attention with an added bias is several times faster on a CPU than
the fused kernel, and the whole pass compiles into few loops. It knows nothing about data or optimizers.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any

HEAD = 64
THETA = 10000.0


def bias_of(segments: Any, kind: Any) -> Any:
    """Added to the scores of attention: a token sees what came before it in its own dialogue, and nothing else."""
    import torch

    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    seen = (segments[:, None, :, None] == segments[:, None, None, :]) & causal
    return torch.zeros(seen.shape, dtype=kind, device=segments.device).masked_fill(~seen, -1e4)


def turned(length: int, device: Any, kind: Any) -> tuple[Any, Any]:
    """Cosines and sines of the rotary positions."""
    import torch

    steps = 1.0 / THETA ** (torch.arange(0, HEAD, 2, device=device).float() / HEAD)
    angles = torch.outer(torch.arange(length, device=device).float(), steps)
    both = torch.cat([angles, angles], -1)
    return both.cos().to(kind), both.sin().to(kind)


def _rotated(x: Any, cos: Any, sin: Any) -> Any:
    import torch

    half = HEAD // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def _attended(layer: Any, h: Any, *, bias: Any, cos: Any, sin: Any) -> Any:
    """What each token found in those it sees; all tokens stand in one line."""
    import torch

    part, (rows, length, width) = layer.self_attn, (bias.shape[0], bias.shape[-1], h.shape[-1])
    weights = torch.cat([part.q_proj.weight, part.k_proj.weight, part.v_proj.weight]).to(h.dtype)
    parts = torch.nn.functional.linear(h, weights).chunk(3, -1)
    q, k, v = (x.view(rows, length, width // HEAD, HEAD).transpose(1, 2) for x in parts)
    q, k = _rotated(q, cos, sin), _rotated(k, cos, sin)
    scores = torch.matmul(q, k.transpose(-1, -2)) * HEAD**-0.5 + bias
    return torch.matmul(scores.softmax(-1), v).transpose(1, 2).reshape(rows * length, width)


def _fed(layer: Any, h: Any) -> Any:
    import torch

    part = layer.mlp
    weights = torch.cat([part.gate_proj.weight, part.up_proj.weight]).to(h.dtype)
    gate, up = torch.nn.functional.linear(h, weights).chunk(2, -1)
    return torch.nn.functional.linear(torch.nn.functional.silu(gate) * up, part.down_proj.weight.to(h.dtype))


def hidden(model: Any, ids: Any, bias: Any, cos: Any, sin: Any, places: Any) -> Any:
    """The last hidden state, after the final norm, in float32, of the tokens at `places` of the rows laid end to end.

    Products are made in what `bias` is in. The last layer needs the other tokens for its attention alone.
    """
    import torch

    def normed(x: Any, norm: Any) -> Any:
        return torch.nn.functional.rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)

    kind, x = bias.dtype, model.model.embed_tokens(ids.flatten())
    for layer in model.model.layers:
        found = _attended(layer, normed(x, layer.input_layernorm).to(kind), bias=bias, cos=cos, sin=sin)
        if layer is model.model.layers[-1]:
            found, x = found[places], x[places]
        x = x + torch.nn.functional.linear(found, layer.self_attn.o_proj.weight.to(kind))
        x = x + _fed(layer, normed(x, layer.post_attention_layernorm).to(kind))
    return normed(x, model.model.norm)


def quick(function: Callable[..., Any], *, wanted: bool) -> Callable[..., Any]:
    """The function compiled, where that is wanted and the machine has a compiler; else as it is, only slower."""
    import torch

    compilers = (os.environ.get("CXX", ""), "g++", "clang++", "c++")
    if not wanted or not any(shutil.which(name) for name in compilers if name):
        return function
    compiled: Callable[..., Any] = torch.compile(function, dynamic=False)
    return compiled
