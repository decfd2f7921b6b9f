"""The questions put to the engine: how likely each contestant finds the wanted texts, and what it answers, greedily.

Everyone is asked the same by the same engine, a few questions at once, and nothing twice: what was measured is known by
a digest of all its tokens. It does not know what follows from it.
"""

import asyncio
import hashlib
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from ftchat.contestants import Contestants
from ftchat.engine import Engine, Request
from ftchat.errors import BadInput
from ftchat.exam.chance import mean
from ftchat.exam.paper import Paper, has_rejected
from ftchat.exam.scores import Scores
from ftchat.prompt import Prompter
from ftchat.records import BASE, FEW_SHOT, Finish, Message, Params, Replay, Row

_AT_ONCE = 4
_DEALT = 7  # questions whose texts are dealt to each other
_ROOM = 48  # tokens of an answer, at least; else twice the wanted text

Rendered = tuple[str, list[int], int]  # wire name, token ids, where the text begins
Asked = TypeVar("Asked")
Found = TypeVar("Found")


class Known(Protocol):
    """What was measured before, of whom, by digest; it may outlive the app."""

    async def get(self, name: str, what: str) -> float | None: ...  # noqa: D102

    async def keep(self, name: str, what: str, nll: float) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Examiner:
    """Who asks."""

    engine: Engine
    prompter: Prompter
    contestants: Contestants
    known: Known

    async def nll(self, name: str, messages: Sequence[Message], answer: str) -> float:
        """NLL per token of an answer."""
        asked = await asyncio.to_thread(self.rendered, name, messages, answer)
        what = digest(asked)
        found = await self.known.get(name, what)
        if found is None:
            found = -mean(await self.engine.score(*asked))
            await self.known.keep(name, what, found)
        return found

    def rendered(self, name: str, messages: Sequence[Message], answer: str) -> Rendered:
        """The wire name, and the token ids that are scored from an index on."""
        prepared = self.contestants.prepare(name, messages)
        return prepared.model, *self.prompter.render_answer(prepared.messages, answer)

    async def says(self, name: str, messages: Sequence[Message], *, room: int) -> tuple[str, Finish]:
        """What a contestant answers, greedily; nothing to what the model cannot take with room for an answer."""
        try:
            prepared = await asyncio.to_thread(self.contestants.prepare, name, messages, room=room)
            ids, _ = self.prompter.fit(prepared.messages, room=room, keep=prepared.lead)
        except BadInput:
            return "", "length"
        params = Params(temperature=0.0, top_p=1.0, max_tokens=room)
        return await self.engine.answer(Request(model=prepared.model, token_ids=ids, params=params))

    def fits(self, messages: Sequence[Message], *texts: str) -> bool:
        """Whether the model can read it at all; the trainer leaves out what it cannot, too."""
        try:
            for text in texts:
                self.prompter.render_answer(messages, text)
        except BadInput:
            return False
        return True

    def takes(self, row: Row) -> bool:
        """Whether the model can read it, and has room for an answer to it."""
        try:
            self.prompter.fit(row.messages, room=self.room(row.target))
        except BadInput:
            return False
        return self.fits(row.messages, row.target)

    def room(self, wanted: str) -> int:
        """How long an answer may be where this text is wanted."""
        return min(max(_ROOM, 2 * len(self.prompter.encode(wanted))), self.prompter.context_length // 2)


def digest(asked: Rendered) -> str:
    """What stands for a question and its text: all tokens, and where the text begins."""
    _, ids, start = asked
    return hashlib.sha256(struct.pack(f"<{len(ids) + 1}q", start, *ids)).hexdigest()


async def measure(
    examiner: Examiner, *, candidate: str, who: Sequence[str], paper: Paper, replay: Sequence[Replay], dealt: bool
) -> Scores:
    """The scores of everyone on everything; `dealt`: also the candidate's, of texts with other questions."""
    rows, kept = await asyncio.to_thread(_readable, examiner, paper, replay)
    wanted = [row for row in rows if row.role == "target"]
    compared = [row for row in rows if has_rejected(row)]
    only_compared = [at for at, row in enumerate(compared) if row.role != "target"]
    models = [name for name in who if name != FEW_SHOT]
    target = {name: await all_of(partial(_wanted, examiner, name), wanted) for name in who}
    both = {name: await all_of(partial(_both, examiner, name), compared) for name in models}
    margin = {name: [worse - better for better, worse in values] for name, values in both.items()}
    stay = {name: tuple(await all_of(partial(_kept, examiner, name), kept)) for name in models}
    return Scores(
        rows=tuple(row.group for row in wanted),
        target={name: tuple(values) for name, values in target.items()},
        replay=stay if kept else {},
        left_out=len(paper.wanted) + len(paper.pairs) - len(rows),
        taught=paper.taught,
        pairs=tuple(compared[at].group for at in only_compared),
        margin={name: tuple(values[at] for at in only_compared) for name, values in margin.items()},
        compared=len(compared),
        prefers={name: mean([float(m > 0) for m in values]) for name, values in margin.items() if values},
        shifts=tuple(both[BASE][at][0] - both[candidate][at][0] for at in only_compared),
        costs=await _dealt(examiner, candidate, wanted) if dealt else (),
    )


def _readable(examiner: Examiner, paper: Paper, replay: Sequence[Replay]) -> tuple[list[Row], list[Replay]]:
    """What the model can read at all."""
    asked = (*paper.wanted, *paper.pairs)
    rows = [row for row in asked if examiner.fits(row.messages, row.target, row.rejected or "")]
    return rows, [item for item in replay if examiner.fits(item.messages, item.answer)]


async def _wanted(examiner: Examiner, name: str, row: Row) -> float:
    return await examiner.nll(name, row.messages, row.target)


async def _kept(examiner: Examiner, name: str, item: Replay) -> float:
    return await examiner.nll(name, item.messages, item.answer)


async def _both(examiner: Examiner, name: str, row: Row) -> tuple[float, float]:
    """NLL per token of the better text and of the other one."""
    assert row.rejected is not None
    better = await examiner.nll(name, row.messages, row.target)
    return better, await examiner.nll(name, row.messages, row.rejected)


async def _dealt(examiner: Examiner, candidate: str, wanted: Sequence[Row]) -> tuple[tuple[float, ...], ...]:
    """A few texts after each other's questions, the newest, as old ones say nothing of what came since; of a group
    one, and none that has no room after another's question."""
    first = await asyncio.to_thread(_that_fit, examiner, wanted)
    cells = [(asked, given) for asked in first for given in first]

    async def cost(cell: tuple[Row, Row]) -> float:
        return await examiner.nll(candidate, cell[0].messages, cell[1].target)

    found = await all_of(cost, cells)
    return tuple(tuple(found[at : at + len(first)]) for at in range(0, len(found), len(first) or 1))


def _that_fit(examiner: Examiner, wanted: Sequence[Row]) -> list[Row]:
    found: list[Row] = []
    newest: dict[str, Row] = {}
    for row in reversed(wanted):
        newest.setdefault(row.group, row)
    for row in newest.values():
        pairs = [pair for other in found for pair in ((row, other), (other, row))]
        if len(found) < _DEALT and all(examiner.fits(asked.messages, given.target) for asked, given in pairs):
            found.append(row)
    return found


async def all_of(ask: Callable[[Asked], Awaitable[Found]], items: Sequence[Asked]) -> list[Found]:
    """What asking gives for each, a few at once; when one fails, the others are not left behind."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Asked) -> Found:
        async with gate:
            return await ask(item)

    tasks = [asyncio.ensure_future(one(item)) for item in items]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
