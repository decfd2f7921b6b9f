"""The things ftchat talks about, as frozen values that refuse nonsense.

A record knows its own bounds. It does not know where it is kept or who may see it.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ftchat.errors import BadInput
from ftchat.ids import id_at as id_at
from ftchat.ids import ids_after as ids_after
from ftchat.ids import new_id as new_id

Role = Literal["system", "user", "assistant"]
Standing = Literal["viewer", "rater", "reviewer", "admin"]
Mode = Literal["chat", "compare"]
LaneName = Literal["only", "left", "right"]
Finish = Literal["stop", "length", "cut", "error"]
Winner = Literal["left", "right", "tie", "both_bad"]
Split = Literal["train", "tune", "exam"]
Status = Literal["pending", "approved", "rejected"]
AdapterState = Literal["candidate", "challenger", "champion", "retired", "rejected", "broken"]
Stage = Literal["queued", "snapshot", "train", "exam", "publish", "done", "rejected", "stopped", "failed"]
Decision = Literal["PROMOTE", "REJECT", "INSUFFICIENT"]
RowRole = Literal["target", "pair", "positive", "negative", "tie"]

STANDINGS: tuple[Standing, ...] = ("viewer", "rater", "reviewer", "admin")  # each may what those before it may
WINNERS: tuple[Winner, ...] = ("left", "right", "tie", "both_bad")
ROW_ROLES: tuple[RowRole, ...] = ("target", "pair", "positive", "negative", "tie")
DECIDING: tuple[RowRole, ...] = ("target", "pair")  # what a verdict counts: they say that one text is better
ENDED: tuple[Stage, ...] = ("done", "rejected", "stopped", "failed")
BASE = "base"
FEW_SHOT = "few-shot"
CHAMPION = "champion"

GOOD_REASONS = ("right voice", "useful detail", "clear", "complete")
BAD_REASONS = ("too plain", "wrong fact", "did not follow", "too long", "refused")

MAX_TEXT = 100_000  # characters of one prompt or correction
MAX_COMMENT = 2_000
MAX_INSTRUCTION = 1_000


def now() -> str:
    """The time in UTC, for people to read; order is by id."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def clean_text(text: object, *, what: str, limit: int = MAX_TEXT, may_be_empty: bool = False) -> str:
    """The text as it may be stored: a string within the limit, lone surrogates replaced, not empty unless it may be."""
    if not isinstance(text, str):
        raise BadInput(f"{what} must be a text.")
    if len(text) > limit:
        raise BadInput(f"{what} has {len(text):,} characters; at most {limit:,} are taken.")
    safe = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    if not safe.strip() and not may_be_empty:
        raise BadInput(f"{what} is empty.")
    return safe


def title_of(prompt: str) -> str:
    """A conversation's title: the beginning of its first question, on one line."""
    return " ".join(prompt.split())[:80]


def canonical(value: Any) -> str:
    """The same text for the same JSON."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def group_key(first_prompt: str) -> str:
    """What makes two conversations one group: the same first message, but for case, spacing, end marks and how its
    letters are composed."""
    said = re.sub(r"\s+", " ", unicodedata.normalize("NFC", first_prompt)).strip().casefold()
    return said.rstrip(" .!?") or said


@dataclass(frozen=True)
class Person:
    """Who is asking, and what they are here."""

    name: str
    role: Standing

    def __post_init__(self) -> None:
        """Refuse a role that the role table does not have."""
        if self.role not in STANDINGS:
            raise BadInput(f"There is no role called {self.role!r}: use {', '.join(STANDINGS)}.")

    def is_at_least(self, role: Standing) -> bool:
        """Whether they may what that role may."""
        return STANDINGS.index(self.role) >= STANDINGS.index(role)

    @property
    def reads(self) -> str | None:
        """Whose things they may read: None is everyone's, which reviewers may."""
        return None if self.is_at_least("reviewer") else self.name


@dataclass(frozen=True)
class Message:
    """One message of a conversation, as the model is shown it."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        """Refuse a role that no template knows."""
        if self.role not in ("system", "user", "assistant"):
            raise BadInput(f"A message's role is {self.role!r}: use system, user or assistant.")

    def as_dict(self) -> dict[str, str]:
        """As JSON has it."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, kw_only=True)
