"""What the routes share: the parts, the user, and the idempotency key of a request."""

from typing import Annotated

from fastapi import Depends, Header, Request

from ftchat.parts import Parts


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def _user(request: Request) -> str:
    return _parts(request).user(request)


PartsOf = Annotated[Parts, Depends(_parts)]
User = Annotated[str, Depends(_user)]


def _key(
    request: Request, given: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None
) -> str | None:
    """The key belongs to the call that it was sent with."""
    return f"{request.method} {request.url.path} {given}" if given else None


Key = Annotated[str | None, Depends(_key)]
