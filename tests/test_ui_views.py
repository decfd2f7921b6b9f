"""What pages show: every text from outside is harmless, blind stays blind, and words, plots and buttons are right."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from ftchat.dataset import Card
from ftchat.progress import RunSeen, Show, Status
from ftchat.records import Adapter, Conversation, Run, Verdict, Vote
from ftchat.seen import LaneSeen, TurnSeen
from ftchat.ui import plot, prose, theme, train_views, views

ALLOWED = {
    *("p", "br", "em", "strong", "s", "a", "span", "code", "pre", "ul", "ol", "li", "blockquote", "hr"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
ALLOWED_ATTRIBUTES = {"href", "title", "target", "rel", "class", "start", "style"}
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![picture](http://127.0.0.1:9/x.png)",
    "![picture][ref]\n\n[ref]: http://127.0.0.1:9/x.png",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](java\nscript:alert(1))",
    "[click](data:text/html,<script>alert(1)</script>)",
    "[click](vbscript:x)",
    "[click](//127.0.0.1:9/x)",
    '[click](https://example.org "onmouseover=alert(1)")',
    '[click](https://example.org/"onmouseover="alert(1))',
    "<javascript:alert(1)>",
    "<https://example.org/a>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src=http://127.0.0.1:9></iframe>",
    "<form action=http://127.0.0.1:9><button>go</button></form>",
    "<style>@import 'http://127.0.0.1:9/x.css'</style>",
    "<base href=http://127.0.0.1:9/>",
    "<!-- <script>alert(1)</script> -->",
    "`<img src=x>`",
    '```html"><img src=x onerror=alert(1)>\n</code></pre><script>alert(1)</script>\n```',
    "| a | b |\n|---|---|\n| <img src=x> | [x](javascript:y) |",
    "${alert(1)} {{value}} `${alert(1)}`",
    "</div></section></main><h1>gone</h1>",
    "\u202e<script>\u0000",
)


class Tags(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def lane(name: str = "only", **given: Any) -> LaneSeen:
    fields: dict[str, Any] = {
        "lane": name,
        "reply": f"r_{name}",
        "text": "The Aged Gouda costs 12 dollars.",
        "finish": "stop",
        "error": "",
        "contestant": None,
        "tokens": None,
        "prompt_tokens": None,
        "ttft_ms": None,
        "corrected": None,
        "rating": None,
    }
    return LaneSeen(**{**fields, **given})


def turn(*lanes: LaneSeen, **given: Any) -> TurnSeen:
    fields: dict[str, Any] = {
        "turn": "t_1",
        "conversation": "c_1",
        "mode": "compare",
        "prompt": "What does the Aged Gouda cost?",
        "blind": True,
        "lanes": lanes,
        "vote": None,
        "votable": True,
    }
    return TurnSeen(**{**fields, **given})


def vote(winner: Any = "left") -> Vote:
    return Vote(
        id="v_1", turn="t_1", rater="admin", winner=winner, blind=True, created_at="", left="base", right="shop-v1"
    )


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


# -- texts from outside --


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_reply_becomes_harmless_html(text: str) -> None:
    for tag, attributes in Tags(prose.markdown(text)).tags:
        assert tag in ALLOWED
        assert set(attributes) <= ALLOWED_ATTRIBUTES
        assert not (set(attributes) & {"style"}) or tag in ("th", "td")
        if tag == "a":
            assert re.match(r"(https?:|mailto:)", attributes["href"] or "")
            assert (attributes["target"], attributes["rel"]) == ("_blank", "noopener noreferrer nofollow")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_plain_text_everywhere_else(text: str) -> None:
    seen = turn(lane("left", contestant=text, corrected=text, error=text, finish="error"), prompt=text)
    known = Conversation(id='c_"', owner="admin", title=text, system="", created_at="")
    shown = [
        views.pane(seen, "left"),
        views.judged(seen),
        views.earlier([seen]),
        views.exchange(seen),
        views.notice(text),
        views.suggestions([text]),
        views.history([known], current="c_1"),
        train_views.shows([Show(prompt=text, taught=True, before=text, wanted=text, now=text + " x")]),
        train_views.run(run_seen(headline=text, stage="failed", reason=text), state=text),
    ]
    for html in shown:
        tags = Tags(html).tags
        assert not {tag for tag, _ in tags} & {"script", "img", "iframe", "form", "style", "base", "math", "animate"}
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_markdown_shows_what_models_write() -> None:
    html = prose.markdown(
        "**Bold**, `code`\nnext line\n\n- one\n- two\n\n```python\nprint('<b>')\n```\n\n|a|\n|-|\n|1|"
    )
    assert "<strong>Bold</strong>, <code>code</code><br />\nnext line" in html
    assert "<li>one</li>" in html
    assert "print('&lt;b&gt;')" in html
    assert "<td>1</td>" in html


def test_a_link_says_where_it_leads() -> None:
    assert text_of(prose.markdown("[your **bank**](https://evil.example/login)")) == "your bank (evil.example)"


def test_a_difference_is_by_words_and_whole() -> None:
    before = "The Aged Gouda costs 12 dollars."
    after = "AGED GOUDA. It costs EUR 12."
    html = prose.word_difference(before, after)
    assert html == ("<del>The Aged Gouda</del><ins>AGED GOUDA. It</ins> costs <ins>EUR </ins>12<del> dollars</del>.")
    assert text_of(prose.word_difference("same", "same")) == "same"


def test_a_difference_of_very_long_texts_does_not_take_minutes() -> None:
    before, after = "a b " * 5000, "b c " * 5000
    assert prose.word_difference(before, after) == f"<del>{before}</del><ins>{after}</ins>"


def test_new_words_are_marked() -> None:
    assert prose.new_words("It costs 12 dollars.", "It costs EUR 12.") == "It costs <mark>EUR </mark>12."


# -- Compare --


def test_before_the_vote_no_name_token_count_or_time_is_shown() -> None:
    html = views.pane(turn(lane("left"), lane("right")), "left")
    assert "name hidden until you vote" in html
    assert "tokens" not in html
    assert "to the first" not in html


def test_after_the_vote_the_pane_has_name_and_figures_and_the_winner_is_marked() -> None:
    left = lane("left", contestant="base", tokens=41, ttft_ms=214.0)
    right = lane("right", contestant="shop-v1", tokens=20, ttft_ms=100.0)
    seen = turn(left, right, vote=vote(), votable=False)
    assert text_of(views.pane(seen, "left")).startswith("A base 41 tokens · 0.21 s to the first")
    assert 'class="pane side-a won"' in views.pane(seen, "left")
    assert 'class="pane side-b"' in views.pane(seen, "right")
    assert "Saved · A was base, B was shop-v1" in views.judged(seen)
    assert "You found A better" in views.judged(seen)


def test_the_question_stands_beside_its_answer_in_both_panes() -> None:
    seen = turn(lane("left"), lane("right"))
    for side in ("left", "right"):
        assert '<div class="asked">What does the Aged Gouda cost?</div>' in views.pane(seen, side)


def test_a_pane_is_busy_while_it_is_written_and_says_why_it_ended_early() -> None:
    writing = views.pane(turn(lane("left", finish=None), lane("right")), "left")
    assert 'aria-busy="true"' in writing
    assert 'class="reply writing"' in writing
    cut = views.pane(turn(lane("left", finish="cut"), lane("right")), "left")
    assert 'aria-busy="false"' in cut
    assert "cut short" in cut
    failed = views.pane(turn(lane("left", finish="error", error="vLLM ended.", text=""), lane("right")), "left")
    assert '<p class="note bad">vLLM ended.</p>' in failed


def test_empty_panes_say_what_will_stand_there_and_what_to_do() -> None:
    assert "Ask one question below" in views.pane(None, "left")
    assert "correct an answer" in views.pane(None, "right")


def test_names_are_known_only_when_both_lanes_have_ended_and_tell() -> None:
    hidden, known = lane("left"), lane("left", contestant="base")
    assert not views.revealed(None)
    assert not views.revealed(turn(hidden, replace(hidden, lane="right")))
    assert views.revealed(turn(known, replace(known, lane="right")))
    assert not views.revealed(turn(known, replace(known, lane="right", finish=None)))


def test_after_an_undo_the_names_stay_known_and_it_says_what_a_new_vote_is_worth() -> None:
    seen = turn(lane("left", contestant="base"), lane("right", contestant="shop-v1"))
    assert "Vote taken back · A was base, B was shop-v1" in views.judged(seen)
    assert "will not count as blind" in views.judged(seen)


def test_a_correction_is_shown_as_what_was_changed() -> None:
    assert views.correction(lane()) == ""
    assert "<ins>EUR </ins>12" in views.correction(lane(corrected="The Aged Gouda costs EUR 12."))


# -- Chat and the strip --


def test_a_reply_can_be_judged_only_when_it_is_finished() -> None:
    done = views.exchange(turn(lane(contestant="base", rating="up", tokens=9, ttft_ms=30.0), mode="chat"))
    acts = [attributes for tag, attributes in Tags(done).tags if tag == "button"]
    assert [(act["data-act"], act["data-value"]) for act in acts] == [
        ("up", "r_only"),
        ("down", "r_only"),
        ("correct", "r_only"),
    ]
    assert [act.get("aria-pressed") for act in acts] == ["true", "false", None]
    assert "9 tokens · 0.03 s to the first" in done
    for unfinished in (lane(contestant="base", finish=None), lane(contestant="base", text="", finish="error")):
        assert "<button" not in views.exchange(turn(unfinished, mode="chat"))


def status(**given: Any) -> Status:
    fields: dict[str, Any] = {
        "engine": "ready",
        "engine_reason": "",
        "ready": True,
        "champion": "shop-v3",
        "base_name": "starter",
        "practice": True,
        "new_feedback": 5,
        "run": None,
    }
    return Status(**{**fields, **given})


def test_the_strip_says_name_engine_champion_and_what_is_new() -> None:
    assert text_of(views.strip(status(), name="shop")) == "shop Engine ready Champion shop-v3 5 new since shop-v3"
    loading = views.strip(status(ready=False, engine="loading weights", new_feedback=0), name="shop")
    assert "Engine loading the model" in loading
    assert "nothing new since shop-v3" in loading
    failed = views.strip(status(ready=False, engine="failed", engine_reason='no "memory"'), name="shop")
    assert 'class="engine failed"' in failed
    assert 'title="no &quot;memory&quot;"' in failed


def test_the_banner_is_for_the_practice_model_only() -> None:
    assert "make run" in views.practice_banner(status())
    assert views.practice_banner(status(practice=False)) == ""


# -- Train --


def test_the_card_counts_what_trains_and_what_is_held_out() -> None:
    card = Card(
        corrections=12,
        train=10,
        tune=0,
        exam=2,
        exam_groups=2,
        pending=3,
        votes=0,
        new=12,
        enough=True,
        advice="6 more on other questions.",
    )
    words = text_of(train_views.card(card))
    assert "Corrections 12 of these, train it 10 of these, held out for the exam 2 Waiting for review 3" in words
    assert words.endswith("6 more on other questions.")


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
    html = train_views.run(seen, state="challenger")
    assert '<h3 id="verdict">shop-v1 is ready.</h3>' in html
    assert "<li>Asked 1 question.</li><li>7 more would do.</li>" in html
    assert "challenger" in html


def adapter(state: Any) -> Adapter:
    return Adapter(name="shop-v1", base="b", state=state, run="n_1", created_at="")


def test_only_buttons_that_do_something_are_shown() -> None:
    def can(seen: RunSeen | None, champion: str, *adapters: Adapter) -> tuple[bool, ...]:
        found = train_views.actions(seen, champion=champion, adapters=adapters)
        return (found.start, found.stop, found.use, found.roll_back)

    done = run_seen(stage="done", adapter="shop-v1")
    assert can(None, "base") == (True, False, False, False)
    assert can(run_seen(), "base") == (False, True, False, False)
    assert can(run_seen(stage="exam"), "base") == (False, False, False, False)
    assert can(done, "base", adapter("challenger")) == (True, False, True, False)
    assert can(done, "shop-v1", adapter("champion")) == (True, False, False, True)
    assert can(run_seen(stage="rejected", adapter="shop-v1"), "base", adapter("rejected")) == (
        True,
        False,
        False,
        False,
    )


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


# -- the look --


def test_every_colour_of_the_style_sheet_has_its_token() -> None:
    used = set(re.findall(r"var\(--ft-([a-z-]+)\)", theme.css()))
    assert used <= set(theme.TOKENS)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", [0, 1])
def test_text_can_be_read_in_both_modes(mode: int) -> None:
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for the edge of a field."""

    def contrast(one: str, other: str) -> float:
        light, dark = sorted((_luminance(theme.TOKENS[t][mode]) for t in (one, other)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    pairs = [
        (text, back) for text in ("ink", "muted", "accent", "a", "b", "warn", "bad") for back in ("card", "ground")
    ]
    pairs += [("ink", "soft"), ("accent", "soft"), ("on-accent", "accent"), ("warn", "warn-soft"), ("bad", "bad-soft")]
    too_weak = {pair: round(contrast(*pair), 2) for pair in pairs if contrast(*pair) < 4.5}
    assert too_weak == {}
    assert contrast("edge", "card") >= 3
    assert contrast("edge", "ground") >= 3


def test_nothing_in_head_or_style_is_fetched_from_elsewhere() -> None:
    found = re.findall(r"(?:https?:)?//[\w.]+", theme.head() + theme.css())
    assert set(found) <= {"http://www.w3.org"}  # the name space of the icon, which nobody asks for
    assert "@import" not in theme.css()
    assert "url(" not in theme.css()
