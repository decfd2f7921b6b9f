"""Runs over HTTP: press, watch, stop; and what came of all of them on today's exam."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from ftchat import exam
from ftchat.pipeline import Pipeline
from ftchat.progress import RunSeen
from ftchat.records import Person, Run
from ftchat.web.common import Admin, Key, PartsOf, Viewer
from ftchat.web.repeats import RepeatsOf
from ftchat.web.shapes import EVENTS
from ftchat.web.shapes.pins import ProgressOut
from ftchat.web.shapes.runs import RunIn, RunOut, RunPage

router = APIRouter(prefix="/api", tags=["runs"])
_EVERY_S = 0.5
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events named run, each with the run as JSON",
        "content": EVENTS,
    }
}


@router.post("/runs", status_code=201, response_model=RunOut)
async def press(body: RunIn, parts: PartsOf, who: Admin, key: Key) -> Any:
    """Press Retrain. While a run is on, 409 with its id."""
    run = await parts.pipeline.press(who.name, effort=body.effort, args=body.args, key=key)
    return shown(parts.pipeline.seen(run.id), who)


@router.get("/runs", response_model=RunPage)
def runs(parts: PartsOf, who: Viewer) -> Any:
    """The last fifty runs, newest first."""
    return {"items": [_item(run, who) for run in parts.store.training.runs()]}


@router.get("/runs/{run}", response_model=RunOut)
def run(run: str, parts: PartsOf, who: Viewer) -> Any:
    """One run, as it stands."""
    return shown(parts.pipeline.seen(run), who)


@router.get("/runs/{run}/events", response_class=StreamingResponse, responses=_EVENTS)
def events(run: str, parts: PartsOf, who: Viewer) -> Any:
    """The run each time it changes, until it has ended."""
    parts.store.training.run(run)
    return StreamingResponse(_events(parts.pipeline, run, who), media_type="text/event-stream")


@router.post("/runs/{run}/again", status_code=201, response_model=RunOut)
async def again(run: str, parts: PartsOf, who: Admin, key: Key) -> Any:
    """The same run once more, on the very snapshot of an earlier one and with its arguments."""
    made = await parts.pipeline.again(who.name, run, key=key)
    return shown(parts.pipeline.seen(made.id), who)


@router.post("/runs/{run}/stop", response_model=RunOut)
async def stop(run: str, parts: PartsOf, who: Admin, key: Key, repeats: RepeatsOf) -> Any:
    """Stop, and keep the best so far."""
    await repeats.once(who, key, lambda: parts.pipeline.stop(run))
    return shown(parts.pipeline.seen(run), who)


@router.get("/progress", response_model=ProgressOut)
async def standings(parts: PartsOf, who: Viewer) -> Any:
    """Every kept version, base and few-shot on today's exam rows; what is missing is measured meanwhile."""
    rows, found, complete = await parts.pipeline.progress()
    trouble = parts.pipeline.standings.trouble
    return {"rows": rows, "complete": complete, "trouble": trouble, "items": [asdict(one) for one in found]}


def shown(seen: RunSeen, who: Person) -> dict[str, Any]:
    """A run as JSON. What others asked and corrected is in it for those who may read that."""
    curves = {"loss": _finite(seen.losses), "tune": _finite(seen.tune)}
    return {
        **_item(seen.run, who),
        "headline": seen.headline,
        "metrics": {"step": seen.step, "steps": seen.steps, **curves, "plan": seen.plan},
        "samples": [asdict(show) for show in seen.shows] if who.is_at_least("reviewer") else [],
        "trial": asdict(seen.trial) if seen.trial else None,
    }


def _item(run: Run, who: Person) -> dict[str, Any]:
    reasons = list(run.verdict.reasons) if run.verdict else [run.reason] if run.reason else []
    return {
        "id": run.id,
        "stage": run.stage,
        "progress": round(run.progress, 4),
        "eta_s": run.eta_s,
        "verdict": run.verdict.decision if run.verdict else None,
        "reasons": reasons if who.is_at_least("reviewer") else exam.without_pins(reasons),
        "adapter": run.adapter,
        "snapshot": run.snapshot,
        "created_at": run.created_at,
    }


def _finite(curve: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """JSON knows no infinity; a point that is none is left out."""
    return [(step, value) for step, value in curve if math.isfinite(value)]


async def _events(pipeline: Pipeline, run: str, who: Person) -> AsyncIterator[str]:
    last = ""
    while True:
        seen = await asyncio.to_thread(pipeline.seen, run)
        body = json.dumps(shown(seen, who), ensure_ascii=False)
        if body != last:
            yield f"event: run\ndata: {body}\n\n"
            last = body
        if seen.run.ended:
            return
        await asyncio.sleep(_EVERY_S)
