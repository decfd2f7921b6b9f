"""The Review page: feedback that waits, is approved or rejected; what both answers got wrong; files out and in.

Paging, filters and search happen in the database. Raters see what they gave themselves and decide on nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import gradio as gr

from ftchat import dataset, lineage, review, texts
from ftchat.errors import FtchatError
from ftchat.exports import judged_from
from ftchat.parts import Parts
from ftchat.records import Feedback, Person, Status
from ftchat.ui import review_views, views
from ftchat.ui.editor import Editor
from ftchat.ui.elements import AT_ONCE, Updates, focus_acted, html
from ftchat.ui.pieces import loading
from ftchat.ui.similar import Similar

PAGE = 20
_QUEUE = "queue"
_MOST = 100  # to correct, counted


class ReviewPage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self.trail = gr.State("")  # where the pages before this one began
        with gr.Row(elem_id="review-columns"):
            with gr.Column(scale=4, min_width=320):
                self._filters()
                self.notice = html(elem_id="review-notice", clicks=True)
                self.editor = Editor(parts, "queue")
                self.similar = Similar(parts, "review")
                self.list = html(loading(), elem_id="review-list", clicks=True)
            with gr.Column(scale=1, min_width=220, elem_id="review-side"):
                self.keys = html(elem_id="review-keys")
                self.exchange = html(elem_id="review-exchange", clicks=True)

    def _filters(self) -> None:
        statuses, kinds = [(words, value) for value, words in texts.REVIEW_STATUS.items()], texts.REVIEW_KINDS
        with gr.Row(elem_id="review-filters"):
            self.status = gr.Radio(statuses, value="pending", label=texts.REVIEW_SHOW, elem_id="review-status")
            self.kind = gr.Dropdown(
                [(words, kind) for kind, words in kinds.items()],
                value="all",
                label=texts.REVIEW_KIND,
                elem_id="review-kind",
                min_width=130,
            )
            self.person = gr.Dropdown(
                [(texts.EVERYONE, "")], value="", label=texts.REVIEW_PERSON, elem_id="review-person", min_width=130
            )
            self.search = gr.Textbox(
                label=texts.REVIEW_SEARCH, elem_id="review-search", max_length=1000, lines=1, min_width=160
            )

    # -- wiring --

    def wire(self, tab: gr.Tab) -> None:
        """Which event calls what."""
        asked = [self.status, self.kind, self.person, self.search]
        told = [self.list, self.trail, self.notice, self.similar.box]  # no editor: what is half written stays
        once = {**AT_ONCE, "trigger_mode": "always_last"}
        changed = [self.status.input, self.kind.input, self.person.input, self.search.input]
        gr.on(changed, self.show, asked, told, **once)
        tab.select(self.open, asked, [*told, self.status, self.person, self.keys, self.exchange], **AT_ONCE)
        self.exchange.click(self.again, asked, [*told, self.status], **AT_ONCE)
        self.editor.wire()
        acts = list(dict.fromkeys([*told, self.status, *self.editor.outputs()]))
        for part in (self.list, self.notice):
            acted = part.click(self.act, [*asked, self.trail], acts, **AT_ONCE)
            acted.then(None, js=focus_acted({"correct": "#correction-queue textarea"}))
        self.editor.save.click(self.correct, [*asked, *self.editor.given(), self.trail], acts, **AT_ONCE)
        self.editor.cancel.click(self.leave, None, [*self.editor.outputs(), self.similar.box], **AT_ONCE)
        changed = self.similar.wire(self.list)
        changed.then(self.again, asked, [*told, self.status], **AT_ONCE)

    # -- views --

    def listed(self, who: Person, asked: Sequence[str], *, trail: str = "") -> Updates:
        """One page of the list; `trail` is where the pages up to this one begin."""
        status, kind, person, search = asked
        if status == _QUEUE:
            return self._queued(who, trail=trail)
        found, older = review.listed(
            self._parts.store,
            who,
            status=None if status == "all" else cast(Status, status),
            kind=None if kind == "all" else cast(Any, kind),
            rater=person or None,
            search=search.strip() or None,
            after=trail.split()[-1] if trail else None,
            limit=PAGE,
        )
        if trail and not found:  # the last of this page is decided
            return self.listed(who, asked)
        filtered = kind != "all" or person or search.strip()
        nothing = texts.REVIEW_EMPTY["found" if filtered else status] if who.reads is None else texts.GIVEN_EMPTY
        shown = self._shown(who, found, older=older, newer=bool(trail))
        return {self.list: review_views.page(shown, nothing=nothing), self.trail: trail}

    def _queued(self, who: Person, *, trail: str) -> Updates:
        """One page of what is to be corrected; the filters of the other lists are not shown with it."""
        store, before = self._parts.store, trail.split()[-1] if trail else None
        ids = self._parts.judging.to_correct(who, before=before, limit=PAGE + 1)
        if trail and not ids:
            return self._queued(who, trail="")
        turns = [store.turns.get(turn, owner=who.reads) for turn in ids[:PAGE]]
        older = turns[-1].id if len(ids) > PAGE else None
        corrects = who.is_at_least("rater")
        page = review_views.queue(turns, me=who.name, corrects=corrects, older=older, newer=bool(trail))
        return {self.list: page, self.trail: trail}

    def _shown(self, who: Person, found: Sequence[Feedback], *, older: str | None, newer: bool) -> review_views.Shown:
        items = list(zip(found, judged_from(self._parts.store, found), strict=True))
        decides = who.is_at_least("reviewer")
        return review_views.Shown(
            items=items,
            older=older,
            newer=newer,
            decides=decides,
            marks=self._marks(found) if decides else {},
            went=self._went(who, found),
            me=who.name,
        )

    def _went(self, who: Person, found: Sequence[Feedback]) -> dict[str, str]:
        """Which adapters each is in, in words, where it is in one."""
        approved = [given.id for given in found if given.status == "approved"]
        base = self._parts.base.fingerprint
        traced = [lineage.trace(self._parts.store, who, id_, base=base) for id_ in approved]
        return {trace.feedback: trace.words for trace in traced if trace.adapters}

    def _marks(self, found: Sequence[Feedback]) -> dict[str, str]:
        """What is doubtful about these beside all that is approved on the same questions: where they are approved, and
        where they wait, if they were."""
        marks: dict[str, str] = {}
        for waiting in (False, True):
            these = [given for given in found if given.status == ("pending" if waiting else "approved")]
            if not these:
                continue
            besides = [replace(given, split=given.split or "train") for given in these] if waiting else []
            became = dataset.became(self._parts.store, groups={given.group for given in these}, besides=besides)
            marks |= review_views.marks(became, waiting={given.id for given in besides})
        return marks

    def _counted(self, who: Person) -> Any:
        """The statuses with how much there is of each."""
        counts = review.counts(self._parts.store, who)
        queue = len(self._parts.judging.to_correct(who, limit=_MOST))
        many = f"{_MOST - 1}+" if queue == _MOST else str(queue)
        choices = []
        for value, words in texts.REVIEW_STATUS.items():
            n = sum(many for what, many in counts.items() if what.endswith(f"/{value}"))
            choices.append((f"{words} · {n:,}" if n else words, value))
        return gr.update(
            choices=[*choices, (f"{texts.REVIEW_QUEUE} · {many}" if queue else texts.REVIEW_QUEUE, _QUEUE)]
        )

    # -- callbacks --

    def open(self, status: str, kind: str, person: str, search: str, request: gr.Request) -> Updates:
        """The page as it is come to: counts, people, files, and the first page of the list."""
        who = self._parts.person(request)
        decides = who.is_at_least("reviewer")
        names = [(name, name) for name in review.raters(self._parts.store, who)]
        updates = self.listed(who, (status, kind, person, search))
        updates[self.status] = self._counted(who)
        updates[self.person] = gr.update(choices=[(texts.EVERYONE, ""), *names], visible=decides)
        updates[self.keys] = review_views.keys() if decides else ""
        updates[self.exchange] = review_views.exchange(may_import=who.is_at_least("admin")) if decides else ""
        return {**updates, self.notice: "", **self.similar.none()}

    def show(self, status: str, kind: str, person: str, search: str, request: gr.Request) -> Updates:
        """What was asked for, from its first page on."""
        updates = self.listed(self._parts.person(request), (status, kind, person, search))
        return {**updates, self.notice: "", **self.similar.none()}

    def again(self, status: str, kind: str, person: str, search: str, request: gr.Request) -> Updates:
        """The list and its counts after a file was taken in."""
        return self._again(self._parts.person(request), (status, kind, person, search), "")

    def act(
        self, status: str, kind: str, person: str, search: str, trail: str, clicked: gr.EventData, request: gr.Request
    ) -> Updates:
        """Whatever button of the list was clicked: turn the page, decide, or begin a correction."""
        asked, value = (status, kind, person, search), str(clicked.value or "")
        who = self._parts.person(request)
        try:
            if clicked.act == "older":
                return self.listed(who, asked, trail=f"{trail} {value}".strip())
            if clicked.act == "newer":
                return self.listed(who, asked, trail=" ".join(trail.split()[:-1]))
            if clicked.act == "take-back":
                return self._taken_back(self._parts.person(request, "rater"), value) | self._again(who, asked, trail)
            if clicked.act == "similar":  # which `similar` hears
                return {self.notice: ""}
            if clicked.act == "correct":
                return self._opened(self._parts.person(request, "rater"), value)
            who = self._parts.person(request, "reviewer")
            done = self._undone(who, value) if clicked.act == "undo" else self._decided(who, value, clicked.act)
            return done | self._again(who, asked, trail)
        except FtchatError as err:  # by what the list shows no more, often: then it is to be seen
            return {**self._again(who, asked, trail), self.notice: views.notice(err.message, kind="bad")}

    def _decided(self, who: Person, value: str, status: Any) -> Updates:
        was = review_views.statuses(value)
        done = review.decide(self._parts.store, who, list(was), status, was=was)
        return {self.notice: review_views.decided(status, done)}

    def _undone(self, who: Person, value: str) -> Updates:
        since, _, before = value.partition(" ")
        n = review.put_back(self._parts.store, who, review_views.statuses(before), since=cast(Status, since))
        return {self.notice: views.notice(texts.DECIDED_BACK.format(n=n))}

    def _taken_back(self, who: Person, id_: str) -> Updates:
        self._parts.judging.undo(who, id_)
        return {self.notice: views.notice(texts.UNGIVEN)}

    def _again(self, who: Person, asked: Sequence[str], trail: str) -> Updates:
        return {**self.listed(who, asked, trail=trail), self.status: self._counted(who)}

    def _opened(self, who: Person, reply: str) -> Updates:
        turn, _ = self._parts.store.turns.turn_of(reply, owner=who.reads)
        opened = self.editor.opened(who, reply, label=texts.CORRECTING.format(prompt=turn.prompt))
        return opened | self.similar.none()

    def correct(
        self,
        status: str,
        kind: str,
        person: str,
        search: str,
        reply: str,
        text: str,
        by: str,
        trail: str,
        request: gr.Request,
    ) -> Updates:
        """Save what both answers should have been; it leaves the queue."""
        try:
            who = self._parts.person(request, "rater")
            after = self.leave() | self.similar.offered(who, self.editor.keep(who, reply, text, by))
        except FtchatError as err:
            return self.editor.refused(err)
        return {**self._again(who, (status, kind, person, search), trail), **after, self.notice: ""}

    def leave(self) -> Updates:
        """Leave a correction."""
        return self.editor.closed() | self.similar.none()
