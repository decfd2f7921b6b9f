"""The OpenAI-compatible side: any client of that API becomes a source of feedback.

Calls are recorded like chat on a page (unless `x-ftchat-record: no`), and calls whose messages continue a recorded
conversation join it. `model` is champion, base, few-shot or an adapter.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from ftchat.chat import Chat
from ftchat.engine import Piece
from ftchat.errors import AnswerCut, BadInput, EngineError, FtchatError, UnknownModel
from ftchat.records import BASE, CHAMPION, FEW_SHOT, Message, Params, Person, new_id
from ftchat.web.common import Key, PartsOf, Rater, Viewer
from ftchat.web.events import Events, Last
from ftchat.web.shapes import EVENTS, Text, shown_as
from ftchat.web.shapes.turns import ParamsIn
from ftchat.web.turns import params_of

router = APIRouter(prefix="/v1", tags=["openai"])
_GONE_S = 0.05  # how often a waiting call looks whether its client is still there


class PartIn(BaseModel):
    """One part of a content; only text is understood."""

    model_config = ConfigDict(extra="ignore")
    type: Text
    text: Text | None = None


class MessageIn(BaseModel):
    """One message; the content is a text, or text parts."""

    role: Text
    content: Text | list[PartIn]


class StreamOptions(BaseModel):
    """Whether the last chunk counts the tokens."""

    include_usage: bool = False


class CompletionIn(BaseModel):
    """What is taken of a chat completion's body; what changes nothing here (`user`, say) is let pass."""

    model_config = ConfigDict(
        extra="ignore", **shown_as(model="champion", messages=[{"role": "user", "content": "What does it cost?"}])
    )
    model: Text = "champion"
    messages: list[MessageIn]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = 1
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    seed: int | None = None
    stop: Text | list[Text] | None = None


class ModelOut(BaseModel):
    """A name that can be asked."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelPage(BaseModel):
    """Every name that can be asked."""

    object: Literal["list"]
    data: list[ModelOut]


class AnswerOut(BaseModel):
    """The assistant's message."""

    role: Literal["assistant"]
    content: str


class ChoiceOut(BaseModel):
    """The one answer."""

    index: int
    message: AnswerOut
    finish_reason: Literal["stop", "length"]


class UsageOut(BaseModel):
    """Tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionOut(BaseModel):
    """A chat completion as OpenAI's clients read it."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChoiceOut]
    usage: UsageOut


class _Answering:
    """One answer on its way: pieces of text, and at the end how it finished and what it took."""

    def __init__(self, model: str) -> None:
        self.id = f"chatcmpl-{new_id('x')[2:]}"
        self.model = model
        self.created = int(time.time())
        self.finish = "stop"
        self.usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

    def ended(self, finish: str, *, prompt: int, completion: int) -> None:
        """Remember the end."""
        self.finish = "length" if finish == "length" else "stop"
        self.usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def head(self, kind: str) -> dict[str, Any]:
        """What stands in every object of this answer."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


_FOLLOWED: Counter[str] = Counter()  # by turn: requests under one key share a turn
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The whole answer; with `stream`, chunks as they come and [DONE]",
        "content": EVENTS,
    }
}


@router.get("/models", response_model=ModelPage)
def models(parts: PartsOf, who: Viewer) -> Any:
    """Every name that can be asked."""
    items = [{"id": name, "object": "model", "created": 0, "owned_by": "ftchat"} for name in parts.chat.contestants()]
    return {"object": "list", "data": items}


@router.post("/chat/completions", response_model=CompletionOut, responses=STREAMED)
async def complete(
    body: CompletionIn,
    request: Request,
    parts: PartsOf,
    who: Rater,
    key: Key,
    x_ftchat_record: Annotated[str, Header(description="no: leave no trace")] = "yes",
) -> JSONResponse | Events:
    """Answer the last user message, and keep it as a turn that feedback can be given on."""
    _known(parts.chat, body.model)
    messages, params = _read(body), _params(parts.chat, body)
    answering, headers = _Answering(body.model), dict[str, str]()
    if x_ftchat_record.lower() in ("no", "false", "0"):
        pieces = _straight(await parts.chat.unrecorded(messages, model=body.model, params=params), answering)
    else:
        turn = await _recorded(parts.chat, who, messages, params=params, model=body.model, key=key)
        headers = {"x-ftchat-turn": turn, "x-ftchat-reply": parts.chat.seen(who, turn).lanes[0].reply}
        pieces = _of_turn(parts.chat, who, turn, answering=answering)
    if body.stream:
        chunks = _chunks(pieces, answering, usage=body.stream_options is not None and body.stream_options.include_usage)
        return Events(chunks, headers=headers)
    text = await _whole(pieces, request)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": answering.finish}
    whole = {**answering.head("chat.completion"), "choices": [choice], "usage": answering.usage}
    return JSONResponse(whole, headers=headers)


def _known(chat: Chat, model: str) -> None:
    """OpenAI's clients expect 404 for a model that there is not."""
    if model in (CHAMPION, BASE, FEW_SHOT):
        return
    names = dict.fromkeys([*chat.contestants(), FEW_SHOT])
    if model not in names and model not in chat.rejected():
        raise UnknownModel(f"There is no model called {model!r}. There are: {', '.join(names)}.")


