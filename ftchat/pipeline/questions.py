"""What a run asks besides its rows: base's own answers that must stay, and questions to watch while it learns.

It does not know what the answers are used for.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from ftchat import dataset
from ftchat.engine import Request
from ftchat.errors import BadInput
from ftchat.pipeline.means import GREEDY, Means
from ftchat.records import BASE, Message, Replay, Row
from ftchat.training.job import Sample

_AT_ONCE = 16  # prompts that base is asked together
_SHOWN = 3  # taught and never-taught questions on the Train page, each


async def replay(means: Means, rows: Sequence[Row]) -> tuple[list[Replay], list[Replay]]:
    """Base's own greedy answers to prompts that are not about what was corrected: to train on, and for the exam.

    Each prompt is asked once per base; one whose answer did not end is not asked again.
    """
    base, log = means.base.fingerprint, means.store.training
    trained, spared = await asyncio.to_thread(dataset.replayed, rows, means.anchors)
    known = await asyncio.to_thread(log.replay_answers, base)
    missing = [prompt for prompt in (*trained, *spared) if prompt not in known]
    for start in range(0, len(missing), _AT_ONCE):
        part = missing[start : start + _AT_ONCE]
        answers = await asyncio.gather(*(means.patiently(partial(_base_says, means, prompt)) for prompt in part))
        said = dict(zip(part, answers, strict=True))
        await means.store.soon(partial(_keep, means, said))
        known |= said
    stay = {prompt: Replay((Message("user", prompt),), answer) for prompt, answer in known.items() if answer}
    return [stay[p] for p in trained if p in stay], [stay[p] for p in spared if p in stay]


def _keep(means: Means, said: Mapping[str, str]) -> None:
    for prompt, answer in said.items():
        means.store.training.keep_replay_answer(means.base.fingerprint, prompt, answer)


async def _base_says(means: Means, prompt: str) -> str:
    """Base's whole answer; nothing when it does not fit or does not end."""
    try:
        token_ids, _ = means.prompter.fit([Message("user", prompt)], room=GREEDY.max_tokens)
    except BadInput:
        return ""
    text, finish = await means.engine.answer(Request(model=BASE, token_ids=token_ids, params=GREEDY))
    return text if finish == "stop" and text.strip() else ""


def samples(means: Means, rows: Sequence[Row]) -> list[Sample]:
    """Questions that people watch while it learns: taught ones, and ones that it is never taught."""
    corrected = [row for row in rows if row.role == "target"]
    train = dataset.of_split(corrected, "train") or dataset.of_split(rows, "train")
    wanted = [row for row in train if row.role != "negative"]
    taught = [Sample(id=r.id, messages=r.messages, taught=True, wanted=r.target) for r in wanted[-_SHOWN:]]
    known = {row.messages[-1].content for row in rows}
    fresh = [r.messages for r in dataset.of_split(corrected, "exam")]
    others = [*means.store.turns.prompts_without_feedback(limit=20), *means.examples]
    near = dataset.nearest([p for p in others if p not in known], to=[r.messages[-1].content for r in train])
    fresh += [(Message("user", prompt),) for prompt in near]
    never = [
        Sample(id=f"new-{i}", messages=messages, taught=False, wanted=None)
        for i, messages in enumerate(list(dict.fromkeys(fresh))[:_SHOWN])
    ]
    return [sample for sample in taught + never if fits(means, sample.messages)]


def fits(means: Means, messages: Sequence[Message]) -> bool:
    """Whether the model takes it, with room for an answer."""
    try:
        means.prompter.fit(messages, room=GREEDY.max_tokens)
    except BadInput:
        return False
    return True
