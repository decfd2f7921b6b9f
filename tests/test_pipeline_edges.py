"""What befalls a run from outside: Ctrl-C, a stop that an app took with it, a full disk, a withdrawal, odd questions.

The engine is scripted.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from room import ANN, Room
from runs import QUICK, corrected, ended, stage, trainers
from test_lineage import row
from test_registry import candidate

from ftchat import lineage
from ftchat.config import TrainArgs
from ftchat.errors import StoreError, TooLong
from ftchat.exam import Examiner
from ftchat.pipeline import course, questions
from ftchat.prompt import Prompter
from ftchat.records import Message, Row, Run
from ftchat.registry import Registry
from ftchat.store.training import TrainingLog
from ftchat.trainee import Trainee
from ftchat.training.checkpoint import Checkpoint
from ftchat.training.job import Job, Sample
from ftchat.training.rows import prepare
from ftchat.training.snapshot import read_snapshot

LONG = {"steps": 5000, "evaluate_every": 4}


async def steps(room: Room, run: str, wanted: int) -> None:
    """Return when the trainer has made so many steps."""
    async with asyncio.timeout(90):
        while room.pipeline.seen(run).step < wanted:
            await asyncio.sleep(0.05)


async def test_ctrl_c_means_the_app_and_a_stop_that_it_took_with_it_still_keeps_the_best(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 2)
    run = await room.pipeline.press("ann", args=LONG)
    await steps(room, run.id, 2)
    (trainer,) = trainers()
    os.kill(trainer, signal.SIGINT)
    await steps(room, run.id, room.pipeline.seen(run.id).step + 3)
    left = room.settings.home / "data" / "runs" / run.id / ".candidate.checkpoint"
    async with asyncio.timeout(60):
        while not left.exists():
            await asyncio.sleep(0.05)
    await room.pipeline.close()
    room.store.training.ask_to_stop(run.id)
    room.pipeline.go_on()
    done = await ended(room, run.id)
    assert (done.stage, done.adapter) == ("done", "shop-v1"), done.reason
    assert done.verdict is not None
    assert done.verdict.figures, "what was kept is examined as any other"
    assert not left.exists()


def test_in_a_home_that_was_moved_the_same_job_goes_on_as_it_began_from_its_checkpoint(tmp_path: Path) -> None:
    def job(home: str, question: str, **more: Any) -> Job:
        folder, shown = tmp_path / home, Sample(question, (Message("user", question),), taught=False)
        paths = {"base": folder / "base", "snapshot": folder / "s", "out": folder / "c", "metrics": folder / "m"}
        quick = {"args": TrainArgs(effort="quick"), "start": folder / "adapters" / "shop-v1", "fresh": ("k_1",)}
        return Job(**paths, **quick, samples=(shown,), **more)  # type: ignore[arg-type]

    for name in ("base/config.json", "s/rows.jsonl", "s/replay.jsonl"):
        (tmp_path / "old" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / name).write_text(name)
    began = job("old", "first?", halve=True, context_length=1024)
    began.write(tmp_path / "old" / "job.json")
    Checkpoint(began).write({"step": 7})
    (tmp_path / "old").rename(tmp_path / "new")
    written = Job.read(Trainee(tmp_path / "new")._written(job("new", "later?", context_length=512)))
    assert written == job("new", "first?", halve=True, context_length=1024)
    assert Checkpoint(written).read() == {"step": 7}


async def test_a_stop_before_the_first_step_is_one_with_nothing_to_keep(room: Room) -> None:
    await corrected(room, 1)
    run = await room.pipeline.press("ann", args=LONG)
    job = room.settings.home / "data" / "runs" / run.id / "job.json"
    async with asyncio.timeout(60):
        while not job.exists():
            await asyncio.sleep(0.01)
    await room.pipeline.stop(run.id)
    done = await ended(room, run.id)
    assert (done.stage, done.reason) == ("stopped", "Stopped before the first step: there is nothing to keep.")


@pytest.mark.usefixtures("quick")
async def test_a_stop_of_the_exam_that_the_app_took_with_it_leaves_the_decision_to_people(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 6)
    tasks = list[asyncio.Task[None]]()

    async def quit_() -> None:
        room.store.training.ask_to_stop(room.pipeline.latest() or "")
        await room.pipeline.close()

    def scored(count: int) -> None:
        if count == 4:  # three were the probe's: the exam is on
            tasks.append(asyncio.create_task(quit_()))

    room.vllm.when_scored = scored
    run = await room.pipeline.press("ann", args=QUICK)
    async with asyncio.timeout(60):
        while not tasks or not tasks[0].done():
            await asyncio.sleep(0.05)
    assert room.store.training.run(run.id).stage == "exam"
    room.pipeline.go_on()
    done = await ended(room, run.id)
    assert done.verdict is not None
    assert (done.stage, done.verdict.reasons) == (
        "done",
        ("The exam was stopped before its end, so you decide.",),
    )
    assert room.service.adapters()[0].state == "challenger"


def refusing(monkeypatch: pytest.MonkeyPatch, *, which: Callable[[dict[str, Any]], bool], times: int) -> list[str]:
    """A database that refuses some notes of runs, so many times; the list grows with each."""
    noted, refused = TrainingLog.update_run, list[str]()

    def update(self: TrainingLog, run: str, **values: Any) -> Run | None:
        if len(refused) < times and which(values):
            refused.append(run)
            raise StoreError("The disk is full.")
        return noted(self, run, **values)

    monkeypatch.setattr(TrainingLog, "update_run", update)
    return refused


@pytest.mark.usefixtures("quick")
async def test_progress_that_cannot_be_noted_ends_no_run(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 1)
    refused = refusing(monkeypatch, which=lambda values: set(values) == {"progress", "eta_s"}, times=1)
    run = await room.pipeline.press("ann", args=QUICK)
    done = await ended(room, run.id)
    assert (done.stage, refused) == ("done", [run.id]), done.reason


@pytest.mark.usefixtures("quick")
async def test_a_run_that_failed_is_ended_once_the_database_takes_it(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await corrected(room, 1)
    monkeypatch.setattr(course, "_AGAIN_S", 0.05)
    refused = refusing(monkeypatch, which=lambda values: values.get("stage") in ("train", "failed"), times=3)
    run = await room.pipeline.press("ann", args=QUICK)
    done = await ended(room, run.id)
    assert (done.stage, done.reason, len(refused)) == ("failed", "The disk is full.", 3)
    room.vllm.logprobs["shop-v1"] = -0.9
    assert (await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)).stage == "done"


@pytest.mark.usefixtures("quick")
async def test_an_engine_whose_core_died_says_500_and_is_asked_again(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 1)
    room.vllm.fails = {"base"}
    run = await room.pipeline.press("ann", args=QUICK)
    await asyncio.sleep(0.5)
    assert not room.store.training.run(run.id).ended
    room.vllm.fails = set()
    assert (await ended(room, run.id)).stage == "done"


@pytest.mark.usefixtures("quick")
async def test_what_is_withdrawn_while_base_is_asked_is_in_no_snapshot(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 2)
    room.vllm.pace_s = 0.3
    run = await room.pipeline.press("ann", args=QUICK)
    await stage(room, run.id, "snapshot")
    lineage.withdraw(room.store, ANN, "ann")
    room.vllm.pace_s = 0.0
    done = await ended(room, run.id)
    assert done.snapshot is not None
    assert not room.store.lineage.holds_withdrawn(run.id)


@pytest.mark.usefixtures("quick")
async def test_what_stood_before_a_question_is_learned_as_it_stands_once_base_was_asked(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    first = await room.chat.ask(ANN, "What does the brie cost?", mode="chat")
    await room.done(first)
    earlier = room.judging.correct(ANN, room.chat.seen(ANN, first).lanes[0].reply, "A secret of Ann's.")
    place = room.store.turns.get(first).conversation
    then = await room.chat.ask(ANN, "And two of them?", mode="chat", conversation=place, after=first)
    await room.done(then)
    room.judging.correct(ANN, room.chat.seen(ANN, then).lanes[0].reply, "Twice as much.")
    room.vllm.pace_s = 0.3
    run = await room.pipeline.press("ann", args=QUICK)
    await stage(room, run.id, "snapshot")
    room.judging.undo(ANN, earlier)
    room.vllm.pace_s = 0.0
    assert (await ended(room, run.id)).stage == "done"
    (folder,) = (room.settings.home / "data" / "snapshots").iterdir()
    frozen = (folder / "rows.jsonl").read_text()
    assert "Twice as much." in frozen
    assert "A secret of Ann's." not in frozen


@pytest.mark.usefixtures("quick")
async def test_what_was_withdrawn_since_the_snapshot_is_promoted_by_nobody_but_a_person(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.5
    room.vllm.copies = 0.2
    room.vllm.answers["shop-v1"] = "CHEESE: it is plain."
    await corrected(room, 78)
    room.vllm.when_scored = lambda count: lineage.withdraw(room.store, ANN, "ann") if count == 4 else None
    done = await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)
    assert done.verdict is not None
    assert done.verdict.decision == "INSUFFICIENT"
    assert done.verdict.reasons[-1] == "Meanwhile feedback that this run was made from was withdrawn, so you decide."
    assert room.service.champion() == "base"


@pytest.mark.usefixtures("quick")
async def test_the_weights_of_a_run_that_ended_are_in_the_registry_alone(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 1)
    run = await room.pipeline.press("ann", args=QUICK)
    await ended(room, run.id)
    async with asyncio.timeout(5):
        while (room.settings.home / "data" / "runs" / run.id / "candidate").exists():
            await asyncio.sleep(0.02)
    assert [path.parent.name for path in room.settings.home.rglob("*.safetensors")] == ["shop-v1"]


def test_a_publication_that_finds_no_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        shutil.copy(source / "adapter_config.json", target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ftchat.registry.copy", full)
    registry = Registry(tmp_path / "adapters", max_rank=32)
    with pytest.raises(OSError, match="No space left"):
        registry.publish(candidate(tmp_path / "made"), "shop-v1", base="b0", lineage={})
    assert list((tmp_path / "adapters").iterdir()) == []


@pytest.mark.usefixtures("quick")
async def test_a_question_of_marks_alone_teaches_as_any_other(room: Room) -> None:
    room.vllm.answers["base"] = "What\x00do you mean?"
    room.vllm.logprobs["shop-v1"] = -0.9
    for i, prompt in enumerate(("?", "...", "!!!", "? !", ".")):
        turn = await room.chat.ask(ANN, prompt, mode="chat")
        await room.done(turn)
        reply = room.chat.seen(ANN, turn).lanes[0].reply
        assert room.chat.seen(ANN, turn).lanes[0].text == "What\ufffddo you mean?"
        room.judging.correct(ANN, reply, f"Please ask again ({i}).")
    with room.store.writing() as db:  # as they were stored before
        db.conn.execute("UPDATE conversations SET group_key = '' WHERE group_key = '?'")
    done = await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)
    assert done.stage == "done", done.reason
    (folder,) = (room.settings.home / "data" / "snapshots").iterdir()
    read_snapshot(folder)


async def test_what_base_does_not_end_is_asked_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    async def endless(means: object, prompt: str) -> str:
        asked.append(prompt)
        return ""

    monkeypatch.setattr(questions, "_base_says", endless)
    for _ in range(2):
        assert await questions.replay(room.pipeline._means, []) == ([], [])
    assert len(asked) == len(set(asked)) > 0


@pytest.mark.usefixtures("quick")
async def test_a_pin_that_leaves_no_room_is_refused_and_one_that_does_so_later_ends_no_run(room: Room) -> None:
    question = "What does it cost? " * 600
    with pytest.raises(TooLong, match="Shorten the prompt"):
        room.pipeline.pin("ann", question, contains=["EUR"])
    room.store.exams.add_pin(question, by="ann", contains=["EUR"])  # when the context was longer
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 6)
    done = await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)
    assert done.stage in ("done", "rejected"), done.reason


async def test_a_row_without_room_for_an_answer_is_not_asked(room: Room) -> None:
    asks = Examiner(room.engine, room.prompter, room.contestants, known=None)  # type: ignore[arg-type]
    short, words = row("k_1"), "What does it cost? "
    most = max(n for n in range(100, 600) if asks.fits([Message("user", words * n)], short.target))
    long = replace(short, messages=(Message("user", words * most),))
    assert (asks.takes(short), asks.takes(long)) == (True, False)
    assert await asks.says("base", long.messages, room=48) == ("", "length")


@pytest.mark.usefixtures("quick")
async def test_a_conversation_that_the_template_refuses_is_left_out_and_ends_no_run(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await corrected(room, 6)
    refused = {f"What does cheese number {n} cost?" for n in range(3)}
    rendered = Prompter._rendered

    def picky(self: Prompter, messages: Sequence[Message], *, answer_follows: bool) -> str:
        if messages[-1 if answer_follows else -2].content in refused:
            raise TemplateError("roles must alternate")
        return rendered(self, messages, answer_follows=answer_follows)

    monkeypatch.setattr(Prompter, "_rendered", picky)
    room.vllm.logprobs["shop-v1"] = -0.9
    done = await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)
    assert done.stage == "done", done.reason
    (folder,) = (room.settings.home / "data" / "snapshots").iterdir()
    snapshot = read_snapshot(folder)
    examples = prepare(snapshot, room.prompter)
    assert len(examples.left_out) == len(snapshot.train) + len(snapshot.tune) - len(examples.feedback + examples.tune)
    assert examples.left_out
    assert room.pipeline.card().enough


async def test_the_longest_row_is_counted_with_both_its_answers(room: Room) -> None:
    said = (Message("user", "What does it cost?"),)
    alone = Row(
        id="k_1", role="target", split="train", weight=1.0, group="g", messages=said, target="word " * 50,
        rejected=None, rater="ann",
    )  # fmt: skip
    driven, prompter = course.Course(room.pipeline._means, "n_1"), room.prompter
    one = len(prompter.render_answer(said, alone.target)[0])
    assert driven._longest([alone]) == one
    other = len(prompter.encode("no " * 40, answer=True)) + 1
    assert driven._longest([alone, replace(alone, id="k_2", rejected="no " * 40)]) == one + other
    assert driven._longest([replace(alone, target="word " * 9000)]) == 0  # nor is it trained
