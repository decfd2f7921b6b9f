"""Records as HTML for the Train page: the card, a run, its plot, how answers change, the verdict. Plain functions.

It knows records and texts. It does not know gradio or where a run's figures come from.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from ftchat import texts
from ftchat.dataset import Card
from ftchat.progress import RunSeen, Show
from ftchat.records import BASE, Run, Stage
from ftchat.schedule import OFF, State
from ftchat.store.exams import Pin
from ftchat.ui.pieces import button, time_of
from ftchat.ui.plot import loss_plot
from ftchat.ui.prose import new_words, plain

_ORDER: tuple[Stage, ...] = ("queued", "snapshot", "train", "exam", "publish", "done")
_ALWAYS = ("target", "exam")  # counted even when there are none
_HINTS = 12  # of what looks personal
_TONE = {"failed": "bad", "rejected": "warn", "stopped": "warn", "done": "quiet"}


def card(now: Card) -> str:
    """What a press of Retrain would train on, what is odd about it, and what would help."""
    trains = now.becomes.get("train", {})
    counts = {**{role: trains.get(role, 0) for role in ("target", "pair", "positive", "negative")}}
    counts |= {"tune": now.tune, "exam": now.exam, "dropped": sum(now.dropped.values()), "pending": now.pending}
    lines = "".join(
        f'<tr class="row-{key}"><th scope="row">{plain(texts.CARD_ROWS[key])}</th><td>{count:,}</td></tr>'
        for key, count in counts.items()
        if count or key in _ALWAYS
    )
    return (
        f'<section class="card"><h2>{texts.CARD}</h2><table class="counts">{lines}</table>{_why(now)}'
        f'<p class="advice" id="advice">{plain(now.advice)}</p>{_notes(now)}{_personal(now)}</section>'
    )


def _why(now: Card) -> str:
    """For which reasons feedback becomes no row, folded away."""
    if not now.dropped:
        return ""
    items = "".join(f"<li>{n:,} · {plain(now.why.get(why, why))}</li>" for why, n in now.dropped.items())
    words = texts.CARD_WHY.format(n=f"{sum(now.dropped.values()):,}")
    return f"<details><summary>{words}</summary><ul>{items}</ul></details>"


def _notes(now: Card) -> str:
    notes = list(now.notes)
    if len(now.people) > 1 and now.people[0]["share"] > 0.5:
        first = now.people[0]
        notes.insert(0, texts.CARD_PERSON.format(name=first["name"], share=f"{first['share']:.0%}"))
    items = "".join(f"<li>{plain(note)}</li>" for note in notes)
    return f'<ul class="notes" id="card-notes">{items}</ul>' if items else ""


def _personal(now: Card) -> str:
    """Where something personal may be; what it is stays hidden but for a hint."""
    items = "".join(f"<li>{plain(texts.PERSONAL_ROW.format(**hint))}</li>" for hint in now.personal[:_HINTS])
    return f"<details><summary>{texts.CARD_PERSONAL}</summary><ul>{items}</ul></details>" if items else ""


def no_run(now: Card) -> str:
    """What stands on the page before the first run of this base, for which others' feedback may count."""
    hint = texts.NO_RUN_READY.format(n=now.train) if now.enough else texts.NO_RUN_HINT
    return f'<section class="run"><h2>{texts.NO_RUN}</h2><p class="empty">{hint}</p></section>'


@dataclass(frozen=True)
class Actions:
    """What can be done on the Train page now."""

    start: bool
    stop: bool
    use: bool  # or compare it blind first
    roll_back: bool


def actions(seen: RunSeen | None, *, champion: str) -> Actions:
    """Which buttons make sense: only those are shown."""
    running = seen is not None and not seen.run.ended
    open_question = not running and seen is not None and seen.stands.state in ("candidate", "challenger")
    return Actions(
        start=not running,
        stop=running,
        use=open_question,
        roll_back=not running and champion != BASE,
    )


def acts(can: Actions, newest: Run | None, *, champion: str, decides: bool) -> str:
    """The buttons under a run, each with what it is about; all but the blind comparison are for who `decides`."""
    adapter = newest.adapter if newest and newest.adapter else ""
    made = []
    if newest and can.stop and decides:
        made.append(button("stop", texts.STOP_RUN, value=newest.id, kind="ghost", id_="run-stop"))
    if adapter and can.use and decides:
        made.append(button("use", texts.USE_ANYWAY, value=adapter, kind="ghost", id_="run-use"))
    if adapter and can.use:
        made.append(button("compare", texts.COMPARE_BLIND, value=adapter, kind="ghost", id_="run-compare"))
    if can.roll_back and decides:
        made.append(button("back", texts.ROLL_BACK, value=champion, kind="ghost", id_="roll-back"))
    return f'<div class="acts">{"".join(made)}</div>' if made else ""


def run(seen: RunSeen) -> str:
    """A run from its first to its last moment: where it is, and at the end the verdict."""
    now = seen.run
    return (
        f'<section class="run" id="run-seen" data-stage="{plain(now.stage)}">{_head(seen)}{_bar(now)}'
        f'{_stages(now)}<p class="headline" role="status">{plain(_doing(seen))}</p>'
        f"{_outcome(seen)}</section>"
    )


