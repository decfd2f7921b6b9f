"""The client to vLLM: what it asks, how it reads, when it asks again, how it fails. Real vLLM: test_engine_real."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from ftchat.engine import Endpoint, Engine, Piece, Request
from ftchat.errors import (
    AnswerCut,
    BadInput,
    EngineBusy,
    EngineError,
    EngineGarbled,
    EngineNotReady,
    EngineTimeout,
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
    assert await collect(client.stream(ASK)) == [Piece("Good day"), Piece("", "length", 3, 3)]  # what came together


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
        (sse(finish="abort"), AnswerCut, "before this answer was complete"),
        (httpx.Response(200, text=": keep-alive\n\n"), AnswerCut, "before this answer was complete"),
        (httpx.Response(200, text="data: {}\n\n"), EngineGarbled, "at http://here does not speak as vLLM does"),
        (httpx.Response(200, text='data: {"choices": [{}]}\n\n'), EngineGarbled, "check engine_url"),
        (httpx.Response(200, text="data: 5\n\n"), EngineGarbled, "check engine_url"),
        (httpx.Response(200, text="<html>Welcome</html>"), EngineGarbled, "check engine_url"),
        (httpx.ReadTimeout("slow"), EngineTimeout, "said nothing for 10 minutes"),
        (httpx.UnsupportedProtocol("odd"), EngineGarbled, "check engine_url"),
    ],
)
async def test_each_refusal_has_its_error_and_is_not_asked_again(response, error, says):
    with pytest.raises(error, match=re.escape(says)) as caught:
        await engine(queue(response)).answer(ASK)
    assert type(caught.value) is error


def test_each_failure_has_its_status():
    errors = (EngineError, EngineNotReady, EngineBusy, EngineTimeout, EngineGarbled, AnswerCut)
    assert [error.status for error in errors] == [502, 503, 503, 504, 502, 502]


@pytest.mark.parametrize(
    "trouble",
    [
        refusal(503),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("nobody"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    ],
)
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
    with pytest.raises(AnswerCut, match="broke off in the middle"):
        await anext(stream)


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


@pytest.mark.parametrize("url", [None, "localhost:8000", ""])
def test_engine_without_an_address_is_refused(url):
    with pytest.raises(SetupError, match="No engine is known" if url is None else "begins with http"):
        Engine([] if url is None else [Endpoint(url)])


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
