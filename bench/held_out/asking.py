"""Real vLLM, started and asked as the app does: the same server, client and prompter, on a free port, in a home that is
thrown away. It does not know what is asked or how it is judged.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ftchat.config import Settings
from ftchat.engine import Engine, Request
from ftchat.prompt import Prompter
from ftchat.records import BASE, Message, Params
from ftchat.server import Server

AT_ONCE = 24


@dataclass(frozen=True)
class Answer:
    """A reply, and how it ended."""

    text: str
    finish: str

    @property
    def empty_or_endless(self) -> bool:
        return not self.text.strip() or self.finish != "stop"


class Asked:
    """A running base that answers lists of conversations."""

    def __init__(self, engine: Engine, prompter: Prompter) -> None:
        self._engine, self._prompter = engine, prompter

    async def answers(self, asked: Sequence[Sequence[Message]], *, temperature: float = 0.0) -> list[Answer]:
        """A reply to each conversation, with the app's own settings but for the temperature; seeded by its place."""

        async def one(place: int, messages: Sequence[Message]) -> Answer:
            params = _params(temperature, place)
            ids, _ = self._prompter.fit(messages, room=params.max_tokens)
            async with self._engine.lanes(1):
                return Answer(*await self._engine.answer(Request(model=BASE, token_ids=ids, params=params)))

        return list(await asyncio.gather(*(one(place, messages) for place, messages in enumerate(asked))))


def _params(temperature: float, place: int) -> Params:
    usual = Settings()
    return Params(
        temperature=temperature, top_p=usual.top_p, max_tokens=usual.max_tokens, seed=place if temperature else None
    )


@asynccontextmanager
async def serving(model: Path) -> AsyncIterator[Asked]:
    """The model behind vLLM for as long as this lasts."""
    with tempfile.TemporaryDirectory(prefix="ftchat-bench-") as folder:
        settings = Settings(home=Path(folder), kv_cache_gib=0.5)
        server = Server(settings, base=model, state_dir=Path(folder) / "engine")
        await server.start()
        engine = Engine([server.endpoint], max_in_flight=AT_ONCE, patience_s=3600)
        try:
            yield Asked(engine, Prompter(model))
        finally:
            await engine.close()
            await server.stop()
