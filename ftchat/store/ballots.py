"""Votes as the leaderboard counts them: the blind ones on contestants of one base, as numbers.

Not counted, and for which reason: taken back (`undone`), rejected by a reviewer (`rejected`), names known
(`not_blind`), the same contestant on both sides (`same_contestant`), a reply that failed (`error`), a question that
trained one of the two (`trained_on_it`: its rows were in the training or tuning part of an adapter's snapshot), or a
few-shot prompt that held a correction of this very question (`shown_the_answer`). It does not know how ratings are
made.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftchat.records import BASE, FEW_SHOT, Ballots, Score
from ftchat.store.lineage import MADE

if TYPE_CHECKING:
    from ftchat.store import Store

# Which questions an adapter was trained on, itself or before it went on, and which correction answers which question.
_TAUGHT = f"""{MADE}, taught (adapter, question) AS MATERIALIZED (
  SELECT DISTINCT made.adapter, c.group_key FROM made JOIN runs n ON n.id = made.run
    JOIN snapshot_rows s ON s.snapshot = n.snapshot AND s.split <> 'exam'
    JOIN turns t ON t.id = COALESCE(
      (SELECT turn FROM votes WHERE id = s.feedback),
      (SELECT turn FROM ratings JOIN replies ON replies.id = reply WHERE ratings.id = s.feedback),
      (SELECT turn FROM corrections JOIN replies ON replies.id = reply WHERE corrections.id = s.feedback))
    JOIN conversations c ON c.id = t.conversation
   WHERE made.adapter IN ({{judged}})
), answers (correction, question) AS MATERIALIZED (
  SELECT k.id, c.group_key FROM corrections k JOIN replies p ON p.id = k.reply JOIN turns t ON t.id = p.turn
    JOIN conversations c ON c.id = t.conversation
)"""

# In a CASE the first that holds is the reason, and what stands below it is not even looked up.
_VOTED = """SELECT replies.contestant FROM votes JOIN replies ON replies.turn = votes.turn
            WHERE votes.rowid > :after AND votes.rowid <= :upto"""
_COUNT = f"""{_TAUGHT.format(judged=_VOTED)}
SELECT CASE
    WHEN EXISTS (SELECT 1 FROM voids WHERE target = v.id) THEN 'undone'
    WHEN v.id IN (SELECT id FROM standing WHERE kind = 'vote' AND status = 'rejected') THEN 'rejected'
    WHEN v.blind = 0 THEN 'not_blind'
    WHEN l.contestant = r.contestant THEN 'same_contestant'
    WHEN l.finish = 'error' OR r.finish = 'error' THEN 'error'
    WHEN (l.contestant, c.group_key) IN taught OR (r.contestant, c.group_key) IN taught THEN 'trained_on_it'
    WHEN :few_shot IN (l.contestant, r.contestant) AND c.group_key IN (SELECT key FROM groups) AND EXISTS (
      SELECT 1 FROM json_each(CASE WHEN l.contestant = :few_shot THEN l.examples ELSE r.examples END) e
       WHERE (e.value, c.group_key) IN answers) THEN 'shown_the_answer'
    ELSE '' END AS reason,
  l.contestant AS "left", r.contestant AS "right", v.winner, v.rater, COUNT(*) AS n
FROM votes v
  JOIN replies l ON l.turn = v.turn AND l.lane = 'left' JOIN replies r ON r.turn = v.turn AND r.lane = 'right'
  JOIN turns t ON t.id = v.turn JOIN conversations c ON c.id = t.conversation
