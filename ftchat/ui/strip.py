"""The strip on top of every page, and the clock that keeps it and everything else fresh.

One clock for the whole page, one small request a tick, which tells whether anything changed; only then another one
fetches what did. An event costs gradio a third of a millisecond for each of its outputs, even for those that stay as
they are, and a hundred open pages tick seventy times a second.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import gradio as gr

from ftchat.parts import Parts
from ftchat.records import Person, new_id
from ftchat.ui import texts, views
from ftchat.ui.elements import AS_IT_IS, AT_ONCE, Updates, html

EVERY_S = 1.3
_ONLY_LOOKS = '<i class="only-looks" hidden></i>'  # gradio does not hide the tab that was selected at first: CSS does
_HEARD = "watch('value', () => trigger('change'))"
Views = Callable[[Person], Updates]


class Strip:
    """Name, engine, champion, new feedback, Retrain."""

    def __init__(self, parts: Parts) -> None:
        """Lay it out at the top of the Blocks that is open."""
        self._parts = parts
        with gr.Row(elem_id="strip"):
            self.state = html(elem_id="strip-state")
            self.retrain = gr.Button(
                texts.RETRAIN, variant="primary", elem_id="retrain", scale=0, visible=parts.settings.open
            )
        self.trouble = html(elem_id="strip-trouble")
        self.shown = gr.State({})  # component id -> digest of what this page was last sent
        self.news = gr.HTML(elem_id="strip-news", apply_default_css=False, js_on_load=_HEARD)  # digest of it all
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

        def everything(request: gr.Request) -> Updates:
            who = self._parts.person(request)
            return {component: update for view in (self.view, *others) for component, update in view(who).items()}

        def digests_of(now: Updates) -> dict[str, str]:
            return {str(component._id): _digest(update) for component, update in now.items()}

        def tick(shown: dict[str, str], request: gr.Request) -> str:
            """A digest of all that goes on by itself: a page that sees another one asks for what changed. While it was
            not shown it is another one each time, since a page may miss one."""
            digests = digests_of(everything(request))
            again = "" if digests == shown else new_id("n")
            return f'<i hidden data-news="{_digest(digests)}{again}"></i>'

        def fresh(shown: dict[str, str], request: gr.Request) -> Any:
            """Everything that goes on by itself, as far as it changed."""
            now = everything(request)
            digests = digests_of(now)
            changed = {c: u for c, u in now.items() if shown.get(str(c._id)) != digests[str(c._id)]}
            return {**changed, self.shown: digests} if changed else gr.skip()

        once = {**AT_ONCE, "trigger_mode": "once"}
        gr.on([blocks.load, self.clock.tick], tick, [self.shown], [self.news], **once, **AS_IT_IS)
        told = [self.shown, self.state, self.retrain, self.trouble, *outputs]
        self.news.change(fresh, [self.shown], told, **{**AT_ONCE, "trigger_mode": "always_last"})


def _digest(update: Any) -> str:
    return hashlib.blake2b(repr(update).encode(), digest_size=8).hexdigest()
