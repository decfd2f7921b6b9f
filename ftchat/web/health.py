"""Is it alive, and can it answer."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

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
