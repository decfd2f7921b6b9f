"""How answers in Chat are made: who answers, the system prompt, and how words are sampled."""

from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.parts import Parts
from ftchat.records import CHAMPION, Params
from ftchat.ui.elements import AT_ONCE, Updates


class Sampling:
    """Its components, and what they mean."""

    def __init__(self, parts: Parts) -> None:
        """Lay it out in the Blocks that is open."""
        self._parts = parts
        self.who = gr.Dropdown([CHAMPION], value=CHAMPION, label=texts.WHO_ANSWERS, elem_id="chat-who")
        with gr.Accordion(texts.HOW, open=False, elem_id="chat-how") as self.folded:
            self.system = gr.Textbox(
                value="", label=texts.SYSTEM, info=texts.SYSTEM_HINT, elem_id="chat-system", lines=3, max_lines=10
            )
            bare: dict[str, Any] = {"buttons": []}
            self.temperature = gr.Slider(
                0, 2, value=0.7, step=0.05, label=texts.TEMPERATURE, elem_id="chat-temperature", **bare
            )
            self.top_p = gr.Slider(0.05, 1, value=0.95, step=0.05, label=texts.TOP_P, elem_id="chat-top-p", **bare)
            self.most = gr.Slider(1, 256, value=256, step=1, label=texts.MAX_TOKENS, elem_id="chat-max-tokens", **bare)
        self.who.focus(self.choices, None, [self.who], **AT_ONCE)

    def inputs(self) -> list[Any]:
        """Who answers, and what `params` takes."""
        return [self.who, self.temperature, self.top_p, self.most]

    def defaults(self) -> Updates:
        """As the settings have it."""
        default = self._parts.chat.defaults()
        most = gr.update(value=default.max_tokens, maximum=default.max_tokens)
        return {self.temperature: default.temperature, self.top_p: default.top_p, self.most: most}

    def choices(self) -> Any:
        """Who can be chosen now."""
        return gr.update(choices=list(self._parts.chat.contestants()))

    def params(self, temperature: float, top_p: float, most: float) -> Params:
        """What the sliders say; what a browser made up is refused, and no answer is longer than the settings allow."""
        longest = self._parts.chat.defaults().max_tokens
        return Params(temperature=temperature, top_p=top_p, max_tokens=min(int(most), longest))
