"""What was made from what, as calls give it."""

from typing import Any

from pydantic import BaseModel, Field

from ftchat.records import AdapterState, RowRole, Split
from ftchat.store.pages import Kind


class IngredientOut(BaseModel):
    """One piece of feedback that an adapter was made from, or examined by."""

    feedback: str
    kind: Kind
    role: RowRole
    split: Split
    rater: str
    prompt: str
    value: str = Field(description="the winner, up or down, or the corrected text")
    through: str = Field(description="the adapter whose own run had it")
    stands: bool = Field(description="false when it was taken back, withdrawn or rejected since")


class HeldOut(BaseModel):
    """How much is in an adapter, by split; and how much of what trained it no longer stands."""

    train: int
    tune: int
    exam: int
    gone: int


class IngredientPage(BaseModel):
    """By id; `next` is the `after` of the page that follows."""

    adapter: str
    counts: HeldOut
    items: list[IngredientOut]
    next: str | None


class HolderOut(BaseModel):
    """An adapter that a piece of feedback is in, or that it examined."""

    adapter: str
    state: AdapterState
    split: Split
    created_at: str


class TracedOut(BaseModel):
    """Where a piece of feedback went."""

    feedback: str
    adapters: list[HolderOut]
    words: str


class WithdrawnOut(BaseModel):
    """What became of a withdrawal."""

    person: str
    feedback: int
    adapters: dict[str, int] = Field(description="that were made from it, with how many pieces")
    retrain: dict[str, Any] | None = Field(description="what POST /api/runs takes to make one without it")
    words: str
