"""The Compare page: one question, two answers side by side, a blind vote; the panel after it is in `after_vote`.

Callbacks take values, call one function of the core and return a view. Sessions are no boundary: what is not in the
database is not here, and the state of a page is the id of its turn.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import Conflict, FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.sessions import Next
from ftchat.starter import sample_prompts
from ftchat.ui import compare_views, views
from ftchat.ui.after_vote import SIDES, AfterVote
from ftchat.ui.choosing import Choosing, contestants
from ftchat.ui.comparisons import Comparisons
from ftchat.ui.elements import (
    AS_IT_IS,
    AT_ONCE,
    NOWHERE,
    STREAM,
    Updates,
    focus,
    html,
    id_in,
    own,
    page_of,
    place,
    recalled,
    remembered,
    then_skip,
    there,
    visible,
)
from ftchat.ui.prompt_row import PromptRow
from ftchat.ui.sessions import RatingSession, to_judge
from ftchat.ui.versions import Versions
from ftchat.ui.watching import Scene, Watchers, see, watched

_OFFERED = 4


class ComparePage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self._watchers = Watchers()
        self.turn = gr.State("")
        self.watch = gr.State("")  # changes when the turn is to be watched, from now on or again
        self.written = gr.State("")  # the watch by which a turn was seen to its end
        self.known = gr.State("")  # the same, if its names were known by then
        self.kept = remembered("ftchat-compare")  # the same, over a reload
        self.banner = html(elem_id="compare-banner")
        self.session = RatingSession(parts)
        self.earlier = html(elem_id="compare-earlier")
        with gr.Row(elem_id="panes"):
            self.panes = {side: html(compare_views.pane(None, side), elem_id=f"pane-{side}") for side in SIDES}
        self.votes = html(compare_views.vote_bar(None), elem_id="vote-bar", clicks=True)
        self.versions = Versions(parts)
        self.after = AfterVote(parts)
        self.row = PromptRow(parts, "compare", placeholder=texts.ASK_BOTH)
        self.waits, self.prompt, self.notice = self.row.waits, self.row.prompt, self.row.notice
        with gr.Column(elem_id="compare-below") as self.below:
            self.offers = html(elem_id="compare-offers", clicks=True)
            self._more()

    def _more(self) -> None:
        with gr.Row(elem_id="compare-more"):
            self.choosing = Choosing(self._parts)
            self.session.panel()
            self.past = Comparisons(self._parts)
            html(compare_views.keys(), elem_id="compare-keys")
            self.new = gr.Button(texts.NEW_CONVERSATION, elem_id="compare-new", size="sm", scale=0)

    # -- wiring --

    def wire(self, blocks: gr.Blocks) -> None:
        """Which event calls what; called outside of the tabs."""
        place(self.kept, self.session.id)
        follow = {**STREAM, "trigger_mode": "multiple"}
        told = [*self._growing(), self.earlier, self.written, self.known]
        self.watch.change(self.follow, [self.turn, self.watch], told, **follow, **AS_IT_IS)
        self.known.change(self.settle, [self.turn], self.after.outputs(), **AT_ONCE, **AS_IT_IS)
        asked = [self.turn, *self.choosing.given()]
        told = [self.turn, self.watch, self.kept, self.versions.box, self.after.gone]
        self.row.wire(self.ask, asked=asked, told=told, watch=self.watch, watchers=self._watchers)
        states = [self.turn, self.watch, self.kept, self.earlier, self.versions.box]
        self.begun = [*self._shown(), *states, self.prompt, *self.after.editing(), *self._around()]
        self.offers.click(self.offer, None, self.begun, **STREAM).then(**self.row.sending)
        self.choosing.wire()
        where = [self.kept, self.session.id]
        blocks.load(self.resume, where, [*self.begun, self.banner], js=recalled(*where), **STREAM)
        self.votes.click(self.vote, [self.turn], [*self._shown(), self.after.comment], **AT_ONCE, **AS_IT_IS)
        self.after.wire(self.turn, self.notice, show=self.view, outputs=self._shown())
        self.after.again.click(self.ask_again, [self.turn], [self.watch, self.notice], **STREAM)
        there = [part for part in self.begun if part is not self.versions.box]
        self.versions.wire(
            self.turn, self.session.id, self.choosing, written=self.written, notice=self.notice, to=self.to, told=there
        )
        self.past.wire(self.turn, to=self.to, told=self.begun)
        self._wire_sessions()

    def _wire_sessions(self) -> None:
        session, outputs = self.session, self.begun
        for button in (self.after.next, self.new):
            button.click(None, js=focus("#compare-prompt textarea"))
        self.new.click(self.anew, None, outputs, **STREAM, **AS_IT_IS)
        self.after.next.click(self.onward, [session.id], outputs, **STREAM)
        session.start.click(self.start, [session.list], outputs, **STREAM)
        skip = {**STREAM, "trigger_mode": "multiple"}  # while the question before is waited for, too
        session.skip.click(self.skip, [session.id, self.turn], outputs, **skip)
        session.leave.click(self.anew, None, outputs, **STREAM, **AS_IT_IS)
        session.end.click(self.end, [session.id], outputs, **STREAM)
        session.unfinished.click(self.go_on, None, outputs, **STREAM)
        session.folded.expand(self.unfinished, None, [session.unfinished], **AT_ONCE)

    def _growing(self) -> list[Any]:
        """What changes while answers are written."""
        return [*self.panes.values(), self.votes, self.session.skip, self.after.asked_again]

    def _shown(self) -> list[Any]:
        """What shows a turn."""
        return [*self.panes.values(), self.votes, self.session.skip, *self.after.outputs(), self.notice]

    def _around(self) -> list[Any]:
        """What a rating session hides, and its own pieces."""
        return [self.row.line, self.below, self.offers, *self.session.outputs()]

    def view(self, scene: Scene | None) -> Updates:
        """Everything on the page that shows a turn."""
        return {**self._grown(scene), **self.after.view(scene)}

    def _grown(self, scene: Scene | None) -> Updates:
        """What changes while answers are written, as texts."""
        seen = scene.turn if scene else None
        turn = seen.turn if seen else ""
        panes = {pane: compare_views.pane(seen, side) for side, pane in self.panes.items()}
        acts = {self.votes: compare_views.vote_bar(seen), self.session.skip: compare_views.skip(turn)}
        again = compare_views.asked_again(scene.again) if scene and compare_views.revealed(seen) else ""
        return {**panes, **acts, self.after.asked_again: again}

    # -- asking and following --

    async def ask(self, request: gr.Request, held: str, prompt: str, *rest: Any) -> Any:
        """Ask both, or keep the question until it can be answered."""
        return await self.row.sent(self._ask, request, held, prompt, *rest)

    async def _ask(self, request: gr.Request, prompt: str, shown: str, left: str, right: str, blind: bool) -> Updates:
        chat, who = self._parts.chat, self._parts.person(request, "rater")
        names = contestants(left, right)
        # After what stands on the page, whatever was asked in other pages meanwhile.
        where: dict[str, Any] = {"after": shown} if shown else {}
        turn = await chat.ask(who, prompt, mode="compare", contestants=names, blind=blind, **where)
        box = gr.update(value="", placeholder=texts.ASK_FOLLOW_UP)
        updates = {self.turn: turn, self.kept: turn, self.prompt: box}
        updates |= {self.versions.box: "", self.after.gone: turn if shown else ""}
        return updates | {self.watch: self._watchers.renew(page_of(request))}

    def _wanted(self, request: gr.Request, watch: str) -> Callable[[], bool]:
        return lambda: self._watchers.counts(page_of(request), watch)

    @then_skip
    async def follow(self, turn: str, watch: str, request: gr.Request) -> AsyncIterator[Any]:
        """Both panes at their own pace, until both have ended."""
        if self._watchers.take(page_of(request), watch):
            try:
                wanted = self._wanted(request, watch)
                async for scene, view in self._followed(turn, self._parts.person(request), wanted):
                    yield {**view, **self._ended(scene, watch)}
            finally:
                self._watchers.done(page_of(request), watch)

    async def _followed(
        self, turn: str, who: Person, wanted: Callable[[], bool]
    ) -> AsyncIterator[tuple[Scene, Updates]]:
        if not id_in(turn):
            return
        looks = watched(lambda: see(self._parts.chat, who, turn), wanted=wanted, every_s=lambda: self._watchers.every_s)
        earlier = self._before(who, turn)
        async for scene in looks:
            yield scene, {**self._grown(scene), self.earlier: earlier}

    def _ended(self, scene: Scene, watch: str) -> Updates:
        """When all is written, those are told who wait for it; until then nothing is."""
        if scene.writing:
            return {}
        return {self.written: watch, **({self.known: watch} if compare_views.revealed(scene.turn) else {})}

    async def settle(self, turn: str, request: gr.Request) -> Any:
        """When all is written: the panel of a turn whose names are known."""
        scene = see(self._parts.chat, self._parts.person(request), turn) if id_in(turn) else None
        return self.after.view(scene) if scene and compare_views.revealed(scene.turn) else gr.skip()

    def _before(self, who: Person, turn: str) -> str:
        chat = self._parts.chat
        turns = chat.path_through(who, turn)
        return compare_views.earlier([chat.seen(who, one) for one in turns[: turns.index(turn)]])

    async def vote(self, turn: str, clicked: gr.EventData, request: gr.Request) -> Updates:
        """Save who was better; names are shown after the commit. A vote that another page has given is shown, too."""
        try:
            who, turn = self._parts.person(request, "rater"), there(turn)
            if clicked.value != turn:
                raise Conflict(texts.VOTED_TOO_LATE)
            if refused := await self._voted(who, turn, clicked.act):
                return {**self._there(who, turn), self.notice: views.notice(refused, kind="bad")}
            return {**self.view(see(self._parts.chat, who, turn)), self.notice: ""}
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}

    async def _voted(self, who: Person, turn: str, winner: Any) -> str:
        """Save who was better, or why the turn, as it stands, takes no vote."""
        given = self._parts.chat.seen(who, turn).vote
        if given is not None and given.winner == winner:  # a second click of the same button
            return ""
        try:
            await self._parts.judging.vote(who, turn, winner)
        except Conflict as err:
            return err.message
        return ""

    async def ask_again(self, turn: str, request: gr.Request) -> Updates:
        """The same question, with what was just corrected; its answer is followed beside the two."""
        try:
            await self._parts.chat.ask_again(self._parts.person(request, "rater"), there(turn))
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}
        return {self.watch: self._watchers.renew(page_of(request)), self.notice: ""}

    # -- beginning --

    def begin(self, request: gr.Request) -> Updates:
        """A new conversation: empty panes, other suggestions."""
        watch = self._watchers.renew(page_of(request))
        updates = {**self.view(None), **self.after.left(), self.earlier: "", self.turn: NOWHERE, self.watch: watch}
        updates |= {**self.row.free(placeholder=texts.ASK_BOTH), self.kept: NOWHERE}  # what was written stays
        updates |= {**self.session.none(), self.offers: self.offered(), self.versions.box: ""}
        return updates | visible(self.row.line, self.below, shown=True)

    async def anew(self, request: gr.Request) -> Updates:
        """The same, pressed. In a thread it could come after the question that is asked in it."""
        return self.begin(request)

    async def offer(self, clicked: gr.EventData, request: gr.Request) -> Updates:
        """A suggested question, as if it had been typed into a new conversation; and others to go on with."""
        question = str(clicked.value)
        box = gr.update(value=question, interactive=True, placeholder=texts.ASK_BOTH)
        return {**self.begin(request), self.prompt: box, self.offers: self.offered(but=question)}

    def offered(self, *, but: str = "") -> str:
        """A few questions that the practice model can answer; none for a model that nobody knows."""
        if not self._parts.base.practice:
            return ""
        prompts = [prompt for prompt in sample_prompts() if prompt != but]
        return views.suggestions(random.sample(prompts, min(_OFFERED, len(prompts))))

    def duel(self, one: str, other: str, request: gr.Request) -> Updates:
        """A new conversation between these two, with the names hidden."""
        return {**self.begin(request), **self.choosing.between(one, other)}

    @then_skip
    async def resume(self, kept: str, session: str, request: gr.Request) -> AsyncIterator[Updates]:
        """After a reload: the session that is on, or the turn that stood in this browser tab."""
        who = self._parts.person(request)
        updates: Updates = {self.banner: self._banner(who), self.offers: self.offered()}
        if current := self.session.current(who, session):
            yield updates
            async for view in self._going_on(current, request):
                yield view
            return
        try:
            turn = self._compared(who, own(self._parts, who, kept)) if id_in(kept) else ""
        except FtchatError:  # another home, or somebody else's: begin anew
            yield {**updates, self.kept: NOWHERE, self.turn: NOWHERE}
            return
        box = gr.update(placeholder=texts.ASK_FOLLOW_UP if turn else texts.ASK_BOTH)
        where = {
            self.turn: turn or NOWHERE,
            self.kept: turn or NOWHERE,
            self.watch: self._watchers.renew(page_of(request)),
        }
        yield {**updates, **self._there(who, turn), **where, self.prompt: box}

    def _there(self, who: Person, turn: str) -> Updates:
        """A turn that was judged, or not, before it came onto this page."""
        scene = see(self._parts.chat, who, turn) if turn else None
        return {**self.view(scene), **(self.after.remarked(scene) if scene else {})}

    def to(self, who: Person, turn: str, request: gr.Request) -> Updates:
        """A turn of before, or another version of this one, ready for what is asked after it."""
        turn = self._compared(who, turn)
        box = gr.update(placeholder=texts.ASK_FOLLOW_UP, interactive=True)
        return {**self.begin(request), **self._there(who, turn), self.turn: turn, self.kept: turn, self.prompt: box}

    def _banner(self, who: Person) -> str:
        if not who.is_at_least("rater"):
            return views.notice(texts.VIEWERS_READ)
        return views.practice_banner() if self._parts.base.practice else ""

    def _compared(self, who: Person, turn: str) -> str:
        """A turn; of one that was asked again, the comparison before it."""
        seen = self._parts.chat.seen(who, turn)
        if seen.mode == "compare":
            return seen.turn
        before = (self._parts.chat.seen(who, turn) for turn in reversed(seen.siblings[: seen.position - 1]))
        return next((turn.turn for turn in before if turn.mode == "compare"), seen.turn)

    # -- rating sessions --

    @then_skip
    async def onward(self, session: str, request: gr.Request) -> AsyncIterator[Updates]:
        """The next question: of the session that is on, or one's own."""
        current = self.session.current(self._parts.person(request), session)
        if current is None:
            yield self.begin(request)
            return
        async for view in self._going_on(current, request):
            yield view

    @then_skip
    async def start(self, pasted: str, request: gr.Request) -> AsyncIterator[Updates]:
        """Begin a session over a pasted list."""
        try:
            session = await self._parts.sessions.create(self._parts.person(request, "rater"), pasted)
        except FtchatError as err:
            yield {self.notice: views.notice(err.message, kind="bad")}
            return
        async for view in self._going_on(session, request):
            yield view

    @then_skip
    async def go_on(self, request: gr.Request, clicked: gr.EventData) -> AsyncIterator[Updates]:
        """A session that was left."""
        async for view in self._going_on(str(clicked.value), request):
            yield view

    @then_skip
    async def skip(self, session: str, turn: str, request: gr.Request, clicked: gr.EventData) -> AsyncIterator[Updates]:
        """Leave out the question that the button was shown with; it goes on with the one that stands there by then."""
        shown = str(clicked.value)
        question = int(shown) if shown.isdecimal() else shown
        try:
            who, _ = self._parts.person(request, "rater"), there(turn)
            with suppress(Conflict):  # it was voted on, or left out already
                await self._parts.store.soon(partial(self._parts.sessions.skip, who, session, question))
        except FtchatError as err:
            yield {self.notice: views.notice(err.message, kind="bad")}
            return
        async for view in self._going_on(session, request):
            yield view

    async def end(self, session: str, request: gr.Request) -> Updates:
        """Close the session; what was given stays."""
        try:
            who = self._parts.person(request, "rater")
            await self._parts.sessions.end(who, session)
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}
        return {**self.begin(request), **self.session.over(who, session)}

    def unfinished(self, request: gr.Request) -> str:
        """Sessions to go on with."""
        return self.session.open_ones(self._parts.person(request))

    async def _going_on(self, session: str, request: gr.Request) -> AsyncIterator[Updates]:
        """The next question of a session, as soon as there is one to judge."""
        try:
            who = self._parts.person(request, "rater")
            watch = self._watchers.renew(page_of(request))
            async for found in self.session.coming(who, session, wanted=self._wanted(request, watch)):
                over = found.session.done
                yield {**self.begin(request), **self.session.over(who, session)} if over else self._at(found, watch)
        except FtchatError as err:
            yield {**self.begin(request), self.notice: views.notice(err.message, kind="bad")}

    def _at(self, found: Next, watch: str) -> Updates:
        """A session at a question that can be judged, or at one that is still to be answered."""
        updates = {**self.session.shown(found), **self.after.left(), self.versions.box: "", self.notice: ""}
        updates |= visible(self.row.line, self.below, shown=False)
        if found.turn is not None and to_judge(found.turn):  # shown by whoever follows it: two would cross on the way
            return {**updates, self.turn: found.turn.turn, self.watch: watch}
        panes = {pane: compare_views.coming(found.prompt, side) for side, pane in self.panes.items()}
        why = views.notice(found.waiting or texts.SESSION_UNANSWERED)
        skip = {self.session.skip: compare_views.skip(str(found.position))}
        return {**self.view(None), **updates, **panes, **skip, self.turn: NOWHERE, self.notice: why}
