"""Records as HTML for the pages: the strip, panes, transcripts. Plain functions; everything from outside is escaped.

It knows records and texts. It does not know gradio, the store or who is looking.
"""

from collections.abc import Sequence

from ftchat.progress import Status
from ftchat.records import Conversation, Person
from ftchat.seen import LaneSeen, TurnSeen
from ftchat.ui import texts
from ftchat.ui.prose import markdown, plain, word_difference

SIDES = {"left": "A", "right": "B"}


def strip(status: Status, *, name: str, who: Person | None = None) -> str:
    """The line on top of every page: name, engine, champion, what is new, and who is logged in."""
    state = "ready" if status.ready else "failed" if status.engine == "failed" else "wait"
    words = texts.ENGINE.get("ready" if status.ready else status.engine, status.engine)
    news = texts.NEW_FEEDBACK if status.new_feedback else texts.NO_NEW_FEEDBACK
    new = news.format(n=status.new_feedback)
    why = f' title="{plain(status.engine_reason)}"' if status.engine_reason else ""
    return (
        f'<div class="strip"><span class="name">{plain(name)}</span>'
        f'<span class="engine {state}" id="engine-state"{why}><i class="dot"></i>{plain(words)}</span>'
        f'<span class="champion" id="champion">{texts.CHAMPION} <b>{plain(status.champion)}</b></span>'
        f'<span class="new" id="new-feedback">{plain(new)}</span>{_account(who) if who else ""}</div>'
    )


def _account(who: Person) -> str:
    return (
        f'<form class="account" id="account" method="post" action="/logout"><a href="/account">{plain(who.name)}</a>'
        f" {who.role} <button>{texts.LOG_OUT}</button></form>"
    )


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
    return _pane_frame(side, _who(found) + _figures(found), _answer(found), asked=asked, mark=mark)


def _pane_frame(side: str, head: str, body: str, *, asked: str = "", mark: str = "") -> str:
    busy = "true" if mark == " writing" else "false"
    return (
        f'<section class="pane side-{side.lower()}{mark}" aria-label="Answer {side}">'
        f'<header><b class="side">{side}</b>{head}</header>{asked}'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Text of answer {side}">'
        f'<div class="said" aria-live="polite" aria-busy="{busy}">{body}</div></div></section>'
    )


def _who(lane: LaneSeen | None) -> str:
    if lane is None or lane.contestant is None:
        return f'<span class="who hidden-name">{texts.HIDDEN_NAME}</span>'
    return f'<span class="who">{plain(lane.contestant)}</span>'


def _figures(lane: LaneSeen) -> str:
    """Tokens and time to the first of them, once they may be known."""
    parts = []
    if lane.tokens:
        parts.append(texts.TOKENS.format(n=lane.tokens))
    if lane.ttft_ms is not None:
        parts.append(texts.FIRST.format(s=f"{lane.ttft_ms / 1000:.2f}"))
    return f'<span class="figures">{" · ".join(parts)}</span>' if parts else ""


def _answer(lane: LaneSeen) -> str:
    """The text of a reply, with a caret while it is written and a note when it ended early."""
    if lane.finish is None:
        return f'<div class="reply writing">{markdown(lane.text) if lane.text else "<p></p>"}</div>'
    note = texts.FINISH.get(lane.finish, "")
    if lane.finish == "error":
        note = lane.error or note
    kind = "bad" if lane.finish == "error" else "quiet"
    after = f'<p class="note {kind}">{plain(note)}</p>' if note else ""
    return f'<div class="reply">{markdown(lane.text)}</div>{after}'


def revealed(seen: TurnSeen | None) -> bool:
    """Whether the names of a finished comparison are known: then corrections are asked for."""
    return seen is not None and not seen.writing and all(lane.contestant is not None for lane in seen.lanes)


def lane_of(seen: TurnSeen | None, lane: str) -> LaneSeen | None:
    """One lane of a turn, if there is one."""
    return next((one for one in seen.lanes if one.lane == lane), None) if seen else None


def judged(seen: TurnSeen) -> str:
    """The line of the panel after the vote: that it is saved, and who was who."""
    names = {lane.lane: lane.contestant or "" for lane in seen.lanes}
    words = texts.SAVED_VOTE if seen.vote else texts.UNDONE if seen.blind else texts.NOT_BLIND
    tag = words.format(left=names.get("left", ""), right=names.get("right", ""))
    verdict = texts.VOTED[seen.vote.winner] if seen.vote else ""
    hint = texts.TEACH_MORE if any(lane.corrected for lane in seen.lanes) else texts.TEACH
    if not seen.vote and seen.blind:
        hint = texts.UNDONE_HINT
    saved = "saved" if seen.vote else "plain"
    return (
        f'<div class="judged" role="status"><span class="verdict">{plain(verdict)}</span> '
        f'<span class="tag {saved}" id="vote-saved">{plain(tag)}</span>'
        f'<p class="hint">{plain(hint)}</p></div>'
    )


