"""Pins, and how everyone does on today's exam, as calls take and give them."""

from pydantic import BaseModel, Field

from ftchat.web.shapes import Text, shown_as


class PinIn(BaseModel):
    """What must still be answered, whatever is taught."""

    model_config = shown_as(prompt="Do you deliver?", contains=["yes"], lacks=["no idea"])
    prompt: Text
    contains: list[Text] = Field(default=[], description="texts that the answer has; case does not matter")
    lacks: list[Text] = Field(default=[], description="texts that it does not have")
    matches: Text = Field(default="", description="a regular expression that is found in it")


class PinOut(BaseModel):
    """A pin."""

    id: str
    prompt: str
    contains: list[str]
    lacks: list[str]
    matches: str
    by: str
    created_at: str


class PinPage(BaseModel):
    """All of them, newest first."""

    items: list[PinOut]


class PinGone(BaseModel):
    """A pin that is demanded no longer."""

    pin: str
    deleted: bool


class StandingOut(BaseModel):
    """How one contestant does on today's exam rows."""

    contestant: str
    state: str = Field(description="of an adapter; empty for base and few-shot")
    created_at: str | None
    rows: int = Field(description="exam rows that it is scored on so far")
    nll: float | None = Field(description="nats a token of what people wanted; lower is better")
    closer: int | None = Field(description="rows on which that is lower than base's")


class ProgressOut(BaseModel):
    """Everyone on the same rows: what is missing is measured meanwhile."""

    rows: int
    complete: bool
    trouble: str
    items: list[StandingOut]
