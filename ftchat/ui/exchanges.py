"""The conversation on Chat: its exchanges, and what is done to them: thumbs, reasons, corrections, other wordings.

What leads to another path (regenerate, another wording, a sibling) is given back as the turn to go to.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.parts import Parts
from ftchat.records import Params, Person
from ftchat.ui import chat_views, views
from ftchat.ui.after_vote import toggle_thumb, toggled
from ftchat.ui.editor import Editor
from ftchat.ui.elements import Updates, html, visible
from ftchat.ui.similar import Similar

FIELDS = {  # by what the button does that opens one
    "correct": "#correction-chat textarea",
    "fix": "#instruction-chat textarea",
    "edit": "#edit-question textarea",
}


class Exchanges:
    """Its components, and what is done with them."""

    def __init__(self, parts: Parts) -> None:
        """Lay it out in the Blocks that is open."""
        self._parts = parts
        self.edited = gr.State("")  # the turn whose question is being worded anew
        self.past = html(elem_id="chat-past", clicks=True)
        self.live = html(chat_views.empty_chat(), elem_id="chat-live", clicks=True)
        self.editor = Editor(parts, "chat")
        self.similar = Similar(parts, "chat")
        with gr.Column(visible=False, elem_classes="editor", elem_id="chat-edit") as self.wording:
            self.question = gr.Textbox(
                value="", label=texts.EDIT_QUESTION, elem_id="edit-question", lines=2, max_lines=10
            )
            with gr.Row(elem_classes="buttons"):
                self.ask_this = gr.Button(texts.ASK_THIS, elem_id="edit-ask", variant="primary", size="sm")
                self.unedit = gr.Button(texts.CANCEL, elem_id="edit-cancel", size="sm")

    def outputs(self) -> list[Any]:
        """All that the functions below write."""
        fields = [self.edited, self.wording, self.question, *self.editor.outputs()]
        return [self.past, self.live, self.similar.box, *fields]

    def view(self, who: Person, leaf: str) -> Updates:
        """A path: the turns before the last one, and the last one; with what this person may do to them."""
        chat, acts = self._parts.chat, who.is_at_least("rater")
        turns = [chat.seen(who, turn) for turn in (chat.path_through(who, leaf) if leaf else [])]
        if not turns:
            return {self.past: "", self.live: chat_views.empty_chat()}
        system = self._parts.store.turns.conversation(turns[-1].conversation, owner=who.reads).system
        past = chat_views.system(system) + chat_views.transcript(turns[:-1], acts=acts)
        return {self.past: past, self.live: chat_views.exchange(turns[-1], acts=acts)}

    def changed(self, who: Person, leaf: str, turn: str) -> Updates:
        """A path after something was said about one turn of it: a long conversation does not travel for a thumb on its
        newest answer."""
        if self._parts.chat.path_through(who, leaf)[-1:] != [leaf]:  # it was gone on with elsewhere
            return self.view(who, leaf)
        if turn != leaf:
            return {self.past: self.view(who, leaf)[self.past]}
        return {self.live: chat_views.exchange(self._parts.chat.seen(who, leaf), acts=who.is_at_least("rater"))}

    def put_away(self) -> Updates:
        """No field is open."""
        away = {**self.editor.closed(), **visible(self.wording, shown=False), self.edited: ""}
        return away | self.similar.none()

    # -- what one button does --

    def judge(self, who: Person, act: str, value: str) -> str:
        """A thumb, a reason for it, or the way back from a correction; the turn that it is about."""
        store = self._parts.store
        if act == "uncorrect":
            turn = store.feedback.get(value).turn
        else:
            turn = store.turns.turn_of(value.partition("|")[0], owner=who.name)[0].id
        deeds: dict[str, Callable[[], Any]] = {
            "up": lambda: toggle_thumb(self._parts, who, value, "up"),
            "down": lambda: toggle_thumb(self._parts, who, value, "down"),
            "reason": lambda: self._toggle_reason(who, value),
            "uncorrect": lambda: self._parts.judging.undo(who, value),
        }
        if act in deeds:
            deeds[act]()
        return turn

    def _toggle_reason(self, who: Person, value: str) -> None:
        reply, _, reason = value.partition("|")
        given = self._parts.store.judged.given_on(reply, rater=who.name)
        if given.rating:
            reasons = toggled(list(given.reasons), reason)
            self._parts.judging.rate(who, reply, given.rating, reasons=reasons, comment=given.comment)

    def correcting(self, who: Person, reply: str) -> Updates:
        """The field for a reply, under its question."""
        turn, _ = self._parts.store.turns.turn_of(reply, owner=who.name)
        label = texts.CORRECTING.format(prompt=views.shortened(turn.prompt))
        return {**self.put_away(), **self.editor.opened(who, reply, label=label)}

    def rewording(self, who: Person, turn: str) -> Updates:
        """The field for another wording of a question."""
        prompt = self._parts.store.turns.get(turn, owner=who.name).prompt
        return {**self.put_away(), **visible(self.wording, shown=True), self.question: prompt, self.edited: turn}

    async def regenerated(self, who: Person, turn: str, answerer: str, params: Params) -> str:
        """Another answer to the same question; its turn. A second press, while one is written, leads to that one."""
        store, chat = self._parts.store, self._parts.chat
        asked = store.turns.get(turn, owner=who.name)
        written = (one for one in store.tree.siblings(asked) if chat.writing(one))
        same = next((one for one in written if store.turns.get(one).prompt == asked.prompt), None)
        return same or await chat.regenerate(who, turn, contestants=(answerer,), params=params)

    async def reworded(self, who: Person, turn: str, prompt: str, answerer: str, params: Params) -> str:
        """An answer to another wording of a question; its turn."""
        return await self._parts.chat.edit(who, turn, prompt, contestants=(answerer,), params=params)
