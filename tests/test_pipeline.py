"""A run from the press to its end, with the real trainer on the practice model; only vLLM is scripted."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from room import ANN, Room

from ftchat import anchors, dataset
from ftchat.config import TrainArgs
from ftchat.errors import BadAdapter, BadInput, Conflict, EngineError
from ftchat.records import Run

QUICK = {"steps": 2}


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    yield made
    await made.close()


async def corrected(room: Room, count: int) -> None:
    """So many corrections of different questions."""
    for i in range(count):
        turn = await room.chat.ask(ANN, f"What does cheese number {i} cost?", mode="chat")
        await room.done(turn)
        room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, f"CHEESE {i}: it is plain.")


async def ended(room: Room, run: str) -> Run:
    """The run, once it has ended."""
    async with asyncio.timeout(120):
        while not (found := room.store.training.run(run)).ended:
            await asyncio.sleep(0.1)
    return found


async def stage(room: Room, run: str, wanted: str) -> None:
    """Return when the run is in a stage."""
    async with asyncio.timeout(60):
        while room.store.training.run(run).stage != wanted:
            await asyncio.sleep(0.02)


def trainers() -> list[int]:
    """Living trainer processes of this test."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"ftchat.training" in command and parent == str(os.getpid()):
                found.append(int(entry.name))
    return found


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
    await room.service.use("ann", "shop-v1")
    assert room.pipeline.status().champion == "shop-v1"
    assert await room.service.rollback("ann") == "base"
    assert room.service.desired() == ["shop-v1"]


async def test_eight_exam_groups_promote_by_themselves(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.5
    await corrected(room, 78)
    run = await room.pipeline.press("ann", args=QUICK)
    done = await ended(room, run.id)
    assert done.verdict is not None
    assert done.verdict.decision == "PROMOTE", done.reason
    assert done.verdict.reasons[0].startswith("8 of 8 questions it had never seen")
    assert room.pipeline.status().champion == "shop-v1"
    snapshot = next((room.settings.home / "data" / "snapshots").iterdir())
    for trained in ("rows.jsonl", "replay.jsonl"):
        assert "cheese number 5 " not in (snapshot / trained).read_text()
    assert "cheese number 5 " in (snapshot / "exam.jsonl").read_text()


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


async def test_a_killed_trainer_is_a_sentence_and_the_next_press_works(room: Room) -> None:
    await corrected(room, 2)
    run = await room.pipeline.press("ann", args={"steps": 5000})
    await stage(room, run.id, "train")
    await asyncio.sleep(1)
    os.kill(trainers()[0], signal.SIGKILL)
    done = await ended(room, run.id)
    assert (done.stage, done.adapter) == ("failed", None)
    assert "lack of memory" in done.reason
    assert room.registry.names() == []
    assert (await room.pipeline.press("ann", args=QUICK)).stage == "queued"


async def test_stopping_keeps_the_best_so_far(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 2)
    run = await room.pipeline.press("ann", args={"steps": 5000})
    async with asyncio.timeout(90):
        while room.pipeline.seen(run.id).step < 3:
            await asyncio.sleep(0.1)
    await room.pipeline.stop("ann", run.id)
    done = await ended(room, run.id)
    assert (done.stage, done.adapter) == ("done", "shop-v1"), done.reason
    with pytest.raises(Conflict, match="already ended"):
        await room.pipeline.stop("ann", run.id)


async def test_the_end_of_the_app_ends_the_trainer_and_the_run_says_so(room: Room) -> None:
    await corrected(room, 1)
    run = await room.pipeline.press("ann", args={"steps": 5000})
    await stage(room, run.id, "train")
    await asyncio.sleep(0.5)
    assert trainers()
    await room.pipeline.close()
    assert trainers() == []
    assert "ftchat was ended" in room.store.training.run(run.id).reason


async def test_a_run_that_lost_its_app_says_so_at_the_next_start(room: Room) -> None:
    await corrected(room, 1)
    run = room.store.training.start_run(by="ann", base="b0", args=TrainArgs())
    room.pipeline.recover()
    assert room.store.training.run(run.id).stage == "failed"
    assert "press Retrain" in room.store.training.run(run.id).reason


async def test_without_corrections_there_is_nothing_to_press(room: Room) -> None:
    with pytest.raises(BadInput, match="correct a few replies first"):
        await room.pipeline.press("ann")
    assert room.pipeline.latest() is None


async def test_a_changed_adapter_is_not_loaded_again(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 1)
    await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)
    weights = room.registry.path("shop-v1") / "adapter_model.safetensors"
    body = bytearray(weights.read_bytes())
    body[-1] ^= 1
    weights.write_bytes(body)
    room.service.promote("shop-v1", by="ann", why="")
    with pytest.raises(EngineError, match="has changed"):
        await room.service.load_desired()
    assert room.service.adapters()[0].state == "broken"
    assert room.service.champion() == "base"


async def test_an_exam_row_that_is_too_long_is_left_out_and_counted(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.9
    await corrected(room, 5)
    turn = await room.chat.ask(ANN, "What does the sixth one cost?", mode="chat")
    await room.done(turn)
    room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, "far too much " * 2000)
    done = await ended(room, (await room.pipeline.press("ann", args=QUICK)).id)
    assert done.stage == "done", done.reason
    assert done.verdict is not None
    assert "1 exam rows are longer than the model can read and were left out." in done.verdict.reasons


async def test_a_champion_that_changed_during_the_exam_is_not_overruled(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.5
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


async def test_five_corrections_in_one_conversation_make_an_adapter_that_can_be_used(room: Room) -> None:
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


async def test_what_people_ask_is_never_replayed_in_training_since_it_may_become_an_exam_question(room: Room) -> None:
    asked = [f"Tell me something about planet number {i}." for i in range(12)]
    for prompt in asked:
        await room.done(await room.chat.ask(ANN, prompt, mode="chat"))
    trained, spared = await room.pipeline._replay([])
    prompts = {"trained": [r.messages[0].content for r in trained], "spared": [r.messages[0].content for r in spared]}
    assert set(prompts["trained"]) <= set(anchors.PROMPTS)
    assert (len(trained), len(spared)) == (32, 16)
    assert not set(prompts["trained"]) & set(prompts["spared"])


async def test_what_people_ask_helps_the_exam_to_see_what_was_forgotten(room: Room) -> None:
    asked = [f"Tell me something about planet number {i}." for i in range(12)]
    for prompt in asked:
        await room.done(await room.chat.ask(ANN, prompt, mode="chat"))
    room.pipeline._anchors = anchors.PROMPTS[:6]
    trained, spared = await room.pipeline._replay([])
    own = {replay.messages[0].content for replay in spared} & set(asked)
    assert own == {prompt for prompt in asked if dataset.kept_for_exam(prompt)}
    assert own
    assert not {replay.messages[0].content for replay in trained} & set(asked)
