"""Pins and progress as a client of the API sees them, and how both are kept."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from room import ANN, Room
from runs import corrected
from sqlite_utils import Database

from ftchat import dataset, web
from ftchat.config import TrainArgs
from ftchat.records import Standing, Verdict
from ftchat.store import Store
from ftchat.store.schema import migrations

PIN = {"prompt": "Do you deliver?", "contains": ["yes"], "lacks": ["no idea"], "matches": r"day(s)?"}


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    made.service.lent = made._lent  # type: ignore[method-assign]  # scripted adapters have no folder
    yield made
    await made.close()


async def test_whose_bad_replies_they_were_is_known(room: Room) -> None:
    """A correction and a thumb of base's and of an adapter's reply, and a vote that both are bad."""
    room.adapter()
    said: dict[str, str] = {}
    for contestant in ("base", "shop-v1"):
        for kind in ("correction", "thumb"):
            turn = await room.chat.ask(ANN, f"{contestant} {kind}?", mode="chat", contestants=[contestant])
            await room.done(turn)
            reply = room.store.turns.get(turn).replies[0].id
            if kind == "correction":
                said[f"{contestant} {kind}"] = room.store.feedback.add_correction(reply, "ann", "better")
            else:
                made = room.store.feedback.add_rating(reply, "ann", "down", reasons=None, comment="")
                said[f"{contestant} {kind}"] = made
    turn = await room.chat.ask(ANN, "both?", mode="compare", contestants=["base", "shop-v1"])
    await room.done(turn)
    both = room.store.turns.get(turn)
    vote = room.store.feedback.add_vote(both, "ann", "both_bad", reasons=None, comment="")
    lanes = {reply.contestant: f"{vote} {reply.lane}" for reply in both.replies}
    for contestant in ("base", "shop-v1"):
        theirs = {said[f"{contestant} correction"], said[f"{contestant} thumb"], lanes[contestant]}
        assert room.store.exams.about("b0", (contestant,)) == theirs
        assert room.store.exams.about("b9", (contestant,)) == set()
    assert len(room.store.exams.about("b0", ("base", "shop-v1"))) == 6


async def test_how_many_were_examined_against_a_champion_is_known(room: Room) -> None:
    log = room.store.training
    for champion, base in (("base", "b0"), ("shop-v1", "b0"), ("base", "b0"), ("base", "b1"), (None, "b0")):
        room.store.turns.add_base(base, "tiny")
        run = log.start_run(by="ann", base=base, args=TrainArgs()).id
        figures = {"champion": champion, "p": 0.5} if champion else {}
        verdict = Verdict(decision="INSUFFICIENT", reasons=("Because.",), figures=figures) if champion else None
        log.update_run(run, stage="done", verdict=verdict)
    assert [room.store.exams.against("b0", name) for name in ("base", "shop-v1", "shop-v9")] == [2, 1, 0]


async def test_a_pin_is_made_once_under_a_key_and_taken_back(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}
    made = [(await client.post("/api/pins", json=PIN, headers=headers)).json() for _ in range(2)]
    assert made[0] == made[1]
    assert {key: made[0][key] for key in PIN} == PIN
    assert (await client.get("/api/pins")).json() == {"items": [made[0]]}
    gone = await client.delete(f"/api/pins/{made[0]['id']}")
    assert gone.json() == {"pin": made[0]["id"], "deleted": True}
    again = await client.delete(f"/api/pins/{made[0]['id']}")
    assert (again.status_code, again.json()["error"]["message"]) == (404, "There is no such pin.")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"contains": [], "lacks": [], "matches": ""}, "needs something to look for"),
        ({"matches": "(a"}, "is no regular expression"),
        ({"prompt": "  "}, "The pinned question is empty."),
    ],
)
async def test_a_pin_that_cannot_be_asked_is_refused_in_words(
    client: httpx.AsyncClient, changed: dict[str, Any], said: str
) -> None:
    refused = await client.post("/api/pins", json={**PIN, **changed})
    assert refused.status_code == 400
    assert said in refused.json()["error"]["message"]
    assert (await client.get("/api/pins")).json() == {"items": []}


@pytest.mark.parametrize("role", ["viewer", "rater", "reviewer", "admin"])
async def test_what_is_pinned_is_told_to_reviewers_only(tmp_path: Path, role: Standing) -> None:
    room = Room(tmp_path, alone=False)
    log = room.store.training
    run = log.start_run(by="ann", base="b0", args=TrainArgs()).id
    reasons = ("It is better.", "Pinned “Do you deliver?”: “yes” is missing.")
    figures = {"groups": 8, "pins": [{"prompt": "Do you deliver?", "broken": {"shop-v1": "“yes” is missing"}}]}
    verdict = Verdict(decision="REJECT", reasons=reasons, figures=figures)
    log.update_run(run, stage="rejected", verdict=verdict, adapter="shop-v1", reason=reasons[0])
    log.add_adapter("shop-v1", number=1, base="b0", run=run)
    log.set_state("shop-v1", "rejected", reasons=reasons)
    token = {"Authorization": f"Bearer {room.accounts.new_token('admin', role)[1]}"}
    transport = httpx.ASGITransport(app=web.build(room.parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860", headers=token) as client:
        for path in ("adapters", "adapters/shop-v1", "runs", f"runs/{run}", f"runs/{run}/events", "progress"):
            said = (await client.get(f"/api/{path}")).text
            reviews = role in ("reviewer", "admin") and path != "progress"
            assert ("Do you deliver?" in said, "“yes” is missing" in said) == (reviews, reviews), path
        assert (await client.get("/api/adapters/shop-v1")).json()["scores"]["groups"] == 8
    await room.close()


async def complete(client: httpx.AsyncClient) -> Any:
    async with asyncio.timeout(20):
        while not (found := (await client.get("/api/progress")).json())["complete"]:
            await asyncio.sleep(0.02)
    return found


async def test_every_version_is_scored_on_the_exam_rows_of_today_and_nothing_twice(
    room: Room, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.adapter("shop-v1")
    room.adapter("shop-v2")
    room.vllm.logprobs |= {"shop-v1": -0.9, "shop-v2": -0.4}
    await corrected(room, 6)
    gathered, rows = list[object](), dataset.rows
    monkeypatch.setattr(dataset, "rows", lambda *given, **named: gathered.append(given) or rows(*given, **named))
    assert [standing.rows for _, found in (room.pipeline.standings.seen() for _ in range(3)) for standing in found] == [
        0
    ] * 12
    assert len(gathered) == 1, "once, however often it is looked while scores are missing"
    first = await complete(client)
    assert (first["rows"], first["trouble"]) == (1, "")
    shown = {item["contestant"]: (item["rows"], item["nll"], item["closer"]) for item in first["items"]}
    assert shown == {
        "shop-v2": (1, pytest.approx(0.4), 1),
        "shop-v1": (1, pytest.approx(0.9), 1),
        "few-shot": (1, pytest.approx(1.0), 0),
        "base": (1, pytest.approx(1.0), 0),
    }
    scored = room.vllm.scored
    assert scored == 4
    assert await complete(client) == first
    assert room.vllm.scored == scored
    await corrected(room, 6, first=6)
    second = await complete(client)
    assert {item["rows"] for item in second["items"]} == {second["rows"]} == {2}
    assert room.vllm.scored <= scored + 5  # few-shot may have new examples in an old row's prompt


async def test_who_cannot_be_scored_is_named(room: Room, client: httpx.AsyncClient) -> None:
    room.adapter("shop-v1")
    room.vllm.fails.add("shop-v1")
    await corrected(room, 6)
    async with asyncio.timeout(20):
        while not (found := (await client.get("/api/progress")).json())["trouble"]:
            await asyncio.sleep(0.02)
    assert found["trouble"].startswith("shop-v1 could not be scored: ")
    assert not found["complete"]


def test_a_home_from_before_pins_and_runs_that_go_on_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ftchat.db"
    path.parent.mkdir()
    old = Database(sqlite3.connect(path), strict=True)
    migrations.apply(old, stop_before="m050_pins")
    old.execute("INSERT INTO bases VALUES ('b0', 'tiny', '')")
    old.execute(
        "INSERT INTO runs (id, by, base, args, stage, created_at) VALUES ('n_1', 'ann', 'b0', '{}', 'done', '')"
    )
    old.conn.commit()
    old.close()
    store = Store(path)
    assert (store.training.run("n_1").stage, store.training.name_of("n_1")) == ("done", None)
    assert store.training.stop_asked("n_1") is False
    assert store.exams.pins() == []
    store.exams.keep_scores("b0", "base", {"x": 1.0})
    assert store.exams.scores("b0", "base") == {"x": 1.0}
    store.close()
