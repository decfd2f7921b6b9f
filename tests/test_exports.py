"""Feedback as files and back: what each format holds, that training libraries take it, and that nothing is lost."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from room import BASE

from ftchat import dataset, exports, imports
from ftchat.errors import BadInput, FtchatError
from ftchat.records import Conversation, Finish, Message, Params, Reply, Status, Turn, canonical, new_id, now
from ftchat.store import Store

FORMATS = ("sft", "dpo", "kto", "raw")


class Home:
    """A store in which people said things."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "ftchat.db")
        self.store.turns.add_base("b0", "starter")

    def asked(
        self,
        prompt: str,
        *texts: str,
        system: str = "",
        context: Sequence[Message] = (),
        finish: Finish = "stop",
        after: Turn | None = None,
    ) -> Turn:
        """A turn with one reply or two, in a conversation of its own or after another turn."""
        where = after.conversation if after else new_id("c")
        new = None if after else Conversation(where, "ann", prompt[:20], system, now(), tuple(context))
        lanes: tuple[Any, ...] = ("left", "right") if len(texts) == 2 else ("only",)
        turn_id = new_id("t")
        replies = tuple(
            Reply(
                id=new_id("r"),
                turn=turn_id,
                lane=lane,
                contestant="base" if lane != "right" else "shop-v1",
                model="base",
                base="b0",
                text=text,
                finish=finish,
            )
            for lane, text in zip(lanes, texts, strict=True)
        )
        turn = Turn(
            id=turn_id,
            conversation=where,
            owner="ann",
            mode="compare" if len(texts) == 2 else "chat",
            prompt=prompt,
            blind=len(texts) == 2,
            parent=after.id if after else None,
            params=Params(),
            created_at=now(),
            replies=replies,
        )
        self.store.turns.add(turn, new=new)
        return turn

    def given(self, id_: str, status: Status = "approved") -> str:
        time.sleep(0.001)  # ids are in order from one millisecond to the next
        if status != "pending":
            self.store.feedback.review(id_, status, "ann")
        return id_

    def corrected(self, turn: Turn, text: str, *, by: str = "ann", status: Status = "approved") -> str:
        return self.given(self.store.feedback.add_correction(turn.replies[0].id, by, text), status)

    def rated(self, turn: Turn, value: str, **more: Any) -> str:
        said = {"reasons": None, "comment": "", **more}
        return self.given(self.store.feedback.add_rating(turn.replies[0].id, "ann", value, **said))

    def voted(self, turn: Turn, winner: Any, **more: Any) -> str:
        said = {"reasons": None, "comment": "", **more}
        return self.given(self.store.feedback.add_vote(turn, "ann", winner, **said))

    def lines(self, format_: str, **more: Any) -> list[dict[str, Any]]:
        return [json.loads(line) for line in exports.export(self.store, format_, **more)]

    def file(self, format_: str, **more: Any) -> bytes:
        return "".join(exports.export(self.store, format_, **more)).encode()

    def take(self, body: bytes | str, **more: Any) -> imports.Imported:
        given = body.encode() if isinstance(body, str) else body
        return imports.take(self.store, given, **{"by": "ann", "status": "approved", **more})


def content(lines: list[dict[str, Any]]) -> list[str]:
    """What lines say, but for where and when it was said."""
    kept = [{k: v for k, v in line.items() if k not in ("id", "created_at")} for line in lines]
    return sorted(canonical(line) for line in kept)


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    """A home, and a fresh one."""
    made = Home(tmp_path / "one"), Home(tmp_path / "two")
    yield made
    for home in made:
        home.store.close()


@pytest.fixture
def home(homes: tuple[Home, Home]) -> Home:
    return homes[0]


