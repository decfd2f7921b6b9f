"""Is it alive, can it answer, and what has it done: for load balancers and Prometheus."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel

from ftchat.web.common import PartsOf, Viewer

router = APIRouter(tags=["health"])


class ReadyOut(BaseModel):
    """Where the engine stands."""

    ready: bool
    stage: str
    reason: str


_WAITING: dict[int | str, dict[str, Any]] = {503: {"model": ReadyOut, "description": "Not yet; Retry-After"}}


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The app runs."""
    return {"status": "ok"}


@router.get("/readyz", response_model=ReadyOut, responses=_WAITING)
def readyz(request: Request, parts: PartsOf) -> JSONResponse:
    """The engine can answer; until then 503 with its stage, and the reason for who is logged in: it may name paths."""
    stage, reason = parts.pipeline.engine_stage()
    reason = reason if parts.entry(request) is not None else ""
    body = {"ready": stage == "ready", "stage": stage, "reason": reason}
    return JSONResponse(body) if stage == "ready" else JSONResponse(body, 503, {"Retry-After": "5"})


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(parts: PartsOf, who: Viewer) -> PlainTextResponse:
    """What Prometheus reads. Counters begin anew with each start of the app; a turn's replies count when all ended."""
    in_flight, tallies = parts.chat.figures()
    by_kind = parts.store.feedback.counts()
    ready = parts.pipeline.engine_stage()[0] == "ready"
    blocks = [
        _metric("ready", "gauge", "1 when the engine can answer", [("", int(ready))]),
        _metric("answers_in_flight", "gauge", "answers being written", [("", in_flight)]),
        _metric("feedback", "gauge", "feedback that stands", [(_kind(what), n) for what, n in by_kind.items()]),
    ]
    for name, help_text in _TALLIED.items():
        samples = [(f'contestant="{them}"', getattr(tally, name)) for them, tally in tallies.items()]
        blocks.append(_metric(f"{name}_total", "counter", help_text, samples))
    return PlainTextResponse("".join(blocks), media_type="text/plain; version=0.0.4")


_TALLIED = {
    "replies": "replies of turns that have ended",
    "errors": "replies that ended in an error",
    "tokens": "tokens written",
    "ttft_ms": "milliseconds to the first token, summed over replies",
}


def _kind(what: str) -> str:
    kind, status = what.split("/")
    return f'kind="{kind}",status="{status}"'


def _metric(name: str, kind: str, help_text: str, samples: Iterable[tuple[str, float]]) -> str:
    head = f"# HELP ftchat_{name} {help_text}\n# TYPE ftchat_{name} {kind}\n"
    return head + "".join(f"ftchat_{name}{{{labels}}} {value:g}\n" for labels, value in samples)
