"""The Train page: what will train it, one dial, Retrain; then watching it learn, and deciding about the result.

All of it is read from the core at each tick, so that a reload, a second browser and a restart find the run where it
is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.config import EFFORTS, TrainArgs
from ftchat.errors import BadInput, Conflict, FtchatError
from ftchat.parts import Parts
from ftchat.records import Person, Run, clean_text
from ftchat.ui import train_views, views
from ftchat.ui.elements import AT_ONCE, Updates, html, into_view, visible
from ftchat.ui.paged import Paged, turns
from ftchat.ui.pieces import loading, nothing_found

_PAST = 12  # runs that are kept fresh; all are searched and paged in the database


class TrainPage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self.notice = html(elem_id="train-notice")
        with gr.Row(elem_id="train-columns"):
            with gr.Column(scale=2, min_width=320):
                with gr.Column(elem_classes="box", elem_id="run-box"):
                    self.run = html(loading(), elem_id="run", news=True)
                    self.acts = html(elem_id="run-acts", clicks=True, news=True)
                    self.plot = html(elem_id="run-plot", news=True)
                self.shows = html(elem_id="run-shows", news=True)
                self.past = html(elem_id="run-past", clicks=True, news=True)
                self._all_runs()
                self.looked = html(elem_id="run-looked", clicks=True)
            with gr.Column(scale=1, min_width=280):
                self.card = html(elem_id="card", news=True)
                with gr.Column(elem_classes="box", elem_id="effort-box") as self.dial:
                    choices = [(texts.EFFORTS[effort], effort) for effort in EFFORTS]
                    self.effort = gr.Radio(choices, value="normal", label=texts.EFFORT, elem_id="effort")
                    with gr.Accordion(texts.MORE_ARGS, open=False, elem_id="train-more"):
                        gr.HTML(f'<p class="hint">{texts.MORE_ARGS_HINT}</p>', apply_default_css=False)
                        self.args = {key: _field(key, words) for key, words in texts.TRAIN_ARGS.items()}
                    self.start = gr.Button(texts.RETRAIN, variant="primary", elem_id="train-start")
                self.schedule = html(elem_id="schedule", news=True)
                self.pins = html(elem_id="pins", clicks=True, news=True)

    def _all_runs(self) -> None:
        with gr.Accordion(texts.ALL_RUNS, open=False, visible=False, elem_id="runs-all") as self.folded:
            self.all = Paged[Run](
                self._parts,
                "runs-all",
                label=texts.FIND_RUN,
                least="reviewer",
                find=self._found,
                key=lambda run: run.id,
                show=self._listed,
            )

    def pieces(self) -> list[gr.HTML]:
        """What `told` writes."""
        return [self.run, self.acts, self.plot, self.shows, self.past, self.card, self.schedule, self.pins]

    def controls(self) -> list[Any]:
        """What `offered` writes."""
        return [self.start, self.dial, self.folded]

    def outputs(self) -> list[Any]:
        """What `view` writes."""
        return [*self.pieces(), *self.controls()]

    def wire(self, presses: list[gr.Button], *, tabs: gr.Tabs) -> None:
        """Which event calls what; `presses` are the buttons that start a run, on whatever page."""
        outputs = [tabs, self.notice, *self.outputs()]
        press = self._pressing(tabs)
        for button in presses:
            button.click(press, [self.effort, *self.args.values()], outputs, **{**AT_ONCE, "trigger_mode": "once"})
        for part in (self.past, self.all.list, self.looked):
            looked = part.click(self.look, None, [self.looked, self.notice, *self.outputs()], **AT_ONCE)
            looked.then(None, js=into_view(".looked", pressed="look"))
        self.folded.expand(self.all.look, [self.all.search], self.all.outputs(), **AT_ONCE)
        self.all.wire()
        self.pins.click(self.pin, None, [self.notice, self.pins], **AT_ONCE)
        self.acts.click(self.act, None, [self.notice, *self.outputs()], **AT_ONCE)

    def view(self, who: Person) -> Updates:
        """The page as things stand."""
        return self.told(who) | self.offered(who)

    def offered(self, who: Person) -> Updates:
        """What can be pressed and set: asked about by every page, wherever it is."""
        if not who.is_at_least("reviewer"):
            return {self.start: gr.update(interactive=False)}
        idle = self._parts.store.training.unfinished() is None
        updates: Updates = {self.start: gr.update(interactive=idle)}
        updates |= visible(self.folded, shown=len(self._found("", "", _PAST + 1)) > _PAST)
        return updates | visible(self.dial, shown=who.is_at_least("admin"))

    def told(self, who: Person) -> Updates:
        """All that is read, for who may read what others gave."""
        if not who.is_at_least("reviewer"):
            return {self.run: views.notice(texts.TRAIN_FOR_OTHERS)}
        pipeline = self._parts.pipeline
        latest = pipeline.latest()
        seen = pipeline.seen(latest) if latest else None
        champion = pipeline.status().champion
        can = train_views.actions(seen, champion=champion)
        card = pipeline.card(lately=True)
        updates: Updates = {self.card: train_views.card(card)}
        updates[self.run] = train_views.run(seen) if seen else train_views.no_run(card)
        updates[self.plot] = train_views.plot(seen) if seen else ""
        updates[self.shows] = train_views.shows(seen.shows) if seen else ""
        earlier = [run for run in self._found("", "", _PAST) if run.id != latest]
        decides = who.is_at_least("admin")
        updates[self.past] = train_views.past(earlier, again=can.start and decides)
        updates[self.schedule] = train_views.schedule(self._parts.schedule.state(lately=True))
        updates[self.pins] = train_views.pins(self._parts.store.exams.pins())
        updates[self.acts] = train_views.acts(can, seen.run if seen else None, champion=champion, decides=decides)
        return updates

    def _found(self, search: str, after: str, limit: int) -> list[Run]:
        """Some of the runs for this base."""
        base = self._parts.base.fingerprint
        return self._parts.store.training.runs(base=base, search=search, before=after, limit=limit)

    def _listed(self, who: Person, runs: Sequence[Run], searched: bool) -> str:
        if searched and not runs:
            return nothing_found()
        again = who.is_at_least("admin") and self._parts.store.training.unfinished() is None
        return train_views.listed(runs, again=again)

    # -- callbacks --

    def _pressing(self, tabs: gr.Tabs) -> Callable[..., Any]:
        async def press(
            effort: str, rank: str, learning_rate: str, steps: str, replay_share: str, seed: str, request: gr.Request
        ) -> Updates:
            """Start a run and show it; while one is on, show that one."""
            typed = dict(zip(self.args, (rank, learning_rate, steps, replay_share, seed), strict=True))
            start = self._parts.pipeline.press
            updates = await self._done(
                request, lambda who: start(who.name, effort=effort, args=numbers(typed)), starts=True
            )
            return {**updates, tabs: gr.Tabs(selected="train")}

        return press

    def pin(self, clicked: gr.EventData, request: gr.Request) -> Updates:
        """Pin a question, or take a pin off."""
        exams, said, who = self._parts.store.exams, "", self._parts.person(request, "reviewer")
        try:
            if clicked.act == "unpin":
                exams.remove_pin(str(clicked.value))
            else:
                prompt, *rules, matches = [str(text).strip() for text in getattr(clicked, "filled", ())]
                contains, lacks = [[text] if text else [] for text in rules]
                prompt = clean_text(prompt, what=texts.PINNED_QUESTION)
                self._parts.pipeline.pin(who.name, prompt, contains=contains, lacks=lacks, matches=matches)
        except FtchatError as err:
            said = views.notice(err.message, kind="bad")
        return {self.notice: said, self.pins: train_views.pins(exams.pins())}

    async def look(self, clicked: gr.EventData, request: gr.Request) -> Any:
        """How an earlier run went; or the same once more."""
        run = str(clicked.value)
        if turns(clicked):
            return gr.skip()
        if clicked.act == "again":
            return await self._done(request, lambda who: self._parts.pipeline.again(who.name, run))
        try:
            self._parts.person(request, "reviewer")
            if clicked.act != "look":
                return {self.looked: ""}
            return {self.looked: train_views.whole(await asyncio.to_thread(self._parts.pipeline.seen, run))}
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}

    async def act(self, clicked: gr.EventData, request: gr.Request) -> Any:
        """A button under the run, about the run, the adapter or the champion that it was shown with: stop it and keep
        the best, put it into service whatever the exam said, or put the champion before that one back."""
        value, pipeline, service = str(clicked.value), self._parts.pipeline, self._parts.service
        deeds: dict[str, Callable[[Person], Awaitable[Any]]] = {
            "stop": lambda who: pipeline.stop(value),
            "use": lambda who: service.use(who.name, value),
            "back": lambda who: service.rollback(who.name, leaving=value),
        }
        return await self._done(request, deeds[clicked.act]) if clicked.act in deeds else gr.skip()

    async def _done(
        self, request: gr.Request, deed: Callable[[Person], Awaitable[Any]], *, starts: bool = False
    ) -> Updates:
        """Do what admins may, and show how things stand then; what was refused is said in its sentence. To who starts
        a run while one is on, that one is shown: it says it all."""
        said, who = "", self._parts.person(request)
        try:
            await deed(self._parts.person(request, "admin"))
        except FtchatError as err:
            on = starts and isinstance(err, Conflict) and self._parts.store.training.unfinished() is not None
            said = "" if on else views.notice(err.message, kind="bad")
        return {**await asyncio.to_thread(self.view, who), self.notice: said}


def _field(key: str, words: str) -> gr.Textbox:
    """A training argument. No gr.Number, which makes 0 of what is empty."""
    return gr.Textbox(label=words, placeholder=texts.CHOSEN_BY_FTCHAT, max_length=20, lines=1, elem_id=f"train-{key}")


def numbers(typed: Mapping[str, str | None]) -> dict[str, float]:
    """Training arguments as they were typed; what is empty is chosen by ftchat."""
    given: dict[str, float] = {}
    for key, text in typed.items():
        if text and text.strip():
            try:
                given[key] = type(getattr(TrainArgs(), key))(text.strip())
            except ValueError as err:
                raise BadInput(texts.NO_NUMBER.format(what=texts.TRAIN_ARGS[key], text=text.strip())) from err
    return given
