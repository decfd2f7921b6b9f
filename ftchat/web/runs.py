"""Runs over HTTP: press, watch, stop."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from ftchat.pipeline import Pipeline
from ftchat.progress import RunSeen
from ftchat.web.common import Admin, Key, PartsOf, Reviewer, Viewer

router = APIRouter(prefix="/api")
_EVERY_S = 0.5


class RunIn(BaseModel):
    """What to run."""

    effort: str = "normal"
    args: dict[str, Any] = {}


@router.get("/dataset")
def dataset(parts: PartsOf, who: Reviewer) -> dict[str, Any]:
    """The card of a snapshot made now."""
    return asdict(parts.pipeline.card())


@router.post("/runs", status_code=201)
async def press(body: RunIn, parts: PartsOf, who: Admin, key: Key) -> dict[str, Any]:
    """Press Retrain."""
    run = await parts.pipeline.press(who.name, effort=body.effort, args=body.args, key=key)
    return shown(parts.pipeline.seen(run.id))


@router.get("/runs")
def runs(parts: PartsOf, who: Viewer) -> dict[str, Any]:
    """Newest first."""
    found = parts.store.training.runs()
    return {"items": [{"id": r.id, "stage": r.stage, "adapter": r.adapter, "created_at": r.created_at} for r in found]}


@router.get("/runs/{run}")
def run(run: str, parts: PartsOf, who: Viewer) -> dict[str, Any]:
    """One run, as it stands."""
    return shown(parts.pipeline.seen(run))


@router.get("/runs/{run}/events")
def events(run: str, parts: PartsOf, who: Viewer) -> StreamingResponse:
    """The run each time it changes, until it has ended."""
    parts.store.training.run(run)
    return StreamingResponse(_events(parts.pipeline, run), media_type="text/event-stream")


@router.post("/runs/{run}/stop")
async def stop(run: str, parts: PartsOf, who: Admin) -> dict[str, Any]:
    """Stop, and keep the best so far."""
    await parts.pipeline.stop(who.name, run)
    return shown(parts.pipeline.seen(run))


def shown(seen: RunSeen) -> dict[str, Any]:
    """A run as JSON."""
    run = seen.run
    return {
        "id": run.id,
        "stage": run.stage,
        "progress": round(run.progress, 4),
        "eta_s": run.eta_s,
        "headline": seen.headline,
        "metrics": {"step": seen.step, "steps": seen.steps, "loss": seen.losses, "tune": seen.tune, "plan": seen.plan},
        "samples": [asdict(show) for show in seen.shows],
        "verdict": run.verdict.decision if run.verdict else None,
        "reasons": run.verdict.reasons if run.verdict else ([run.reason] if run.reason else []),
        "adapter": run.adapter,
        "snapshot": run.snapshot,
    }


async def _events(pipeline: Pipeline, run: str) -> AsyncIterator[str]:
    last = ""
    while True:
        seen = await asyncio.to_thread(pipeline.seen, run)
        body = json.dumps(shown(seen), ensure_ascii=False)
        if body != last:
            yield f"event: run\ndata: {body}\n\n"
            last = body
        if seen.run.ended:
            return
        await asyncio.sleep(_EVERY_S)
