"""The API as a client sees it: what it gives, what it refuses, and that nothing hidden is in it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from room import Room

from ftchat.parts import ALONE


async def posted(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def test_a_chat_turn_is_answered(client: httpx.AsyncClient) -> None:
    turn = await posted(client, "/api/turns", prompt="What does the brie cost?")
    assert turn["lanes"][0]["text"] == "The answer is plain."
    assert turn["lanes"][0]["contestant"] == "base"
    assert (await client.get(f"/api/turns/{turn['turn']}")).json() == turn
    assert (await client.get("/api/conversations")).json()["items"][0]["title"] == "What does the brie cost?"


async def test_a_blind_turn_names_nobody_until_the_vote(client: httpx.AsyncClient, room: Room) -> None:
    room.adapter()
    answer = await client.post("/api/turns", json={"prompt": "hello", "mode": "compare"})
    turn = answer.json()
    assert set(turn["lanes"][0]) == {"lane", "reply", "text", "finish"}
    assert "shop-v1" not in answer.text + str(answer.headers)
    vote = await posted(client, "/api/votes", turn=turn["turn"], winner="left")
    assert set(vote["contestants"].values()) == {"base", "shop-v1"}


async def test_a_stream_has_its_events_in_order_and_adds_up_to_the_reply(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/turns", json={"prompt": "hello", "mode": "compare", "stream": True})
    events = [block.split("\n") for block in answer.text.strip().split("\n\n")]
    names = [lines[0].removeprefix("event: ") for lines in events]
    assert (names[0], names[-1], names.count("reply")) == ("turn", "end", 2)
    deltas = [json.loads(lines[1].removeprefix("data: ")) for lines in events if lines[0] == "event: delta"]
    assert "".join(d["text"] for d in deltas if d["lane"] == "right") == "The answer is plain."
    assert "base" not in answer.text


async def test_a_repeated_request_with_the_same_key_is_one_row(client: httpx.AsyncClient, room: Room) -> None:
    key = {"Idempotency-Key": "once"}
    turns = [(await client.post("/api/turns", json={"prompt": "hello"}, headers=key)).json() for _ in range(3)]
    assert len({turn["turn"] for turn in turns}) == 1
    rated = {"reply": turns[0]["lanes"][0]["reply"], "value": "up"}
    given = [(await client.post("/api/ratings", json=rated, headers={"Idempotency-Key": "r"})).json() for _ in range(3)]
    assert given[0] == given[1] == given[2]
    assert room.store.feedback.counts() == {"rating/approved": 1}


async def test_a_correction_counts_on_the_card(client: httpx.AsyncClient) -> None:
    turn = await posted(client, "/api/turns", prompt="What does the brie cost?")
    await posted(client, "/api/corrections", reply=turn["lanes"][0]["reply"], text="BRIE: 5 euros")
    card = (await client.get("/api/dataset")).json()
    assert (card["corrections"], card["train"], card["new"], card["enough"]) == (1, 1, 1, True)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/api/turns", {"prompt": " "}, 400, "The prompt is empty."),
        ("/api/turns", {}, 400, "prompt: Field required."),
        ("/api/turns", {"prompt": "x", "mode": "duel"}, 400, "mode"),
        ("/api/turns", {"prompt": "x", "params": {"temperature": 9}}, 400, "temperature is 9.0"),
        ("/api/turns", {"prompt": "x", "contestants": ["gpt"]}, 400, "no contestant called 'gpt'"),
        ("/api/turns", {"prompt": "x", "conversation": "c_0"}, 404, "no such conversation"),
        ("/api/votes", {"turn": "t_0", "winner": "left"}, 404, "no such turn"),
        ("/api/votes", {"turn": "t_0", "winner": "me"}, 400, "winner"),
        ("/api/corrections", {"reply": "r_0", "text": "x"}, 404, "no such reply"),
        ("/api/runs", {}, 400, "nothing to learn from yet"),
        ("/api/runs", {"args": {"lr": 1}}, 400, "no training argument called 'lr'"),
        ("/api/adapters/nobody-v1/promote", {}, 404, "no adapter called nobody-v1"),
        ("/api/rollback", {}, 409, "no earlier champion"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_a_sentence(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, message: str
) -> None:
    answer = await client.post(path, json=body)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


async def test_until_the_engine_is_ready_it_says_what_it_waits_for(client: httpx.AsyncClient, room: Room) -> None:
    assert (await client.get("/readyz")).status_code == 200
    room.reason = "loading weights"
    for answer in (await client.get("/readyz"), await client.post("/api/turns", json={"prompt": "hello"})):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "loading weights" in answer.text
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-Forwarded-For": "1.2.3.4"}, 403),
        ({"Content-Length": "300000"}, 413),
        ({"Origin": "http://127.0.0.1:7860"}, 200),
    ],
)
async def test_the_guard_lets_only_this_site_in(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/api/turns", json={"prompt": "hello"}, headers=headers)
    assert answer.status_code == status


async def test_every_answer_carries_the_policy(client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz")
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_body_without_a_length_is_cut_off_at_the_limit(client: httpx.AsyncClient, room: Room) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"prompt": "'
        for _ in range(40):
            yield b"x" * 10_000
        yield b'"}'

    answer = await client.post("/api/turns", content=body(), headers={"Content-Type": "application/json"})
    assert answer.status_code >= 400
    assert room.chat.conversations(ALONE) == []


def chat_body(*contents: str, **more: Any) -> dict[str, Any]:
    """A chat completion's body: user and assistant in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": c} for i, c in enumerate(contents)], **more}