class Params:
    """How an answer is sampled."""

    temperature: float = 0.7
    top_p: float = 0.95
    max_tokens: int = 256
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what vLLM would choke on."""
        if not 0.0 <= self.temperature <= 2.0:
            raise BadInput(f"temperature is {self.temperature}: it must be between 0 and 2.")
        if not 0.0 < self.top_p <= 1.0:
            raise BadInput(f"top_p is {self.top_p}: it must be above 0 and at most 1.")
        if self.max_tokens < 1:
            raise BadInput(f"max_tokens is {self.max_tokens}: it must be at least 1.")
        if self.seed is not None and not -(2**63) <= self.seed < 2**63:
            raise BadInput(f"seed is {self.seed}: it must fit into 64 bits.")
        if len(self.stop) > 4 or any(not s or len(s) > 100 for s in self.stop):
            raise BadInput("stop takes up to 4 texts of 1 to 100 characters.")
        object.__setattr__(self, "stop", tuple(clean_text(s, what="A stop text", may_be_empty=True) for s in self.stop))


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One lane's answer. Once `finish` is set it never changes."""

    id: str
    turn: str
    lane: LaneName
    contestant: str  # what was asked for: base, few-shot, an adapter
    model: str  # the wire name that answered
    base: str  # fingerprint
    text: str = ""
    reasoning: str = ""
    finish: Finish | None = None
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    ttft_ms: float | None = None
    duration_ms: float | None = None
    examples: tuple[str, ...] = ()  # few-shot: the corrections that were in the prompt
    trimmed: int = 0  # earlier turns that did not fit into the prompt and were left out


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One user message and its replies."""

    id: str
    conversation: str
    owner: str
    mode: Mode
    prompt: str
    blind: bool
    parent: str | None
    params: Params
    created_at: str
    replies: tuple[Reply, ...] = ()

    def reply(self, lane: LaneName) -> Reply:
        """The reply of one lane."""
        for reply in self.replies:
            if reply.lane == lane:
                return reply
        raise BadInput(f"This turn has no lane called {lane!r}.")


def carried_on(replies: Sequence[Reply], lane: LaneName, *, corrected: Iterable[str | None], winner: str | None) -> str:
    """What later turns of a lane see as the answer: what it was corrected to, else the vote's winner, else the lane's
    own reply, else the other one."""
    if text := next(filter(None, corrected), None):
        return text
    order = sorted(replies, key=lambda reply: (reply.lane != (winner or lane), reply.lane != lane))
    return next((reply.text for reply in order if reply.text.strip()), "")


@dataclass(frozen=True)
class Conversation:
    """Turns under one first message."""

    id: str
    owner: str
    title: str
    system: str
    created_at: str
    context: tuple[Message, ...] = ()  # what was said before its first turn, as an API client gave it

    @property
    def head(self) -> tuple[Message, ...]:
        """What stands before its first turn: the system message, if any, and the context."""
        system = (Message("system", self.system),) if self.system.strip() else ()
        return (*system, *self.context)


@dataclass(frozen=True, kw_only=True)
class Vote:
    """Who was better on one compare turn."""

    id: str
    turn: str
    rater: str
    winner: Winner
    blind: bool
    created_at: str
    left: str  # contestants
    right: str
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by lane
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Given:
    """The correction and the thumb that someone gave on a reply; their ids are what undo takes."""

    correction: str | None = None
    corrected: str | None = None
    rating_id: str | None = None
    rating: str | None = None
    reasons: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Votes between one contestant and another, or all others, as the first one's."""

    wins: int = 0
    losses: int = 0
    ties: int = 0
    both_bad: int = 0

    @property
    def votes(self) -> int:
        """Votes that say who is better; both_bad does not."""
        return self.wins + self.losses + self.ties

    @property
    def shown(self) -> int:
        """All votes."""
        return self.votes + self.both_bad


@dataclass(frozen=True, kw_only=True)
class Ballots:
    """The blind votes on contestants of one base that count, as numbers; and why others do not."""

    counts: Mapping[tuple[str, str, Winner], int]  # by left, right and winner
    raters: Mapping[str, int]  # votes of each that count
    excluded: Mapping[str, int]  # by reason

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Who stood left and right of each other."""
        return tuple(sorted({(left, right) for left, right, _ in self.counts}))

    def contestants(self) -> tuple[str, ...]:
        """Everyone who was voted on."""
        return tuple(sorted({name for pair in self.pairs() for name in pair}))

    def between(self, name: str, other: str) -> Score:
        """How one did against another, on either side."""

        def seen(winner: Winner, mirrored: Winner) -> int:
            return self.counts.get((name, other, winner), 0) + self.counts.get((other, name, mirrored), 0)

        return Score(
            wins=seen("left", "right"),
            losses=seen("right", "left"),
            ties=seen("tie", "tie"),
            both_bad=seen("both_bad", "both_bad"),
        )

    def of(self, name: str) -> Score:
        """How one did against all others."""
        scores = [self.between(name, other) for other in self.contestants() if other != name]
        return Score(
            wins=sum(score.wins for score in scores),
            losses=sum(score.losses for score in scores),
            ties=sum(score.ties for score in scores),
            both_bad=sum(score.both_bad for score in scores),
        )


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """One vote, rating or correction as review and training see it."""

    id: str
    kind: Literal["vote", "rating", "correction"]
    status: Status
    rater: str
    turn: str
    reply: str | None
    prompt: str
    group: str
    split: Split | None
    created_at: str
    value: str  # the winner, up or down, or the corrected text
    original: str  # the text that was corrected or rated
    contestant: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a snapshot: what a piece of feedback becomes for the trainer."""

    id: str
    role: RowRole
    split: Split
    weight: float
    group: str
    messages: tuple[Message, ...]
    target: str
    rejected: str | None
    rater: str

    def __post_init__(self) -> None:
        replies_fit = self.role == "target" or (self.rejected is not None) == (self.role in ("pair", "tie"))
        if self.role not in ROW_ROLES or not self.target or not 0.0 < self.weight <= 100.0 or not replies_fit:
            raise BadInput(f"Row {self.id}: role {self.role!r}, weight {self.weight}, or its replies do not fit it.")


@dataclass(frozen=True)
class Replay:
    """A question that is not taught, with base's own answer, which must stay as it is: against forgetting."""

    messages: tuple[Message, ...]
    answer: str


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A published adapter folder and where it stands."""

    name: str
    base: str
    state: AdapterState
    run: str | None
    created_at: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an exam concluded, in words first."""

    decision: Decision
    reasons: tuple[str, ...]
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One press of Retrain."""

    id: str
    stage: Stage
    by: str
    created_at: str
    progress: float = 0.0
    eta_s: float | None = None
    adapter: str | None = None
    snapshot: str | None = None
    reason: str = ""
    verdict: Verdict | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.stage in ENDED
