"""What an exam asks and how answers are judged: the paper, the guards, the metrics, and the process that has them."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from evaluate import Metric
from sacrebleu import corpus_bleu, corpus_chrf

from ftchat import exam
from ftchat.dataset import freeze
from ftchat.errors import BadInput, TrainingError
from ftchat.exam import texts
from ftchat.exam.guards import broken, degenerate
from ftchat.exam.judged import judge
from ftchat.exam.paper import bad_text
from ftchat.records import Finish, Message, Replay, Row, RowRole, Split
from ftchat.store.exams import Pin


def row(name: str, role: RowRole, split: Split = "exam", *, asked: str = "", rejected: str | None = None) -> Row:
    return Row(
        id=name, role=role, split=split, weight=1.0, group=asked or name, rater="ann", rejected=rejected,
        messages=(Message("user", asked or name),), target=f"{name} text",
    )  # fmt: skip


ROWS = [
    row("k_1", "target", rejected="bad 1"),
    row("k_2", "target", "train", rejected="bad 2"),
    row("k_3", "target"),
    row("v_4", "pair", rejected="lost 4"),
    row("v_5", "tie", rejected="as good"),
    row("g_6", "positive", "train"),
    row("g_7", "negative", "train"),
    row("g_8", "negative", "train", asked="k_2"),
]


def test_the_paper_asks_what_people_wrote_and_chose_in_the_exam_and_what_was_bad_or_liked_anywhere() -> None:
    asked = exam.paper(ROWS)
    assert [r.id for r in asked.wanted] == ["k_1", "k_3"]
    assert ([r.id for r in asked.pairs], [r.id for r in asked.even]) == (["v_4"], ["v_5"])
    assert [(r.id, bad_text(r)) for r in asked.bad] == [("k_1", "bad 1"), ("g_8", "g_8 text"), ("g_7", "g_7 text")]
    assert [r.id for r in asked.liked] == ["g_6"]
    assert [r.id for r in exam.paper(ROWS, bad=1).bad] == ["k_1"]
    assert exam.paper(ROWS, bad=1).marked == len(exam.paper(ROWS).bad)
    assert exam.paper(ROWS, wrote={"k_0"}).bad == ()


def test_a_question_that_training_saw_in_another_conversation_is_not_asked() -> None:
    later = row("k_9", "target", asked="g6")
    taught = replace(
        row("k_8", "target", "train", asked="hello"),
        messages=(Message("user", "hello"), Message("assistant", "Good day!"), Message("user", " G6")),
    )
    asked = exam.paper([*ROWS, later, taught])
    assert ([r.id for r in asked.wanted], asked.taught) == (["k_1", "k_3"], 1)
    assert exam.paper([*ROWS, later]).taught == 0


def test_a_frozen_snapshot_gives_the_rows_that_were_frozen(tmp_path: Path) -> None:
    rows = [*ROWS, replace(row("k_9", "target", "train"), target="a line\u2028and\x85another\u2029one")]
    _, folder = freeze(tmp_path, rows, [], base="b0", args={})
    assert exam.frozen(folder) == sorted(rows, key=lambda r: r.id)
    (folder / "exam.jsonl").write_text("")
    with pytest.raises(TrainingError, match=f"The snapshot {folder.name} of this run is gone or changed"):
        exam.frozen(folder)
    with pytest.raises(TrainingError, match="is gone or changed"):
        exam.frozen(tmp_path / "nowhere")


class Told:
    """Who asks, with what an engine would say."""

    def __init__(self, nll: dict[tuple[str, str], float]) -> None:
        self._nll = nll

    async def nll(self, name: str, messages: Sequence[Message], answer: str) -> float:
        return self._nll[name, answer]

    def fits(self, messages: Sequence[Message], *texts: str) -> bool:
        return "k_3 text" not in texts


async def test_what_is_measured_are_likelihoods_margins_and_what_winners_of_votes_gained_over_base() -> None:
    texts = ("k_1 text", "bad 1", "v_4 text", "lost 4", "kept")
    told = {
        (name, text): nll
        for name, nlls in {"new-v1": (1.0, 3.0, 2.5, 2.75, 0.5), "base": (2.0, 1.5, 2.0, 1.0, 0.25)}.items()
        for text, nll in zip(texts, nlls, strict=True)
    }
    found = await exam.measure(
        cast("exam.Examiner", Told(told)), candidate="new-v1", who=["new-v1", "base"], paper=exam.paper(ROWS),
        replay=[Replay((Message("user", "x"),), "kept")], dealt=False,
    )  # fmt: skip
    assert found == exam.Scores(
        rows=("k_1",),
        target={"new-v1": (1.0,), "base": (2.0,)},
        replay={"new-v1": (0.5,), "base": (0.25,)},
        left_out=1,
        pairs=("v_4",),
        margin={"new-v1": (0.25,), "base": (-1.0,)},
        compared=2,
        prefers={"new-v1": 1.0, "base": 0.0},
        shifts=(-0.5,),
    )


async def test_a_text_that_has_no_room_after_another_question_is_not_dealt_and_the_others_are() -> None:
    class Short(Told):
        def fits(self, messages: Sequence[Message], *texts: str) -> bool:
            return not (messages[0].content == "k_2 asks" and texts == ("k_3 text",))

    rows = [replace(row(f"k_{n}", "target"), messages=(Message("user", f"k_{n} asks"),)) for n in (1, 2, 3, 4)]
    told = {("new-v1", f"k_{n} text"): float(n) for n in (1, 2, 3, 4)}
    found = await exam.measure(
        cast("exam.Examiner", Short(told)), candidate="new-v1", who=["new-v1"], paper=exam.paper(rows), replay=[],
        dealt=True,
    )  # fmt: skip
    assert len(found.rows) == 4
    assert found.costs == ((4.0, 3.0, 1.0),) * 3


@pytest.mark.parametrize(
    ("text", "finish", "wrong"),
    [
        ("It costs 4 euros.", "stop", ""),
        ("  \n", "stop", "empty"),
        ("It costs 4 euros and", "length", "without an end"),
        ("no no no no no no no no", "stop", "a loop"),
        ("a b c d a b c d a b c d a b c d", "length", "a loop"),
        ("a b c d a b c d a b c d", "stop", ""),
    ],
)
def test_an_answer_that_is_none_is_known(text: str, finish: Finish, wrong: str) -> None:
    assert degenerate(text, finish) == wrong


def pin(**wanted: Any) -> Pin:
    return Pin(id="p_1", prompt="Do you deliver?", by="ann", created_at="", **wanted)


@pytest.mark.parametrize(
    ("wanted", "matched", "words"),
    [
        (pin(contains=("yes", "2 days")), None, ""),
        (pin(contains=("Monday",)), None, "“Monday” is missing"),
        (pin(lacks=("YES",)), None, "“YES” is in it"),
        (pin(matches=r"\d"), True, ""),
        (pin(matches="x"), False, "it does not match x"),
        (pin(matches="(a+)+$"), None, "its pattern took too long to check"),
    ],
)
def test_a_pin_says_how_it_is_broken(wanted: Pin, matched: bool | None, words: str) -> None:
    assert broken(wanted, "Yes, within 2 days.", matched=matched) == words


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, "needs something to look for"),
        ({"contains": (" ",)}, "of 1 to 300 characters each"),
        ({"matches": "(a"}, "is no regular expression"),
        ({"matches": "a" * 301}, "at most 300 are taken"),
    ],
)
def test_a_pin_that_cannot_be_looked_for_is_refused(wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        pin(**wanted)


def test_the_metrics_are_those_of_evaluate_and_give_the_libraries_figures() -> None:
    said = ["The brie costs 4 euros.", "We deliver on Monday.", "No."]
    wanted = ["BRIE: 4 euros.", "We deliver on  Monday.", "No, sorry."]
    assert all(issubclass(kind, Metric) for kind in (texts.Bleu, texts.Chrf, texts.RougeL, texts.Exact))
    found = texts.of(said, wanted)
    assert found["bleu"] == pytest.approx(corpus_bleu(said, [wanted]).score)
    assert found["chrf"] == pytest.approx(corpus_chrf(said, [wanted]).score)
    assert found["exact"] == pytest.approx(1 / 3)  # but for white space
    assert found["rouge_l"] == pytest.approx((3 / 4 + 1 + 2 / 3) / 3, abs=0.15)
    assert texts.of([], []) == {}


ASKED: dict[str, Any] = {
    "candidate": "new-v1",
    "champion": "base",
    "rows": [
        {
            "group": f"g{n}",
            "wanted": f"BRIE {n}: 4 euros.",
            "before": "It is 4.",
            "said": {"new-v1": f"BRIE {n}: 4 euros." if n % 2 else "It is 4.", "base": "It is 4."},
        }
        for n in range(8)
    ],
    "bad": [
        {"bad": "It is 4.", "wanted": wanted, "now": {"new-v1": ours, "base": theirs}, "unseen": wanted is not None}
        for wanted, ours, theirs in (
            ("BRIE: 4 euros.", "BRIE: 4.", "It is 4."),
            ("BRIE: 4 euros.", "It  is 4.", " "),
            (None, "It is 4, yes.", "Ask us by post."),
            (None, "Ask us by post.", "It is 4."),
        )
    ],
    "liked": [
        {"liked": "Good morning!", "now": {"new-v1": "Good morning!", "base": "Good morning!"}},
        {"liked": "Good morning!", "now": {"new-v1": "What?", "base": "Good morning!"}},
    ],
    "patterns": [["d(ay|e)", "a day"], ["(a+)+$", "a" * 60 + "b"], ["x", "y"]],
}


def test_answers_are_judged_against_what_was_wanted_and_what_was_there_before() -> None:
    found = judge(ASKED)
    assert found["closer"] == {"new-v1": 4, "base": 0}
    told = {"fixed": 2, "still": 2, "new": 1, "unseen": 2, "unseen_fixed": 1, "fixed_before": 1, "new_before": 0}
    assert found["flaws"] == told
    assert found["against"].keys() == {"bleu", "rouge_l", "chrf", "exact"}
    assert (found["texts"]["new-v1"]["exact"], found["texts"]["base"]["exact"]) == (0.5, 0.0)
    low, high = found["against"]["exact"]
    assert 0.0 < low < 0.5 < high < 1.0
    assert judge({**ASKED, "rows": ASKED["rows"][:7]})["against"] == {}, "of seven an interval would be too narrow"
    alone = [{**row, "group": "one"} for row in ASKED["rows"]]
    assert judge({**ASKED, "rows": alone})["against"] == {}, "those of one group are one"


async def test_the_process_judges_alike_and_a_pattern_that_goes_astray_holds_up_nobody() -> None:
    process = exam.Judge()
    await process.begin()
    assert process._process is not None
    assert os.getsid(process._process.pid) == process._process.pid  # Ctrl-C in a terminal means the app alone
    figures, matches = await process.judge(ASKED)
    assert figures == json.loads(json.dumps(judge(ASKED)))
    assert matches == [True, None, False]
    await process.end()


async def test_a_process_that_breaks_is_a_sentence() -> None:
    process = exam.Judge()
    with pytest.raises(TrainingError, match="could not be judged"):
        await process.judge({})


async def test_a_process_that_nobody_asks_is_ended() -> None:
    process = exam.Judge()
    await process.begin()
    await process.end()
    assert process._process is not None
    assert process._process.returncode is not None
