"""Turns and conversations over HTTP: ask, ask again, stop, read back."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from ftchat.chat import Chat
from ftchat.records import Mode, Params, Person
from ftchat.seen import LaneSeen, TurnSeen
from ftchat.web.common import Key, PartsOf, Rater, Viewer
from ftchat.web.shapes import EVENTS, Text
from ftchat.web.shapes.turns import AnotherIn, ConversationOut, ConversationPage, ParamsIn, TurnIn, TurnOut

router = APIRouter(prefix="/api", tags=["turns"])
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The turn when every lane has ended; with `stream`, events as they come",
        "content": EVENTS,
    }
}
Answered = dict[str, Any] | StreamingResponse


@router.post("/turns", response_model=TurnOut, response_model_exclude_unset=True, responses=STREAMED)
async def ask(body: TurnIn, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Ask a question: answers when every lane has ended, or streams events."""
    turn = await parts.chat.ask(
        who,
        body.prompt,
        mode=body.mode,
        conversation=body.conversation,
        after=body.after,
        contestants=body.contestants,
        blind=body.blind,
        system=body.system,
        params=params_of(parts.chat, body.params),
        key=key,
    )
    return await _answered(parts.chat, who, turn, stream=body.stream)


@router.post("/turns/{turn}/regenerate", response_model=TurnOut, response_model_exclude_unset=True, responses=STREAMED)
async def regenerate(turn: str, body: AnotherIn, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Answer a turn's question once more, beside it; with a prompt, another wording of it."""
    chat = parts.chat
    params = params_of(chat, body.params) if body.params else None
    if body.prompt is None:
        made = await chat.regenerate(who, turn, contestants=body.contestants, params=params, key=key)
    else:
        made = await chat.edit(who, turn, body.prompt, contestants=body.contestants, params=params, key=key)
    return await _answered(chat, who, made, stream=body.stream)


@router.post("/turns/{turn}/again", response_model=TurnOut, response_model_exclude_unset=True)
async def again(turn: str, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Ask a turn's question again with what was just corrected in the prompt: few-shot answers."""
    made = await parts.chat.ask_again(who, turn, key=key)
    return await _answered(parts.chat, who, made, stream=False)


@router.post("/turns/{turn}/stop", response_model=TurnOut, response_model_exclude_unset=True)
async def stop(turn: str, parts: PartsOf, who: Rater, key: Key) -> Any:
    """End what is still being written; the text so far stays, marked as cut."""
    await parts.chat.stop(who, turn)
    return shown(parts.chat.seen(who, turn))


@router.get("/turns/{turn}", response_model=TurnOut, response_model_exclude_unset=True)
def turn(turn: str, parts: PartsOf, who: Viewer) -> Any:
    """One turn, for its owner or a reviewer."""
    return shown(parts.chat.seen(who, turn))


@router.get("/conversations", response_model=ConversationPage)
def conversations(
    parts: PartsOf,
    who: Viewer,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[Text | None, Query(description="`next` of the page before")] = None,
    search: Annotated[Text | None, Query(max_length=1000, description="words of a question or a correction")] = None,
    mode: Mode | None = None,
    whose: Annotated[Literal["mine", "all"], Query(description="all: everyone's, for reviewers")] = "mine",
) -> Any:
    """One's own conversations, newest first; for reviewers everyone's too."""
    owner = who.reads if whose == "all" else who.name
    found = parts.store.turns.conversations(owner, limit=limit + 1, mode=mode, search=search or None, before=before)
    items = [{"id": c.id, "title": c.title, "created_at": c.created_at} for c in found[:limit]]
    return {"items": items, "next": items[-1]["id"] if len(found) > limit else None}


@router.get("/conversations/{conversation}", response_model=ConversationOut, response_model_exclude_unset=True)
def conversation(conversation: str, parts: PartsOf, who: Viewer) -> Any:
    """One conversation with its turns, for its owner or a reviewer."""
    found = parts.store.turns.conversation(conversation, owner=who.reads)
    turns = [shown(parts.chat.seen(who, turn)) for turn in parts.chat.turns(who, conversation)]
    return {
        "id": found.id,
        "title": found.title,
        "system": found.system,
        "created_at": found.created_at,
        "turns": turns,
        "path": parts.chat.path(who, conversation),
    }


def params_of(chat: Chat, given: ParamsIn) -> Params:
    """Params from a client's, the settings filling what was left out."""
    default = chat.defaults()
    return Params(
        temperature=default.temperature if given.temperature is None else given.temperature,
        top_p=default.top_p if given.top_p is None else given.top_p,
        max_tokens=default.max_tokens if given.max_tokens is None else min(given.max_tokens, default.max_tokens),
        seed=given.seed,
        stop=tuple(given.stop or ()),
    )


async def _answered(chat: Chat, who: Person, turn: str, *, stream: bool) -> Answered:
    if stream:
        return StreamingResponse(_events(chat, who, turn), media_type="text/event-stream")
    seen = chat.seen(who, turn)
    async for newest in chat.watch(who, turn):
        seen = newest
    return shown(seen)


def shown(seen: TurnSeen) -> dict[str, Any]:
    """A turn as JSON; what is hidden is not in it at all."""
    return {
        "turn": seen.turn,
        "conversation": seen.conversation,
        "mode": seen.mode,
        "prompt": seen.prompt,
        "blind": seen.blind,
        "lanes": [_lane(lane) for lane in seen.lanes],
        "vote": seen.vote.winner if seen.vote else None,
        "parent": seen.parent,
        "siblings": list(seen.siblings),
    }


def _lane(lane: LaneSeen) -> dict[str, Any]:
    item: dict[str, Any] = {"lane": lane.lane, "reply": lane.reply, "text": lane.text, "finish": lane.finish}
    if lane.error:
        item["error"] = lane.error
    if lane.contestant is not None:
        item |= {"contestant": lane.contestant, "tokens": lane.tokens, "ttft_ms": lane.ttft_ms}
    if lane.corrected is not None:
        item |= {"corrected": lane.corrected, "correction": lane.correction}
    if lane.rating is not None:
        item |= {"rated": lane.rating, "rating": lane.rating_id}
    if lane.trimmed:
        item["trimmed"] = lane.trimmed
    return item


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
