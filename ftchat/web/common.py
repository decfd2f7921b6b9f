"""What the routes share: the parts, who is asking, the idempotency key of a request, and how a refusal looks."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse

from ftchat.errors import FtchatError, TooMany
from ftchat.parts import Parts
from ftchat.records import Person, Standing

# What routes depend on is async although it never waits: a plain function would cost each request a thread.


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def _at_least(role: Standing) -> Callable[[Request], Awaitable[Person]]:
    """Who is asking, refused when they may not what this role may."""

    async def person(request: Request) -> Person:
        parts: Parts = request.app.state.parts
        return parts.person(request, role)

    return person


PartsOf = Annotated[Parts, Depends(_parts)]
Viewer = Annotated[Person, Depends(_at_least("viewer"))]
Rater = Annotated[Person, Depends(_at_least("rater"))]
Reviewer = Annotated[Person, Depends(_at_least("reviewer"))]
Admin = Annotated[Person, Depends(_at_least("admin"))]


async def _key(
    request: Request, given: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None
) -> str | None:
    """The key belongs to the call that it was sent with."""
    return f"{request.method} {request.url.path} {given}" if given else None


Key = Annotated[str | None, Depends(_key)]


def refusal(err: FtchatError) -> JSONResponse:
    """An error as clients see it: a sentence, and when to come back or how to come in."""
    headers = {}
    if err.status == 503:
        headers["Retry-After"] = "5"
    if isinstance(err, TooMany):
        headers["Retry-After"] = str(err.wait_s)
    if err.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    said = err.message.encode("utf-8", "replace").decode("utf-8")  # it may quote what was sent, lone surrogates too
    return JSONResponse({"error": {"type": err.type, "message": said}}, err.status, headers)
