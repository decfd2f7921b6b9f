"""Rating sessions: a list of questions is answered ahead, blind, and the person only votes and fixes.

One question of a session is written at a time, and only so many ahead of the person. Where it stands is in the
database alone: after a restart, or when the engine is back, the next look goes on. It does not know HTTP or pages.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ftchat.chat import Chat
from ftchat.config import Settings
from ftchat.errors import BadInput, Conflict, FtchatError, UnknownModel
from ftchat.records import Person, clean_text
from ftchat.seen import TurnSeen
from ftchat.store import Store
from ftchat.store.sessions import Item, Session

log = logging.getLogger(__name__)
MOST = 500  # questions of one session
LONGEST_LIST = 500_000  # characters that may be pasted at once; the guard has room for them
_SKIPPED = "Skipped by the rater."
_AGAIN_S = (2.0, 10.0)  # waits before a question that neither side could answer is asked again


@dataclass(frozen=True, kw_only=True)
class Next:
    """What to judge next: a turn, or why there is none yet, or that all is done."""

    session: Session
    turn: TurnSeen | None = None
    prompt: str = ""  # the question that the turn asks, or will
    position: int = 0  # where it stands in the list, from 1
    ready: int = 0  # answered questions that wait for the person, this one among them
    waiting: str = ""


class Sessions:
    """The rating sessions of everyone."""

    def __init__(self, store: Store, chat: Chat, *, settings: Settings) -> None:
        """Over a running chat."""
        self._store, self._chat, self._settings = store, chat, settings
        self._fillers: dict[str, asyncio.Task[None]] = {}
        self._trouble: dict[str, str] = {}  # by session: why its last question could not be asked

    async def create(self, who: Person, prompts: Sequence[object] | str, *, title: object = "") -> str:
        """Keep a list of questions, or a pasted text with one a line, and begin to answer them.

        A bad one is named by its number, and nothing is kept.
        """
        cleaned = checked(pasted(prompts) if isinstance(prompts, str) else prompts)
        name = clean_text(title, what="The title", limit=200, may_be_empty=True).strip() or cleaned[0][:80]
        session = await asyncio.to_thread(self._store.sessions.add, who.name, name, cleaned)
        self._fill(who, session)
        return session

    def of(self, who: Person) -> list[Session]:
        """One's own sessions, newest first."""
        return self._store.sessions.of(who.name)

    async def next(self, who: Person, session: str) -> Next:
        """The first question that is not judged yet; those behind it are answered meanwhile."""
        found = self._store.sessions.get(session, owner=who.name)
        if found.done:
            return Next(session=found)
        self._fill(who, session)
        items = self._store.sessions.items(session, limit=self._settings.session_ahead)
        if not items:  # the last one was judged just now
            return Next(session=self._store.sessions.get(session, owner=who.name))
        first = items[0]
        seen = [self._chat.seen(who, item.turn) for item in items if item.turn]
        ready = sum(turn.votable for turn in seen)
        if first.turn is None:
            why = self._why(session)
            return Next(session=found, prompt=first.prompt, position=first.position, ready=ready, waiting=why)
        return Next(session=found, turn=seen[0], prompt=first.prompt, position=first.position, ready=ready)

    def skip(self, who: Person, session: str, question: str | int) -> None:
        """Leave out a question of one's session, by its turn, or by its position where nobody could ask it yet."""
        self._store.sessions.get(session, owner=who.name)
        for item in self._store.sessions.items(session, limit=MOST):
            if question in (item.turn, item.position):
                self._store.sessions.skip(session, item.position, _SKIPPED)
                self._trouble.pop(session, None)
                return
        raise Conflict("This question is not waiting in this session.")

    def left_out(self, who: Person, session: str) -> list[Item]:
        """The questions of one's session that were skipped, with why."""
        self._store.sessions.get(session, owner=who.name)
        return self._store.sessions.left_out(session)

    async def end(self, who: Person, session: str) -> None:
        """Close a session: what was judged stays, nothing more is asked."""
        self._store.sessions.get(session, owner=who.name)
        await asyncio.to_thread(self._store.sessions.end, session)
        self._trouble.pop(session, None)

    async def close(self) -> None:
        """Stop answering ahead; it goes on when somebody looks again."""
        tasks = list(self._fillers.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _why(self, session: str) -> str:
        return self._chat.waiting or self._trouble.get(session) or "The next question is being asked."

    # -- answering ahead --

    def _fill(self, who: Person, session: str) -> None:
        """Go on answering ahead, unless that is being done."""
        running = self._fillers.get(session)
        if running is None or running.done():
            self._fillers[session] = asyncio.create_task(self._ahead(who, session))

    async def _ahead(self, who: Person, session: str) -> None:
        try:
            while not self._chat.waiting and (item := await self._unanswered(who, session)) is not None:
                await self._answer(who, session, item)
        except FtchatError as err:
            log.info("Session %s waits: %s", session, err.message)  # the next look goes on
            self._trouble[session] = err.message
        finally:
            self._fillers.pop(session, None)

    async def _unanswered(self, who: Person, session: str) -> Item | None:
        """The next question within reach that is to be answered; None when there is none, or the session is closed."""
        if self._store.sessions.get(session).done:
            return None
        reach = self._settings.session_ahead
        for item in await asyncio.to_thread(self._store.sessions.items, session, limit=reach):
            seen = self._chat.seen(who, item.turn) if item.turn else None
            if seen is None or seen.writing or (_unanswered(seen) and item.asked <= len(_AGAIN_S)):
                return item
        return None

    async def _answer(self, who: Person, session: str, item: Item) -> None:
        """Ask one question and wait until it is answered; one that nobody could answer is asked again, later."""
        turn = item.turn
        if turn is None or not self._chat.seen(who, turn).writing:
            if item.asked:
                await asyncio.sleep(_AGAIN_S[item.asked - 1])
            try:
                turn = await self._ask(who, session, item)
            except UnknownModel:
                raise  # not the question's fault
            except BadInput as err:
                await asyncio.to_thread(self._store.sessions.skip, session, item.position, err.message)
                return
        async for _ in self._chat.watch(who, turn):
            pass

    async def _ask(self, who: Person, session: str, item: Item) -> str:
        """The turn of a question. The key makes it the same one when the app ended before this was written down."""
        key = f"session {session} {item.position} {item.asked}"
        turn = await self._chat.ask(who, item.prompt, mode="compare", key=key)
        self._trouble.pop(session, None)
        await asyncio.to_thread(self._store.sessions.became, session, item.position, turn)
        return turn


def _unanswered(turn: TurnSeen) -> bool:
    """Whether nobody could answer; one that was voted on since the list was read was answered."""
    return not turn.votable and turn.vote is None


def checked(prompts: Sequence[object]) -> list[str]:
    """The questions, each cleaned; a refusal names the number of the bad one."""
    if not 1 <= len(prompts) <= MOST:
        raise BadInput(f"A rating session takes 1 to {MOST} questions; there are {len(prompts):,} here.")
    return [clean_text(p, what=f"Question {n}") for n, p in enumerate(prompts, start=1)]


def pasted(text: object) -> list[str]:
    """The questions of a pasted list, one a line; empty lines do not count."""
    cleaned = clean_text(text, what="The list", limit=LONGEST_LIST)
    return [line.strip() for line in cleaned.splitlines() if line.strip()]
