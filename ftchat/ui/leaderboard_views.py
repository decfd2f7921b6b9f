"""The leaderboard as HTML: the sentence, ratings with intervals, the win matrix, what to doubt, feedback per day.

It knows the board and texts. It does not know gradio or where votes are kept.
"""

from collections.abc import Mapping, Sequence

from ftchat import texts
from ftchat.ratings.board import Badge, Board, Line
from ftchat.ratings.versus import words as stands
from ftchat.records import BASE, Score
from ftchat.ui import charts
from ftchat.ui.pieces import empty, tag
from ftchat.ui.prose import plain

_TONE: dict[Badge, str] = {
    "not compared yet": "quiet",
    "preliminary": "warn",
    "usable": "",
    "established": "",
}
_KINDS = ("correction", "vote", "rating")
_UNTOLD = 0.2  # of an interval this wide nothing follows


def page(board: Board, days: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    """All of it; before the first vote what will stand here."""
    if not board.votes:
        return f'<div class="board">{_card(empty(*texts.NO_VOTES))}{_per_day(days)}</div>'
    return (
        f'<div class="board">{_sentence(board)}<div class="columns"><div>{_ratings(board)}{_per_day(days)}</div>'
        f"<div>{_matrix(board)}{_doubts(board)}</div></div></div>"
    )


def _card(body: str, *, kind: str = "") -> str:
    return f'<section class="card {kind}">{body}</section>'


def _sentence(board: Board) -> str:
    """How whoever is in service stands against base, and everyone else against who is in service: first in words."""
    said = []
    if board.champion != BASE:
        duel = board.matrix.get(board.champion, {}).get(BASE)
        said += [stands(board.champion, BASE, duel)] if duel and duel.votes else []
    others = [row for row in board.rows if row.win_probability is not None and row.contestant != BASE]
    said += [row.words for row in others]
    first = said[0] if said else texts.IN_SERVICE.format(name=board.champion)
    rest = "".join(f"<p>{plain(words)}</p>" for words in said[1:4])
    return _card(f'<p class="first" id="board-sentence">{plain(first)}</p>{rest}', kind="sentence")


def _ratings(board: Board) -> str:
    rated = [row for row in board.rows if row.rating is not None]
    ends = [end for row in rated for end in (row.rating, row.rating_low, row.rating_high) if end is not None]
    scale = charts.Scale.over(ends)
    body = "".join(_row(row, champion=board.champion, scale=scale) for row in board.rows)
    axis = f'<tr class="axis"><td></td><td>{charts.axis(scale, charts.round_ticks(scale))}</td><td></td><td></td></tr>'
    heads = (texts.CONTESTANT, texts.RATING, texts.VOTES, texts.EVIDENCE)
    head = "".join(f'<th scope="col">{words}</th>' for words in heads)
    return _card(
        f'<h2>{texts.RATINGS} <span class="hint">{texts.RATING_HINT}</span></h2><table class="ratings" id="ratings">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}{axis}</tbody></table>"
    )


def _row(row: Line, *, champion: str, scale: charts.Scale) -> str:
    in_service = f" {tag(texts.ADAPTER_STATE['champion'])}" if row.contestant == champion else ""
    badge = tag(texts.BADGE[row.badge], _TONE[row.badge]) if row.badge else tag(texts.REFERENCE, "quiet")
    drawn, number = "", ""
    if row.rating is not None and row.rating_low is not None and row.rating_high is not None:
        number = f'<span class="number">{row.rating:.0f}</span>'
        said = texts.RATING_WORDS.format(
            name=row.contestant, rating=round(row.rating), low=round(row.rating_low), high=round(row.rating_high)
        )
        reference = 1000.0 if scale.low < 1000 < scale.high else None
        ends = (row.rating, row.rating_low, row.rating_high)
        drawn = charts.interval(*ends, scale=scale, reference=reference, words=said)
    mine = " champion" if row.contestant == champion else ""
    return (
        f'<tr class="contestant{mine}"><th scope="row">{plain(row.contestant)}{in_service}{number}</th>'
        f'<td class="drawn">{drawn}</td><td class="n" data-label="{texts.VOTES}">{row.votes:,}</td>'
        f'<td class="evidence">{badge}</td></tr>'
    )


def _matrix(board: Board) -> str:
    names = [
        row.contestant for row in board.rows if any(s.votes for s in board.matrix.get(row.contestant, {}).values())
    ]
    if len(names) < 2:
        return ""
    head = "".join(f'<th scope="col">{plain(name)}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{plain(one)}</th>{"".join(_cell(board.matrix[one].get(other)) for other in names)}</tr>'
        for one in names
    )
    return _card(
        f'<h2>{texts.MATRIX}</h2><p class="hint">{texts.MATRIX_HINT}</p><div class="wide-table" tabindex="0" '
        f'role="region" aria-label="{texts.MATRIX}"><table class="matrix" id="matrix"><thead><tr><th></th>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _cell(score: Score | None) -> str:
    if score is None or not score.votes:
        return f'<td class="none">{texts.NONE}</td>'
    share = (score.wins + score.ties / 2) / score.votes
    shade = max(0, min(4, round((share - 0.5) * 8)))
    return f'<td class="shade-{shade}">{share:.0%}<small>{score.wins} : {score.losses}</small></td>'


def _doubts(board: Board) -> str:
    """What the numbers do not say by themselves, each as a sentence."""
    side = board.left_bias
    fair = texts.SIDE_UNKNOWN if side.high - side.low > _UNTOLD else texts.SIDE_FAIR
    fair = fair.format(share=f"{side.share:.0%}", low=f"{side.low:.0%}", high=f"{side.high:.0%}")
    said = [side.warning or fair]
    if board.ties_matter:
        said.append(texts.TIES_MATTER)
    if board.both_bad:
        said.append(texts.BOTH_BAD_N.format(n=board.both_bad, all=board.votes))
    if board.raters > 1 and board.top_rater_share is not None and board.top_rater_share > 0.5:
        said.append(texts.ONE_RATER.format(share=f"{board.top_rater_share:.0%}"))
    reasons = [texts.EXCLUDED_BY.get(why, f"{{n}} {why}").format(n=n) for why, n in board.excluded.items()]
    if reasons:
        said.append(texts.EXCLUDED.format(reasons=", ".join(reasons)))
    items = "".join(f"<li>{plain(words)}</li>" for words in said)
    return _card(f'<h2>{texts.DOUBTS}</h2><ul class="doubts" id="doubts">{items}</ul>')


def _per_day(days: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    counts = [counted for _, counted in days]
    totals = [sum(counted.values()) for counted in counts]
    if not any(totals):
        return ""
    words = texts.PER_DAY_WORDS.format(total=sum(totals), days=len(days), most=max(totals), today=totals[-1])
    ends = (texts.DAYS_AGO.format(n=len(days) - 1), texts.TODAY)
    drawn = charts.bars(counts, kinds=_KINDS, words=words, ends=ends)
    legend = "".join(f'<span class="{kind}"><i></i>{texts.REVIEW_KINDS[kind]}</span>' for kind in _KINDS)
    return _card(
        f'<h2>{texts.PER_DAY} <span class="hint">{texts.PER_DAY_HINT.format(days=len(days))}</span></h2>{drawn}'
        f'<p class="legend">{legend}</p>'
    )
