"""Is it alive, can it answer, and what has it done: for load balancers and Prometheus."""

from collections.abc import Iterable

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from ftchat.web.common import PartsOf

router = APIRouter()


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The app runs."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(parts: PartsOf) -> JSONResponse:
    """The engine can answer; until then 503 with its stage."""
    stage, reason = parts.pipeline.engine_stage()
    body = {"ready": stage == "ready", "stage": stage, "reason": reason}
    return JSONResponse(body) if stage == "ready" else JSONResponse(body, 503, {"Retry-After": "5"})


@router.get("/metrics")
def metrics(parts: PartsOf) -> PlainTextResponse:
    """What Prometheus reads. Counters begin anew with each start of the app."""
    in_flight, tallies = parts.chat.figures()
    by_kind = parts.store.feedback.counts()
    ready = parts.pipeline.engine_stage()[0] == "ready"
    blocks = [
        _metric("ready", "gauge", "1 when the engine can answer", [("", int(ready))]),
        _metric("answers_in_flight", "gauge", "answers being written", [("", in_flight)]),
        _metric("feedback", "gauge", "feedback that stands", [(_kind(what), n) for what, n in by_kind.items()]),
    ]
    for name, help_text in _TALLIED.items():
        samples = [(f'contestant="{who}"', getattr(tally, name)) for who, tally in tallies.items()]
        blocks.append(_metric(f"{name}_total", "counter", help_text, samples))
    return PlainTextResponse("".join(blocks), media_type="text/plain; version=0.0.4")


_TALLIED = {
    "replies": "replies that have ended",
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
