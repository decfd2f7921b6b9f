"""Who is in service: going back, damaged and refused adapters, and two people at once. vLLM is scripted."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from room import ANN, Room
from test_registry import candidate

from ftchat.config import TrainArgs
from ftchat.errors import BadAdapter, Conflict


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    yield made
    await made.close()


def adapters(room: Room, *numbers: int) -> None:
    """Published adapters shop-v1, shop-v2, ..."""
    for number in numbers:
        name = f"shop-v{number}"
        room.registry.publish(candidate(room.settings.home / f"c{number}"), name, base="b0", lineage={})
        room.store.training.add_adapter(name, number=number, base="b0", run=None)


def damage(room: Room, name: str) -> None:
    (room.registry.path(name) / "adapter_model.safetensors").write_bytes(b"damaged")


async def test_going_back_walks_the_line_and_ends_at_base(room: Room) -> None:
    adapters(room, 1, 2, 3)
    for name in ("shop-v1", "shop-v2", "shop-v1", "shop-v3"):
        await room.service.use("ann", name)
    back = [await room.service.rollback("ann") for _ in range(4)]
    assert back == ["shop-v1", "shop-v2", "shop-v1", "base"]
    with pytest.raises(Conflict, match="no earlier champion"):
        await room.service.rollback("ann")


async def test_after_going_back_a_new_champion_starts_from_there(room: Room) -> None:
    adapters(room, 1, 2, 3)
    for name in ("shop-v1", "shop-v2"):
        await room.service.use("ann", name)
    await room.service.rollback("ann")
    await room.service.use("ann", "shop-v3")
    assert room.store.training.line("b0") == ["base", "shop-v1", "shop-v3"]


async def test_going_back_passes_over_a_damaged_champion(room: Room) -> None:
    adapters(room, 1, 2)
    for name in ("shop-v1", "shop-v2"):
        await room.service.use("ann", name)
    damage(room, "shop-v1")
    assert await room.service.rollback("ann") == "base"
    assert room.store.training.adapter("shop-v1").state == "broken"


async def test_a_repeated_request_to_go_back_goes_back_once(room: Room) -> None:
    adapters(room, 1, 2)
    for name in ("shop-v1", "shop-v2"):
        await room.service.use("ann", name)
    assert [await room.service.rollback("ann", key="k") for _ in range(3)] == ["shop-v1"] * 3
    assert room.service.champion() == "shop-v1"


async def test_two_people_going_back_at_once_leave_a_champion_that_answers(room: Room) -> None:
    adapters(room, 1, 2)
    for name in ("shop-v1", "shop-v2"):
        await room.service.use("ann", name)
    found = await asyncio.gather(*(room.service.rollback(user) for user in ("ann", "bob")), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Conflict", "str"]
    assert room.service.champion() == "shop-v1"
    assert await room.service.rollback("ann") == "base"


async def test_a_damaged_champion_steps_aside_and_the_alias_answers(room: Room) -> None:
    adapters(room, 1, 2)
    for name in ("shop-v1", "shop-v2"):
        await room.service.use("ann", name)
    damage(room, "shop-v2")
    with pytest.raises(BadAdapter, match="has changed"):
        await room.service.load("shop-v2")
    assert room.service.champion() == "shop-v1"
    turn = await room.chat.ask(ANN, "hello", mode="chat", contestants=["champion"])
    await room.done(turn)
    assert room.store.turns.get(turn).reply("only").contestant == "shop-v1"


@pytest.mark.parametrize("spoil", ["manifest.json", "adapter_config.json", "adapter_model.safetensors"])
async def test_a_missing_file_is_a_sentence_and_no_crash(room: Room, spoil: str) -> None:
    adapters(room, 1)
    (room.registry.path("shop-v1") / spoil).unlink()
    with pytest.raises(Exception, match="shop-v1"):
        await room.service.load_desired()
    assert room.store.training.adapter("shop-v1").state == "broken"


async def test_a_torn_manifest_is_a_sentence(room: Room) -> None:
    adapters(room, 1)
    (room.registry.path("shop-v1") / "manifest.json").write_text(json.dumps({"name": "x"})[:5])
    with pytest.raises(BadAdapter, match="manifest cannot be read"):
        await room.service.load("shop-v1")


async def test_an_adapter_that_is_not_kept_loaded_is_loaded_when_it_is_chosen(room: Room) -> None:
    adapters(room, 1)
    room.store.training.set_state("shop-v1", "retired")
    assert room.service.desired() == []
    turn = await room.chat.ask(ANN, "hello", mode="chat", contestants=["shop-v1"])
    await room.done(turn)
    assert room.store.turns.get(turn).reply("only").text == "shop-v1 says so."


def lies(room: Room, name: str, *, base: str = "b0") -> None:
    """A published folder that the database knows nothing of."""
    room.registry.publish(candidate(room.settings.home / f"c-{name}"), name, base=base, lineage={})


def test_a_fresh_home_takes_in_what_lies_there_for_its_base_by_its_manifest(room: Room) -> None:
    lies(room, "edda-v3")
    lies(room, "other-v1", base="b1")
    lies(room, "spoilt-v1")
    damage(room, "spoilt-v1")
    assert room.service.adopt() == ["edda-v3"]
    (found,) = room.service.adapters()
    assert (found.name, found.state, found.run) == ("edda-v3", "candidate", None)
    assert found.reasons == ("It came with this home; it was not examined here.",)
    assert room.contestants.names() == ("base", "edda-v3")
    assert room.service.desired() == ["edda-v3"]
    assert room.store.training.next_number("edda", above=0) == 4


def test_a_home_that_has_trained_or_deleted_takes_in_nothing_by_itself(room: Room) -> None:
    lies(room, "edda-v1")
    room.service.adopt()
    room.store.training.delete_adapter("edda-v1", by="ann")
    assert room.service.adopt() == []
    assert room.service.adapters() == []


def test_what_a_run_was_about_to_make_known_is_left_to_it(room: Room) -> None:
    room.store.training.start_run(by="ann", base="b0", args=TrainArgs())
    lies(room, "shop-v1")
    assert room.service.adopt() == []
