"""How the pages look: gradio's theme in ftchat's colours, the style sheet, and what goes into the page's head.

The colours have one home, `TOKENS`; the style sheet uses them as variables. Nothing is fetched from elsewhere.
"""

from importlib.resources import files

import gradio as gr

# name: (light, dark)
TOKENS: dict[str, tuple[str, str]] = {
    "ground": ("#f7f8fa", "#0e1419"),
    "card": ("#ffffff", "#151d24"),
    "ink": ("#14202b", "#e6edf3"),
    "muted": ("#5b6b7a", "#93a4b3"),
    "line": ("#e3e8ed", "#26313b"),
    "edge": ("#7d8b98", "#64748b"),  # of fields: 3:1 against the card
    "accent": ("#0f766e", "#2dd4bf"),
    "on-accent": ("#ffffff", "#08211d"),
    "soft": ("#e6f4f1", "#10302c"),
    "warn": ("#b45309", "#fbbf24"),
    "warn-soft": ("#fdf3e2", "#33260d"),
    "bad": ("#b42318", "#f97066"),
    "bad-soft": ("#fdecea", "#3a1a18"),
    "a": ("#4f46e5", "#a5b4fc"),
    "b": ("#b4530a", "#fdba74"),
}
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
# gradio's variables that take one of ours, in both modes
_USES = {
    "body_background_fill": "ground",
    "background_fill_primary": "card",
    "background_fill_secondary": "ground",
    "body_text_color": "ink",
    "body_text_color_subdued": "muted",
    "block_background_fill": "card",
    "block_border_color": "line",
    "block_label_text_color": "muted",
    "block_title_text_color": "muted",
    "block_info_text_color": "muted",
    "border_color_primary": "line",
    "border_color_accent": "accent",
    "color_accent": "accent",
    "color_accent_soft": "soft",
    "input_background_fill": "card",
    "input_background_fill_focus": "card",
    "input_border_color": "line",
    "input_border_color_focus": "accent",
    "input_placeholder_color": "muted",
    "button_primary_background_fill": "accent",
    "button_primary_background_fill_hover": "accent",
    "button_primary_border_color": "accent",
    "button_primary_text_color": "on-accent",
    "button_primary_text_color_hover": "on-accent",
    "button_secondary_background_fill": "card",
    "button_secondary_background_fill_hover": "soft",
    "button_secondary_border_color": "line",
    "button_secondary_text_color": "ink",
    "button_secondary_text_color_hover": "ink",
    "checkbox_background_color_selected": "accent",
    "checkbox_border_color_selected": "accent",
    "checkbox_border_color": "edge",
    "checkbox_label_background_fill": "card",
    "checkbox_label_background_fill_hover": "soft",
    "checkbox_label_background_fill_selected": "soft",
    "checkbox_label_border_color": "line",
    "checkbox_label_text_color_selected": "ink",
    "link_text_color": "accent",
    "link_text_color_hover": "accent",
    "link_text_color_active": "accent",
    "link_text_color_visited": "accent",
    "error_text_color": "bad",
    "panel_background_fill": "card",
    "loader_color": "accent",
}
_PLAIN = {
    "block_radius": "12px",
    "container_radius": "12px",
    "input_radius": "12px",
    "button_large_radius": "10px",
    "button_medium_radius": "10px",
    "button_small_radius": "8px",
    "button_large_text_weight": "600",
    "button_medium_text_weight": "600",
    "button_small_text_weight": "600",
    "button_border_width": "1px",
    "block_border_width": "1px",
    "block_shadow": "none",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "checkbox_label_shadow": "none",
    "checkbox_label_border_width": "1px",
    "body_text_size": "15px",
    "layout_gap": "14px",
}


def theme() -> gr.themes.Base:
    """gradio's plainest theme with our colours, corners and system fonts."""
    base = gr.themes.Base(font=_FONT, font_mono=_MONO, text_size="md", radius_size="md", spacing_size="md")
    colours = {key: f"var(--ft-{token})" for key, token in _USES.items()}
    dark = {f"{key}_dark": value for key, value in colours.items() if hasattr(base, f"{key}_dark")}
    return base.set(**colours, **dark, **_PLAIN)


def css() -> str:
    """The tokens for both modes, and the style sheets."""
    light = "".join(f"--ft-{name}:{pair[0]};" for name, pair in TOKENS.items())
    dark = "".join(f"--ft-{name}:{pair[1]};" for name, pair in TOKENS.items())
    return f":root{{{light}}}\n.dark{{{dark}}}\n{_packaged('style.css')}\n{_packaged('talk.css')}"


def head() -> str:
    """Scripts, icon, and colours for the browser's own parts."""
    scripts = "".join(f"<script>{_packaged(name)}</script>" for name in ("calls.js", "news.js", "keys.js", "pages.js"))
    return (
        f'<meta name="color-scheme" content="light dark"><link rel="icon" href="data:image/svg+xml,{_ICON}">{scripts}'
    )


_ICON = (
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' "
    "fill='%230f766e'/%3E%3Cpath d='M8 11h10M8 16h16M8 21h7' stroke='white' stroke-width='2.6' "
    "stroke-linecap='round'/%3E%3C/svg%3E"
)


def _packaged(name: str) -> str:
    return files("ftchat.ui").joinpath(name).read_text(encoding="utf-8")
