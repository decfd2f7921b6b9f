"""Feedback over HTTP: listed, decided on, and as files that go out and come in."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from ftchat import exports, imports, review
from ftchat.records import Feedback, Split, Status
from ftchat.store.pages import Kind
from ftchat.web.common import Admin, Key, PartsOf, Rater, Reviewer
from ftchat.web.shapes import Text
from ftchat.web.shapes.feedback import FeedbackPage, ImportOut, ReviewIn, ReviewOut

router = APIRouter(prefix="/api/feedback", tags=["feedback"])
LINES = "application/x-ndjson"
_FILE: dict[str, Any] = {"content": {LINES: {"schema": {"type": "string"}}}}


@router.get("", response_model=FeedbackPage)
def feedback(
    parts: PartsOf,
    who: Rater,
    status: Status | None = None,
    kind: Kind | None = None,
    search: Annotated[Text | None, Query(max_length=1000, description="words of a question or a correction")] = None,
    after: Annotated[Text | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Any:
    """Feedback that stands, newest first: raters see what they gave, reviewers everything."""
    found, more = review.listed(parts.store, who, status=status, kind=kind, search=search, after=after, limit=limit)
    return {"items": [_item(item) for item in found], "next": more}


@router.post("/review", response_model=ReviewOut)
def decide(body: ReviewIn, parts: PartsOf, who: Reviewer, key: Key) -> Any:
    """Approve, reject or reopen feedback of any kind: all of it, or with an unknown id none of it."""
    done = review.decide(parts.store, who, body.ids, body.status, key=key)
    return {"status": body.status, "changed": done.changed}


@router.get("/export", response_class=StreamingResponse, responses={200: {"description": "One object a line", **_FILE}})
def export(
    parts: PartsOf,
    who: Reviewer,
    format_: Annotated[exports.Format, Query(alias="format")] = "sft",
    status: Status | Literal["all"] = "approved",
    split: Annotated[Split | Literal["all"] | None, Query(description="raw: all; else train")] = None,
) -> Any:
    """Feedback as JSONL that datasets and TRL take as it is; raw holds everything and can be imported."""
    wanted = None if status == "all" else status
    lines = exports.export(parts.store, format_, status=wanted, split=split)
    name = f"{parts.settings.name}-{format_}.jsonl"
    return StreamingResponse(lines, media_type=LINES, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.post("/import", response_model=ImportOut, openapi_extra={"requestBody": {"required": True, **_FILE}})
async def import_(
    request: Request,
    parts: PartsOf,
    who: Admin,
    key: Key,
    format_: Annotated[exports.Format | None, Query(alias="format", description="else seen line by line")] = None,
) -> Any:
    """Take JSONL in: all lines or none. What is there already is skipped."""
    status: Status = "approved" if parts.settings.approve_own else "pending"
    body = await request.body()
    done = await asyncio.to_thread(
        imports.take, parts.store, body, by=who.name, status=status, format_=format_, key=key
    )
    return {"imported": len(done.ids), "skipped": done.skipped, "ids": list(done.ids)}


def _item(feedback: Feedback) -> dict[str, Any]:
    item = asdict(feedback)
    del item["group"]
    return item