WHERE l.base = :base AND v.rowid > :after AND v.rowid <= :upto
GROUP BY reason, "left", "right", v.winner, v.rater"""

# What two contestants got of each other, in the order of the votes. "NOT IN taught" would read all of it for each vote.
_DUEL = f"""{_TAUGHT.format(judged=":one, :other")}
SELECT c.group_key AS question,
       CASE v.winner WHEN 'left' THEN l.contestant WHEN 'right' THEN r.contestant ELSE v.winner END AS winner
  FROM votes v
  JOIN replies l ON l.turn = v.turn AND l.lane = 'left' JOIN replies r ON r.turn = v.turn AND r.lane = 'right'
  JOIN turns t ON t.id = v.turn JOIN conversations c ON c.id = t.conversation
 WHERE l.base = :base AND v.blind = 1 AND l.finish <> 'error' AND r.finish <> 'error'
   AND ((l.contestant = :one AND r.contestant = :other) OR (l.contestant = :other AND r.contestant = :one))
   AND ((l.contestant, c.group_key) IN taught) IS NOT TRUE AND ((r.contestant, c.group_key) IN taught) IS NOT TRUE
   AND v.id NOT IN (SELECT id FROM standing WHERE kind = 'vote' AND status = 'rejected')
   AND v.id NOT IN (SELECT feedback FROM withdrawn)
 ORDER BY v.rowid"""

_NEWEST = """
SELECT COALESCE((SELECT MAX(rowid) FROM votes), 0) AS upto,
       COALESCE((SELECT MAX(rowid) FROM adapters), 0) AS adapters,
       COALESCE((SELECT rowid FROM voids WHERE substr(target, 1, 2) = 'v_' ORDER BY rowid DESC LIMIT 1), 0) AS undone,
       COALESCE((SELECT group_concat(id) FROM standing WHERE kind = 'vote' AND status = 'rejected'), '') AS rejected"""


@dataclass(frozen=True)
class _Counted:
    """All votes up to one, counted while nothing else that matters had changed."""

    upto: int
    rest: tuple[int, int, str]  # the newest adapter, the newest undoing of a vote, and the rejected votes
    ballots: Ballots


class BallotLog:
    """Counts of votes. What was counted once is kept, and new votes are added to it: a leaderboard after each vote."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store
        self._lock = threading.Lock()
        self._kept: dict[str, _Counted] = {}

    def counted(self, base: str) -> Ballots:
        """The votes on contestants of a base. Not inside `writing`: what is rolled back would stay counted."""
        with self._lock:
            newest = self._store.rows(_NEWEST)[0]
            rest = (newest["adapters"], newest["undone"], newest["rejected"])
            kept = self._kept.get(base)
            if kept is None or kept.rest != rest or kept.upto > newest["upto"]:
                kept = _Counted(0, rest, Ballots(counts={}, raters={}, excluded={}))
            if kept.upto < newest["upto"]:
                span = {"base": base, "few_shot": FEW_SHOT, "after": kept.upto, "upto": newest["upto"]}
                kept = _Counted(newest["upto"], rest, _add(kept.ballots, self._store.rows(_COUNT, span)))
            self._kept[base] = kept
            return kept.ballots

    def duel(self, base: str, name: str, other: str) -> Score:
        """How one did against another where votes decide something: of each question what was said first, since more on
        the same question, by whomever, says little that is new. What was taken back later counts as it was said, since
        the names were shown by then."""
        span = {"base": base, "one": name, "other": other}
        first: dict[str, str] = {}
        for row in self._store.rows(_DUEL, span):
            first.setdefault(row["question"], row["winner"])
        said = Counter(first.values())
        return Score(wins=said[name], losses=said[other], ties=said["tie"], both_bad=said["both_bad"])

    def contestants(self, base: str) -> tuple[str, ...]:
        """Who belongs on a leaderboard even without a vote: base, few-shot, and adapters that can answer."""
        sql = """SELECT name FROM adapters WHERE base = :b AND state NOT IN ('broken','rejected')
                 AND name NOT IN (SELECT name FROM deleted_adapters) ORDER BY number DESC, name"""
        return (BASE, FEW_SHOT, *(row["name"] for row in self._store.rows(sql, {"b": base})))


def _add(before: Ballots, rows: list[dict[str, Any]]) -> Ballots:
    counts, raters, excluded = Counter(before.counts), Counter(before.raters), Counter(before.excluded)
    for row in rows:
        if row["reason"]:
            excluded[row["reason"]] += row["n"]
        else:
            counts[(row["left"], row["right"], row["winner"])] += row["n"]
            raters[row["rater"]] += row["n"]
    return Ballots(counts=dict(counts), raters=dict(raters), excluded=dict(excluded))
