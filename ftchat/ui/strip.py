"""The strip on top of every page, and the news that keep it and everything else fresh.

An open page asks `/news` every other second: what of it changed comes back as texts, for the pieces that are in
sight, and a digest of all else (buttons, tabs), which gradio brings when it is another one. An event of gradio costs a
third of a millisecond for each of its outputs, even for those that stay as they are; a hundred pages that asked by
events took most of a processor. The more pages there are, the less often each is asked to come back.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import gradio as gr

from ftchat import texts
from ftchat.parts import Parts
from ftchat.records import Person, new_id
from ftchat.ui import views
from ftchat.ui.elements import AT_ONCE, Updates, html
from ftchat.ui.prose import plain

EVERY_S = 1.3
MOST_PER_S = 25.0  # questions for news, of all pages together
_GONE_S = 30.0  # a page that has not asked for so long is closed, or out of sight
_ONLY_LOOKS = '<i class="only-looks" hidden></i>'  # gradio does not hide the tab that was selected at first: CSS does
_OTHERS = "window.ftchatNews.others(() => trigger('change'));"
_PAGE = re.compile(r"[a-z0-9]{1,16}")
_HAVE = re.compile(r"([a-z-]{1,40})\.([0-9a-f]{0,16})")
View = Callable[[Person], Updates]


class Strip:
    """Name, engine, champion, new feedback, Retrain."""

    def __init__(self, parts: Parts) -> None:
        """Lay it out at the top of the Blocks that is open."""
        self._parts = parts
        with gr.Row(elem_id="strip"):
            self.state = html(elem_id="strip-state", news=True)
            self.retrain = gr.Button(
                texts.RETRAIN, variant="primary", elem_id="retrain", scale=0, visible=parts.settings.open
            )
        self.trouble = html(elem_id="strip-trouble", news=True)
        self.shown = gr.State({})  # component id -> digest of what this page was last sent
        self.others = gr.HTML(_lines(), elem_id="strip-news", apply_default_css=False, js_on_load=_OTHERS)

    def view(self, who: Person) -> Updates:
        """The strip as it is now."""
        status, settings = self._parts.pipeline.status(), self._parts.settings
        button = texts.TRAINING if status.run else texts.RETRAIN
        line = views.strip(status, name=settings.name, who=None if settings.open else who)
        admin = who.is_at_least("admin")
        trouble = views.notice(self._parts.backups.trouble, kind="bad") if admin else ""
        trouble = trouble if who.is_at_least("rater") else _ONLY_LOOKS
        return {self.state: line, self.retrain: gr.update(value=button, visible=admin), self.trouble: trouble}

    def keep_fresh(self, *others: tuple[View, Sequence[Any]]) -> "News":
        """What changed in the strip and in what the pages keep fresh themselves, each with what it writes: texts for
        whoever asks, and the rest by an event."""
        views = ((self.view, (self.state, self.retrain, self.trouble)), *others)

        def everything(who: Person, wanted: Collection[str] = ()) -> Updates:
            """What is no text, and the texts that are wanted, with others beside them."""
            needed = [view for view, parts in views if any(_other(part) or part.elem_id in wanted for part in parts)]
            return {part: update for view in needed for part, update in view(who).items()}

        def fresh(shown: dict[str, str], request: gr.Request) -> Any:
            """All that goes on by itself and is no text, as far as it changed."""
            now = _others(everything(self._parts.person(request)))
            digests = {str(component._id): _digest(update) for component, update in now.items()}
            changed = {c: u for c, u in now.items() if shown.get(str(c._id)) != digests[str(c._id)]}
            return {**changed, self.shown: digests} if changed else gr.skip()

        told = [self.shown, *(part for _, parts in views for part in parts if _other(part))]
        self.others.change(fresh, [self.shown], told, **{**AT_ONCE, "trigger_mode": "always_last"})
        return News(everything)


class News:
    """What open pages are told."""

    def __init__(self, everything: Callable[[Person, Collection[str]], Updates]) -> None:
        """`everything` is what goes on by itself, for somebody, with the texts that are wanted."""
        self._everything = everything
        self._app = new_id("a")  # a page that was opened on another one is to be loaded anew
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, float] = OrderedDict()  # page -> when it last asked

    def told(self, who: Person, *, page: str, have: str, now: float) -> dict[str, Any]:
        """The texts that are other ones than those that a page has, a digest of all else, and when to ask again."""
        theirs: Mapping[str, str] = dict(_HAVE.findall(have))
        everything = self._everything(who, theirs)
        pieces = {p.elem_id: text for p, text in everything.items() if p.elem_id in theirs and not _other(p)}
        digests = {name: _digest(text) for name, text in pieces.items()}
        return {
            "app": self._app,
            "pieces": {name: [digest, pieces[name]] for name, digest in digests.items() if digest != theirs[name]},
            "others": _digest([(part._id, update) for part, update in _others(everything).items()]),
            "again_s": min(_GONE_S / 2, max(EVERY_S, self._pages(page, now) / MOST_PER_S)),
        }

    def _pages(self, page: str, now: float) -> int:
        """How many pages ask, with this one."""
        with self._lock:
            if _PAGE.fullmatch(page):
                self._asked[page] = now
                self._asked.move_to_end(page)
            while self._asked and next(iter(self._asked.values())) < now - _GONE_S:
                self._asked.popitem(last=False)
            return len(self._asked)


def _lines() -> str:
    """What the page's scripts show when calls fail: nobody answers, the login has ended, one was refused or lost."""
    line = '<p class="notice bad" role="alert" hidden id='
    again = f'<a href="/login">{plain(texts.LOGIN_AGAIN)}</a>'
    return (
        f'{line}"lost">{plain(texts.CONNECTION_LOST)}</p>'
        f'{line}"ended">{plain(texts.LOGIN_ENDED)} {again}.</p>'
        f'{line}"refused" data-lost="{plain(texts.CALL_LOST)}"></p>'
    )


def _other(part: Any) -> bool:
    """Whether it is no piece of text."""
    return not isinstance(part, gr.HTML)


def _others(everything: Updates) -> Updates:
    return {part: update for part, update in everything.items() if _other(part)}


def _digest(update: Any) -> str:
    return hashlib.blake2b(repr(update).encode(), digest_size=8).hexdigest()
