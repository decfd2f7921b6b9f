"""The panel that opens under the vote bar: names, why, thumbs, corrections, ask again, undo.

It shows what the core says of a turn whose names are known. What it writes goes to the core at once.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.seen import TurnSeen
from ftchat.ui import compare_views, views
from ftchat.ui.editor import Editor
from ftchat.ui.elements import AS_IT_IS, AT_ONCE, Updates, focus, html, there
from ftchat.ui.similar import Similar
from ftchat.ui.watching import Scene, see

SIDES = ("left", "right")
_CORRECT = {"left": texts.CORRECT_A, "right": texts.CORRECT_B}
Deed = Callable[[Person], Any]


class AfterVote:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay it out in the Blocks that is open."""
        self._parts = parts
        self.told, self.editors = dict[str, gr.HTML](), dict[str, Editor]()
        self.gone = gr.State("")  # the turn that followed another: the panel of that one is put away when it changes
        with gr.Column(elem_id="after-vote"):  # what of it is shown, the style sheet says by what `judged` is
            with gr.Row(elem_id="after-head"):
                self.judged = html(elem_id="judged")
                self.undo = gr.Button(texts.UNDO, elem_id="undo-vote", size="sm")
                self.again = gr.Button(texts.ASK_AGAIN, elem_id="ask-again", size="sm")
                self.next = gr.Button(texts.NEXT, elem_id="next-question", size="sm")
            with gr.Row(elem_id="after-lanes"):
                for side, words in _CORRECT.items():
                    with gr.Column(min_width=280):
                        self.told[side] = html(elem_id=f"told-{side}", clicks=True)
                        self.editors[side] = Editor(parts, side, words)
            self.similar = Similar(parts, "compare")
            self.comment = gr.Textbox(
                value="",
                label=texts.VOTE_COMMENT,
                show_label=False,
                container=False,
                placeholder=texts.VOTE_COMMENT,
                elem_id="vote-comment",
                lines=1,
                max_lines=4,
                max_length=2000,
            )
            self.asked_again = html(elem_id="asked-again", clicks=True)

    def outputs(self) -> list[Any]:
        """What `view` writes."""
        fixed = [editor.fixed for editor in self.editors.values()]
        return [self.judged, *self.told.values(), *fixed, self.asked_again]

    def editing(self) -> list[Any]:
        """What opening and closing the editors write, and what they led to."""
        parts = [part for editor in self.editors.values() for part in editor.outputs()]
        return [*parts, self.comment, self.similar.box]

    def leaving(self) -> list[Any]:
        """What `left` writes."""
        closing = [part for editor in self.editors.values() for part in editor.closing()]
        return [self.judged, self.comment, *closing, self.similar.box]

    def left(self) -> Updates:
        """Another turn comes, or none: nothing of the one before stays."""
        closed = {part: update for editor in self.editors.values() for part, update in editor.closed().items()}
        return {self.judged: "", self.comment: "", **closed, **self.similar.none()}

    async def leave(self) -> Updates:
        """The same, for who listens."""
        return self.left()

    def view(self, scene: Scene | None) -> Updates:
        """The panel for a turn; it is there when the names are known."""
        seen = scene.turn if scene else None
        known = compare_views.revealed(seen)
        updates: Updates = {self.judged: compare_views.judged(seen) if known and seen else ""}
        updates[self.asked_again] = compare_views.asked_again(scene.again) if known and scene else ""
        for side, editor in self.editors.items():
            lane = views.lane_of(seen, side) if known else None
            updates[editor.fixed] = views.correction(lane)
            updates[self.told[side]] = compare_views.told(seen, side) if known and seen else ""
        return updates

    def remarked(self, scene: Scene) -> Updates:
        """What was written about the vote, when a turn comes onto the page: later it may be being written."""
        vote = scene.turn.vote
        return {self.comment: vote.comment if vote else ""}

    # -- wiring --

    def wire(self, turn: gr.State, notice: gr.HTML, *, show: Callable[[Scene], Updates], outputs: list[Any]) -> None:
        """Which event calls what; `show` gives what the page shows of a turn. `outputs` have room for that and for
        the notice."""
        self._notice, self._show = notice, show
        shown = [*outputs, self.similar.box]
        self.similar.wire(*(editor.fixed for editor in self.editors.values()))
        self.gone.change(self.leave, None, self.leaving(), **AT_ONCE, **AS_IT_IS)
        self.undo.click(self.take_back, [turn], [*shown, self.comment], **AT_ONCE)
        for told in (*self.told.values(), self.asked_again):
            told.click(self.say, [turn], shown, **AT_ONCE)
        for write in (self.comment.submit, self.comment.blur):
            write(self.remark, [turn, self.comment], [notice], **AT_ONCE)
        for side, editor in self.editors.items():
            self._wire_editor(side, editor, turn, shown)

    def _wire_editor(self, side: str, editor: Editor, turn: gr.State, shown: list[Any]) -> None:
        editor.wire()
        for button, field in ((editor.open, "correction"), (editor.fix, "instruction")):
            opened = button.click(self._opening(side), [turn], [*editor.outputs(), self._notice], **AT_ONCE)
            opened.then(None, js=focus(f"#{field}-{side} textarea"))
        editor.cancel.click(editor.closed, None, editor.outputs(), **AT_ONCE)
        editor.save.click(self._saving(side), [turn, *editor.given()], [*shown, *editor.outputs()], **AT_ONCE)
        editor.fixed.click(self.say, [turn], shown, **AT_ONCE)

    # -- callbacks --

    async def _done(self, turn: str, request: gr.Request, deed: Deed) -> Updates:
        """Do it, and show how the turn stands then; what was refused is said in its sentence."""
        try:
            who, turn = self._parts.person(request, "rater"), there(turn)
            await self._parts.store.soon(partial(deed, who))
            return {**self._show(see(self._parts.chat, who, turn)), self._notice: ""}
        except FtchatError as err:
            return {self._notice: views.notice(err.message, kind="bad")}

    async def take_back(self, turn: str, request: gr.Request) -> Updates:
        """Undo the vote of this turn; what was said about it goes with it."""

        def undo(who: Person) -> None:
            if vote := self._parts.chat.seen(who, turn).vote:
                self._parts.judging.undo(who, vote.id)

        done = await self._done(turn, request, undo)
        return done if done[self._notice] else {**done, self.comment: ""}

    async def say(self, turn: str, request: gr.Request, clicked: gr.EventData) -> Any:
        """A thumb, a reason or the way back, one at a time: each reads what stands before it writes."""
        act, value = str(clicked.act), str(clicked.value)
        if act == "similar":  # which `similar` hears
            return gr.skip()
        deeds: dict[str, Deed] = {
            "reason": lambda who: self._toggle_reason(who, turn, value),
            "uncorrect": lambda who: self._parts.judging.undo(who, value),
        }
        deed = deeds.get(act, lambda who: toggle_thumb(self._parts, who, value, act))
        done = await self._done(turn, request, deed)
        return done | (self.similar.none() if act == "uncorrect" else {})

    def _toggle_reason(self, who: Person, turn: str, value: str) -> None:
        side, _, reason = value.partition("|")
        if vote := self._parts.chat.seen(who, turn).vote:
            reasons = {one: list(given) for one, given in vote.reasons.items()}
            reasons[side] = toggled(reasons.get(side, []), reason)
            self._parts.judging.explain(who, vote.id, reasons=reasons, comment=vote.comment)

    async def remark(self, turn: str, comment: str, request: gr.Request) -> str:
        """Keep what was written about the vote; nothing is written when it is the same."""

        def keep(who: Person, turn: str) -> None:
            vote = self._parts.chat.seen(who, turn).vote
            if vote is not None and comment.strip() != vote.comment:
                reasons = {side: list(given) for side, given in vote.reasons.items()}
                self._parts.judging.explain(who, vote.id, reasons=reasons, comment=comment)

        try:
            await self._parts.store.soon(partial(keep, self._parts.person(request, "rater"), there(turn)))
        except FtchatError as err:
            return views.notice(err.message, kind="bad")
        return ""

    def _opening(self, side: str) -> Callable[..., Any]:
        def open_editor(turn: str, request: gr.Request) -> Updates:
            """The reply, or what it was corrected to, in a text field."""
            try:
                who = self._parts.person(request, "rater")
                return self.editors[side].opened(who, _reply(self._parts.chat.seen(who, there(turn)), side))
            except FtchatError as err:
                return {self._notice: views.notice(err.message, kind="bad")}

        return open_editor

    def _saving(self, side: str) -> Callable[..., Any]:
        def save(turn: str, reply: str, text: str, by: str, request: gr.Request) -> Updates:
            """Save a correction and show what it changed."""
            editor = self.editors[side]
            try:
                who, turn = self._parts.person(request, "rater"), there(turn)
                kept = editor.keep(who, reply or _reply(self._parts.chat.seen(who, turn), side), text, by)
                after = editor.closed() | self.similar.offered(who, kept)
                return {**self._show(see(self._parts.chat, who, turn)), **after, self._notice: ""}
            except FtchatError as err:
                return editor.refused(err)

        return save


def toggle_thumb(parts: Parts, who: Person, reply: str, value: str) -> None:
    """Give a thumb; the one that stands is taken back."""
    given = parts.store.judged.given_on(reply, rater=who.name)
    if given.rating == value and given.rating_id:
        parts.judging.undo(who, given.rating_id)
    else:
        parts.judging.rate(who, reply, value)


def toggled(given: list[str], reason: str) -> list[str]:
    """The reasons with this one put in, or taken out."""
    return [one for one in given if one != reason] if reason in given else [*given, reason]


def _reply(seen: TurnSeen, side: str) -> str:
    lane = views.lane_of(seen, side)
    return lane.reply if lane else ""
