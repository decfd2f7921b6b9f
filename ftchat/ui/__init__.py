"""The pages: a strip, then Compare, Chat and Train. `build` lays them out, `mount` puts them on a FastAPI app at "/".

They call the core and nothing else. To look at them: `make run`, then http://127.0.0.1:7860.
"""

import fastapi
import gradio as gr
from starlette.routing import Mount

from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.ui import texts, theme, views
from ftchat.ui.chat import ChatPage
from ftchat.ui.compare import ComparePage
from ftchat.ui.doorway import Doorway
from ftchat.ui.elements import STREAM, Updates
from ftchat.ui.strip import Strip
from ftchat.ui.train import TrainPage

__all__ = ["build", "mount"]

MOST_EVENTS = 700  # streams at once; gradio's 40 would make the 41st wait for its first word


def build(parts: Parts) -> gr.Blocks:
    """The pages over the parts of a running app."""
    title = f"{parts.settings.name} · {texts.TITLE}"
    blocks = gr.Blocks(title=title, analytics_enabled=False, fill_width=True)
    with blocks:
        strip = Strip(parts)
        with gr.Tabs(selected="compare", elem_id="tabs") as tabs:
            with gr.Tab(texts.TAB_COMPARE, id="compare", elem_id="tab-compare"):
                compare = ComparePage(parts)
            with gr.Tab(texts.TAB_CHAT, id="chat", elem_id="tab-chat"):
                chat = ChatPage(parts)
            with gr.Tab(texts.TAB_TRAIN, id="train", elem_id="tab-train"):
                train = TrainPage(parts)
        compare.wire(blocks)
        chat.wire(blocks)
        train.wire([strip.retrain, train.start], tabs=tabs)
        _wire_together(parts, blocks, strip=strip, compare=compare, chat=chat, train=train, tabs=tabs)
    blocks.max_threads = MOST_EVENTS  # before queue(): mounting has no parameter for it
    blocks.queue(default_concurrency_limit=None, api_open=False)
    return blocks


def _wire_together(
    parts: Parts,
    blocks: gr.Blocks,
    *,
    strip: Strip,
    compare: ComparePage,
    chat: ChatPage,
    train: TrainPage,
    tabs: gr.Tabs,
) -> None:
    """What crosses pages: the clock, the reload, and a blind comparison of what was just trained."""

    def waits(who: Person) -> Updates:
        line = views.waiting(parts.chat.waiting)
        return {compare.waits: line, chat.waits: line}

    strip.keep_fresh(waits, train.view, blocks=blocks, outputs=[compare.waits, chat.waits, *train.outputs()])

    def compare_blind(request: gr.Request) -> Updates:
        """The newest adapter against the champion, on Compare."""
        duel = compare.duel(train.newest(), parts.pipeline.status().champion, request)
        return {**duel, tabs: gr.Tabs(selected="compare")}

    train.compare.click(compare_blind, None, [tabs, *compare.begun, *compare.choosing], **STREAM)


def mount(app: fastapi.FastAPI, parts: Parts) -> None:
    """Put the pages at "/" of an app, behind the login; its own routes come first when they were added before."""
    blocks = build(parts)
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=theme.theme(),
        css=theme.css(),
        head=theme.head() + _HEAD,
        footer_links=[],
        run_history=False,
        show_error=True,
        ssr_mode=False,
        enable_monitoring=False,
    )
    mounted = app.routes[-1]
    if not isinstance(mounted, Mount):
        raise TypeError(f"gradio mounted itself as {mounted!r}")

    def session_of(event: str) -> str | None:
        running = blocks._queue.event_ids_to_events.get(event)
        return running.session_hash if running else None

    mounted.app = Doorway(mounted.app, parts=parts, event_session=session_of)


# A page whose login has ended asks for a new one, instead of failing at each click.
_HEAD = """<script>
{
  const ask = window.fetch;
  window.fetch = async (...what) => {
    const answer = await ask(...what);
    if (answer.status === 401) location.assign("/login");
    return answer;
  };
}
</script>"""
