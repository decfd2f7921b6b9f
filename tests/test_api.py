"""The calls of the API one by one: what each gives to whom, and what it refuses."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from room import Room
from test_api_examples import furnished

from ftchat import web
from ftchat.config import TrainArgs
from ftchat.engine import Engine
from ftchat.records import STANDINGS, Message, Row, Standing, Verdict
from ftchat.server import Server
from ftchat.web.repeats import Repeats


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path, alone=False)
    yield made
    await made.close()


class Caller(httpx.AsyncClient):
    """A client with a role, that says what went wrong when a call is not answered."""

    def __init__(self, room: Room, role: Standing | None) -> None:
        secret = room.accounts.new_token("admin", role)[1] if role else ""
        super().__init__(
            transport=httpx.ASGITransport(app=web.build(room.parts)),
            base_url="http://127.0.0.1:7860",
            headers={"Authorization": f"Bearer {secret}"} if role else {},
        )

    async def gave(self, path: str) -> Any:
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def posted(self, path: str, **body: Any) -> Any:
        answer = await self.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


@pytest.fixture
async def admin(room: Room) -> AsyncIterator[Caller]:
    async with Caller(room, "admin") as made:
        yield made


@pytest.fixture
async def rater(room: Room) -> AsyncIterator[Caller]:
    async with Caller(room, "rater") as made:
        yield made


def refused(answer: httpx.Response, status: int, message: str) -> None:
    """A refusal in the one form, with the sentence that is expected."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"type", "message"}
    assert message in answer.json()["error"]["message"]


# -- reading back --


async def test_conversations_come_in_pages_and_are_found_by_words(rater: Caller) -> None:
    for number in range(5):
        await rater.posted("/api/turns", prompt=f"Question {number}", mode="compare" if number == 4 else "chat")
        await asyncio.sleep(0.002)

    first = await rater.gave("/api/conversations?limit=2&mode=chat")
    second = await rater.gave(f"/api/conversations?limit=2&mode=chat&before={first['next']}")
    found = await rater.gave("/api/conversations?search=question 1")

    titles = [item["title"] for item in first["items"] + second["items"]]
    assert titles == ["Question 3", "Question 2", "Question 1", "Question 0"]
    assert (first["next"], second["next"]) == (first["items"][1]["id"], None)
    assert [item["title"] for item in found["items"]] == ["Question 1"]


async def test_what_is_anothers_is_not_there_but_for_reviewers(room: Room, admin: Caller, rater: Caller) -> None:
    turn = await rater.posted("/api/turns", prompt="hello")
    async with Caller(room, "viewer") as viewer:
        for path in (f"/api/turns/{turn['turn']}", f"/api/conversations/{turn['conversation']}"):
            assert (await rater.get(path)).status_code == (await admin.get(path)).status_code == 200
            refused(await viewer.get(path), 404, "There is no such")
        for whose in ("mine", "all"):
            assert await viewer.gave(f"/api/conversations?whose={whose}") == {"items": [], "next": None}
    assert (await admin.gave("/api/conversations"))["items"] == []
    (seen,) = (await admin.gave("/api/conversations?whose=all"))["items"]
    assert seen["id"] == turn["conversation"]


async def test_a_conversation_shows_its_branches_and_the_newest_path(rater: Caller) -> None:
    first = await rater.posted("/api/turns", prompt="hello", system="Be brief.")
    second = await rater.posted("/api/turns", prompt="and?", conversation=first["conversation"])
    other = await rater.posted(f"/api/turns/{second['turn']}/regenerate")
    third = await rater.posted("/api/turns", prompt="so?", after=second["turn"])

    whole = await rater.gave(f"/api/conversations/{first['conversation']}")

    assert whole["system"] == "Be brief."
    assert {turn["turn"] for turn in whole["turns"]} == {t["turn"] for t in (first, second, other, third)}
    assert whole["path"] == [first["turn"], second["turn"], third["turn"]]
    assert (await rater.gave(f"/api/turns/{second['turn']}"))["siblings"] == [second["turn"], other["turn"]]


# -- judging --


@pytest.mark.parametrize("kind", ["vote", "rating", "correction"])
async def test_what_was_given_is_taken_back_by_who_gave_it(kind: str, rater: Caller, admin: Caller) -> None:
    turn = await rater.posted("/api/turns", prompt="hello", mode="compare" if kind == "vote" else "chat")
    reply = turn["lanes"][0]["reply"]
    bodies = {
        "vote": {"turn": turn["turn"], "winner": "left"},
        "rating": {"reply": reply, "value": "up"},
        "correction": {"reply": reply, "text": "Better."},
    }
    given = (await rater.posted(f"/api/{kind}s", **bodies[kind]))[kind]
    assert [item["id"] for item in (await rater.gave("/api/feedback"))["items"]] == [given]

    refused(await admin.post(f"/api/{kind}s/{given}/undo"), 404, "There is no such feedback.")
    for _ in range(2):
        assert (await rater.posted(f"/api/{kind}s/{given}/undo")) == {kind: given, "undone": True}

    assert await rater.gave("/api/feedback") == {"items": [], "next": None}
    others = {"vote": "ratings", "rating": "corrections", "correction": "votes"}
    refused(await rater.post(f"/api/{others[kind]}/{given}/undo"), 400, "This is not the id of a")


