"""What people say of replies: votes, thumbs and corrections, each on one's own turns; and taking it back.

Saved is said after the commit. The first vote on a blind turn reveals the names; reasons, corrections and thumbs
follow it. It does not know HTTP or pages.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from ftchat.chat import Chat
from ftchat.config import Settings
from ftchat.errors import BadInput, Conflict, FtchatError, NotFound
from ftchat.records import (
    BAD_REASONS,
    GOOD_REASONS,
    MAX_COMMENT,
    MAX_INSTRUCTION,
    WINNERS,
    Person,
    Reply,
    Turn,
    Vote,
    Winner,
    clean_text,
)
from ftchat.store import Store

log = logging.getLogger(__name__)
_FITTING = {"up": GOOD_REASONS, "down": BAD_REASONS}


class Judging:
    """What people give on replies."""

    def __init__(self, store: Store, chat: Chat, *, settings: Settings) -> None:
        """Over a running chat."""
        self._store = store
        self._chat = chat
        self._settings = settings
        self.after_vote: Callable[[], object] = lambda: None  # what follows from votes is decided elsewhere

    # -- votes --

    async def vote(
        self,
        who: Person,
        turn: str,
        winner: Winner,
        *,
        reasons: object = None,
        comment: object = "",
        key: str | None = None,
    ) -> Vote:
        """Record who was better. An early vote ends both lanes: what was seen is what was judged."""
        if winner not in WINNERS:
            raise BadInput(f"winner is {winner!r}: use left, right, tie or both_bad.")
        why, comment = _by_side(reasons), _comment(comment)
        if self._store.turns.get(turn, owner=who.name).mode != "compare":
            raise Conflict("Only a compare turn takes a vote; rate the reply instead.")
        if self._store.once(who.name, key) is None:
            self._votable(who, turn)
        await self._chat.stop(who, turn)
        row = self._store.turns.get(turn, owner=who.name)

        def commit() -> None:
            with self._store.writing():
                if self._store.once(who.name, key) is not None:
                    return
                try:
                    _with_ends(row)
                    vote = self._store.feedback.add_vote(row, who.name, winner, reasons=why, comment=comment)
                    self._approve(vote, who)
                except Conflict:
                    given = self._store.feedback.vote_of(turn)
                    if given is None or given.winner != winner:
                        raise
                    vote = given.id  # one click that came several times
                    if why or comment:
                        self._store.judged.add_reasons(vote, why, comment)
                self._store.remember(who.name, key, vote)

        await self._store.soon(commit)
        await asyncio.to_thread(self._follow)
        vote = self._store.judged.vote_of(turn)
        if vote is None:
            raise Conflict("This vote was undone. Vote again to change it.")
        return vote

    def _follow(self) -> None:
        """Let others look at the votes; the vote is saved whatever comes of it, and the next one is looked at again."""
        try:
            self.after_vote()
        except FtchatError:
            log.exception("What follows from the votes could not be decided.")

    def _votable(self, who: Person, turn: str) -> None:
        """Refuse a vote before both answers have text, and one after the names are known."""
        seen = self._chat.seen(who, turn)
        if seen.vote is not None:
            raise Conflict("This turn already has a vote. Undo it first to vote again.")
        if not seen.votable:
            raise Conflict("Both answers need some text before a vote.")

    def explain(self, who: Person, vote: str, *, reasons: object = None, comment: object = "") -> Vote:
        """Say why one voted as one did: this replaces reasons and comment that were given before."""
        why, comment = _by_side(reasons), _comment(comment)
        turn = self._store.judged.turn_of_vote(vote, rater=who.name)
        with self._store.writing():
            standing = self._store.feedback.vote_of(turn)
            if standing is None or standing.id != vote:
                raise Conflict("This vote was undone.")
            self._store.judged.add_reasons(vote, why, comment)
            return self._store.judged.vote_of(turn) or standing

    def undo(self, who: Person, feedback: str) -> None:
        """Take back one's own vote, rating or correction."""
        if self._store.feedback.rater_of(feedback) != who.name:
            raise NotFound("There is no such feedback.")
        self._store.feedback.void(feedback, who.name)

    # -- corrections and thumbs --

    def correct(
        self, who: Person, reply: str, text: object, *, instruction: object = "", key: str | None = None
    ) -> str:
        """Record what a reply should have been; with the instruction, when the model wrote it by one."""
        cleaned = clean_text(text, what="The correction").strip()
        asked = _instruction(instruction) if instruction else ""
        original = self.correctable(who, reply)
        if cleaned == original.text.strip():
            raise BadInput("The correction is the same as the reply. Change something, or give it a thumb up.")
        with self._store.writing():
            if earlier := self._store.once(who.name, key):
                return str(earlier)
            correction = self._same_correction(who, reply, cleaned, asked)
            if correction is None:
                correction = self._store.feedback.add_correction(reply, who.name, cleaned)
                if asked:
                    self._store.judged.add_origin(correction, asked)
                self._approve(correction, who)
            self._store.remember(who.name, key, correction)
        return correction

    def _same_correction(self, who: Person, reply: str, text: str, asked: str) -> str | None:
        """The correction that stands and already says this: its review must not be lost by saving it again."""
        given = self._store.judged.given_on(reply, rater=who.name)
        if given.correction is None or given.corrected != text:
            return None
        same = asked in ("", self._store.judged.instruction_of(given.correction))
        return given.correction if same else None

    def rate(
        self,
        who: Person,
        reply: str,
        value: str,
        *,
        reasons: object = None,
        comment: object = "",
        key: str | None = None,
    ) -> str:
        """Record a thumb on a reply."""
        if value not in _FITTING:
            raise BadInput(f"value is {value!r}: use up or down.")
        why, comment = _reasons(reasons, _FITTING[value]), _comment(comment)
        if not self.judged(who, reply).text.strip():
            raise Conflict("There is no text to rate. Write what the answer should have been instead.")
        with self._store.writing():
            if earlier := self._store.once(who.name, key):
                return str(earlier)
            given = self._store.judged.given_on(reply, rater=who.name)
            rating = given.rating_id
            if rating is None or (given.rating, list(given.reasons), given.comment) != (value, why, comment):
                rating = self._store.feedback.add_rating(reply, who.name, value, reasons=why, comment=comment)
                self._approve(rating, who)
            self._store.remember(who.name, key, rating)
        return rating

    def correctable(self, who: Person, reply: str) -> Reply:
        """A reply that may be corrected now: what may be judged; for a reviewer also what somebody found bad on both
        sides, so that the queue does not wait for who asked."""
        if who.reads is None:
            turn, found = self._store.turns.turn_of(reply)
            if turn.owner != who.name and self._store.judged.is_both_bad(turn.id):
                _with_ends(turn)
                return found
        return self.judged(who, reply)

    def judged(self, who: Person, reply: str) -> Reply:
        """A reply that may be judged now: one's own, finished, and not hidden behind a vote still to come."""
        turn, found = self._store.turns.turn_of(reply, owner=who.name)
        if found.finish is None and self._chat.writing(turn.id):
            raise Conflict("This reply is still being written.")
        if turn.blind and not self._store.feedback.revealed(turn.id):
            raise Conflict("Vote first: corrections and thumbs follow the blind vote.")
        _with_ends(turn)
        return found

    def to_correct(self, who: Person, *, before: str | None = None, limit: int = 100) -> list[str]:
        """The correction queue: turns voted both_bad and not yet corrected, newest first; a reviewer sees all."""
        return self._store.judged.to_correct(who.reads, before=before, limit=limit)

    def _approve(self, feedback: str, who: Person) -> None:
        if self._settings.approve_own and who.is_at_least("reviewer"):
            self._store.feedback.review(feedback, "approved", who.name)


