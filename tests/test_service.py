"""Who is in service: going back, damaged and refused adapters, and two people at once. vLLM is scripted."""

import asyncio
import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from room import ANN, Room
from test_registry import candidate

from ftchat.config import TrainArgs
from ftchat.errors import BadAdapter, Conflict, EngineError
from ftchat.reconcile import Reconcile
from ftchat.records import AdapterState


def adapters(room: Room, *numbers: int, run: str | None = None) -> None:
    """Published adapters shop-v1, shop-v2, ..."""
    for number in numbers:
        name = f"shop-v{number}"
        room.registry.publish(candidate(room.settings.home / f"c{number}"), name, base="b0", lineage={})
        room.store.training.add_adapter(name, number=number, base="b0", run=run)
        room.vllm.logprobs[name] = -0.5


async def in_service(room: Room, *numbers: int) -> None:
    """Published, and put into service one after the other."""
    adapters(room, *numbers)
    for number in numbers:
        await room.service.use("ann", f"shop-v{number}")


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
    await in_service(room, 1, 2)
    damage(room, "shop-v1")
    assert await room.service.rollback("ann") == "base"
    assert room.store.training.adapter("shop-v1").state == "broken"


async def test_a_repeated_request_to_go_back_goes_back_once(room: Room) -> None:
    await in_service(room, 1, 2)
    assert [await room.service.rollback("ann", key="k") for _ in range(3)] == ["shop-v1"] * 3
    assert room.service.champion() == "shop-v1"


