"""The Models page: the adapters, where each stands, what it scored and what trained it; who is in service, and back.

The newest are kept fresh; all are searched and paged in the database.

Everyone may look; what trained an adapter is for reviewers, deciding is for admins, as in the API.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import BadInput, FtchatError
from ftchat.parts import Parts
from ftchat.records import BASE, Adapter, Person
from ftchat.ui import models_views, views
from ftchat.ui.elements import AT_ONCE, STREAM, Updates, html, into_view, then_skip, visible
from ftchat.ui.models_views import Made, May
from ftchat.ui.paged import Paged, turns
from ftchat.ui.pieces import loading, nothing_found

STEP = 15
NEWEST = 10
_LOOK_S = 1.5
_GIVEN_UP = 20  # looks that brought nothing new


class ModelsPage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self._kept: dict[str, tuple[object, str]] = {}  # by role
        self.notice = html(elem_id="models-notice")
        self.list = html(loading(), elem_id="models-list", clicks=True, news=True)
        with gr.Accordion(texts.ALL_ADAPTERS, open=False, visible=False, elem_id="models-all") as self.folded:
            self.all = Paged[Adapter](
                parts,
                "models-all",
                label=texts.FIND_ADAPTER,
                least="viewer",
                find=self._found,
                key=lambda adapter: adapter.name,
                show=self._shown,
            )
        self.rows = html(elem_id="models-rows", clicks=True)
        self.progress = html(elem_id="models-progress")
        self.way_in = html(elem_id="models-import", clicks=True, news=True)

    def wire(self, tab: gr.Tab) -> None:
        """Which event calls what."""
        tab.select(self.measured, None, [self.progress], **STREAM)
        acts = [*self.outputs(), *self.all.outputs(), self.rows, self.notice]
        for part in (*self.lists(), self.rows):
            acted = part.click(self.act, self.all.given(), acts, **AT_ONCE)
            acted.then(None, js=into_view("#rows", pressed="rows"))
        self.way_in.click(self.all.look, [self.all.search], self.all.outputs(), **AT_ONCE)
        self.folded.expand(self.all.look, [self.all.search], self.all.outputs(), **AT_ONCE)
        self.all.wire()

    def outputs(self) -> list[Any]:
        """What `view` writes."""
        return [self.list, self.folded, self.way_in]

    def lists(self) -> tuple[gr.HTML, gr.HTML]:
        """Where adapters stand with their buttons."""
        return self.list, self.all.list

    # -- views --

    def view(self, who: Person) -> Updates:
        """The newest adapters as they stand; made anew only when one changed."""
        log = self._parts.store.training
        adapters, champion = self._found("", "", NEWEST + 1), self._parts.service.champion()
        now = (adapters, champion, log.unfinished(), self._parts.store.feedback.newest())
        kept = self._kept.get(who.role)
        if kept is None or kept[0] != now:
            kept = self._kept[who.role] = (now, self._newest(adapters[:NEWEST], champion, who))
        way_in = models_views.taking_in() if who.is_at_least("admin") else ""
        more = visible(self.folded, shown=len(adapters) > NEWEST)
        return {self.list: kept[1], self.way_in: way_in, **more}

    def _newest(self, adapters: Sequence[Adapter], champion: str, who: Person) -> str:
        return models_views.page(
            [self._made(adapter) for adapter in adapters],
            champion=champion,
            base_name=self._parts.base.name,
            may=_may(who),
            back=champion != BASE,
        )

    def _found(self, search: str, after: str, limit: int) -> list[Adapter]:
        """Some of the adapters of this base."""
        base = self._parts.base.fingerprint
        return self._parts.store.training.adapters(base, search=search, before=after, limit=limit)

    def _shown(self, who: Person, adapters: Sequence[Adapter], searched: bool) -> str:
        if searched and not adapters:
            return nothing_found()
        made, champion = [self._made(adapter) for adapter in adapters], self._parts.service.champion()
        return models_views.listed(made, champion=champion, may=_may(who))

    def _made(self, adapter: Adapter) -> Made:
        log = self._parts.store.training
        run = log.run(adapter.run) if adapter.run else None
        return Made(
            adapter=adapter,
            verdict=run.verdict if run else None,
            by=run.by if run else "",
            rows=self._rows(adapter),
            lineage=self._parts.service.manifest(adapter.name),
            votes=self._votes(adapter),
            unwanted=adapter.name in self._parts.store.lineage.marks(),
        )

    def _rows(self, adapter: Adapter) -> int:
        counts = self._parts.store.lineage.counts_of(adapter.name)
        return counts["train"] + counts["tune"]

    def _votes(self, adapter: Adapter) -> str:
        """Where the blind votes on an adapter stand, while they decide about it."""
        trial = self._parts.pipeline.trial(adapter.name) if adapter.state == "challenger" else None
        return trial.words if trial else ""

    # -- callbacks --

    async def act(self, search: str, at: str, clicked: gr.EventData, request: gr.Request) -> Any:
        """Whatever button was clicked, but for a comparison, which is on another page."""
        value, service = str(clicked.value or ""), self._parts.service
        try:
            who = self._parts.person(request, "viewer")
            if clicked.act == "rows":
                self._parts.person(request, "reviewer")
                name, _, after = value.partition(" ")
                return {self.rows: self._trained(name, after)}
            if clicked.act == "shut":
                return {self.rows: ""}
            if clicked.act == "compare" or turns(clicked):
                return gr.skip()
            who = self._parts.person(request, "admin")
            await self._deed(who, clicked.act, value)
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}
        said = texts.SERVING_BASE if service.champion() == BASE else texts.SERVING.format(name=service.champion())
        said = texts.DELETED.format(name=value) if clicked.act == "delete" else said
        now = await asyncio.to_thread(lambda: self.view(who) | self.all.shown(who, search, at))
        return {**now, self.notice: views.notice(said)}

    @then_skip
    async def measured(self, request: gr.Request) -> AsyncIterator[Any]:
        """Progress as far as it is measured, until it is whole or nothing is measured any more."""
        self._parts.person(request)
        pipeline = self._parts.pipeline
        before, unchanged = None, 0
        while True:
            rows, found, whole = await pipeline.progress()
            unchanged = unchanged + 1 if found == before else 0  # what cannot be scored is tried again each time
            over = whole or not pipeline.standings.busy or unchanged >= _GIVEN_UP
            before = found
            wrong = views.notice(pipeline.standings.trouble, kind="bad") if over and not whole else ""
            yield {self.progress: models_views.progress(rows, found, whole=over) + wrong}
            if over:
                return
            await asyncio.sleep(_LOOK_S)

    def _deed(self, who: Person, act: str, name: str) -> Awaitable[Any]:
        service = self._parts.service
        if act == "use":
            return service.use(who.name, name)
        if act == "delete":
            return service.delete(who.name, name)
        if act == "back":
            return service.rollback(who.name, leaving=name)
        raise BadInput(texts.NO_SUCH_DEED.format(act=act))

    def _trained(self, name: str, after: str) -> str:
        """A portion of what trained an adapter."""
        self._parts.store.training.adapter(name)
        log = self._parts.store.lineage
        found = log.rows_of(name, after=after, limit=STEP + 1)
        older = found[STEP - 1].feedback if len(found) > STEP else None
        counts = log.counts_of(name)
        return models_views.rows(name, found[:STEP], counts=counts, first=not after, older=older)


def _may(who: Person) -> May:
    reviews, decides = who.is_at_least("reviewer"), who.is_at_least("admin")
    return May(read_rows=reviews, download=reviews, decide=decides, compare=who.is_at_least("rater"))
