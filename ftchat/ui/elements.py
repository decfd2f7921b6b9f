"""Pieces that several pages are made of, and how events are sent. It knows gradio; it does not know the core."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import wraps
from typing import Any, ParamSpec, cast

import gradio as gr

from ftchat.ui import texts

P = ParamSpec("P")
Updates = dict[Any, Any]  # component -> what it becomes

# Events are no API: nothing of them is listed. Progress overlays would flicker over texts that grow.
QUIET: Mapping[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# A direct call beside the queue: a vote must not wait behind streams, nor be dropped while another event runs.
AT_ONCE: Mapping[str, Any] = {**QUIET, "queue": False, "trigger_mode": "multiple"}
# Through the queue, as many at once as there are people: generators, and what changes a gr.State that is listened to
# (a direct call changes it without a word to the listener).
STREAM: Mapping[str, Any] = {**QUIET, "concurrency_limit": None}

_CLICKED = (
    "element.addEventListener('click', (event) => { const button = event.target.closest('[data-act]');"
    " if (button) trigger('click', { act: button.dataset.act, value: button.dataset.value }); });"
)


NOWHERE = "-"  # no conversation: gradio's BrowserState does not store what is empty


def remembered(storage_key: str) -> gr.BrowserState:
    """The id of this browser's conversation; the secret is fixed, or a restart of the app would forget it."""
    return gr.BrowserState(NOWHERE, storage_key=storage_key, secret="ftchat")


def conversation_of(stored: Any) -> str | None:
    """The conversation that a browser remembers, if it does."""
    return stored if isinstance(stored, str) and stored not in ("", NOWHERE) else None


def html(value: str = "", *, elem_id: str, clicks: bool = False) -> gr.HTML:
    """A piece of the page that views write; with `clicks` its data-act buttons can be listened to."""
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=_CLICKED if clicks else None)


def prompt_box(elem_id: str, *, placeholder: str) -> gr.Textbox:
    """Where a question is written: Enter sends, Shift+Enter makes a line."""
    return gr.Textbox(
        elem_id=elem_id,
        label=texts.YOUR_QUESTION,
        show_label=False,
        container=False,
        placeholder=placeholder,
        lines=1,
        max_lines=8,
        max_length=100_000,
    )


def focus(selector: str) -> str:
    """JavaScript that puts the cursor at the end of a text field, as soon as it is there."""
    return f"""() => {{
        const place = (tries) => {{
            const field = document.querySelector({selector!r});
            if (!field || field.offsetParent === null) return tries > 0 && setTimeout(() => place(tries - 1), 40);
            field.focus();
            field.setSelectionRange(field.value.length, field.value.length);
        }};
        place(25);
    }}"""


def page_of(request: gr.Request) -> str:
    """Which open page this is. It gives no right to anything."""
    return request.session_hash or ""


def then_skip(stream: Callable[P, AsyncIterator[Any]]) -> Callable[P, AsyncIterator[Any]]:
    """Let a generator end on gr.skip(): gradio sends the last thing again at the end, when a view is out of date."""

    @wraps(stream)
    async def skipping(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Any]:
        async with aclosing(cast(AsyncGenerator[Any, None], stream(*args, **kwargs))) as views:
            async for view in views:
                yield view
        yield gr.skip()

    return skipping


def only_new(now: Updates, before: Updates) -> Any:
    """What changed since the last view: the rest need not travel. Copies, because gradio empties what it is given."""
    changed = {component: update for component, update in now.items() if before.get(component) != update}
    if not changed:
        return gr.skip()
    return {component: dict(update) if isinstance(update, dict) else update for component, update in changed.items()}


def visible(*components: Any, shown: bool) -> Updates:
    """Show or hide: an update of its own for each, because gradio empties what it is given."""
    return {component: gr.update(visible=shown) for component in components}


class Editor:
    """What was corrected of a reply, and the field to do it in."""

    def __init__(self, side: str, words: str) -> None:
        """Lay it out where the page is being built."""
        with gr.Column(elem_id=f"fix-{side}", min_width=280):
            self.fixed = html(elem_id=f"fixed-{side}")
            self.open = gr.Button(words, elem_id=f"correct-{side}", size="sm")
            with gr.Column(visible=False, elem_classes="editor", elem_id=f"editor-{side}") as self.box:
                self.text = gr.Textbox(
                    label=texts.CORRECTION,
                    info=texts.CORRECTION_KEYS,
                    elem_id=f"correction-{side}",
                    lines=4,
                    max_lines=14,
                    interactive=True,
                )
                with gr.Row(elem_classes="buttons"):
                    self.save = gr.Button(texts.SAVE_CORRECTION, elem_id=f"save-{side}", variant="primary", size="sm")
                    self.cancel = gr.Button(texts.CANCEL, elem_id=f"cancel-{side}", size="sm")

    def opened(self, text: str) -> Updates:
        """The field with a text in it, in place of the button."""
        return {**visible(self.box, shown=True), **visible(self.open, shown=False), self.text: text}

    def closed(self) -> Updates:
        """The button again."""
        return {**visible(self.box, shown=False), **visible(self.open, shown=True)}
