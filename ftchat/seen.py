"""A turn as its asker may see it now: the one place that decides what a blind turn shows before the vote.

Pure: rows in, a view out. Pages and API show this and nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ftchat.records import Finish, LaneName, Mode, Reply, Turn, Vote

Given = tuple[str | None, str | None]  # the correction and the thumb that the asker gave on a reply

_LOST = "The end of this answer was lost."
_NO_ANSWER = "This side could not answer."  # the engine's own words may name who it was


@dataclass(frozen=True, kw_only=True)
class LaneSeen:
    """One lane as its asker may see it now."""

    lane: LaneName
    reply: str
    text: str
    finish: Finish | None
    error: str
    contestant: str | None  # None while hidden
    tokens: int | None
    prompt_tokens: int | None
    ttft_ms: float | None
    corrected: str | None
    rating: str | None


@dataclass(frozen=True, kw_only=True)
class TurnSeen:
    """A turn as its asker may see it now."""

    turn: str
    conversation: str
    mode: Mode
    prompt: str
    blind: bool
    lanes: tuple[LaneSeen, ...]
    vote: Vote | None
    votable: bool

    @property
    def writing(self) -> bool:
        """Whether a lane is not finished."""
        return any(lane.finish is None for lane in self.lanes)


def shape(
    turn: Turn, replies: Sequence[Reply], *, vote: Vote | None, hidden: bool, given: Callable[[str], Given]
) -> TurnSeen:
    """The turn; while `hidden` no name, no count and no time of either lane is in it."""
    return TurnSeen(
        turn=turn.id,
        conversation=turn.conversation,
        mode=turn.mode,
        prompt=turn.prompt,
        blind=turn.blind,
        lanes=tuple(_lane(reply, given(reply.id), hidden=hidden) for reply in replies),
        vote=vote,
        votable=turn.mode == "compare" and vote is None and _comparable(replies),
    )


def with_ends(replies: Sequence[Reply]) -> tuple[Reply, ...]:
    """Replies that nobody writes any more: one without an end lost it, since its end could not be saved."""
    return tuple(r if r.finish else replace(r, finish="cut", error=_LOST) for r in replies)


def _lane(reply: Reply, given: Given, *, hidden: bool) -> LaneSeen:
    return LaneSeen(
        lane=reply.lane,
        reply=reply.id,
        text=reply.text,
        finish=reply.finish,
        error=_NO_ANSWER if hidden and reply.error else reply.error,
        contestant=None if hidden else reply.contestant,
        tokens=None if hidden else reply.completion_tokens,
        prompt_tokens=None if hidden else reply.prompt_tokens,
        ttft_ms=None if hidden else reply.ttft_ms,
        corrected=given[0],
        rating=given[1],
    )


def _comparable(replies: Sequence[Reply]) -> bool:
    """Whether both sides have something to judge: some text, or nothing more to come beside the other's text."""
    there = [bool(reply.text.strip()) for reply in replies]
    return any(there) and all(text or reply.finish for text, reply in zip(there, replies, strict=True))
