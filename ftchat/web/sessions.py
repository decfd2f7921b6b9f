"""Rating sessions over HTTP: a list of questions that are answered ahead, to be judged one after the other."""

from functools import partial
from typing import Any

from fastapi import APIRouter

from ftchat.store.sessions import Session
from ftchat.web.common import Key, PartsOf, Rater
from ftchat.web.repeats import RepeatsOf
from ftchat.web.shapes.turns import NextOut, SessionIn, SessionOut, SessionPage, SessionWhole, SkipIn
from ftchat.web.turns import shown

router = APIRouter(prefix="/api/sessions", tags=["sessions"])


@router.post("", status_code=201, response_model=SessionOut)
async def create(body: SessionIn, parts: PartsOf, who: Rater, key: Key, repeats: RepeatsOf) -> Any:
    """Begin a session: its questions are answered ahead, blind."""
    made = await repeats.once(who, key, lambda: parts.sessions.create(who, body.prompts, title=body.title))
    return _item(parts.store.sessions.get(made, owner=who.name))


@router.get("", response_model=SessionPage)
def sessions(parts: PartsOf, who: Rater) -> Any:
    """One's own sessions, newest first."""
    return {"items": [_item(session) for session in parts.sessions.of(who)]}


@router.get("/{session}", response_model=SessionWhole)
def session(session: str, parts: PartsOf, who: Rater) -> Any:
    """One session, with the questions that were left out."""
    left_out = [{"prompt": item.prompt, "why": item.skipped} for item in parts.sessions.left_out(who, session)]
    return {**_item(parts.store.sessions.get(session, owner=who.name)), "left_out": left_out}


@router.get("/{session}/next", response_model=NextOut, response_model_exclude_unset=True)
async def next_(session: str, parts: PartsOf, who: Rater) -> Any:
    """The first question that is not judged yet. Vote on its turn, and the one after it is next."""
    found = await parts.sessions.next(who, session)
    answer = {
        "session": _item(found.session),
        "prompt": found.prompt,
        "ready": found.ready,
        "waiting": found.waiting,
    }
    return {**answer, "turn": shown(found.turn)} if found.turn else answer


@router.post("/{session}/skip", response_model=SessionOut)
async def skip(session: str, body: SkipIn, parts: PartsOf, who: Rater, key: Key, repeats: RepeatsOf) -> Any:
    """Leave out the question of a turn."""

    async def leave_out() -> None:
        await parts.store.soon(partial(parts.sessions.skip, who, session, body.turn))

    await repeats.once(who, key, leave_out)
    return _item(parts.store.sessions.get(session, owner=who.name))


@router.post("/{session}/end", response_model=SessionOut)
async def end(session: str, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Close a session: what was judged stays, nothing more is asked. Twice is once."""
    await parts.sessions.end(who, session)
    return _item(parts.store.sessions.get(session, owner=who.name))


def _item(session: Session) -> dict[str, Any]:
    names = ("id", "title", "created_at", "total", "voted", "skipped", "left", "done")
    return {name: getattr(session, name) for name in names}
