"""When ftchat retrains by itself, and whom it tells, over HTTP. Both are settings: here they are only read."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from ftchat.web.common import PartsOf, Viewer
from ftchat.web.shapes.schedule import ScheduleOut

router = APIRouter(prefix="/api", tags=["runs"])


@router.get("/schedule", response_model=ScheduleOut)
def schedule(parts: PartsOf, who: Viewer) -> Any:
    """Where the schedule stands, in words: when it looks next, or why it does not begin a run."""
    webhook = None
    if who.is_at_least("admin"):
        last = parts.webhook.last()
        webhook = {"address": parts.webhook.host, "last": asdict(last) if last else None}
    return {**asdict(parts.schedule.state()), "webhook": webhook}
