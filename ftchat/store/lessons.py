"""Feedback with everything that it was given on, read in a few queries however much there is.

What was said before a turn is as approved feedback left it, for what trains, what examines and what is exported alike.
It returns records. It does not know what a piece of feedback teaches.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftchat.records import Feedback, LaneName, Message, Reply, carried_on
from ftchat.store.turns import conversation_from, reply_from

if TYPE_CHECKING:
    from ftchat.store import Store

_OF_THESE = """conversation IN (SELECT conversation FROM turns WHERE id IN (SELECT value FROM json_each(:turns)))"""


def feedback_of(row: str) -> str:
    """The feedback that a row is made from: of a both_bad vote, which becomes two, the vote."""
    return row.partition(" ")[0]


@dataclass(frozen=True)
class Answered:
    """One lane's reply, with what it was asked after, the question last."""

    reply: Reply
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Lesson:
    """A piece of feedback and what it is on: both replies of a vote, else one."""

    feedback: Feedback
    replies: tuple[Answered, ...]


class LessonLog:
    """Feedback on its way to a snapshot."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def approved(self, *, groups: Collection[str] | None = None, besides: Sequence[Feedback] = ()) -> list[Lesson]:
        """All feedback that is approved, oldest first; with `groups`, what was given in these. What is given `besides`
        counts as approved, too."""
        found = [*self._store.feedback.all(status="approved", groups=groups), *besides]
        found = sorted(found, key=lambda given: given.id.partition("_")[2]) if besides else found
        feedback = [given for given in found if given.split is not None]
        return _lessons(self._store, feedback, approved=feedback)

    def of(self, feedback: Sequence[Feedback]) -> list[Lesson]:
        """Any feedback, in its order."""
        approved = self._store.feedback.all(status="approved", groups={given.group for given in feedback})
        return _lessons(self._store, feedback, approved=approved)

    def decided_at(self) -> str:
        """When a piece of feedback was last approved or rejected; empty before the first."""
        row = self._store.row("SELECT created_at AS at FROM reviews ORDER BY seq DESC LIMIT 1")
        return str(row["at"]) if row else ""


def _lessons(store: "Store", feedback: Sequence[Feedback], *, approved: Sequence[Feedback]) -> list[Lesson]:
    talks = _Talks(store, feedback, approved)
    return [talks.lesson(given) for given in feedback]


class _Talks:
    """The conversations in which feedback was given, with what is approved in them."""

    def __init__(self, store: "Store", feedback: Sequence[Feedback], approved: Sequence[Feedback]) -> None:
        asked = {"turns": json.dumps(sorted({given.turn for given in feedback}))}
        sql = f"SELECT id, conversation, parent, owner, prompt FROM turns WHERE {_OF_THESE}"
        self._turns = {row["id"]: row for row in store.rows(sql, asked)}
        sql = f"""SELECT r.* FROM replies r JOIN turns ON turns.id = r.turn
                  WHERE turns.{_OF_THESE} ORDER BY r.turn, r.lane"""
        self._replies: dict[str, list[Reply]] = defaultdict(list)
        for row in store.rows(sql, asked):
            self._replies[row["turn"]].append(reply_from(row))
        sql = f"SELECT * FROM conversations WHERE id IN (SELECT conversation FROM turns WHERE {_OF_THESE})"
        self._heads = {row["id"]: conversation_from(row).head for row in store.rows(sql, asked)}
        self._corrected = {(f.reply, f.rater): f.value for f in approved if f.kind == "correction"}
        self._winners = {given.turn: given.value for given in approved if given.kind == "vote"}
        self._said: dict[tuple[str, str], tuple[Message, ...]] = {}

    def lesson(self, feedback: Feedback) -> Lesson:
        """One piece of feedback with its replies."""
        turn = self._turns[feedback.turn]
        replies = [reply for reply in self._replies[feedback.turn] if feedback.reply in (None, reply.id)]
        asked = Message("user", turn["prompt"])
        return Lesson(feedback, tuple(Answered(reply, (*self._before(turn, reply.lane), asked)) for reply in replies))

    def _before(self, turn: Mapping[str, Any], lane: LaneName) -> tuple[Message, ...]:
        """What stood before a turn in a lane. Kept by turn, since many turns share their beginning."""
        path = []
        parent = turn["parent"]
        while parent is not None and (parent, lane) not in self._said:
            path.append(parent)
            parent = self._turns[parent]["parent"]
        said = self._heads[turn["conversation"]] if parent is None else self._said[parent, lane]
        for earlier in reversed(path):
            said = self._said[earlier, lane] = (*said, *self._exchange(self._turns[earlier], lane))
        return said

    def _exchange(self, turn: Mapping[str, Any], lane: LaneName) -> tuple[Message, ...]:
        """One turn as later ones see it."""
        replies = self._replies[turn["id"]]
        corrected = [self._corrected.get((reply.id, turn["owner"])) for reply in replies]
        text = carried_on(replies, lane, corrected=corrected, winner=self._winners.get(turn["id"]))
        return (Message("user", turn["prompt"]), Message("assistant", text)) if text else ()
