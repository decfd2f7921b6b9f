"""Turns, conversations and rating sessions as calls take and give them."""

from typing import Literal

from pydantic import BaseModel, Field

from ftchat.records import Finish, LaneName, Mode, Winner
from ftchat.web.shapes import Text, shown_as


class ParamsIn(BaseModel):
    """Sampling of one turn; what is left out is the setting's."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[Text] | None = None


class TurnIn(BaseModel):
    """A prompt, and who answers it."""

    model_config = shown_as(prompt="What does the Jasmine Tea cost?", mode="compare")
    prompt: Text
    conversation: Text | None = Field(None, description="continue this one; without it a new one begins")
    after: Text | None = Field(None, description="the turn to follow, when it is not the newest of its conversation")
    mode: Mode = "chat"
    contestants: list[Text] | None = Field(None, description="champion, base, few-shot or adapters: one, or two")
    blind: bool = Field(True, description="compare: names and sides stay hidden until the vote")
    system: Text = ""
    params: ParamsIn = ParamsIn()
    stream: bool = Field(False, description="answer with server-sent events: turn, delta, reply, end")


class AnotherIn(BaseModel):
    """Another answer to a turn's question, or with a prompt to another wording of it."""

    prompt: Text | None = None
    contestants: list[Text] | None = None
    params: ParamsIn | None = None
    stream: bool = False


class LaneOut(BaseModel):
    """One answer. Names, counts and times are missing while they are hidden."""

    lane: LaneName
    reply: str
    text: str
    finish: Finish | None = Field(description="null while it is being written")
    error: str | None = None
    contestant: str | None = None
    tokens: int | None = None
    ttft_ms: float | None = None
    corrected: str | None = Field(None, description="the asker's correction")
    correction: str | None = Field(None, description="its id")
    rated: Literal["up", "down"] | None = None
    rating: str | None = Field(None, description="its id")
    trimmed: int | None = Field(None, description="earlier turns that did not fit into the prompt")


class TurnOut(BaseModel):
    """One user message and its answers."""

    turn: str
    conversation: str
    mode: Mode
    prompt: str
    blind: bool
    lanes: list[LaneOut]
    vote: Winner | None = None
    parent: str | None = None
    siblings: list[str] = Field([], description="other answers to this question and wordings of it, oldest first")


class ConversationItem(BaseModel):
    """A conversation in a list."""

    id: str
    title: str
    created_at: str


class ConversationPage(BaseModel):
    """Newest first; `next` is the `before` of the page after this one."""

    items: list[ConversationItem]
    next: str | None


class ConversationOut(BaseModel):
    """A conversation with its turns, oldest first; `path` are those of its newest branch."""

    id: str
    title: str
    system: str
    created_at: str
    turns: list[TurnOut]
    path: list[str]


class SessionIn(BaseModel):
    """Questions: a list, or a pasted text with one a line."""

    model_config = shown_as(prompts=["What does the brie cost?", "Do you deliver?"], title="Prices")
    prompts: list[Text] | Text
    title: Text = ""


class SessionOut(BaseModel):
    """A list of questions and how far it is."""

    id: str
    title: str
    created_at: str
    total: int
    voted: int
    skipped: int
    left: int
    done: bool


class SessionPage(BaseModel):
    """Newest first."""

    items: list[SessionOut]


class LeftOut(BaseModel):
    """A question that was skipped."""

    prompt: str
    why: str


class SessionWhole(SessionOut):
    """A session with the questions that were left out."""

    left_out: list[LeftOut]


class SkipIn(BaseModel):
    """The turn whose question is left out."""

    model_config = shown_as(turn="t_...")
    turn: Text


class NextOut(BaseModel):
    """What to judge next; without a turn, `waiting` says why, or the session is done."""

    session: SessionOut
    turn: TurnOut | None = None
    prompt: str
    ready: int = Field(description="answered questions that wait, this one among them")
    waiting: str