async def test_a_lane_shows_what_was_given_on_it_with_the_ids_that_undo_takes(rater: Caller) -> None:
    turn = await rater.posted("/api/turns", prompt="hello")
    reply = turn["lanes"][0]["reply"]
    rating = (await rater.posted("/api/ratings", reply=reply, value="down"))["rating"]
    correction = (await rater.posted("/api/corrections", reply=reply, text="Better."))["correction"]

    lane = (await rater.gave(f"/api/turns/{turn['turn']}"))["lanes"][0]

    assert (lane["rated"], lane["rating"]) == ("down", rating)
    assert (lane["corrected"], lane["correction"]) == ("Better.", correction)


async def test_a_redraft_is_proposed_and_nothing_is_kept(room: Room, rater: Caller) -> None:
    room.adapter(says="Too long an answer.")
    turn = await rater.posted("/api/turns", prompt="hello", contestants=["shop-v1"])
    reply = turn["lanes"][0]["reply"]

    proposed = await rater.posted("/api/redrafts", reply=reply, instruction="shorter")

    assert proposed == {"text": "The answer is plain."}
    assert room.store.feedback.counts() == {}
    refused(await rater.post("/api/redrafts", json={"reply": reply, "instruction": " "}), 400, "instruction")
    refused(await rater.post("/api/redrafts", json={"reply": "r_0", "instruction": "x"}), 404, "no such reply")


# -- feedback --


async def corrected(caller: Caller, prompt: str, text: str = "Better.") -> str:
    turn = await caller.posted("/api/turns", prompt=prompt)
    given = await caller.posted("/api/corrections", reply=turn["lanes"][0]["reply"], text=text)
    return str(given["correction"])


async def test_raters_see_what_they_gave_and_reviewers_everything(room: Room, admin: Caller, rater: Caller) -> None:
    theirs = await corrected(rater, "What does the brie cost?", "BRIE: 5 euros")
    await asyncio.sleep(0.002)
    ours = await corrected(admin, "hello")

    assert [item["id"] for item in (await admin.gave("/api/feedback"))["items"]] == [ours, theirs]
    (item,) = (await rater.gave("/api/feedback"))["items"]
    turn, reply = room.store.turns.turn_of(item["reply"])
    assert item == {
        "id": theirs,
        "kind": "correction",
        "status": "pending",
        "rater": "api-rater",
        "turn": turn.id,
        "reply": reply.id,
        "prompt": "What does the brie cost?",
        "value": "BRIE: 5 euros",
        "original": "The answer is plain.",
        "contestant": "base",
        "split": None,
        "created_at": item["created_at"],
    }


async def test_feedback_comes_in_pages_and_is_narrowed(admin: Caller, rater: Caller) -> None:
    for number in range(3):
        await corrected(rater, f"Cheese {number}")
        await asyncio.sleep(0.002)
    await corrected(admin, "Cheese 9")

    first = await admin.gave("/api/feedback?status=pending&kind=correction&limit=2")
    second = await admin.gave(f"/api/feedback?status=pending&kind=correction&limit=2&after={first['next']}")

    assert [item["prompt"] for item in first["items"] + second["items"]] == ["Cheese 2", "Cheese 1", "Cheese 0"]
    assert second["next"] is None
    assert (await admin.gave("/api/feedback?kind=vote"))["items"] == []
    assert [i["prompt"] for i in (await admin.gave("/api/feedback?search=cheese 1"))["items"]] == ["Cheese 1"]
    refused(await admin.get("/api/feedback?status=great"), 400, "status")
    refused(await admin.get("/api/feedback?limit=0"), 400, "limit")
    refused(await admin.get("/api/feedback?after=nonsense"), 400, "after is not where a page of this list ends")


async def test_review_is_all_or_nothing_and_repeating_it_changes_nothing(admin: Caller, rater: Caller) -> None:
    ids = [await corrected(rater, f"Cheese {number}") for number in range(3)]

    refused(
        await admin.post("/api/feedback/review", json={"ids": [*ids, "k_unknown"], "status": "approved"}),
        404,
        "There is no feedback 'k_unknown'",
    )
    assert len((await admin.gave("/api/feedback?status=pending"))["items"]) == 3

    decided = [await admin.posted("/api/feedback/review", ids=[*ids, ids[0]], status="approved") for _ in range(2)]
    assert decided == [{"status": "approved", "changed": 3}, {"status": "approved", "changed": 0}]
    assert {item["split"] for item in (await admin.gave("/api/feedback?status=approved"))["items"]} == {"train"}

    refused(await rater.post("/api/feedback/review", json={"ids": ids, "status": "rejected"}), 403, "reviewer")
    refused(await admin.post("/api/feedback/review", json={"ids": [], "status": "rejected"}), 400, "ids has 0")


