"""The starter model: a small practice model that is shipped, so that a machine without a network has one to serve.

It knows a made-up food shop, some customer support, small talk, rewriting and copying, and little else; the card
`weights/README.md` says more. Made by `python -m ftchat.starter.build`. Importing this package imports no torch.
"""

from itertools import islice, zip_longest
from pathlib import Path

__all__ = ["anchor_prompts", "model_path", "sample_prompts"]

_ANCHORS_SEED = 7
_ANCHOR_KINDS = frozenset(
    (
        *("small_talk", "support", "order", "complaint", "outside", "named", "repeat", "free", "upper", "lower"),
        *("bullets", "quote", "spell", "yes_no", "rewrite_add", "rewrite_shorter", "rewrite_title", "rewrite_quoted"),
        *("storage", "pairing", "taste", "size", "origin", "describe"),
    )
)


def model_path() -> Path:
    """The folder with the shipped weights, tokenizer and card."""
    return Path(__file__).parent / "weights"


def sample_prompts() -> tuple[str, ...]:
    """Prompts that the starter answers well, for a first page to offer; most ask about different products."""
    return (
        "What does the Smoked Paprika cost?",
        "What does the Chestnut Honey cost?",
        "What does the Aged Gouda cost?",
        "How much is the Raspberry Jam?",
        "How much is the Jasmine Tea?",
        "Tell me about the Lemon Olive Oil.",
        "Tell me about the Dark Chocolate Bar.",
        "What goes well with the Smoked Almonds?",
        "How should I store the Basil Pesto?",
        "When are you open?",
        "My order 48213 arrived broken.",
        "What can you do?",
    )


def anchor_prompts(count: int = 300) -> tuple[str, ...]:
    """Different prompts whose answers the starter should keep while it is taught something else: by turns one of each
    kind, so that however many are taken, and whichever kinds are left out, none is most of them."""
    from ftchat.starter.corpus import dialogues

    kinds: dict[str, dict[str, None]] = {kind: {} for kind in sorted(_ANCHOR_KINDS)}
    for dialogue in dialogues(_ANCHORS_SEED, 0, count=count * 8):
        if len(dialogue.turns) == 2 and dialogue.kind in kinds:
            kinds[dialogue.kind][dialogue.turns[0].content] = None
    rounds = zip_longest(*kinds.values())
    return tuple(islice((prompt for by_turns in rounds for prompt in by_turns if prompt is not None), count))
