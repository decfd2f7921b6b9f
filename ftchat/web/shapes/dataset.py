"""What a snapshot made now would hold, as calls give it."""

from pydantic import BaseModel, ConfigDict, Field

from ftchat.dataset import Why
from ftchat.records import RowRole, Split


class ShareOut(BaseModel):
    """What one person's feedback weighs in training."""

    name: str
    rows: int
    weight: float = Field(description="of each of their rows; below 1 where they would outweigh the others")
    share: float


class LengthsOut(BaseModel):
    """How long what was chosen is beside what was rejected, in characters."""

    pairs: int
    median_ratio: float
    longer: int


class HintOut(BaseModel):
    """Something that may be personal or secret: in which row, and how it begins."""

    row: str
    kind: str
    where: str
    shown: str


class DroppedOut(BaseModel):
    """How much feedback becomes no row for one reason."""

    why: Why
    count: int
    words: str


class CardOut(BaseModel):
    """What a press of Retrain would use now."""

    model_config = ConfigDict(extra="allow")
    corrections: int
    train: int
    tune: int
    exam: int
    exam_groups: int
    pending: int
    votes: int
    new: int = Field(description="rows that the last adapter was not made from")
    enough: bool
    advice: str
    becomes: dict[str, dict[str, int]] = Field(description="rows by split, then role")
    dropped: list[DroppedOut] = Field(description="feedback that becomes no row, by reason")
    duplicates: int
    contradictions: int
    people: list[ShareOut]
    lengths: LengthsOut | None
    personal: list[HintOut] = Field(description="the first fifty")
    personal_rows: int
    notes: list[str]


class BecameOut(BaseModel):
    """One piece of feedback, or one half of it, and what it becomes."""

    id: str = Field(description="of the feedback; with left or right after it where both replies of a vote become one")
    role: RowRole
    split: Split | None = Field(description="null when it becomes no row")
    weight: float | None
    rater: str
    why: str = Field(description="why it becomes no row; empty when it does")
    of: str | None = Field(description="the row that stands instead")
    personal: list[str]


class BecamePage(BaseModel):
    """By id; `next` is the `after` of the page that follows."""

    items: list[BecameOut]
    next: str | None