def with_everything(home: Home) -> Home:
    """One or more of each kind of feedback, on five questions: too few for an exam row."""
    brie = home.asked("What does the brie cost?", "Five euros.", system="You sell cheese.")
    home.corrected(brie, "BRIE: 5 euros")
    more = home.asked("And two?", "Ten.", after=brie)
    by_model = home.corrected(more, "TWO BRIES: 10 euros")
    home.store.judged.add_origin(by_model, "count them")
    home.rated(home.asked("Hello?", "Hi! \u2028 \U0001f9c0 \u202eolleh"), "up")
    home.rated(home.asked("Bye?", "No."), "down", reasons=["rude"], comment="Really?")
    duel = home.asked("Gouda?", "Yes.", "Of course, 4 euros.")
    vote = home.voted(duel, "right", reasons={"left": ["wrong"]}, comment="prices!")
    home.store.judged.add_reasons(vote, {"left": ["too short"], "right": []}, "Prices, please!")
    home.voted(home.asked("Gouda?", "Ya.", "Ye."), "tie")
    home.voted(home.asked("Feta?", "a", "b"), "both_bad")
    home.corrected(home.asked("Gouda?", "Y.", context=[Message("user", "Bye?"), Message("assistant", "!")]), "Yes!")
    return home


BRIE = [{"role": "system", "content": "You sell cheese."}, {"role": "user", "content": "What does the brie cost?"}]


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def test_sft_is_the_prompt_and_what_the_reply_should_have_been(home: Home) -> None:
    lines = with_everything(home).lines("sft")

    assert lines[2] == {"prompt": BRIE, "completion": answer("BRIE: 5 euros")}
    followed = [*BRIE, *answer("BRIE: 5 euros"), {"role": "user", "content": "And two?"}]
    assert lines[1] == {"prompt": followed, "completion": answer("TWO BRIES: 10 euros")}
    assert [line["completion"][0]["content"] for line in lines] == ["Yes!", "TWO BRIES: 10 euros", "BRIE: 5 euros"]


def test_dpo_is_corrected_over_original_and_winner_over_loser(home: Home) -> None:
    lines = with_everything(home).lines("dpo")

    said = [(line["prompt"][-1]["content"], line["chosen"], line["rejected"]) for line in lines]
    assert said == [
        ("Gouda?", answer("Yes!"), answer("Y.")),
        ("Gouda?", answer("Of course, 4 euros."), answer("Yes.")),
        ("And two?", answer("TWO BRIES: 10 euros"), answer("Ten.")),
        ("What does the brie cost?", answer("BRIE: 5 euros"), answer("Five euros.")),
    ]


def test_kto_is_thumbs_and_both_sides_of_both_bad(home: Home) -> None:
    lines = with_everything(home).lines("kto")

    assert [(line["completion"][0]["content"], line["label"]) for line in lines] == [
        ("a", False),
        ("b", False),
        ("No.", False),
        ("Hi! \u2028 \U0001f9c0 \u202eolleh", True),
    ]


def test_two_bad_answers_that_were_asked_after_different_ones_are_each_with_its_own(homes: tuple[Home, Home]) -> None:
    one, two = homes
    first = one.asked("Gouda?", "A", "B")
    one.voted(first, "tie")
    one.voted(one.asked("And two?", "C", "D", after=first), "both_bad", reasons={"right": ["wrong"]})
    one.voted(one.asked("And three?", "E", "F", after=first), "left")

    def said(line: dict[str, Any]) -> tuple[str, str]:
        return line["prompt"][1]["content"], line["completion"][0]["content"]

    assert sorted(said(line) for line in one.lines("kto")) == [("A", "C"), ("B", "D")]
    done = two.take(one.file("raw"))
    assert (len(done.ids), done.skipped) == (4, 0)
    assert content(two.lines("dpo")) == content(one.lines("dpo"))
    assert content(two.lines("kto")) == content(one.lines("kto"))
    assert {line["reasons"] for line in two.lines("raw") if line["kind"] == "rating"} == {"", '["wrong"]'}
    assert len(one.take(one.file("raw")).ids) == len(two.take(one.file("raw")).ids) == 0


