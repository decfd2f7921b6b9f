"""What Compare, Chat and the strip show: blind stays blind, and every text from outside is harmless."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hostile import HOSTILE, Tags

from ftchat.progress import Status
from ftchat.records import BAD_REASONS, GOOD_REASONS, Conversation, Vote
from ftchat.seen import LaneSeen, TurnSeen
from ftchat.store.sessions import Item, Session
from ftchat.ui import chat_views, compare_views, views


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


def vote(winner: Any = "left", **given: Any) -> Vote:
    fields: dict[str, Any] = {"blind": True, "created_at": "", "left": "base", "right": "shop-v1", **given}
    return Vote(id="v_1", turn="t_1", rater="admin", winner=winner, **fields)


def session(title: str = "Prices", **given: Any) -> Session:
    fields: dict[str, Any] = {"ended": False, "total": 4, "voted": 1, "skipped": 1, **given}
    return Session(id="q_1", owner="admin", title=title, created_at="", **fields)


def left_out(prompt: str, why: str = "") -> Item:
    return Item(position=1, prompt=prompt, turn=None, asked=1, skipped=why or prompt, voted=False)


def pressed(html: str) -> dict[str, bool]:
    """Every button that is on or off, by what it is for."""
    buttons = [attributes for tag, attributes in Tags(html).tags if tag == "button" and "aria-pressed" in attributes]
    return {f"{b['data-act']} {b['data-value']}": b["aria-pressed"] == "true" for b in buttons}


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_harmless_wherever_it_is_shown(text: str) -> None:
    seen = turn(lane("left", contestant=text, corrected=text, error=text, finish="error"), prompt=text)
    known = Conversation(id='c_"', owner="admin", title=text, system="", created_at="")
    shown = [
        compare_views.pane(seen, "left"),
        compare_views.judged(seen),
        compare_views.told(seen, "left"),
        compare_views.earlier([seen]),
        compare_views.asked_again(seen),
        compare_views.coming(text, "left"),
        compare_views.far(session(text), ready=1),
        compare_views.finished(
            session(text), [Item(position=1, prompt=text, turn=None, asked=1, skipped=text, voted=False)]
        ),
        compare_views.open_sessions([session(text)]),
        chat_views.system(text),
        views.changing("before", text),
        views.opened(text),
        chat_views.exchange(seen),
        views.notice(text),
        views.suggestions([text]),
        chat_views.history([known], current="c_1"),
        views.strip(status(champion=text, engine=text, engine_reason=text), name=text),
    ]
    assert [Tags(html).active for html in shown] == [set()] * len(shown)


def test_before_the_vote_no_name_token_count_or_time_is_shown() -> None:
    html = compare_views.pane(turn(lane("left"), lane("right")), "left")
    assert "name hidden until you vote" in html
    assert "tokens" not in html
    assert "to the first" not in html


def test_after_the_vote_the_pane_has_name_and_figures_and_the_winner_is_marked() -> None:
    left = lane("left", contestant="base", tokens=41, ttft_ms=214.0)
    right = lane("right", contestant="shop-v1", tokens=20, ttft_ms=100.0)
    seen = turn(left, right, vote=vote(), votable=False)
    assert text_of(compare_views.pane(seen, "left")).startswith("A base 41 tokens · 0.21 s to the first")
    assert 'class="pane side-a won"' in compare_views.pane(seen, "left")
    assert 'class="pane side-b"' in compare_views.pane(seen, "right")
    assert "Saved · A was base, B was shop-v1" in compare_views.judged(seen)
    assert "You found A better" in compare_views.judged(seen)


def test_the_question_stands_beside_its_answer_in_both_panes() -> None:
    seen = turn(lane("left"), lane("right"))
    for side in ("left", "right"):
        assert '<div class="asked">What does the Aged Gouda cost?</div>' in compare_views.pane(seen, side)


def test_a_pane_is_busy_while_it_is_written_and_says_why_it_ended_early() -> None:
    writing = compare_views.pane(turn(lane("left", finish=None), lane("right")), "left")
    assert 'aria-busy="true"' in writing
    assert 'class="reply writing"' in writing
    cut = compare_views.pane(turn(lane("left", finish="cut"), lane("right")), "left")
    assert 'aria-busy="false"' in cut
    assert "cut short" in cut
    failed = compare_views.pane(turn(lane("left", finish="error", error="vLLM ended.", text=""), lane("right")), "left")
    assert '<p class="note bad">vLLM ended.</p>' in failed


def test_empty_panes_say_what_will_stand_there_and_what_to_do() -> None:
    assert "Ask one question below" in compare_views.pane(None, "left")
    assert "correct an answer" in compare_views.pane(None, "right")


def test_names_are_known_only_when_both_lanes_have_ended_and_tell() -> None:
    hidden, known = lane("left"), lane("left", contestant="base")
    assert not compare_views.revealed(None)
    assert not compare_views.revealed(turn(hidden, replace(hidden, lane="right")))
    assert compare_views.revealed(turn(known, replace(known, lane="right")))
    assert not compare_views.revealed(turn(known, replace(known, lane="right", finish=None)))


def test_after_an_undo_the_names_stay_known_and_it_says_what_a_new_vote_is_worth() -> None:
    seen = turn(lane("left", contestant="base"), lane("right", contestant="shop-v1"))
    assert "Vote taken back · A was base, B was shop-v1" in compare_views.judged(seen)
    assert "will not count as blind" in compare_views.judged(seen)


def test_a_correction_is_shown_as_what_was_changed() -> None:
    assert views.correction(lane()) == ""
    assert "<ins>EUR </ins>12" in views.correction(lane(corrected="The Aged Gouda costs EUR 12."))


def test_what_is_refused_is_read_out_at_once() -> None:
    assert Tags(views.notice("No.", kind="bad")).tags == [("p", {"class": "notice bad", "role": "alert"})]
    assert Tags(views.notice("Soon.")).tags == [("p", {"class": "notice wait", "role": "status"})]


def test_after_the_vote_the_winner_is_asked_what_was_good_and_the_other_what_was_bad() -> None:
    left, right = lane("left", contestant="base", rating="up"), lane("right", contestant="shop-v1")
    seen = turn(left, right, vote=vote("left", reasons={"right": ("wrong fact",)}))
    assert pressed(compare_views.told(seen, "left")) == {
        "up r_left": True,
        "down r_left": False,
        **{f"reason left|{reason}": False for reason in GOOD_REASONS},
    }
    assert pressed(compare_views.told(seen, "right")) == {
        "up r_right": False,
        "down r_right": False,
        **{f"reason right|{reason}": reason == "wrong fact" for reason in BAD_REASONS},
    }
    assert "reason" not in compare_views.told(turn(left, right), "left")  # no vote, no reasons for it


def test_what_was_asked_again_says_what_it_was_shown() -> None:
    again = turn(lane(contestant="few-shot", examples=("k_1", "k_2"), tokens=7), mode="chat")
    assert text_of(compare_views.asked_again(again)).startswith(
        "Asked again few-shot with 2 corrections shown to it 7 tokens"
    )
    assert compare_views.asked_again(None) == ""


def test_what_a_long_conversation_lost_is_said_in_both_panes_alike() -> None:
    seen = turn(lane("left", trimmed=2), lane("right", trimmed=2))
    assert "The 2 oldest questions did not fit any more." in compare_views.pane(seen, "left")
    assert "The 2 oldest questions did not fit any more." in compare_views.pane(seen, "right")


def test_a_session_says_how_far_it_is_and_what_was_left_out() -> None:
    assert text_of(compare_views.far(session(), ready=1)) == "Rating session Prices 2 of 4 done · 1 answered ahead"
    assert 'aria-valuenow="50"' in compare_views.far(session(), ready=0)
    done = session(voted=3)
    assert text_of(compare_views.finished(done, [left_out("When?", "Skipped by the rater.")])) == (
        "Session done: 3 judged, 1 left out. Left out When?: Skipped by the rater."
    )
    assert "1 of 4 judged" in compare_views.finished(session(ended=True), [])
    assert compare_views.open_sessions([done]) == ""
    assert 'data-value="q_1"' in compare_views.open_sessions([session()])


def test_a_reply_can_be_judged_only_when_it_is_finished() -> None:
    done = chat_views.exchange(turn(lane(contestant="base", rating="up", tokens=9, ttft_ms=30.0), mode="chat"))
    acts = [attributes for tag, attributes in Tags(done).tags if tag == "button"]
    assert [(act["data-act"], act["data-value"]) for act in acts if act["data-act"] != "reason"] == [
        ("edit", "t_1"),
        ("up", "r_only"),
        ("down", "r_only"),
        ("correct", "r_only"),
        ("fix", "r_only"),
        ("regenerate", "t_1"),
    ]
    assert pressed(done)["up r_only"]
    assert [key for key in pressed(done) if key.startswith("reason")] == [f"reason r_only|{r}" for r in GOOD_REASONS]
    assert "9 tokens · 0.03 s to the first" in done
    assert "<button" not in chat_views.exchange(turn(lane(contestant="base", finish=None), mode="chat"))
    failed = chat_views.exchange(turn(lane(contestant="base", text="", finish="error"), mode="chat"))
    assert [b["data-act"] for tag, b in Tags(failed).tags if tag == "button"] == ["edit", "regenerate"]


def test_of_several_versions_the_arrows_lead_to_the_ones_beside() -> None:
    first = turn(lane(contestant="base"), mode="chat", siblings=("t_1", "t_2"))
    html = chat_views.exchange(first)
    assert "1 of 2" in text_of(html)
    assert [b["data-value"] for tag, b in Tags(html).tags if b.get("data-act") == "sibling"] == ["t_2"]
    middle = turn(lane(contestant="base"), mode="chat", siblings=("t_0", "t_1", "t_2"))
    arrows = [b["data-value"] for tag, b in Tags(chat_views.exchange(middle)).tags if b.get("data-act") == "sibling"]
    assert arrows == ["t_0", "t_2"]


def test_the_history_is_a_page_with_a_way_on_and_back() -> None:
    known = Conversation(id="c_1", owner="admin", title="Prices", system="", created_at="")
    html = chat_views.history([known], current="c_1", more=True, paged=True)
    acts = [(b["data-act"], b["data-value"]) for tag, b in Tags(html).tags if tag == "button"]
    assert acts == [("open", "c_1"), ("newest", ""), ("older", "c_1")]
    assert 'aria-current="true"' in html
    assert "No conversation has these words." in chat_views.no_history(searched=True)


def status(**given: Any) -> Status:
    fields: dict[str, Any] = {
        "engine": "ready",
        "engine_reason": "",
        "ready": True,
        "champion": "shop-v3",
        "base_name": "starter",
        "new_feedback": 5,
        "run": None,
    }
    return Status(**{**fields, **given})


def test_the_strip_says_name_engine_champion_and_what_is_new() -> None:
    assert text_of(views.strip(status(), name="shop")) == "shop Engine ready Champion shop-v3 5 new to learn from"
    loading = views.strip(status(ready=False, engine="loading weights", new_feedback=0), name="shop")
    assert "Engine loading the model" in loading
    assert "nothing new to learn" in loading
    failed = views.strip(status(ready=False, engine="failed", engine_reason='no "memory"'), name="shop")
    assert 'class="engine failed"' in failed
    assert 'title="no &quot;memory&quot;"' in failed


def test_the_banner_says_how_to_start_with_a_real_model() -> None:
    assert "make run" in views.practice_banner()