def plot(seen: RunSeen) -> str:
    """How the loss went, with the numbers of the run under it."""
    if seen.run.ended and not seen.losses:
        return ""
    drawing = loss_plot(seen.losses, tune=seen.tune, base_tune=seen.base_tune, steps=seen.steps, kept=seen.kept)
    words = [texts.BEST_AT.format(step=seen.kept)] if seen.kept is not None else []
    plan = " · ".join([*words, *filter(None, [_plan(seen.plan), seen.room])])
    return f'{drawing}<p class="plan">{plain(plan)}</p>'


def _plan(plan: Mapping[str, Any]) -> str:
    """The numbers of the run for those who want them."""
    parts = [(texts.PLAN[key], plan[key]) for key in texts.PLAN if key in plan]
    said = [f"{words} {value:g}" for words, value in parts if isinstance(value, int | float)]
    long = sum(not name.startswith("replay ") for name in plan.get("left_out", ()))
    said += [texts.TOO_LONG[long == 1].format(n=long)] if long else []
    return " · ".join(said)


def _doing(seen: RunSeen) -> str:
    """What it does now, where that says more than the name of the stage."""
    said = seen.headline.casefold() == texts.STATE[seen.run.stage].casefold()
    return "" if said or seen.run.ended else seen.headline


def _head(seen: RunSeen) -> str:
    now, state = seen.run, seen.stands.state
    right = []
    if now.stage == "train" and seen.steps:
        right.append(texts.STEP.format(step=seen.step, steps=seen.steps))
    if not now.ended and seen.eta_s is not None:
        right.append(time_left(seen.eta_s))
    tone = _TONE.get(now.stage, "good")
    words = {**texts.ADAPTER_STATE, **texts.ADAPTER_GONE}.get(state, "")
    standing = f'<span class="tag" id="adapter-state">{plain(words)}</span>' if words and now.ended else ""
    return (
        f'<header><h2>{plain(now.adapter or texts.NEW_RUN)}</h2><span class="tag {tone}" id="run-state">'
        f'{plain(texts.STATE[now.stage])}</span>{standing}<span class="far">{" · ".join(right)}</span></header>'
    )


def _bar(now: Run) -> str:
    done = 1.0 if now.stage == "done" else min(max(now.progress, 0.0), 1.0)
    percent = round(100 * done)
    return (
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        f'aria-label="{texts.RUN_PROGRESS}"><i style="width:{percent}%"></i></div>'
    )


def _stages(now: Run) -> str:
    """The stages in a row: passed, present, to come."""
    reached: Stage = "done" if now.stage == "rejected" else now.stage
    at = _ORDER.index(reached) if reached in _ORDER else -1
    items = ""
    for stage, words in texts.STAGES.items():
        place = _ORDER.index(stage)
        state = "over" if at < 0 else "passed" if place < at else "present" if place == at else "to-come"
        items += f'<li class="{state}"{" aria-current=step" if state == "present" else ""}>{plain(words)}</li>'
    return f'<ol class="stages">{items}</ol>'


def _outcome(seen: RunSeen) -> str:
    """The verdict in words with its reasons, once there is one."""
    now = seen.run
    if not now.ended:
        return ""
    reasons = [now.reason] if now.reason else []
    if now.verdict:
        reasons = [*now.verdict.reasons, *(r for r in reasons if r not in now.verdict.reasons)]
    if seen.stands.by == "votes":
        reasons.append(seen.stands.why)
    listed = "".join(f"<li>{plain(reason)}</li>" for reason in reasons)
    votes = f"<p><b>{texts.BLIND_VOTES}:</b> {plain(seen.trial.words)}</p>" if seen.trial else ""
    return (
        f'<div class="outcome {_TONE[now.stage]}" role="status"><h3 id="verdict">{plain(seen.headline)}</h3>'
        f"<ul>{listed}</ul>{votes}</div>"
    )


def schedule(state: State) -> str:
    """When it trains by itself, why it did not, or that it never does."""
    words = texts.BY_ITSELF_OFF if state.when == OFF else state.words
    last = ""
    if state.last is not None:
        when, reason = time_of(state.last.at.astimezone(UTC).isoformat(timespec="seconds")), plain(state.last.reason)
        last = f'<p class="hint">{texts.LAST_LOOK.format(when=when, reason=reason)}</p>'
    return f'<section class="card"><h2>{texts.BY_ITSELF}</h2><p class="advice">{plain(words)}</p>{last}</section>'


def pins(found: Sequence[Pin]) -> str:
    """What must still be answered, and a way to demand more."""
    items = "".join(_pin(pin) for pin in found)
    fields = "".join(
        f'<input type="text" data-field="pin" maxlength="2000" placeholder="{words}" aria-label="{words}">'
        for words in (texts.PIN_QUESTION, texts.PIN_HAS, texts.PIN_LACKS, texts.PIN_MATCHES)
    )
    add = button("pin", texts.PIN, takes="[data-field=pin]", kind="ghost")
    newest = max((pin.id for pin in found), default="")
    return (
        f'<section class="card"><h2>{texts.PINS}</h2><p class="hint">{texts.PINS_HINT}</p><ul class="pins">{items}</ul>'
        f'<p class="fields" data-filled="pin" data-after="{plain(newest)}">{fields}{add}</p></section>'
    )


