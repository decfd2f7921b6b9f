"""Messages to token ids by the base's own chat template: the one place that renders or counts.

Serving, training and exam all call it, so the model sees the same bytes in each. Thinking is switched off where the
template knows the switch, and a thought that a template opens by itself is closed. A base without a template gets a
plain one, a system message that a template refuses or drops goes before the first question: `remarks` says so. It does
not know engines or tensors.
"""

import json
import threading
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from ftchat.errors import BadInput, SetupError, TooLong
from ftchat.records import Message

_MARK = "ftchat-end-of-answer"
_OPEN, _CLOSE = "<think>", "</think>"
# For a base without a template: who speaks, what they say, and the token that ends an answer.
_PLAIN = (
    "{% for m in messages %}{{ {'system': 'Instructions', 'user': 'Question', 'assistant': 'Answer'}[m['role']] }}: "
    "{{ m['content'] }}{{ eos_token if m['role'] == 'assistant' else '' }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Answer:{% endif %}"
)


class Prompter:
    """The tokenizer and template of one base. Loading is lazy: the first call pays for it."""

    def __init__(self, base: Path, *, context_length: int = 0) -> None:
        """`context_length` 0 takes what the model's own configuration says."""
        self._base = base
        self._context_length = context_length
        self._encoding = threading.Lock()
        self._plain = False

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = _tokenizer_of(self._base)
        if not tokenizer.chat_template:
            if tokenizer.eos_token is None:
                raise SetupError(
                    f"The model in {self._base} has no chat template and no token that ends an answer: choose its "
                    "instruct or chat variant."
                )
            tokenizer.chat_template = ("{{ bos_token }}" if _begins_with_bos(tokenizer) else "") + _PLAIN
            self._plain = True
        return tokenizer

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What is not as usual with this base, in sentences for whoever runs it."""
        found = []
        self._tokenizer  # noqa: B018  # loads it, which finds out
        if self._plain:
            found.append(
                "This model has no chat template, so it was hardly trained to chat: ftchat writes conversations to it "
                "as plain text. Its instruct or chat variant answers better."
            )
        if not self._takes_system:
            found.append(
                "This model's chat template takes no system message: ftchat puts it before the first question."
            )
        return tuple(found)

    @cached_property
    def thinks(self) -> bool:
        """Whether this base may write reasoning before an answer."""
        named = str(self._tokenizer.chat_template)
        return _OPEN in named or _CLOSE in named or _CLOSE in self._tokenizer.get_vocab()

    @cached_property
    def _takes_system(self) -> bool:
        """Whether a system message reaches the model: some templates refuse it, some leave it out."""
        try:
            return _MARK in self._rendered([Message("system", _MARK), Message("user", "x")], answer_follows=True)
        except TemplateError:
            return False

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
        ids = [*self.encode(answer, answer=True), self.stop_id]
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

    def encode(self, text: str, *, answer: bool = False) -> list[int]:
        """Token ids of a text, nothing added. In an answer a special token's name, which somebody typed, is letters:
        taught as the token, it would end answers in their middle."""
        with self._encoding:  # a tokenizer keeps what it was last asked for, and the exam asks in a thread
            ids: list[int] = self._tokenizer.encode(
                text, add_special_tokens=False, verbose=False, split_special_tokens=answer
            )
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens shown: for tests and error messages."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def count(self, messages: Sequence[Message]) -> int:
        """How many tokens the prompt has."""
        return len(self.render(messages))

    def _text(self, messages: Sequence[Message], *, answer_follows: bool) -> str:
        if messages and messages[0].role == "system" and not self._takes_system:
            messages = _without_system(messages)
        try:
            text = self._rendered(messages, answer_follows=answer_follows)
        except TemplateError as err:
            raise BadInput(f"The model's chat template does not take this conversation: {err}.") from err
        opened = answer_follows and text.rstrip().endswith(_OPEN)
        return f"{text.rstrip()}\n\n{_CLOSE}\n\n" if opened else text

    def _rendered(self, messages: Sequence[Message], *, answer_follows: bool) -> str:
        said = [m.as_dict() for m in messages]
        text: str = self._tokenizer.apply_chat_template(
            said, tokenize=False, add_generation_prompt=answer_follows, enable_thinking=False
        )
        return text


def _tokenizer_of(base: Path) -> Any:
    """The tokenizer in a folder. Its one file says all; the class that picks a class for it imports torch, 350 MB."""
    if (base / "tokenizer.json").is_file():
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(base, local_files_only=True)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)


def _begins_with_bos(tokenizer: Any) -> bool:
    """Whether it puts its first token before every text by itself, so that the base was trained on texts with it."""
    return tokenizer.bos_token is not None and tokenizer.encode("x")[:1] == [tokenizer.bos_token_id]


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The system message as the beginning of the first question."""
    system, *rest = messages
    if rest and rest[0].role == "user":
        return [Message("user", f"{system.content}\n\n{rest[0].content}"), *rest[1:]]
    return [Message("user", system.content), *rest]
