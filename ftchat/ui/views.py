"""What several pages show, as HTML: the strip, answers, thumbs, chips, corrections, notices.

Plain functions; everything from outside is escaped. It knows records and texts. It does not know gradio, the store or
who is looking.
"""

from collections.abc import Sequence

from ftchat import texts
from ftchat.progress import Status
from ftchat.records import Person
from ftchat.seen import LaneSeen, TurnSeen
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
        f" {texts.ROLES[who.role]} <button>{texts.LOG_OUT}</button></form>"
    )


def small_button(
    act: str, value: str, words: str, *, more: str = "", kind: str = "act", label: str = "", pressed: bool | None = None
) -> str:
    """A quiet one beside a text: a page hears `act` and `value` when it is pressed. `more` is HTML after its words."""
    state = "" if pressed is None else f' aria-pressed="{"true" if pressed else "false"}"'
    named = f' aria-label="{plain(label)}" title="{plain(label)}"' if label else ""
    return (
        f'<button type="button" class="{kind}" data-act="{plain(act)}" data-value="{plain(value)}"{state}{named}>'
        f"{plain(words)}{more}</button>"
    )


def figures(lane: LaneSeen) -> str:
    """Tokens and time to the first of them, once they may be known."""
    parts = []
    if lane.tokens:
        parts.append(texts.REPLY_TOKENS.format(n=lane.tokens))
    if lane.ttft_ms is not None:
        parts.append(texts.FIRST.format(s=f"{lane.ttft_ms / 1000:.2f}"))
    return f'<span class="figures">{" · ".join(parts)}</span>' if parts else ""


def answer(lane: LaneSeen) -> str:
    """The text of a reply, with a caret while it is written and a note when it ended early."""
    if lane.finish is None:
        return f'<div class="reply writing">{markdown(lane.text) if lane.text else "<p></p>"}</div>'
    note = texts.FINISH.get(lane.finish, "")
    if lane.finish == "error":
        note = lane.error or note
    kind = "bad" if lane.finish == "error" else "quiet"
    after = f'<p class="note {kind}">{plain(note)}</p>' if note else ""
    return f'<div class="reply">{markdown(lane.text)}</div>{after}'


def trimmed(seen: TurnSeen) -> str:
    """That a model did not see all of a long conversation."""
    if not seen.trimmed:
        return ""
    return f'<p class="note trimmed">{texts.TRIMMED[seen.trimmed == 1].format(n=seen.trimmed)}</p>'


def lane_of(seen: TurnSeen | None, lane: str) -> LaneSeen | None:
    """One lane of a turn, if there is one."""
    return next((one for one in seen.lanes if one.lane == lane), None) if seen else None


def correction(lane: LaneSeen | None) -> str:
    """What was changed in a reply, word by word, and a way back; nothing when nothing was."""
    if lane is None or not lane.corrected:
        return ""
    acts = ""
    if lane.correction:
        acts = small_button("similar", lane.correction, texts.SIMILAR)
        acts += small_button("uncorrect", lane.correction, texts.TAKE_BACK_CORRECTION)
    return (
        f'<div class="correction"><p class="head"><span class="label">{texts.YOUR_CORRECTION}</span>'
        f'<span class="acts">{acts}</span></p>'
        f'<div class="difference">{word_difference(lane.text, lane.corrected)}</div></div>'
    )


def opened(text: str) -> str:
    """That an editor is open, with what stood in it then, and what who leaves it half written is asked first."""
    return f'<i hidden data-open="{plain(text)}" data-leave="{plain(texts.LEAVE_CORRECTION)}"></i>'


def changing(before: str, after: str) -> str:
    """What a correction would change, while it is written."""
    if not after.strip() or before.strip() == after.strip():
        return ""
    return (
        f'<div class="correction"><span class="label">{texts.WILL_CHANGE}</span>'
        f'<div class="difference">{word_difference(before.strip(), after.strip())}</div></div>'
    )


def thumbs(lane: LaneSeen, *, good: str = texts.GOOD, bad: str = texts.BAD) -> str:
    """Both thumbs of a reply; the one that was given is pressed, and pressing it again takes it back."""
    pairs = (("up", good), ("down", bad))
    return "".join(
        small_button(
            value, lane.reply, "", more=_THUMB, kind=f"act thumb {value}", label=words, pressed=lane.rating == value
        )
        for value, words in pairs
    )


_THUMB = (
    '<svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true"><path d="M7 11v9H4v-9zM7 11l4-8c1.5 0 2.5 1 '
    '2.5 2.5V9H19c1.1 0 2 1 1.8 2.1l-1.3 7.2A2 2 0 0 1 17.5 20H7" fill="none" stroke="currentColor" '
    'stroke-width="1.8" stroke-linejoin="round"/></svg>'
)


def siblings(turns: Sequence[str], turn: str) -> str:
    """Which of its versions a turn is, with the way to the one before and the one after; nothing when it is alone."""
    if len(turns) < 2 or turn not in turns:
        return ""
    at = turns.index(turn)
    before = _arrow(turns[at - 1] if at > 0 else "", "‹", texts.EARLIER_ONE)
    after = _arrow(turns[at + 1] if at + 1 < len(turns) else "", "›", texts.LATER_ONE)
    return f'<span class="siblings">{before}{texts.SIBLING.format(n=at + 1, of=len(turns))}{after}</span>'


def _arrow(turn: str, sign: str, label: str) -> str:
    if not turn:
        return f'<button type="button" class="act" disabled aria-label="{label}">{sign}</button>'
    return small_button("sibling", turn, sign, label=label)


def chips(reasons: Sequence[str], *, given: Sequence[str], about: str, label: str) -> str:
    """Reasons to choose from, each on or off; `about` says what they are about, for the page that hears of it."""
    chosen = "".join(
        small_button("reason", f"{about}|{reason}", reason, kind="chip", pressed=reason in given) for reason in reasons
    )
    return f'<div class="chips" role="group" aria-label="{plain(label)}">{chosen}</div>'


def suggestions(prompts: Sequence[str]) -> str:
    """Questions that can be asked with one click."""
    if not prompts:
        return ""
    offered = "".join(small_button("try", prompt, prompt, kind="chip") for prompt in prompts)
    return f'<div class="suggestions"><span class="label">{texts.TRY}</span>{offered}</div>'


def waiting(why: str) -> str:
    """Why nothing can be answered now, and what can be done meanwhile."""
    return notice(texts.WAITING_EMPTY.format(why=why)) if why else ""


def practice_banner() -> str:
    """One quiet line while the practice model answers."""
    return f'<p class="banner" id="practice">{texts.PRACTICE}<code>{texts.PRACTICE_COMMAND}</code></p>'


def notice(text: str, *, kind: str = "wait") -> str:
    """A sentence by the prompt box; one that is `bad` is read out at once."""
    role = "alert" if kind == "bad" else "status"
    return f'<p class="notice {kind}" role="{role}">{plain(text)}</p>' if text else ""


def shortened(text: str, *, most: int = 80) -> str:
    """One line of a text, for a label."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
