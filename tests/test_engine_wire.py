"""The transport under the client, against servers that write bytes: answers, kept connections, each way to fail."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest

from ftchat.engine import Endpoint, Engine, Piece, Request
from ftchat.engine.wire import Wire
from ftchat.errors import AnswerCut, EngineGarbled, EngineNotReady
from ftchat.launch import free_port
from ftchat.records import Params

ASK = Request(model="base", token_ids=(5, 6), params=Params(max_tokens=9))
LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


class There:
    """A server of one connection handler; what was asked, and how many connections were made and ended."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connections = 0
        self.gone = asyncio.Event()
        self.asked: list[bytes] = []


Handler = Callable[[There, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handle: Handler) -> AsyncIterator[There]:
    there = There("")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there.connections += 1
        try:
            await handle(there, reader, writer)
        finally:
            writer.close()
            there.gone.set()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    there.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield there


async def request(reader: asyncio.StreamReader) -> bytes:
    """One request, whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(li.split(b":")[1]) for li in head.split(b"\r\n") if li.lower().startswith(b"content-length")), 0)
    return head + await reader.readexactly(length)


def saying(*parts: bytes, times: int = 10**9) -> Handler:
    """Each request is answered with these bytes, in as many writes; the connection ends after so many."""

    async def handle(there: There, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(times):
            try:
                there.asked.append(await request(reader))
            except asyncio.IncompleteReadError:
                return
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)

    return handle


def client(url: str, *, read_s: float = 5.0) -> httpx.AsyncClient:
    timeout = httpx.Timeout(read_s, connect=2.0)
    return httpx.AsyncClient(base_url=url, transport=Wire(keep=2), timeout=timeout, trust_env=False)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(text: str, finish: str = "null") -> bytes:
    return f'data: {{"choices": [{{"text": "{text}", "finish_reason": {finish}}}]}}\n\n'.encode()


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((LENGTH,), b"four"),
        ((LENGTH[:20], LENGTH[20:-2], LENGTH[-2:]), b"four"),
        ((CHUNKED, chunk(b"fo"), chunk(b"ur"), END), b"four"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
    ],
)
async def test_an_answer_is_read_whole_and_its_connection_is_used_again(parts: tuple[bytes, ...], content: bytes):
    async with serving(saying(*parts)) as there, client(there.url) as http:
        answers = [await http.post("/x", json={"a": 1}) for _ in range(3)]
        assert [answer.content for answer in answers] == [content] * 3
        assert there.connections == 1
        assert there.asked[0].startswith(b"POST /x HTTP/1.1\r\n")
        assert there.asked[0].endswith(b'{"a":1}')


def paced(*events: bytes, gap_s: float, last_s: float = 0.0) -> Handler:
    """One answer, an event at a time."""

    async def handle(there: There, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there.asked.append(await request(reader))
        writer.write(CHUNKED)
        for data in events:
            writer.write(chunk(data))
            await writer.drain()
            await asyncio.sleep(gap_s)
        await asyncio.sleep(last_s)
        writer.write(END)
        await writer.drain()

    return handle


async def read(http: httpx.AsyncClient, *, step_s: float) -> list[tuple[float, bytes]]:
    """What came together, and when."""
    started = asyncio.get_running_loop().time()
    async with http.stream("POST", "/", json={}, extensions={"step": step_s}) as response:
        return [(asyncio.get_running_loop().time() - started, data) async for data in response.aiter_raw()]


async def test_what_comes_within_a_step_is_read_together_the_first_and_the_end_at_once():
    events = [event(f"word{at}") for at in range(100)]
    async with serving(paced(*events, gap_s=0.002)) as there, client(there.url) as http:
        found = await read(http, step_s=0.05)
    assert b"".join(data for _, data in found) == b"".join(events)
    assert found[0][1] == events[0]
    assert all(later - before >= 0.049 for (before, _), (later, _) in pairwise(found[:-1]))  # the last may come sooner


async def test_the_end_is_not_held_back_for_a_step():
    async with serving(paced(event("one"), event("two"), gap_s=0.01)) as there, client(there.url) as http:
        async with asyncio.timeout(20):
            found = await read(http, step_s=60.0)
    assert [data for _, data in found] == [event("one"), event("two")]


@pytest.mark.parametrize(("gap_s", "together"), [(0.002, range(4, 16)), (0.05, None)])
async def test_as_many_tokens_as_come_within_a_step_are_asked_for_in_one_event(gap_s: float, together: range | None):
    words = [event(f"word{at}") for at in range(10)]
    last = b'data: {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 10}}\n\ndata: [DONE]\n\n'
    async with serving(paced(*words, event("", '"stop"') + last, gap_s=gap_s)) as there:
        engine = Engine([Endpoint(there.url)])
        for _ in range(2):
            assert await engine.answer(ASK) == ("".join(f"word{at}" for at in range(10)), "stop")
        await engine.close()
    first, second = (json.loads(asked.split(b"\r\n\r\n", 1)[1]) for asked in there.asked)
    assert "stream_interval" not in first
    assert second.get("stream_interval") in together if together else "stream_interval" not in second


async def test_what_comes_slower_than_a_step_is_read_as_it_comes():
    events = [event(f"word{at}") for at in range(4)]
    async with serving(paced(*events, gap_s=0.05)) as there, client(there.url) as http:
        found = await read(http, step_s=0.01)
    assert [data for _, data in found] == events


async def test_a_connection_that_breaks_within_a_step_is_told_at_once():
    async def broken(there: There, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(CHUNKED + chunk(event("one")))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async with serving(broken) as there, client(there.url) as http, asyncio.timeout(20):
        with pytest.raises(httpx.ReadError):
            await read(http, step_s=60.0)


async def test_an_answer_without_a_length_ends_with_its_connection():
    async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\nfour", times=1)) as there, client(there.url) as http:
        assert [(await http.get("/")).content for _ in range(2)] == [b"four"] * 2
        assert there.connections == 2


async def test_a_kept_connection_that_was_closed_over_there_is_made_anew():
    async with serving(saying(LENGTH, times=1)) as there, client(there.url) as http:
        for number in range(4):
            assert (await http.post("/", json={"number": number})).content == b"four"
            if number % 2:
                await asyncio.sleep(0.05)  # now the end was seen before the next question, else after it
        assert len(there.asked) == there.connections == 4


async def test_connections_that_were_idle_for_long_are_not_trusted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ftchat.engine.wire._IDLE_S", 0.0)
    async with serving(saying(LENGTH)) as there, client(there.url) as http:
        for _ in range(3):
            assert (await http.get("/")).content == b"four"
        assert there.connections == 3


async def silent(there: There, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (saying(b"", times=1), httpx.RemoteProtocolError),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), httpx.RemoteProtocolError),
        (saying(LENGTH[:-1], times=1), httpx.ReadError),
        (saying(CHUNKED, chunk(b"fo"), times=1), httpx.ReadError),
        (saying(CHUNKED, b"zz\r\n"), httpx.RemoteProtocolError),
        (silent, httpx.ReadTimeout),
    ],
)
async def test_each_way_to_fail_is_httpxs_own(handle: Handler, error: type[httpx.RequestError]):
    async with serving(handle) as there, client(there.url, read_s=0.2) as http:
        with pytest.raises(error):
            await http.get("/")


async def test_nobody_there_is_a_connection_that_was_not_made():
    async with client(f"http://127.0.0.1:{free_port()}") as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("/")


async def test_a_slow_reader_makes_the_sender_wait_and_gets_everything(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ftchat.engine.wire._HIGH", 1000)
    parts = [CHUNKED, *(chunk(bytes([65 + n % 26]) * 5000) for n in range(100)), END]
    async with serving(saying(*parts)) as there, client(there.url) as http, http.stream("GET", "/") as response:
        sizes = []
        async for data in response.aiter_raw():
            sizes.append(len(data))
            await asyncio.sleep(0.001)
    assert sum(sizes) == 500_000


def engine(url: str, **settings: Any) -> Engine:
    return Engine([Endpoint(url, "secret")], **settings)


async def test_tokens_that_come_together_and_in_pieces_of_bytes_are_read_alike():
    said = event("Gr\u00fc\u2028\u00df") + event("e", '"stop"') + b"data: [DONE]\n\n"
    cuts = [said[:21], said[21:60], said[60:61], said[61:]]
    async with serving(saying(CHUNKED, *(chunk(cut) for cut in cuts), END)) as there:
        asking = engine(there.url)
        assert await asking.answer(ASK) == ("Gr\u00fc\u2028\u00dfe", "stop")
        assert b"\r\nauthorization: bearer secret\r\n" in there.asked[0].lower()
        await asking.close()


async def test_a_reader_that_goes_closes_the_connection_at_once():
    async def endless(there: There, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(CHUNKED + chunk(event("Good")))
        await reader.read()

    async with serving(endless) as there:
        asking = engine(there.url)
        stream = asking.stream(ASK)
        assert await anext(stream) == Piece("Good")
        await stream.aclose()
        async with asyncio.timeout(1):
            await there.gone.wait()
        await asking.close()


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (saying(CHUNKED, chunk(event("Good")), times=1), AnswerCut),
        (saying(CHUNKED, chunk(event("Good")), END), AnswerCut),
        (saying(CHUNKED, chunk(b"data: [1\n\n"), END), EngineGarbled),
        (saying(b"", times=1), EngineNotReady),
    ],
)
async def test_what_fails_under_an_answer_has_its_sentence(
    handle: Handler, error: type[Exception], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ftchat.engine._FIRST_WAIT_S", 0.0)
    async with serving(handle) as there:
        asking = engine(there.url)
        with pytest.raises(error):
            await asking.answer(ASK)
        await asking.close()
