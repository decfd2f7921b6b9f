"""Adapters that come in from elsewhere, are compared with what was trained, and are deleted. vLLM is scripted."""

import asyncio
import io
import json
import math
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from room import ANN, BASE, BOB, Room
from test_lineage import row
from test_registry import candidate
from test_registry_hostile import CASES, good
from test_service import adapters

from ftchat import lineage
from ftchat.base import Base
from ftchat.config import TrainArgs
from ftchat.errors import BadAdapter, Conflict, EngineNotReady, NotFound
from ftchat.reconcile import Reconcile
from ftchat.records import Message
from ftchat.registry.probed import distance
from ftchat.service import Service


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    made.vllm.logprobs["shop-v1"] = -0.5
    made.service._tolerance = 0.1
    yield made
    await made.close()


def left(room: Room) -> list[str]:
    """What is in adapters/."""
    return sorted(path.name for path in room.registry.root.iterdir()) if room.registry.root.exists() else []


async def test_an_exported_adapter_comes_back_in_under_a_new_name_and_answers(
    room: Room, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    adapters(room, 1)
    room.vllm.logprobs["shop-v2"] = -0.7
    exported = (await client.get("/api/adapters/shop-v1/download")).content
    answer = await client.post("/api/adapters/import", content=exported)
    assert (answer.status_code, answer.json()["name"], answer.json()["state"]) == (201, "shop-v2", "challenger")
    assert answer.json()["lineage"] == {
        "run": None, "base": "b0", "snapshot": None, "base_name": "starter", "parent": None, "imported": True
    }  # fmt: skip
    assert answer.json()["reasons"] == ["Imported by admin; it was not examined."]
    assert left(room) == ["shop-v1", "shop-v2"]
    assert (await client.post("/api/adapters/shop-v2/promote")).json() == {"champion": "shop-v2"}
    said = (await client.post("/api/turns", json={"prompt": "hello"})).json()["lanes"][0]
    assert (said["contestant"], said["text"]) == ("shop-v2", "shop-v2 says so.")


async def test_a_repeated_import_with_a_key_comes_in_once(
    room: Room, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    body = good(tmp_path).zipped().read_bytes()
    headers = {"Idempotency-Key": "one"}
    names = [(await client.post("/api/adapters/import", content=body, headers=headers)).json()["name"] for _ in "ab"]
    assert names == ["shop-v1", "shop-v1"]
    assert left(room) == ["shop-v1"]


@pytest.mark.parametrize(
    "name", ["a pickle in the zip", "a zip path upwards", "a zip bomb", "an encrypted zip", "a zip cut off"]
)
async def test_a_hostile_upload_is_refused_with_its_reason_and_uses_up_no_number(
    name: str, room: Room, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    spoil, reason = CASES[name]
    answer = await client.post("/api/adapters/import", content=spoil(good(tmp_path)).read_bytes())
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "BadAdapter")
    with pytest.raises(BadAdapter, match=reason):
        raise BadAdapter(answer.json()["error"]["message"])
    assert left(room) == []
    assert room.service.adapters() == []
    assert (await room.service.receive("ann", good(tmp_path).folder)) == "shop-v1"


async def test_an_adapter_that_the_engine_serves_as_base_does_not_come_in(room: Room, tmp_path: Path) -> None:
    del room.vllm.logprobs["shop-v1"]
    with pytest.raises(BadAdapter, match="It has no effect"):
        await room.service.receive("ann", good(tmp_path).folder)
    assert left(room) == []
    assert "shop-v1" not in room.vllm.answers
    assert room.service.adapters() == []


@pytest.mark.parametrize(("says", "reason"), [("", "answers nothing"), (" ", "answers nothing")])
async def test_an_adapter_that_says_nothing_does_not_come_in(
    room: Room, tmp_path: Path, says: str, reason: str
) -> None:
    room.vllm.answers["shop-v1"] = says
    with pytest.raises(BadAdapter, match=reason):
        await room.service.receive("ann", good(tmp_path).folder)
    assert left(room) == []


async def test_without_an_engine_nothing_comes_in(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone() -> bool:
        return False

    monkeypatch.setattr(room.engine, "ready", gone)
    with pytest.raises(EngineNotReady, match="is tried before it is taken in"):
        await room.service.receive("ann", good(tmp_path).folder)
    assert left(room) == []


def look_before_each_probe(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoints are compared with what is desired just when an adapter is loaded and not yet tried."""
    probe = room.service.probe

    async def late(name: str) -> None:
        await Reconcile(room.engine, room.service).look()
        await probe(name)

    monkeypatch.setattr(room.service, "probe", late)


async def test_an_adapter_that_is_being_taken_in_is_not_unloaded_meanwhile(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_before_each_probe(room, monkeypatch)
    assert await room.service.receive("ann", good(tmp_path).folder) == "shop-v1"
    assert "shop-v1" in room.vllm.answers
    assert left(room) == ["shop-v1"]


async def test_a_broken_adapter_that_gets_another_chance_is_not_unloaded_meanwhile(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters(room, 1)
    room.store.training.set_state("shop-v1", "broken")
    look_before_each_probe(room, monkeypatch)
    await room.service.use("ann", "shop-v1")
    assert (room.service.champion(), "shop-v1" in room.vllm.answers) == ("shop-v1", True)


async def test_a_chance_that_was_not_taken_is_no_reason_to_stay_loaded(room: Room) -> None:
    adapters(room, 1)
    room.store.training.set_state("shop-v1", "broken")
    del room.vllm.logprobs["shop-v1"]
    with pytest.raises(BadAdapter, match="It has no effect"):
        await room.service.use("ann", "shop-v1")
    assert room.service.spare(["shop-v1"]) == ["shop-v1"]


# -- what is served is what was trained --


def trained(room: Room, logprob: float) -> None:
    """shop-v1 with what its trainer computed for three tokens."""
    folder = candidate(room.settings.home / "c")
    told = {"token_ids": [5, 6, 7, 8], "start": 1, "logprobs": [logprob] * 3}
    (folder / "probe.json").write_text(json.dumps(told))
    room.registry.publish(folder, "shop-v1", base="b0", lineage={})
    room.store.training.add_adapter("shop-v1", number=1, base="b0", run=None)


async def test_an_adapter_that_answers_as_it_was_trained_passes(room: Room) -> None:
    trained(room, -0.52)
    await room.service.load("shop-v1")
    await room.service.probe("shop-v1")


@pytest.mark.parametrize(
    "told", [[], {"token_ids": "abc", "start": 1, "logprobs": []}, {"token_ids": [1, 2], "start": 2, "logprobs": [0.1]}]
)
async def test_what_a_trainer_is_said_to_have_computed_may_be_damaged(room: Room, told: object) -> None:
    folder = candidate(room.settings.home / "c")
    (folder / "probe.json").write_text(json.dumps(told))
    room.registry.publish(folder, "shop-v1", base="b0", lineage={})
    await room.engine.load("shop-v1", room.registry.path("shop-v1"))
    with pytest.raises(BadAdapter, match="trainer computed is damaged"):
        await room.service.probe("shop-v1")


async def test_an_adapter_that_answers_otherwise_than_it_was_trained_is_refused(room: Room) -> None:
    trained(room, -1.0)
    await room.service.load("shop-v1")
    with pytest.raises(BadAdapter, match=r"serves another model than was trained: 0\.50 nats"):
        await room.service.probe("shop-v1")


@pytest.mark.parametrize(
    ("served", "told", "away"),
    [([-1.0, -2.0], [-1.5, -2.0], 0.25), ([-1.0], [-1.0, -1.0], math.inf), ([], [], math.inf)],
)
def test_the_distance_is_a_mean_over_tokens(served: list[float], told: list[float], away: float) -> None:
    assert distance(served, told) == away


# -- deleting --


async def test_an_adapter_that_nothing_refers_to_is_deleted_everywhere(room: Room, client: httpx.AsyncClient) -> None:
    adapters(room, 1)
    await room.service.load("shop-v1")
    answer = await client.delete("/api/adapters/shop-v1")
    assert (answer.status_code, answer.json()) == (200, {"adapter": "shop-v1", "deleted": True})
    assert left(room) == []
    assert "shop-v1" not in room.vllm.answers
    assert (await client.get("/api/adapters")).json()["items"] == []
    assert (await client.delete("/api/adapters/shop-v1")).status_code == 404
    assert (await client.post("/api/adapters/shop-v1/promote")).status_code == 404
    assert "shop-v1" not in (await client.get("/api/leaderboard")).text


async def test_a_deleted_number_is_never_used_again(room: Room, tmp_path: Path) -> None:
    assert await room.service.receive("ann", good(tmp_path).folder) == "shop-v1"
    await room.service.delete("ann", "shop-v1")
    room.vllm.logprobs["shop-v2"] = -0.5
    assert await room.service.receive("ann", good(tmp_path).folder) == "shop-v2"


async def needed(room: Room, why: str) -> None:
    """shop-v1 in a state in which it must stay."""
    run = room.store.training.start_run(by="ann", base="b0", args=TrainArgs()).id
    room.store.training.update_run(run, stage="done")
    adapters(room, 1, 2, 3, 4, 5, run=run)
    if why == "in service":
        await room.service.use("ann", "shop-v1")
    elif why == "in blind votes":
        room.store.training.set_state("shop-v1", "challenger")
    elif why == "the last champions":
        for number in (1, 2, 3, 4):
            await room.service.use("ann", f"shop-v{number}")
    else:
        room.vllm.paces["shop-v1"] = 0.05
        await room.chat.ask(ANN, "hello", mode="chat", contestants=["shop-v1"])


async def test_an_adapter_stays_while_it_answers_what_nobody_records(room: Room) -> None:
    adapters(room, 1)
    room.vllm.paces["shop-v1"] = 0.05
    asked = [Message("user", "hello")]
    answer = await room.chat.unrecorded(asked, model="shop-v1", params=room.chat.defaults())
    assert isinstance(answer, AsyncGenerator)
    await anext(answer)
    with pytest.raises(Conflict, match="answering right now"):
        await room.service.delete("ann", "shop-v1")
    await answer.aclose()
    await room.service.delete("ann", "shop-v1")


@pytest.mark.parametrize("why", ["in service", "in blind votes", "the last champions", "answering right now"])
async def test_an_adapter_that_is_needed_stays(room: Room, why: str) -> None:
    await needed(room, why)
    with pytest.raises(Conflict, match=why):
        await room.service.delete("ann", "shop-v1")
    room.registry.verify("shop-v1")
    assert "shop-v1" in [adapter.name for adapter in room.service.adapters()]


async def trained_by_bob(room: Room) -> str:
    """A run that learned from what bob said."""
    turn = await room.chat.ask(BOB, "What does brie cost?", mode="chat")
    await room.done(turn)
    correction = room.store.feedback.add_correction(room.store.turns.get(turn).replies[0].id, "bob", "by bob")
    run = room.store.training.start_run(by="ann", base="b0", args=TrainArgs()).id
    room.store.training.update_run(run, snapshot=room.store.training.add_snapshot("0" * 40, [row(correction)]))
    room.store.training.update_run(run, stage="done")
    return run


@pytest.mark.parametrize("state", ["challenger", "champion"])
async def test_what_learned_from_withdrawn_feedback_may_go_and_is_not_gone_back_to(room: Room, state: str) -> None:
    adapters(room, 1, 2, run=await trained_by_bob(room))
    adapters(room, 3)
    if state == "champion":
        for number in (1, 2, 3):
            await room.service.use("ann", f"shop-v{number}")
    else:
        room.store.training.set_state("shop-v1", "challenger")
    lineage.withdraw(room.store, ANN, "bob")
    if state == "champion":
        with pytest.raises(Conflict, match="in service"):
            await room.service.delete("ann", "shop-v3")
        assert await room.service.rollback("ann") == "base"
    await room.service.delete("ann", "shop-v1")
    assert "shop-v1" not in [adapter.name for adapter in room.service.adapters()]


async def test_a_champion_of_long_ago_may_go_and_going_back_passes_over_it(room: Room) -> None:
    adapters(room, 1, 2, 3, 4, 5)
    for number in (1, 2, 3, 4, 5):
        await room.service.use("ann", f"shop-v{number}")
    await room.service.delete("ann", "shop-v1")
    assert [await room.service.rollback("ann") for _ in range(4)] == ["shop-v4", "shop-v3", "shop-v2", "base"]


async def test_files_stay_while_an_engine_may_still_hold_them(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(room, 1)

    async def gone(name: str, *, only: int | None = None) -> None:
        raise EngineNotReady("The engine is gone.")

    monkeypatch.setattr(room.engine, "unload", gone)
    with pytest.raises(EngineNotReady):
        await room.service.delete("ann", "shop-v1")
    room.registry.verify("shop-v1")
    assert [adapter.name for adapter in room.service.adapters()] == ["shop-v1"]


async def test_while_an_adapter_is_being_deleted_nobody_loads_it(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(room, 1)
    unload, seen = room.engine.unload, []

    async def slow(name: str, *, only: int | None = None) -> None:
        for call in (room.service.use("bob", name), room.service.summon(name), room.service.delete("bob", name)):
            with pytest.raises(Conflict, match="is being deleted") as refused:
                await call
            seen.append(refused.value.message)
        await unload(name, only=only)

    monkeypatch.setattr(room.engine, "unload", slow)
    await room.service.delete("ann", "shop-v1")
    assert len(seen) == 3
    assert left(room) == []
    with pytest.raises(NotFound):
        await room.service.use("ann", "shop-v1")


async def test_two_swaps_at_once_leave_one_champion_that_answers(room: Room) -> None:
    adapters(room, 1, 2, 3)
    await asyncio.gather(*(room.service.use("ann", f"shop-v{n}") for n in (1, 2, 3)))
    champion = room.service.champion()
    turn = await room.chat.ask(ANN, "hello", mode="chat", contestants=["champion"])
    await room.done(turn)
    assert room.store.turns.get(turn).reply("only").text == f"{champion} says so."
    states = {adapter.name: adapter.state for adapter in room.service.adapters()}
    assert states.pop(champion) == "champion"
    assert set(states.values()) == {"retired"}


async def test_a_zip_that_is_sent_in_portions_is_taken_as_a_whole(
    room: Room, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    body = good(tmp_path).zipped().read_bytes()
    assert zipfile.is_zipfile(io.BytesIO(body))

    async def portions() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]

    answer: Any = await client.post("/api/adapters/import", content=portions())
    assert (answer.status_code, answer.json()["name"]) == (201, "shop-v1")


async def test_another_base_begins_with_no_champion_and_keeps_what_people_said(room: Room) -> None:
    adapters(room, 1)
    await room.service.use("ann", "shop-v1")
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    await room.done(turn)
    room.judging.correct(ANN, room.chat.seen(ANN, turn).lanes[0].reply, "Moin!")
    room.store.turns.add_base("b1", "larger")
    larger = Base(BASE.path, "larger", "b1", practice=False)
    service = Service(
        room.store, room.engine, prompter=room.prompter, registry=room.registry, base=larger, settings=room.settings
    )
    assert (service.champion(), service.adapters(), service.desired()) == ("base", [], [])
    assert room.service.champion() == "shop-v1"
    with pytest.raises(Conflict, match="made for another base model"):
        await service.use("ann", "shop-v1")
    assert room.store.feedback.counts() == {"correction/approved": 1}
