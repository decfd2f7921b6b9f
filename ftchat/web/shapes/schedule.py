"""The schedule, as calls give it."""

from datetime import datetime

from pydantic import BaseModel, Field


class LookedOut(BaseModel):
    """What came of the last look that could have begun a run."""

    at: datetime
    run: str | None
    reason: str


class ToldOut(BaseModel):
    """What came of telling about one run."""

    run: str
    status: int | None
    tries: int
    trouble: str = Field(description="empty when it was taken")
    created_at: str


class WebhookOut(BaseModel):
    """Who is told when a run has ended, without path and secrets; empty when nobody is."""

    address: str
    last: ToldOut | None


class ScheduleOut(BaseModel):
    """Where the schedule stands."""

    when: str = Field(description="off, new, or a cron expression")
    words: str
    next_at: datetime | None
    needed: int = Field(description="new pieces of approved feedback that are enough")
    new: int
    last: LookedOut | None
    webhook: WebhookOut | None = Field(description="null for those who are not admins")
