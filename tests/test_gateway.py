"""`/v1` over a real connection: streams that are whole though they come in fewer pieces, and readers that go away."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn
from room import ANN, Room

from ftchat import web

WORDS = [f"word{number}" for number in range(300)]


@pytest.fixture
async def client(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    """Over a port, as people's programs ask."""
    server = uvicorn.Server(uvicorn.Config(web.build(room.parts), port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as made:
        yield made
    server.should_exit = True
    await serving


def question(**more: Any) -> dict[str, Any]:
    return {"model": "base", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 512, **more}


async def chunks(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) async for line in response.aiter_lines() if line.startswith("data: {")]


async def test_a_quick_stream_comes_in_few_pieces_and_is_the_answer_that_is_kept(
    client: httpx.AsyncClient, room: Room
) -> None:
    room.vllm.answers["base"], room.vllm.pace_s = " ".join(WORDS), 0.001
    async with client.stream("POST", "/v1/chat/completions", json=question(stream=True)) as response:
        turn = response.headers["x-ftchat-turn"]
        found = await chunks(response)
    texts = [chunk["choices"][0]["delta"].get("content", "") for chunk in found]
    assert texts[:2] == ["", "word0"]  # the first word is not held back
    assert "".join(texts) == " ".join(WORDS) == room.store.turns.get(turn).replies[0].text
    assert found[-1]["choices"][0]["finish_reason"] == "stop"


async def test_a_slow_stream_comes_word_by_word(client: httpx.AsyncClient, room: Room) -> None:
    room.vllm.answers["base"], room.vllm.pace_s = "one two three four", 0.06
    async with client.stream("POST", "/v1/chat/completions", json=question(stream=True)) as response:
        texts = [chunk["choices"][0]["delta"].get("content") for chunk in await chunks(response)]
    assert texts == ["", "one", " two", " three", " four", None]


async def test_a_reader_that_goes_ends_the_answer_and_what_there_was_is_kept(
    client: httpx.AsyncClient, room: Room
) -> None:
    room.vllm.answers["base"], room.vllm.pace_s = " ".join(WORDS), 0.05
    async with client.stream("POST", "/v1/chat/completions", json=question(stream=True)) as response:
        turn = response.headers["x-ftchat-turn"]
        async for line in response.aiter_lines():
            if "word2" in line:
                break
        left = time.monotonic()
    while not room.vllm.closed and time.monotonic() < left + 5:
        await asyncio.sleep(0.001)
    took_s = time.monotonic() - left
    assert room.vllm.closed == 1
    assert took_s <= 0.1  # 2 ms alone, 50 on a machine with more to do than cores
    await room.done(turn)
    kept = room.store.turns.get(turn).replies[0]
    assert kept.finish == "cut"
    assert kept.text.startswith("word0 word1 word2")
    assert not room.chat.writing(turn)


async def test_a_part_of_an_answer_does_not_pass_for_the_whole_when_it_is_asked_for_again(
    client: httpx.AsyncClient, room: Room
) -> None:
    room.vllm.answers["base"], room.vllm.pace_s = " ".join(WORDS), 0.05
    head = {"Idempotency-Key": "k1"}
    async with client.stream("POST", "/v1/chat/completions", json=question(stream=True), headers=head) as response:
        turn = response.headers["x-ftchat-turn"]
        async for line in response.aiter_lines():
            if "word2" in line:
                break
    await room.done(turn)
    again = await client.post("/v1/chat/completions", json=question(), headers=head)
    assert (again.status_code, again.json()["error"]["type"]) == (502, "AnswerCut")
    stream = await client.post("/v1/chat/completions", json=question(stream=True), headers=head)
    assert "stopped before its end" in stream.text
    assert "[DONE]" not in stream.text


async def test_of_two_who_wait_for_one_answer_the_one_that_goes_does_not_end_it(
    client: httpx.AsyncClient, room: Room
) -> None:
    room.vllm.answers["base"], room.vllm.pace_s = " ".join(WORDS[:20]), 0.03
    head = {"Idempotency-Key": "k1"}
    async with client.stream("POST", "/v1/chat/completions", json=question(stream=True), headers=head) as first:
        waiting = asyncio.create_task(client.post("/v1/chat/completions", json=question(), headers=head))
        async for line in first.aiter_lines():
            if "word2" in line:
                break
    whole = (await waiting).json()["choices"][0]
    assert (whole["message"]["content"], whole["finish_reason"]) == (" ".join(WORDS[:20]), "stop")


async def test_a_failure_in_the_middle_is_an_event_and_no_end(client: httpx.AsyncClient, room: Room) -> None:
    room.vllm.fails.add("base")
    answer = await client.post("/v1/chat/completions", json=question(stream=True))
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert events[-1]["error"]["type"] == "EngineError"
    assert "[DONE]" not in answer.text


async def test_the_same_call_under_a_key_gives_the_answer_that_is_there(client: httpx.AsyncClient, room: Room) -> None:
    head = {"Idempotency-Key": "k1"}
    first = await client.post("/v1/chat/completions", json=question(stream=True), headers=head)
    again = await client.post("/v1/chat/completions", json=question(stream=True), headers=head)
    assert first.headers["x-ftchat-turn"] == again.headers["x-ftchat-turn"]
    assert len(room.vllm.bodies) == 1
    assert "The" in again.text
    assert again.text.endswith("data: [DONE]\n\n")


async def test_somebody_elses_turn_is_not_followed(room: Room) -> None:
    from ftchat.errors import NotFound
    from ftchat.records import Person

    room.vllm.pace_s = 0.2
    turn = await room.chat.ask(ANN, "hello", mode="chat")
    with pytest.raises(NotFound):
        await anext(room.chat.follow(Person("eve", "rater"), turn))
    await room.done(turn)
