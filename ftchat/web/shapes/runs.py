"""Runs and adapters as calls take and give them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ftchat.records import AdapterState, Decision, Stage
from ftchat.web.shapes import Text, shown_as


class RunIn(BaseModel):
    """What to run: quick, normal or thorough, and training arguments to override."""

    model_config = shown_as(effort="quick")
    effort: Text = "normal"
    args: dict[Text, Any] = {}


class RunItem(BaseModel):
    """A run in a list."""

    id: str
    stage: Stage
    progress: float
    eta_s: float | None
    verdict: Decision | None
    reasons: list[str]
    adapter: str | None
    snapshot: str | None
    created_at: str


class MetricsOut(BaseModel):
    """Curves so far: pairs of step and loss."""

    step: int
    steps: int
    loss: list[tuple[int, float]]
    tune: list[tuple[int, float]]
    plan: dict[str, Any]


class SampleOut(BaseModel):
    """A question while it is learned."""

    prompt: str
    taught: bool
    before: str
    wanted: str | None
    now: str


class TrialOut(BaseModel):
    """Where the blind votes on an adapter stand that its exam could not decide about."""

    adapter: str
    champion: str
    wins: int
    losses: int
    decided: str = Field(description="better, worse, or empty")
    more: int | None = Field(description="decisive votes that are missing at this rate")
    words: str


class RunOut(RunItem):
    """A run as it stands."""

    headline: str
    metrics: MetricsOut
    samples: list[SampleOut]
    trial: TrialOut | None


class RunPage(BaseModel):
    """Newest first."""

    items: list[RunItem]


class Lineage(BaseModel):
    """Where an adapter comes from."""

    model_config = ConfigDict(extra="allow")
    run: str | None
    base: str = Field(description="the fingerprint of the base it belongs to")
    snapshot: str | None = None
    base_name: str | None = None
    parent: str | None = Field(default=None, description="the adapter that its training went on from, or base")


class AdapterOut(BaseModel):
    """An adapter, where it stands, where it comes from, and what its exam measured."""

    name: str
    state: AdapterState
    run: str | None
    created_at: str
    reasons: list[str]
    lineage: Lineage
    verdict: Decision | None
    scores: dict[str, Any]


class AdapterPage(BaseModel):
    """The adapters of the base, newest first, and who is in service."""

    champion: str
    items: list[AdapterOut]


class AdapterWhole(AdapterOut):
    """One adapter, with the feedback that trained it."""

    trained_on: list[str]


class DeletedOut(BaseModel):
    """An adapter that is gone."""

    adapter: str
    deleted: bool


class ChampionOut(BaseModel):
    """Who is in service now."""

    champion: str