async def test_an_openai_client_is_answered_and_recorded(client: httpx.AsyncClient, room: Room) -> None:
    answer = await client.post("/v1/chat/completions", json=chat_body("hello", model="base"))
    whole = answer.json()
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "The answer is plain."}
    assert whole["usage"]["completion_tokens"] == 4
    turn, reply = room.store.turns.turn_of(answer.headers["x-ftchat-reply"])
    assert (turn.id, turn.prompt, reply.contestant) == (answer.headers["x-ftchat-turn"], "hello", "base")
    await posted(client, "/api/corrections", reply=reply.id, text="better")


async def test_calls_that_continue_a_conversation_join_it_and_others_begin_one(
    client: httpx.AsyncClient, room: Room
) -> None:
    said = ("hello", "The answer is plain.", "and more?")
    await client.post("/v1/chat/completions", json=chat_body(*said[:1]))
    await client.post("/v1/chat/completions", json=chat_body(*said))
    assert len(room.chat.conversations(ALONE)) == 1
    elsewhere = chat_body("hello", "Said by another model.", "and more?")
    await client.post("/v1/chat/completions", json=elsewhere)
    first, *_ = room.chat.conversations(ALONE)
    assert [m.content for m in first.head] == ["hello", "Said by another model."]
    assert "Said by another model." in room.prompter.decode(room.vllm.bodies[-1]["prompt"])


async def test_an_openai_stream_adds_up_and_ends_with_done(client: httpx.AsyncClient) -> None:
    body = chat_body("hello", stream=True, stream_options={"include_usage": True})
    answer = await client.post("/v1/chat/completions", json=body)
    *chunks, done = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    decoded = [json.loads(chunk) for chunk in chunks]
    assert done == "[DONE]"
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in decoded if c["choices"])
    assert text == "The answer is plain."
    assert decoded[-1]["usage"]["completion_tokens"] == 4


async def test_what_is_not_to_be_recorded_is_not(client: httpx.AsyncClient, room: Room) -> None:
    for stream in (False, True):
        answer = await client.post(
            "/v1/chat/completions", json=chat_body("hello", stream=stream), headers={"x-ftchat-record": "no"}
        )
        assert "plain" in answer.text
        assert "x-ftchat-turn" not in answer.headers
    assert room.chat.conversations(ALONE) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (chat_body("a", "b"), "The last message must be the user's."),
        (chat_body("a", n=2), "n is 2"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role is 'tool'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "must be text"),
    ],
)
async def test_an_openai_call_that_cannot_be_answered_says_why(
    client: httpx.AsyncClient, body: dict[str, Any], message: str
) -> None:
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


async def test_metrics_count_what_was_answered_and_given(client: httpx.AsyncClient) -> None:
    turn = await posted(client, "/api/turns", prompt="hello")
    await posted(client, "/api/ratings", reply=turn["lanes"][0]["reply"], value="up")
    lines = (await client.get("/metrics")).text.splitlines()
    assert "ftchat_ready{} 1" in lines
    assert 'ftchat_replies_total{contestant="base"} 1' in lines
    assert 'ftchat_tokens_total{contestant="base"} 4' in lines
    assert 'ftchat_feedback{kind="rating",status="approved"} 1' in lines
    assert "ftchat_answers_in_flight{} 0" in lines


async def test_metrics_count_the_lanes_of_a_turn_together_so_that_no_two_reads_tell_them_apart(
    client: httpx.AsyncClient, room: Room
) -> None:
    room.adapter()
    room.vllm.paces["base"] = 0.1
    turn = await room.chat.ask(ALONE, "hello", mode="compare")
    while all(lane.finish is None for lane in room.chat.seen(ALONE, turn).lanes):
        await asyncio.sleep(0.01)
    between = (await client.get("/metrics")).text
    assert "ftchat_answers_in_flight{} 1" in between
    assert "contestant=" not in between
    await room.done(turn, ALONE)
    lines = (await client.get("/metrics")).text.splitlines()
    assert [line for line in lines if "contestant=" in line and "ttft" not in line] == [
        'ftchat_replies_total{contestant="blind"} 2',
        'ftchat_errors_total{contestant="blind"} 0',
        'ftchat_tokens_total{contestant="blind"} 7',
    ]
