"""What Chat shows, as HTML: exchanges with what can be done to them, the history of conversations.

Plain functions; everything from outside is escaped. It knows records and texts. It does not know gradio, the store or
who is looking.
"""

from collections.abc import Sequence
from dataclasses import replace

from ftchat import texts
from ftchat.records import BAD_REASONS, GOOD_REASONS, Conversation
from ftchat.seen import LaneSeen, TurnSeen
from ftchat.ui.prose import plain
from ftchat.ui.views import answer, chips, correction, figures, siblings, small_button, thumbs, trimmed

_REASONS = {"up": GOOD_REASONS, "down": BAD_REASONS}


def exchange(seen: TurnSeen, *, acts: bool = True) -> str:
    """One turn: the question, the answer, and with `acts` what can be done with both: who only reads is shown none."""
    parts = [f'<article class="exchange"><div class="asked">{plain(seen.prompt)}</div>']
    parts += [_under_question(seen)] if acts else []
    for lane in seen.lanes:
        busy = "true" if lane.finish is None else "false"
        said = answer(lane) + trimmed(seen) + correction(lane if acts else replace(lane, correction=None))
        parts.append(f'<div class="said" aria-live="polite" aria-busy="{busy}">{said}</div>')
        parts.append(_under_reply(seen, lane) if acts else f'<div class="under">{_who(lane)}{figures(lane)}</div>')
    return "".join(parts) + "</article>"


def _under_question(seen: TurnSeen) -> str:
    """Which of its versions this is, with a way to the others, and another wording."""
    if seen.writing:
        return ""
    edit = small_button("edit", seen.turn, texts.EDIT)
    return f'<div class="under question">{siblings(seen.siblings, seen.turn)}{edit}</div>'


def _under_reply(seen: TurnSeen, lane: LaneSeen) -> str:
    """Who answered, with how many tokens, and the buttons; a reply that is being written has none."""
    who = _who(lane)
    if lane.finish is None or not lane.contestant:
        return f'<div class="under">{who}</div>'
    acts = "".join(
        small_button(act, lane.reply, words) for act, words in (("correct", texts.CORRECT), ("fix", texts.FIX))
    )
    judge = thumbs(lane) + acts if lane.text.strip() else ""
    again = small_button("regenerate", seen.turn, texts.REGENERATE)
    return f'<div class="under">{who}{figures(lane)}<span class="acts">{judge}{again}</span></div>{_reasons(lane)}'


def _who(lane: LaneSeen) -> str:
    return f'<span class="who">{plain(lane.contestant)}</span>' if lane.contestant else ""


def _reasons(lane: LaneSeen) -> str:
    """After a thumb: why, if one likes."""
    if lane.rating is None:
        return ""
    return chips(_REASONS[lane.rating], given=lane.reasons, about=lane.reply, label=texts.OPTIONAL)


def transcript(turns: Sequence[TurnSeen], *, acts: bool = True) -> str:
    """The turns of a chat that are done."""
    return "".join(exchange(turn, acts=acts) for turn in turns)


def system(text: str) -> str:
    """The system prompt of a conversation, folded."""
    if not text.strip():
        return ""
    return f'<details class="system"><summary>{texts.SYSTEM_HERE}</summary><p>{plain(text)}</p></details>'


def empty_chat() -> str:
    """What stands where the first answer will."""
    return f'<p class="empty">{texts.EMPTY_CHAT}</p>'


def history(conversations: Sequence[Conversation], *, current: str, more: bool = False, paged: bool = False) -> str:
    """A page of the list of conversations, newest first, to open with a click."""
    listed = "".join(
        f'<button type="button" class="conversation" data-act="open" data-value="{plain(one.id)}"'
        f"{_current(one.id == current)}>{plain(one.title)}</button>"
        for one in conversations
    )
    older = small_button("older", conversations[-1].id, texts.CHAT_OLDER) if more else ""
    newest = small_button("newest", "", texts.CHAT_NEWEST) if paged else ""
    turning = f'<div class="under">{newest}{older}</div>' if older or newest else ""
    return f'<nav aria-label="{texts.HISTORY}" data-keep="history">{listed}</nav>{turning}'


def no_history(*, searched: bool) -> str:
    """What stands where conversations will be listed."""
    return f'<p class="empty">{texts.NOTHING_FOUND if searched else texts.NO_HISTORY}</p>'


def _current(yes: bool) -> str:
    return ' aria-current="true"' if yes else ""