def test_a_thumb_that_a_vote_became_does_not_give_way_to_another_ones_thumb(homes: tuple[Home, Home]) -> None:
    one, two = homes
    first = one.asked("Gouda?", "A", "B")
    one.voted(first, "tie")
    second = one.asked("And two?", "C", "D", after=first)
    one.rated(second, "down")
    one.voted(second, "both_bad", reasons={"left": ["wrong"]})
    assert len(two.take(one.file("raw")).ids) == 4
    thumbs = [line for line in two.lines("raw") if line["kind"] == "rating" and line["replies"][0]["text"] == "C"]
    assert sorted(line["reasons"] for line in thumbs) == ["", '["wrong"]']
    assert len(one.take(one.file("raw")).ids) == len(two.take(one.file("raw")).ids) == 0


def test_raw_is_all_that_is_known(home: Home) -> None:
    turn = home.asked("Gouda?", "Yes.", "No.")
    vote = home.voted(turn, "right", reasons={"left": ["wrong"]}, comment="prices!")

    (line,) = home.lines("raw")
    assert line == {
        "kind": "vote",
        "value": "right",
        "messages": [{"role": "user", "content": "Gouda?"}],
        "replies": [
            {"lane": "left", "contestant": "base", "text": "Yes.", "finish": "stop", "messages": ""},
            {"lane": "right", "contestant": "shop-v1", "text": "No.", "finish": "stop", "messages": ""},
        ],
        "lane": "",
        "status": "approved",
        "split": "train",
        "rater": "ann",
        "reasons": '{"left": ["wrong"]}',
        "comment": "prices!",
        "instruction": "",
        "blind": True,
        "id": vote,
        "created_at": home.store.feedback.get(vote).created_at,
    }


def test_a_cut_reply_is_in_no_pair(home: Home) -> None:
    home.voted(home.asked("Gouda?", "Yes", "No", finish="cut"), "left")
    home.voted(home.asked("Feta?", "Yes", "No", finish="cut"), "both_bad")

    assert (home.lines("dpo"), home.lines("kto"), len(home.lines("raw"))) == ([], [], 2)


def test_what_was_cut_or_hit_the_length_limit_is_exported_as_a_snapshot_would_train_it(home: Home) -> None:
    home.corrected(home.asked("Gouda?", "Ye", finish="cut"), "Yes.")
    home.rated(home.asked("Feta?", "Ye", finish="cut"), "down")
    home.rated(home.asked("Edam?", "On and on", finish="length"), "down")
    home.voted(home.asked("Blue?", "On and on", "No", finish="length"), "left")
    home.corrected(home.asked("Swiss?", "On and on", finish="length"), "left")
    home.rated(home.asked("Swiss?", "On and on", finish="length"), "up")

    assert [(line["chosen"], line["rejected"]) for line in home.lines("dpo")] == [(answer("left"), answer("On and on"))]
    assert [(line["completion"], line["label"]) for line in home.lines("kto")] == [(answer("On and on"), False)]


def test_only_what_is_approved_is_exported_unless_more_is_asked_for(home: Home) -> None:
    turn = home.asked("Gouda?", "Yes.")
    home.corrected(turn, "Pending", by="bob", status="pending")
    home.corrected(turn, "Rejected", by="cid", status="rejected")
    home.corrected(turn, "Approved")

    assert [line["completion"] for line in home.lines("sft")] == [answer("Approved")]
    assert [line["value"] for line in home.lines("raw", status=None)] == ["Approved", "Rejected", "Pending"]
    assert [line["value"] for line in home.lines("raw", status="pending")] == ["Pending"]


def test_sft_is_what_a_run_would_train_on(home: Home) -> None:
    with_everything(home)
    again = home.asked("What does the brie cost?", "Six euros.", system="You sell cheese.")
    home.corrected(again, "BRIE: 5.50 euros")

    trained = dataset.of_split(dataset.rows(home.store), "train")
    targets = {row.target for row in trained if row.role == "target"}
    assert {line["completion"][0]["content"] for line in home.lines("sft")} == targets
    assert "BRIE: 5 euros" not in targets


def many(home: Home, *, groups: int) -> Home:
    for number in range(groups):
        home.corrected(home.asked(f"Cheese number {number}?", "Yes."), f"CHEESE {number}")
        home.rated(home.asked(f"Cheese number {number}?", "Perhaps."), "up")
    return home


