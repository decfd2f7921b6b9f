"""What every request passes first: allowed hosts, origin, size, proxies; and the headers that every answer carries.

Written as plain ASGI, so that streams pass through untouched. It does not know users or routes, but for those
that take more than others.
"""

import asyncio
import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ftchat.config import Network, Settings, networks
from ftchat.errors import BadInput, FtchatError, NotAllowed
from ftchat.web.common import refusal

MAX_BODY = 256 * 1024
ROOMY: Mapping[str, int] = {  # files and pasted lists, not clicks
    "/gradio_api/queue/join": 2 * 1024 * 1024,
    "/api/feedback/import": 64 * 1024 * 1024,
    "/api/adapters/import": 4 * 1024 * 1024 * 1024,
}
_DRAINED = 64 * 1024 * 1024  # of a body that is too large: read and dropped, so that the sender hears the answer
_PATIENCE_S = 10.0
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SAFE = {"GET", "HEAD", "OPTIONS"}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip")
_KEPT = ("/assets/", "/static/", "/svelte/")  # gradio's own files, which a browser may keep
# 'unsafe-eval' and 'unsafe-inline' are what Gradio's own pages need; nothing is asked of another host.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'; base-uri 'self'"
)


class TooLarge(BadInput):
    """The body is larger than is taken."""

    status = 413


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        """Around an app."""
        self._app = app
        self._hosts = _LOOPBACK | {name.lower() for name in (settings.host, *settings.hosts)}
        self._proxies = networks(settings.proxies)
        self._open = settings.open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with a sentence."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._guarded(scope, receive, _with_headers(send, scope["path"]))
        else:  # nothing here speaks websockets, which know no origin rule
            await send({"type": "websocket.close", "code": 1008})

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        limit = ROOMY.get(scope["path"], MAX_BODY)
        length = headers.get("content-length", "0")
        try:
            if self._open and any(name in headers for name in _FORWARDED):
                raise NotAllowed("Without a login ftchat answers no request that came through a proxy.")
            proxied = bool(scope.get("client")) and _among(scope["client"][0], self._proxies)
            scope = _behind(scope, headers, self._proxies)
            scope["state"] = {**scope.get("state", {}), "here": _is_here(scope, headers)}
            self._check_host(scope, headers)
            _check_origin(scope, headers, proxied=proxied)
            if not length.isdigit():
                raise BadInput("Content-Length is no number.")
            if int(length) > limit:
                raise _too_large(limit)
        except FtchatError as err:
            if not headers.get("expect"):  # who expects to be told before sending is not waited for
                await _drain(receive)
            await refusal(err)(scope, receive, send)
            return
        await _Limited(limit, receive, send).run(self._app, scope)

    def _check_host(self, scope: Scope, headers: Headers) -> None:
        """Only known names: a name of elsewhere that leads here is another site. The address itself is no name."""
        host = _host(headers.get("host", ""))
        if host in self._hosts or (_is_address(host) and scope.get("server") and host == scope["server"][0]):
            return
        raise BadInput(f"This ftchat is not called {host!r}. Its setting hosts lists the names it answers to.")


def _check_origin(scope: Scope, headers: Headers, *, proxied: bool) -> None:
    """What changes something comes from these pages, or from no browser."""
    if scope["method"] in _SAFE:
        return
    origin = headers.get("origin")
    if origin is not None:
        there, host = urlsplit(origin.lower()), headers.get("host", "").lower()
        if there.netloc != host or (scope["scheme"] == "https" and there.scheme != "https"):
            asked = (
                f" The proxy asked for {host}: it must pass on the name that browsers use (Host)." if proxied else ""
            )
            raise NotAllowed(f"This request comes from another site.{asked}")
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise NotAllowed("This request comes from another site.")


def _behind(scope: Scope, headers: Headers, proxies: tuple[Network, ...]) -> Scope:
    """The request as its sender made it: what a known proxy says is believed, what others forward is dropped."""
    told: dict[str, Any] = {}
    if scope.get("client") and _among(scope["client"][0], proxies):
        hops = [hop.strip() for value in headers.getlist("x-forwarded-for") for hop in value.split(",")]
        sender = next((hop for hop in reversed(hops) if not _among(hop, proxies)), "")
        if _is_address(sender):
            told["client"] = (sender, 0)
        scheme = headers.get("x-forwarded-proto", "").rsplit(",", 1)[-1].strip()
        if scheme in ("http", "https"):
            told["scheme"] = scheme
    kept = [(name, value) for name, value in scope["headers"] if name.decode("latin-1").lower() not in _FORWARDED]
    return {**scope, **told, "headers": kept}


def _is_here(scope: Scope, headers: Headers) -> bool:
    """Whether the sender is this machine itself, and no proxy on it that passes on what others sent."""
    if not scope.get("client") or any(name in headers for name in _FORWARDED):
        return False
    address = scope["client"][0]
    own = scope["server"][0] if scope.get("server") else ""
    return address == own or (_is_address(address) and _plain(address).is_loopback)


@lru_cache(1024)
def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(address)
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(1024)
def _among(address: str, proxies: tuple[Network, ...]) -> bool:
    return _is_address(address) and any(_plain(address) in network for network in proxies)


@lru_cache(1024)
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _host(value: str) -> str:
    try:
        return (urlsplit(f"//{value}").hostname or "").lower()
    except ValueError:
        return ""


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"At most {limit // 1024:,} KB are taken in one request.")


async def _drain(receive: Receive) -> None:
    taken, more = 0, True
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while more and taken < _DRAINED:
                message = await receive()
                taken += len(message.get("body", b""))
                more = message.get("more_body", False)


class _Limited:
    """One request whose body ends at the limit, with a length or without; what the app then says becomes a 413."""

    def __init__(self, limit: int, receive: Receive, send: Send) -> None:
        self._limit, self._receive, self._send = limit, receive, send
        self._taken = 0
        self._started = False

    @property
    def _over(self) -> bool:
        return self._taken > self._limit

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Pass it on; the app hears that the sender is gone once there is too much."""
        try:
            await app(scope, self._receiving, self._sending)
        except Exception:
            if not self._over or self._started:
                raise
        if self._over and not self._started:
            await _drain(self._receive)
            await refusal(_too_large(self._limit))(scope, self._receive, self._send)

    async def _receiving(self) -> Message:
        if self._over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self._over else message

    async def _sending(self, message: Message) -> None:
        if self._over and not self._started:
            return  # an answer to half a body
        self._started = True
        await self._send(message)


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = POLICY
            headers["X-Content-Type-Options"] = "nosniff"
            # Not "no-referrer": a form would then be sent with the origin "null", which is refused.
            headers["Referrer-Policy"] = "same-origin"
            if not path.startswith(_KEPT):
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
