"""What someone gave on one turn or reply, as pages show it: with the ids that undo takes, and with reasons.

Reasons may follow a vote: the newest stand. It returns records; `feedback` holds what review and training see.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftchat.errors import NotFound
from ftchat.records import Given, Vote, now
from ftchat.store.feedback import REVEALED

if TYPE_CHECKING:
    from ftchat.store import Store

_STANDS = "NOT EXISTS (SELECT 1 FROM voids WHERE target = {0}.id)"
_BOTH_BAD = f"SELECT 1 FROM votes v WHERE v.turn = {{0}} AND v.winner = 'both_bad' AND {_STANDS.format('v')}"
# Whole answers of one base on turns of which none is corrected, the better one of a turn first.
_UNCORRECTED = f"""
WITH near AS (
  SELECT t.id FROM conversations c JOIN turns t ON t.conversation = c.id WHERE c.owner = :me
  UNION
  SELECT v.turn FROM votes v WHERE :all AND v.winner = 'both_bad' AND {_STANDS.format("v")})
SELECT r.id AS reply, r.turn, t.prompt, r.text FROM (SELECT id FROM near ORDER BY id DESC LIMIT :n) recent
  JOIN turns t ON t.id = recent.id JOIN replies r ON r.turn = t.id
  LEFT JOIN votes w ON w.turn = t.id AND {_STANDS.format("w")}
 WHERE r.base = :base AND r.finish = 'stop'
   AND NOT EXISTS (SELECT 1 FROM replies o WHERE o.turn = t.id AND o.finish IS NULL)
   AND NOT EXISTS (SELECT 1 FROM replies o JOIN corrections k ON k.reply = o.id WHERE o.turn = t.id
                    AND ({_STANDS.format("k")} OR k.id IN (SELECT feedback FROM withdrawn)))
   AND (NOT t.blind OR EXISTS ({REVEALED.format("t.id")}))
 ORDER BY t.id DESC, r.lane <> COALESCE(w.winner, ''), r.lane
"""


@dataclass(frozen=True, kw_only=True)
class Uncorrected:
    """A whole answer that nobody corrected."""

    reply: str
    turn: str
    prompt: str
    text: str


class JudgedLog:
    """Feedback, seen from what it is on."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def vote_of(self, turn: str) -> Vote | None:
        """The vote that stands on a turn, with its newest reasons."""
        vote = self._store.feedback.vote_of(turn)
        if vote is None:
            return None
        row = self._store.rows(
            """SELECT reasons, comment FROM (
                 SELECT 0 AS seq, reasons, comment FROM votes WHERE id = :v
                 UNION ALL SELECT seq, reasons, comment FROM vote_reasons WHERE vote = :v)
               ORDER BY seq DESC LIMIT 1""",
            {"v": vote.id},
        )[0]
        reasons = {lane: tuple(given) for lane, given in json.loads(row["reasons"]).items()}
        return replace(vote, reasons=reasons, comment=row["comment"])

    def turn_of_vote(self, vote: str, *, rater: str) -> str:
        """The turn that someone voted on."""
        row = self._store.row("SELECT turn FROM votes WHERE id = :v AND rater = :by", {"v": vote, "by": rater})
        if row is None:
            raise NotFound("There is no such vote.")
        return str(row["turn"])

    def add_reasons(self, vote: str, reasons: Mapping[str, Sequence[str]], comment: str) -> None:
        """Append reasons to a vote; those before are kept, and no longer stand."""
        row = {"vote": vote, "reasons": json.dumps(reasons), "comment": comment, "created_at": now()}
        self._store.insert("vote_reasons", row)

    def given_on(self, reply: str, *, rater: str) -> Given:
        """The correction and the thumb that someone gave on a reply."""
        by = {"r": reply, "by": rater}
        sql = f"SELECT * FROM ratings WHERE reply = :r AND rater = :by AND {_STANDS.format('ratings')}"
        thumb = self._store.row(sql, by)
        sql = f"SELECT id, text FROM corrections WHERE reply = :r AND rater = :by AND {_STANDS.format('corrections')}"
        correction = self._store.row(sql, by)
        return Given(
            correction=correction["id"] if correction else None,
            corrected=correction["text"] if correction else None,
            rating_id=thumb["id"] if thumb else None,
            rating=thumb["value"] if thumb else None,
            reasons=tuple(json.loads(thumb["reasons"])) if thumb else (),
            comment=thumb["comment"] if thumb else "",
        )

    def add_origin(self, correction: str, instruction: str) -> None:
        """Keep the instruction by which the model wrote what became a correction."""
        self._store.insert("correction_origins", {"correction": correction, "instruction": instruction})

    def instruction_of(self, correction: str) -> str:
        """That instruction; empty for a correction that a person wrote."""
        sql = "SELECT instruction FROM correction_origins WHERE correction = :k"
        row = self._store.row(sql, {"k": correction})
        return str(row["instruction"]) if row else ""

    def to_correct(self, owner: str | None, *, before: str | None = None, limit: int = 100) -> list[str]:
        """Turns voted both_bad of which no reply is corrected yet, newest first: someone's, or everyone's."""
        rows = self._store.rows(
            f"""SELECT v.turn FROM votes v JOIN turns t ON t.id = v.turn
                 WHERE v.winner = 'both_bad' AND (:o IS NULL OR t.owner = :o) AND {_STANDS.format("v")}
                   AND (:b IS NULL OR v.turn < :b)
                   AND NOT EXISTS (SELECT 1 FROM replies r JOIN corrections k ON k.reply = r.id
                                    WHERE r.turn = v.turn AND {_STANDS.format("k")})
                 ORDER BY v.turn DESC LIMIT :n""",
            {"o": owner, "b": before, "n": limit},
        )
        return [row["turn"] for row in rows]

    def is_both_bad(self, turn: str) -> bool:
        """Whether a vote stands on a turn that says that both answers are bad."""
        return self._store.row(_BOTH_BAD.format(":t"), {"t": turn}) is not None

    def uncorrected(self, owner: str, *, base: str, all_bad: bool, limit: int) -> list[Uncorrected]:
        """Answers of a base that can be corrected and are not, on someone's newest turns, newest turn first.

        With `all_bad` those that somebody else found bad on both sides are among them. What was withdrawn is not, nor
        what is hidden until a vote.
        """
        values = {"me": owner, "base": base, "all": int(all_bad), "n": limit}
        return [Uncorrected(**row) for row in self._store.rows(_UNCORRECTED, values)]
