"""The short cuts of the trainer give what the model itself gives, on architectures that bend or scale their logits,
look back through a window only, or do with them what nobody has foreseen."""

import math
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from ftchat import sizing
from ftchat.training import attention
from ftchat.training import head as heads
from ftchat.training.head import Head
from ftchat.training.model import Learner
from ftchat.training.rows import Example

TINY = {
    "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": None,
    "eos_token_id": 1,
}  # fmt: skip


class _Surprising(LlamaForCausalLM):
    """A model that does to its logits what no name in its configuration tells."""

    def forward(self, *args: Any, **given: Any) -> Any:
        found = super().forward(*args, **given)
        found.logits = found.logits * 3.0 + torch.arange(found.logits.shape[-1]) / 50
        return found


class _Doubled(LlamaForCausalLM):
    """A model that is a Llama by name, whose first block does more."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model.layers[0].mlp.register_forward_hook(lambda _, __, out: out + 1.0)


# Each with whether the chunked head is its own, whether prompts may be shared, and whether the lean blocks suit.
MODELS: dict[str, tuple[Any, Any, bool, bool, bool]] = {
    "llama": (LlamaForCausalLM, LlamaConfig(**TINY), True, True, True),
    "with biases": (Qwen2ForCausalLM, Qwen2Config(**TINY), True, True, True),
    "with norms": (Qwen3ForCausalLM, Qwen3Config(**TINY, head_dim=24), True, True, True),
    "mistral": (MistralForCausalLM, MistralConfig(**TINY, sliding_window=None), True, True, True),
    "gelu": (LlamaForCausalLM, LlamaConfig(**TINY, hidden_act="gelu"), True, True, False),
    "hooked": (_Doubled, LlamaConfig(**TINY), True, True, False),
    "scaled": (GraniteForCausalLM, GraniteConfig(**TINY, logits_scaling=4.0), True, True, False),
    "multiplied": (CohereForCausalLM, CohereConfig(**TINY, logit_scale=0.25), True, True, False),
    "capped": (
        Gemma2ForCausalLM,
        Gemma2Config(**TINY, head_dim=16, final_logit_softcapping=0.5, sliding_window=8),
        True,
        False,
        False,
    ),
    "windowed": (MistralForCausalLM, MistralConfig(**TINY, sliding_window=8), True, False, False),
    "surprising": (_Surprising, LlamaConfig(**TINY), False, True, True),
}


def _pair(seed: int) -> Example:
    chance = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 97, (29,), generator=chance).tolist()
    return Example(id=str(seed), role="pair", prompt=tuple(ids[:13]), answers=(tuple(ids[13:20]), tuple(ids[20:])))


@pytest.mark.parametrize("name", MODELS)
def test_log_probabilities_and_gradients_are_the_models_own(name: str) -> None:
    kind, config, own_head, shared, lean = MODELS[name]
    torch.manual_seed(3)
    learner = Learner(kind(config), rank=4, alpha=8, seed=0)
    assert (learner._head is not None, learner.shared, learner._blocks is not None) == (own_head, shared, lean)
    weights = learner.weights()
    with torch.no_grad():
        for value in weights.values():
            value.add_(torch.randn_like(value) * 0.1)
    batch, steep = [_pair(1), _pair(2)], torch.linspace(0.5, 2.0, 32)
    scored = learner.score(batch)
    (scored.logp * steep).sum().backward()
    ours = {key: value.grad.clone() for key, value in weights.items() if value.grad is not None}
    learner.model.zero_grad()
    plain = torch.cat([_plain(learner, e.prompt, answer) for e in batch for answer in e.answers])
    (plain * steep).sum().backward()
    torch.testing.assert_close(scored.logp, plain, rtol=1e-4, atol=1e-5)
    assert scored.owner.tolist() == [0] * 7 + [1] * 9 + [2] * 7 + [3] * 9
    assert ours.keys() == weights.keys()
    for key, value in weights.items():
        torch.testing.assert_close(ours[key], value.grad, rtol=1e-3, atol=1e-5)


def _plain(learner: Learner, prompt: tuple[int, ...], answer: tuple[int, ...]) -> torch.Tensor:
    logits = learner.model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(dim=-1)[torch.arange(len(answer)), torch.tensor(answer)]


def test_answers_of_a_pair_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    learner = Learner(LlamaForCausalLM(LlamaConfig(**TINY)), rank=4, alpha=8, seed=0)
    pair = _pair(5)
    alone = Example(id="a", role="positive", prompt=pair.prompt, answers=pair.answers[1:])
    both = learner.score([pair])
    torch.testing.assert_close(both.logp[both.owner == 1], learner.score([alone]).logp, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [1, 5, 16, 17, 45])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("heard", [attention.heard, attention.whole], ids=["in bands", "as on a GPU"])
def test_attention_equals_that_of_torch_with_a_mask(
    length: int, masked: bool, heard: Callable[..., torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "BAND", 16)
    torch.manual_seed(length)
    query, key, value = (torch.randn(2, length, heads, 8, requires_grad=True) for heads in (6, 2, 2))
    steep, left = torch.randn(2, length, 6, 8), torch.ones(length, length, dtype=torch.bool).tril()
    looks = left & (torch.rand(2, 1, length, length) < 0.7) | torch.eye(length, dtype=torch.bool)
    mask = torch.zeros(looks.shape).masked_fill(~looks, torch.finfo(torch.float32).min) if masked else None
    found = heard(query, key, value, scale=0.3, mask=mask)
    (found * steep).sum().backward()
    ours = [part.grad for part in (query, key, value)]
    for part in (query, key, value):
        part.grad = None
    plain = torch.nn.functional.scaled_dot_product_attention(
        *(part.transpose(1, 2) for part in (query, key, value)), attn_mask=looks if masked else left,
        scale=0.3, enable_gqa=True,
    ).transpose(1, 2)  # fmt: skip
    (plain * steep).sum().backward()
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5)
    for mine, part in zip(ours, (query, key, value), strict=True):
        torch.testing.assert_close(mine, part.grad, rtol=1e-4, atol=1e-5)


class _Held(TorchDispatchMode):
    """How many bytes of tensors made under it are alive, at the most."""

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, int] = {}
        self.most = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else [made]:
            if isinstance(one, torch.Tensor) and (store := one.untyped_storage())._cdata not in self._alive:
                self._alive[store._cdata] = store.nbytes()
                weakref.finalize(store, self._alive.pop, store._cdata, None)
        self.most = max(self.most, sum(self._alive.values()))
        return made


@pytest.mark.parametrize("cap", [0.0, 30.0])
def test_the_head_takes_no_more_memory_than_sizing_reckons_with(cap: float, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"cpu": heads.CHUNK["cpu"], "gpu": heads.CHUNK["cuda"]} == sizing._LOGITS
    words, states = 5_000, 200
    monkeypatch.setitem(heads.CHUNK, "cpu", words * states)
    head = Head(torch.randn(words, 16, dtype=torch.bfloat16), None, 1.0, cap)
    now, was = (torch.randn(states, 16, dtype=torch.bfloat16, requires_grad=learns) for learns in (True, False))
    for work in (lambda: head.logp(now, torch.zeros(states).long()), lambda: head.drift(now, was)):
        with _Held() as held:
            work()
        assert 4 * words * states < held.most <= sizing._LOGIT * words * states


@pytest.mark.parametrize("chunk", [1, 97 * 3, 10**6])
@pytest.mark.parametrize(("scale", "cap"), [(1.0, 0.0), (0.5, 0.0), (2.0, 1.5)])
def test_head_in_chunks_equals_autograd_over_whole_logits(
    chunk: int, scale: float, cap: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(heads.CHUNK, "cpu", chunk)
    torch.manual_seed(1)
    head = Head(torch.randn(97, 16), torch.randn(97), scale, cap)
    hidden, wanted = torch.randn(10, 16, requires_grad=True), torch.randint(0, 97, (10,))
    steep = torch.randn(10)
    found = head.logp(hidden, wanted)
    (found * steep).sum().backward()
    assert hidden.grad is not None
    ours = hidden.grad.clone()
    hidden.grad = None
    plain = head.logits(hidden).log_softmax(dim=-1)[torch.arange(10), wanted]
    (plain * steep).sum().backward()
    torch.testing.assert_close(found, plain)
    torch.testing.assert_close(ours, hidden.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [97 * 3, 10**6])
@pytest.mark.parametrize(("scale", "cap"), [(1.0, 0.0), (2.0, 1.5)])
def test_drift_is_the_divergence_from_base_and_its_gradient(
    chunk: int, scale: float, cap: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(heads.CHUNK, "cpu", chunk)
    torch.manual_seed(2)
    head = Head(torch.randn(97, 16), None, scale, cap)
    hidden, before, steep = torch.randn(10, 16, requires_grad=True), torch.randn(10, 16), torch.randn(10)
    found = head.drift(hidden, before)
    (found * steep).sum().backward()
    assert hidden.grad is not None
    ours = hidden.grad.clone()
    hidden.grad = None
    now, was = (head.logits(states).log_softmax(dim=-1) for states in (hidden, before))
    plain = torch.nn.functional.kl_div(now, was, log_target=True, reduction="none").sum(dim=-1)
    (plain * steep).sum().backward()
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours, hidden.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(head.drift(before, before), torch.zeros(10), rtol=0.0, atol=1e-6)


def test_replay_rows_that_base_was_asked_about_are_scored_by_their_drift() -> None:
    torch.manual_seed(0)
    learner = Learner(LlamaForCausalLM(LlamaConfig(**TINY)), rank=4, alpha=8, seed=0)
    pair = _pair(7)
    replay = Example(id="r", role="replay", prompt=pair.prompt, answers=pair.answers[:1])
    likely = learner.score([pair, replay]).logp
    assert not learner.remembers(replay)
    learner.remember([replay])
    assert learner.remembers(replay)
    at_base = learner.score([pair, replay])
    torch.testing.assert_close(at_base.logp[:16], likely[:16])
    torch.testing.assert_close(at_base.logp[16:], torch.zeros(7), rtol=0.0, atol=1e-6)
    with torch.no_grad():
        for value in learner.weights().values():
            value.add_(torch.randn_like(value) * 0.1)
    moved = learner.score([pair, replay])
    assert (moved.logp[16:] < 0.0).all()
    with torch.no_grad(), learner.model.disable_adapter():
        was = learner._base(input_ids=torch.tensor([[*replay.prompt, *replay.answers[0]]])).logits[0, 12:-1]
    now = learner._base(input_ids=torch.tensor([[*replay.prompt, *replay.answers[0]]])).logits[0, 12:-1]
    plain = torch.nn.functional.kl_div(now.log_softmax(-1), was.log_softmax(-1), log_target=True, reduction="none").sum(
        -1
    )
    torch.testing.assert_close(-moved.logp[16:], plain, rtol=1e-3, atol=1e-5)


def test_head_without_gradients_makes_none_and_says_when_it_does_not_suit() -> None:
    head = Head(torch.eye(5), None)
    hidden = torch.zeros(3, 5)
    assert head.logp(hidden, torch.tensor([0, 1, 2])).tolist() == pytest.approx([-math.log(5)] * 3)
    assert head.suits(hidden, torch.zeros(3, 5))
    assert not head.suits(hidden, torch.full((3, 5), 0.1))
    assert not head.suits(hidden, torch.full((3, 5), math.nan))