def _with_ends(turn: Turn) -> None:
    """Refuse to judge a turn of which an answer's end could not be saved: what was seen is not what is kept."""
    if any(reply.finish is None for reply in turn.replies):
        raise Conflict("The end of an answer was lost before it could be saved. Ask again to judge a whole one.")


def _by_side(given: object) -> dict[str, list[str]]:
    """The reasons of a vote, by lane."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not set(given) <= {"left", "right"}:
        raise BadInput("The reasons of a vote are lists by side: left and right.")
    return {side: _reasons(reasons, GOOD_REASONS + BAD_REASONS) for side, reasons in given.items()}


def _reasons(given: object, known: Sequence[str]) -> list[str]:
    """Reasons out of the list, each once."""
    if given is None:
        return []
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise BadInput("reasons must be a list of texts.")
    if unknown := [reason for reason in given if reason not in known]:
        raise BadInput(f"There is no reason called {unknown[0]!r} here. There are: {', '.join(known)}.")
    return list(dict.fromkeys(given))


def _comment(given: object) -> str:
    return clean_text(given, what="The comment", limit=MAX_COMMENT, may_be_empty=True).strip()


def _instruction(given: object) -> str:
    return clean_text(given, what="The instruction", limit=MAX_INSTRUCTION).strip()
