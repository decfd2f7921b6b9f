"""Pins over HTTP: what must still be answered; every exam asks them of the candidate and of the champion."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from ftchat.records import clean_text
from ftchat.web.common import Key, PartsOf, Reviewer
from ftchat.web.repeats import RepeatsOf
from ftchat.web.shapes.pins import PinGone, PinIn, PinOut, PinPage

router = APIRouter(prefix="/api/pins", tags=["pins"])


@router.get("", response_model=PinPage)
def pins(parts: PartsOf, who: Reviewer) -> Any:
    """All pins, newest first."""
    return {"items": [asdict(pin) for pin in parts.store.exams.pins()]}


@router.post("", status_code=201, response_model=PinOut)
def pin(body: PinIn, parts: PartsOf, who: Reviewer, key: Key, repeats: RepeatsOf) -> Any:
    """Pin a question: an adapter that answers it otherwise is not promoted by its exam."""
    prompt = clean_text(body.prompt, what="The pinned question")

    def add() -> dict[str, Any]:
        made = parts.pipeline.pin(who.name, prompt, contains=body.contains, lacks=body.lacks, matches=body.matches)
        return asdict(made)

    return repeats.at_once(who, key, add)


@router.delete("/{pin}", response_model=PinGone)
def remove(pin: str, parts: PartsOf, who: Reviewer) -> Any:
    """Demand it no longer."""
    parts.store.exams.remove_pin(pin)
    return {"pin": pin, "deleted": True}