async def test_two_people_going_back_at_once_leave_a_champion_that_answers(room: Room) -> None:
    await in_service(room, 1, 2)
    found = await asyncio.gather(*(room.service.rollback(user) for user in ("ann", "bob")), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Conflict", "str"]
    assert room.service.champion() == "shop-v1"
    assert await room.service.rollback("ann") == "base"


async def test_a_damaged_champion_steps_aside_and_the_alias_answers(room: Room) -> None:
    await in_service(room, 1, 2)
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


@pytest.mark.parametrize("reads", ["ftchat.registry.sha256", "pathlib.Path.read_bytes"])  # weights, and the manifest
async def test_an_adapter_that_cannot_be_read_just_now_stays_in_service(
    room: Room, monkeypatch: pytest.MonkeyPatch, reads: str
) -> None:
    adapters(room, 1)
    await room.service.use("ann", "shop-v1")

    def full(path: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(reads, full)
    with pytest.raises(EngineError, match="cannot be read just now"):
        await room.service.load_desired()
    assert (room.service.champion(), room.store.training.adapter("shop-v1").state) == ("shop-v1", "champion")


def refusing(room: Room, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """An engine that takes these adapters no more."""
    load = room.engine.load

    async def loaded(name: str, path: Path, *, only: int | None = None) -> None:
        if name in names:
            raise BadAdapter(f"The engine refused the adapter {name}: its rank is too large.")
        await load(name, path, only=only)

    monkeypatch.setattr(room.engine, "load", loaded)


async def test_a_champion_that_the_engine_refuses_steps_aside_for_one_that_it_takes(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_service(room, 1, 2)
    refusing(room, monkeypatch, "shop-v2")
    with pytest.raises(BadAdapter, match="rank is too large"):
        await room.service.load("shop-v2")
    assert (room.service.champion(), room.store.training.adapter("shop-v2").state) == ("shop-v1", "broken")


async def test_where_the_engine_refuses_the_one_before_it_too_both_stay_as_they_are(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_service(room, 1, 2)
    refusing(room, monkeypatch, "shop-v1", "shop-v2")
    with pytest.raises(EngineError, match=r"rank is too large\. It refuses shop-v1, too, so both stay as they are\."):
        await room.service.load("shop-v2")
    found = {adapter.name: adapter.state for adapter in room.service.adapters()}
    assert (room.service.champion(), found) == ("shop-v2", {"shop-v2": "champion", "shop-v1": "retired"})


async def test_going_back_waits_for_no_engine(room: Room) -> None:
    await in_service(room, 1, 2, 3)
    damage(room, "shop-v2")
    room.vllm.kill()
    assert await room.service.rollback("ann") == "shop-v1"


@pytest.mark.parametrize("state", ["candidate", "rejected", "broken"])
async def test_what_nobody_tried_is_tried_before_it_is_in_service(room: Room, state: AdapterState) -> None:
    adapters(room, 1)
    room.store.training.set_state("shop-v1", state)
    room.vllm.logprobs["shop-v1"] = -1.0  # as base
    with pytest.raises(BadAdapter, match="It has no effect"):
        await room.service.use("ann", "shop-v1")
    assert room.service.champion() == "base"
    room.vllm.logprobs["shop-v1"] = -0.5
    await room.service.use("ann", "shop-v1")
    assert room.service.champion() == "shop-v1"


def test_a_folder_that_cannot_be_looked_at_for_a_full_disk_keeps_no_app_from_starting(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lies(room, "shop-v7")

    def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ftchat.registry.unpack", full)
    assert room.service.adopt() == []
    assert "shop-v7 lies in adapters/ and is not taken in. [Errno 28] No space left" in caplog.text


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


def lies(room: Room, name: str, *, base: str = "b0", **lineage: Any) -> None:
    """A published folder that the database knows nothing of."""
    room.registry.publish(candidate(room.settings.home / f"c-{name}"), name, base=base, lineage=lineage)


def test_what_lies_complete_and_unknown_in_adapters_is_taken_in_by_its_manifest(room: Room) -> None:
    adapters(room, 1)
    lies(room, "edda-v3")
    lies(room, "other-v1", base="b1")  # waits for its base
    assert room.service.adopt() == ["edda-v3"]
    found = room.store.training.adapter("edda-v3")
    assert (found.state, found.run) == ("candidate", None)
    assert found.reasons == ("It was found in adapters/; it was not examined here.",)
    assert room.contestants.names() == ("base", "edda-v3", "shop-v1")
    assert room.service.desired() == ["edda-v3", "shop-v1"]
    assert room.store.training.next_number("edda", above=0) == 4
    assert room.service.adopt() == []


def cut_weights(room: Room) -> None:
    damage(room, "shop-v7")


def cut_manifest(room: Room) -> None:
    (room.registry.path("shop-v7") / "manifest.json").write_text('{"name": "sh')


def list_as_manifest(room: Room) -> None:
    (room.registry.path("shop-v7") / "manifest.json").write_text("[]")


def without_hashes(room: Room) -> None:
    (room.registry.path("shop-v7") / "manifest.json").write_text('{"name": "shop-v7", "base": "b0"}')


def no_list_of_files(room: Room) -> None:
    (room.registry.path("shop-v7") / "manifest.json").write_text('{"name": "shop-v7", "base": "b0", "files": []}')


def renamed(room: Room) -> None:
    lies(room, "shop-v8")
    room.registry.remove("shop-v7")
    (room.registry.path("shop-v8")).rename(room.registry.root / "shop-v7")


def code_beside_it(room: Room) -> None:
    (room.registry.path("shop-v7") / "optimizer.pt").write_bytes(b"x")


def no_weights(room: Room) -> None:
    (room.registry.path("shop-v7") / "adapter_model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (cut_weights, "adapter_model.safetensors has changed since it was published"),
        (cut_manifest, "its manifest cannot be read"),
        (list_as_manifest, "its manifest cannot be read"),
        (without_hashes, "its manifest names no files"),
        (no_list_of_files, "its manifest names no files"),
        (renamed, "Its manifest says that it is shop-v8: import it"),
        (code_beside_it, "'optimizer.pt' is not taken"),
        (no_weights, "adapter_model.safetensors cannot be read"),
    ],
)
def test_what_is_not_sound_is_listed_nowhere_stays_where_it_lies_and_the_log_says_why(
    room: Room, caplog: pytest.LogCaptureFixture, spoil: Callable[[Room], None], why: str
) -> None:
    lies(room, "shop-v7")
    spoil(room)
    assert room.service.adopt() == []
    assert room.service.adapters() == []
    assert room.contestants.names() == ("base",)
    assert "shop-v7 lies in adapters/ and is not taken in. " in caplog.text
    assert why in caplog.text
    assert [path.name for path in room.registry.root.iterdir()] == ["shop-v7"]


def test_half_a_folder_is_neither_listed_nor_taken_in(room: Room) -> None:
    lies(room, "shop-v7")
    (room.registry.path("shop-v7") / "manifest.json").unlink()
    assert (room.service.adopt(), room.service.adapters(), room.registry.names()) == ([], [], [])


def test_a_deleted_adapter_does_not_come_back_by_itself(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    lies(room, "edda-v1")
    room.service.adopt()
    room.store.training.delete_adapter("edda-v1", by="ann")
    assert room.service.adopt() == []
    assert room.service.adapters() == []
    assert "edda-v1 lies in adapters/ and is not taken in. It was deleted: remove its folder" in caplog.text


def test_what_a_run_is_about_to_make_known_is_left_to_it_and_taken_in_once_the_run_was_given_up(room: Room) -> None:
    log = room.store.training
    run = log.start_run(by="ann", base="b0", args=TrainArgs()).id
    lies(room, log.name_for(run, "shop", above=0), run=run)
    assert room.service.adopt() == []
    log.update_run(run, stage="failed", reason="It was given up.")
    assert room.service.adopt() == ["shop-v1"]
    assert log.adapter("shop-v1").run == run  # so it is known what it was taught
    lies(room, "shop-v2", run="n_0")  # of another home
    assert room.service.adopt() == ["shop-v2"]
    assert log.adapter("shop-v2").run is None


async def test_what_was_taken_in_at_start_is_tried_by_the_engine_and_then_put_to_the_vote_or_broken(room: Room) -> None:
    for name in ("shop-v1", "shop-v2"):
        lies(room, name)
    room.vllm.logprobs["shop-v1"] = -0.5  # the other one says what base says
    room.service.adopt()
    await Reconcile(room.engine, room.service).look()
    found = {adapter.name: (adapter.state, adapter.reasons) for adapter in room.service.adapters()}
    assert found == {
        "shop-v1": ("challenger", ("It was found in adapters/; it was not examined here.",)),
        "shop-v2": ("broken", ("It has no effect: the engine answers as the base does.",)),
    }


async def test_what_cannot_be_tried_yet_keeps_nobody_else_waiting(room: Room) -> None:
    for name in ("shop-v1", "shop-v2"):
        lies(room, name)
        room.vllm.logprobs[name] = -0.5
    room.service.adopt()
    room.vllm.fails.add("shop-v2")
    await room.service.admit()
    assert {one.name: one.state for one in room.service.adapters()} == {"shop-v1": "challenger", "shop-v2": "candidate"}


async def test_the_candidate_of_a_run_that_is_on_is_left_to_its_exam(room: Room) -> None:
    log = room.store.training
    run = log.start_run(by="ann", base="b0", args=TrainArgs()).id
    lies(room, log.name_for(run, "shop", above=0), run=run)
    log.add_adapter("shop-v1", number=1, base="b0", run=run)
    await room.service.admit()
    assert log.adapter("shop-v1").state == "candidate"
