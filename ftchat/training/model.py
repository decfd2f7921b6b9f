"""The base with a LoRA: log-probabilities of the learned tokens, and greedy answers to look at.

The base is frozen in bf16 and the LoRA learns in fp32. The head scores only the positions that are learned: feedback
is mostly prompt, and the head is where most of the time would go. It knows neither losses nor steps.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, GenerationConfig

from ftchat.errors import TrainingError
from ftchat.prompt import Prompter
from ftchat.records import Message
from ftchat.training.loss import Scored
from ftchat.training.rows import Example


def device_here() -> torch.device:
    """Where to train: a GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_base(base: Path, device: torch.device) -> Any:
    """The base in bf16, all of it frozen."""
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.bfloat16, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, RuntimeError) as err:
        raise TrainingError(f"The base model in {base} cannot be loaded: {err}") from err
    # The base's own wishes for sampling (a penalty, a temperature) must not touch the greedy answers shown.
    model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)
    model.requires_grad_(False)
    return model.to(device)


def width_of(base: Any) -> int:
    """The model's width: the size of a hidden state."""
    return int(base.config.get_text_config().hidden_size)


class Learner:
    """A base and the LoRA that learns on it."""

    def __init__(self, base: Any, *, rank: int, alpha: int, seed: int) -> None:
        """The LoRA's first values come from the seed."""
        torch.manual_seed(seed)
        config = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=linear_layers(base), task_type="CAUSAL_LM"
        )
        self.model: Any = get_peft_model(base, config)  # makes the LoRA fp32, whatever the base is in
        self.config = config
        self._head = base.get_output_embeddings()
        self._device = next(base.parameters()).device

    def weights(self) -> dict[str, Tensor]:
        """The LoRA's parameters, by name; not copies."""
        return {name: value for name, value in self.model.named_parameters() if value.requires_grad}

    def score(self, batch: Sequence[Example]) -> Scored:
        """Log-probabilities of the batch's learned tokens, in the order of the batch."""
        longest = max(len(e.ids) for e in batch)
        # Padding stands on the right and attention looks left only, so no mask is needed and the fast path is taken.
        ids = torch.tensor([[*e.ids, *[0] * (longest - len(e.ids))] for e in batch], device=self._device)
        owner = torch.tensor([i for i, e in enumerate(batch) for _ in range(e.learned)], device=self._device)
        place = torch.tensor([at for e in batch for at in range(e.start, len(e.ids))], device=self._device)
        with self._head_sees(owner, place - 1):
            logits = self.model(input_ids=ids, use_cache=False).logits[0]
        wanted = ids[owner, place]
        return Scored(-torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none"), owner)

    @contextmanager
    def _head_sees(self, row: Tensor, column: Tensor) -> Iterator[None]:
        """While this lasts the head is given only some hidden states. A hook, since what comes after the head (a
        scale, a soft cap) is the architecture's own and must still happen."""
        hook = self._head.register_forward_pre_hook(lambda _, args: (args[0][row, column].unsqueeze(0),))
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
