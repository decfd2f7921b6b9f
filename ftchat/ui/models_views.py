"""Adapters as HTML for the Models page: where each stands, what it scored, what trained it. Plain functions.

It knows records and texts. It does not know gradio, folders or who may do what: that is in what it is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftchat import exam, texts
from ftchat.pipeline.standings import Standing
from ftchat.records import BASE, FEW_SHOT, Adapter, Verdict
from ftchat.store.lineage import Ingredient
from ftchat.ui import charts
from ftchat.ui.pieces import button, empty, tag, time_of
from ftchat.ui.prose import plain

_TONE = {
    "champion": "",
    "challenger": "warn",
    "candidate": "warn",
    "retired": "quiet",
    "rejected": "bad",
    "broken": "bad",
}
_GONE = ("broken",)


@dataclass(frozen=True, kw_only=True)
class Made:
    """An adapter with what is known of its making."""

    adapter: Adapter
    verdict: Verdict | None = None
    by: str = ""
    rows: int = 0
    lineage: Mapping[str, Any] | None = None
    votes: str = ""  # while it is put to the vote, where that stands
    unwanted: bool = False  # it learned from feedback that was withdrawn since


@dataclass(frozen=True, kw_only=True)
class May:
    """What who looks may do."""

    read_rows: bool
    download: bool
    decide: bool
    compare: bool


def taking_in() -> str:
    """The way in for an adapter from elsewhere."""
    return (
        f'<section class="card"><h2>{texts.IMPORT_ADAPTER}</h2><p class="hint">{texts.IMPORT_ADAPTER_HINT}</p>'
        f'<label class="file">{texts.IMPORT_CHOOSE}<input type="file" accept=".zip" data-import="/api/adapters/import" '
        f'data-busy="{texts.IMPORT_ADAPTER_BUSY}" data-failed="{plain(texts.IMPORT_ADAPTER_FAILED)}" '
        f'data-done="{texts.IMPORT_ADAPTER_DONE}"></label>'
        '<p class="import-said" role="status"></p><button type="button" hidden data-act="again"></button></section>'
    )


def progress(rows: int, found: Sequence[Standing], *, whole: bool) -> str:
    """Every version that was scored on all of today's exam rows, as gain over base; nothing before there is a row."""
    scored = {one.contestant: one.nll for one in found if one.nll is not None and one.rows == rows}
    base = scored.get(BASE)
    versions = [s for s in reversed(found) if s.created_at is not None and s.contestant in scored]
    words = texts.MEASURING.format(done=len(scored), all=len(found))
    still = "" if whole else f'<p class="notice wait" role="status">{words}</p>'
    if base is None or not versions:
        return still if rows else ""
    points = [(s.contestant, base - scored[s.contestant], s.state == "champion") for s in versions]
    references = [(name, base - scored[name]) for name in (BASE, FEW_SHOT) if name in scored]
    said = ", ".join(f"{name} {gain:+.2f}" for name, gain, _ in points)
    drawn = charts.course(points, references=references, words=texts.PROGRESS_WORDS.format(points=said))
    return (
        f'<section class="card" id="progress"><h2>{texts.PROGRESS} <span class="hint">'
        f"{texts.PROGRESS_HINT.format(n=rows)}</span></h2>{drawn}{still}</section>"
    )


def page(made: Sequence[Made], *, champion: str, base_name: str, may: May, back: bool) -> str:
    """Who is in service, then the newest adapters."""
    title = texts.SERVING_BASE if champion == BASE else texts.SERVING.format(name=champion)
    hint = texts.SERVING_HINT.format(base=base_name)
    again = button("back", texts.ROLL_BACK_TO, value=champion) if back and may.decide else ""
    head = (
        f'<section class="card serving"><div><h2 id="in-service">{plain(title)}</h2><p class="hint">{plain(hint)}</p>'
        f"</div>{again}</section>"
    )
    if not made:
        return head + f'<section class="card">{empty(*texts.NO_ADAPTERS)}</section>'
    return head + listed(made, champion=champion, may=may)


def listed(made: Sequence[Made], *, champion: str, may: May) -> str:
    """Adapters, a card for each."""
    return f'<div class="adapters">{"".join(_adapter(one, champion=champion, may=may) for one in made)}</div>'


def _adapter(made: Made, *, champion: str, may: May) -> str:
    now = made.adapter
    reasons = [*(made.verdict.reasons if made.verdict else ()), *now.reasons]
    votes = [f"{texts.BLIND_VOTES}: {made.votes}"] if made.votes else []
    told = reasons if may.read_rows else exam.without_pins(reasons)
    said = "".join(f"<li>{plain(reason)}</li>" for reason in dict.fromkeys([*told, *votes]))
    return (
        f'<article class="card adapter" data-name="{plain(now.name)}"><header><h2>{plain(now.name)}</h2>'
        f"{tag(texts.ADAPTER_STATE[now.state], _TONE[now.state])}"
        f'<span class="by">{texts.ADAPTER_WORDS[now.state]}</span></header>'
        f'<p class="hint">{_origin(made)}</p>{distances(made)}'
        f'<ul class="reasons">{said}</ul><footer class="acts">{_acts(made, champion=champion, may=may)}</footer>'
        "</article>"
    )


