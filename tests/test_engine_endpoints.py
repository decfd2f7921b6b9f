"""The client over several endpoints: whom it asks, whom it asks next, and adapters on all of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from test_engine import ASK, HERE, THERE, engine, no_waiting, queue, refusal, sse

from ftchat.engine import Endpoint, Engine
from ftchat.errors import (
    BadAdapter,
    BadInput,
    EngineError,
    EngineNotReady,
    EngineTimeout,
    UnknownModel,
)

__all__ = ["no_waiting"]


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


async def test_the_endpoint_with_the_least_in_flight_is_asked():
    asked = []

    class Open(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b'data: {"choices": [{"text": "a", "finish_reason": null}]}\n\n'
            await asyncio.sleep(600)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200, stream=Open())

    client = engine(answer, HERE, THERE)
    streams = [client.stream(ASK) for _ in range(6)]
    for stream in streams:
        await anext(stream)
    assert (asked.count("here"), asked.count("there")) == (3, 3)
    idle = asked[0]
    for stream, host in zip(streams, list(asked), strict=True):
        if host == idle:
            await stream.aclose()
    others = [client.stream(ASK) for _ in range(3)]
    for stream in others:
        await anext(stream)
    assert asked[6:] == [idle] * 3
    for stream in (*streams, *others):
        await stream.aclose()


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.Response(200, text=": nothing\n\n"),
        httpx.Response(200, text="<html>"),
        sse(finish="abort"),
        *(refusal(status) for status in (404, 429, 500, 502, 503)),
    ],
)
async def test_one_bad_endpoint_fails_nothing_that_had_no_text_yet(trouble):
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "there":
            return sse("a")
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    client = engine(answer, HERE, THERE)
    assert [await client.answer(ASK) for _ in range(6)] == [("a", "stop")] * 6


async def test_what_breaks_two_endpoints_is_not_given_to_a_third():
    asked = []
    client = engine(
        lambda request: asked.append(request.url.host) or refusal(500), HERE, THERE, Endpoint("http://elsewhere")
    )
    with pytest.raises(EngineError, match="could not answer"):
        await client.answer(ASK)
    assert len(asked) == len(set(asked)) == 2


@pytest.mark.parametrize("trouble", [refusal(400), refusal(400, param="max_tokens"), httpx.ReadTimeout("slow")])
async def test_what_no_endpoint_could_answer_is_asked_of_one_only(trouble):
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    with pytest.raises((BadInput, EngineTimeout)):
        await engine(answer, HERE, THERE).answer(ASK)
    assert len(asked) == 1


class Hanging(httpx.AsyncBaseTransport):
    """`here` takes every request and answers none, whatever its health; `there` answers."""

    def __init__(self, health: int | Exception) -> None:
        self.health = health

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "there":
            return sse("a")
        if request.url.path == "/health":
            if isinstance(self.health, Exception):
                raise self.health
            return httpx.Response(self.health)
        await asyncio.sleep(0.2 if self.health == 200 else 600)
        return sse("late")


@pytest.mark.parametrize("health", [503, httpx.ReadTimeout("silent"), httpx.ConnectError("refused"), 200])
async def test_an_endpoint_that_hangs_before_the_first_text_is_left_and_one_that_is_slow_is_not(monkeypatch, health):
    monkeypatch.setattr("ftchat.engine._LOOK_S", 0.02)
    client = Engine([HERE, THERE], transport=Hanging(health))
    async with asyncio.timeout(5):
        found = {await client.answer(ASK) for _ in range(4)}
    assert found == ({("a", "stop"), ("late", "stop")} if health == 200 else {("a", "stop")})


async def test_model_that_one_endpoint_lacks_is_asked_of_the_other():
    client = engine(lambda request: refusal(404) if request.url.host == "here" else sse("a"), HERE, THERE)
    assert [await client.answer(ASK) for _ in range(3)] == [("a", "stop")] * 3
    asked = []
    with pytest.raises(UnknownModel):
        await engine(lambda request: asked.append(request) or refusal(404), HERE, THERE).answer(ASK)
    assert len(asked) == 2
    with pytest.raises(UnknownModel):
        await engine(queue(refusal(404), *[httpx.ConnectError("refused")] * 3), HERE, THERE).answer(ASK)


def adapter_api(
    load: int, *, served: tuple[str, ...] = (), health: int = 200
) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(health)
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": name} for name in ("base", *served)]})
        if request.url.path == "/v1/load_lora_adapter":
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

    assert await engine(answer, HERE, THERE).models() == [None, {"base", "shop-v1"}]
    assert await engine(answer, HERE, THERE).health() == ["dead", "live"]
    assert await engine(answer, HERE, THERE).ready()
    assert not await engine(answer, HERE).ready()
    assert await engine(lambda _: httpx.Response(503)).health() == ["dead"]
    assert await engine(queue(httpx.ReadTimeout("slow"))).health() == ["silent"]
    assert await engine(lambda _: httpx.Response(200, text="<html>")).models() == [None]


async def test_an_endpoint_that_is_gone_does_not_keep_the_others_from_loading():
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "here":
            raise httpx.ConnectError("refused")
        return adapter_api(200)(request)

    client = engine(answer, HERE, THERE)
    await client.load("shop-v1", Path("shop-v1"))
    await client.load("shop-v1", Path("shop-v1"), only=1)
    with pytest.raises(EngineNotReady):
        await client.load("shop-v1", Path("shop-v1"), only=0)
    with pytest.raises(EngineNotReady):
        await client.unload("shop-v1")  # its files must stay: it may still be there


@pytest.mark.parametrize("health", [503, httpx.ReadTimeout("silent")])
async def test_an_endpoint_that_hangs_does_not_keep_the_others_from_loading_and_is_no_place_to_load_again(
    monkeypatch, health
):
    monkeypatch.setattr("ftchat.engine._LOOK_S", 0.02)
    client = Engine([HERE, THERE], transport=Hanging(health))
    async with asyncio.timeout(5):
        await client.load("shop-v1", Path("shop-v1"))
    assert not client.lacks("shop-v1")
    async with asyncio.timeout(5):
        with pytest.raises(EngineNotReady):
            await client.load("shop-v1", Path("shop-v1"), only=0)


async def test_what_is_being_asked_of_a_model_is_known_whoever_asks():
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            begun.set()
            await go_on.wait()
            return sse("a")

    client = Engine([HERE], transport=Slow())
    answering = asyncio.create_task(client.answer(ASK))
    await begun.wait()
    assert (client.asked(), client.asked("shop-v1"), client.asked("base")) == (True, True, False)
    go_on.set()
    await answering
    assert not client.asked()


async def test_an_adapter_that_one_place_refuses_is_not_called_bad():
    client = engine(lambda request: adapter_api(500 if request.url.host == "there" else 200)(request), HERE, THERE)
    with pytest.raises(EngineError, match=r"on another engine, but not at http://there\. .*vLLM's words") as caught:
        await client.load("shop-v1", Path("shop-v1"))
    assert type(caught.value) is EngineError
    assert client.lacks("shop-v1")


async def test_a_server_that_has_no_way_to_load_adapters_says_so_of_itself_and_not_of_the_adapter():
    def answer(request: httpx.Request) -> httpx.Response:
        loads = request.url.path == "/v1/load_lora_adapter"
        return httpx.Response(404, json={"detail": "Not Found"}) if loads else adapter_api(200)(request)

    with pytest.raises(EngineError, match=r"here takes no adapters while it runs: start that engine with") as caught:
        await engine(answer, HERE).load("shop-v1", Path("shop-v1"))
    assert type(caught.value) is EngineError
    with pytest.raises(BadAdapter, match="vLLM's words"):  # it knows the way, and not the folder
        await engine(adapter_api(404), HERE).load("shop-v1", Path("shop-v1"))


async def test_a_rank_that_is_too_large_names_the_setting():
    words = "LoRA rank 64 is greater than max_lora_rank 16."

    def answer(request: httpx.Request) -> httpx.Response:
        found = adapter_api(500)(request)
        return httpx.Response(500, json={"error": {"message": words}}) if found.status_code == 500 else found

    with pytest.raises(BadAdapter, match=r"max_lora_rank 16\. Start that engine with --max-lora-rank of"):
        await engine(answer).load("shop-v1", Path("shop-v1"))


async def test_quiet_is_the_time_since_the_last_text():
    client = engine(queue(sse("a")))
    await asyncio.sleep(0.05)
    assert client.quiet_s() >= 0.05
    await client.answer(ASK)
    assert client.quiet_s() < 0.05
