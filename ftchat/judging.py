"""What people say of replies: votes, thumbs and corrections, each on one's own turns; and taking it back.

Saved is said after the commit. The first vote on a blind turn reveals the names; corrections and thumbs follow it. It
does not know HTTP or pages.
"""

import asyncio

from ftchat.chat import Chat
from ftchat.config import Settings
from ftchat.errors import BadInput, Conflict, NotFound
from ftchat.records import WINNERS, Person, Reply, Vote, Winner, clean_text
from ftchat.store import Store


class Judging:
    """What people give on replies."""

    def __init__(self, store: Store, chat: Chat, *, settings: Settings) -> None:
        """Over a running chat."""
        self._store = store
        self._chat = chat
        self._settings = settings

    async def vote(
        self,
        who: Person,
        turn: str,
        winner: Winner,
        *,
        reasons: object = None,
        comment: str = "",
        key: str | None = None,
    ) -> Vote:
        """Record who was better. An early vote ends both lanes: what was seen is what was judged."""
        if winner not in WINNERS:
            raise BadInput(f"winner is {winner!r}: use left, right, tie or both_bad.")
        seen = self._chat.seen(who, turn)
        if seen.mode != "compare":
            raise Conflict("Only a compare turn takes a vote; rate the reply instead.")
        if not seen.votable and seen.vote is None and self._store.once(who.name, key) is None:
            raise Conflict("Both answers need some text before a vote.")
        await self._chat.stop(who, turn)
        row = self._store.turns.get(turn, owner=who.name)

        def commit() -> None:
            with self._store.writing():
                given = self._store.feedback.vote_of(turn)
                repeated = given is not None and given.winner == winner  # a second click of the same button
                if self._store.once(who.name, key) is None and not repeated:
                    vote = self._store.feedback.add_vote(row, who.name, winner, reasons=reasons, comment=comment)
                    self._approve(vote, who)
                    self._store.remember(who.name, key, vote)

        await asyncio.to_thread(commit)
        vote = self._store.feedback.vote_of(turn)
        if vote is None:
            raise Conflict("This vote was undone.")
        return vote

    def undo(self, who: Person, feedback: str) -> None:
        """Take back one's own vote, rating or correction."""
        if self._store.feedback.rater_of(feedback) != who.name:
            raise NotFound("There is no such feedback.")
        self._store.feedback.void(feedback, who.name)

    def correct(self, who: Person, reply: str, text: str, *, key: str | None = None) -> str:
        """Record what a reply should have been."""
        text = clean_text(text, what="The correction")
        original = self._judged(who, reply)
        if text.strip() == original.text.strip():
            raise BadInput("The correction is the same as the reply. Change something, or give it a thumb up.")
        with self._store.writing():
            if earlier := self._store.once(who.name, key):
                return str(earlier)
            correction = self._store.feedback.add_correction(reply, who.name, text.strip())
            self._approve(correction, who)
            self._store.remember(who.name, key, correction)
        return correction

    def rate(
        self, who: Person, reply: str, value: str, *, reasons: object = None, comment: str = "", key: str | None = None
    ) -> str:
        """Record a thumb on a reply."""
        if value not in ("up", "down"):
            raise BadInput(f"value is {value!r}: use up or down.")
        self._judged(who, reply)
        with self._store.writing():
            if earlier := self._store.once(who.name, key):
                return str(earlier)
            rating = self._store.feedback.add_rating(reply, who.name, value, reasons=reasons, comment=comment)
            self._approve(rating, who)
            self._store.remember(who.name, key, rating)
        return rating

    def _judged(self, who: Person, reply: str) -> Reply:
        """A reply that may be judged now: one's own, finished, and not hidden behind a vote still to come."""
        turn, found = self._store.turns.turn_of(reply, owner=who.name)
        if found.finish is None:
            raise Conflict("This reply is still being written.")
        if turn.blind and not self._store.feedback.revealed(turn.id):
            raise Conflict("Vote first: corrections and thumbs follow the blind vote.")
        return found

    def _approve(self, feedback: str, who: Person) -> None:
        if self._settings.approve_own and who.is_at_least("reviewer"):
            self._store.feedback.review(feedback, "approved", who.name)
