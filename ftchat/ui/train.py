"""The Train page: what will train it, one dial, Retrain; then watching it learn, and deciding about the result.

All of it is read from the core at each tick, so that a reload, a second browser and a restart find the run where it
is.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr

from ftchat.config import EFFORTS
from ftchat.errors import Conflict, FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.ui import texts, train_views, views
from ftchat.ui.elements import AT_ONCE, Updates, html, visible


class TrainPage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self.notice = html(elem_id="train-notice")
        with gr.Row(elem_id="train-columns"):
            with gr.Column(scale=2, min_width=320):
                with gr.Column(elem_classes="box", elem_id="run-box"):
                    self.run = html(elem_id="run")
                    with gr.Row(elem_classes="buttons", elem_id="run-buttons"):
                        self._run_buttons()
                    self.plot = html(elem_id="run-plot")
                self.shows = html(elem_id="run-shows")
            with gr.Column(scale=1, min_width=280):
                self.card = html(elem_id="card")
                with gr.Column(elem_classes="box", elem_id="effort-box"):
                    choices = [(texts.EFFORTS[effort], effort) for effort in EFFORTS]
                    self.effort = gr.Radio(choices, value="normal", label=texts.EFFORT, elem_id="effort")
                    self.start = gr.Button(texts.RETRAIN, variant="primary", elem_id="train-start")

    def _run_buttons(self) -> None:
        self.stop = gr.Button(texts.STOP_RUN, elem_id="run-stop", size="sm", visible=False)
        self.use = gr.Button(texts.USE_ANYWAY, elem_id="run-use", size="sm", visible=False)
        self.compare = gr.Button(texts.COMPARE_BLIND, elem_id="run-compare", size="sm", visible=False)
        self.back = gr.Button(texts.ROLL_BACK, elem_id="roll-back", size="sm", visible=False)

    def outputs(self) -> list[Any]:
        """What `view` writes."""
        buttons = [self.stop, self.use, self.compare, self.back]
        return [self.run, self.plot, self.shows, self.card, *buttons, self.start]

    def wire(self, presses: list[gr.Button], *, tabs: gr.Tabs) -> None:
        """Which event calls what; `presses` are the buttons that start a run, on whatever page."""
        outputs = [tabs, self.notice, *self.outputs()]
        press = self._pressing(tabs)
        for button in presses:
            button.click(press, [self.effort], outputs, **{**AT_ONCE, "trigger_mode": "once"})
        self.stop.click(self.end, None, [self.notice, *self.outputs()], **AT_ONCE)
        self.use.click(self.take, None, [self.notice, *self.outputs()], **AT_ONCE)
        self.back.click(self.roll_back, None, [self.notice, *self.outputs()], **AT_ONCE)

    def view(self, who: Person) -> Updates:
        """The page as things stand, for who may read what others gave."""
        if not who.is_at_least("reviewer"):
            return {self.run: views.notice(texts.TRAIN_FOR_OTHERS), self.start: gr.update(interactive=False)}
        pipeline = self._parts.pipeline
        latest = pipeline.latest()
        seen = pipeline.seen(latest) if latest else None
        can = train_views.actions(seen, champion=pipeline.status().champion, adapters=self._parts.service.adapters())
        updates: Updates = {self.card: train_views.card(pipeline.card()), self.start: gr.update(interactive=can.start)}
        updates[self.run] = train_views.run(seen, state=can.state) if seen else train_views.no_run()
        updates[self.plot] = train_views.plot(seen) if seen else ""
        updates[self.shows] = train_views.shows(seen.shows) if seen else ""
        updates |= visible(self.stop, shown=can.stop) | visible(self.back, shown=can.roll_back)
        return updates | visible(self.use, self.compare, shown=can.use)

    # -- callbacks --

    def _pressing(self, tabs: gr.Tabs) -> Callable[..., Any]:
        async def press(effort: str, request: gr.Request) -> Updates:
            """Start a run and show it; while one is on, show that one."""
            updates = await self._done(request, lambda who: self._parts.pipeline.press(who.name, effort=effort))
            return {**updates, tabs: gr.Tabs(selected="train")}

        return press

    async def end(self, request: gr.Request) -> Updates:
        """Stop the run that is on and keep the best."""
        run = self._parts.pipeline.latest() or ""
        return await self._done(request, lambda who: self._parts.pipeline.stop(who.name, run))

    async def take(self, request: gr.Request) -> Updates:
        """Put the newest run's adapter into service, whatever the exam said."""
        return await self._done(request, lambda who: self._parts.service.use(who.name, self.newest()))

    async def roll_back(self, request: gr.Request) -> Updates:
        """Put the champion before this one back into service."""
        return await self._done(request, lambda who: self._parts.service.rollback(who.name))

    async def _done(self, request: gr.Request, deed: Callable[[Person], Awaitable[Any]]) -> Updates:
        """Do what admins may, and show how things stand then; what was refused is said in its sentence."""
        said, who = "", self._parts.person(request)
        try:
            await deed(self._parts.person(request, "admin"))
        except FtchatError as err:
            running = isinstance(err, Conflict) and self._parts.pipeline.status().run is not None
            said = "" if running else views.notice(err.message)
        return {**self.view(who), self.notice: said}

    def newest(self) -> str:
        """The adapter of the newest run."""
        latest = self._parts.pipeline.latest()
        return (self._parts.pipeline.seen(latest).run.adapter or "") if latest else ""
