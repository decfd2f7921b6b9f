"""The pages: a strip, and a page under each tab. `build` lays them out, `mount` puts them on a FastAPI app at "/".

They call the core and nothing else. To look at them: `make run`, then http://127.0.0.1:7860.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fastapi
import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Mount, Route
from starlette.types import Scope

from ftchat import texts
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.ui import once, refusals, theme, views
from ftchat.ui.chat import ChatPage
from ftchat.ui.compare import ComparePage
from ftchat.ui.doors import Doors, tab
from ftchat.ui.doorway import Doorway
from ftchat.ui.elements import STREAM, Updates
from ftchat.ui.leaderboard import LeaderboardPage
from ftchat.ui.models import ModelsPage
from ftchat.ui.passing import Pages
from ftchat.ui.review import ReviewPage
from ftchat.ui.settings import SettingsPage
from ftchat.ui.strip import News, Strip
from ftchat.ui.train import TrainPage
from ftchat.ui.upkeep import Sessions, Upkeep

__all__ = ["build", "mount"]

MOST_EVENTS = 700  # streams at once; gradio's 40 would make the 41st wait for its first word
# Gradio would tell all who wait how long, each time one begins: of a hundred at once the square. Nobody is shown it.
_TELL_WAITING_S = 60.0


class _Events(Mount):
    """What is below gradio's own address, found without looking at every route of the app first."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if scope["path"].startswith("/gradio_api/") else (Match.NONE, {})


@dataclass(frozen=True, kw_only=True)
class _Pages:
    """What is laid out under the strip."""

    compare: ComparePage
    chat: ChatPage
    review: ReviewPage
    train: TrainPage
    models: ModelsPage
    leaderboard: LeaderboardPage
    settings: SettingsPage


_TABS: dict[str, tuple[str, Callable[[Parts], Any]]] = {
    "compare": (texts.TAB_COMPARE, ComparePage),
    "chat": (texts.TAB_CHAT, ChatPage),
    "review": (texts.TAB_REVIEW, ReviewPage),
    "train": (texts.TAB_TRAIN, TrainPage),
    "models": (texts.TAB_MODELS, ModelsPage),
    "leaderboard": (texts.TAB_LEADERBOARD, LeaderboardPage),
    "settings": (texts.TAB_SETTINGS, SettingsPage),
}


def build(parts: Parts) -> tuple[gr.Blocks, News]:
    """The pages over the parts of a running app, and what keeps them fresh."""
    title = f"{parts.settings.name} · {texts.TITLE}"
    blocks = Pages(title=title, analytics_enabled=False, fill_width=True)
    with blocks:
        strip = Strip(parts)
        made, each = dict[str, Any](), dict[str, gr.Tab]()
        with gr.Tabs(selected="compare", elem_id="tabs") as tabs:
            for name, (words, page) in _TABS.items():
                with tab(parts, name, words) as each[name]:
                    made[name] = page(parts)
        pages = _Pages(**made)
        pages.compare.wire(blocks)
        pages.chat.wire(blocks)
        pages.review.wire(each["review"])
        pages.train.wire([strip.retrain, pages.train.start], tabs=tabs)
        pages.models.wire(each["models"])
        pages.settings.wire(each["settings"])
        news = _wire_together(parts, strip=strip, pages=pages, doors=Doors(parts, tabs, each))
        _wire_duels(parts, pages, tabs)
    refusals.tell_of(blocks)
    once.remember(blocks)
    blocks.max_threads = MOST_EVENTS  # before queue(): mounting has no parameter for it
    blocks.queue(default_concurrency_limit=None, api_open=False, status_update_rate=_TELL_WAITING_S)
    return blocks, news


def _wire_together(parts: Parts, *, strip: Strip, pages: _Pages, doors: Doors) -> News:
    """What crosses pages: the news."""
    compare, chat = pages.compare, pages.chat

    def waits(who: Person) -> Updates:
        line = views.waiting(parts.chat.waiting)
        return {compare.waits: line, chat.waits: line}

    return strip.keep_fresh(
        (doors.view, doors.outputs()),
        (waits, (compare.waits, chat.waits)),
        (pages.train.told, pages.train.pieces()),
        (pages.train.offered, pages.train.controls()),
        (pages.models.view, pages.models.outputs()),
        (pages.leaderboard.view, (pages.leaderboard.board,)),
    )


def _wire_duels(parts: Parts, pages: _Pages, tabs: gr.Tabs) -> None:
    """A blind comparison of an adapter that stands on another page."""
    compare = pages.compare
    told = [tabs, *compare.begun, *compare.choosing.outputs()]

    def duel(name: str, request: gr.Request) -> Updates:
        begun = compare.duel(name, parts.pipeline.status().champion, request)
        return {**begun, tabs: gr.Tabs(selected="compare")}

    async def compare_chosen(clicked: gr.EventData, request: gr.Request) -> Any:
        """An adapter against the champion, on Compare."""
        return duel(str(clicked.value), request) if clicked.act == "compare" else gr.skip()

    for adapters in (pages.train.acts, *pages.models.lists()):
        adapters.click(compare_chosen, None, told, **STREAM)


def mount(app: fastapi.FastAPI, parts: Parts) -> None:
    """Put the pages at "/" of an app, behind the login; what is neither news nor gradio's own is looked for among its
    routes first, when they were added before."""
    blocks, news = build(parts)

    async def tell(request: Request) -> JSONResponse:
        who, asked = parts.person(request), request.query_params
        page, have = asked.get("page", ""), asked.get("have", "")
        return JSONResponse(await run_in_threadpool(news.told, who, page=page, have=have, now=time.monotonic()))

    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=theme.theme(),
        css=theme.css(),
        head=theme.head(),
        footer_links=[],
        run_history=False,
        show_error=True,
        ssr_mode=False,
        enable_monitoring=False,
    )
    mounted = app.routes[-1]
    if not isinstance(mounted, Mount) or not isinstance(mounted.app, fastapi.FastAPI):
        raise TypeError(f"gradio mounted itself as {mounted!r}")

    once.spare(mounted.app, blocks)
    sessions = Sessions()  # type: ignore[no-untyped-call]
    sessions.set_blocks(blocks)
    mounted.app.state_holder = sessions  # type: ignore[attr-defined]

    def session_of(event: str) -> str | None:
        running = blocks._queue.event_ids_to_events.get(event)
        return running.session_hash if running else None

    mounted.app = Doorway(mounted.app, parts=parts, event_session=session_of, upkeep=Upkeep(blocks))
    app.router.routes[:0] = [Route("/news", tell), _Events("/", mounted.app)]
