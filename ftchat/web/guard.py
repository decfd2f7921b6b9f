"""What every request passes first: allowed hosts, origin, size; and the headers that every answer carries.

Written as plain ASGI, so that streams pass through untouched. It does not know users or routes.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ftchat.config import Settings

MAX_BODY = 256 * 1024
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SAFE = {"GET", "HEAD", "OPTIONS"}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
# 'unsafe-eval' and 'unsafe-inline' are what Gradio's own pages need; nothing is asked of another host.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'; base-uri 'self'"
)


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        """Around an app."""
        self._app = app
        self._hosts = _LOOPBACK | {settings.host}
        self._open = settings.open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with a sentence."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refused := self._refusal(scope["method"], headers):
            status, message = refused
            body = {"error": {"type": "NotAllowed" if status == 403 else "BadInput", "message": message}}
            await JSONResponse(body, status)(scope, receive, send)
            return
        await self._app(scope, _limited(receive), _with_headers(send))

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = _host(headers.get("host", ""))
        if host not in self._hosts:
            return 400, f"This ftchat is not called {host!r}."
        if self._open and any(name in headers for name in _FORWARDED):
            return 403, "Without a login ftchat answers no request that came through a proxy."
        origin = headers.get("origin")
        if method not in _SAFE and origin is not None and urlsplit(origin).netloc != headers.get("host"):
            return 403, "This request comes from another site."
        if method not in _SAFE and headers.get("sec-fetch-site") == "cross-site":
            return 403, "This request comes from another site."
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return 413, f"At most {MAX_BODY // 1024} KB are taken in one request."
        return None


def _host(value: str) -> str:
    return (urlsplit(f"//{value}").hostname or "").lower()


def _limited(receive: Receive) -> Receive:
    """A body without a length is cut off at the limit."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > MAX_BODY else message

    return limited


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = POLICY
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
        await send(message)

    return sending
