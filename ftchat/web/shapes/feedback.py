"""Feedback in the queue of review, and files of it, as calls take and give them."""

from pydantic import BaseModel, Field

from ftchat.records import Split, Status
from ftchat.store.pages import Kind
from ftchat.web.shapes import Text, shown_as


class FeedbackItem(BaseModel):
    """One vote, rating or correction."""

    id: str
    kind: Kind
    status: Status
    rater: str
    turn: str
    reply: str | None = Field(description="null for a vote")
    prompt: str
    value: str = Field(description="the winner, up or down, or the corrected text")
    original: str = Field(description="what was rated or corrected")
    contestant: str
    split: Split | None = Field(description="null until something of its group was approved")
    created_at: str


class FeedbackPage(BaseModel):
    """Newest first; `next` is the `after` of the page that follows."""

    items: list[FeedbackItem]
    next: str | None


class ReviewIn(BaseModel):
    """What to decide on, of any kind."""

    model_config = shown_as(ids=["k_...", "v_..."], status="approved")
    ids: list[Text]
    status: Status


class ReviewOut(BaseModel):
    """How many had another status before."""

    status: Status
    changed: int


class ImportOut(BaseModel):
    """The feedback that is new, and how many lines were there already."""

    imported: int
    skipped: int
    ids: list[str]