async def test_files_go_out_to_reviewers_and_come_in_from_admins(room: Room, admin: Caller, rater: Caller) -> None:
    await corrected(admin, "What does the brie cost?", "BRIE: 5 euros")
    await corrected(rater, "And the gouda?", "GOUDA: 4 euros")

    answer = await admin.get("/api/feedback/export?format=sft")
    everything = await admin.get("/api/feedback/export?format=raw&status=all")

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="shop-sft.jsonl"'
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {
            "prompt": [{"role": "user", "content": "What does the brie cost?"}],
            "completion": [{"role": "assistant", "content": "BRIE: 5 euros"}],
        }
    ]
    assert len(everything.text.splitlines()) == 2

    more = '{"prompt": "And the feta?", "completion": "FETA: 3 euros"}'
    taken = (await admin.post("/api/feedback/import", content=answer.text + more)).json()
    assert (taken["imported"], taken["skipped"]) == (1, 1)
    assert room.store.feedback.get(taken["ids"][0]).status == "approved"
    refused(await admin.post("/api/feedback/import", content="{}\nx"), 400, "Line 1: prompt must be")
    refused(await rater.post("/api/feedback/import", content=more), 403, "admin")
    refused(await rater.get("/api/feedback/export"), 403, "reviewer")
    refused(await admin.get("/api/feedback/export?format=csv"), 400, "format")


# -- runs and adapters --


async def test_a_second_press_is_refused_with_the_id_of_the_run_that_is_on(admin: Caller) -> None:
    await corrected(admin, "What does the brie cost?", "BRIE: 5 euros")
    run = await admin.posted("/api/runs", effort="quick")

    refused(await admin.post("/api/runs", json={}), 409, run["id"])
    stopped = await admin.posted(f"/api/runs/{run['id']}/stop")
    events = (await admin.get(f"/api/runs/{run['id']}/events")).text.strip().split("\n\n")

    assert stopped["id"] == run["id"]
    last = json.loads(events[-1].removeprefix("event: run\ndata: "))
    assert last == await admin.gave(f"/api/runs/{run['id']}")
    assert (last["stage"], last["reasons"]) == ("stopped", ["Stopped before the training began."])
    (item,) = (await admin.gave("/api/runs"))["items"]
    assert item == {key: last[key] for key in item}
    refused(await admin.post(f"/api/runs/{run['id']}/stop"), 409, "already ended")


async def test_an_adapter_is_shown_with_where_it_comes_from_and_what_its_exam_measured(tmp_path: Path) -> None:
    room = furnished(tmp_path)
    run = room.store.training.start_run(by="ann", base="b0", args=TrainArgs())
    verdict = Verdict(decision="REJECT", reasons=("It forgets.",), figures={"groups": 9, "replay": {"rise": 0.5}})
    room.store.training.update_run(run.id, verdict=verdict, stage="rejected")
    room.store.training.add_adapter("shop-v2", number=2, base="b0", run=run.id)

    async with Caller(room, None) as client:
        found = await client.gave("/api/adapters")

    assert [item["name"] for item in found["items"]] == ["shop-v2", "shop-v1"]
    assert found["items"][0]["lineage"] == {
        "run": run.id, "base": "b0", "snapshot": None, "base_name": None, "parent": None,
    }  # fmt: skip
    assert (found["items"][0]["verdict"], found["items"][0]["scores"]) == ("REJECT", verdict.figures)
    assert found["items"][1]["lineage"] == {
        "run": None, "base": "b0", "snapshot": "5f2c", "base_name": "starter", "parent": None,
    }  # fmt: skip
    await room.close()


async def test_which_feedback_trained_an_adapter_is_told_to_reviewers_only(room: Room) -> None:
    log, said = room.store.training, (Message("user", "question?"),)
    rows = [
        Row(
            id=f"k_{at}", role="target", split=split, weight=1.0, group="g", messages=said, target="answer",
            rejected=None, rater="ann",
        )
        for at, split in enumerate(("train", "tune", "exam"))
    ]  # fmt: skip
    run = log.start_run(by="ann", base="b0", args=TrainArgs()).id
    log.update_run(run, snapshot=log.add_snapshot("5" * 40, rows), stage="done", adapter="shop-v1")
    log.add_adapter("shop-v1", number=1, base="b0", run=run)
    told = {}
    for role in STANDINGS:
        async with Caller(room, role) as client:
            told[role] = (await client.gave("/api/adapters/shop-v1"))["trained_on"]
    assert told == {"viewer": [], "rater": [], "reviewer": ["k_0"], "admin": ["k_0"]}, "the rest chose and examined"