def correction(lane: LaneSeen | None) -> str:
    """What was changed in a reply, word by word; nothing when nothing was."""
    if lane is None or not lane.corrected:
        return ""
    return (
        f'<div class="correction"><span class="label">{texts.YOUR_CORRECTION}</span>'
        f'<div class="difference">{word_difference(lane.text, lane.corrected)}</div></div>'
    )


def earlier(turns: Sequence[TurnSeen]) -> str:
    """The turns before the one on show, folded."""
    if not turns:
        return ""
    items = "".join(f'<div class="asked">{plain(turn.prompt)}</div>{_earlier_replies(turn)}' for turn in turns)
    return f'<details class="earlier"><summary>{texts.EARLIER} ({len(turns)})</summary>{items}</details>'


def _earlier_replies(turn: TurnSeen) -> str:
    cells = "".join(
        f'<div class="cell side-{SIDES.get(lane.lane, "").lower()}"><b class="side">{SIDES.get(lane.lane, "")}</b>'
        f"{_who(lane) if lane.contestant else ''}{_answer(lane)}{correction(lane)}</div>"
        for lane in turn.lanes
    )
    return f'<div class="pair">{cells}</div>'


def suggestions(prompts: Sequence[str]) -> str:
    """Questions that can be asked with one click."""
    if not prompts:
        return ""
    chips = "".join(
        f'<button type="button" class="chip" data-act="try" data-value="{plain(prompt)}">{plain(prompt)}</button>'
        for prompt in prompts
    )
    return f'<div class="suggestions"><span class="label">{texts.TRY}</span>{chips}</div>'


def waiting(why: str) -> str:
    """Why nothing can be answered now, and what can be done meanwhile."""
    return notice(texts.WAITING_EMPTY.format(why=why)) if why else ""


def practice_banner(status: Status) -> str:
    """One quiet line while the practice model answers."""
    if not status.practice:
        return ""
    return f'<p class="banner" id="practice">{texts.PRACTICE}<code>{texts.PRACTICE_COMMAND}</code></p>'


def notice(text: str, *, kind: str = "wait") -> str:
    """A sentence by the prompt box."""
    return f'<p class="notice {kind}" role="status">{plain(text)}</p>' if text else ""


def exchange(seen: TurnSeen) -> str:
    """One turn of Chat: the question, the answer, what can be done with it."""
    parts = [f'<article class="exchange"><div class="asked">{plain(seen.prompt)}</div>']
    for lane in seen.lanes:
        busy = "true" if lane.finish is None else "false"
        parts.append(f'<div class="said" aria-live="polite" aria-busy="{busy}">{_answer(lane)}{correction(lane)}</div>')
        parts.append(_under_reply(lane))
    return "".join(parts) + "</article>"


def _under_reply(lane: LaneSeen) -> str:
    """Who answered, with how many tokens, and the buttons; a reply that is being written has none."""
    who = f'<span class="who">{plain(lane.contestant)}</span>' if lane.contestant else ""
    if lane.finish is None or not lane.text.strip() or not lane.contestant:
        return f'<div class="under">{who}</div>'
    return (
        f'<div class="under">{who}{_figures(lane)}<span class="acts">'
        f"{_thumb(lane, 'up', texts.GOOD)}{_thumb(lane, 'down', texts.BAD)}"
        f'<button type="button" class="act" data-act="correct" data-value="{plain(lane.reply)}">{texts.CORRECT}'
        "</button></span></div>"
    )


def _thumb(lane: LaneSeen, value: str, words: str) -> str:
    pressed = "true" if lane.rating == value else "false"
    return (
        f'<button type="button" class="act thumb {value}" data-act="{value}" data-value="{plain(lane.reply)}" '
        f'aria-pressed="{pressed}" aria-label="{words}" title="{words}">{_THUMB}</button>'
    )


_THUMB = (
    '<svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true"><path d="M7 11v9H4v-9zM7 11l4-8c1.5 0 2.5 1 '
    '2.5 2.5V9H19c1.1 0 2 1 1.8 2.1l-1.3 7.2A2 2 0 0 1 17.5 20H7" fill="none" stroke="currentColor" '
    'stroke-width="1.8" stroke-linejoin="round"/></svg>'
)


def transcript(turns: Sequence[TurnSeen]) -> str:
    """The turns of a chat that are done; a sentence when there are none."""
    return "".join(exchange(turn) for turn in turns)


def empty_chat() -> str:
    """What stands where the first answer will."""
    return f'<p class="empty">{texts.EMPTY_CHAT}</p>'


def history(conversations: Sequence[Conversation], *, current: str) -> str:
    """The list of conversations, newest first, to open with a click."""
    if not conversations:
        return f'<p class="empty">{texts.NO_HISTORY}</p>'
    listed = "".join(
        f'<button type="button" class="conversation" data-act="open" data-value="{plain(one.id)}"'
        f"{_current(one.id == current)}>{plain(one.title)}</button>"
        for one in conversations
    )
    return f'<nav aria-label="{texts.HISTORY}">{listed}</nav>'


def shortened(text: str, *, most: int = 80) -> str:
    """One line of a text, for a label."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _current(yes: bool) -> str:
    return ' aria-current="true"' if yes else ""
