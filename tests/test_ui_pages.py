"""Review, Models, Leaderboard and Settings as HTML: what is said first and what is not shown; no text does anything."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import furnished
import gradio as gr
import pytest
from hostile import HOSTILE, Tags
from room import ANN, Room
from test_ui_train_views import text_of

from ftchat.backups import Backup
from ftchat.config import Settings, where_from
from ftchat.dataset.candidates import WHY
from ftchat.dataset.card import Became
from ftchat.exports import Judged, Said
from ftchat.pipeline.standings import Standing
from ftchat.ratings import board
from ftchat.records import Adapter, Ballots, Feedback, Message, Person, Reply, Turn, Verdict
from ftchat.records import Params as Sampling
from ftchat.review import Decided
from ftchat.schedule import State
from ftchat.similar import Candidate, Preview
from ftchat.store.exams import Pin
from ftchat.store.lineage import Ingredient
from ftchat.store.people import Invitation, Token, User
from ftchat.ui import leaderboard_views, models_views, review_views, settings_views, similar_views, train_views
from ftchat.ui.exchanges import Exchanges
from ftchat.ui.models_views import Made, May
from ftchat.ui.review import PAGE, ReviewPage
from ftchat.ui.review_views import Shown

NOW = "2026-03-01T09:30:00+00:00"
EVERYTHING = May(read_rows=True, download=True, decide=True, compare=True)
NOTHING = May(read_rows=False, download=False, decide=False, compare=False)


def feedback(kind: Any = "correction", text: str = "Better.", **given: Any) -> Feedback:
    values: dict[str, Any] = {
        "id": "k_1",
        "kind": kind,
        "status": "pending",
        "rater": "bob",
        "turn": "t_1",
        "reply": "r_1",
        "prompt": text,
        "group": "g",
        "split": None,
        "created_at": NOW,
        "value": text,
        "original": text,
        "contestant": text,
    }
    return Feedback(**{**values, **given})


def judged(kind: Any = "correction", text: str = "Plain.", **given: Any) -> Judged:
    lanes: tuple[Any, ...] = ("left", "right") if kind == "vote" else ("only",)
    values: dict[str, Any] = {
        "kind": kind,
        "value": "left" if kind == "vote" else "up" if kind == "rating" else text,
        "messages": (Message("user", text), Message("assistant", text), Message("user", text)),
        "replies": tuple(Said(lane, text, text, "stop") for lane in lanes),
        "lane": None if kind == "vote" else "only",
    }
    return Judged(**{**values, **given})


def shown(*items: tuple[Feedback, Judged], **given: Any) -> Shown:
    return Shown(**{"items": items, "older": None, "newer": False, "decides": True, **given})


def like_it(text: str) -> Preview:
    one = Candidate(reply=text, turn=text, prompt=text, before=f"Is {text}", after=f"Was {text}")
    return Preview(correction=text, words=text, found=30, shown=(one, one))


# -- nothing of what people and models write does anything --


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_harmless_on_every_page(text: str) -> None:
    items = [
        (feedback(text=text, rater=text), judged(text=text, instruction=text, comment=text)),
        (feedback("vote", text, value="left"), judged("vote", text, reasons={"left": [text]}, comment=text)),
        (feedback("rating", text, value="up"), judged("rating", text, reasons=[text])),
    ]
    reply = Reply(id="r_1", turn="t_1", lane="left", contestant=text, model=text, base="b", text=text, finish="stop")
    turn = Turn(
        id="t_1", conversation="c", owner=text, mode="compare", prompt=text, blind=True, parent=None,
        params=Sampling(), created_at=text, replies=(reply,),
    )  # fmt: skip
    adapter = Adapter(name=text, base="b", state="broken", run="n_1", created_at=text, reasons=(text,))
    verdict = Verdict(decision="REJECT", reasons=(text,), figures={"nll": {text: 1.0, "base": 2.0}})
    made = Made(adapter=adapter, verdict=verdict, by=text, rows=2, lineage={"parent": text}, votes=text)
    html = [
        review_views.page(shown(*items, older=text, marks={"k_1": text}), nothing=("", "")),
        review_views.queue([turn], me=text, corrects=True) + review_views.queue([turn], me="ann", corrects=False),
        review_views.decided("approved", Decided(1, {text: "pending"}, 1)),
        similar_views.panel(like_it(text), opened=True, said=text) + similar_views.saved([text, text]),
        models_views.page([made], champion=text, base_name=text, may=EVERYTHING, back=True),
        models_views.rows(text, [ingredient(text)], counts={"train": 1}, first=False, older=text),
        train_views.pins(
            [Pin(id="p_1", prompt=text, contains=(text,), lacks=(text,), matches="", by=text, created_at=NOW)]
        ),
        train_views.schedule(State(when="new", words=text, next_at=None, needed=1, new=0, last=None)),
        settings_views.told(text, None),
        models_views.progress(3, [standing(text, 1.0, created_at=NOW), standing("base", 2.0)], whole=False),
        leaderboard_views.page(
            board(ballots({(text, "base", "left"): 3}), contestants=[text], champion=text), [(text, {"vote": 1})]
        ),
        settings_views.settings(replace(Settings(), model=text), dict.fromkeys(where_from(Settings(), {}), "flag")),
        everyone(text),
        settings_views.backups([Backup(path=Path(f"x{text[:1]}"), made_at=NOW, bytes=5)], Settings(), trouble=text),
    ]
    assert [Tags(page).active for page in html] == [set()] * len(html)


# -- review --


def test_each_status_offers_the_other_two_and_a_rater_none() -> None:
    for status, acts in (("pending", ["Approve", "Reject"]), ("approved", ["Reject", "Back to waiting"])):
        page = review_views.page(shown((feedback(status=status), judged())), nothing=("", ""))
        assert [words for words in ("Approve", "Reject", "Back to waiting") if f">{words}<" in page] == acts
    assert "data-act" not in review_views.page(
        shown((feedback(), judged()), (feedback(id="k_2"), judged()), decides=False), nothing=("", "")
    )


def test_one_takes_back_ones_own_and_nothing_else() -> None:
    mine = review_views.page(shown((feedback(), judged()), decides=False, me="bob"), nothing=("", ""))
    assert re.findall(r'data-act="([\w-]+)"', mine) == ["similar", "take-back"]
    assert 'data-act="take-back"' not in review_views.page(shown((feedback(), judged()), me="ann"), nothing=("", ""))


def test_a_page_is_decided_at_once_only_while_several_wait() -> None:
    two = shown((feedback(), judged()), (feedback(id="k_2"), judged()), older="k_2", newer=True)
    page = review_views.page(two, nothing=("", ""))
    assert 'data-value="k_1=pending k_2=pending"' in page
    assert "Approve all 2 here" in text_of(page)
    assert text_of(page).index("Newer") < text_of(page).index("Older")
    one = review_views.page(shown((feedback(), judged())), nothing=("", ""))
    assert "all 1 here" not in one


def test_a_vote_shows_both_answers_and_who_won_a_correction_what_it_changed() -> None:
    vote = review_views.item(feedback("vote", "Which?", value="left"), judged("vote", "base"), decides=False)
    assert text_of(vote).count("chosen") == 1
    assert 'class="cell side-a won"' in vote
    bad = review_views.item(feedback("vote", value="both_bad"), judged("vote", value="both_bad"), decides=False)
    assert "Both are bad" in bad
    assert "won" not in bad
    fixed = review_views.item(feedback(value="It costs 12 euros."), judged(text="It costs 13 euros."), decides=False)
    assert "<del>13</del><ins>12</ins>" in fixed


def test_an_empty_list_says_what_will_be_there() -> None:
    page = review_views.page(shown(), nothing=("Nothing waits", "It will stand here."))
    assert text_of(page).startswith("Nothing waits It will stand here.")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.store.close()


def test_the_correction_queue_is_turned_like_the_other_lists(room: Room) -> None:
    with gr.Blocks():
        page = ReviewPage(room.parts)
    for n in range(PAGE + 2):
        turn = furnished.compared(room, f"Question {n}?", ("base", "few-shot"), owner="bob")
        room.store.feedback.add_vote(turn, "bob", "both_bad", reasons={}, comment="")
    asked, shown_of = ("queue", "all", "", ""), re.compile(r"Question \d+\?")
    first = page.listed(ANN, asked)[page.list]
    assert shown_of.findall(first) == [f"Question {n}?" for n in range(PAGE + 1, 1, -1)]
    assert [words for words in ("Newer", "Older") if f">{words}<" in first] == ["Older"]
    after = re.findall(r'data-act="older" data-value="(\w+)"', first)[0]
    second = page.listed(ANN, asked, trail=after)
    assert shown_of.findall(second[page.list]) == ["Question 1?", "Question 0?"]
    assert [words for words in ("Newer", "Older") if f">{words}<" in second[page.list]] == ["Newer"]
    assert second[page.trail] == after


# -- chat --


@pytest.mark.parametrize(("role", "acts"), [("viewer", set()), ("rater", {"up", "down", "reason", "edit", "fix"})])
def test_who_only_reads_a_conversation_is_offered_nothing(room: Room, role: Any, acts: set[str]) -> None:
    with gr.Blocks():
        said = Exchanges(room.parts)
    turns = [furnished.compared(room, "Is it good?", ("base", "base"), owner="vic")]
    room.store.feedback.add_vote(turns[0], "vic", "left", reasons={}, comment="")
    reply = turns[0].replies[0].id
    room.store.feedback.add_rating(reply, "vic", "up", reasons=[], comment="")
    room.store.feedback.add_correction(reply, "vic", "It is very good.")
    found = said.view(Person("vic", role), turns[0].id)
    offered = set(re.findall(r'data-act="(\w+)"', found[said.past] + found[said.live]))
    assert offered >= acts if acts else offered == acts
    assert "very" in found[said.live]


# -- models --


def standing(name: str, nll: float | None, *, created_at: str | None = None, state: str = "") -> Standing:
    return Standing(contestant=name, state=state, created_at=created_at, rows=3, nll=nll, closer=None)


def adapter(name: str, state: Any) -> Made:
    verdict = Verdict(decision="PROMOTE", reasons=("Closer.",), figures={"nll": {name: 0.9, "base": 1.8}})
    made = Adapter(name=name, base="b", state=state, run="n_1", created_at=NOW)
    return Made(adapter=made, verdict=verdict, by="ann", rows=12)


def test_who_may_do_nothing_is_offered_nothing() -> None:
    made = [adapter("shop-v2", "retired"), adapter("shop-v1", "champion")]
    page = models_views.page(made, champion="shop-v1", base_name="starter", may=NOTHING, back=True)
    assert "data-act" not in page
    assert "download" not in page


def test_what_is_pinned_is_read_by_reviewers_only() -> None:
    reasons = ("Pinned “Do you deliver?”: it lacks “Fridays”.", "Longer.")
    verdict = Verdict(decision="REJECT", reasons=reasons, figures={})
    made = [replace(adapter("shop-v1", "rejected"), verdict=verdict)]
    mine, theirs = (
        text_of(models_views.page(made, champion="base", base_name="starter", may=may, back=False))
        for may in (EVERYTHING, NOTHING)
    )
    assert "Fridays" in mine
    assert "deliver" not in theirs
    assert "What reviewers pinned no longer holds. Longer." in theirs


def test_the_champion_can_neither_be_put_into_service_nor_deleted() -> None:
    page = models_views.page(
        [adapter("shop-v1", "champion")], champion="shop-v1", base_name="starter", may=EVERYTHING, back=True
    )
    assert [act for act in ("use", "compare", "delete", "rows", "back") if f'data-act="{act}"' in page] == [
        "rows",
        "back",
    ]
    other = models_views.page(
        [adapter("shop-v2", "challenger")], champion="base", base_name="starter", may=EVERYTHING, back=False
    )
    assert 'data-act="delete"' not in other
    assert 'data-act="use"' in other


def test_a_score_stands_beside_bases_and_progress_is_gain_over_it() -> None:
    page = models_views.page(
        [adapter("shop-v1", "champion")], champion="shop-v1", base_name="starter", may=NOTHING, back=False
    )
    assert "shop-v1 0.90 base 1.80" in text_of(page)
    found = [standing("shop-v2", 1.2, created_at=NOW), standing("shop-v1", 1.5, created_at=NOW), standing("base", 2.0)]
    assert "Progress over base: shop-v1 +0.50, shop-v2 +0.80." in models_views.progress(3, found, whole=True)
    assert models_views.progress(0, [standing("base", None)], whole=True) == ""
    more = [*found, replace(standing("shop-v3", 0.9, created_at=NOW), rows=4)]
    said = text_of(models_views.progress(4, more, whole=False))
    assert said == "Still measuring: 1 of 4 are on all of today's questions."
    assert models_views.progress(4, found, whole=True) == ""


def test_no_adapter_says_what_one_is() -> None:
    page = text_of(models_views.page([], champion="base", base_name="starter", may=EVERYTHING, back=False))
    assert page.startswith("The base model is in service")
    assert "An adapter is what Retrain makes" in page


def ingredient(text: str, **given: Any) -> Ingredient:
    values: dict[str, Any] = {"feedback": "k_1", "kind": "correction", "role": "target", "split": "train"}
    values |= {"rater": text, "prompt": text, "value": text, "through": text, "stands": True}
    return Ingredient(**{**values, **given})


def test_what_trained_an_adapter_says_what_stands_and_what_came_through_another() -> None:
    found = [ingredient("shop-v2"), ingredient("Old.", stands=False, through="shop-v1", kind="vote", value="left")]
    counts = {"train": 2, "tune": 0, "exam": 1, "gone": 1}
    page = models_views.rows("shop-v2", found, counts=counts, first=True, older="k_9")
    said = text_of(page)
    assert said.startswith("What trained shop-v2 Close 2 trained it · 1 examined it · 1 no longer stand")
    assert "vote by Old. no longer stands through shop-v1" in said
    assert 'data-value="shop-v2 k_9"' in page
    assert "From the beginning" not in said


# -- leaderboard --


def ballots(counts: dict[Any, int], **given: Any) -> Ballots:
    return Ballots(**{"counts": counts, "raters": {"ann": sum(counts.values())}, "excluded": {}, **given})


def test_the_sentence_comes_first_and_the_champion_is_measured_against_base() -> None:
    found = board(
        ballots({("shop-v1", "base", "left"): 18, ("base", "shop-v1", "left"): 4, ("shop-v2", "shop-v1", "left"): 3}),
        contestants=("base", "shop-v2", "shop-v1"),
        champion="shop-v1",
    )
    said = text_of(leaderboard_views.page(found, []))
    assert said.startswith("shop-v1 is ")
    assert "likely better than base: 22 votes" in said[:80]
    assert "shop-v2 is " in said[:200]


def test_the_matrix_says_what_share_the_row_won() -> None:
    found = board(
        ballots({("shop-v1", "base", "left"): 3, ("base", "shop-v1", "left"): 1}), contestants=(), champion="base"
    )
    said = text_of(leaderboard_views.page(found, []))
    assert "shop-v1 – 75% 3 : 1" in said
    assert "base 25% 1 : 3 –" in said


def test_what_is_not_counted_is_said_in_words() -> None:
    given = ballots({("a", "base", "left"): 3}, excluded={"not_blind": 2, "undone": 1})
    said = text_of(leaderboard_views.page(board(given, contestants=(), champion="base"), []))
    assert "Not counted: 2 with the names known, 1 taken back." in said


def test_before_the_first_vote_it_says_how_to_begin() -> None:
    empty = board(ballots({}, raters={}), contestants=("base",), champion="base")
    assert text_of(leaderboard_views.page(empty, [("2026-03-01", {})])).startswith("Nobody is compared yet")


# -- settings --


def people(text: str = "what for") -> tuple[list[User], list[Invitation], list[Token]]:
    users = [User(name=n, role="rater", disabled=n == "bob", has_password=True, created_at=NOW) for n in ("ann", "bob")]
    invited = Invitation(id="i_1", role="rater", user=None, by="ann", expires=2e9, created_at=NOW)
    tokens = [
        Token(id=f"a_{n}", name=text, user="ann", role="rater", used=None, revoked=n == 2, made_by=text, created_at=NOW)
        for n in (1, 2)
    ]
    return users, [invited], tokens


def everyone(text: str = "what for") -> str:
    """All that is listed of who may come in."""
    users, invitations, tokens = people(text)
    listed = (settings_views.users(users, me="ann"), settings_views.invitations(invitations))
    return "".join((settings_views.roles(), *listed, settings_views.new_token(), settings_views.tokens(tokens)))


def test_every_setting_says_where_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "ftchat.toml").write_text('name = "shop"\nport = 8000\nmax_tokens = 99\n')
    settings = Settings(home=tmp_path, name="shop", port=9000, max_tokens=77, max_loras=4, top_p=0.5)
    environ = {"FTCHAT_PORT": "9000", "FTCHAT_MAX_TOKENS": "88"}
    found = where_from(settings, environ)
    wanted = {
        "name": "file",
        "port": "variable",
        "max_tokens": "flag",
        "max_loras": "computed",
        "top_p": "flag",
        "host": "default",
        "home": "flag",
    }
    assert {key: found[key] for key in wanted} == wanted
    assert set(found) == set(where_from(Settings(), {}))


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, engine_key="sesame")
    page = settings_views.settings(settings, where_from(settings, {}))
    assert "sesame" not in page
    assert "set, not shown" in page


def test_one_cannot_shut_oneself_out() -> None:
    page = everyone()
    assert 'data-act="disable"' not in page
    assert 'data-act="enable" data-value="bob"' in page
    assert page.count('data-act="revoke"') == 2


def test_what_keeps_a_backup_from_being_made_is_said_first(tmp_path: Path) -> None:
    page = settings_views.backups([], Settings(home=tmp_path), trouble="There is no new backup. The disk is full.")
    assert text_of(page).startswith("Backups There is no new backup. The disk is full.")
    off = settings_views.backups([], Settings(home=tmp_path, backup_every_s=0), trouble="")
    assert "No backups are made by themselves" in off


def test_what_trains_nothing_says_why_on_its_row() -> None:
    became = [
        Became(id="v_1 left", role="negative", split=None, weight=None, rater="bob", why="a reply has no text"),
        Became(id="v_1 right", role="negative", split="train", weight=1.0, rater="bob"),
        Became(id="k_1", role="target", split="train", weight=1.0, rater="bob", personal=("email", "phone")),
        Became(id="k_2", role="target", split="train", weight=1.0, rater="bob"),
    ]
    marks = review_views.marks(became)
    assert marks == {
        "v_1": "Trains nothing: a reply has no text.",
        "k_1": "May hold something personal: email, phone.",
    }
    page = review_views.page(shown((feedback(status="approved"), judged()), marks=marks), nothing=("", ""))
    assert "May hold something personal: email, phone." in text_of(page)


def test_what_waits_says_what_would_be_doubtful_about_it() -> None:
    def one(id_: str, *, why: str = "", of: str | None = None) -> Became:
        return Became(id=id_, role="target", split=None, weight=None, rater="bob", why=why, of=of)

    became = [
        *(one("k_1"), one("k_2", why=WHY["duplicate"], of="k_1")),
        *(one("k_3", why=WHY["contradicted"], of="k_4"), one("k_4")),
        *(one("k_5", why=WHY["duplicate"], of="k_6"), one("k_6")),
    ]
    assert review_views.marks(became, waiting={"k_2", "k_4", "k_6"}) == {
        "k_2": "Approved, it would train nothing: says the same as another row.",
        "k_4": "It says otherwise than what is approved, and would stand instead.",
    }
