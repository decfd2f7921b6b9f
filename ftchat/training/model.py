"""The base with a LoRA: log-probabilities of the learned tokens, and greedy answers to look at.

The base is frozen, in bf16 or what is quicker here (precision.py), and the LoRA learns in fp32. The head scores only
the positions that are learned: feedback is mostly prompt, and the head is where most of the time would go. It knows
neither losses nor steps.

Three short cuts are taken where they give what the model itself gives, which is asked once, at the start: the chunked
head (head.py), prompts shared by the answers of a pair (layout.py), and lean blocks (blocks.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from transformers import AutoModelForCausalLM, GenerationConfig

from ftchat.errors import TrainingError
from ftchat.prompt import Prompter
from ftchat.records import Message
from ftchat.training import guards
from ftchat.training.blocks import Blocks
from ftchat.training.head import Head
from ftchat.training.layout import Layout, can_share, lay_out
from ftchat.training.lora import fuse
from ftchat.training.loss import Scored
from ftchat.training.rows import Example


def device_here() -> torch.device:
    """Where to train: a GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_base(base: Path, device: torch.device, *, kind: torch.dtype = torch.bfloat16) -> Any:
    """The base, all of it frozen; its weights are those that are served, so rounded to bf16, whatever holds them."""
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.bfloat16, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, RuntimeError) as err:
        if guards.starved(err):
            raise
        raise TrainingError(f"The base model in {base} cannot be loaded: {err}") from err
    if kind != torch.bfloat16:  # else what the model itself keeps in fp32, as the turns of its positions, stays that
        model = model.to(kind)
    # The base's own wishes for sampling (a penalty, a temperature) must not touch the greedy answers shown.
    model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)
    model.requires_grad_(False)
    return model.to(device)


def width_of(base: Any) -> int:
    """The model's width: the size of a hidden state."""
    return int(base.config.get_text_config().hidden_size)


