"""What Compare shows, as HTML: panes, the line after the vote, what was said of each side, asked again, sessions.

Plain functions; everything from outside is escaped. It knows records and texts. It does not know gradio, the store or
who is looking.
"""

from collections.abc import Sequence

from ftchat import texts
from ftchat.records import BAD_REASONS, GOOD_REASONS
from ftchat.seen import LaneSeen, TurnSeen
from ftchat.store.sessions import Item, Session
from ftchat.ui.pieces import button, key_list
from ftchat.ui.prose import plain
from ftchat.ui.views import (
    SIDES,
    answer,
    chips,
    correction,
    figures,
    lane_of,
    shortened,
    small_button,
    thumbs,
    trimmed,
)

_VOTES = {"left": texts.LEFT_BETTER, "right": texts.RIGHT_BETTER, "tie": texts.TIE, "both_bad": texts.BOTH_BAD}


def pane(seen: TurnSeen | None, lane: str) -> str:
    """One side of Compare: who (or that it is hidden), the question, the answer as far as it is."""
    side = SIDES[lane]
    found = lane_of(seen, lane)
    if seen is None or found is None:
        title, hint = texts.EMPTY_A if lane == "left" else texts.EMPTY_B
        empty = f'<div class="empty"><p class="title">{plain(title)}</p><p>{plain(hint)}</p></div>'
        return _pane_frame(side, _who(None), empty)
    asked = f'<div class="asked">{plain(seen.prompt)}</div>'
    mark = " won" if seen.vote and seen.vote.winner == lane else " writing" if found.finish is None else ""
    head, body = _who(found) + figures(found), answer(found) + trimmed(seen)
    return _pane_frame(side, head, body, asked=asked, mark=mark, turn=seen.turn)


def coming(prompt: str, lane: str) -> str:
    """A side whose question is not asked yet."""
    return _pane_frame(SIDES[lane], _who(None), "", asked=f'<div class="asked">{plain(prompt)}</div>', mark=" writing")


def vote_bar(seen: TurnSeen | None) -> str:
    """The four votes on this turn, while there is something to vote on and no vote yet."""
    off = "" if seen is not None and seen.votable else " disabled"
    on = f'data-value="{plain(seen.turn if seen else "")}"{off}'
    return "".join(
        f'<button type="button" class="do" id="vote-{vote.replace("_", "-")}" data-act="{vote}" {on}>{words}</button>'
        for vote, words in _VOTES.items()
    )


def _pane_frame(side: str, head: str, body: str, *, asked: str = "", mark: str = "", turn: str = "") -> str:
    keep = plain(f"pane-{side}-{turn}")
    busy = "true" if mark == " writing" else "false"
    label = texts.ANSWER_TEXT.format(side=side)
    return (
        f'<section class="pane side-{side.lower()}{mark}" aria-label="{texts.ANSWER.format(side=side)}">'
        f'<header><b class="side">{side}</b>{head}</header>{asked}'
        f'<div class="scroll" data-keep="{keep}" tabindex="0" role="region" aria-label="{label}">'
        f'<div class="said" aria-live="polite" aria-busy="{busy}">{body}</div></div></section>'
    )


def _who(lane: LaneSeen | None) -> str:
    if lane is None or lane.contestant is None:
        return f'<span class="who hidden-name">{texts.HIDDEN_NAME}</span>'
    return f'<span class="who">{plain(lane.contestant)}</span>'


def revealed(seen: TurnSeen | None) -> bool:
    """Whether the names of a finished comparison are known: then corrections are asked for."""
    return seen is not None and not seen.writing and all(lane.contestant is not None for lane in seen.lanes)


def judged(seen: TurnSeen) -> str:
    """The line of the panel after the vote: that it is saved, and who was who."""
    names = {lane.lane: lane.contestant or "" for lane in seen.lanes}
    words = texts.SAVED_VOTE if seen.vote else texts.UNDONE if seen.blind else texts.NOT_BLIND
    tag = words.format(left=names.get("left", ""), right=names.get("right", ""))
    verdict = texts.VOTED[seen.vote.winner] if seen.vote else ""
    corrected = any(lane.corrected for lane in seen.lanes)
    hint = texts.TEACH_MORE if corrected else texts.TEACH
    if not seen.vote and seen.blind:
        hint = texts.UNDONE_HINT
    saved = "saved" if seen.vote else "plain"
    taught = " taught" if corrected else ""
    return (
        f'<div class="judged{taught}" role="status"><span class="verdict">{plain(verdict)}</span> '
        f'<span class="tag {saved}" id="vote-saved">{plain(tag)}</span>'
        f'<p class="hint">{plain(hint)}</p></div>'
    )


