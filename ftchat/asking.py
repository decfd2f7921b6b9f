"""A question made ready: where in its conversation it goes, who answers, and what each lane asks the engine.

It reads the database and counts tokens, so it is called off the event loop, but for what takes less than a thread's
wake (`is_light`). It writes nothing and starts nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ftchat.base import Base
from ftchat.contestants import Contestants, Prepared
from ftchat.engine import Request
from ftchat.errors import BadInput, Conflict, FtchatError
from ftchat.lanes import Lanes
from ftchat.prompt import Prompter
from ftchat.records import (
    FEW_SHOT,
    Conversation,
    LaneName,
    Message,
    Mode,
    Params,
    Person,
    Reply,
    Turn,
    new_id,
    now,
    title_of,
)
from ftchat.store import Store

UNABLE = "One of the two cannot answer any more. Vote on the turn before, or begin a new conversation."
_SHORT = 1_000  # characters
_WRITING = "The answer before this one is still being written. Wait for it, or stop it."


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What someone asks for, checked."""

    prompt: str
    mode: Mode
    params: Params
    contestants: tuple[str, ...] = ()  # none: chosen by ftchat
    blind: bool = True
    again: str | None = None  # Ask again: whose corrections few-shot must show, though they may wait for review


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a turn goes: under the last turn of a path, beside one it is another wording or another answer of."""

    conversation: Conversation
    path: tuple[Turn, ...] = ()
    beside: Turn | None = None
    is_new: bool = False
    at_end: bool = False  # it was asked after whatever was the newest: nothing may have come between

    @property
    def like(self) -> Turn | None:
        """The turn whose contestants it keeps while their names are hidden."""
        return self.beside or (self.path[-1] if self.path else None)


@dataclass(frozen=True)
class Ready:
    """A turn with its empty replies, what each lane asks, and the turns it will stand beside, itself the last."""

    turn: Turn
    requests: tuple[Request, ...]
    siblings: tuple[str, ...]
    hidden: bool = False  # nobody named who answers, and nobody may learn it before the vote, not from an error either


class Asking:
    """Makes questions ready."""

    def __init__(self, store: Store, lanes: Lanes, *, prompter: Prompter, contestants: Contestants, base: Base) -> None:
        """Over the parts of a running app."""
        self._store, self._lanes = store, lanes
        self._prompter, self._contestants, self._base = prompter, contestants, base

    def after(self, who: Person, conversation: str | None, turn: str | None) -> Place:
        """After a turn, or after the newest of a conversation."""
        if turn is None:
            where = self._store.turns.conversation(conversation or "", owner=who.name)
            turn, at_end = self._store.tree.path(where.id)[-1], True
        else:
            where = self._store.turns.conversation(
                self._store.turns.get(turn, owner=who.name).conversation, owner=who.name
            )
            at_end = False
        if conversation not in (None, where.id):
            raise BadInput(f"{turn} is not a turn of {conversation}.")
        path = tuple(self._store.turns.path_to(turn))
        self._not_writing(path[-1])
        return Place(conversation=where, path=path, at_end=at_end)

    def beside(self, who: Person, turn: str, prompt: str | None = None) -> Place:
        """Beside a turn. Another first question begins another group, so that is a conversation of its own."""
        *path, found = self._store.turns.path_to(self._store.turns.get(turn, owner=who.name).id)
        self._not_writing(found)
        where = self._store.turns.conversation(found.conversation, owner=who.name)
        if path or prompt is None or self._store.tree.stays(where, prompt):
            return Place(conversation=where, path=tuple(path), beside=found)
        fresh = replace(where, id=new_id("c"), title=title_of(prompt), created_at=now())
        return Place(conversation=fresh, beside=found, is_new=True)

    def _not_writing(self, turn: Turn) -> None:
        live = self._lanes.get(turn.id)
        if live is not None and live.writing:
            raise Conflict(_WRITING)

    def is_light(self, wish: Wish, place: Place) -> bool:
        """Whether it is ready in less than half a millisecond: a short first question, to one who is shown no more."""
        if not place.is_new or place.conversation.context or wish.mode != "chat":
            return False
        short = len(wish.prompt) + len(place.conversation.system) < _SHORT
        return short and FEW_SHOT not in (*wish.contestants, self._contestants.champion())

    def ready(self, wish: Wish, place: Place) -> Ready:
        """The turn and its requests."""
        turn_id = new_id("t")  # before the sides: a vote that is given from here on can only hide less, never too much
        lanes: tuple[LaneName, ...] = ("left", "right") if wish.mode == "compare" else ("only",)
        prepared = self._prepared(wish, place, lanes)
        asked = [self.request(one, wish.params) for one in prepared]
        rows = zip(lanes, prepared, asked, strict=True)
        turn = Turn(
            id=turn_id,
            conversation=place.conversation.id,
            owner=place.conversation.owner,
            mode=wish.mode,
            prompt=wish.prompt,
            blind=wish.blind and wish.mode == "compare",
            parent=place.path[-1].id if place.path else None,
            params=wish.params,
            created_at=now(),
            replies=tuple(self._empty(turn_id, lane, one, trimmed=cut) for lane, one, (_, cut) in rows),
        )
        beside = self._store.tree.siblings(place.beside) if place.beside else self._others(turn, place)
        hidden = turn.blind and not wish.contestants
        return Ready(turn, tuple(request for request, _ in asked), (*beside, turn_id), hidden)

    def _prepared(self, wish: Wish, place: Place, lanes: Sequence[LaneName]) -> list[Prepared]:
        room, question = self.room(wish.params), Message("user", wish.prompt)
        head, log = place.conversation.head, self._store.turns
        who = zip(lanes, self._who(wish, place), strict=True)
        said = [(name, [*head, *log.history(place.path, lane), question]) for lane, name in who]
        prepared = [self._contestants.prepare(name, one, room=room, own=wish.again) for name, one in said]
        if wish.again and not prepared[0].examples:
            raise Conflict(
                "No correction is near to this question yet. Correct an answer first; what is kept aside for the exam "
                "is never shown to a model."
            )
        return prepared

    def _others(self, turn: Turn, place: Place) -> tuple[str, ...]:
        """Turns that already follow the one that this turn follows."""
        return () if place.is_new else self._store.tree.siblings(turn)

    def request(self, prepared: Prepared, params: Params, *, room: int | None = None) -> tuple[Request, int]:
        """What the engine is asked, with no more room than there is; and how many older turns did not fit."""
        kept = self.room(params) if room is None else room
        token_ids, left_out = self._prompter.fit(prepared.messages, room=kept, keep=prepared.lead)
        room = min(params.max_tokens, self._prompter.context_length - len(token_ids))
        return Request(model=prepared.model, token_ids=token_ids, params=replace(params, max_tokens=room)), left_out

    def room(self, params: Params) -> int:
        """Tokens kept for the answer: what was asked for, but never more than half of the context."""
        return min(params.max_tokens, self._prompter.context_length // 2)

    def _empty(self, turn: str, lane: LaneName, prepared: Prepared, *, trimmed: int) -> Reply:
        return Reply(
            id=new_id("r"),
            turn=turn,
            lane=lane,
            contestant=prepared.contestant,
            model=prepared.model,
            base=self._base.fingerprint,
            examples=prepared.examples,
            trimmed=trimmed,
        )

    def _who(self, wish: Wish, place: Place) -> list[str]:
        """The contestants of the lanes. While the names of the turn before are hidden, each keeps its side: in a turn
        that hides them too, else it would tell them."""
        if wish.contestants:
            wanted = 2 if wish.mode == "compare" else 1
            if len(wish.contestants) != wanted:
                raise BadInput(f"A {wish.mode} turn takes {wanted} contestant{'s' if wanted > 1 else ''}.")
            chosen = [self._contestants.resolve(name) for name in wish.contestants]
            return self._contestants.shuffled(chosen) if wish.blind else chosen
        if wish.mode == "chat":
            return [self._contestants.champion()]
        like = None if place.is_new else place.like
        if like and self._keeps_sides(wish, like):
            try:
                return [self._contestants.resolve(like.reply(lane).contestant) for lane in ("left", "right")]
            except FtchatError as err:
                if not wish.blind:
                    raise
                raise Conflict(UNABLE) from err
        return self._contestants.pair()

    def _keeps_sides(self, wish: Wish, like: Turn) -> bool:
        same = like.mode == "compare" and like.blind == wish.blind
        return same and not self._store.feedback.revealed(like.id)


def again(turn: Turn, *, by: str) -> Wish:
    """A turn's question, to be answered by few-shot, with what was just corrected."""
    contestants = (FEW_SHOT,)
    return Wish(
        prompt=turn.prompt, mode="chat", params=replace(turn.params, seed=None), contestants=contestants, again=by
    )


def who_answered(turn: Turn) -> Sequence[str]:
    """The contestants of a turn, left first."""
    return [reply.contestant for reply in turn.replies]
