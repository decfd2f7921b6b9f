"""A reply rewritten by the base on instruction ("shorter, and name the price in euros"), as a proposal.

Nothing is kept of it: what the person accepts becomes a correction, with its instruction. The base writes it, whoever
wrote the reply, since it follows instructions that an adapter may have unlearned. It does not know HTTP or pages.
"""

import asyncio

from ftchat.chat import Chat
from ftchat.errors import Conflict
from ftchat.judging import Judging
from ftchat.records import BASE, MAX_INSTRUCTION, Message, Params, Person, clean_text
from ftchat.store import Store

_LONGER = 4  # times the longest answer: a correction that a person wrote may be that long


class Redrafts:
    """Rewriting on instruction."""

    def __init__(self, store: Store, chat: Chat, judging: Judging) -> None:
        """Over a running chat."""
        self._store, self._chat, self._judging = store, chat, judging

    async def propose(self, who: Person, reply: str, instruction: object, *, text: object = "") -> str:
        """A rewriting of a reply that one may correct; of `text` instead, when the person has changed it already."""
        asked = clean_text(instruction, what="The instruction", limit=MAX_INSTRUCTION).strip()
        written = clean_text(text, what="The text", may_be_empty=True).strip()
        messages = await asyncio.to_thread(self._messages, who, reply, asked, text=written)
        params = self._params()
        pieces = await self._chat.unrecorded(messages, model=BASE, params=params, room=params.max_tokens // _LONGER)
        written_by_model = [piece async for piece in pieces]
        if any(piece.finish == "length" for piece in written_by_model):
            raise Conflict("The rewriting did not fit. Ask for a shorter one.")
        proposed = "".join(piece.text for piece in written_by_model).strip()
        if proposed in ("", messages[-2].content):
            raise Conflict("The model changed nothing. Word the instruction differently, or write it yourself.")
        return proposed

    def _params(self) -> Params:
        """The likeliest rewriting: nobody asks for a surprise here. It may be longer than an answer, if that fits."""
        return Params(temperature=0.0, top_p=1.0, max_tokens=_LONGER * self._chat.defaults().max_tokens)

    def _messages(self, who: Person, reply: str, asked: str, *, text: str) -> list[Message]:
        """The conversation up to the reply, the text in its place, and the instruction as what is said next."""
        original = self._judging.correctable(who, reply)
        before = text or original.text.strip()
        if not before:
            raise Conflict("There is no text to rewrite. Write what the answer should have been.")
        turn = self._store.turns.get(original.turn, owner=who.reads)
        head = self._store.turns.conversation(turn.conversation, owner=who.reads).head
        earlier = self._store.turns.history(self._store.turns.path_to(turn.id)[:-1], original.lane)
        last = f"Rewrite your last answer: {asked.rstrip('.')}."
        return [*head, *earlier, Message("user", turn.prompt), Message("assistant", before), Message("user", last)]