async def test_a_download_is_the_published_files_byte_for_byte(tmp_path: Path) -> None:
    room = furnished(tmp_path)
    folder = room.registry.path("shop-v1")

    async with Caller(room, None) as client:
        answers = [await client.get("/api/adapters/shop-v1/download") for _ in range(2)]
        (folder / "adapter_model.safetensors").write_bytes(b"changed")
        refused(await client.get("/api/adapters/shop-v1/download"), 400, "has changed since it was published")
        refused(await client.get("/api/adapters/shop-v9/download"), 404, "no adapter called shop-v9")
        refused(await client.get("/api/adapters/..%2Fdata/download"), 404, "There is n")

    assert answers[0].headers["content-disposition"] == 'attachment; filename="shop-v1.zip"'
    assert answers[0].content == answers[1].content
    with zipfile.ZipFile(io.BytesIO(answers[0].content)) as found:
        assert found.testzip() is None
        assert found.namelist() == ["adapter_config.json", "adapter_model.safetensors", "manifest.json"]
        assert found.read("manifest.json") == (folder / "manifest.json").read_bytes()
    await room.close()


@pytest.fixture
async def unpacked(tmp_path: Path, adapters: list[Path]) -> Path:
    """A real adapter that was published, downloaded and unpacked elsewhere."""
    room = Room(tmp_path)
    room.registry.publish(adapters[0], "shop-v1", base="b0", lineage={})
    room.adapter()
    async with Caller(room, None) as client:
        answer = await client.get("/api/adapters/shop-v1/download")
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path / "unpacked")
    await room.close()
    return tmp_path / "unpacked"


def test_peft_loads_what_was_downloaded(unpacked: Path, starter_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(starter_path), unpacked)

    assert model.peft_config["default"].r == 8


@pytest.mark.engine
async def test_vllm_loads_what_was_downloaded(unpacked: Path, vllm: Server, adapters: list[Path]) -> None:
    """Loaded beside the folder it was made from, it scores a text as that one does, and not as base does."""
    client, ids = Engine([vllm.endpoint]), list(range(10, 40))
    await client.load("downloaded-v1", unpacked)
    await client.load("original-v1", adapters[0])

    scores = [await client.score(name, ids, 1) for name in ("downloaded-v1", "original-v1", "base")]

    assert scores[0] == pytest.approx(scores[1], abs=0.05)
    assert scores[0] != pytest.approx(scores[2], abs=0.05)
    for name in ("downloaded-v1", "original-v1"):
        await client.unload(name)
    await client.close()


# -- for OpenAI's clients --


async def test_an_unknown_model_is_404_as_those_clients_expect(rater: Caller) -> None:
    body = {"model": "gpt-9", "messages": [{"role": "user", "content": "hello"}]}

    refused(await rater.post("/v1/chat/completions", json=body), 404, "There is no model called 'gpt-9'")


async def test_text_parts_stop_and_sampling_reach_the_engine_and_nothing_else_does(room: Room, rater: Caller) -> None:
    parts = [{"type": "text", "text": "What does "}, {"type": "text", "text": "it cost?"}]
    body = {"messages": [{"role": "user", "content": parts}], "stop": "euro", "temperature": 0, "max_tokens": 9}

    await rater.posted("/v1/chat/completions", **body, seed=7, logit_bias={"5": 9}, user="ann", echo=True, best_of=9)

    sent = room.vllm.bodies[-1]
    assert "What does it cost?" in room.prompter.decode(sent.pop("prompt"))
    assert sent == {
        "model": "base",
        "n": 1,
        "temperature": 0.0,
        "top_p": 0.95,
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": 7,
        "stop": ["euro"],
    }


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"temperature": 3}, "temperature is 3.0"),
        ({"stop": ["a"] * 5}, "stop takes up to 4"),
        ({"seed": 2**70}, "seed is"),
        ({"messages": []}, "The last message must be the user's."),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "must be text"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}, "must be the user's"),
        (
            {"messages": [{"role": r, "content": "a"} for r in ("user", "system", "user")]},
            "A system message must be the first.",
        ),
    ],
)
async def test_a_completion_that_cannot_be_given_says_why(more: dict[str, Any], message: str, rater: Caller) -> None:
    body = {"messages": [{"role": "user", "content": "hello"}], **more}

    refused(await rater.post("/v1/chat/completions", json=body), 400, message)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("record", ["yes", "no"])
