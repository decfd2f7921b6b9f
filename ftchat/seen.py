"""A turn as its asker may see it now: the one place that decides what a blind turn shows before the vote.

Pure: rows in, a view out. Pages and API show this and nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ftchat.records import Finish, Given, LaneName, Mode, Reply, Turn, Vote

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
    corrected: str | None  # the text it was corrected to
    rating: str | None  # up or down
    correction: str | None = None  # the ids of both, for taking them back
    rating_id: str | None = None
    reasons: tuple[str, ...] = ()  # of the rating; those of a vote are in the vote
    comment: str = ""
    trimmed: int = 0  # earlier turns that were left out of its prompt
    examples: tuple[str, ...] = ()  # few-shot: the corrections that were in its prompt


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
    parent: str | None = None
    siblings: tuple[str, ...] = ()  # turns with the same parent, oldest first, this one among them

    @property
    def writing(self) -> bool:
        """Whether a lane is not finished."""
        return any(lane.finish is None for lane in self.lanes)

    @property
    def begun(self) -> bool:
        """Whether every lane has text, or an end."""
        return all(lane.text or lane.finish for lane in self.lanes)

    @property
    def position(self) -> int:
        """Which of its siblings this is, counted from 1."""
        return self.siblings.index(self.turn) + 1 if self.turn in self.siblings else 1

    @property
    def trimmed(self) -> int:
        """Earlier turns that were left out of a prompt: the most of any lane."""
        return max((lane.trimmed for lane in self.lanes), default=0)


def nothing_given(reply: str) -> Given:
    """For a reply on which nothing can have been given yet."""
    return Given()


def shape(
    turn: Turn,
    replies: Sequence[Reply],
    *,
    hidden: bool,
    siblings: tuple[str, ...] = (),
    vote: Vote | None = None,
    given: Callable[[str], Given] = nothing_given,
) -> TurnSeen:
    """The turn; while `hidden` no name, no count and no time of either lane is in it."""
    # What was left out differs between lanes with and without corrections in the prompt: hidden, both show the most.
    most = max((reply.trimmed for reply in replies), default=0)
    lanes = tuple(_lane(reply, given(reply.id)) for reply in replies)
    return TurnSeen(
        turn=turn.id,
        conversation=turn.conversation,
        mode=turn.mode,
        prompt=turn.prompt,
        blind=turn.blind,
        lanes=tuple(_masked(lane, trimmed=most) for lane in lanes) if hidden else lanes,
        vote=vote,
        votable=turn.mode == "compare" and vote is None and _comparable(replies),
        parent=turn.parent,
        siblings=siblings,
    )


def with_ends(replies: Sequence[Reply]) -> tuple[Reply, ...]:
    """Replies that nobody writes any more: one without an end lost it, since its end could not be saved."""
    return tuple(r if r.finish else replace(r, finish="cut", error=_LOST) for r in replies)


def _lane(reply: Reply, given: Given) -> LaneSeen:
    return LaneSeen(
        lane=reply.lane,
        reply=reply.id,
        text=reply.text,
        finish=reply.finish,
        error=reply.error,
        contestant=reply.contestant,
        tokens=reply.completion_tokens,
        prompt_tokens=reply.prompt_tokens,
        ttft_ms=reply.ttft_ms,
        corrected=given.corrected,
        rating=given.rating,
        correction=given.correction,
        rating_id=given.rating_id,
        reasons=given.reasons,
        comment=given.comment,
        trimmed=reply.trimmed,
        examples=reply.examples,
    )


def _masked(lane: LaneSeen, *, trimmed: int) -> LaneSeen:
    return replace(
        lane,
        error=_NO_ANSWER if lane.error else "",
        contestant=None,
        tokens=None,
        prompt_tokens=None,
        ttft_ms=None,
        trimmed=trimmed,
        examples=(),
    )


def _comparable(replies: Sequence[Reply]) -> bool:
    """Whether both sides have something to judge: some text, or nothing more to come beside the other's text."""
    there = [bool(reply.text.strip()) for reply in replies]
    return any(there) and all(text or reply.finish for text, reply in zip(there, replies, strict=True))