def _pin(pin: Pin) -> str:
    rules = [("contains", text) for text in pin.contains] + [("lacks", text) for text in pin.lacks]
    rules += [("matches", pin.matches)] if pin.matches else []
    said = ", ".join(texts.PIN_RULE[kind].format(text=text) for kind, text in rules)
    off = button("unpin", texts.UNPIN, value=pin.id, kind="link")
    return f'<li><b>{plain(pin.prompt)}</b> <span class="hint">{plain(said)}</span> {off}</li>'


def whole(seen: RunSeen) -> str:
    """An earlier run, all of it. The ids are the newest run's; in texts quotes are escaped, so none of those is hit."""
    shut = f'<footer class="acts">{button("shut", texts.CLOSE, kind="ghost")}</footer>'
    told = re.sub(r' id="[\w-]+"', "", f"{run(seen)}{plot(seen)}{shows(seen.shows)}")
    return f'<section class="card looked">{told}{shut}</section>'


def past(runs: Sequence[Run], *, again: bool = False) -> str:
    """The runs before the newest, each folded to a line."""
    return f'<section class="card"><h2>{texts.PAST}</h2>{listed(runs, again=again)}</section>' if runs else ""


def listed(runs: Sequence[Run], *, again: bool = False) -> str:
    """Runs, each folded to a line."""
    return f'<div class="past">{"".join(_past(run, again=again) for run in runs)}</div>'


def _past(now: Run, *, again: bool) -> str:
    acts = button("look", texts.LOOK, value=now.id, kind="ghost")
    acts += button("again", texts.AGAIN, value=now.id, kind="ghost") if again and now.snapshot else ""
    reasons = now.verdict.reasons if now.verdict else ((now.reason,) if now.reason else ())
    listed = "".join(f"<li>{plain(reason)}</li>" for reason in reasons)
    return (
        f"<details><summary><b>{plain(now.adapter or texts.NO_ADAPTER_MADE)}</b> "
        f'<span class="tag {_TONE.get(now.stage, "quiet")}">{texts.STATE[now.stage]}</span> '
        f'<span class="hint">{time_of(now.created_at)} {plain(texts.BY.format(who=now.by))}</span></summary>'
        f'<ul>{listed}</ul><p class="acts">{acts}</p></details>'
    )


def time_left(seconds: float) -> str:
    """Words for what is left, no more exact than it is known."""
    if seconds < 90:
        rounded = round(seconds) if seconds < 10 else 5 * round(seconds / 5)
        return texts.SECONDS_LEFT.format(n=max(1, rounded))
    if seconds < 5400:
        return texts.MINUTES_LEFT.format(n=round(seconds / 60))
    return texts.HOURS_LEFT.format(n=f"{seconds / 3600:.1f}")


def shows(items: Sequence[Show]) -> str:
    """Before, your correction, now: first what it was taught, then what it was not."""
    if not items:
        return ""
    groups = ((texts.TAUGHT, texts.TAUGHT_HINT, True), (texts.NEVER_TAUGHT, texts.NEVER_TAUGHT_HINT, False))
    body = ""
    for title, hint, taught in groups:
        rows = "".join(_show(item) for item in items if item.taught == taught)
        if rows:
            body += f'<tr class="group"><th colspan="4" scope="rowgroup">{title} <span>{hint}</span></th></tr>{rows}'
    heads = "".join(f'<th scope="col">{h}</th>' for h in (texts.QUESTION, texts.BEFORE, texts.WANTED, texts.NOW))
    return (
        f'<section class="shows" id="shows"><h2>{texts.SHOWS}</h2><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></section>"
    )


def _show(item: Show) -> str:
    cells = (
        (texts.QUESTION, plain(item.prompt), ""),
        (texts.BEFORE, plain(item.before), ""),
        (texts.WANTED, plain(item.wanted) if item.wanted else texts.NONE, ""),
        (texts.NOW, new_words(item.before, item.now), _now_tag(item)),
    )
    kind = "taught" if item.taught else "never-taught"
    row = "".join(
        f'<td{" class=now" if label == texts.NOW else ""} data-label="{label}"><div class="said">{said}</div>{tag}</td>'
        for label, said, tag in cells
    )
    return f'<tr class="{kind}">{row}</tr>'


def _now_tag(item: Show) -> str:
    if item.wanted and _same(item.now, item.wanted):
        return f'<span class="tag good">{texts.AS_WANTED}</span>'
    if _same(item.now, item.before):
        return f'<span class="tag quiet">{texts.UNCHANGED}</span>'
    return ""


def _same(one: str, other: str) -> bool:
    return re.sub(r"\s+", " ", one).strip() == re.sub(r"\s+", " ", other).strip()