async def test_an_answer_whose_client_is_gone_is_ended(stream: bool, record: str, tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.vllm.answers["base"] = "word " * 500
    room.vllm.pace_s = 0.01
    body = json.dumps({"messages": [{"role": "user", "content": "hello"}], "stream": stream}).encode()
    begun = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not begun.is_set():
            begun.set()
            return {"type": "http.request", "body": body, "more_body": False}
        while not room.vllm.bodies:
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1:7860"),
            (b"content-type", b"application/json"),
            (b"x-ftchat-record", record.encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 7860),
        "scheme": "http",
        "root_path": "",
    }
    await asyncio.wait_for(web.build(room.parts)(scope, receive, send), 20)
    await room.chat.close()

    assert room.vllm.closed == 1  # vLLM stops when its stream is closed
    kept = [
        room.store.turns.get(t)
        for c in room.store.turns.conversations(None, limit=9)
        for t in room.store.turns.of_conversation(c.id)
    ]
    assert [turn.replies[0].finish for turn in kept] == (["cut"] if record == "yes" else [])
    await room.close()


# -- idempotency --


async def test_every_post_under_a_key_is_done_once_and_answered_alike(tmp_path: Path) -> None:
    """Each POST of the description is sent twice with the same key; between them something else changes the state."""
    room = furnished(tmp_path)
    async with Caller(room, None) as client:
        calls = await _posts(client, room)
        described = web.build(room.parts).openapi()["paths"]
        posts = {path for path, methods in described.items() if "post" in methods} - NEED_FILES
        assert set(calls) == posts, "every POST has a call here"
        wrong, run = {}, ""
        for path, (where, body) in calls.items():
            answers = []
            for _ in range(2):
                headers = {"Idempotency-Key": "the same"}
                content = {"content": body} if isinstance(body, str) else {"json": body}
                answers.append(await client.post(where.format(run=run), headers=headers, **content))
            first, second = answers
            run = first.json()["id"] if path == "/api/runs" else run  # the next call stops it
            if path in SECRETS:
                assert (first.status_code, second.status_code) == (201, 409), path
            elif (first.status_code, _lasting(first)) != (second.status_code, _lasting(second)):
                wrong[path] = [answer.text for answer in answers]
            elif first.status_code >= 300:
                wrong[path] = first.text
        assert wrong == {}
    await room.close()


# A run's own snapshot, an adapter's zip: test_again.py and test_registry_hostile.py send these twice.
NEED_FILES = {"/api/runs/{run}/again", "/api/adapters/import"}
SECRETS = ("/api/invitations", "/api/tokens", "/api/users/{name}/password-link")  # shown once


def _lasting(answer: httpx.Response) -> Any:
    """What an answer says but for how far a run is."""
    if answer.headers["content-type"].startswith("text/"):
        return answer.text
    found = answer.json()
    return found["id"] if "stage" in found else {k: v for k, v in found.items() if k not in ("id", "created")}


async def _posts(client: Caller, room: Room) -> dict[str, tuple[str, Any]]:
    """A call for every POST, on turns that are there for it."""

    async def turn(**more: Any) -> Any:
        return await client.posted("/api/turns", prompt="hello", **more)

    async def voted() -> str:
        vote = await client.posted("/api/votes", turn=(await turn(mode="compare"))["turn"], winner="left")
        return str(vote["vote"])

    chat, duel, by_adapter = await turn(), await turn(mode="compare"), await turn(contestants=["shop-v1"])
    reply, id_ = chat["lanes"][0]["reply"], chat["turn"]
    rating = (await client.posted("/api/ratings", reply=reply, value="up"))["rating"]
    correction = (await client.posted("/api/corrections", reply=reply, text="Better."))["correction"]
    other = (await turn())["lanes"][0]["reply"]
    alike, said = [(await turn(contestants=["base"]))["lanes"][0] for _ in range(2)]
    signed = await client.posted("/api/corrections", reply=said["reply"], text=f"{said['text']} Warm wishes!")
    session = (await client.posted("/api/sessions", prompts=["one", "two"]))["id"]
    while "turn" not in (ahead := await client.gave(f"/api/sessions/{session}/next")):
        await asyncio.sleep(0.01)
    invitation = await client.posted("/api/invitations", role="rater")
    token = await client.posted("/api/tokens", role="rater")
    await client.posted("/api/adapters/shop-v1/promote")
    messages = [{"role": "user", "content": "hello"}]
    user = "/api/users/api-rater"
    return {
        "/api/turns": ("/api/turns", {"prompt": "hello"}),
        "/api/turns/{turn}/regenerate": (f"/api/turns/{id_}/regenerate", {}),
        "/api/turns/{turn}/again": (f"/api/turns/{id_}/again", None),
        "/api/turns/{turn}/stop": (f"/api/turns/{id_}/stop", None),
        "/api/votes": ("/api/votes", {"turn": duel["turn"], "winner": "tie"}),
        "/api/votes/{vote}/reasons": (f"/api/votes/{await voted()}/reasons", {"comment": "because"}),
        "/api/votes/{vote}/undo": (f"/api/votes/{await voted()}/undo", None),
        "/api/ratings": ("/api/ratings", {"reply": other, "value": "down"}),
        "/api/ratings/{rating}/undo": (f"/api/ratings/{rating}/undo", None),
        "/api/corrections": ("/api/corrections", {"reply": other, "text": "Much better."}),
        "/api/corrections/{correction}/undo": (f"/api/corrections/{correction}/undo", None),
        "/api/corrections/{correction}/similar": (
            f"/api/corrections/{signed['correction']}/similar",
            {"replies": [alike["reply"]]},
        ),
        "/api/redrafts": ("/api/redrafts", {"reply": by_adapter["lanes"][0]["reply"], "instruction": "shorter"}),
        "/api/sessions": ("/api/sessions", {"prompts": "one\ntwo"}),
        "/api/sessions/{session}/skip": (f"/api/sessions/{session}/skip", {"turn": ahead["turn"]["turn"]}),
        "/api/sessions/{session}/end": (f"/api/sessions/{session}/end", None),
        "/api/pins": ("/api/pins", {"prompt": "Do you deliver?", "contains": ["yes"]}),
        "/api/feedback/review": ("/api/feedback/review", {"ids": [await voted()], "status": "rejected"}),
        "/api/feedback/import": ("/api/feedback/import", '{"prompt": "a", "completion": "b"}'),
        "/api/runs": ("/api/runs", {"effort": "quick"}),
        "/api/runs/{run}/stop": ("/api/runs/{run}/stop", None),
        "/api/adapters/{name}/promote": ("/api/adapters/shop-v1/promote", None),
        "/api/rollback": ("/api/rollback", None),
        "/v1/chat/completions": ("/v1/chat/completions", {"messages": messages}),
        "/api/users/{name}/role": (f"{user}/role", {"role": "viewer"}),
        "/api/users/{name}/disable": (f"{user}/disable", None),
        "/api/users/{name}/enable": (f"{user}/enable", None),
        "/api/users/{name}/password-link": (f"{user}/password-link", None),
        "/api/invitations": ("/api/invitations", {"role": "rater"}),
        "/api/invitations/{invitation}/revoke": (f"/api/invitations/{invitation['id']}/revoke", None),
        "/api/tokens": ("/api/tokens", {"role": "viewer"}),
        "/api/tokens/{token}/revoke": (f"/api/tokens/{token['id']}/revoke", None),
        "/api/people/{name}/withdraw": ("/api/people/admin/withdraw", None),
    }


