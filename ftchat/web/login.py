"""The pages before the pages: log in, take an invitation, change the password, log out. Plain HTML, without a script.

They work on a phone, in the dark, and ask nothing of another host. What may be seen afterwards is not their matter.
"""

import asyncio
import html
import re
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ftchat.accounts import ALONE
from ftchat.errors import BadInput, FtchatError, TooMany
from ftchat.parts import Parts, address_of
from ftchat.texts import login as texts
from ftchat.web.common import PartsOf, Viewer
from ftchat.web.limits import neighbourhood

router = APIRouter(include_in_schema=False)
_LOCAL = re.compile(r"/(?:[A-Za-z0-9_?=&%.~-][A-Za-z0-9_?=&%.~/-]*)?")  # a path of ours: never "//" or "/\"
_OURS = ("/login", "/logout", "/join")


def local(where: str) -> str:
    """Where to go after logging in: a path of this app, else its first page."""
    return where if _LOCAL.fullmatch(where) and not where.startswith(_OURS) else "/"


@router.get("/login")
def login(parts: PartsOf, request: Request, next: str = "/") -> Response:  # noqa: A002  # as links write it
    """Ask who it is; whoever is known goes on."""
    if parts.entry(request) is not None:
        return RedirectResponse(local(next), 303)
    if request.headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(_AGAIN.substitute(to=html.escape(f"/login?next={quote(local(next))}")))
    return _page(parts, _login_form(next))


@router.post("/login")
async def log_in(parts: PartsOf, request: Request) -> Response:
    """Let in whoever knows the password."""
    given = await _fields(request)
    to = local(given.get("next", "/"))
    try:
        secret = await asyncio.to_thread(
            parts.accounts.log_in, given.get("name", ""), given.get("password", ""), address=_from(request)
        )
    except FtchatError as err:
        return _page(parts, _login_form(to, name=given.get("name", "")), said=err)
    return _came_in(parts, request, secret, to=to)


@router.post("/logout")
def log_out(parts: PartsOf, request: Request) -> Response:
    """End this login."""
    if secret := request.cookies.get(parts.cookie):
        parts.accounts.log_out(secret)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(parts.cookie, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    answer.headers["clear-site-data"] = '"storage"'  # what was half written, and where each tab was
    return answer


@router.get("/join/{secret}")
def invited(secret: str, parts: PartsOf) -> Response:
    """What an invitation is for."""
    try:
        return _page(parts, _join_form(parts, secret))
    except FtchatError as err:
        return _page(parts, {"title": texts.LINK_GONE, "form": ""}, said=err)


@router.post("/join/{secret}")
async def join(secret: str, parts: PartsOf, request: Request) -> Response:
    """Take an invitation."""
    given = await _fields(request)
    try:
        if given.get("password", "") != given.get("again", ""):
            raise BadInput(texts.PASSWORDS_DIFFER)
        name, password = given.get("name", ""), given.get("password", "")
        login = await asyncio.to_thread(parts.accounts.join, secret, name, password)
    except FtchatError as err:
        return await asyncio.to_thread(_still_invited, parts, secret, given.get("name", ""), err)
    return _came_in(parts, request, login)


def _still_invited(parts: Parts, secret: str, name: str, said: FtchatError) -> Response:
    try:
        return _page(parts, _join_form(parts, secret, name=name), said=said)
    except FtchatError as gone:
        return _page(parts, {"title": texts.LINK_GONE, "form": ""}, said=gone)


@router.get("/account")
def account(parts: PartsOf, request: Request) -> Response:
    """Who one is here, and the form for another password."""
    entry = parts.entry(request)
    if entry is None or parts.settings.open:
        return RedirectResponse("/login?next=/account" if entry is None else "/", 303)
    return _page(parts, _account_form(entry.person.name, entry.person.role))


@router.post("/account")
async def change_password(parts: PartsOf, request: Request, who: Viewer) -> Response:
    """Set another password; every other login of this user ends."""
    given = await _fields(request)
    try:
        if given.get("password", "") != given.get("again", ""):
            raise BadInput(texts.PASSWORDS_DIFFER)
        old, new = given.get("old", ""), given.get("password", "")
        secret = await asyncio.to_thread(parts.accounts.change_password, who.name, old, new, address=_from(request))
    except FtchatError as err:
        return _page(parts, _account_form(who.name, who.role), said=err)
    return _came_in(parts, request, secret)


def _from(request: Request) -> str:
    """Where wrong passwords are counted: whoever has one IPv6 address has a network of them."""
    return neighbourhood(address_of(request))


async def _fields(request: Request) -> dict[str, str]:
    """A form's fields, each once."""
    body = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True, max_num_fields=20).items()}


