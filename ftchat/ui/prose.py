"""Texts of models and people as HTML that cannot do anything: safe Markdown, plain text, word differences.

HTML in a text is shown as text. Pictures become links, links say where they lead and open apart, and nothing is
fetched. It does not know pages or records.
"""

from collections.abc import MutableMapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from ftchat.edits import changes

_SAFE_SCHEMES = ("http", "https", "mailto")


def plain(text: str) -> str:
    """The text as it is, for an HTML element or attribute."""
    return escape(text, quote=True)


def markdown(text: str) -> str:
    """A model's text as HTML: paragraphs, lists, code, tables, quotes, emphasis and marked links; nothing else."""
    html: str = _MARKDOWN.render(text)
    return html


def word_difference(before: str, after: str) -> str:
    """What was taken out and put in, word by word, as <del> and <ins>."""
    parts = []
    for tag, old, new in changes(before, after):
        if tag == "equal":
            parts.append(plain(new))
            continue
        if old:
            parts.append(f"<del>{plain(old)}</del>")
        if new:
            parts.append(f"<ins>{plain(new)}</ins>")
    return "".join(parts)


def new_words(before: str, after: str) -> str:
    """The text after a change, with what is new in it marked."""
    found = [(tag, plain(new)) for tag, _, new in changes(before, after) if new]
    return "".join(new if tag == "equal" else f"<mark>{new}</mark>" for tag, new in found)


def _safe_link(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in _SAFE_SCHEMES
    except ValueError:
        return False


def _link_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    target = str(tokens[index].attrGet("href") or "")
    return f'<a href="{plain(target)}" title="{plain(target)}" target="_blank" rel="noopener noreferrer nofollow">'


def _link_close(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    """After the link's words stands where it leads: words can lie."""
    depth, opened = 0, index
    for opened in range(index, -1, -1):
        depth += {"link_close": 1, "link_open": -1}.get(tokens[opened].type, 0)
        if depth == 0:
            break
    target = urlsplit(str(tokens[opened].attrGet("href") or ""))
    return f'</a> <span class="target">({plain(target.netloc or target.path)})</span>'


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    parser.disable("image")
    parser.validateLink = _safe_link  # type: ignore[method-assign]
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("link_close", _link_close)
    return parser


_MARKDOWN = _parser()
