"""A run once more, on the very snapshot of an earlier one: the same losses from the real trainer; vLLM is scripted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from room import ANN, Room
from runs import corrected, ended
from test_registry import GOOD, candidate

from ftchat import dataset, lineage
from ftchat.config import TrainArgs
from ftchat.errors import Conflict, EngineNotReady, NotFound
from ftchat.pipeline import start
from ftchat.pipeline.again import prepared
from ftchat.trainee import Trainee
from ftchat.training.job import Job


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    made.vllm.logprobs |= {"shop-v1": -0.9, "shop-v2": -0.8}
    yield made
    await made.close()


@pytest.mark.soak  # two trainings; that a trainer gives the same is in test_training.py
async def test_the_same_snapshot_and_arguments_give_the_same_losses(room: Room) -> None:
    await corrected(room, 6)
    first = await room.pipeline.press("ann", args={"steps": 4, "seed": 7})
    done = await ended(room, first.id)
    assert done.stage == "done", done.reason
    await corrected(room, 3, first=6)  # nothing of this is in the snapshot
    again = await room.pipeline.again("ann", first.id, key="once")
    assert (await room.pipeline.again("ann", first.id, key="once")).id == again.id
    with pytest.raises(Conflict, match=again.id):
        await room.pipeline.again("bob", first.id)
    redone = await ended(room, again.id)
    assert (redone.stage, redone.adapter, redone.snapshot) == ("done", "shop-v2", done.snapshot), redone.reason
    assert room.store.training.args_of(again.id) == room.store.training.args_of(first.id)
    losses = [room.pipeline.seen(run).losses for run in (first.id, again.id)]
    assert [step for step, _ in losses[0]] == [1, 2, 3, 4]
    assert [loss for _, loss in losses[1]] == pytest.approx([loss for _, loss in losses[0]], rel=1e-4)
    assert losses[0][0][1] != pytest.approx(losses[0][-1][1], rel=1e-4)
    held = [{row.feedback for row in room.store.lineage.rows_of(f"shop-v{n}", after="", limit=99)} for n in (1, 2)]
    assert held[0] == held[1] == room.store.training.trained_on(first.id)
    assert len(dataset.rows(room.store)) == 9


async def test_what_an_earlier_run_came_down_to_is_what_is_done_again(room: Room) -> None:
    """Half the tokens at once, say, after its trainer was killed: that rounds otherwise."""
    await corrected(room, 1)
    log = room.store.training
    run = log.start_run(by="ann", base="b0", args=TrainArgs())
    folder = room.settings.home / "data" / "runs" / run.id
    folder.mkdir(parents=True)
    (folder / "snapshot.json").write_text("{}")
    places = {name: folder / name for name in ("base", "snapshot", "out", "metrics")}
    Job(**places, context_length=512, halve=True).write(folder / "job.json")
    log.update_run(run.id, stage="stopped", snapshot=log.add_snapshot("0" * 40, dataset.rows(room.store)))
    with room.store.writing():
        again = prepared(room.pipeline._means, "ann", run.id)
    here = room.settings.home / "data" / "runs" / again.id
    job = Job(**{name: here / name for name in places}, context_length=2048)
    found = Job.read(Trainee(here)._written(job))
    assert (found.context_length, found.halve, found.out) == (512, True, here / "out")


async def test_a_quick_run_goes_on_from_the_champion_with_what_is_new_to_it(room: Room, tmp_path: Path) -> None:
    await corrected(room, 5)
    log, pipeline = room.store.training, room.pipeline
    first = log.start_run(by="ann", base="b0", args=TrainArgs()).id
    log.update_run(first, stage="done", snapshot=log.add_snapshot("0" * 40, dataset.rows(room.store)))
    config = {**GOOD, "base_model_name_or_path": "starter"}
    room.registry.publish(candidate(tmp_path / "made", config=config), "shop-v1", base="b0", lineage={})
    log.add_adapter("shop-v1", number=1, base="b0", run=first)
    room.service.promote("shop-v1", by="ann", why="")
    await corrected(room, 2, first=6)
    quick = await pipeline.press("ann", effort="quick")
    written = room.settings.home / "data" / "runs" / quick.id / "job.json"
    async with asyncio.timeout(60):
        while not written.is_file():
            await asyncio.sleep(0.02)
    await pipeline.close()
    old, rows = log.trained_on(first), dataset.rows(room.store)
    new = {row.id for row in dataset.of_split(rows, "train")} - old
    job = Job.read(written)
    assert (job.start, set(job.fresh), len(old), len(new)) == (room.registry.path("shop-v1"), new, 5, 1)
    assert start.chosen(pipeline._means, quick.id, rows) == (job.start, job.fresh)
    start.choose(pipeline._means, first, rows)
    assert room.store.lineage.start_of(first) is None  # it was not to be quick
    log.update_run(quick.id, stage="stopped")
    other = log.start_run(by="ann", base="b0", args=TrainArgs(effort="quick", alpha=64)).id
    start.choose(pipeline._means, other, rows)
    assert room.store.lineage.start_of(other) is None  # an adapter of another shape is none to go on from
    lineage.withdraw(room.store, ANN, "ann")
    start.choose(pipeline._means, quick.id, rows)
    assert room.store.lineage.start_of(quick.id) is None  # what the champion learned was withdrawn


async def test_what_cannot_be_done_again_says_why(room: Room) -> None:
    with pytest.raises(NotFound):
        await room.pipeline.again("ann", "n_0")
    await corrected(room, 1)
    log = room.store.training
    run = log.start_run(by="ann", base="b0", args=TrainArgs())
    log.update_run(run.id, stage="stopped")
    with pytest.raises(Conflict, match="ended before its snapshot was made"):
        await room.pipeline.again("ann", run.id)
    run = log.start_run(by="ann", base="b0", args=TrainArgs())
    written = room.settings.home / "data" / "runs" / run.id / "snapshot.json"
    written.parent.mkdir(parents=True)
    written.write_text("{}")
    log.update_run(run.id, stage="stopped", snapshot=log.add_snapshot("0" * 40, dataset.rows(room.store)))
    room.reason = "starting"
    with pytest.raises(EngineNotReady):
        await room.pipeline.again("ann", run.id)
    room.reason = ""
    lineage.withdraw(room.store, ANN, "ann")
    with pytest.raises(Conflict, match="feedback that was withdrawn since: press Retrain"):
        await room.pipeline.again("ann", run.id)
    written.unlink()
    with pytest.raises(Conflict, match="its files are gone"):
        await room.pipeline.again("ann", run.id)
    assert room.store.training.unfinished() is None
