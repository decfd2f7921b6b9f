"""What the routes share: the parts, who is asking, and the idempotency key of a request."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request

from ftchat.errors import NotAllowed
from ftchat.parts import Parts
from ftchat.records import Person, Standing


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def _at_least(role: Standing) -> Callable[[Request], Person]:
    """Who is asking, refused when they may not what this role may."""

    def person(request: Request) -> Person:
        who = _parts(request).person(request)
        if not who.is_at_least(role):
            raise NotAllowed(f"This is for {role}s; you are a {who.role} here. An admin can change that.")
        return who

    return person


PartsOf = Annotated[Parts, Depends(_parts)]
Viewer = Annotated[Person, Depends(_at_least("viewer"))]
Rater = Annotated[Person, Depends(_at_least("rater"))]
Reviewer = Annotated[Person, Depends(_at_least("reviewer"))]
Admin = Annotated[Person, Depends(_at_least("admin"))]


def _key(
    request: Request, given: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None
) -> str | None:
    """The key belongs to the call that it was sent with."""
    return f"{request.method} {request.url.path} {given}" if given else None


Key = Annotated[str | None, Depends(_key)]
