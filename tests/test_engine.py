"""The client to vLLM: what it asks, how it reads, when it asks again, how it fails. Real vLLM: test_engine_real."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from ftchat.engine import Endpoint, Engine, Piece, Request
from ftchat.errors import (
    BadAdapter,
    BadInput,
    EngineBusy,
    EngineError,
    EngineNotReady,
    SetupError,
    TooLong,
    UnknownModel,
)
from ftchat.records import Params

HERE, THERE = Endpoint("http://here", "secret"), Endpoint("http://there")
ASK = Request(model="shop-v1", token_ids=(5, 6, 7), params=Params(temperature=0.0, max_tokens=9, seed=4, stop=("!",)))


def sse(*texts: str, finish: str | None = "stop") -> httpx.Response:
    """A stream as vLLM writes it."""
    events = [{"choices": [{"text": text, "finish_reason": None}]} for text in texts]
    events.append({"choices": [{"text": "", "finish_reason": finish}]})
    events.append({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": len(texts)}})
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return httpx.Response(200, text="".join(lines) + "data: [DONE]\n\n")


def refusal(status: int, *, param: str | None = None) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": "vLLM's words", "param": param, "code": status}})


def engine(answer: Callable[[httpx.Request], httpx.Response], *endpoints: Endpoint, **settings: float) -> Engine:
    return Engine(endpoints or (HERE,), transport=httpx.MockTransport(answer), **settings)


def queue(*answers: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response]:
    """Answers in turn, whatever is asked."""
    left = list(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return answer


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Tries follow each other at once."""
    monkeypatch.setattr("ftchat.engine._FIRST_WAIT_S", 0.0)


async def collect(stream: AsyncIterator[Piece]) -> list[Piece]:
    return [piece async for piece in stream]


