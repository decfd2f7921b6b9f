"""Where a question is written, and what it waits for. Compare and Chat have one each.

It knows gradio; what is asked, and of whom, is the page's.
"""

from typing import Any

import gradio as gr

from ftchat.ui import texts, views
from ftchat.ui.elements import Updates, html, prompt_box, visible


class PromptRow:
    """The prompt box with its buttons, and a line above it."""

    def __init__(self, page: str, *, placeholder: str) -> None:
        """Lay it out where the page is being built."""
        with gr.Column(elem_id=f"{page}-ask", elem_classes="asking"):
            self.waits = html(elem_id=f"{page}-waits")
            self.notice = html(elem_id=f"{page}-notice")
            with gr.Row(elem_classes="ask-row") as self.line:
                self.prompt = prompt_box(f"{page}-prompt", placeholder=placeholder)
                self.stop = gr.Button(texts.STOP, elem_id=f"{page}-stop", scale=0, visible=False)
                self.hold = gr.Button(texts.DO_NOT_SEND, elem_id=f"{page}-hold", scale=0, visible=False)
                self.send = gr.Button(texts.SEND, variant="primary", elem_id=f"{page}-send", scale=0)

    def outputs(self) -> list[Any]:
        """What the updates below are for."""
        return [self.prompt, self.notice, self.hold, self.send]

    def waiting(self) -> Updates:
        """The question stays and is sent by itself, unless the person thinks better of it."""
        shown = visible(self.hold, shown=True) | visible(self.send, shown=False)
        return {**shown, self.notice: views.notice(texts.QUESTION_WAITS), self.prompt: gr.update(interactive=False)}

    def free(self, notice: str = "", *, waited: bool = True, **prompt: Any) -> Updates:
        """To be written in; with a sentence that says why something was refused.

        The buttons come back if it `waited`: what a browser shows and hides anew without need can cost it a value.
        """
        shown = visible(self.hold, shown=False) | visible(self.send, shown=True) if waited else {}
        said = views.notice(notice, kind="bad")
        return {**shown, self.notice: said, self.prompt: gr.update(interactive=True, **prompt)}
