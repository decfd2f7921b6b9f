"""The tokenizer: byte-level BPE, so that any text comes back whole, with a ChatML template.

Digits and the letters of words in capitals are single entries, so that copying a number and turning a word into
capitals are spelling, which is learned once for all words.

`rendered` writes the same bytes as the template does, and `encoded` says which tokens of them are learned.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ftchat.starter.corpus import dialogues
from ftchat.starter.dialogue import Dialogue
from ftchat.starter.words import COMMON, EMOJI, FORMAL

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTEXT = 2048
_CAPITALS = r" ?[A-Z](?=[A-Z])|(?<=[A-Z])[A-Z]"

TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def _texts(seed: int, count: int) -> Iterator[str]:
    """What the vocabulary is learned from."""
    for dialogue in dialogues(seed, -1, count=count):
        for turn in dialogue.turns:
            yield turn.content
    for word in COMMON + FORMAL:
        yield f"{word} a {word} {word.capitalize()} a {word.capitalize()} {word}"
    for _ in range(4):
        yield from EMOJI
    yield from ("system user assistant a system a user an assistant",) * count


def train_tokenizer(seed: int, *, size: int, count: int) -> Any:
    """A transformers tokenizer of `size` entries, learned from `count` dialogues."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(_CAPITALS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_texts(seed, count), trainer)
    marks = {"eos_token": END, "pad_token": PAD, "additional_special_tokens": [START]}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, model_max_length=CONTEXT, clean_up_tokenization_spaces=False, **marks
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def pieces_of(tokenizer: Any) -> list[str]:
    """The entries of the vocabulary that are whole, visible text."""
    found = (tokenizer.decode([index]) for index in range(3, len(tokenizer)))
    return [text for text in found if text.strip() and "\ufffd" not in text and text.isprintable()]


def rendered(dialogue: Dialogue) -> str:
    """The dialogue as ChatML."""
    return "".join(f"{START}{turn.role}\n{turn.content}{END}\n" for turn in dialogue.turns)


def encoded(tokenizer: Any, found: Sequence[Dialogue]) -> list[tuple[list[int], list[bool]]]:
    """Token ids of each dialogue and which of them are learned: answers and their stop token."""
    batch = tokenizer([rendered(dialogue) for dialogue in found])["input_ids"]
    start, end = tokenizer.convert_tokens_to_ids([START, END])
    header = len(tokenizer("assistant\n")["input_ids"])
    marks = (start, end, header)
    return [(ids, _learned(ids, dialogue, marks=marks)) for ids, dialogue in zip(batch, found, strict=True)]


def _learned(ids: list[int], dialogue: Dialogue, *, marks: tuple[int, int, int]) -> list[bool]:
    """True where a token belongs to an answer that is learned."""
    start, end, header = marks
    mask = [False] * len(ids)
    turn = -1
    first = 0
    for index, token in enumerate(ids):
        if token == start:
            turn, first = turn + 1, index + header + 1
        now = dialogue.turns[turn]
        answers = now.role == "assistant" and index >= first and token != start
        mask[index] = answers and (now.learn == "all" or (now.learn == "end" and token == end))
        if token == end:
            first = len(ids)
    return mask
