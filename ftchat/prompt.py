"""Messages to token ids by the base's own chat template: the one place that renders or counts.

Serving, training and exam all call it, so the model sees the same bytes in each. Thinking is switched off where the
template knows the switch. It does not know engines or tensors.
"""

import json
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from ftchat.errors import BadInput, SetupError, TooLong
from ftchat.records import Message

_MARK = "ftchat-end-of-answer"


class Prompter:
    """The tokenizer and template of one base. Loading is lazy: the first call pays for it."""

    def __init__(self, base: Path, *, context_length: int = 0) -> None:
        """`context_length` 0 takes what the model's own configuration says."""
        self._base = base
        self._context_length = context_length

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self._base, local_files_only=True, trust_remote_code=False)
        if not tokenizer.chat_template:
            raise SetupError(f"The model in {self._base} has no chat template: choose its instruct or chat variant.")
        return tokenizer

    @cached_property
    def context_length(self) -> int:
        """Longest prompt and answer together, in tokens."""
        if self._context_length:
            return self._context_length
        config = json.loads((self._base / "config.json").read_text(encoding="utf-8"))
        return int(config.get("text_config", config).get("max_position_embeddings", 2048))

    @cached_property
    def stop_id(self) -> int:
        """The token with which this template ends an answer: what a trained answer must end with."""
        text = self._text([Message("user", "x"), Message("assistant", _MARK)], answer_follows=False)
        after = self.encode(text.rsplit(_MARK, 1)[1])
        special = set(self._tokenizer.all_special_ids)
        for token in after:
            if token in special:
                return token
        return int(self._tokenizer.eos_token_id)

    def render(self, messages: Sequence[Message]) -> list[int]:
        """The prompt's token ids, up to where the answer begins."""
        return self.encode(self._text(messages, answer_follows=True))

    def render_answer(self, messages: Sequence[Message], answer: str) -> tuple[list[int], int]:
        """Prompt and answer with its stop token, and the index at which the answer starts.

        What is too long loses its oldest turns, as in serving. One token of the context stays free: scoring needs it.
        """
        ids = [*self.encode(answer), self.stop_id]
        prompt, _ = self.fit(messages, room=len(ids) + 1)
        return prompt + ids, len(prompt)

    def fit(self, messages: Sequence[Message], *, room: int, keep: int = 0) -> tuple[list[int], int]:
        """The prompt's ids with the oldest turns left out until `room` tokens stay free; and how many turns those are.

        The system message, the first `keep` messages and the newest user message always stay, and no message is cut;
        when even they do not fit, TooLong says both numbers.
        """
        start = max(keep, int(bool(messages) and messages[0].role == "system"))
        head, rest = messages[:start], messages[start:]
        turns = sorted({0, *(i for i, message in enumerate(rest) if message.role == "user")})

        def since(first: int) -> list[int]:
            return self.render([*head, *rest[first:]])

        def fits(ids: Sequence[int]) -> bool:
            return len(ids) + room <= self.context_length

        if fits(ids := since(0)):
            return ids, 0
        left_out = bisect_left(
            turns, True, lo=min(1, len(turns) - 1), hi=len(turns) - 1, key=lambda first: fits(since(first))
        )
        if fits(ids := since(turns[left_out])):
            return ids, left_out
        raise TooLong(
            f"This prompt has {len(ids):,} tokens; the model takes at most {self.context_length:,} with room for an "
            f"answer, which may take {room:,}. Shorten the prompt or allow a shorter answer."
        )

    def encode(self, text: str) -> list[int]:
        """Token ids of a plain text, nothing added."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens shown: for tests and error messages."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def count(self, messages: Sequence[Message]) -> int:
        """How many tokens the prompt has."""
        return len(self.render(messages))

    def _text(self, messages: Sequence[Message], *, answer_follows: bool) -> str:
        said = [m.as_dict() for m in messages]
        try:
            text: str = self._tokenizer.apply_chat_template(
                said, tokenize=False, add_generation_prompt=answer_follows, enable_thinking=False
            )
        except TemplateError as err:
            raise BadInput(f"The model's chat template does not take this conversation: {err}.") from err
        return text
