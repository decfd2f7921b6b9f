"""Users, invitations and tokens over HTTP, for admins. A secret is in the one answer that made it, and nowhere else."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from ftchat import links
from ftchat.errors import Conflict
from ftchat.parts import Parts
from ftchat.records import Person, Standing
from ftchat.store.people import Invitation, Token
from ftchat.web.common import Admin, Key, PartsOf
from ftchat.web.repeats import RepeatsOf

router = APIRouter(prefix="/api", tags=["accounts"])


class RoleIn(BaseModel):
    """What a user is from now on."""

    role: Standing


class InvitationIn(BaseModel):
    """What somebody is invited to be, and for how long the link works."""

    role: Standing = "rater"
    days: float = 7


class TokenIn(BaseModel):
    """A token of a user, or of one that is only there for tokens of this role."""

    role: Standing
    user: str | None = None
    name: str = ""


@router.get("/users")
def users(parts: PartsOf, who: Admin) -> dict[str, Any]:
    """Everyone, by name."""
    return {"items": [asdict(user) for user in parts.accounts.users()]}


@router.post("/users/{name}/role")
def set_role(name: str, body: RoleIn, parts: PartsOf, who: Admin, key: Key, repeats: RepeatsOf) -> dict[str, Any]:
    """Give a user another role, at once."""
    return repeats.at_once(who, key, lambda: asdict(parts.accounts.set_role(name, body.role)))


@router.post("/users/{name}/disable")
def disable(name: str, parts: PartsOf, who: Admin, key: Key, repeats: RepeatsOf) -> dict[str, Any]:
    """Shut a user out, at once."""
    return repeats.at_once(who, key, lambda: asdict(parts.accounts.set_disabled(name, disabled=True)))


@router.post("/users/{name}/enable")
def enable(name: str, parts: PartsOf, who: Admin, key: Key, repeats: RepeatsOf) -> dict[str, Any]:
    """Let a user in again."""
    return repeats.at_once(who, key, lambda: asdict(parts.accounts.set_disabled(name, disabled=False)))


@router.post("/users/{name}/password-link", status_code=201)
def password_link(name: str, request: Request, parts: PartsOf, who: Admin, key: Key) -> dict[str, Any]:
    """A link with which a user sets a new password."""
    with parts.store.writing():
        _once(parts, who, key)
        made, secret = parts.accounts.password_link(who.name, name)
        parts.store.remember(who.name, key, made.id)
    return {**_invited(made), "link": links.to_join(secret, request=request, settings=parts.settings)}


@router.get("/invitations")
def invitations(parts: PartsOf, who: Admin) -> dict[str, Any]:
    """The links that work now, newest first."""
    return {"items": [_invited(made) for made in parts.accounts.invitations()]}


@router.post("/invitations", status_code=201)
def invite(body: InvitationIn, request: Request, parts: PartsOf, who: Admin, key: Key) -> dict[str, Any]:
    """A link with which somebody becomes a user."""
    with parts.store.writing():
        _once(parts, who, key)
        made, secret = parts.accounts.invite(who.name, body.role, days=body.days)
        parts.store.remember(who.name, key, made.id)
    return {**_invited(made), "link": links.to_join(secret, request=request, settings=parts.settings)}


@router.post("/invitations/{invitation}/revoke")
def take_back(invitation: str, parts: PartsOf, who: Admin, key: Key, repeats: RepeatsOf) -> dict[str, Any]:
    """End a link that was not used."""
    repeats.at_once(who, key, lambda: parts.accounts.take_back(invitation))
    return {"id": invitation, "revoked": True}


@router.get("/tokens")
def tokens(parts: PartsOf, who: Admin) -> dict[str, Any]:
    """Every token, newest first."""
    return {"items": [_token(token) for token in parts.accounts.tokens()]}


@router.post("/tokens", status_code=201)
def new_token(body: TokenIn, parts: PartsOf, who: Admin, key: Key) -> dict[str, Any]:
    """A token for a program."""
    with parts.store.writing():
        _once(parts, who, key)
        made, secret = parts.accounts.new_token(who.name, body.role, user=body.user, name=body.name)
        parts.store.remember(who.name, key, made.id)
    return {**_token(made), "token": secret}


@router.post("/tokens/{token}/revoke")
def revoke(token: str, parts: PartsOf, who: Admin, key: Key, repeats: RepeatsOf) -> dict[str, Any]:
    """Make a token worthless."""
    repeats.at_once(who, key, lambda: parts.accounts.revoke(token))
    return {"id": token, "revoked": True}


def _once(parts: Parts, who: Person, key: str | None) -> None:
    """A repeated request makes no second one; and what the first one gave is not kept, because it is a secret."""
    if parts.store.once(who.name, key) is not None:
        raise Conflict("An earlier request with this Idempotency-Key was done; what it gave was shown only then.")


def _invited(made: Invitation) -> dict[str, Any]:
    return {**asdict(made), "expires": _time(made.expires)}


def _token(token: Token) -> dict[str, Any]:
    return {**asdict(token), "used": _time(token.used)}


def _time(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else None
