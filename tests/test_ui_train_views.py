"""What the Train page shows: the card, a run in words, its plot, and only the buttons that do something."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hostile import HOSTILE, Tags

from ftchat.dataset import Card
from ftchat.errors import BadInput
from ftchat.progress import RunSeen, Show, Stands, headline, see
from ftchat.records import Run, Verdict
from ftchat.schedule import Looked, State
from ftchat.store.exams import Pin
from ftchat.ui import plot, train_views
from ftchat.ui.train import numbers


def run_seen(**given: Any) -> RunSeen:
    run: dict[str, Any] = {"id": "n_1", "stage": "train", "by": "admin", "created_at": "", "progress": 0.4}
    seen: dict[str, Any] = {
        "step": 3,
        "steps": 10,
        "losses": ((1, 2.0), (2, 1.5), (3, 1.0)),
        "tune": ((0, 1.8), (3, 1.2)),
        "base_tune": 1.8,
        "shows": (),
        "headline": "Training",
        "plan": {},
    }
    for key in set(given) & {"stage", "progress", "eta_s", "adapter", "reason", "verdict"}:
        run[key] = given.pop(key)
    return RunSeen(run=Run(**run), **{**seen, **given})


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_harmless_wherever_it_is_shown(text: str) -> None:
    shown = [
        train_views.shows([Show(prompt=text, taught=True, before=text, wanted=text, now=text + " x")]),
        train_views.run(
            run_seen(headline=text, stage="failed", reason=text, adapter=text, stands=Stands(by="votes", why=text))
        ),
    ]
    assert [Tags(html).active for html in shown] == [set()] * len(shown)


def card_of(**given: Any) -> Card:
    values: dict[str, Any] = {"corrections": 12, "train": 10, "tune": 0, "exam": 2, "exam_groups": 2, "pending": 3}
    values |= {"votes": 0, "new": 12, "enough": True, "advice": "6 more on other questions."}
    return Card(**{**values, **given})


def test_the_card_counts_what_trains_what_is_held_out_and_what_is_left_out() -> None:
    becomes = {"train": {"target": 10, "pair": 4, "negative": 1}, "exam": {"target": 2}}
    dropped = {"duplicate": 2, "contradicted": 1}
    why = {"duplicate": "says the same", "contradicted": "others say otherwise"}
    words = text_of(train_views.card(card_of(becomes=becomes, dropped=dropped, why=why)))
    counted = (
        "Corrections 10 Votes, as pairs 4 Replies to avoid 1 Held out for the exam 2 Left out 3 Waiting for review 3"
    )
    assert counted in words
    assert "Why 3 are left out 2 · says the same 1 · others say otherwise" in words
    assert words.endswith("6 more on other questions.")


def test_the_card_says_what_is_odd() -> None:
    people = [{"name": "bob", "rows": 8, "weight": 1.0, "share": 0.8}, {"name": "ann", "rows": 2, "share": 0.2}]
    hint = {"row": "k_1", "kind": "email", "where": "answer", "shown": "a…@…"}
    words = text_of(train_views.card(card_of(people=people, notes=["It may learn to be longer."], personal=[hint])))
    assert "bob gave 80% of what trains. It may learn to be longer." in words
    assert "email in a answer" not in words  # plain English also here
    assert "a…@…" in words


def test_earlier_runs_are_listed_with_their_reasons() -> None:
    verdict = Verdict(decision="REJECT", reasons=("It forgot.",))
    failed = run_seen(stage="failed", reason="The disk is full.").run
    rejected = run_seen(stage="rejected", adapter="shop-v2", verdict=verdict).run
    words = text_of(train_views.past([rejected, failed]))
    assert words.startswith("Earlier runs shop-v2 rejected")
    assert "It forgot. How it went no adapter failed" in words
    assert words.endswith("The disk is full. How it went")
    assert train_views.past([]) == ""


def test_an_earlier_run_is_shown_whole_without_taking_the_newest_ones_ids() -> None:
    seen = run_seen(stage="done", shows=(Show(prompt='Say id="x"', taught=True, before="a", wanted="b", now="b"),))
    html = train_views.whole(seen)
    assert re.findall(r'<[^>]* id="', html) == []
    assert "Say id=&quot;x&quot;" in html
    words = text_of(html)
    assert words.index("finished") < words.index("How its answers change") < words.index("Close")


def test_what_is_typed_into_more_is_a_number_or_chosen_by_ftchat() -> None:
    typed = {"rank": " 8 ", "learning_rate": "2e-3", "steps": "", "replay_share": None, "seed": "0"}
    assert numbers(typed) == {"rank": 8, "learning_rate": 0.002, "seed": 0}
    with pytest.raises(BadInput, match=r"Rank is '8\.5': write a number"):
        numbers({"rank": "8.5"})


def test_the_same_once_more_is_offered_only_where_it_can_be_done() -> None:
    run = replace(run_seen(stage="done").run, snapshot="s_1")
    offered = [
        train_views.past([run], again=True),
        train_views.past([run]),
        train_views.past([replace(run, snapshot=None)], again=True),
    ]
    assert ["Once more" in html for html in offered] == [True, False, False]


def test_the_schedule_says_why_it_waits_and_pins_what_they_demand() -> None:
    last = Looked(at=datetime(2026, 3, 1, 2, 0, tzinfo=UTC), run=None, reason="Skipped: 6 came in; it waits for 20.")
    state = State(when="0 2 * * *", words="It looks at two.", next_at=None, needed=20, new=6, last=last)
    assert text_of(train_views.schedule(state)) == (
        "By itself It looks at two. Last, 1 Mar 2026, 02:00 UTC : Skipped: 6 came in; it waits for 20."
    )
    off = State(when="off", words="The schedule is off.", next_at=None, needed=8, new=0, last=None)
    assert "It trains when somebody presses Retrain." in text_of(train_views.schedule(off))
    pin = Pin(id="p_1", prompt="Do you deliver?", contains=("yes",), lacks=("no idea",), by="ann", created_at="")
    words = text_of(train_views.pins([pin]))
    assert "Do you deliver? has “yes”, lacks “no idea” Take off" in words


def test_the_step_that_is_kept_is_named_once_it_is_past() -> None:
    tune = ((0, 2.0), (10, 1.5), (20, 1.2))  # what is kept is the trainer's choice, and not the lowest point
    html = train_views.plot(run_seen(tune=tune, steps=20, kept=10))
    assert "best at step 10" in html
    assert html.count('class="best"') == 2
    html = train_views.plot(run_seen(tune=tune, steps=20))
    assert "best at step" not in html
    assert 'class="best"' not in html


def test_the_trainers_own_words_say_which_step_is_kept(tmp_path: Path) -> None:
    run = Run(id="n_1", stage="train", by="admin", created_at="", progress=0.4)
    told = []
    for step, best in ((0, 0), (10, 10), (20, 10), (30, 30)):
        told.append(json.dumps({"event": "tune", "step": step, "loss": 1.0 - step / 100, "best_step": best}) + "\n")
        (tmp_path / "metrics.jsonl").write_text("".join(told))
        assert see(run, tmp_path).kept == (10 if step == 20 else None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "about 1 s left"),
        (8.6, "about 9 s left"),
        (43, "about 45 s left"),
        (240, "about 4 min left"),
        (7200, "about 2.0 h left"),
    ],
)
def test_time_left_is_no_more_exact_than_it_is_known(seconds: float, words: str) -> None:
    assert train_views.time_left(seconds) == words


def test_a_run_says_stage_step_and_time_while_it_trains() -> None:
    html = train_views.run(run_seen(eta_s=8.6))
    assert 'data-stage="train"' in html
    assert "step 3 of 10 · about 9 s left" in html
    assert 'aria-valuenow="40"' in html
    stages = re.findall(r'<li class="([a-z-]+)"[^>]*>([a-z]+)', html)
    assert stages == [("passed", "snapshot"), ("present", "training"), ("to-come", "exam"), ("to-come", "publish")]


def test_a_finished_run_has_its_verdict_in_words() -> None:
    verdict = Verdict(decision="INSUFFICIENT", reasons=("Asked 1 question.", "7 more would do."))
    seen = run_seen(stage="done", adapter="shop-v1", verdict=verdict, headline="shop-v1 is ready.")
    html = train_views.run(replace(seen, stands=Stands(state="challenger")))
    assert '<h3 id="verdict">shop-v1 is ready.</h3>' in html
    assert "<li>Asked 1 question.</li><li>7 more would do.</li>" in html
    assert "challenger" in html
    by_votes = Stands(state="champion", by="votes", why="Blind votes against base: 9 to 1.")
    assert "Blind votes against base: 9 to 1." in text_of(train_views.run(replace(seen, stands=by_votes)))


_IN, _READY = "shop-v1 is in service", "shop-v1 is ready. The exam cannot decide yet, so you do."


@pytest.mark.parametrize(
    ("decision", "stands", "words"),
    [
        ("PROMOTE", Stands(state="champion", by="exam"), "shop-v1 is better and now in service."),
        ("PROMOTE", Stands(state="retired", by="exam"), "shop-v1 was in service, and is no more."),
        ("PROMOTE", Stands(state="champion", by="ftchat"), f"{_IN} again, since the one after it could not be."),
        ("PROMOTE", Stands(state="deleted"), "shop-v1 was deleted."),
        ("PROMOTE", Stands(state="elsewhere", by="exam"), "shop-v1 was made for another base model."),
        ("INSUFFICIENT", Stands(state="challenger"), _READY),
        ("INSUFFICIENT", Stands(state="champion", by="ann"), f"{_IN}, because a person chose it."),
        ("INSUFFICIENT", Stands(state="champion", by="votes"), f"{_IN}: blind votes found it better."),
        ("INSUFFICIENT", Stands(state="retired"), "shop-v1 lost its blind votes."),
        ("INSUFFICIENT", Stands(state="retired", by="votes"), "shop-v1 was in service, and is no more."),
        ("REJECT", Stands(state="rejected"), "shop-v1 was not taken into service."),
        ("REJECT", Stands(state="broken"), "shop-v1 cannot be served."),
    ],
)
def test_what_is_said_of_a_run_is_where_its_adapter_stands_by_now(decision: Any, stands: Stands, words: str) -> None:
    verdict = Verdict(decision=decision, reasons=("Because.",))
    run = Run(id="n_1", stage="done", by="ann", created_at="", progress=1.0, adapter="shop-v1", verdict=verdict)
    assert headline(run, stands) == words


def test_only_buttons_that_do_something_are_shown() -> None:
    def can(seen: RunSeen | None, champion: str, state: Any = "") -> tuple[bool, ...]:
        stands = Stands(state=state)
        found = train_views.actions(seen and replace(seen, stands=stands), champion=champion)
        return (found.start, found.stop, found.use, found.roll_back)

    done = run_seen(stage="done", adapter="shop-v1")
    assert can(None, "base") == (True, False, False, False)
    assert can(run_seen(), "base") == (False, True, False, False)
    assert can(run_seen(stage="exam"), "base") == (False, True, False, False)
    assert can(run_seen(stage="publish"), "base") == (False, True, False, False)  # one that goes on asks it all again
    assert can(done, "base", "challenger") == (True, False, True, False)
    assert can(done, "shop-v1", "champion") == (True, False, False, True)
    rejected = run_seen(stage="rejected", adapter="shop-v1")
    assert can(rejected, "base", "rejected") == (True, False, False, False)


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ([], "rank 8"),
        (["replay 3"], "rank 8"),
        (["k_1", "replay 3"], "rank 8 · 1 row is longer than the model reads"),
        (["k_1", "v_2"], "rank 8 · 2 rows are longer than the model reads"),
    ],
)
def test_what_was_too_long_to_be_learned_is_said_with_the_plan(left_out: list[str], words: str) -> None:
    seen = replace(run_seen(), losses=((1, 2.0),), plan={"rank": 8, "left_out": left_out})
    assert text_of(train_views.plot(seen)).endswith(words)


def test_before_and_now_stand_beside_the_correction() -> None:
    items = (
        Show(prompt="taught?", taught=True, before="12 dollars", wanted="EUR 12", now="EUR  12"),
        Show(prompt="never?", taught=False, before="9 dollars", wanted=None, now="9 dollars"),
    )
    words = text_of(train_views.shows(items))
    assert words.index("Taught") < words.index("taught?") < words.index("Never taught") < words.index("never?")
    assert "as you wanted" in words
    assert "unchanged" in words
    assert train_views.shows(()) == ""


def test_the_plot_has_its_reference_and_labels_at_the_ends() -> None:
    html = plot.loss_plot(((1, 2.0), (2, 1.0)), tune=((0, 1.8), (2, 1.2)), base_tune=1.8, steps=4)
    assert html.count("<svg") == 2  # one for a wide page, one for a phone
    for label in ("training loss", "held-out loss", "base, held-out"):
        assert html.count(f">{label}</text>") == 2
    assert html.count('class="reference"') == 2
    assert 'aria-label="Loss over 4 steps: training 2.00 at first, 1.00 now."' in html
    alone = plot.loss_plot(((1, 2.0),), tune=(), base_tune=None, steps=4)
    assert "held-out" not in alone
    assert "first step" in plot.loss_plot((), tune=(), base_tune=None, steps=4)


@pytest.mark.parametrize("losses", [((1, 0.0),), ((1, 5.0), (2, 5.0)), tuple((i, 1e4) for i in range(1, 900))])
def test_the_plot_survives_odd_numbers(losses: tuple[tuple[int, float], ...]) -> None:
    html = plot.loss_plot(losses, tune=(), base_tune=0.0, steps=0)
    assert "nan" not in html
    assert "inf" not in html


def test_labels_are_never_on_each_other() -> None:
    placed = plot.apart([10.0, 11.0, 12.0], gap=15, low=0, high=100)
    assert placed == [10.0, 25.0, 40.0]
    assert plot.apart([99.0, 98.0], gap=15, low=0, high=100) == [100.0, 85.0]


def test_a_long_run_is_drawn_with_few_points_first_and_last_kept() -> None:
    points = [(i, float(i)) for i in range(5000)]
    few = plot.thinned(points, most=100)
    assert (len(few), few[0], few[-1]) == (100, points[0], points[-1])
