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
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