def test_exam_and_tune_questions_are_in_no_training_file_and_stay_what_they_are_elsewhere(
    homes: tuple[Home, Home],
) -> None:
    one, two = homes
    many(one, groups=24)
    assert (len(one.lines("sft")), len(one.lines("dpo")), len(one.lines("kto"))) == (20, 20, 20)
    assert [line["completion"][0]["content"] for line in one.lines("sft", split="tune")] == ["CHEESE 23"]
    assert len(one.lines("sft", split="exam")) == 3

    two.corrected(two.asked("Another?", "Yes."), "another")
    two.take(one.file("raw"))

    def held_out(home: Home) -> set[str]:
        return {line["messages"][0]["content"] for line in home.lines("raw", split="exam")}

    assert held_out(two) == held_out(one) == {"Cheese number 5?", "Cheese number 11?", "Cheese number 17?"}


@pytest.mark.parametrize("format_", FORMATS)
def test_export_import_export_gives_the_same(format_: str, homes: tuple[Home, Home]) -> None:
    one, two = homes
    with_everything(one)

    done = two.take(one.file(format_))

    assert (len(done.ids), done.skipped) == (len(one.lines(format_)), 0)
    assert content(two.lines(format_)) == content(one.lines(format_))
    assert two.lines(format_) != []


def test_raw_brings_back_pending_and_rejected_feedback_as_such(homes: tuple[Home, Home]) -> None:
    one, two = homes
    turn = one.asked("Gouda?", "Yes.")
    for by, status in (("ann", "approved"), ("bob", "pending"), ("cid", "rejected")):
        one.corrected(turn, f"by {by}", by=by, status=status)  # type: ignore[arg-type]

    two.take(one.file("raw", status=None))

    assert content(two.lines("raw", status=None)) == content(one.lines("raw", status=None))
    assert two.store.feedback.counts() == {
        "correction/approved": 1,
        "correction/pending": 1,
        "correction/rejected": 1,
    }


def test_of_imported_corrections_the_newest_stands_as_it_did(homes: tuple[Home, Home]) -> None:
    one, two = homes
    turn = one.asked("Gouda?", "Yes.")
    for number in range(12):
        one.corrected(turn, f"{number}", by=f"rater{number}")

    two.take(one.file("raw"))

    assert [line["value"] for line in two.lines("raw")] == [str(number) for number in range(11, -1, -1)]
    assert [row.target for row in dataset.rows(two.store)] == ["11"]