class Learner:
    """A base and the LoRA that learns on it."""

    def __init__(
        self, base: Any, *, rank: int, alpha: int, seed: int, start: Mapping[str, Tensor] | None = None
    ) -> None:
        """The LoRA's first values come from the seed, or are those of `start`."""
        torch.manual_seed(seed)
        config = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=linear_layers(base), task_type="CAUSAL_LM"
        )
        self.model: Any = get_peft_model(base, config)  # makes the LoRA fp32, whatever the base is in
        self.config = config
        fuse(self.model)
        self._base = base
        self._before: dict[str, Tensor] = {}  # replay row id -> base's hidden states [tokens, width]
        self._device = next(base.parameters()).device
        self.kind: torch.dtype = base.dtype  # what the base is held in
        self._head: Head | None = Head.of(base)
        self._blocks: Blocks | None = Blocks.of(base)
        self.shared = can_share(base.config.get_text_config())
        self._ask_for_short_cuts()
        if start is not None:
            self._begin_with(start)

    def weights(self) -> dict[str, Tensor]:
        """The LoRA's parameters, by name; not copies."""
        return {name: value for name, value in self.model.named_parameters() if value.requires_grad}

    def score(self, batch: Sequence[Example]) -> Scored:
        """Log-probabilities of the batch's learned tokens, in the order of the batch; of replay rows that base was
        asked about (`remember`) minus the drift from base's distribution instead."""
        laid = lay_out(batch, shared=self.shared, dtype=self.kind, device=self._device)
        if self._head is None:
            with self._head_sees(laid.row, laid.column):
                logits = self._base(input_ids=laid.ids, use_cache=False, **_beside(laid)).logits[0]
            return Scored(-torch.nn.functional.cross_entropy(logits.float(), laid.wanted, reduction="none"), laid.owner)
        states = self._states(laid)
        held = torch.tensor([e.id in self._before for e in batch for _ in e.answers], device=self._device)[laid.owner]
        if not held.any():
            return Scored(self._head.logp(states, laid.wanted), laid.owner)
        before = torch.cat([self._before[e.id] for e in batch if e.id in self._before])
        logp = torch.zeros(len(states), device=self._device)
        logp[held] = -self._head.drift(states[held], before)
        if not held.all():
            logp[~held] = self._head.logp(states[~held], laid.wanted[~held])
        return Scored(logp, laid.owner)

    def _states(self, laid: Layout) -> Tensor:
        """The hidden states that predict the learned tokens."""
        if self._blocks is not None:
            return self._blocks.states(laid)
        hidden = self._base.base_model(input_ids=laid.ids, use_cache=False, **_beside(laid)).last_hidden_state
        found: Tensor = hidden[laid.row, laid.column]
        return found

    @torch.no_grad()
    def remember(self, batch: Sequence[Example]) -> None:
        """Keep base's hidden states of replay rows, from which what it would have said can be told at any time."""
        if self._head is None:
            return
        laid = lay_out(batch, shared=self.shared, dtype=self.kind, device=self._device)
        with self.model.disable_adapter():
            states = self._states(laid)
        self._before |= {e.id: states[laid.owner == at] for at, e in enumerate(batch)}

    def remembers(self, example: Example) -> bool:
        """Whether base was asked about a replay row, or cannot be."""
        return self._head is None or example.id in self._before

    @torch.no_grad()
    def reference(self, batch: Sequence[Example]) -> dict[str, list[list[float]]]:
        """What base, without the LoRA, gives each answer of the batch: log-probabilities, by row id."""
        with self.model.disable_adapter():
            sums = self.score(batch).sums(batch)
        return {example.id: found.tolist() for example, found in zip(batch, sums, strict=True)}

    @torch.no_grad()
    def _ask_for_short_cuts(self) -> None:
        """Keep a short cut only if the model gives the same without it."""
        some = [3 + 7 * i % 50 for i in range(12)]
        ids = torch.tensor([some], device=self._device) % self._base.get_input_embeddings().num_embeddings
        whole = self._base(input_ids=ids, use_cache=False)
        hidden = self._base.base_model(input_ids=ids, use_cache=False).last_hidden_state
        if self._head is not None and not self._head.suits(hidden[0], whole.logits[0]):
            self._head = None
        if self._blocks is not None and not self._blocks.suits(ids, hidden):
            self._blocks = None
        if self.shared:
            row = ids[0].tolist()
            pair = Example(id="probe", role="pair", prompt=tuple(row[:6]), answers=(tuple(row[6:]), tuple(row[:2:-1])))
            together, apart = self.score([pair]).logp, self._apart(pair)
            self.shared = bool(torch.allclose(together, apart, rtol=0.02, atol=0.1))

    def _apart(self, pair: Example) -> Tensor:
        self.shared = False
        try:
            return self.score([pair]).logp
        finally:
            self.shared = True

    def _begin_with(self, start: Mapping[str, Tensor]) -> None:
        """Continue from an adapter's weights."""
        wanted = get_peft_model_state_dict(self.model)
        if set(wanted) != set(start) or any(wanted[name].shape != start[name].shape for name in wanted):
            raise TrainingError("The adapter to continue from does not fit this base. Choose effort normal instead.")
        set_peft_model_state_dict(self.model, dict(start))

    @contextmanager
    def _head_sees(self, row: Tensor, column: Tensor) -> Iterator[None]:
        """While this lasts the head is given only some hidden states. A hook, since what comes after the head is the
        architecture's own and must still happen."""
        head = self._base.get_output_embeddings()
        hook = head.register_forward_pre_hook(lambda _, args: (args[0][row, column].unsqueeze(0),))
        try:
            yield
        finally:
            hook.remove()

    @torch.no_grad()
    def answer(self, prompter: Prompter, asked: Sequence[Sequence[Message]], *, room: int) -> list[str]:
        """A greedy answer of at most `room` tokens to each conversation."""
        prompts = [prompter.fit(said, room=room)[0] for said in asked]
        longest = max(len(ids) for ids in prompts)
        stops = self._stops(prompter)
        ids = torch.tensor([[stops[0]] * (longest - len(p)) + p for p in prompts], device=self._device)
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=self._device)
        how = GenerationConfig(do_sample=False, max_new_tokens=room, eos_token_id=stops, pad_token_id=stops[0])
        written = self.model.generate(input_ids=ids, attention_mask=mask, generation_config=how)
        return [_cut(prompter, row[longest:].tolist(), stops) for row in written]

    def _stops(self, prompter: Prompter) -> list[int]:
        own = self.model.generation_config.eos_token_id
        more = own if isinstance(own, list) else [own]
        return list(dict.fromkeys([prompter.stop_id, *(int(token) for token in more if token is not None)]))


def _beside(laid: Layout) -> dict[str, Tensor | None]:
    """What the model is given beside ids: nothing where lines do not branch, so that the fast path is taken."""
    return {} if laid.mask is None else {"attention_mask": laid.mask, "position_ids": laid.positions}


def _cut(prompter: Prompter, ids: list[int], stops: Sequence[int]) -> str:
    end = next((at for at, token in enumerate(ids) if token in stops), len(ids))
    return prompter.decode(ids[:end])


def linear_layers(base: Any) -> list[str]:
    """Names of the linear layers within the blocks: all but the head, which vLLM's LoRA does not serve."""
    head = base.get_output_embeddings()
    names = {
        name.rsplit(".", 1)[-1]
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    if not names:
        raise TrainingError("This base model has no linear layer that a LoRA could be put on.")
    return sorted(names)
