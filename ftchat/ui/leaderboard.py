"""The Leaderboard page: what blind votes say, kept fresh while people vote. Everyone may look; nothing is pressed."""

from datetime import UTC, datetime

from ftchat.parts import Parts
from ftchat.ratings import board
from ftchat.records import Person
from ftchat.store import activity
from ftchat.ui import leaderboard_views
from ftchat.ui.elements import Updates, html
from ftchat.ui.pieces import loading

DAYS = 30


class LeaderboardPage:
    """One piece of the page, the same for everybody."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self._kept: tuple[object, str] | None = None
        self.board = html(loading(), elem_id="board", news=True)

    def view(self, who: Person) -> Updates:
        """The leaderboard as votes stand now; made anew only when something changed that is on it."""
        store, base = self._parts.store, self._parts.base.fingerprint
        today = datetime.now(UTC)
        ballots, names = store.ballots.counted(base), store.ballots.contestants(base)
        champion = store.training.champion(base)
        now = (ballots, names, champion, store.feedback.newest(), today.date())
        if self._kept is None or self._kept[0] != now:
            found = board(ballots, contestants=names, champion=champion, level=self._parts.settings.vote_level)
            days = activity.by_day(store, today=today, days=DAYS)
            self._kept = (now, leaderboard_views.page(found, days))
        return {self.board: self._kept[1]}
