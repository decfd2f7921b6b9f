"""What an exam measured, as values: how likely each contestant finds the wanted texts, and what it answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scores:
    """NLL per token of each contestant, row by row, and on replay answers."""

    rows: tuple[str, ...]  # groups
    target: Mapping[str, tuple[float, ...]]
    replay: Mapping[str, tuple[float, ...]]
    left_out: int = 0  # rows that are longer than the model's context
    taught: int = 0  # rows whose question training saw in another conversation
    pairs: tuple[str, ...] = ()  # groups of the rows that only say which of two texts is better
    margin: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # by how much the better one is likelier
    compared: int = 0  # rows with a better and a worse text, whoever wrote them
    prefers: Mapping[str, float] = field(default_factory=dict)  # share of those with the better one likelier
    shifts: tuple[float, ...] = ()  # by how much the candidate finds the better one of a vote likelier than base does
    costs: tuple[tuple[float, ...], ...] = ()  # the candidate's NLL of each text (column) after each question (row)


@dataclass(frozen=True)
class Pinned:
    """What became of one pin: how each contestant breaks it, in words; empty where it holds."""

    prompt: str
    broken: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Greedy answers, judged: to the exam rows, to the pins, and to what was bad or liked before."""

    asked: int  # exam rows whose text people wrote, answered by everyone
    looked_at: int = 0  # with those on which people voted: answered by candidate and champion
    closer: Mapping[str, int]  # how many come closer to the wanted text than the reply that was corrected
    degenerate: Mapping[str, int] = field(default_factory=dict)  # how many are empty, endless or a loop
    length: Mapping[str, float] = field(default_factory=dict)  # how many times as long as the wanted text
    texts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # BLEU, ROUGE-L, chrF, exact match
    against: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # candidate minus champion, 95% interval
    pins: tuple[Pinned, ...] = ()
    # Bad replies that are fixed and still there, of how many marked, those never taught apart; what is new; and what
    # the champion makes of the same.
    flaws: Mapping[str, int] = field(default_factory=dict)
