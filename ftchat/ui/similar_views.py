"""The same change in other answers, as HTML: what it is, a list with a tick for each, what was saved.

Plain functions. It knows records and texts. It does not know gradio, the store or who is looking.
"""

from collections.abc import Sequence

from ftchat import texts
from ftchat.similar import Candidate, Preview
from ftchat.ui.pieces import button
from ftchat.ui.prose import plain, word_difference
from ftchat.ui.views import notice


def panel(found: Preview, *, opened: bool = False, said: str = "") -> str:
    """What the change would make of other answers; folded until somebody asked for it."""
    if not found.fits_others:
        return _only(f"{texts.SIMILAR_NOT} {found.words}") if opened else ""
    if not found.shown:
        return _only(texts.SIMILAR_NONE) if opened else ""
    rows = "".join(_row(one) for one in found.shown)
    many = texts.SIMILAR_FOUND[found.found == 1].format(n=f"{found.found:,}")
    more = texts.SIMILAR_NEWEST.format(n=len(found.shown)) if found.found > len(found.shown) else ""
    return (
        f'<section class="card similar" data-id="{plain(found.correction)}" aria-label="{texts.SIMILAR}">'
        f"<details{' open' if opened else ''}>"
        f"<summary>{many}</summary>{notice(said, kind='bad')}"
        f'<p class="hint">{plain(found.words)} {more}</p>'
        f'<ol class="candidates" data-ticked>{rows}</ol>{_acts(found)}</details></section>'
    )


def _row(one: Candidate) -> str:
    return (
        f'<li><label><input type="checkbox" value="{plain(one.reply)}" checked> '
        f"<span>{plain(one.prompt)}</span></label>"
        f'<div class="difference" tabindex="0">{word_difference(one.before, one.after)}</div></li>'
    )


def _acts(found: Preview) -> str:
    n = len(found.shown)
    words = texts.SIMILAR_SAVE[n == 1].format(n=n)
    save = button("similar-save", words, value=found.correction, kind="primary", takes="input:checked")
    named = f' data-one="{texts.SIMILAR_SAVE[True]}" data-many="{texts.SIMILAR_SAVE[False]}">'
    return (
        f'<p class="acts">{save.replace(">", named, 1)}{button("similar-close", texts.SIMILAR_CLOSE, kind="ghost")}</p>'
    )


def saved(corrections: Sequence[str]) -> str:
    """How many were saved, with the way back."""
    words = texts.SIMILAR_SAVED[len(corrections) == 1].format(n=len(corrections))
    back = button("similar-undo", texts.SIMILAR_UNDO, value=" ".join(corrections), kind="link")
    return _only(words, more=back)


def taken_back(n: int) -> str:
    """That they count no longer."""
    return _only(texts.SIMILAR_UNDONE[n == 1].format(n=n))


def _only(words: str, *, more: str = "") -> str:
    return f'<p class="notice similar-said" role="status">{plain(words)} {more}</p>'
