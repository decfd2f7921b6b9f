"""Texts of models and people become HTML that cannot do anything."""

import re

import pytest
from hostile import HOSTILE, Tags

from ftchat.ui import prose

ALLOWED = {
    *("p", "br", "em", "strong", "s", "a", "span", "code", "pre", "ul", "ol", "li", "blockquote", "hr"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
ALLOWED_ATTRIBUTES = {"href", "title", "target", "rel", "class", "start", "style"}


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_reply_becomes_harmless_html(text: str) -> None:
    for tag, attributes in Tags(prose.markdown(text)).tags:
        assert tag in ALLOWED
        assert set(attributes) <= ALLOWED_ATTRIBUTES
        assert not (set(attributes) & {"style"}) or tag in ("th", "td")
        if tag == "a":
            assert re.match(r"(https?:|mailto:)", attributes["href"] or "")
            assert (attributes["target"], attributes["rel"]) == ("_blank", "noopener noreferrer nofollow")


def test_markdown_shows_what_models_write() -> None:
    html = prose.markdown(
        "**Bold**, `code`\nnext line\n\n- one\n- two\n\n```python\nprint('<b>')\n```\n\n|a|\n|-|\n|1|"
    )
    assert "<strong>Bold</strong>, <code>code</code><br />\nnext line" in html
    assert "<li>one</li>" in html
    assert "print('&lt;b&gt;')" in html
    assert "<td>1</td>" in html


def test_a_link_says_where_it_leads() -> None:
    assert text_of(prose.markdown("[your **bank**](https://evil.example/login)")) == "your bank (evil.example)"


def test_a_difference_is_by_words_and_whole() -> None:
    before = "The Aged Gouda costs 12 dollars."
    after = "AGED GOUDA. It costs EUR 12."
    html = prose.word_difference(before, after)
    assert html == ("<del>The Aged Gouda</del><ins>AGED GOUDA. It</ins> costs <ins>EUR </ins>12<del> dollars</del>.")
    assert text_of(prose.word_difference("same", "same")) == "same"


def test_a_difference_of_very_long_texts_does_not_take_minutes() -> None:
    before, after = "a b " * 5000, "b c " * 5000
    assert prose.word_difference(before, after) == f"<del>{before}</del><ins>{after}</ins>"


def test_new_words_are_marked() -> None:
    assert prose.new_words("It costs 12 dollars.", "It costs EUR 12.") == "It costs <mark>EUR </mark>12."
