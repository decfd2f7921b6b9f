"""A turn in one lane or two: asked, streamed, stopped, watched.

Rows are committed before the first token; each lane then streams in the background at its own pace, fails alone, and
is written once when it ends. A page or an API call only watches: it may go away and come back. It does not know HTTP
or pages.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from ftchat.base import Base
from ftchat.config import Settings
from ftchat.contestants import Contestants, Prepared
from ftchat.engine import Piece, Request
from ftchat.errors import BadInput, Conflict, EngineNotReady
from ftchat.lanes import Lanes, Tally
from ftchat.prompt import Prompter
from ftchat.records import (
    Conversation,
    LaneName,
    Message,
    Mode,
    Params,
    Person,
    Reply,
    Turn,
    clean_text,
    new_id,
    now,
)
from ftchat.seen import Given, TurnSeen, shape, with_ends
from ftchat.store import Store


@dataclass(frozen=True)
class _Asked:
    """What someone asked for, checked."""

    prompt: str
    mode: Mode
    contestants: tuple[str, ...]
    blind: bool
    params: Params


def _nothing(reply: str) -> Given:
    return None, None


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
        self._prompter = prompter
        self._contestants = contestants
        self._base = base
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
        contestants: Sequence[str] | None = None,
        blind: bool = True,
        system: str = "",
        context: Sequence[Message] = (),
        params: Params | None = None,
        key: str | None = None,
    ) -> str:
        """Commit a turn and start its lanes; returns the turn's id at once.

        A conversation's system message and context (what was said elsewhere before its first turn) are given once.
        """
        prompt = clean_text(prompt, what="The prompt")
        if earlier := self._store.once(who.name, key):
            return str(earlier)
        if self.waiting:
            raise EngineNotReady(self.waiting)
        asked = _Asked(prompt, mode, tuple(contestants or ()), blind, params or self.defaults())
        new = None
        if conversation is None:
            title = " ".join(prompt.split())[:80]
            new = Conversation(new_id("c"), who.name, title, system, now(), tuple(context))
        where = new or self._store.turns.conversation(conversation or "", owner=who.name)
        turn, requests = await asyncio.to_thread(self._prepare, asked, where, is_new=new is not None)
        for reply in turn.replies:
            await self._summon(reply.model)

        def commit() -> str:
            with self._store.writing():
                if earlier := self._store.once(who.name, key):
                    return str(earlier)
                if new is None and self._store.turns.of_conversation(where.id)[-1:] != [turn.parent]:
                    raise Conflict("Another question was asked in this conversation just now. Ask yours again.")
                self._store.turns.add(turn, new=new)
                self._store.remember(who.name, key, turn.id)
            return turn.id

        async def commit_and_begin() -> str:
            self._lanes.announce(turn)
            committed = ""
            try:
                committed = await asyncio.to_thread(commit)
            finally:
                if committed != turn.id:
                    self._lanes.withdraw(turn.id)
            if committed == turn.id:
                self._lanes.begin(turn, requests)
            return committed

        # Shielded: once the rows are there the lanes begin, even when whoever asked goes away at that moment.
        return await asyncio.shield(asyncio.create_task(commit_and_begin()))

    async def unrecorded(self, messages: Sequence[Message], *, model: str, params: Params) -> AsyncIterator[Piece]:
        """An answer that leaves no trace: for clients that ask for that. What is refused is refused at once."""
        if self.waiting:
            raise EngineNotReady(self.waiting)
        contestant = self._contestants.resolve(model)
        prepared = await asyncio.to_thread(self._contestants.prepare, contestant, messages)
        await self._summon(prepared.model)
        request = await asyncio.to_thread(self._request, prepared, params)

        async def pieces() -> AsyncIterator[Piece]:
            engine = self._lanes.engine
            async with engine.lanes(1), aclosing(engine.stream(request)) as stream:
                async for piece in stream:
                    yield piece

        return pieces()

    def continued_by(self, who: Person, messages: Sequence[Message]) -> str | None:
        """The conversation of which these messages are the whole so far, if it was recorded here."""
        return self._store.turns.continued_by(who.name, messages)

    def defaults(self) -> Params:
        """How answers are sampled when nobody says otherwise."""
        s = self._settings
        return Params(temperature=s.temperature, top_p=s.top_p, max_tokens=s.max_tokens)

    def _request(self, prepared: Prepared, params: Params) -> Request:
        """What the engine is asked: the newest of the conversation that fits, and no more room than there is."""
        whole = self._prompter.context_length
        token_ids, _ = self._prompter.fit(prepared.messages, room=min(params.max_tokens, whole // 2))
        room = min(params.max_tokens, whole - len(token_ids))
        return Request(model=prepared.model, token_ids=token_ids, params=replace(params, max_tokens=room))

    def _prepare(self, asked: _Asked, where: Conversation, *, is_new: bool) -> tuple[Turn, list[Request]]:
        """The turn with its empty replies, and what each lane asks the engine."""
        log = self._store.turns
        path = [] if is_new else [log.get(turn) for turn in log.of_conversation(where.id)]
        before = self._lanes.get(path[-1].id) if path else None
        if before is not None and before.writing:
            raise Conflict("The answer before this one is still being written. Wait for it, or stop it.")
        lanes: tuple[LaneName, ...] = ("left", "right") if asked.mode == "compare" else ("only",)
        question = Message("user", asked.prompt)
        prepared = [
            self._contestants.prepare(name, [*where.head, *log.history(path, lane), question])
            for lane, name in zip(lanes, self._who(asked, path), strict=True)
        ]
        turn_id = new_id("t")
        turn = Turn(
            id=turn_id,
            conversation=where.id,
            owner=where.owner,
            mode=asked.mode,
            prompt=asked.prompt,
            blind=asked.blind and asked.mode == "compare",
            parent=path[-1].id if path else None,
            params=asked.params,
            created_at=now(),
            replies=tuple(self._empty(turn_id, lane, p) for lane, p in zip(lanes, prepared, strict=True)),
        )
        return turn, [self._request(p, asked.params) for p in prepared]

    def _empty(self, turn: str, lane: LaneName, prepared: Prepared) -> Reply:
        return Reply(
            id=new_id("r"),
            turn=turn,
            lane=lane,
            contestant=prepared.contestant,
            model=prepared.model,
            base=self._base.fingerprint,
            examples=prepared.examples,
        )

    def _who(self, asked: _Asked, path: Sequence[Turn]) -> list[str]:
        """The contestants of the lanes. A compare turn that follows an unvoted one keeps who is on which side."""
        if asked.contestants:
            wanted = 2 if asked.mode == "compare" else 1
            if len(asked.contestants) != wanted:
                raise BadInput(f"A {asked.mode} turn takes {wanted} contestant{'s' if wanted > 1 else ''}.")
            chosen = [self._contestants.resolve(name) for name in asked.contestants]
            return self._contestants.shuffled(chosen) if asked.blind else chosen
        if asked.mode == "chat":
            return [self._contestants.champion()]
        if path and path[-1].mode == "compare" and not self._store.feedback.revealed(path[-1].id):
            return [path[-1].reply("left").contestant, path[-1].reply("right").contestant]
        return self._contestants.pair()

    async def stop(self, who: Person, turn: str) -> None:
        """End what is still being written; the text so far stays, marked as cut."""
        self._store.turns.get(turn, owner=who.name)
        await self._lanes.stop(turn)

    async def close(self) -> None:
        """End every turn, keeping what was written."""
        await self._lanes.close()

    # -- watching --

    def seen(self, who: Person, turn: str) -> TurnSeen:
        """What the asker may see of a turn now."""
        live = self._lanes.get(turn)
        if live is not None and live.writing and who.reads in (None, live.turn.owner):
            return shape(live.turn, tuple(live.replies.values()), vote=None, hidden=live.turn.blind, given=_nothing)
        row = self._store.turns.get(turn, owner=who.reads)
        vote = self._store.feedback.vote_of(turn) if row.mode == "compare" else None
        hidden = row.blind and not self._store.feedback.revealed(turn)

        def given(reply: str) -> Given:
            return self._store.feedback.given_on(reply, rater=row.owner)

        return shape(row, with_ends(row.replies), vote=vote, hidden=hidden, given=given)

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

    def conversations(self, who: Person, *, limit: int = 50, mode: Mode | None = None) -> list[Conversation]:
        """Someone's conversations, newest first."""
        return self._store.turns.conversations(who.name, limit=limit, mode=mode)

    def turns(self, who: Person, conversation: str) -> list[str]:
        """The ids of a conversation's turns, oldest first."""
        self._store.turns.conversation(conversation, owner=who.reads)
        return self._store.turns.of_conversation(conversation)

    def contestants(self) -> tuple[str, ...]:
        """Names that can be chosen."""
        return ("champion", *self._contestants.names())
