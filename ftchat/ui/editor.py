"""Where a reply is corrected: by hand, or by telling the model what to change; with what changes, word by word.

It knows one reply at a time, by its id. Whose it is, and whether it may be corrected, is asked of the core each time.
"""

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.records import Person, new_id
from ftchat.ui import views
from ftchat.ui.elements import AT_ONCE, STREAM, Updates, html, then_skip, there


class Editor:
    """The fields for one reply, and what was corrected of it."""

    def __init__(self, parts: Parts, side: str, words: str = "") -> None:
        """Lay it out where the page is being built; with `words` it has buttons of its own that open it."""
        self._parts = parts
        self.side = side
        self.reply = gr.State("")
        self.opening = gr.State("")  # another one each time that it is opened
        self.draft = gr.State({})  # what the model wrote, until it is in the field or left out
        self.by = gr.State("")  # the instruction by which the model wrote what is in the field
        with gr.Column(elem_id=f"fix-{side}", min_width=280):
            self.fixed = html(elem_id=f"fixed-{side}", clicks=True)
            with gr.Row(elem_classes="buttons openers", visible=bool(words)):
                self.open = gr.Button(words or texts.CORRECT, elem_id=f"correct-{side}", size="sm")
                self.fix = gr.Button(texts.FIX, elem_id=f"instruct-{side}", size="sm")
            self.mark = html(elem_id=f"open-{side}")  # whether it is open: for the style sheet and keys.js
            with gr.Column(elem_classes="editor", elem_id=f"editor-{side}"):
                self._fields()

    def _fields(self) -> None:
        side = self.side
        self.text = gr.Textbox(
            value="",
            label=texts.CORRECTION,
            info=texts.CORRECTION_KEYS,
            elem_id=f"correction-{side}",
            lines=4,
            max_lines=14,
            interactive=True,
        )
        with gr.Row(elem_classes="instructing"):
            self.instruction = gr.Textbox(
                value="",
                label=texts.WHAT_TO_CHANGE,
                info=texts.INSTRUCTION_HINT,
                placeholder=texts.INSTRUCTION_EXAMPLE,
                elem_id=f"instruction-{side}",
                lines=1,
                max_lines=3,
            )
            self.rewrite = gr.Button(texts.REWRITE, elem_id=f"rewrite-{side}", size="sm", scale=0)
        self.said = html(elem_id=f"said-{side}")
        self.change = html(elem_id=f"change-{side}")
        with gr.Row(elem_classes="buttons"):
            self.save = gr.Button(texts.SAVE_CORRECTION, elem_id=f"save-{side}", variant="primary", size="sm")
            self.cancel = gr.Button(texts.CANCEL, elem_id=f"cancel-{side}", size="sm")

    def wire(self) -> None:
        """What goes on inside of it; the pages wire opening and saving."""
        differ = {**AT_ONCE, "trigger_mode": "always_last"}
        self.text.change(  # not input: that misses what is pasted
            self.differ, [self.reply, self.text], [self.change], **differ
        )
        asked, told = [self.reply, self.opening, self.instruction, self.text], [self.draft, self.said, self.rewrite]
        written = gr.on([self.rewrite.click, self.instruction.submit], self.redraft, asked, told, **STREAM)
        into = [self.text, self.by, self.change, *told]
        written.then(self.drafted, [self.opening, self.text, self.draft], into, **AT_ONCE)

    def outputs(self) -> list[Any]:
        """What opening and closing write."""
        fields = [self.text, self.instruction, self.by, self.said, self.change, self.rewrite]
        return [self.reply, self.opening, self.mark, *fields]

    def closing(self) -> list[Any]:
        """What closing writes."""
        return [self.mark, self.said]

    def given(self) -> list[Any]:
        """What saving takes."""
        return [self.reply, self.text, self.by]

    def opened(self, who: Person, reply: str, *, label: str = texts.CORRECTION) -> Updates:
        """The reply, or what it was corrected to, in the field, in place of the buttons."""
        original = self._parts.judging.correctable(who, reply)
        corrected = self._parts.store.judged.given_on(reply, rater=who.name).corrected
        change = views.changing(original.text, corrected) if corrected else ""
        text = corrected or original.text.strip()
        field = gr.update(value=text, label=label)
        shown = {self.reply: reply, self.opening: new_id("o"), self.text: field, self.change: change}
        return {self.mark: views.opened(text), **shown, **self._emptied()}

    def closed(self) -> Updates:
        """The buttons again, where there are any."""
        return {self.mark: "", self.said: ""}

    def _emptied(self) -> Updates:
        return {self.instruction: "", self.by: "", self.said: "", self.rewrite: gr.update(interactive=True)}

    def keep(self, who: Person, reply: str, text: str, by: str) -> str:
        """Save the correction; its id."""
        return self._parts.judging.correct(who, there(reply), text, instruction=by)

    def refused(self, err: FtchatError) -> Updates:
        """Why it was not saved, where the person is looking."""
        return {self.said: views.notice(err.message, kind="bad")}

    # -- callbacks --

    def differ(self, reply: str, text: str, request: gr.Request) -> str:
        """What the text changes, while it is written."""
        try:
            who = self._parts.person(request, "rater")
            return views.changing(self._parts.judging.correctable(who, there(reply)).text, text)
        except FtchatError as err:
            return views.notice(err.message, kind="bad")

    @then_skip
    async def redraft(
        self, reply: str, opening: str, instruction: str, text: str, request: gr.Request
    ) -> AsyncIterator[Updates]:
        """The text rewritten by the model, as a proposal that `drafted` puts into the field."""
        try:
            who = self._parts.person(request, "rater")
            original = self._parts.judging.correctable(who, there(reply)).text.strip()
            begun = {self.said: views.notice(texts.REWRITING), self.rewrite: gr.update(interactive=False)}
            yield {**begun, self.draft: {}}
            changed = "" if text.strip() == original else text
            proposed = await self._parts.redrafts.propose(who, reply, instruction, text=changed)
            change = views.changing(original, proposed)
            yield {self.draft: {"of": [opening, text], "text": proposed, "by": instruction, "change": change}}
        except FtchatError as err:
            yield {**self.refused(err), self.rewrite: gr.update(interactive=True)}

    def drafted(self, opening: str, text: str, draft: dict[str, Any]) -> Any:
        """What the model wrote, into the field that it was asked for and that nobody changed meanwhile."""
        if not draft:
            return gr.skip()
        updates: Updates = {self.draft: {}, self.rewrite: gr.update(interactive=True)}
        if draft["of"] != [opening, text]:
            elsewhere = draft["of"][0] != opening
            left_out = texts.REWRITTEN_ELSEWHERE if elsewhere else texts.REWRITTEN_LATE
            return {**updates, self.said: views.notice(left_out)}
        written = {self.text: draft["text"], self.by: draft["by"], self.change: draft["change"]}
        return {**updates, **written, self.said: views.notice(texts.REWRITTEN, kind="done")}
