"""The held-out part of the corpus: wordings never trained, facts never asked for, fresh random words; by category.

The corpus keeps one wording in ten out of training by a hash, and some facts of some products; its own judges say what
a right answer has in it. It does not know models.
"""

from typing import Any

from bench.held_out.prompts import Question
from ftchat.records import Message
from ftchat.starter.corpus import HELD_OUT, held_out_dialogues
from ftchat.starter.dialogue import Dialogue

FOLLOW_UP = "follow-up"
PER_CATEGORY = 40


def questions(*, seed: int = 0) -> tuple[Question, ...]:
    """So many of each category, follow-ups among them."""
    return tuple(
        _question(name, dialogue)
        for name in HELD_OUT
        for dialogue in held_out_dialogues(name, count=PER_CATEGORY, seed=seed)
    )


def _question(category: str, dialogue: Dialogue) -> Question:
    asked: list[Any] = dialogue.messages(with_reply=False)
    return Question(
        category=category,
        wording="\n".join(one["content"] for one in asked),
        messages=tuple(Message(one["role"], one["content"]) for one in asked),
        judge=dialogue.is_answered_by,
    )
