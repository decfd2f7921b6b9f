"""Whether an adapter that was loaded is served as it should be: it answers, differs from base, and is what was trained.

vLLM serves base where no weight matched, and says nothing. It asks an engine; it does not know what follows from it.
"""

import math

from ftchat.engine import Engine, Request
from ftchat.errors import BadAdapter
from ftchat.prompt import Prompter
from ftchat.records import BASE, Message, Params
from ftchat.registry.probed import computed, distance

_FEW = Params(temperature=0.0, top_p=1.0, max_tokens=8)
_NOTHING = 1e-3  # nats a token: what a batch's rounding does
_PART = 0.1  # of what was learned: an engine may be so far from the trainer, where that is more than rounding


async def answers(engine: Engine, prompter: Prompter, name: str) -> None:
    """Refuse an adapter that does not answer, or answers as base does."""
    ids, start = prompter.render_answer([Message("user", "Hello!")], "Hello! How can I help you today?")
    ours, theirs = await engine.score(name, ids, start), await engine.score(BASE, ids, start)
    if not all(map(math.isfinite, ours)):
        raise BadAdapter("It answers with no numbers: its weights are damaged.")
    if distance(ours, theirs) < _NOTHING:
        raise BadAdapter("It has no effect: the engine answers as the base does.")
    text, _ = await engine.answer(Request(model=name, token_ids=ids[:start], params=_FEW))
    if not text.strip():
        raise BadAdapter("It answers nothing to a plain greeting.")


async def as_trained(engine: Engine, name: str, trained: object, *, tolerance: float) -> None:
    """What the engine computes for the trainer's tokens must be what the trainer computed, but for rounding."""
    ids, start, logprobs = computed(trained)
    away = distance(await engine.score(name, ids, start), logprobs)
    learned = distance(await engine.score(BASE, ids, start), logprobs)
    if away > max(tolerance, _PART * learned):
        raise BadAdapter(
            f"The engine serves another model than was trained: {away:.2f} nats a token lie between them, and "
            f"{learned:.2f} between base and what was trained."
        )