def _came_in(parts: Parts, request: Request, secret: str, *, to: str = "/") -> Response:
    """On to the pages, with the login in a cookie that no script and no other site can use."""
    answer = RedirectResponse(to, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(parts.cookie, secret, httponly=True, samesite="strict", secure=secure, path="/")
    return answer


def _page(parts: Parts, content: dict[str, Any], *, said: FtchatError | None = None) -> HTMLResponse:
    notice = f'<p class="notice" role="alert">{html.escape(said.message)}</p>' if said else ""
    name = html.escape(parts.settings.name)
    text = _TEMPLATE.substitute(content, name=name, notice=notice)
    headers = {"Retry-After": str(said.wait_s)} if isinstance(said, TooMany) else None
    return HTMLResponse(text, said.status if said else 200, headers)


def _login_form(to: str, *, name: str = "") -> dict[str, str]:
    fields = (
        f'<input type="hidden" name="next" value="{html.escape(local(to))}">'
        + _field("name", texts.NAME, value=name, complete="username")
        + _field("password", texts.PASSWORD, kind="password", complete="current-password")
    )
    return {"title": texts.LOG_IN, "form": _form("/login", fields, press=texts.LOG_IN, note=texts.NO_ACCOUNT)}


def _join_form(parts: Parts, secret: str, *, name: str = "") -> dict[str, str]:
    link = parts.accounts.invitation(secret)
    if link.user is not None:
        hidden = f'<input type="hidden" name="name" autocomplete="username" value="{html.escape(link.user)}">'
        form = _form(f"/join/{quote(secret)}", hidden + _new_password(), press=texts.SET_PASSWORD)
        return {"title": texts.NEW_PASSWORD_FOR.format(name=html.escape(link.user)), "form": form}
    suggested = name or (ALONE.name if link.role == "admin" and not parts.accounts.users() else "")
    fields = _field("name", texts.NAME, value=suggested, complete="username") + _new_password()
    form = _form(f"/join/{quote(secret)}", fields, press=texts.JOIN)
    return {"title": texts.JOIN_AS.format(role=link.role), "form": form}


def _account_form(name: str, role: str) -> dict[str, str]:
    fields = _field("old", texts.PASSWORD_NOW, kind="password", complete="current-password") + _new_password()
    note = f'{texts.ACCOUNT_IS.format(name=html.escape(name), role=role)} <a href="/">{texts.BACK}</a>'
    leave = f'<form method="post" action="/logout"><button class="plain">{texts.LOG_OUT}</button></form>'
    form = _form("/account", fields, press=texts.CHANGE_PASSWORD, note=note)
    return {"title": texts.ACCOUNT, "form": form + leave}


def _new_password() -> str:
    return "".join(
        _field(name, label, kind="password", complete="new-password")
        for name, label in (("password", texts.NEW_PASSWORD), ("again", texts.NEW_PASSWORD_AGAIN))
    )


def _field(name: str, label: str, *, value: str = "", kind: str = "text", complete: str) -> str:
    return (
        f'<label>{label}<input name="{name}" type="{kind}" value="{html.escape(value)}" required '
        f'autocomplete="{complete}" autocapitalize="none" spellcheck="false" maxlength="200"></label>'
    )


def _form(action: str, fields: str, *, press: str, note: str = "") -> str:
    after = f'<p class="note">{note}</p>' if note else ""
    return f'<form method="post" action="{action}">{fields}<button>{press}</button></form>{after}'


_TEMPLATE = Template(files("ftchat.web").joinpath("login.html").read_text(encoding="utf-8"))
# A link on another site brings no strict cookie along; the same page asked for by this site does.
_AGAIN = Template(
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=$to"><title>…</title>'
)
