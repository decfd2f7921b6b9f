"""Turns, votes, ratings and corrections over HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from ftchat.chat import Chat
from ftchat.errors import BadInput
from ftchat.records import Mode, Params, Person, Winner
from ftchat.seen import TurnSeen
from ftchat.web.common import Key, PartsOf, Rater, Viewer

router = APIRouter(prefix="/api")


class ParamsIn(BaseModel):
    """Sampling of one turn; what is left out is the setting's."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] | None = None


class TurnIn(BaseModel):
    """A prompt."""

    prompt: str
    conversation: str | None = None
    mode: Mode = "chat"
    contestants: list[str] | None = None
    blind: bool = True
    system: str = ""
    params: ParamsIn = ParamsIn()
    stream: bool = False


class VoteIn(BaseModel):
    """Who was better."""

    turn: str
    winner: Winner
    reasons: dict[Literal["left", "right"], list[str]] | None = None
    comment: str = ""


class RatingIn(BaseModel):
    """A thumb."""

    reply: str
    value: Literal["up", "down"]
    reasons: list[str] | None = None
    comment: str = ""


class CorrectionIn(BaseModel):
    """What a reply should have been."""

    reply: str
    text: str


@router.post("/turns", response_model=None)
async def ask(body: TurnIn, parts: PartsOf, who: Rater, key: Key) -> dict[str, Any] | StreamingResponse:
    """Ask; answers when every lane has ended, or streams events."""
    turn = await parts.chat.ask(
        who,
        body.prompt,
        mode=body.mode,
        conversation=body.conversation,
        contestants=body.contestants,
        blind=body.blind,
        system=body.system,
        params=params_of(parts.chat, body.params),
        key=key,
    )
    if body.stream:
        return StreamingResponse(_events(parts.chat, who, turn), media_type="text/event-stream")
    seen = parts.chat.seen(who, turn)
    async for newest in parts.chat.watch(who, turn):
        seen = newest
    return shown(seen)


@router.get("/turns/{turn}")
def turn(turn: str, parts: PartsOf, who: Viewer) -> dict[str, Any]:
    """One turn as its asker may see it."""
    return shown(parts.chat.seen(who, turn))


@router.get("/conversations")
def conversations(parts: PartsOf, who: Viewer) -> dict[str, Any]:
    """One's own conversations, newest first."""
    found = parts.chat.conversations(who)
    return {"items": [{"id": c.id, "title": c.title, "created_at": c.created_at} for c in found], "next": None}


@router.get("/conversations/{conversation}")
def conversation(conversation: str, parts: PartsOf, who: Viewer) -> dict[str, Any]:
    """One conversation with its turns."""
    turns = [shown(parts.chat.seen(who, turn)) for turn in parts.chat.turns(who, conversation)]
    return {"id": conversation, "turns": turns}


@router.post("/votes")
async def vote(body: VoteIn, parts: PartsOf, who: Rater, key: Key) -> dict[str, Any]:
    """Vote; the answer reveals the names."""
    given = await parts.judging.vote(who, body.turn, body.winner, reasons=body.reasons, comment=body.comment, key=key)
    return {"vote": given.id, "contestants": {"left": given.left, "right": given.right}}


@router.post("/votes/{vote}/undo")
def undo(vote: str, parts: PartsOf, who: Rater) -> dict[str, Any]:
    """Take back one's own vote."""
    if not vote.startswith("v_"):
        raise BadInput("This is not the id of a vote.")
    parts.judging.undo(who, vote)
    return {"vote": vote, "undone": True}


@router.post("/ratings")
def rate(body: RatingIn, parts: PartsOf, who: Rater, key: Key) -> dict[str, str]:
    """Thumb up or down."""
    given = parts.judging.rate(who, body.reply, body.value, reasons=body.reasons, comment=body.comment, key=key)
    return {"rating": given}


@router.post("/corrections")
def correct(body: CorrectionIn, parts: PartsOf, who: Rater, key: Key) -> dict[str, str]:
    """Say what a reply should have been."""
    return {"correction": parts.judging.correct(who, body.reply, body.text, key=key)}


def params_of(chat: Chat, given: ParamsIn) -> Params:
    """Params from a client's, the settings filling what was left out."""
    default = chat.defaults()
    return Params(
        temperature=default.temperature if given.temperature is None else given.temperature,
        top_p=default.top_p if given.top_p is None else given.top_p,
        max_tokens=min(given.max_tokens or default.max_tokens, default.max_tokens),
        seed=given.seed,
        stop=tuple(given.stop or ()),
    )


def shown(seen: TurnSeen) -> dict[str, Any]:
    """A turn as JSON; what is hidden is not in it at all."""
    lanes = []
    for lane in seen.lanes:
        item: dict[str, Any] = {"lane": lane.lane, "reply": lane.reply, "text": lane.text, "finish": lane.finish}
        if lane.error:
            item["error"] = lane.error
        if lane.contestant is not None:
            item |= {"contestant": lane.contestant, "tokens": lane.tokens, "ttft_ms": lane.ttft_ms}
        if lane.corrected is not None:
            item["corrected"] = lane.corrected
        lanes.append(item)
    return {
        "turn": seen.turn,
        "conversation": seen.conversation,
        "mode": seen.mode,
        "prompt": seen.prompt,
        "blind": seen.blind,
        "lanes": lanes,
        "vote": seen.vote.winner if seen.vote else None,
    }


async def _events(chat: Chat, who: Person, turn: str) -> AsyncIterator[str]:
    """Server-sent events: turn, delta, reply, end."""
    sent: dict[str, int] = {}
    ended: set[str] = set()
    async for seen in chat.watch(who, turn):
        if not sent:
            yield _event("turn", {"turn": seen.turn, "conversation": seen.conversation, "blind": seen.blind})
        for lane in seen.lanes:
            fresh = lane.text[sent.get(lane.lane, 0) :]
            sent[lane.lane] = len(lane.text)
            if fresh:
                yield _event("delta", {"lane": lane.lane, "text": fresh})
            if lane.finish and lane.lane not in ended:
                ended.add(lane.lane)
                yield _event("reply", {"lane": lane.lane, "reply": lane.reply, "finish": lane.finish})
    yield _event("end", {"turn": turn})


def _event(name: str, values: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(values, ensure_ascii=False)}\n\n"