def test_what_was_said_within_one_millisecond_stays_in_its_order(
    homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftchat.store.feedback.now", lambda: "2026-01-01T00:00:00.000+00:00")
    one, two = homes
    turn = one.asked("Gouda?", "Yes.")
    for number in range(12):
        one.corrected(turn, f"{number}", by=f"rater{number}")

    two.take(one.file("raw"))

    assert [line["value"] for line in two.lines("raw")] == [str(number) for number in range(11, -1, -1)]


def test_while_others_wait_for_an_import_it_only_writes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is read, compared and made ready before; and nothing is waited for, however many are on one question."""
    idle, ready = [], imports._mark
    monkeypatch.setattr(imports, "_mark", lambda *line: idle.append(home.store._lock_is_mine()) or ready(*line))
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("It waited."))

    home.take("".join(f'{{"prompt": "q", "completion": "a{n}"}}\n' for n in range(50)))

    assert idle
    assert not any(idle)


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_there_already_is_skipped_and_counted(format_: str, home: Home) -> None:
    body = with_everything(home).file(format_)
    before = content(home.lines("raw"))

    again = home.take(body)

    assert (again.ids, again.skipped) == ((), len(home.lines(format_)))
    assert content(home.lines("raw")) == before


def test_a_line_that_is_twice_in_a_file_is_taken_once(home: Home) -> None:
    line = '{"prompt": "Gouda?", "completion": "Yes."}\n'

    done = home.take(line * 3)

    assert (len(done.ids), done.skipped) == (1, 2)


def test_imported_feedback_is_by_the_importer_and_nobody_owns_its_conversation(home: Home) -> None:
    (id_,) = home.take('{"prompt": "Gouda?", "completion": "Yes.", "label": false}', status="pending").ids

    found = home.store.feedback.get(id_)
    assert (found.kind, found.value, found.rater, found.status) == ("rating", "down", "ann", "pending")
    assert (found.contestant, found.original) == ("imported", "Yes.")
    assert home.store.turns.conversations("ann", limit=9) == []


def test_imported_votes_are_on_no_leaderboard(homes: tuple[Home, Home]) -> None:
    one, two = homes
    two.take(with_everything(one).file("raw"))

    assert one.store.ballots.counted("b0").counts != {}
    assert two.store.ballots.counted("b0").counts == {}


@pytest.mark.parametrize(
    "line",
    [
        '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
        '{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}',
        '{"prompt": "a", "completion": "b"}',
        '{"prompt": "a", "chosen": "b", "rejected": "c"}',
        '{"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],'
        ' "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]}',
        '{"prompt": "a", "completion": "b", "label": true, "another_column": 7}',
        '\ufeff{"prompt": "a", "completion": "b"}\r\n\r\n',
    ],
)
def test_files_that_others_wrote_for_trl_are_taken(line: str, home: Home) -> None:
    (id_,) = home.take(line).ids

    found = home.store.feedback.get(id_)
    assert (found.prompt, found.value if found.kind == "correction" else found.original) == ("a", "b")


VOTE = {"kind": "vote", "messages": [{"role": "user", "content": "a"}], "replies": [], "value": "left"}
SIDES = [{"lane": lane, "text": lane, "finish": "stop"} for lane in ("left", "right")]
BAD_LINES = {
    "not json": "It is not JSON",
    "[1]": "It is not a JSON object.",
    "[" * 5_000: "It is not JSON",
    "{}": "prompt must be a list of messages.",
    '{"messages": []}': "messages must be a list of messages.",
    '{"messages": [{"role": "user", "content": "a"}]}': "the last one by the assistant",
    '{"messages": [{"role": "assistant", "content": "a"}]}': "user and assistant in turn",
    '{"prompt": "a", "completion": " "}': "completion is empty.",
    '{"prompt": "a", "completion": 5}': "completion must be a text",
    '{"prompt": "a", "completion": [{"role": "user", "content": "b"}]}': "must be a message of the assistant",
    '{"prompt": [{"role": "tool", "content": "a"}], "completion": "b"}': "role is 'tool'",
    '{"prompt": [{"role": ["user"], "content": "a"}], "completion": "b"}': "prompt must hold messages",
    '{"prompt": "a", "completion": "b", "label": 1}': "label must be true or false.",
    '{"prompt": "a", "chosen": "b", "rejected": " b"}': "The correction is the same as the reply.",
    '{"prompt": "a", "chosen": "b"}': "rejected must be a text",
    '{"kind": "applause"}': "kind is 'applause': use vote, rating, correction.",
    json.dumps(VOTE): "replies must be of the lanes left and right, each once.",
    json.dumps({**VOTE, "replies": SIDES, "value": "me"}): "value is 'me'",
    json.dumps({**VOTE, "replies": SIDES, "status": "great"}): "status is 'great': use pending, approved, rejected.",
    json.dumps({**VOTE, "replies": SIDES, "split": ["exam"]}): "split is ['exam']",
    json.dumps({**VOTE, "replies": SIDES, "reasons": "wrong"}): "reasons must be JSON in a text",
    json.dumps({**VOTE, "replies": SIDES, "reasons": "[5]"}): "reasons must be JSON in a text",
    json.dumps({**VOTE, "replies": SIDES, "reasons": '{"left": [5]}'}): "A reason must be a text.",
    json.dumps({**VOTE, "replies": SIDES, "blind": "yes"}): "blind must be true or false.",
    json.dumps({**VOTE, "replies": SIDES, "comment": {}}): "comment must be a text.",
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.items(), ids=[*map(str, range(len(BAD_LINES)))])
def test_a_bad_line_is_named_and_nothing_is_imported(line: str, message: str, home: Home) -> None:
    with pytest.raises(BadInput) as caught:
        home.take(f'{{"prompt": "good", "completion": "line"}}\n\n{line}\n')

    assert caught.value.message.startswith("Nothing was imported. Line 3: ")
    assert message in caught.value.message
    assert home.lines("raw", status=None) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "There is nothing to import"),
        (b" \n\n", "There is nothing to import"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"x\n" * 9, "And 4 more lines."),
        (b'{"prompt": "a", "completion": "b"}\n' * 10_001, "10,001 lines; at most 10,000 are taken at once"),
    ],
)
def test_a_body_that_is_no_file_of_lines_is_refused(body: bytes, message: str, home: Home) -> None:
    with pytest.raises(BadInput, match=message):
        home.take(body)


def test_a_format_that_is_asked_for_is_kept_to(home: Home) -> None:
    with pytest.raises(BadInput, match="rejected must be"):
        home.take('{"prompt": "a", "completion": "b"}', format_="dpo")
    with pytest.raises(BadInput, match="format is 'csv'"):
        home.take('{"prompt": "a", "completion": "b"}', format_="csv")
    with pytest.raises(BadInput, match="format is 'csv'"):
        exports.export(home.store, "csv")


def test_what_goes_wrong_in_the_middle_leaves_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line's review fails as a full disk would make it."""
    reviewed = home.store.feedback.review

    def failing(target: str, status: Status, by: str) -> None:
        if len(home.store.feedback.all()) == 3:
            raise FtchatError("the disk is full")
        reviewed(target, status, by)

    monkeypatch.setattr(home.store.feedback, "review", failing)
    with pytest.raises(FtchatError, match="disk is full"):
        home.take("".join(f'{{"prompt": "q{n}", "completion": "a"}}\n' for n in range(3)))

    assert home.lines("raw", status=None) == []
    assert home.store.turns.conversations(None, limit=9) == []


def test_a_repeated_import_with_the_same_key_gives_the_same_answer(home: Home) -> None:
    body = '{"prompt": "a", "completion": "b"}'

    assert home.take(body, key="once") == home.take(body, key="once")
    assert home.take(body, key="twice").skipped == 1


# -- the libraries for which the files are made --


@pytest.fixture
def files(home: Home, tmp_path: Path) -> dict[str, Path]:
    with_everything(home)
    for format_ in FORMATS:
        (tmp_path / f"{format_}.jsonl").write_bytes(home.file(format_))
    return {format_: tmp_path / f"{format_}.jsonl" for format_ in FORMATS}


def loaded(path: Path, cache: Path) -> Any:
    import datasets

    datasets.disable_progress_bars()
    return datasets.load_dataset("json", data_files=str(path), cache_dir=str(cache), split="train")


@pytest.mark.parametrize("format_", FORMATS)
def test_datasets_loads_each_format_as_it_is(format_: str, files: dict[str, Path], home: Home, tmp_path: Path) -> None:
    assert loaded(files[format_], tmp_path / "cache").to_list() == home.lines(format_)


def test_trl_trains_on_sft_dpo_and_kto_as_they_are(files: dict[str, Path], tmp_path: Path) -> None:
    """TRL's own trainers check, render and tokenize each file, and make a step on it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(BASE.path)
    common = {"max_steps": 1, "per_device_train_batch_size": 2, "report_to": "none", "use_cpu": True, "bf16": False}
    quiet = {"save_strategy": "no", "disable_tqdm": True, "output_dir": str(tmp_path / "out")}
    for format_, config, trainer in (
        ("sft", SFTConfig, SFTTrainer),
        ("dpo", DPOConfig, DPOTrainer),
        ("kto", KTOConfig, KTOTrainer),
    ):
        rows = loaded(files[format_], tmp_path / "cache")
        model = AutoModelForCausalLM.from_pretrained(BASE.path)
        training = trainer(
            model=model,
            args=config(**common, **quiet),  # type: ignore[arg-type]
            train_dataset=rows,
            processing_class=tokenizer,
        )
        assert len(training.train_dataset) == len(rows)
        assert training.train().training_loss > 0, format_
