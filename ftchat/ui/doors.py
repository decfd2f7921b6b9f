"""Which pages somebody sees: those that their role may use. The server refuses the others whatever is shown."""

from collections.abc import Mapping

import gradio as gr

from ftchat import review, texts
from ftchat.parts import Parts
from ftchat.records import Person, Standing
from ftchat.ui.elements import Updates

LEAST: Mapping[str, Standing] = {
    "compare": "rater",
    "chat": "viewer",
    "review": "rater",
    "train": "reviewer",
    "models": "viewer",
    "leaderboard": "viewer",
    "settings": "admin",
}


class Doors:
    """The tabs of the pages."""

    def __init__(self, parts: Parts, tabs: gr.Tabs, each: Mapping[str, gr.Tab]) -> None:
        """Over what was laid out."""
        self._parts, self._tabs, self._each = parts, tabs, dict(each)

    def outputs(self) -> list[gr.Tabs | gr.Tab]:
        """What `view` writes."""
        return [self._tabs, *self._each.values()]

    def view(self, who: Person) -> Updates:
        """The tabs for somebody, and how much waits for them; who may not compare begins at the leaderboard."""
        updates: Updates = {
            tab: gr.update(visible=who.is_at_least(LEAST[name])) for name, tab in self._each.items() if name != "review"
        }
        updates[self._each["review"]] = gr.update(visible=who.is_at_least(LEAST["review"]), label=self._review(who))
        if not who.is_at_least(LEAST["compare"]):
            updates[self._tabs] = gr.update(selected="leaderboard")
        return updates

    def _review(self, who: Person) -> str:
        if not who.is_at_least("reviewer"):
            return texts.TAB_GIVEN
        counts = review.counts(self._parts.store, who)
        waiting = sum(n for what, n in counts.items() if what.endswith("/pending"))
        return texts.TAB_REVIEW_N.format(n=f"{waiting:,}") if waiting else texts.TAB_REVIEW


def tab(parts: Parts, name: str, words: str) -> gr.Tab:
    """One tab: there from the first moment where everybody is admin, else once it is known who looks."""
    seen = parts.settings.open or name in ("compare", "chat", "models", "leaderboard")
    return gr.Tab(words, id=name, elem_id=f"tab-{name}", visible=seen)
