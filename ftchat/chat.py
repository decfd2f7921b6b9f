"""A turn in one lane or two: asked, streamed, stopped, watched.

Rows are committed before the first token; each lane then streams in the background at its own pace, fails alone, and
is written once when it ends. A page or an API call only watches: it may go away and come back. It does not know HTTP
or pages.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from ftchat.asking import UNABLE, Asking, Place, Ready, Wish, again, who_answered
from ftchat.base import Base
from ftchat.config import Settings
from ftchat.contestants import Contestants
from ftchat.engine import Piece
from ftchat.errors import Conflict, EngineNotReady, FtchatError
from ftchat.lanes import Lanes, Tally
from ftchat.prompt import Prompter
from ftchat.records import Conversation, Message, Mode, Params, Person, Reply, clean_text, new_id, now, title_of
from ftchat.seen import TurnSeen, shape, with_ends
from ftchat.store import Store


class Chat:
    """Asking and watching."""

    def __init__(
        self,
        store: Store,
        lanes: Lanes,
        *,
        prompter: Prompter,
        contestants: Contestants,
        base: Base,
        settings: Settings,
        waiting: Callable[[], str],
        summon: Callable[[str], Awaitable[None]],
    ) -> None:
        """Over the parts of a running app.

        `waiting` says why nothing can be answered now, "" when it can; `summon` makes sure that a model is loaded.
        """
        self._summon = summon
        self._store = store
        self._lanes = lanes
        self._contestants = contestants
        self._asking = Asking(store, lanes, prompter=prompter, contestants=contestants, base=base)
        self._settings = settings
        self._waiting = waiting

    @property
    def waiting(self) -> str:
        """Why nothing can be answered now, as a sentence; empty when it can."""
        return self._waiting()

    def figures(self) -> tuple[int, dict[str, Tally]]:
        """Answers being written now, and what each contestant has answered since this app started."""
        return self._lanes.in_flight, dict(self._lanes.tallies)

    # -- asking --

    async def ask(
        self,
        who: Person,
        prompt: str,
        *,
        mode: Mode,
        conversation: str | None = None,
        after: str | None = None,
        contestants: Sequence[str] | None = None,
        blind: bool = True,
        system: str = "",
        context: Sequence[Message] = (),
        params: Params | None = None,
        key: str | None = None,
    ) -> str:
        """Commit a turn and start its lanes; returns the turn's id at once.

        It follows the newest turn of `conversation`, or the turn `after`, or begins a conversation. A conversation's
        system message and context (what was said elsewhere before its first turn) are given once.
        """
        prompt = clean_text(prompt, what="The prompt")
        if earlier := self._store.once(who.name, key):
            return str(earlier)
        wish = Wish(
            prompt=prompt,
            mode=mode,
            params=params or self.defaults(),
            contestants=tuple(contestants or ()),
            blind=blind,
        )
        if conversation is None and after is None:
            system = clean_text(system, what="The system message", may_be_empty=True)
            cleaned = tuple(_clean(message) for message in context)
            new = Conversation(new_id("c"), who.name, title_of(prompt), system, now(), cleaned)
            return await self._begin(who, wish, Place(conversation=new, is_new=True), key=key)
        place = await asyncio.to_thread(self._asking.after, who, conversation, after)
        return await self._begin(who, wish, place, key=key)

    async def regenerate(
        self,
        who: Person,
        turn: str,
        *,
        contestants: Sequence[str] | None = None,
        params: Params | None = None,
        key: str | None = None,
    ) -> str:
        """Another answer to a turn's question, beside it: by the same contestants unless others are named."""
        return await self._beside(who, turn, None, contestants=contestants, params=params, key=key)

    async def edit(
        self,
        who: Person,
        turn: str,
        prompt: str,
        *,
        contestants: Sequence[str] | None = None,
        params: Params | None = None,
        key: str | None = None,
    ) -> str:
        """Another wording of a turn's question, beside it. A first question's is a conversation of its own."""
        prompt = clean_text(prompt, what="The prompt")
        return await self._beside(who, turn, prompt, contestants=contestants, params=params, key=key)

    async def ask_again(self, who: Person, turn: str, *, key: str | None = None) -> str:
        """A turn's question again, beside it, answered by few-shot with what was just corrected in the prompt.

        The asker's own corrections are shown even while they wait for review: they may see what they lead to.
        """
        if earlier := self._store.once(who.name, key):
            return str(earlier)
        place = await asyncio.to_thread(self._asking.beside, who, turn)
        asked = place.beside or self._store.turns.get(turn)
        if asked.blind and not self._store.feedback.revealed(turn):
            raise Conflict("Vote first: asking again follows the blind vote.")
        return await self._begin(who, again(asked, by=who.name), place, key=key)

    async def _beside(
        self,
        who: Person,
        turn: str,
        prompt: str | None,
        *,
        contestants: Sequence[str] | None,
        params: Params | None,
        key: str | None,
    ) -> str:
        if earlier := self._store.once(who.name, key):
            return str(earlier)
        place = await asyncio.to_thread(self._asking.beside, who, turn, prompt)
        like = place.beside or self._store.turns.get(turn)
        named = contestants or (() if like.blind else who_answered(like))
        wish = Wish(
            prompt=prompt or like.prompt,
            mode=like.mode,
            params=params or replace(like.params, seed=None),  # with its seed it would say the same
            contestants=tuple(named),
            blind=like.blind,
        )
        return await self._begin(who, wish, place, key=key)

    async def _begin(self, who: Person, wish: Wish, place: Place, *, key: str | None) -> str:
        """Commit the rows, then begin the lanes."""
        if self.waiting:
            raise EngineNotReady(self.waiting)
        light = self._asking.is_light(wish, place)
        ready = self._asking.ready(wish, place) if light else await asyncio.to_thread(self._asking.ready, wish, place)
        await self._summon_all(ready)

        async def commit_and_begin() -> str:
            turn = ready.turn
            self._lanes.announce(turn, ready.siblings)
            committed = ""
            try:
                committed = await self._store.soon(partial(self._commit, who, ready, place, key=key))
            finally:
                if committed != turn.id:
                    self._lanes.withdraw(turn.id)
            if committed == turn.id:
                self._lanes.begin(turn, ready.requests)
            return committed

        # Shielded: once the rows are there the lanes begin, even when whoever asked goes away at that moment.
        return await asyncio.shield(asyncio.create_task(commit_and_begin()))

    async def _summon_all(self, ready: Ready) -> None:
        """Make sure that every lane's model is loaded; who of two hidden ones cannot be is not said."""
        try:
            for request in ready.requests:
                await self._summon(request.model)
        except FtchatError as err:
            if not ready.hidden:
                raise
            if isinstance(err, EngineNotReady):
                raise EngineNotReady("The engine is not ready just now. Try again in a moment.") from err
            raise Conflict(UNABLE) from err

    def _commit(self, who: Person, ready: Ready, place: Place, *, key: str | None) -> str:
        """Write the turn, unless it was written before under this key. Returns its id."""
        turn, where = ready.turn, place.conversation
        with self._store.writing():
            if earlier := self._store.once(who.name, key):
                return str(earlier)
            if place.at_end and self._store.tree.path(where.id)[-1:] != [turn.parent]:
                raise Conflict("Another question was asked in this conversation just now. Ask yours again.")
            self._store.turns.add(turn, new=where if place.is_new else None)
            if place.is_new and place.beside:
                self._store.tree.reword(where.id, of=place.beside.conversation)
            self._store.remember(who.name, key, turn.id)
        return turn.id

    async def unrecorded(
        self, messages: Sequence[Message], *, model: str, params: Params, room: int | None = None
    ) -> AsyncIterator[Piece]:
        """An answer that leaves no trace: for clients that ask for that. What is refused is refused at once.

        `room` is how many tokens are kept for it, when that is less than it may take where there is more.
        """
        if self.waiting:
            raise EngineNotReady(self.waiting)
        contestant = self._contestants.resolve(model)
        cleaned = [_clean(message) for message in messages]
        room = self._asking.room(params) if room is None else room
        prepared = await asyncio.to_thread(self._contestants.prepare, contestant, cleaned, room=room)
        await self._summon(prepared.model)
        request, _ = await asyncio.to_thread(self._asking.request, prepared, params, room=room)

        async def pieces() -> AsyncIterator[Piece]:
            engine = self._lanes.engine
            async with engine.lanes(1), aclosing(engine.stream(request)) as stream:
                async for piece in stream:
                    yield piece

        return pieces()

    def continued_by(self, who: Person, messages: Sequence[Message]) -> str | None:
        """The turn up to which these messages were recorded here: what is asked next goes `after` it."""
        return self._store.tree.continued_by(who.name, [_clean(message) for message in messages])

    def defaults(self) -> Params:
        """How answers are sampled when nobody says otherwise."""
        s = self._settings
        return Params(temperature=s.temperature, top_p=s.top_p, max_tokens=s.max_tokens)

    async def stop(self, who: Person, turn: str) -> None:
        """End what is still being written; the text so far stays, marked as cut."""
        self._store.turns.get(turn, owner=who.name)
        await self._lanes.stop(turn)

    def writing(self, turn: str) -> bool:
        """Whether a turn is being answered now."""
        live = self._lanes.get(turn)
        return live is not None and live.writing

    async def close(self) -> None:
        """End every turn, keeping what was written."""
        await self._lanes.close()

    # -- watching --

    def seen(self, who: Person, turn: str) -> TurnSeen:
        """What the asker may see of a turn now."""
        live = self._lanes.get(turn)
        if live is not None and live.writing and who.reads in (None, live.turn.owner):
            replies = tuple(live.replies.values())
            return shape(live.turn, replies, siblings=live.siblings, hidden=live.turn.blind)
        row = self._store.turns.get(turn, owner=who.reads)
        return shape(
            row,
            with_ends(row.replies),
            siblings=self._store.tree.siblings(row),
            hidden=row.blind and not self._store.feedback.revealed(turn),
            vote=self._store.judged.vote_of(turn) if row.mode == "compare" else None,
            given=lambda reply: self._store.judged.given_on(reply, rater=row.owner),
        )

    async def watch(self, who: Person, turn: str) -> AsyncIterator[TurnSeen]:
        """The turn each time it changes, the last time when every lane has ended."""
        while True:
            live = self._lanes.get(turn)
            bell = live.bell if live else None
            seen = self.seen(who, turn)
            yield seen
            if bell is None or not seen.writing:
                return
            await bell.wait()

    async def follow(self, who: Person, turn: str) -> AsyncIterator[Reply]:
        """The reply of a turn in one lane as it grows, the last time when it has ended: `watch` with less work."""
        live = self._lanes.get(turn)
        if live is None or who.reads not in (None, live.turn.owner):
            yield with_ends(self._store.turns.get(turn, owner=who.reads).replies)[0]
            return
        async for reply in self._lanes.follow(live, "only"):
            yield reply

    def conversations(self, who: Person, *, limit: int = 50, mode: Mode | None = None) -> list[Conversation]:
        """Someone's conversations, newest first."""
        return self._store.turns.conversations(who.name, limit=limit, mode=mode)

    def turns(self, who: Person, conversation: str) -> list[str]:
        """The ids of all turns of a conversation, oldest first."""
        self._store.turns.conversation(conversation, owner=who.reads)
        return self._store.turns.of_conversation(conversation)

    def path(self, who: Person, conversation: str) -> list[str]:
        """The ids of the turns on a conversation's current path: down to its newest turn."""
        self._store.turns.conversation(conversation, owner=who.reads)
        return self._store.tree.path(conversation)

    def path_through(self, who: Person, turn: str) -> list[str]:
        """The ids of the turns on the path through a turn, down to the newest one under it: where a sibling leads."""
        found = self._store.turns.get(turn, owner=who.reads)
        return self._store.tree.path(found.conversation, through=turn)

    def contestants(self) -> tuple[str, ...]:
        """Names that can be chosen."""
        return ("champion", *self._contestants.names())

    def rejected(self) -> tuple[str, ...]:
        """Who is not offered, and answers all the same."""
        return self._contestants.rejected()


def _clean(message: Message) -> Message:
    """A message as it may be stored and sent."""
    return replace(message, content=clean_text(message.content, what="A message", may_be_empty=True))