async def test_a_call_that_is_sent_again_while_it_runs_is_not_done_twice(room: Room) -> None:
    repeats, done = Repeats(room.store), []
    who = room.accounts.new_token("admin", "rater")[0]

    async def slow() -> str:
        await asyncio.sleep(0.05)
        done.append(1)
        return f"answer {len(done)}"

    first = asyncio.create_task(repeats.once(who, "k", slow))  # type: ignore[arg-type]  # a name is all it takes
    second = asyncio.create_task(repeats.once(who, "k", slow))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    first.cancel()  # this client goes away

    assert await second == "answer 1"
    assert await repeats.once(who, "k", slow) == "answer 1"  # type: ignore[arg-type]
    assert await repeats.once(who, None, slow) == "answer 2"  # type: ignore[arg-type]


async def test_a_call_that_failed_may_be_sent_again_with_its_key(room: Room, rater: Caller) -> None:
    turn = await rater.posted("/api/turns", prompt="hello")
    body = {"reply": turn["lanes"][0]["reply"], "instruction": "shorter"}

    refused(await rater.post("/api/redrafts", json=body, headers={"Idempotency-Key": "k"}), 409, "changed nothing")
    room.vllm.answers["base"] = "Short."
    answer = await rater.post("/api/redrafts", json=body, headers={"Idempotency-Key": "k"})

    assert answer.json() == {"text": "Short."}


# -- the description --


async def test_the_description_is_for_whoever_may_see_anything(room: Room) -> None:
    async with Caller(room, "viewer") as viewer, Caller(room, None) as nobody:
        assert (await viewer.gave("/openapi.json"))["openapi"].startswith("3.1")
        refused(await nobody.get("/openapi.json"), 401, "Log in first")


def test_the_description_names_the_cookie_of_this_very_app(room: Room) -> None:
    parts = replace(room.parts, settings=replace(room.settings, port=8123))
    logins = web.build(parts).openapi()["components"]["securitySchemes"]
    assert (logins["login"]["in"], logins["login"]["name"], "token" in logins) == ("cookie", "ftchat_8123", True)


def test_the_description_is_complete(room: Room) -> None:
    described = web.build(room.parts).openapi()
    calls = {
        f"{method} {path}": call for path, methods in described["paths"].items() for method, call in methods.items()
    }
    wrong = []
    for name, call in calls.items():
        guarded = "/api/" in name or "/v1/" in name
        ok = next(body for status, body in call["responses"].items() if status.startswith("2"))
        wrong += [f"{name}: no {key}" for key in ("summary", "description", "tags") if not call.get(key)]
        if guarded and not {"400", "401", "403", "404", "409"} <= set(call["responses"]):
            wrong.append(f"{name}: refusals")
        if "422" in call["responses"] or not ok.get("content"):
            wrong.append(f"{name}: answers")
        if name.startswith("post") and not any(p["name"] == "Idempotency-Key" for p in call.get("parameters", [])):
            wrong.append(f"{name}: no Idempotency-Key")
    ids = [call["operationId"] for call in calls.values()]

    assert wrong == []
    assert len(set(ids)) == len(ids)
    assert {tag for call in calls.values() for tag in call["tags"]} == {tag["name"] for tag in described["tags"]}