def _read(body: CompletionIn) -> list[Message]:
    if body.n not in (None, 1):
        raise BadInput(f"n is {body.n}: one answer is given to a call.")
    messages = [Message(m.role, _text(m.content)) for m in body.messages]  # type: ignore[arg-type]
    if not messages or messages[-1].role != "user":
        raise BadInput("The last message must be the user's.")
    if any(m.role == "system" for m in messages[1:]):
        raise BadInput("A system message must be the first.")
    return messages


def _text(content: str | list[PartIn]) -> str:
    if isinstance(content, str):
        return content
    texts = [part.text for part in content if part.type == "text" and part.text is not None]
    if len(texts) < len(content):
        raise BadInput("A message's content must be text.")
    return "".join(texts)


def _params(chat: Chat, body: CompletionIn) -> Params:
    stop = [body.stop] if isinstance(body.stop, str) else body.stop
    most = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    given = ParamsIn(temperature=body.temperature, top_p=body.top_p, max_tokens=most, seed=body.seed, stop=stop)
    return params_of(chat, given)


async def _recorded(
    chat: Chat, who: Person, messages: Sequence[Message], *, params: Params, model: str, key: str | None
) -> str:
    """A turn of the conversation that the messages continue, or of a new one that begins with them."""
    earlier, last = messages[:-1], messages[-1]
    known = await asyncio.to_thread(chat.continued_by, who, earlier) if earlier else None
    system = messages[0].content if messages[0].role == "system" else ""
    context = () if known else earlier[1:] if system else earlier
    return await chat.ask(
        who,
        last.content,
        mode="chat",
        after=known,
        contestants=[model],
        system=system,
        context=context,
        params=params,
        key=key,
    )


async def _of_turn(chat: Chat, who: Person, turn: str, *, answering: _Answering) -> AsyncGenerator[str, None]:
    """The text of a recorded turn as it grows; the last client that goes away ends it."""
    sent = 0
    ended = False
    _FOLLOWED[turn] += 1
    try:
        async for reply in chat.follow(who, turn):
            ended = reply.finish is not None
            if len(reply.text) > sent:
                yield reply.text[sent:]
                sent = len(reply.text)
            if reply.finish == "error":
                raise EngineError(reply.error)
            if reply.finish == "cut":  # a part must not pass for the whole, also when the request is sent again
                raise AnswerCut("This answer was stopped before its end. Ask again, not under the same key.")
            if reply.finish:
                answering.ended(reply.finish, prompt=reply.prompt_tokens, completion=reply.completion_tokens)
    finally:
        _FOLLOWED[turn] -= 1
        if not _FOLLOWED[turn]:
            del _FOLLOWED[turn]
            if not ended:
                await asyncio.shield(chat.stop(who, turn))


async def _straight(pieces: AsyncIterator[Piece], answering: _Answering) -> AsyncGenerator[str, None]:
    async for piece in pieces:
        if piece.text:
            yield piece.text
        if piece.finish:
            answering.ended(piece.finish, prompt=piece.prompt_tokens, completion=piece.completion_tokens)


async def _whole(pieces: AsyncIterator[str], request: Request) -> str:
    """All of the text; given up when the client is gone."""

    async def gather() -> str:
        return "".join([piece async for piece in pieces])

    task = asyncio.create_task(gather())
    while not task.done():
        await asyncio.wait([task], timeout=_GONE_S)
        if not task.done() and await request.is_disconnected():
            task.cancel()
            await asyncio.wait([task])
            return ""
    return task.result()


async def _chunks(
    pieces: AsyncGenerator[str, None], answering: _Answering, *, usage: bool
) -> AsyncGenerator[str, None]:
    head = answering.head("chat.completion.chunk")

    def chunk(delta: dict[str, str], finish: str | None = None) -> str:
        return _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    # What belongs together goes out together: each send is a call of the system, and wakes who reads.
    begin = chunk({"role": "assistant", "content": ""})
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                yield begin + chunk({"content": piece})
                begin = ""
    except FtchatError as err:
        yield Last(begin + _event({"error": {"type": err.type, "message": err.message}}))
        return
    counted = _event({**head, "choices": [], "usage": answering.usage}) if usage else ""
    yield Last(begin + chunk({}, answering.finish) + counted + "data: [DONE]\n\n")


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
