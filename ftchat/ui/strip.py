"""The strip on top of every page, and the clock that keeps it and everything else fresh.

One clock for the whole page, one small request a tick: a view travels only when it changed since the last tick.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import gradio as gr

from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.ui import texts, views
from ftchat.ui.elements import AT_ONCE, Updates, html

EVERY_S = 1.3
_ONLY_LOOKS = '<i class="only-looks" hidden></i>'  # gradio does not hide the tab that was selected at first: CSS does
Views = Callable[[Person], Updates]


class Strip:
    """Name, engine, champion, new feedback, Retrain."""

    def __init__(self, parts: Parts) -> None:
        """Lay it out at the top of the Blocks that is open."""
        self._parts = parts
        with gr.Row(elem_id="strip"):
            self.state = html(elem_id="strip-state")
            self.retrain = gr.Button(texts.RETRAIN, variant="primary", elem_id="retrain", scale=0)
        self.trouble = html(elem_id="strip-trouble")
        self.shown = gr.State({})  # component id -> digest of what this page was last sent
        self.clock = gr.Timer(EVERY_S)

    def view(self, who: Person) -> Updates:
        """The strip as it is now."""
        status, settings = self._parts.pipeline.status(), self._parts.settings
        button = texts.TRAINING if status.run else texts.RETRAIN
        line = views.strip(status, name=settings.name, who=None if settings.open else who)
        admin = who.is_at_least("admin")
        trouble = views.notice(self._parts.backups.trouble, kind="bad") if admin else ""
        trouble = trouble if who.is_at_least("rater") else _ONLY_LOOKS
        return {self.state: line, self.retrain: gr.update(value=button, visible=admin), self.trouble: trouble}

    def keep_fresh(self, *others: Views, blocks: gr.Blocks, outputs: list[Any]) -> None:
        """On load and on each tick, send what changed: in the strip and in what the pages keep fresh themselves."""

        def tick(shown: dict[str, str], request: gr.Request) -> Any:
            """Everything that goes on by itself, as far as it changed."""
            who = self._parts.person(request)
            now = {component: update for view in (self.view, *others) for component, update in view(who).items()}
            digests = {str(component._id): _digest(update) for component, update in now.items()}
            changed = {c: u for c, u in now.items() if shown.get(str(c._id)) != digests[str(c._id)]}
            return {**changed, self.shown: digests} if changed else gr.skip()

        everything = [self.shown, self.state, self.retrain, self.trouble, *outputs]
        gr.on([blocks.load, self.clock.tick], tick, [self.shown], everything, **{**AT_ONCE, "trigger_mode": "once"})


def _digest(update: Any) -> str:
    return hashlib.blake2b(repr(update).encode(), digest_size=8).hexdigest()
