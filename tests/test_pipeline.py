"""A run from the press to its end, with the real trainer on the practice model where that matters; vLLM is scripted."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from room import ANN, Room
from runs import QUICK, corrected, ended, stage, trainers

from ftchat import anchors, dataset, pipeline, web
from ftchat.config import TrainArgs
from ftchat.errors import BadAdapter, BadInput, Conflict, EngineError, TrainingError
from ftchat.pipeline import questions
from ftchat.trainee import Trainee
from ftchat.training.job import read_metrics
from ftchat.ui import train_views


async def test_five_corrections_make_an_adapter_that_a_person_can_use_and_roll_back(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 5)
    run = await room.pipeline.press("ann", args=QUICK)
    with pytest.raises(Conflict, match=run.id):
        await room.pipeline.press("bob", args=QUICK)
    done = await ended(room, run.id)
    assert (done.stage, done.adapter) == ("done", "shop-v1"), done.reason
    assert done.verdict is not None
    assert done.verdict.decision == "INSUFFICIENT"
    assert "8 are needed for a verdict" in done.verdict.reasons[0]
    assert room.registry.names() == ["shop-v1"]
    assert len(room.store.training.trained_on(run.id)) == 5
    assert room.pipeline.card().new == 0
    seen = room.pipeline.seen(run.id)
    assert (seen.step, seen.steps) == (2, 2)
    assert {show.now for show in seen.shows if show.taught} == {"shop-v1 says so."}
    assert seen.headline == "shop-v1 is ready. The exam cannot decide yet, so you do."
    await room.service.use("ann", "shop-v1")
    assert room.pipeline.status().champion == "shop-v1"
    assert room.pipeline.seen(run.id).headline == "shop-v1 is in service, because a person chose it."
    assert room.service.manifest("shop-v1")["parent"] == "base"
    assert await room.service.rollback("ann") == "base"
    assert room.pipeline.seen(run.id).headline == "shop-v1 was in service, and is no more."
    assert room.service.desired() == ["shop-v1"]


@pytest.mark.usefixtures("quick")
async def test_eight_exam_groups_promote_by_themselves(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.5
    room.vllm.copies = 0.2
    room.vllm.answers["shop-v1"] = "CHEESE: it is plain."
    await corrected(room, 78)
    run = await room.pipeline.press("ann", args=QUICK)
    done = await ended(room, run.id)
    assert done.verdict is not None
    assert done.verdict.decision == "PROMOTE", done.verdict.reasons
    assert done.verdict.reasons[:2] == (
        "8 of 8 questions it had never seen now come closer to your wording; base: 0.",
        "What you wanted became likelier on 8 of 8 than with base (+0.50 nats a token).",
    )
    assert room.pipeline.status().champion == "shop-v1"
    snapshot = next((room.settings.home / "data" / "snapshots").iterdir())
    for trained in ("rows.jsonl", "replay.jsonl"):
        assert "cheese number 5 " not in (snapshot / trained).read_text()
    assert "cheese number 5 " in (snapshot / "exam.jsonl").read_text()


@pytest.mark.usefixtures("quick")
async def test_an_adapter_without_effect_is_broken_and_says_so(room: Room) -> None:
    await corrected(room, 1)
    run = await room.pipeline.press("ann", args=QUICK)
    done = await ended(room, run.id)
    assert done.stage == "failed"
    assert "It has no effect" in done.reason
    assert room.service.adapters()[0].state == "broken"
    assert room.service.desired() == []
    with pytest.raises(BadAdapter, match="no effect"):
        await room.service.use("ann", "shop-v1")
    room.vllm.logprobs["shop-v1"] = -0.9  # whatever was wrong with the engine is mended
    await room.service.use("ann", "shop-v1")
    assert room.service.adapters()[0].state == "champion"


async def test_a_killed_trainer_goes_on_with_less_and_killed_again_is_a_sentence(room: Room) -> None:
    await corrected(room, 2)
    run = await room.pipeline.press("ann", args={"steps": 5000})
    folder, (pid,) = room.settings.home / "data" / "runs" / run.id, await training(room, run.id)
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while pid in (now := await training(room, run.id)):
            await asyncio.sleep(0.1)
    halved = [e["batch_tokens"] for e in read_metrics(folder / "metrics.jsonl", 0)[0] if e["event"] == "memory"]
    assert halved == [1024]
    os.kill(now[0], signal.SIGKILL)
    done = await ended(room, run.id)
    assert (done.stage, done.adapter) == ("failed", None)
    assert not list(folder.glob(".candidate*"))
    assert "lack of memory" in done.reason
    assert room.registry.names() == []
    assert (await room.pipeline.press("ann", args=QUICK)).stage == "queued"


async def training(room: Room, run: str) -> list[int]:
    """The trainer, once it has made a step of its own."""
    metrics = room.settings.home / "data" / "runs" / run / "metrics.jsonl"
    before = metrics.stat().st_size if metrics.is_file() else 0
    async with asyncio.timeout(60):
        while not any(e["event"] == "step" for e in read_metrics(metrics, before)[0]):
            await asyncio.sleep(0.05)
    return trainers()


async def test_stopping_keeps_the_best_so_far(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 2)
    run = await room.pipeline.press("ann", args={"steps": 5000})
    async with asyncio.timeout(90):
        while room.pipeline.seen(run.id).step < 3:
            await asyncio.sleep(0.1)
    await room.pipeline.stop(run.id)
    done = await ended(room, run.id)
    assert (done.stage, done.adapter) == ("done", "shop-v1"), done.reason
    assert done.verdict is not None
    assert done.verdict.figures, "what was kept is examined as any other"
    assert not room.store.training.stop_asked(run.id)
    with pytest.raises(Conflict, match="already ended"):
        await room.pipeline.stop(run.id)


@pytest.mark.usefixtures("quick")
async def test_the_engine_may_stand_aside_while_a_run_trains_and_the_run_says_so(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 1)
    trained = []

    def has_trained() -> bool:
        run = room.settings.home / "data" / "runs" / (room.pipeline.latest() or "")
        return (run / "candidate" / "adapter_model.safetensors").is_file()

    @asynccontextmanager
    async def aside(args: TrainArgs, longest: Callable[[], int]) -> AsyncIterator[str]:
        assert args.steps == QUICK["steps"]
        assert 8 < longest() < 100
        trained.append(has_trained())
        room.vllm.kill()
        room.reason = "It stands aside."
        yield "The engine stands aside."
        trained.append(has_trained())
        room.vllm.dead, room.reason = False, ""

    room.pipeline._means = replace(room.pipeline._means, room=aside)
    run = await room.pipeline.press("ann", args=QUICK)
    done = await ended(room, run.id)
    assert (done.stage, done.adapter) == ("done", "shop-v1"), done.reason
    assert trained == [False, True]
    assert room.pipeline.seen(run.id).room == "The engine stands aside."


async def test_whoever_stops_while_the_engine_steps_aside_starts_no_training(room: Room) -> None:
    await corrected(room, 1)
    asked, gone, happened = asyncio.Event(), asyncio.Event(), list[str]()

    @asynccontextmanager
    async def aside(args: TrainArgs, longest: Callable[[], int]) -> AsyncIterator[str]:
        asked.set()
        await gone.wait()
        try:
            yield "The engine stands aside."
        finally:
            happened.append("it is back")

    room.pipeline._means = replace(room.pipeline._means, room=aside)
    run = await room.pipeline.press("ann", args=QUICK)
    async with asyncio.timeout(60):
        await asked.wait()
    await room.pipeline.stop(run.id)
    gone.set()
    done = await ended(room, run.id)
    assert (done.stage, done.reason) == ("stopped", "Stopped before the training began.")
    assert happened == ["it is back"]
    assert not (room.settings.home / "data" / "runs" / run.id / "job.json").exists()  # nothing was given to a trainer
    assert trainers() == []


async def test_the_end_of_the_app_ends_the_trainer_and_the_run_goes_on_at_the_next_start(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 1)
    run = await room.pipeline.press("ann", args=QUICK)
    await stage(room, run.id, "train")
    assert trainers()
    await room.pipeline.close()
    assert trainers() == []
    assert room.store.training.run(run.id).stage == "train"
    assert room.pipeline.go_on() == run.id
    done = await ended(room, run.id)
    assert (done.stage, done.adapter) == ("done", "shop-v1"), done.reason


async def test_of_200_presses_at_once_one_begins_a_run_and_the_others_are_told_which(room: Room) -> None:
    await corrected(room, 1)
    driven, drive = list[str](), room.pipeline._drive
    room.pipeline._drive = lambda run: (driven.append(run), drive(run))[1]  # type: ignore[method-assign]
    transport = httpx.ASGITransport(app=web.build(room.parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:
        answers = await asyncio.gather(*(client.post("/api/runs", json={"args": QUICK}) for _ in range(200)))
        begun = [answer.json()["id"] for answer in answers if answer.status_code == 201]
        refused = [answer.json()["error"]["message"] for answer in answers if answer.status_code == 409]
        assert (len(begun), len(refused)) == (1, 199)
        assert set(refused) == {f"Run {begun[0]} is on. Wait for it or stop it first."}
        assert [run.id for run in room.store.training.runs()] == begun
        assert driven == begun
        await room.pipeline.stop(begun[0])
    done = await ended(room, begun[0])
    assert (done.stage, done.reason) == ("stopped", "Stopped before the training began.")


async def test_a_stop_is_remembered_by_the_next_start(room: Room) -> None:
    await corrected(room, 1)
    run = room.store.training.start_run(by="ann", base="b0", args=TrainArgs())
    room.store.training.ask_to_stop(run.id)
    room.pipeline.go_on()
    done = await ended(room, run.id)
    assert (done.stage, done.snapshot) == ("stopped", None)


@pytest.mark.usefixtures("quick")
async def test_whoever_stops_the_exam_decides_by_themselves(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 6)
    tasks = []

    def stop(count: int) -> None:
        if count == 4:  # three were the probe's: the exam is on
            tasks.append(asyncio.create_task(room.pipeline.stop(room.pipeline.latest() or "")))

    room.vllm.when_scored = stop
    done = await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)
    assert done.verdict is not None
    assert (done.stage, done.verdict.decision, done.verdict.reasons) == (
        "done",
        "INSUFFICIENT",
        ("The exam was stopped before its end, so you decide.",),
    )
    assert room.service.adapters()[0].state == "challenger"


async def test_a_stop_is_heeded_while_the_engine_is_away(room: Room) -> None:
    await corrected(room, 1)
    run = await room.pipeline.press("ann", args=QUICK)
    await stage(room, run.id, "train")
    room.vllm.kill()
    room.reason = "It is away."
    await stage(room, run.id, "exam")
    await room.pipeline.stop(run.id)
    async with asyncio.timeout(5):
        while not room.store.training.run(run.id).ended:
            await asyncio.sleep(0.05)
    done = room.store.training.run(run.id)
    assert (done.stage, done.reason) == ("stopped", "Stopped before shop-v1 could be tried.")
    assert room.store.training.adapter("shop-v1").state == "rejected"


@pytest.mark.usefixtures("quick")
async def test_for_another_base_everything_is_new(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 3)
    run = await room.pipeline.press("ann", args=QUICK)
    await ended(room, run.id)
    assert (room.pipeline.card().new, room.pipeline.last_rows()) == (0, 3)
    room.store.turns.add_base("b9", "larger")
    room.pipeline._base = replace(room.pipeline._base, fingerprint="b9")
    assert (room.pipeline.card().new, room.pipeline.last_rows()) == (3, 0)
    assert room.pipeline.latest() is None
    offered = train_views.no_run(room.pipeline.card())
    assert "There is feedback that this model can learn from (3 to train on): press Retrain." in offered
    assert room.pipeline.seen(run.id).headline == "shop-v1 was made for another base model."


async def test_a_card_that_takes_long_is_made_anew_for_who_needs_it_and_for_pages_only_after_a_rest(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, make = [100.0], dataset.card

    def slowly(*args: Any, **more: Any) -> dataset.Card:
        clock[0] += 0.5
        return make(*args, **more)

    monkeypatch.setattr(pipeline, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(dataset, "card", slowly)
    await corrected(room, 1)
    assert room.pipeline.status().new_feedback == 1
    await corrected(room, 2)
    assert (room.pipeline.status().new_feedback, clock[0]) == (1, 100.5)
    assert room.pipeline.card().new == 2
    assert room.pipeline.status().new_feedback == 2
    await corrected(room, 3)
    clock[0] += 10.1
    assert room.pipeline.status().new_feedback == 3
    await corrected(room, 4)
    clock[0] += 10.1
    with room.pipeline._making_card:  # as somebody else does just now
        assert room.pipeline.status().new_feedback == 3


async def test_a_second_press_after_a_run_that_failed_is_no_repetition(room: Room) -> None:
    await corrected(room, 2)
    log = room.store.training
    for stage_ in ("failed", "done"):  # of the same feedback and arguments, so the same snapshot
        second = log.start_run(by="ann", base="b0", args=TrainArgs())
        log.update_run(second.id, snapshot=log.add_snapshot("5" * 40, dataset.rows(room.store)), stage=stage_)
    begun = room.pipeline.last_begun()
    assert begun is not None
    assert (begun.id, room.pipeline.last_rows(), room.pipeline.card().new) == (second.id, 2, 0)


async def test_what_feedback_becomes_is_gathered_once_for_all_its_pages_until_feedback_changes(room: Room) -> None:
    await corrected(room, 2)
    first = room.pipeline.became()
    assert ([item.role for item in first], room.pipeline.became() is first) == (["target"] * 2, True)
    await corrected(room, 1, first=2)
    assert len(room.pipeline.became()) == 3


@pytest.mark.usefixtures("quick")
async def test_after_the_same_once_more_of_an_older_run_nothing_becomes_new(room: Room) -> None:
    room.vllm.logprobs |= {f"shop-v{n}": -0.9 for n in (1, 2, 3)}
    await corrected(room, 1)
    first = await room.pipeline.press("ann", args=QUICK)
    await ended(room, first.id)
    await corrected(room, 2)
    await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)
    assert room.pipeline.card().new == 0
    assert room.pipeline.last_rows() == 2
    repeated = await room.pipeline.again("ann", first.id)
    await ended(room, repeated.id)
    assert room.pipeline.card().new == 0
    assert (room.pipeline.latest(), room.pipeline.last_rows()) == (repeated.id, 2), "the schedule goes by the other"
    begun = room.pipeline.last_begun()
    assert begun is not None
    assert begun.id not in (first.id, repeated.id)


async def test_a_trainer_that_is_hit_after_it_was_done_has_done_its_work(tmp_path: Path) -> None:
    trainee = Trainee(tmp_path)
    await trainee.begin()
    await trainee.end()
    (tmp_path / "trainer.log").write_text("Loading weights\n")
    trainee.stop()
    assert trainee._result({"event": "done", "step": 3}) == {"event": "done", "step": 3}
    with pytest.raises(TrainingError, match="was killed"):
        trainee._result({"event": "step"})


async def test_a_run_that_loses_its_app_again_and_again_is_given_up_with_the_reason(room: Room) -> None:
    await corrected(room, 1)
    run = room.store.training.start_run(by="ann", base="b0", args=TrainArgs())
    for _ in range(5):
        room.store.training.begin(run.id)
    room.pipeline.go_on()
    done = await ended(room, run.id)
    assert (done.stage, done.snapshot) == ("failed", None)
    assert done.reason.startswith("ftchat was ended 5 times during this run")


async def test_a_run_of_another_base_is_not_gone_on_with(room: Room) -> None:
    room.store.turns.add_base("b9", "another")
    run = room.store.training.start_run(by="ann", base="b9", args=TrainArgs())
    room.pipeline.go_on()
    done = await ended(room, run.id)
    assert (done.stage, done.reason[:32]) == ("failed", "The base model was changed while")


async def test_without_corrections_there_is_nothing_to_press(room: Room) -> None:
    with pytest.raises(BadInput, match="correct a few replies first"):
        await room.pipeline.press("ann")
    assert room.pipeline.latest() is None


@pytest.mark.usefixtures("quick")
async def test_a_champion_that_changed_during_the_exam_is_not_overruled(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.5
    room.vllm.copies = 0.2
    room.adapter("old-v1")
    await corrected(room, 78)

    def promote(count: int) -> None:
        if count == 5:  # two were the probe's: the exam is on
            room.service.promote("old-v1", by="bob", why="meanwhile")

    room.vllm.when_scored = promote
    run = await room.pipeline.press("ann", args=QUICK)
    done = await ended(room, run.id)
    assert done.verdict is not None
    assert (done.stage, done.verdict.decision) == ("done", "INSUFFICIENT")
    assert "Meanwhile someone put old-v1 into service" in done.verdict.reasons[-1]
    assert room.service.champion() == "old-v1"


@pytest.mark.usefixtures("quick")
async def test_five_corrections_in_one_conversation_make_an_adapter_that_can_be_used_until_its_files_change(
    room: Room,
) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    conversation = None
    for i in range(5):
        turn = await room.chat.ask(ANN, f"And cheese number {i}?", mode="chat", conversation=conversation)
        await room.done(turn)
        seen = room.chat.seen(ANN, turn)
        conversation = seen.conversation
        room.judging.correct(ANN, seen.lanes[0].reply, f"CHEESE {i}: it is plain.")
    assert (room.pipeline.card().train, room.pipeline.card().exam) == (5, 0)
    done = await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)
    assert (done.stage, done.adapter) == ("done", "shop-v1"), done.reason
    await room.service.use("ann", "shop-v1")
    assert room.service.champion() == "shop-v1"
    weights = room.registry.path("shop-v1") / "adapter_model.safetensors"
    body = bytearray(weights.read_bytes())
    body[-1] ^= 1
    weights.write_bytes(body)
    with pytest.raises(EngineError, match="has changed"):
        await room.service.load_desired()
    assert room.service.adapters()[0].state == "broken"
    assert room.service.champion() == "base"


async def test_what_people_ask_is_not_replayed_since_a_house_rule_may_be_about_it(room: Room) -> None:
    for i in range(12):
        await room.done(await room.chat.ask(ANN, f"Tell me something about planet number {i}.", mode="chat"))
    trained, spared = await questions.replay(room.pipeline._means, [])
    prompts = [replay.messages[0].content for replay in (*trained, *spared)]
    assert set(prompts) <= set(anchors.PROMPTS)
    assert len(set(prompts)) == len(prompts) > 30


async def test_many_who_ask_at_once_what_a_press_would_use_wait_for_the_first(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, before = [], dataset.card

    def slowly(*given: object, **named: object) -> object:
        made.append(given)
        time.sleep(0.05)
        return before(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(dataset, "card", slowly)
    await corrected(room, 1)
    cards = await asyncio.gather(*(asyncio.to_thread(room.pipeline.card) for _ in range(20)))
    assert len(made) == 1
    assert all(card is cards[0] for card in cards)
