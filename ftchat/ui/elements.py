"""Pieces that several pages are made of, and how events are sent. It knows gradio; it does not know the core."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import wraps
from typing import Any, ParamSpec, cast

import gradio as gr

from ftchat import texts
from ftchat.errors import Conflict
from ftchat.parts import Parts
from ftchat.records import Person

P = ParamSpec("P")
Updates = dict[Any, Any]  # component -> what it becomes

# Events are no API: nothing of them is listed. Progress overlays would flicker over texts that grow.
QUIET: Mapping[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# A direct call beside the queue: a vote must not wait behind streams, nor be dropped while another event runs.
AT_ONCE: Mapping[str, Any] = {**QUIET, "queue": False, "trigger_mode": "multiple"}
# Through the queue, as many at once as there are people: generators, and what changes a gr.State that is listened to
# (a direct call changes it without a word to the listener). All in one line: gradio begins what stands in several lines
# by lot, so that a new conversation could come after the question asked in it.
STREAM: Mapping[str, Any] = {**QUIET, "concurrency_limit": None, "concurrency_id": "line"}
# What is written often is written as it is to stand there: gradio then does not look at each text in a thread. An
# update (gr.update, gr.skip, or no word about an output) costs far more than a text, as gradio builds the component
# anew for it: such events have few outputs, and give texts in full.
AS_IT_IS: Mapping[str, Any] = {"postprocess": False}

# A button sends what it does, to what, and what stands in the fields that it names (data-from, a selector). A list may
# be written anew between the press of a mouse and its release: then another button lies there, which nobody pressed.
_CLICKED = """
const means = (button) => button && [button.dataset.act, button.dataset.value].join(' ');
let pressed;
element.addEventListener('pointerdown', (event) => { pressed = means(event.target.closest('[data-act]')); });
element.addEventListener('click', (event) => {
    const button = event.target.closest('[data-act]');
    if (event.detail && pressed !== means(button)) return;
    if (!button || (button.dataset.confirm && !window.confirm(button.dataset.confirm))) return;
    const fields = button.dataset.from ? [...element.querySelectorAll(button.dataset.from)] : [];
    const filled = fields.map((field) => field.value);
    trigger('click', { act: button.dataset.act, value: button.dataset.value, filled });
});"""


# No turn, no session. A page whose turn is empty is one that the app forgot, by a restart or after an hour asleep: each
# says what it shows as soon as it is opened.
NOWHERE = "-"

# Gradio's BrowserState would be one for all tabs of a browser.
_KEEPS = "watch('value', () => [sessionStorage, localStorage].forEach((kept) => kept.setItem('KEY', props.value)));"


def remembered(key: str) -> gr.HTML:
    """The id of what stands on a page, kept by the browser for each of its tabs; it shows nothing.

    It is to be placed outside of the tabs: what is in a tab that is not open yet does not hear what it becomes.
    """
    keeps = _KEEPS.replace("KEY", key)
    return gr.HTML(
        NOWHERE, elem_id=key, html_template="<i hidden></i>", js_on_load=keeps, apply_default_css=False, render=False
    )


def place(*kept: gr.HTML) -> None:
    """Put what a browser remembers where the page is being built."""
    for one in kept:
        one.render()  # type: ignore[no-untyped-call]


def recalled(*kept: gr.HTML) -> str:
    """JavaScript that gives what stood in this browser tab; a new one begins where the person was last."""
    keys = [one.elem_id for one in kept]
    return f"""() => {keys!r}.map((key) => {{
        const found = sessionStorage.getItem(key) ?? localStorage.getItem(key) ?? {NOWHERE!r};
        sessionStorage.setItem(key, found);
        return found;
    }})"""


def id_in(stored: Any) -> str | None:
    """The id that a page or a browser tab remembers, if there is one."""
    return stored if isinstance(stored, str) and stored not in ("", NOWHERE) else None


def own(parts: Parts, who: Person, turn: str) -> str:
    """The turn that a browser tab remembers, if it is one's own: somebody else may have been at this browser."""
    return parts.store.turns.get(turn, owner=who.name).id


def there(turn: str) -> str:
    """The turn that stands on a page, "" where none does; a page that the app forgot is refused."""
    if not turn:
        raise Conflict(texts.PAGE_FORGOTTEN)
    return "" if turn == NOWHERE else turn


# Gradio, too, may set it, in answer to a click: then what this page has is not what the news said last.
_TOLD = """
const changed = window.ftchatNews.piece('ID', element, (text) => { props.value = text; });
watch('value', changed);"""


def html(value: str = "", *, elem_id: str, clicks: bool = False, news: bool = False) -> gr.HTML:
    """A piece of the page that views write; with `clicks` its data-act buttons can be listened to, with `news` it is
    kept fresh (see strip)."""
    script = (_CLICKED if clicks else "") + (_TOLD.replace("ID", elem_id) if news else "")
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=script or None)


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


# Puts the cursor at the end of the text field `where`, as soon as it is there, with the rest of its editor in sight.
_CURSOR = """
        const place = (tries) => {
            const field = document.querySelector(where);
            if (!field || field.offsetParent === null) return tries > 0 && setTimeout(() => place(tries - 1), 40);
            field.focus();
            field.setSelectionRange(field.value.length, field.value.length);
            field.closest('.editor')?.scrollIntoView({ block: 'nearest' });
        };
        place(25);"""


def focus(selector: str) -> str:
    """JavaScript that puts the cursor into a text field."""
    return f"""() => {{
        const where = {selector!r};{_CURSOR}
    }}"""


def focus_acted(fields: Mapping[str, str]) -> str:
    """JavaScript that puts the cursor into the text field that a button opens: where it is, by what the button does."""
    return f"""() => {{
        const where = {dict(fields)!r}[window.ftchatPressed];
        if (!where) return;
        window.ftchatPressed = '';{_CURSOR}
    }}"""


def into_view(selector: str, *, pressed: str) -> str:
    """JavaScript that brings a piece of the page into sight, if it is there, after a button that does `pressed`."""
    return f"""() => window.ftchatPressed === {pressed!r} && setTimeout(
        () => document.querySelector({selector!r})?.scrollIntoView({{ block: 'nearest' }}), 60)"""


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


def visible(*components: Any, shown: bool) -> Updates:
    """Show or hide: an update of its own for each, because gradio empties what it is given."""
    return {component: gr.update(visible=shown) for component in components}
