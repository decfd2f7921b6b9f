"""Votes, thumbs, corrections and redrafts as calls take and give them."""

from typing import Literal

from pydantic import BaseModel, Field

from ftchat.records import Winner
from ftchat.web.shapes import Reasons, Text, shown_as


class VoteIn(BaseModel):
    """Who was better."""

    model_config = shown_as(turn="t_...", winner="left", reasons={"right": ["too long"]})
    turn: Text
    winner: Winner
    reasons: dict[Literal["left", "right"], Reasons] | None = None
    comment: Text = ""


class Sides(BaseModel):
    """Who stood where."""

    left: str
    right: str


class VoteOut(BaseModel):
    """The vote as it was saved, and whose the answers were."""

    vote: str
    contestants: Sides


class ReasonsIn(BaseModel):
    """Why one voted as one did; replaces what was said before."""

    model_config = shown_as(reasons={"left": ["clear"]}, comment="It names the price.")
    reasons: dict[Literal["left", "right"], Reasons] | None = None
    comment: Text = ""


class RatingIn(BaseModel):
    """A thumb."""

    model_config = shown_as(reply="r_...", value="up", reasons=["clear"])
    reply: Text
    value: Literal["up", "down"]
    reasons: Reasons | None = None
    comment: Text = ""


class RatingOut(BaseModel):
    """The rating's id."""

    rating: str


class CorrectionIn(BaseModel):
    """What a reply should have been."""

    model_config = shown_as(reply="r_...", text="JASMINE TEA: 4 euros.")
    reply: Text
    text: Text
    instruction: Text = Field("", description="when the model wrote it: by which instruction")


class CorrectionOut(BaseModel):
    """The correction's id."""

    correction: str


class SimilarAnswer(BaseModel):
    """Another answer, and what the same change would make of it."""

    reply: str
    turn: str
    prompt: str
    before: str
    after: str


class SimilarOut(BaseModel):
    """What a correction would change in other answers."""

    correction: str
    words: str = Field(description="what the change is, or why it cannot be carried over")
    found: int = Field(description="recent answers that it fits, of which the newest 20 are in items")
    items: list[SimilarAnswer]


class SimilarIn(BaseModel):
    """Which answers to correct in the same way: at most 20."""

    model_config = shown_as(replies=["r_..."])
    replies: list[Text]


class CorrectionsOut(BaseModel):
    """The ids of corrections, in the order of the answers."""

    corrections: list[str]


class UndoneOut(BaseModel):
    """Feedback that was taken back."""

    vote: str | None = None
    rating: str | None = None
    correction: str | None = None
    undone: bool


class RedraftIn(BaseModel):
    """How a reply should change."""

    model_config = shown_as(reply="r_...", instruction="shorter, and name the price in euros")
    reply: Text
    instruction: Text
    text: Text = Field("", description="what to rewrite instead of the reply, when it was changed already")


class RedraftOut(BaseModel):
    """A proposal: nothing is saved until it is given as a correction."""

    text: str
