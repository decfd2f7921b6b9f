"""The Chat page: one conversation with the champion or with a chosen contestant, rated and corrected reply by reply.

The history is what the database has. Callbacks take values, call one function of the core and return a view.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.records import CHAMPION, Person
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


class ChatPage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self._watchers = Watchers()
        self.turn = gr.State("")
        self.watch = gr.State("")  # changes when the turn is to be watched, from now on or again
        self.reply = gr.State("")  # the one that is being corrected
        self.conversation = remembered("ftchat-chat")
        with gr.Row(elem_id="chat-columns"):
            with gr.Column(scale=1, min_width=200, elem_id="chat-side"):
                self.new = gr.Button(texts.NEW_CONVERSATION, elem_id="chat-new", size="sm")
                self.who = gr.Dropdown([CHAMPION], value=CHAMPION, label=texts.WHO_ANSWERS, elem_id="chat-who")
                self.history = html(elem_id="chat-history", clicks=True)
            with gr.Column(scale=4, min_width=300, elem_id="chat-main"):
                self.past = html(elem_id="chat-past", clicks=True)
                self.live = html(views.empty_chat(), elem_id="chat-live", clicks=True)
                self.editor = Editor("chat", texts.CORRECT)
                self._asking()

    def _asking(self) -> None:
        with gr.Column(elem_id="chat-ask", elem_classes="asking"):
            self.waits = html(elem_id="chat-waits")
            self.notice = html(elem_id="chat-notice")
            with gr.Row(elem_classes="ask-row"):
                self.prompt = prompt_box("chat-prompt", placeholder=texts.ASK_ONE)
                self.stop = gr.Button(texts.STOP, elem_id="chat-stop", scale=0, visible=False)
                self.send = gr.Button(texts.SEND, variant="primary", elem_id="chat-send", scale=0)

    # -- wiring --

    def wire(self, blocks: gr.Blocks) -> None:
        """Which event calls what."""
        follow = {**STREAM, "concurrency_id": "chat-follow", "trigger_mode": "multiple"}
        self.watch.change(self.follow, [self.turn, self.watch], [self.live, self.stop], **follow)
        told = self._told()
        ask: dict[str, Any] = {"inputs": [self.prompt, self.conversation, self.who], "outputs": told, **STREAM}
        gr.on([self.send.click, self.prompt.submit], self.ask, concurrency_id="chat-ask", **ask)
        self.history.click(self.open, None, told, **STREAM)
        self.new.click(None, js=focus("#chat-prompt textarea"))
        self.new.click(self.begin, None, told, **STREAM)
        self.stop.click(self.end, [self.turn], [self.notice], **AT_ONCE)
        self.who.focus(self.choices, None, [self.who], **AT_ONCE)
        blocks.load(self.resume, [self.conversation], told, **STREAM)
        self._wire_acts()

    def _told(self) -> list[Any]:
        """What opening a conversation writes."""
        whole = [*self._whole(), self.history, self.notice, self.prompt]
        return [*whole, self.turn, self.watch, self.conversation, self.editor.box]

    def _wire_acts(self) -> None:
        edited = [self.notice, self.reply, self.editor.box, self.editor.text, *self._whole()]
        for spoken in (self.past, self.live):
            acted = spoken.click(self.act, [self.conversation], edited, **AT_ONCE)
            acted.then(None, js=focus("#correction-chat textarea"))
        self.editor.cancel.click(lambda: gr.update(visible=False), None, [self.editor.box], **AT_ONCE)
        given = [self.conversation, self.reply, self.editor.text]
        self.editor.save.click(self.correct, given, [self.notice, self.editor.box, *self._whole()], **AT_ONCE)

    def _whole(self) -> list[Any]:
        return [self.past, self.live]

    def view(self, who: Person, conversation: str | None) -> Updates:
        """A conversation: the turns before the last one, and the last one."""
        chat = self._parts.chat
        turns = [chat.seen(who, turn) for turn in self._turns(who, conversation)]
        live = views.exchange(turns[-1]) if turns else views.empty_chat()
        return {self.past: views.transcript(turns[:-1]), self.live: live}

    def listed(self, who: Person, conversation: str | None) -> Updates:
        """The history."""
        found = self._parts.chat.conversations(who, mode="chat")
        return {self.history: views.history(found, current=conversation or "")}

    def _turns(self, who: Person, conversation: str | None) -> list[str]:
        return self._parts.chat.path(who, conversation) if conversation else []

    # -- callbacks --

    @then_skip
    async def ask(self, prompt: str, conversation: str, answerer: str, request: gr.Request) -> AsyncIterator[Updates]:
        """Ask; while the engine is not ready, keep the question and send it when it is."""
        chat, where = self._parts.chat, conversation_of(conversation)
        watch = self._watchers.renew(page_of(request))
        try:
            who = self._parts.person(request, "rater")
            if prompt.strip() and chat.waiting:
                yield {self.notice: views.notice(texts.QUESTION_WAITS), self.prompt: gr.update(interactive=False)}
                if not await until_ready(
                    lambda: chat.waiting, wanted=self._wanted(request, watch), hopeless=self._parts.pipeline.failed
                ):
                    return
                who = self._parts.person(request, "rater")  # that may have taken long
            turn = await chat.ask(who, prompt, mode="chat", conversation=where, contestants=(answerer,))
            opened = self._opened(who, chat.seen(who, turn).conversation)
            yield {**opened, self.prompt: gr.update(value="", interactive=True), self.turn: turn, self.watch: watch}
        except FtchatError as err:
            refused = {self.notice: views.notice(err.message, kind="bad"), self.prompt: gr.update(interactive=True)}
            yield {**refused, self.watch: watch}

    def _wanted(self, request: gr.Request, watch: str) -> Callable[[], bool]:
        return lambda: self._watchers.counts(page_of(request), watch)

    def _opened(self, who: Person, conversation: str | None) -> Updates:
        """A conversation on the page, ready for the next question."""
        updates = {**self.view(who, conversation), **self.listed(who, conversation), self.notice: ""}
        updates |= {self.conversation: conversation or NOWHERE, self.prompt: gr.update(interactive=True)}
        return updates | visible(self.editor.box, shown=False)

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
        if not turn:
            yield {self.live: views.empty_chat(), **visible(self.stop, shown=False)}
            return
        before: Updates = {}
        async for seen in watched(lambda: self._parts.chat.seen(who, turn), wanted=wanted):
            now = {self.live: views.exchange(seen), **visible(self.stop, shown=seen.writing)}
            yield only_new(now, before)
            before = now

    def begin(self, request: gr.Request) -> Updates:
        """A new conversation."""
        watch = self._watchers.renew(page_of(request))
        return {**self._opened(self._parts.person(request), None), self.turn: "", self.watch: watch}

    def open(self, request: gr.Request, clicked: gr.EventData) -> Updates:
        """A conversation from the history."""
        return self._open(str(clicked.value), request)

    def _open(self, conversation: str | None, request: gr.Request) -> Updates:
        who, watch = self._parts.person(request), self._watchers.renew(page_of(request))
        try:
            turns = self._turns(who, conversation)
        except FtchatError:  # another home, or somebody else's: begin anew
            conversation, turns = None, []
        opened = self._opened(who, conversation)
        return {**opened, self.turn: turns[-1] if turns else "", self.watch: watch}

    async def end(self, turn: str, request: gr.Request) -> str:
        """Stop the answer that is being written."""
        try:
            await self._parts.chat.stop(self._parts.person(request, "rater"), turn)
        except FtchatError as err:
            return views.notice(err.message, kind="bad")
        return ""

    def act(self, conversation: str, request: gr.Request, clicked: gr.EventData) -> Updates:
        """A thumb, or the wish to correct, on one reply."""
        act, reply = str(clicked.act), str(clicked.value)
        try:
            who = self._parts.person(request, "rater")
            if act == "correct":
                field = self._field(who, conversation_of(conversation), reply)
                return {self.reply: reply, self.editor.text: field, **visible(self.editor.box, shown=True)}
            self._parts.judging.rate(who, reply, act)
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}
        return {**self.view(who, conversation_of(conversation)), self.notice: ""}

    def _field(self, who: Person, conversation: str | None, reply: str) -> Any:
        """The field with a reply, or what it was corrected to, in it, under the question."""
        turns = (self._parts.chat.seen(who, turn) for turn in self._turns(who, conversation))
        for prompt, lane in ((seen.prompt, lane) for seen in turns for lane in seen.lanes if lane.reply == reply):
            label = texts.CORRECTING.format(prompt=views.shortened(prompt))
            return gr.update(value=lane.corrected or lane.text, label=label)
        return gr.update(value="")

    def correct(self, conversation: str, reply: str, text: str, request: gr.Request) -> Updates:
        """Save a correction and show what it changed."""
        try:
            who = self._parts.person(request, "rater")
            self._parts.judging.correct(who, reply, text)
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}
        view = self.view(who, conversation_of(conversation))
        return {**view, self.notice: "", self.editor.box: gr.update(visible=False)}

    def choices(self) -> Any:
        """Who can be chosen now."""
        return gr.update(choices=list(self._parts.chat.contestants()))

    def resume(self, conversation: str, request: gr.Request) -> Updates:
        """After a reload: this browser's conversation and the history."""
        return self._open(conversation_of(conversation), request)