async def test_body_holds_what_the_request_says_and_nothing_else():
    seen = []
    client = engine(lambda request: seen.append(request) or sse("a"))
    await client.answer(ASK)
    assert str(seen[0].url) == "http://here/v1/completions"
    assert seen[0].headers["Authorization"] == "Bearer secret"
    assert json.loads(seen[0].content) == {
        "model": "shop-v1",
        "prompt": [5, 6, 7],
        "n": 1,
        "temperature": 0.0,
        "top_p": 0.95,
        "max_tokens": 9,
        "seed": 4,
        "stop": ["!"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_pieces_come_in_order_and_the_last_says_how_it_ended():
    client = engine(queue(sse("Good", "", " day", finish="length")))
    assert await collect(client.stream(ASK)) == [Piece("Good"), Piece(" day"), Piece("", "length", 3, 3)]


async def test_answer_is_the_whole_text():
    assert await engine(queue(sse("Good", " day"))).answer(ASK) == ("Good day", "stop")


@pytest.mark.parametrize(
    ("response", "error", "says"),
    [
        (refusal(400, param="max_tokens"), TooLong, "do not fit"),
        (refusal(400, param="input_tokens"), TooLong, "do not fit"),
        (refusal(400), BadInput, "vLLM's words"),
        (refusal(401), EngineError, "engine_key"),
        (refusal(404, param="model"), UnknownModel, "does not serve"),
        (refusal(429), EngineBusy, "Try again"),
        (refusal(500), EngineError, "vLLM's words"),
        (httpx.Response(502, text="<html>"), EngineError, "<html>"),
        (sse("a", finish="abort"), EngineError, "early"),
        (httpx.Response(200, text="data: {}\n\n"), EngineError, "engine_url"),
    ],
)
async def test_each_refusal_has_its_error_and_is_not_asked_again(response, error, says):
    with pytest.raises(error, match=re.escape(says)) as caught:
        await engine(queue(response)).answer(ASK)
    assert type(caught.value) is error


@pytest.mark.parametrize("trouble", [refusal(503), httpx.ConnectError("refused"), httpx.ReadError("reset")])
async def test_absent_engine_is_asked_again_before_the_first_text(trouble):
    assert await engine(queue(trouble, trouble, sse("late"))).answer(ASK) == ("late", "stop")
    with pytest.raises(EngineNotReady, match="starting or restarting"):
        await engine(queue(trouble, trouble, trouble)).answer(ASK)


class Breaking(httpx.AsyncByteStream):
    """A response that sends some text and then loses its connection."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'data: {"choices": [{"text": "Good", "finish_reason": null}]}\n\n'
        raise httpx.ReadError("reset")

    async def aclose(self) -> None:
        self.closed = True


async def test_answer_that_broke_off_is_not_begun_again():
    stream = engine(queue(httpx.Response(200, stream=Breaking()), sse("x"))).stream(ASK)
    assert await anext(stream) == Piece("Good")
    with pytest.raises(EngineError, match="broke off") as caught:
        await anext(stream)
    assert not isinstance(caught.value, EngineNotReady)


async def test_error_inside_a_stream_is_raised():
    text = 'data: {"error": {"message": "EngineCore died", "code": 500}}\n\n'
    with pytest.raises(EngineError, match="EngineCore died"):
        await engine(queue(httpx.Response(200, text=text))).answer(ASK)


async def test_closing_the_generator_closes_the_stream():
    response = Breaking()
    stream = engine(queue(httpx.Response(200, stream=response))).stream(ASK)
    assert await anext(stream) == Piece("Good")
    await stream.aclose()
    assert response.closed


async def test_requests_go_round_and_a_missing_endpoint_is_asked_last():
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if request.url.host == "here" and len(asked) > 2:
            raise httpx.ConnectError("refused")
        return sse("a")

    client = engine(answer, HERE, THERE)
    for _ in range(5):
        assert await client.answer(ASK) == ("a", "stop")
    assert sorted(asked[:2]) == ["here", "there"]
    assert asked[2:].count("here") == 1
    assert asked[2:].count("there") == 3


async def test_model_that_one_endpoint_lacks_is_asked_of_the_other():
    client = engine(lambda request: refusal(404) if request.url.host == "here" else sse("a"), HERE, THERE)
    assert [await client.answer(ASK) for _ in range(3)] == [("a", "stop")] * 3
    with pytest.raises(UnknownModel):
        await engine(lambda _: refusal(404), HERE, THERE).answer(ASK)


async def test_score_gives_the_log_probability_of_the_given_tokens():
    entries = [None, {"6": {"logprob": -1.0}}, {"9": {"logprob": -0.1}, "7": {"logprob": -2.5}}]
    bodies = []
    answer = httpx.Response(200, json={"choices": [{"prompt_logprobs": entries}]})
    client = engine(lambda request: bodies.append(json.loads(request.content)) or answer)
    assert await client.score("shop-v1", [5, 6, 7], 1) == [-1.0, -2.5]
    assert bodies[0]["prompt"] == [5, 6, 7]
    for start in (0, 3, -1):
        with pytest.raises(BadInput, match="start is"):
            await client.score("shop-v1", [5, 6, 7], start)


def adapter_api(
    load: int, *, served: tuple[str, ...] = (), health: int = 200
) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(health)
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": name} for name in ("base", *served)]})
        assert Path(json.loads(request.content)["lora_path"]).is_absolute()
        return refusal(load) if load != 200 else httpx.Response(200, text="anything")

    return answer


@pytest.mark.parametrize("answer", [adapter_api(200), adapter_api(400, served=("shop-v1",))])
async def test_loaded_or_loaded_before_is_success_on_every_endpoint(answer):
    asked = []

    def noting(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.host, request.url.port, request.url.path))
        return answer(request)

    await engine(noting, HERE, THERE).load("shop-v1", Path("adapters/shop-v1"))

    assert len({where[:2] for where in asked if where[2] == "/v1/load_lora_adapter"}) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (adapter_api(400), BadAdapter),
        (adapter_api(404), BadAdapter),
        (adapter_api(500), BadAdapter),
        (adapter_api(500, health=503), EngineNotReady),
        (adapter_api(401), EngineError),
    ],
)
async def test_adapter_that_was_not_loaded_says_why(answer, error):
    with pytest.raises(error) as caught:
        await engine(answer).load("shop-v1", Path("shop-v1"))
    assert type(caught.value) is error


async def test_unload_takes_missing_for_done():
    await engine(
        lambda request: refusal(404) if request.url.host == "here" else httpx.Response(200), HERE, THERE
    ).unload("x")
    with pytest.raises(EngineError):
        await engine(lambda _: refusal(500)).unload("x")


async def test_models_and_readiness_with_one_endpoint_gone():
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "here":
            raise httpx.ConnectError("refused")
        return adapter_api(200, served=("shop-v1",))(request)

    assert await engine(answer, HERE, THERE).models() == [set(), {"base", "shop-v1"}]
    assert await engine(answer, HERE, THERE).ready()
    assert not await engine(answer, HERE).ready()


def test_engine_without_an_endpoint_is_refused():
    with pytest.raises(SetupError):
        Engine([])


async def test_lanes_are_taken_together_in_the_order_of_asking():
    client = engine(queue(), max_in_flight=3)
    order: list[str] = []

    async def hold(name: str, n: int, seconds: float) -> None:
        async with client.lanes(n):
            order.append(name)
            await asyncio.sleep(seconds)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for name, n in (
            ("two", 2),
            ("pair", 2),
            ("single", 1),
        ):  # "single" would fit beside "two", but came after "pair"
            group.create_task(hold(name, n, 0.02))
            await asyncio.sleep(0)
    assert order == ["two", "pair", "single"]


async def test_lanes_give_up_after_a_while_and_lose_no_permit():
    client = engine(queue(), max_in_flight=2, patience_s=0.05)
    async with client.lanes(1):
        with pytest.raises(EngineBusy):
            async with client.lanes(2):
                pass
        waiting = asyncio.create_task(client.lanes(2).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with client.lanes(1):
            pass
    async with client.lanes(2):
        pass
    with pytest.raises(EngineBusy, match="max_in_flight is 2"):
        async with client.lanes(3):
            pass