def told(seen: TurnSeen, side: str) -> str:
    """Thumbs for one side, and after a vote the reasons that fit it: what was good of the winner, bad of the other."""
    lane = lane_of(seen, side)
    if lane is None or not lane.text.strip():
        return ""
    head = f'<span class="label">{texts.TELL_MORE[side]}</span><span class="quiet">{texts.OPTIONAL}</span>'
    both = thumbs(lane, good=texts.GOOD_SIDE[side], bad=texts.BAD_SIDE[side])
    chosen = ""
    if seen.vote:
        given = seen.vote.reasons.get(side, ())
        chosen = chips(_fitting(seen.vote.winner, side), given=given, about=side, label=texts.TELL_MORE[side])
    return f'<div class="told"><div class="told-head">{head}<span class="acts">{both}</span></div>{chosen}</div>'


def _fitting(winner: str, side: str) -> Sequence[str]:
    if winner == "tie":
        return GOOD_REASONS + BAD_REASONS
    return GOOD_REASONS if winner == side else BAD_REASONS


def asked_again(again: TurnSeen | None) -> str:
    """The answer of Ask again, beside what was compared."""
    if again is None:
        return ""
    lane = again.lanes[0]
    shown = texts.SHOWN_BEFORE[len(lane.examples) == 1].format(n=len(lane.examples)) if lane.examples else ""
    busy = "true" if lane.finish is None else "false"
    thumb = thumbs(lane) if lane.finish is not None and lane.text.strip() else ""
    return (
        f'<section class="again" aria-label="{texts.ASKED_AGAIN}"><header><b>{texts.ASKED_AGAIN}</b>'
        f'<span class="who">{plain(lane.contestant or "")}</span><span class="quiet">{plain(shown)}</span>'
        f'{figures(lane)}<span class="acts">{thumb}</span></header>'
        f'<div class="said" aria-live="polite" aria-busy="{busy}">{answer(lane)}</div></section>'
    )


def earlier(turns: Sequence[TurnSeen]) -> str:
    """The turns before the one on show, folded."""
    if not turns:
        return ""
    items = "".join(f'<div class="asked">{plain(turn.prompt)}</div>{_earlier_replies(turn)}' for turn in turns)
    return f'<details class="earlier"><summary>{texts.EARLIER} ({len(turns)})</summary>{items}</details>'


def _earlier_replies(turn: TurnSeen) -> str:
    return f'<div class="pair">{"".join(_earlier_reply(lane) for lane in turn.lanes)}</div>'


def _earlier_reply(lane: LaneSeen) -> str:
    side = SIDES.get(lane.lane, "")
    who = _who(lane) if lane.contestant else ""
    head = f'<b class="side">{side}</b> {who}' if side else who
    return f'<div class="cell side-{side.lower()}">{head}{answer(lane)}{correction(lane)}</div>'


# -- rating sessions --


def skip(question: str) -> str:
    """The button that leaves out the question that is shown."""
    return button("skip", texts.SESSION_SKIP, value=question, kind="ghost", id_="session-skip")


def far(session: Session, *, ready: int) -> str:
    """How far a session is, in words and as a bar."""
    done = session.voted + session.skipped
    share = round(100 * done / session.total) if session.total else 100
    ahead = texts.SESSION_READY.get(ready, texts.SESSION_READY_MANY.format(n=ready))
    words = texts.SESSION_FAR.format(done=done, total=session.total)
    return (
        f'<div class="session" role="status"><b>{texts.SESSION}</b><span class="title">{plain(session.title)}</span>'
        f'<span class="far">{words} · {ahead}</span></div>'
        f'<div class="bar" role="progressbar" aria-label="{texts.SESSION}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share}"><i style="width:{share}%"></i></div>'
    )


def finished(session: Session, left_out: Sequence[Item]) -> str:
    """What became of a session that is over."""
    words = texts.SESSION_DONE if not session.left else texts.SESSION_ENDED
    said = words.format(voted=session.voted, skipped=session.skipped, total=session.total)
    listed = "".join(f"<li>{plain(shortened(item.prompt))}: {plain(item.skipped or '')}</li>" for item in left_out)
    more = f"<details><summary>{texts.SESSION_LEFT_OUT}</summary><ul>{listed}</ul></details>" if listed else ""
    return f'<div class="session done" role="status"><b>{plain(said)}</b>{more}</div>'


def open_sessions(sessions: Sequence[Session]) -> str:
    """Sessions to go on with."""
    waiting = [one for one in sessions if not one.done]
    if not waiting:
        return ""
    listed = "".join(small_button("go-on", one.id, one.title, more=f" {_done(one)}", kind="chip") for one in waiting)
    return f'<div class="suggestions"><span class="label">{texts.SESSION_OPEN}</span>{listed}</div>'


def _done(session: Session) -> str:
    words = texts.SESSION_FAR.format(done=session.voted + session.skipped, total=session.total)
    return f'<span class="quiet">{words}</span>'


def keys() -> str:
    """The keys of this page."""
    return f'<details class="keys"><summary>{texts.KEYS}</summary>{key_list(texts.KEYS_LIST)}</details>'
