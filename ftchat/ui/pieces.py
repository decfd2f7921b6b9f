"""Small pieces of HTML that several views are made of: tags, buttons, times, empty states. Everything is escaped.

It knows words and where a colour's name goes; it does not know gradio or records.
"""

from collections.abc import Iterable
from datetime import datetime

from ftchat import texts
from ftchat.ui.prose import plain


def tag(words: str, tone: str = "", *, id_: str = "") -> str:
    """A state in a word or two; `tone` is good, warn, bad or quiet."""
    named = f' id="{plain(id_)}"' if id_ else ""
    return f'<span class="tag {tone}"{named}>{plain(words)}</span>'


def button(
    act: str, words: str, *, value: str | None = None, kind: str = "", takes: str = "", confirm: str = "", id_: str = ""
) -> str:
    """A button that a piece of the page listens to: what it does, to what, and from which fields."""
    rest = {"data-from": takes, "data-confirm": confirm, "id": id_}
    written = "".join(f' {name}="{plain(text)}"' for name, text in rest.items() if text)
    return (
        f'<button type="button" class="do {kind}" data-act="{plain(act)}" data-value="{plain(value or "")}"{written}>'
        f"{plain(words)}</button>"
    )


def key_list(rows: Iterable[tuple[str, str]]) -> str:
    """Which keys do what, and the switch for people whose software types for them: one for all pages."""
    listed = "".join(f"<dt><kbd>{plain(key)}</kbd></dt><dd>{plain(does)}</dd>" for key, does in rows)
    switch = f'<label><input type="checkbox" data-keys-switch checked> {texts.KEYS_SWITCH}</label>'
    return f"<dl>{listed}</dl>{switch}"


def empty(title: str, hint: str) -> str:
    """What stands where nothing is yet, and what to do first."""
    return f'<div class="nothing"><p class="title">{plain(title)}</p><p>{plain(hint)}</p></div>'


def loading() -> str:
    """What stands where something is on its way."""
    return f'<p class="hint loading" role="status">{texts.LOADING}</p>'


def nothing_found() -> str:
    """What stands where what is searched for would."""
    return f'<p class="hint">{texts.NONE_FOUND}</p>'


def time_of(iso: str) -> str:
    """A moment; the page's script shows it in the reader's own time."""
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return plain(iso)
    words = f"{moment.day} {moment:%b %Y, %H:%M} UTC" if moment.tzinfo else f"{moment.day} {moment:%b %Y}"
    return f'<time datetime="{plain(iso)}">{words}</time>'
