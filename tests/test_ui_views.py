"""What Compare, Chat and the strip show: blind stays blind, and every text from outside is harmless."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hostile import HOSTILE, Tags

from ftchat.progress import Status
from ftchat.records import Conversation, Vote
from ftchat.seen import LaneSeen, TurnSeen
from ftchat.ui import views


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


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_harmless_wherever_it_is_shown(text: str) -> None:
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
        views.strip(status(champion=text, engine=text, engine_reason=text), name=text),
    ]
    assert [Tags(html).active for html in shown] == [set()] * len(shown)


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
    assert text_of(views.strip(status(), name="shop")) == "shop Engine ready Champion shop-v3 5 new since the last run"
    loading = views.strip(status(ready=False, engine="loading weights", new_feedback=0), name="shop")
    assert "Engine loading the model" in loading
    assert "nothing new to learn" in loading
    failed = views.strip(status(ready=False, engine="failed", engine_reason='no "memory"'), name="shop")
    assert 'class="engine failed"' in failed
    assert 'title="no &quot;memory&quot;"' in failed


def test_the_banner_is_for_the_practice_model_only() -> None:
    assert "make run" in views.practice_banner(status())
    assert views.practice_banner(status(practice=False)) == ""
