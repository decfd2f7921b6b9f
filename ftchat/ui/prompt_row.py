"""Where a question is written and sent from, and what it waits for. Compare and Chat have one each.

While nothing can be answered the question is kept, and sent by itself as soon as it can be. It knows gradio; what is
asked, and of whom, is the page's.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.ui import views
from ftchat.ui.elements import AS_IT_IS, STREAM, Updates, html, page_of, prompt_box, there
from ftchat.ui.watching import Watchers, until_ready

Ask = Callable[..., Awaitable[Updates]]  # takes the request, the prompt, and what else a page asks with


class PromptRow:
    """The prompt box with its buttons, and a line above it."""

    def __init__(self, parts: Parts, page: str, *, placeholder: str, stops: bool = False) -> None:
        """Lay it out where the page is being built; with `stops` there is a way to end an answer."""
        self._parts = parts
        self.held = gr.State("")  # changes when a question is to wait
        with gr.Column(elem_id=f"{page}-ask", elem_classes="asking"):
            self.waits = html(elem_id=f"{page}-waits", news=True)
            self.notice = html(elem_id=f"{page}-notice")
            with gr.Row(elem_classes="ask-row") as self.line:
                self.prompt = prompt_box(f"{page}-prompt", placeholder=placeholder)
                self.stop = gr.Button(texts.STOP, elem_id=f"{page}-stop", scale=0, visible=stops)
                # In place of Send while a question waits: the style sheet sees to it.
                self.hold = gr.Button(texts.DO_NOT_SEND, elem_id=f"{page}-hold", scale=0)
                self.send = gr.Button(texts.SEND, variant="primary", elem_id=f"{page}-send", scale=0)

    def wire(self, ask: Ask, *, asked: Sequence[Any], told: Sequence[Any], watch: gr.State, watchers: Watchers) -> None:
        """Which event calls what. `ask` is the page's, and calls `sent`; `asked` begins with the turn that stands on
        the page; `told` is what it writes, `watch` too."""
        self._watch, self._watchers = watch, watchers
        self.sending: dict[str, Any] = {  # for events of the page that send what is in the box
            **STREAM,
            **AS_IT_IS,
            "fn": ask,
            "inputs": [self.held, self.prompt, *asked],
            "outputs": [self.held, self.notice, self.prompt, *told],
        }
        gr.on([self.send.click, self.prompt.submit], **self.sending)
        self.held.change(**self.sending, trigger_mode="multiple")
        self.hold.click(self.keep, None, [watch, *self.outputs()], **STREAM)

    def outputs(self) -> list[Any]:
        """What `free` writes."""
        return [self.prompt, self.notice]

    def free(self, **prompt: Any) -> Updates:
        """To be written in."""
        return {self.notice: "", self.prompt: gr.update(interactive=True, **prompt)}

    async def sent(self, ask: Ask, request: gr.Request, held: str, prompt: str, turn: str, *rest: Any) -> Any:
        """Ask after a turn. While the engine is not ready keep the question; this is then called again, for what is
        `held`."""
        page = page_of(request)
        late = self._watchers.take(page, held)  # once for each question that waits
        try:
            shown = there(turn)
            if not late and prompt.strip() and self._parts.chat.waiting:
                self._parts.person(request, "rater")
                return self._hold(page)
            if late and not await self._ready(page, held):
                return gr.skip()
            async with self._watchers.asking():
                said = {self.notice: "", **await ask(request, prompt, shown, *rest)}
        except FtchatError as err:
            said = {self.notice: views.notice(err.message, kind="bad")}
            said |= {self._watch: self._watchers.renew(page)} if late else {}
        finally:
            if late:
                self._watchers.done(page, held)
        return {**said, self.prompt: {**said.get(self.prompt, gr.update()), "interactive": True}} if late else said

    def _hold(self, page: str) -> Updates:
        """The question stays and is sent by itself, unless the person thinks better of it."""
        waits = views.notice(texts.QUESTION_WAITS, kind="wait held")
        return {self.held: self._watchers.renew(page), self.notice: waits, self.prompt: gr.update(interactive=False)}

    async def _ready(self, page: str, held: str) -> bool:
        """When it can be answered, or never will be: whether it is still to be sent."""
        return await until_ready(
            lambda: self._parts.chat.waiting,
            wanted=lambda: self._watchers.counts(page, held),
            hopeless=self._parts.pipeline.failed,
        )

    async def keep(self, request: gr.Request) -> Updates:
        """Do not send the question that waits; it stays in the box."""
        return {self._watch: self._watchers.renew(page_of(request)), **self.free()}