# -- what is no call --


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/api/nothing", 404, "There is nothing at /api/nothing."),
        ("GET", "/v1/", 404, "There is nothing at /v1/."),
        ("GET", "/api/votes", 405, "/api/votes takes POST, not GET."),
        ("DELETE", "/api/turns/t_0", 405, "takes GET, not DELETE."),
        ("PUT", "/v1/chat/completions", 405, "takes POST, not PUT."),
    ],
)
async def test_an_address_or_method_that_there_is_not(
    method: str, path: str, status: int, message: str, admin: Caller
) -> None:
    answer = await admin.request(method, path)

    refused(answer, status, message)
    assert ("allow" in answer.headers) == (status == 405)


# -- bad input --


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("\U0001f9c0 caf\u00e9 e\u0301 \u6f22\u5b57", "\U0001f9c0 caf\u00e9 e\u0301 \u6f22\u5b57"),
        ("\u202eolleh\u202c \u200f\u061c", "\u202eolleh\u202c \u200f\u061c"),
        ("line\u2028line\r\nline", "line\u2028line\r\nline"),
        ("a\u0000b", "a\ufffdb"),
        ("a\ud800b", "a?b"),
        ("\udfff\ud83d", "??"),
    ],
)
async def test_any_text_is_kept_as_it_is_but_for_what_no_file_can_hold(
    sent: str, kept: str, room: Room, rater: Caller
) -> None:
    async def posted(path: str, **body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        answer = await rater.post(path, content=json.dumps(body).encode(), headers=headers)  # surrogates as \\udXXX
        assert answer.status_code == 200, answer.text
        return answer.json()

    turn = await posted("/api/turns", prompt=sent, system=sent, params={"stop": [sent]})
    reply = turn["lanes"][0]["reply"]
    await posted("/api/corrections", reply=reply, text=sent)
    await posted("/api/ratings", reply=reply, value="up", comment=sent)

    assert turn["prompt"] == room.store.turns.get(turn["turn"]).prompt == kept
    lane = (await rater.gave(f"/api/turns/{turn['turn']}"))["lanes"][0]
    assert lane["corrected"] == kept
    assert (await rater.gave(f"/api/conversations/{turn['conversation']}"))["system"] == kept
    assert room.store.judged.given_on(reply, rater="api-rater").comment == kept


NO_JSON = {
    "nothing": b"",
    "words": b"prompt=hello",
    "half an object": b'{"prompt": "hello"',
    "no UTF-8": b'{"prompt": "\xff\xfe"}',
    "a list": b'[{"prompt": "hello"}]',
    "a text": b'"hello"',
    "null": b"null",
    "not a number": b"NaN",
    "deep": b'{"prompt": ' + b"[" * 100_000,
    "deep and closed": b'{"prompt": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a huge number": b'{"prompt": ' + b"9" * 10_000 + b"}",
}
WRONG = {
    "empty": {"prompt": ""},
    "whitespace": {"prompt": " \n\t\u2003"},
    "a number": {"prompt": 5},
    "a list for a text": {"prompt": ["hello"]},
    "null for a text": {"prompt": None},
    "an unknown mode": {"prompt": "x", "mode": "duel"},
    "not a number": {"prompt": "x", "params": {"temperature": float("nan")}},
    "infinity": {"prompt": "x", "params": {"top_p": float("inf")}},
    "a huge seed": {"prompt": "x", "params": {"seed": 10**30}},
    "no room": {"prompt": "x", "params": {"max_tokens": 0}},
    "a fraction of a token": {"prompt": "x", "params": {"max_tokens": 1.5}},
    "an unknown contestant": {"prompt": "x", "contestants": ["gpt"]},
    "a surrogate for a contestant": {"prompt": "x", "contestants": ["\ud800"]},
    "too many contestants": {"prompt": "x", "contestants": ["base"] * 50},
    "one for two": {"prompt": "x", "mode": "compare", "contestants": ["base"]},
    "too long": {"prompt": "x" * 120_000},
    "longer than the model takes": {"prompt": "word " * 20_000},
}


@pytest.mark.parametrize(
    "body", [*NO_JSON.values(), *(json.dumps(body).encode() for body in WRONG.values())], ids=[*NO_JSON, *WRONG]
)
async def test_a_bad_body_is_refused_in_a_sentence_and_leaves_nothing(body: bytes, room: Room, rater: Caller) -> None:
    answer = await rater.post("/api/turns", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400, answer.text
    assert 10 < len(answer.json()["error"]["message"]) < 1_000
    assert room.store.turns.conversations(None, limit=9) == []
    assert (await rater.post("/api/turns", json={"prompt": "hello"})).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_body_that_is_not_said_to_be_json_is_refused(kind: str, room: Room, rater: Caller) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = await rater.post("/api/turns", content=b'{"prompt": "hello"}', headers=headers)

    assert answer.status_code == 400, answer.text
    assert room.store.turns.conversations(None, limit=9) == []


@pytest.mark.parametrize("path", ["/api/turns", "/api/corrections", "/v1/chat/completions"])
@pytest.mark.parametrize("length_is_told", [True, False])
async def test_ten_megabytes_are_refused_whole(path: str, length_is_told: bool, room: Room, rater: Caller) -> None:
    async def portions() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b"x" * 65_536

    body: Any = b"x" * 10_485_760 if length_is_told else portions()
    refused(await rater.post(path, content=body, headers={"Content-Type": "application/json"}), 413, "256 KB")
    assert room.store.turns.conversations(None, limit=9) == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/votes", {"turn": "{duel}", "winner": "me"}, 400),
        ("/api/votes", {"turn": "{duel}", "winner": "left", "reasons": {"left": ["because"]}}, 400),
        ("/api/votes", {"turn": "{duel}", "winner": "left", "reasons": {"\ud800": []}}, 400),
        ("/api/votes", {"turn": "{duel}", "winner": "left", "reasons": ["clear"]}, 400),
        ("/api/votes", {"turn": "{duel}", "winner": "left", "comment": "x" * 5_000}, 400),
        ("/api/votes", {"turn": "{theirs}", "winner": "left"}, 404),
        ("/api/votes", {"turn": "{chat}", "winner": "left"}, 409),
        ("/api/votes", {"turn": "t_\u0000", "winner": "left"}, 404),
        ("/api/votes", {"turn": "\ud800", "winner": "left"}, 404),
        ("/api/ratings", {"reply": "{reply}", "value": "sideways"}, 400),
        ("/api/ratings", {"reply": "{reply}", "value": "up", "reasons": ["too long"]}, 400),
        ("/api/ratings", {"reply": "{hidden}", "value": "up"}, 409),
        ("/api/corrections", {"reply": "{reply}", "text": " "}, 400),
        ("/api/corrections", {"reply": "{reply}", "text": "The answer is plain."}, 400),
        ("/api/corrections", {"reply": "{hidden}", "text": "x"}, 409),
        ("/api/redrafts", {"reply": "{reply}", "instruction": ""}, 400),
        ("/api/sessions", {"prompts": []}, 400),
        ("/api/sessions", {"prompts": ["ok", ""]}, 400),
        ("/api/sessions", {"prompts": ["x"] * 501}, 400),
        ("/api/turns", {"prompt": "x", "conversation": "{their_conversation}"}, 404),
        ("/api/turns", {"prompt": "x", "after": "{theirs}"}, 404),
    ],
)
async def test_what_cannot_be_given_leaves_nothing(
    path: str, body: dict[str, Any], status: int, room: Room, rater: Caller, admin: Caller
) -> None:
    chat, duel = [await rater.posted("/api/turns", prompt="hello", mode=mode) for mode in ("chat", "compare")]
    theirs = await admin.posted("/api/turns", prompt="hello", mode="compare")
    there = {
        "{chat}": chat["turn"],
        "{reply}": chat["lanes"][0]["reply"],
        "{duel}": duel["turn"],
        "{hidden}": duel["lanes"][0]["reply"],
        "{theirs}": theirs["turn"],
        "{their_conversation}": theirs["conversation"],
    }
    filled = {key: there.get(value, value) if isinstance(value, str) else value for key, value in body.items()}
    before = len(room.store.turns.conversations(None, limit=99))

    answer = await rater.post(path, content=json.dumps(filled).encode(), headers={"Content-Type": "application/json"})

    refused(answer, status, "")
    assert room.store.feedback.counts() == {}
    assert len(room.store.turns.conversations(None, limit=99)) == before
    assert (await rater.post("/api/votes", json={"turn": duel["turn"], "winner": "tie"})).status_code == 200


async def test_there_is_one_blind_vote_on_a_turn_however_often_it_is_tried(room: Room, rater: Caller) -> None:
    duel = await rater.posted("/api/turns", prompt="hello", mode="compare")
    await rater.posted("/api/votes", turn=duel["turn"], winner="left")

    refused(await rater.post("/api/votes", json={"turn": duel["turn"], "winner": "right"}), 409, "already has a vote")
    clicks = [rater.post("/api/votes", json={"turn": duel["turn"], "winner": "right"}) for _ in range(20)]
    assert {answer.status_code for answer in await asyncio.gather(*clicks)} == {409}

    assert room.store.feedback.counts() == {"vote/pending": 1}
