"""The Chat page: one conversation with the champion or with a chosen contestant, rated and corrected reply by reply.

A conversation is a tree: another answer, or another wording of a question, stands beside what was. The page shows one
path of it, and its state is the id of the last turn on that path. The history is what the database has. Callbacks take
values, call one function of the core and return a view.
"""

import random
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.starter import sample_prompts
from ftchat.ui import chat_views, views
from ftchat.ui.elements import (
    AS_IT_IS,
    AT_ONCE,
    NOWHERE,
    STREAM,
    Updates,
    focus,
    focus_acted,
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
from ftchat.ui.exchanges import FIELDS, Exchanges
from ftchat.ui.history import History
from ftchat.ui.prompt_row import PromptRow
from ftchat.ui.sampling import Sampling
from ftchat.ui.watching import Watchers, watched

_OFFERED = 4


class ChatPage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self._watchers = Watchers()
        self.turn = gr.State("")  # the last one of the path on show
        self.watch = gr.State("")  # changes when the turn is to be watched, from now on or again
        self.kept = remembered("ftchat-chat")  # the same, over a reload
        with gr.Row(elem_id="chat-columns"):
            with gr.Column(scale=1, min_width=200, elem_id="chat-side"):
                self.new = gr.Button(texts.NEW_CONVERSATION, elem_id="chat-new", size="sm")
                self.how = Sampling(parts)
                self.history = History(parts)
            with gr.Column(scale=4, min_width=300, elem_id="chat-main"):
                self.said = Exchanges(parts)
                self.offers = html(elem_id="chat-offers", clicks=True)
                self.row = PromptRow(parts, "chat", placeholder=texts.ASK_ONE, stops=True)
        self.waits, self.prompt, self.notice = self.row.waits, self.row.prompt, self.row.notice

    # -- wiring --

    def wire(self, blocks: gr.Blocks) -> None:
        """Which event calls what; called outside of the tabs."""
        place(self.kept)
        follow = {**STREAM, "trigger_mode": "multiple"}
        self.watch.change(self.follow, [self.turn, self.watch], [self.said.live], **follow, **AS_IT_IS)
        opened = self._opens()
        told = [*opened, *self.row.outputs()]
        asked = [self.turn, self.how.system, *self.how.inputs()]
        self.row.wire(self.ask, asked=asked, told=opened, watch=self.watch, watchers=self._watchers)
        offer = self.offers.click(self.offer, None, [self.prompt, self.turn], **AT_ONCE)
        offer.then(**self.row.sending)
        self.history.wire(self.turn, opening=self.open, outputs=told)
        self.new.click(None, js=focus("#chat-prompt textarea"))
        self.new.click(self.begin, None, told, **STREAM, **AS_IT_IS)
        self.row.stop.click(self.end, [self.turn], [self.notice], **AT_ONCE)
        resumed = [*told, *self._asking(), self.how.temperature, self.how.top_p, self.how.most]
        blocks.load(self.resume, [self.kept], resumed, js=recalled(self.kept), **STREAM)
        self._wire_acts(told)

    def _opens(self) -> list[Any]:
        """What opening a conversation writes, but for the row of the prompt."""
        states = [self.turn, self.watch, self.kept, self.offers]
        return [*states, *self.said.outputs(), *self.history.outputs()]

    def _asking(self) -> list[Any]:
        """What is only there for those who may ask."""
        return [self.row.line, self.new, self.how.who, self.how.folded]

    def _wire_acts(self, told: list[Any]) -> None:
        said, editor = self.said, self.said.editor
        editor.wire()
        for spoken in (said.past, said.live):
            acted = spoken.click(self.act, [self.turn, *self.how.inputs()], told, **STREAM, trigger_mode="multiple")
            acted.then(None, js=focus_acted(FIELDS))
        editor.save.click(self.correct, [self.turn, *editor.given()], [*said.outputs(), self.notice], **AT_ONCE)
        changed = said.similar.wire(said.past, said.live)
        changed.then(self.again, [self.turn], [said.past, said.live], **AT_ONCE)
        wording = [said.edited, said.question, *self.how.inputs()]
        said.ask_this.click(self.reword, wording, told, **STREAM)
        for button in (editor.cancel, said.unedit):
            button.click(said.put_away, None, said.outputs(), **AT_ONCE)

    # -- asking and following --

    async def ask(self, request: gr.Request, held: str, prompt: str, *rest: Any) -> Any:
        """Ask, or keep the question until it can be answered."""
        return await self.row.sent(self._ask, request, held, prompt, *rest)

    async def _ask(
        self,
        request: gr.Request,
        prompt: str,
        leaf: str,
        system: str,
        answerer: str,
        temperature: float,
        top_p: float,
        most: float,
    ) -> Updates:
        who = self._parts.person(request, "rater")
        params = self.how.params(temperature, top_p, most)
        where: dict[str, Any] = {"after": leaf} if leaf else {"system": system}
        turn = await self._parts.chat.ask(who, prompt, mode="chat", contestants=(answerer,), params=params, **where)
        box = {self.prompt: gr.update(value="")}
        return {**self._opened(who, turn), **box, self.watch: self._watchers.renew(page_of(request))}

    def _wanted(self, request: gr.Request, watch: str) -> Callable[[], bool]:
        return lambda: self._watchers.counts(page_of(request), watch)

    @then_skip
    async def follow(self, turn: str, watch: str, request: gr.Request) -> AsyncIterator[Any]:
        """The newest answer as it is written."""
        if self._watchers.take(page_of(request), watch):
            try:
                async for view in self._followed(turn, self._parts.person(request), self._wanted(request, watch)):
                    yield view
            finally:
                self._watchers.done(page_of(request), watch)

    async def _followed(self, turn: str, who: Person, wanted: Callable[[], bool]) -> AsyncIterator[Any]:
        if not id_in(turn):
            return
        chat = self._parts.chat
        async for seen in watched(lambda: chat.seen(who, turn), wanted=wanted, every_s=lambda: self._watchers.every_s):
            yield chat_views.exchange(seen, acts=who.is_at_least("rater"))

    async def end(self, turn: str, request: gr.Request) -> str:
        """Stop the answer that is being written."""
        try:
            await self._parts.chat.stop(self._parts.person(request, "rater"), there(turn))
        except FtchatError as err:
            return views.notice(err.message, kind="bad")
        return ""

    # -- which conversation --

    def _opened(self, who: Person, leaf: str) -> Updates:
        """A path on the page, ready for the next question."""
        updates = {**self.said.view(who, leaf), **self.said.put_away(), **self.history.newest(who, leaf)}
        updates |= {self.kept: leaf or NOWHERE, self.turn: leaf or NOWHERE, self.notice: ""}
        return updates | {self.offers: "" if leaf else self.offered(who)}

    def _to(self, who: Person, leaf: str, request: gr.Request) -> Updates:
        """Another path, followed from now on."""
        watch = self._watchers.renew(page_of(request))
        return {**self._opened(who, leaf), **self.row.free(), self.watch: watch}

    async def begin(self, request: gr.Request) -> Updates:
        """A new conversation. In a thread it could come after the question that is asked in it."""
        return self._to(self._parts.person(request), "", request)

    def offer(self, clicked: gr.EventData) -> tuple[str, str]:
        """A suggested question, as if it had been typed into a new conversation."""
        return str(clicked.value), NOWHERE

    def offered(self, who: Person) -> str:
        """A few questions that the practice model can answer; none for a model that nobody knows."""
        if not self._parts.base.practice or not who.is_at_least("rater"):
            return ""
        return views.suggestions(random.sample(sample_prompts(), _OFFERED))

    async def open(self, search: str, turn: str, request: gr.Request, clicked: gr.EventData) -> Updates:
        """A conversation from the history, or another page of it."""
        who, value = self._parts.person(request), str(clicked.value)
        if str(clicked.act) == "open":
            return self._to(who, self._end(self._parts.chat.path, who, value), request)
        return {self.history.list: self.history.page(who, turn, search=search, before=value or None)}

    def _end(self, path: Callable[[Person, str], list[str]], who: Person, where: str | None) -> str:
        """The last turn of a path, if it is there."""
        try:
            return path(who, where)[-1] if where else ""
        except FtchatError:  # another home, or somebody else's: begin anew
            return ""

    def _own_path(self, who: Person, kept: str) -> list[str]:
        return self._parts.chat.path_through(who, own(self._parts, who, kept))

    async def resume(self, kept: str, request: gr.Request) -> Updates:
        """After a reload: where this browser tab was, and the history; before what is pressed then."""
        who = self._parts.person(request)
        may_ask = who.is_at_least("rater")
        leaf = self._end(self._own_path, who, id_in(kept))
        updates = {**self._to(who, leaf, request), **self.how.defaults()}
        said = {} if may_ask else {self.notice: views.notice(texts.VIEWERS_READ)}
        return {**updates, **said, **visible(*self._asking(), shown=may_ask)}

    # -- what is done to a question or a reply --

    async def act(
        self,
        leaf: str,
        answerer: str,
        temperature: float,
        top_p: float,
        most: float,
        request: gr.Request,
        clicked: gr.EventData,
    ) -> Any:
        """A button in the conversation."""
        act, value, said = str(clicked.act), str(clicked.value), self.said
        if act == "similar":  # which `similar` hears
            return gr.skip()
        try:
            who, leaf = self._parts.person(request, "rater"), there(leaf)
            if act in ("correct", "fix"):
                return said.correcting(who, value)
            if act == "edit":
                return said.rewording(who, value)
            if act == "sibling":
                return self._to(who, self._parts.chat.path_through(who, value)[-1], request)
            if act == "regenerate":
                params = self.how.params(temperature, top_p, most)
                return self._to(who, await said.regenerated(who, value, answerer, params), request)
            about = await self._parts.store.soon(partial(said.judge, who, act, value))
            return {**said.changed(who, leaf, about), self.notice: ""}
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}

    def again(self, leaf: str, request: gr.Request) -> Any:
        """The conversation, after answers of it may have been corrected elsewhere."""
        who = self._parts.person(request)
        return self.said.view(who, leaf) if id_in(leaf) else gr.skip()

    async def reword(
        self,
        turn: str,
        prompt: str,
        answerer: str,
        temperature: float,
        top_p: float,
        most: float,
        request: gr.Request,
    ) -> Updates:
        """Ask another wording of a question, beside it."""
        try:
            who = self._parts.person(request, "rater")
            params = self.how.params(temperature, top_p, most)
            return self._to(who, await self.said.reworded(who, there(turn), prompt, answerer, params), request)
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}

    def correct(self, leaf: str, reply: str, text: str, by: str, request: gr.Request) -> Updates:
        """Save a correction and show what it changed."""
        try:
            who, leaf = self._parts.person(request, "rater"), there(leaf)
            kept = self.said.editor.keep(who, reply, text, by)
            after = self.said.put_away() | self.said.similar.offered(who, kept)
            turn, _ = self._parts.store.turns.turn_of(reply, owner=who.reads)
            return {**self.said.changed(who, leaf, turn.id), **after, self.notice: ""}
        except FtchatError as err:
            return self.said.editor.refused(err)
