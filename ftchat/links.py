"""Links with which people come in, at an address that they can open. It knows settings and addresses, and no routes."""

from typing import Any
from urllib.parse import urlsplit

from ftchat.config import Settings

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def to_join(secret: str, *, request: Any, settings: Settings) -> str:
    """At the address that was asked; at the first of `hosts` where that is one by which this machine calls itself."""
    asked, named = request.base_url, {name.lower() for name in settings.hosts}
    here = getattr(request.state, "here", False)  # said by the guard
    base = settings.address if named and here and asked.hostname not in named else str(asked)
    return f"{base.rstrip('/')}/join/{secret}"


def remark(link: str) -> str:
    """What others must replace in a link that leads each machine to itself; empty where it leads here."""
    host = urlsplit(link).hostname
    if host not in _THIS_MACHINE:
        return ""
    return f"{host} is this machine alone: for others put its address there, or a name that is in the setting hosts."
