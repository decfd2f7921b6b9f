"""HTTP/1.1 to vLLM with little work for each token: httpx's transport, over asyncio and the parser that uvicorn has.

A token through httpx's own transport costs several times what vLLM's event says, and a machine that serves a model has
no processor to spare. So, too, what comes within a `step` (an extension of the request, in seconds) after something was
read comes together; the first and the end come at once. It keeps idle connections, tries a kept one that turns out
closed once anew, and raises httpx's errors. It knows neither proxies nor compression nor HTTP/2, and does not know what
is asked.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import httptools
import httpx

_IDLE_S = 4.0  # a connection that was idle for longer is not used again: uvicorn closes its own after 5 s
_HIGH = 1 << 20  # bytes that wait for their reader, before the sender is made to wait


class Wire(httpx.AsyncBaseTransport):
    """Connections to whatever hosts are asked."""

    def __init__(self, *, keep: int) -> None:
        """`keep` is how many idle connections stay open for each host."""
        self._keep = keep
        self._idle: dict[tuple[str, str, int], deque[_Line]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; the response as soon as its head is there."""
        message = _written(request, await request.aread())
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        line = self._kept(request.url)
        if line is not None:
            try:
                return await self._ask(line, message, request, read_s=limits.get("read"))
            except _Stale:
                pass  # it was closed over there while it was idle
        line = await _connected(request.url, within_s=limits.get("connect"))
        try:
            return await self._ask(line, message, request, read_s=limits.get("read"))
        except _Stale as err:
            raise httpx.RemoteProtocolError("The connection was closed without an answer.") from err

    async def aclose(self) -> None:
        """Close what is idle."""
        for lines in self._idle.values():
            while lines:
                lines.pop().drop()

    def give_back(self, url: httpx.URL, line: "_Line") -> None:
        """Keep a connection whose answer was read to its end."""
        kept = self._idle.setdefault(_place(url), deque())
        if not line.reusable or len(kept) >= self._keep:
            line.drop()
            return
        line.idle_since = asyncio.get_running_loop().time()
        kept.append(line)

    def _kept(self, url: httpx.URL) -> "_Line | None":
        """The connection that was used last, if it is still good."""
        lines = self._idle.get(_place(url))
        while lines:
            line = lines.pop()
            if line.reusable and asyncio.get_running_loop().time() - line.idle_since < _IDLE_S:
                return line
            line.drop()
        return None

    async def _ask(
        self, line: "_Line", message: bytes, request: httpx.Request, *, read_s: float | None
    ) -> httpx.Response:
        try:
            line.send(message)
            await line.head(read_s)
        except BaseException:
            line.drop()
            raise
        body = _Body(self, line, request.url, read_s=read_s, step_s=request.extensions.get("step", 0.0))
        return httpx.Response(line.status, headers=line.headers, stream=body, request=request)


class _Stale(Exception):
    """The connection ended before a byte of the answer came."""


class _Body(httpx.AsyncByteStream):
    """What follows the head. Closed before its end it closes the connection, which makes vLLM stop."""

    def __init__(self, wire: Wire, line: "_Line", url: httpx.URL, *, read_s: float | None, step_s: float) -> None:
        self._wire, self._line, self._url, self._read_s, self._step_s = wire, line, url, read_s, step_s
        self._closed = False
        self._next_at = 0.0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        data = await self._line.read(self._read_s, not_before=self._next_at)
        if not data:
            raise StopAsyncIteration
        if self._step_s:
            self._next_at = asyncio.get_running_loop().time() + self._step_s
        return data

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._line.read_out:
            self._wire.give_back(self._url, self._line)
        else:
            self._line.drop()


class _Line(asyncio.Protocol):
    """One connection: a question at a time, and its answer as it is parsed."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self._transport: asyncio.Transport | None = None
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._paused = self._gathering = False
        self._begun = self._headed = self._whole = self._measured = self._kept_alive = False

    @property
    def read_out(self) -> bool:
        """Whether the answer came to its end and was read."""
        return self._whole and not self._parts

    @property
    def reusable(self) -> bool:
        """Whether another question may follow."""
        return self._lost is None and self.read_out and self._kept_alive

    def send(self, message: bytes) -> None:
        """A question."""
        if self._lost is not None or self._transport is None:
            raise _Stale
        self._reset()
        self._transport.write(message)

    async def head(self, within_s: float | None) -> None:
        """Wait for status and headers."""
        while not self._headed:
            if self._lost is not None:
                if not self._begun and not isinstance(self._lost, httpx.RequestError):
                    raise _Stale
                raise self._trouble()
            await self._wait(within_s)

    async def read(self, within_s: float | None, *, not_before: float = 0.0) -> bytes:
        """What has come since the last time; nothing at the end. Before that moment only what is the last."""
        if not_before > self._loop.time():
            await self._gather(not_before)
        while not self._parts:
            if self._whole:
                return b""
            if self._lost is not None:
                raise self._trouble()
            await self._wait(within_s)
        data = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def drop(self) -> None:
        """Close it now, whatever is on its way."""
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, within_s: float | None) -> None:
        self._waiting = self._loop.create_future()
        alarm = self._loop.call_later(within_s, self._late) if within_s else None
        try:
            await self._waiting
        finally:
            self._waiting = None
            if alarm is not None:
                alarm.cancel()

    async def _gather(self, until: float) -> None:
        """Wait, while what comes is put together; to the end of the answer or the connection at most."""
        self._gathering = True
        try:
            if not self._whole and self._lost is None and self._size <= _HIGH:
                self._waiting = self._loop.create_future()
                alarm = self._loop.call_at(until, self._wake)
                try:
                    await self._waiting
                finally:
                    self._waiting = None
                    alarm.cancel()
        finally:
            self._gathering = False

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _late(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(httpx.ReadTimeout("Nothing came for too long."))

    def _trouble(self) -> httpx.RequestError:
        if isinstance(self._lost, httpx.RequestError):
            return self._lost
        return httpx.ReadError(f"The connection was lost ({self._lost}).")

    # -- what asyncio calls --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of a stream, as create_connection gives it

    def connection_lost(self, exc: Exception | None) -> None:
        if self._headed and not self._measured:
            self._whole = True  # an answer of no stated length ends with its connection
        self._lost = self._lost or exc or ConnectionResetError("closed over there")
        self._wake()

    def data_received(self, data: bytes) -> None:
        self._begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as err:
            self._lost = httpx.RemoteProtocolError(f"This is no HTTP: {err}")
            self.drop()
        if self._size > _HIGH and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if self._lost is not None or self._whole or (self._headed and not (self._gathering and self._size <= _HIGH)):
            self._wake()

    # -- what the parser calls --

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))
        self._measured = self._measured or name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._kept_alive = bool(self._parser.should_keep_alive())  # later the parser does not know any more
        self._headed = True

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)

    def on_message_complete(self) -> None:
        self._whole = True


async def _connected(url: httpx.URL, *, within_s: float | None) -> _Line:
    _, host, port = _place(url)
    secured = ssl.create_default_context() if url.scheme == "https" else None
    try:
        async with asyncio.timeout(within_s):
            _, line = await asyncio.get_running_loop().create_connection(_Line, host, port, ssl=secured)
            return line
    except TimeoutError as err:
        raise httpx.ConnectTimeout(f"{host}:{port} did not answer in time.") from err
    except OSError as err:
        raise httpx.ConnectError(str(err)) from err


def _place(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _written(request: httpx.Request, content: bytes) -> bytes:
    """The request as it goes over the wire."""
    lines: list[Any] = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % pair for pair in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content