def _origin(made: Made) -> str:
    """When, by whom, from what."""
    when = time_of(made.adapter.created_at)
    words = [(texts.MADE_BY if made.by else texts.MADE).format(when=when, who=plain(made.by))]
    if made.rows:
        words.append(texts.ROWS_ONE if made.rows == 1 else texts.ROWS_N.format(n=f"{made.rows:,}"))
    came_from = (made.lineage or {}).get("parent")
    if came_from:
        words.append(plain(texts.CONTINUES.format(name=came_from)) if came_from != BASE else texts.FROM_BASE)
    return " · ".join(words)


def distances(made: Made) -> str:
    """Its score beside base's and the champion's of then, as bars from nothing."""
    found = (made.verdict.figures if made.verdict else {}).get("nll")
    if not isinstance(found, Mapping) or made.adapter.name not in found:
        return ""
    values = {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}
    most = max(values.values()) or 1.0
    first = {made.adapter.name: 0, BASE: 2}
    rows = "".join(
        _bar(name, values[name], most=most, mine=name == made.adapter.name)
        for name in sorted(values, key=lambda n: (first.get(n, 1), n))
    )
    return f'<figure class="distances"><figcaption>{texts.DISTANCE}</figcaption>{rows}</figure>'


def _bar(name: str, value: float, *, most: float, mine: bool) -> str:
    words = texts.DISTANCE_WORDS.format(name=name, value=f"{value:.2f}")
    return (
        f'<div class="distance{" mine" if mine else ""}"><span>{plain(name)}</span>'
        f'<svg width="100%" height="10" role="img" aria-label="{plain(words)}"><rect width="{100 * value / most:.1f}%" '
        f'height="10" rx="5"/></svg><b>{value:.2f}</b></div>'
    )


def _acts(made: Made, *, champion: str, may: May) -> str:
    name, state = made.adapter.name, made.adapter.state
    acts = []
    if may.decide and name != champion:
        acts.append(button("use", texts.USE, value=name))
    if may.compare and name != champion and state not in _GONE:
        acts.append(button("compare", texts.COMPARE_WITH, value=name, kind="ghost"))
    if may.read_rows and made.rows:
        acts.append(button("rows", texts.WHAT_TRAINED_IT, value=name, kind="ghost"))
    if may.download:
        acts.append(f'<a class="do ghost" href="/api/adapters/{plain(name)}/download" download>{texts.DOWNLOAD}</a>')
    voted_on = state == "challenger" and made.adapter.run and not made.unwanted
    stays = state == "champion" or voted_on  # the server refuses more, and says why
    if may.decide and not stays:
        sure = texts.CONFIRM_DELETE.format(name=name)
        acts.append(button("delete", texts.DELETE, value=name, kind="ghost", confirm=sure))
    return "".join(acts)


def rows(name: str, found: Sequence[Ingredient], *, counts: Mapping[str, int], first: bool, older: str | None) -> str:
    """The feedback that an adapter was made from, one portion of it."""
    said = " · ".join(
        texts.ROWS_COUNTS[what].format(n=f"{counts[what]:,}") for what in texts.ROWS_COUNTS if counts.get(what)
    )
    body = "".join(_row(item, of=name) for item in found)
    again = "" if first else button("rows", texts.FIRST_PAGE, value=name, kind="ghost")
    more = button("rows", texts.OLDER, value=f"{name} {older}", kind="ghost") if older else ""
    return (
        f'<section class="card rows" id="rows"><header><h2>{plain(texts.ROWS_OF.format(name=name))}</h2>'
        f'{button("shut", texts.CLOSE, kind="ghost")}</header><p class="hint">{said}</p><ol class="taught">{body}</ol>'
        f'<nav class="turning">{again}{more}</nav></section>'
    )


def _row(item: Ingredient, *, of: str) -> str:
    words = {"left": texts.LEFT_BETTER, "right": texts.RIGHT_BETTER, "tie": texts.TIE, "both_bad": texts.BOTH_BAD}
    value = item.value if item.kind == "correction" else words.get(item.value, "")
    value = {"up": texts.GOOD, "down": texts.BAD}.get(item.value, value) if item.kind == "rating" else value
    marks = tag(texts.SPLIT[item.split], "quiet") if texts.SPLIT[item.split] else ""
    marks += "" if item.stands else tag(texts.TAKEN_BACK, "warn")
    marks += tag(texts.THROUGH.format(name=item.through), "quiet") if item.through != of else ""
    return (
        f'<li><p class="asked">{plain(item.prompt)}</p><p class="text">{plain(value)}</p>'
        f'<p class="hint">{texts.KIND[item.kind]} {plain(texts.BY.format(who=item.rater))} {marks}</p></li>'
    )
