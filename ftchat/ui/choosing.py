"""Who is compared, chosen by hand, and whether the names are hidden: the folded fields of Compare.

It asks the core who can answer. An adapter that its exam rejected is offered to nobody; whoever names one may hear it.
"""

from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import BadInput
from ftchat.parts import Parts
from ftchat.ui.elements import AT_ONCE, Updates


class Choosing:
    """Its components, and what they offer."""

    def __init__(self, parts: Parts) -> None:
        """Lay it out where the page is being built."""
        self._parts = parts
        with gr.Accordion(texts.CHOOSE, open=False, elem_id="choose") as self.folded, gr.Row():
            choices = [(texts.AUTOMATIC, "")]
            self.chosen = {
                side: gr.Dropdown(choices, value="", label=words, elem_id=f"choose-{side}")
                for side, words in (("left", texts.CHOOSE_ONE), ("right", texts.CHOOSE_OTHER))
            }
            self.blind = gr.Checkbox(value=True, label=texts.BLIND, elem_id="choose-blind")

    def wire(self) -> None:
        """Which event calls what."""
        boxes = list(self.chosen.values())
        self.folded.expand(self.choices, boxes, boxes, **AT_ONCE)

    def given(self) -> list[Any]:
        """What asking takes."""
        return [*self.chosen.values(), self.blind]

    def outputs(self) -> list[Any]:
        """What `between` writes."""
        return [self.folded, *self.given()]

    def choices(self, one: str, other: str) -> list[Any]:
        """Who can be chosen now; who is chosen stays, also if nobody would be offered that."""
        able = self._parts.chat.contestants()
        names = dict.fromkeys([*able, *filter(None, (one, other))])
        return [gr.update(choices=[(texts.AUTOMATIC, ""), *((name, name) for name in names)]) for _ in self.chosen]

    def between(self, one: str, other: str) -> Updates:
        """These two, with the names hidden."""
        values = zip(self.chosen.values(), self.choices(one, other), (one, other), strict=True)
        chosen = {box: {**update, "value": name} for box, update, name in values}
        return {**chosen, self.folded: gr.update(open=True), self.blind: True}


def contestants(left: str, right: str) -> tuple[str, str] | None:
    """The two that were chosen; None leaves it to ftchat."""
    if not left and not right:
        return None
    if not left or not right:
        raise BadInput(texts.CHOOSE_BOTH)
    return left, right
