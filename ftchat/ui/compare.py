"""The Compare page: one question, two answers side by side, a blind vote, names, a correction.

Callbacks take values, call one function of the core and return a view. Sessions are no boundary: what is not in the
database is not here, and the state of a page is the id of its turn.
"""

import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from ftchat.errors import BadInput, FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.seen import TurnSeen
from ftchat.starter import sample_prompts
from ftchat.ui import texts, views
from ftchat.ui.elements import (
    AT_ONCE,
    NOWHERE,
    STREAM,
    Editor,
    Updates,
    conversation_of,
    focus,
    html,
    only_new,
    page_of,
    prompt_box,
    remembered,
    then_skip,
    visible,
)
from ftchat.ui.watching import Watchers, until_ready, watched

SIDES = ("left", "right")
VOTES = {"left": texts.LEFT_BETTER, "right": texts.RIGHT_BETTER, "tie": texts.TIE, "both_bad": texts.BOTH_BAD}
_CORRECT = {"left": texts.CORRECT_A, "right": texts.CORRECT_B}
_OFFERED = 4


class ComparePage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self._watchers = Watchers()
        self.turn = gr.State("")
        self.watch = gr.State("")  # changes when the turn is to be watched, from now on or again
        self.conversation = remembered("ftchat-compare")
        self.banner = html(elem_id="compare-banner")
        self.earlier = html(elem_id="compare-earlier")
        with gr.Row(elem_id="panes"):
            self.panes = {side: html(views.pane(None, side), elem_id=f"pane-{side}") for side in SIDES}
        with gr.Row(elem_id="vote-bar"):
            self.votes = {
                name: gr.Button(words, elem_id=f"vote-{name.replace('_', '-')}", interactive=False)
                for name, words in VOTES.items()
            }
        self._after_vote()
        self._asking()
        self._choosing()

    def _after_vote(self) -> None:
        with gr.Column(elem_id="after-vote", visible=False) as self.after:
            with gr.Row(elem_id="after-head"):
                self.judged = html(elem_id="judged")
                self.undo = gr.Button(texts.UNDO, elem_id="undo-vote", size="sm")
                self.next = gr.Button(texts.NEXT, elem_id="next-question", size="sm")
            with gr.Row(elem_id="after-lanes"):
                self.editors = {side: Editor(side, words) for side, words in _CORRECT.items()}

    def _asking(self) -> None:
        with gr.Column(elem_id="compare-ask", elem_classes="asking"):
            self.waits = html(elem_id="compare-waits")
            self.notice = html(elem_id="compare-notice")
            with gr.Row(elem_classes="ask-row"):
                self.prompt = prompt_box("compare-prompt", placeholder=texts.ASK_BOTH)
                self.send = gr.Button(texts.SEND, variant="primary", elem_id="compare-send", scale=0)
        self.offers = html(elem_id="compare-offers", clicks=True)

    def _choosing(self) -> None:
        with gr.Row(elem_id="compare-more"):
            with gr.Accordion(texts.CHOOSE, open=False, elem_id="choose") as self.choose, gr.Row():
                choices = [(texts.AUTOMATIC, "")]
                self.chosen = {
                    side: gr.Dropdown(choices, value="", label=words, elem_id=f"choose-{side}")
                    for side, words in (("left", texts.CHOOSE_ONE), ("right", texts.CHOOSE_OTHER))
                }
                self.blind = gr.Checkbox(value=True, label=texts.BLIND, elem_id="choose-blind")
            self.new = gr.Button(texts.NEW_CONVERSATION, elem_id="compare-new", size="sm", scale=0)

    # -- wiring --

    def wire(self, blocks: gr.Blocks) -> None:
        """Which event calls what."""
        follow = {**STREAM, "concurrency_id": "compare-follow", "trigger_mode": "multiple"}
        self.watch.change(self.follow, [self.turn, self.watch], [*self._shown(), self.earlier], **follow)
        asked = [self.prompt, self.conversation, *self.chosen.values(), self.blind]
        answered = [self.turn, self.watch, self.conversation, self.prompt, self.notice, *self._editing()]
        ask: dict[str, Any] = {"inputs": asked, "outputs": answered, "concurrency_id": "compare-ask", **STREAM}
        gr.on([self.send.click, self.prompt.submit], self.ask, **ask)
        offer = self.offers.click(self.offer, None, [self.prompt, self.conversation, self.offers], **AT_ONCE)
        offer.then(self.ask, **ask)
        self.begun = [*self._shown(), self.earlier, *answered, self.offers]
        self.choosing = [self.choose, *self.chosen.values(), self.blind]
        for button in (self.next, self.new):
            button.click(None, js=focus("#compare-prompt textarea"))
            button.click(self.begin, None, self.begun, **STREAM)
        self.choose.expand(self.choices, None, list(self.chosen.values()), **AT_ONCE)
        blocks.load(self.resume, [self.conversation], [*answered, self.banner, self.offers], **STREAM)
        self._wire_votes()

    def _wire_votes(self) -> None:
        shown = [*self._shown(), self.notice, *self._editing()]
        for winner, button in self.votes.items():
            button.click(self._voting(winner), [self.turn], shown, **AT_ONCE)
        self.undo.click(self.take_back, [self.turn], shown, **AT_ONCE)
        for side, editor in self.editors.items():
            toggled = [editor.box, editor.open]
            opened = editor.open.click(self._opening(side), [self.turn], [*toggled, editor.text], **AT_ONCE)
            opened.then(None, js=focus(f"#correction-{side} textarea"))
            editor.cancel.click(editor.closed, None, toggled, **AT_ONCE)
            saving = [*self._shown(), self.notice, editor.box]
            editor.save.click(self._saving(side), [self.turn, editor.text], saving, **AT_ONCE)

    def _editing(self) -> list[Any]:
        return [editor.box for editor in self.editors.values()]

    def _shown(self) -> list[Any]:
        fixed = [part for editor in self.editors.values() for part in (editor.fixed, editor.open)]
        return [*self.panes.values(), *self.votes.values(), self.after, self.judged, self.undo, *fixed]

    def view(self, seen: TurnSeen | None) -> Updates:
        """Everything on the page that shows a turn."""
        known = views.revealed(seen)
        updates: Updates = {pane: views.pane(seen, side) for side, pane in self.panes.items()}
        votable = seen is not None and seen.votable
        updates |= {button: gr.update(interactive=votable) for button in self.votes.values()}
        updates[self.judged] = views.judged(seen) if known and seen else ""
        updates |= visible(self.after, shown=known)
        updates |= visible(self.undo, shown=seen is not None and seen.vote is not None)
        for side, editor in self.editors.items():
            lane = views.lane_of(seen, side) if known else None
            updates[editor.fixed] = views.correction(lane)
            updates |= visible(editor.open, shown=lane is not None and bool(lane.text.strip()))
        return updates

    # -- callbacks --

    @then_skip
    async def ask(
        self, prompt: str, conversation: str, left: str, right: str, blind: bool, request: gr.Request
    ) -> AsyncIterator[Any]:
        """Ask both; while the engine is not ready, keep the question and send it when it is."""
        chat, where = self._parts.chat, conversation_of(conversation)
        watch = self._watchers.renew(page_of(request))
        try:
            who = self._parts.person(request, "rater")
            names = contestants(left, right)
            if prompt.strip() and chat.waiting:
                yield {self.notice: views.notice(texts.QUESTION_WAITS), self.prompt: gr.update(interactive=False)}
                if not await until_ready(
                    lambda: chat.waiting, wanted=self._wanted(request, watch), hopeless=self._parts.pipeline.failed
                ):
                    return
                who = self._parts.person(request, "rater")  # that may have taken long
            turn = await chat.ask(who, prompt, mode="compare", conversation=where, contestants=names, blind=blind)
            yield self._asked(chat.seen(who, turn), watch)
        except FtchatError as err:
            refused = {self.notice: views.notice(err.message, kind="bad"), self.prompt: gr.update(interactive=True)}
            yield {**refused, self.watch: watch}

    def _wanted(self, request: gr.Request, watch: str) -> Callable[[], bool]:
        return lambda: self._watchers.counts(page_of(request), watch)

    def _asked(self, seen: TurnSeen, watch: str) -> Updates:
        box = gr.update(value="", interactive=True, placeholder=texts.ASK_FOLLOW_UP)
        updates: Updates = {self.turn: seen.turn, self.conversation: seen.conversation, self.prompt: box}
        return updates | {self.watch: watch, self.notice: ""} | visible(*self._editing(), shown=False)

    @then_skip
    async def follow(self, turn: str, watch: str, request: gr.Request) -> AsyncIterator[Any]:
        """Both panes at their own pace, until both have ended."""
        if self._watchers.take(page_of(request), watch):
            try:
                async for view in self._followed(turn, self._parts.person(request), self._wanted(request, watch)):
                    yield view
            finally:
                self._watchers.done(page_of(request), watch)

    async def _followed(self, turn: str, who: Person, wanted: Callable[[], bool]) -> AsyncIterator[Any]:
        if not turn:
            yield {**self.view(None), self.earlier: ""}
            return
        before: Updates = {}
        async for seen in watched(lambda: self._parts.chat.seen(who, turn), wanted=wanted):
            earlier = before[self.earlier] if before else self._before(who, seen)
            now = {**self.view(seen), self.earlier: earlier}
            yield only_new(now, before)
            before = now

    def _before(self, who: Person, seen: TurnSeen) -> str:
        chat = self._parts.chat
        turns = chat.path_through(who, seen.turn)
        return views.earlier([chat.seen(who, turn) for turn in turns[: turns.index(seen.turn)]])

    def _voting(self, winner: Any) -> Callable[..., Any]:
        async def vote(turn: str, request: gr.Request) -> Updates:
            """Save who was better; names are shown after the commit."""
            try:
                who = self._parts.person(request, "rater")
                given = self._parts.chat.seen(who, turn).vote
                if given is None or given.winner != winner:  # else a second click of the same button
                    await self._parts.judging.vote(who, turn, winner)
            except FtchatError as err:
                return {self.notice: views.notice(err.message, kind="bad")}
            return {**self.view(self._parts.chat.seen(who, turn)), self.notice: ""}

        return vote

    def take_back(self, turn: str, request: gr.Request) -> Updates:
        """Undo the vote of this turn."""
        try:
            who = self._parts.person(request, "rater")
            if vote := self._parts.chat.seen(who, turn).vote:
                self._parts.judging.undo(who, vote.id)
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}
        return {**self.view(self._parts.chat.seen(who, turn)), self.notice: ""}

    def _opening(self, side: str) -> Callable[..., Any]:
        def open_editor(turn: str, request: gr.Request) -> Updates:
            """The reply, or what it was corrected to, in a text field."""
            lane = views.lane_of(self._parts.chat.seen(self._parts.person(request), turn), side)
            return self.editors[side].opened((lane.corrected or lane.text) if lane else "")

        return open_editor

    def _saving(self, side: str) -> Callable[..., Any]:
        def save(turn: str, text: str, request: gr.Request) -> Updates:
            """Save a correction and show what it changed."""
            chat = self._parts.chat
            try:
                who = self._parts.person(request, "rater")
                lane = views.lane_of(chat.seen(who, turn), side)
                self._parts.judging.correct(who, lane.reply if lane else "", text)
            except FtchatError as err:
                return {self.notice: views.notice(err.message, kind="bad")}
            view = self.view(chat.seen(who, turn))
            return {**view, self.notice: "", self.editors[side].box: gr.update(visible=False)}

        return save

    def begin(self, request: gr.Request) -> Updates:
        """A new conversation: empty panes, other suggestions."""
        watch = self._watchers.renew(page_of(request))
        box = gr.update(interactive=True, placeholder=texts.ASK_BOTH)  # what is being written there stays
        updates = {**self.view(None), self.earlier: "", self.turn: "", self.conversation: NOWHERE, self.prompt: box}
        updates |= visible(*self._editing(), shown=False)
        return updates | {self.watch: watch, self.notice: "", self.offers: self.offered()}

    def offer(self, clicked: gr.EventData) -> tuple[str, str, str]:
        """A suggested question, as if it had been typed into a new conversation; and others to go on with."""
        return str(clicked.value), NOWHERE, self.offered(but=str(clicked.value))

    def offered(self, *, but: str = "") -> str:
        """A few questions that the practice model can answer; none for a model that nobody knows."""
        if not self._parts.pipeline.status().practice:
            return ""
        prompts = [prompt for prompt in sample_prompts() if prompt != but]
        return views.suggestions(random.sample(prompts, min(_OFFERED, len(prompts))))

    def choices(self) -> list[Any]:
        """Who can be chosen now."""
        names = [(texts.AUTOMATIC, ""), *((name, name) for name in self._parts.chat.contestants())]
        return [gr.update(choices=names) for _ in SIDES]

    def duel(self, one: str, other: str, request: gr.Request) -> Updates:
        """A new conversation between these two, with the names hidden."""
        values = zip(self.chosen.values(), self.choices(), (one, other), strict=True)
        chosen = {box: {**update, "value": name} for box, update, name in values}
        return {**self.begin(request), **chosen, self.choose: gr.update(open=True), self.blind: True}

    def resume(self, conversation: str, request: gr.Request) -> Updates:
        """After a reload: the last turn of this browser's conversation, without asking again."""
        updates: Updates = {self.banner: views.practice_banner(self._parts.pipeline.status())}
        updates[self.offers] = self.offered()
        try:
            where = conversation_of(conversation)
            turns = self._parts.chat.path(self._parts.person(request), where) if where else []
        except FtchatError:  # another home, or somebody else's: begin anew
            return {**updates, self.conversation: NOWHERE, self.turn: ""}
        box = gr.update(placeholder=texts.ASK_FOLLOW_UP if turns else texts.ASK_BOTH)
        watch = self._watchers.renew(page_of(request))
        return {**updates, self.turn: turns[-1] if turns else "", self.prompt: box, self.watch: watch}


def contestants(left: str, right: str) -> tuple[str, str] | None:
    """The two that were chosen; None leaves it to ftchat."""
    if not left and not right:
        return None
    if not left or not right:
        raise BadInput(texts.CHOOSE_BOTH)
    return left, right
