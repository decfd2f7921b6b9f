"""The look: every colour has its token, text can be read, and nothing is fetched from elsewhere."""

import re

import pytest

from ftchat.ui import theme


def test_every_colour_of_the_style_sheet_has_its_token() -> None:
    used = set(re.findall(r"var\(--ft-([a-z-]+)\)", theme.css()))
    assert used <= set(theme.TOKENS)


def test_what_was_put_in_and_taken_out_is_told_apart_without_colours() -> None:
    lines = dict(re.findall(r"^(del|ins, mark) \{[^}]*text-decoration: ([a-z-]+)", theme.css(), re.MULTILINE))
    assert lines == {"del": "line-through", "ins, mark": "underline"}


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", [0, 1])
def test_text_can_be_read_in_both_modes(mode: int) -> None:
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for the edge of a field."""

    def contrast(one: str, other: str) -> float:
        light, dark = sorted((_luminance(theme.TOKENS[t][mode]) for t in (one, other)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    pairs = [
        (text, back) for text in ("ink", "muted", "accent", "a", "b", "warn", "bad") for back in ("card", "ground")
    ]
    pairs += [("ink", "soft"), ("accent", "soft"), ("on-accent", "accent"), ("warn", "warn-soft"), ("bad", "bad-soft")]
    too_weak = {pair: round(contrast(*pair), 2) for pair in pairs if contrast(*pair) < 4.5}
    assert too_weak == {}
    assert contrast("edge", "card") >= 3
    assert contrast("edge", "ground") >= 3


def test_nothing_in_head_or_style_is_fetched_from_elsewhere() -> None:
    found = re.findall(r"(?:https?:)?//[\w.]+", theme.head() + theme.css())
    assert set(found) <= {"http://www.w3.org"}  # the name space of the icon, which nobody asks for
    assert "@import" not in theme.css()
    assert "url(" not in theme.css()
