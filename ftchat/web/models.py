"""Adapters over HTTP: list, promote, roll back."""

from typing import Any

from fastapi import APIRouter

from ftchat.records import Adapter
from ftchat.web.common import Admin, Key, PartsOf, Viewer

router = APIRouter(prefix="/api")


@router.get("/adapters")
def adapters(parts: PartsOf, who: Viewer) -> dict[str, Any]:
    """The adapters of this base, newest first, and who is in service."""
    return {
        "champion": parts.service.champion(),
        "items": [_shown(adapter) for adapter in parts.service.adapters()],
    }


@router.get("/adapters/{name}")
def adapter(name: str, parts: PartsOf, who: Viewer) -> dict[str, Any]:
    """One adapter, with what trained it."""
    found = parts.store.training.adapter(name)
    rows = sorted(parts.store.training.trained_on(found.run)) if found.run else []
    return {**_shown(found), "trained_on": rows}


@router.post("/adapters/{name}/promote")
async def promote(name: str, parts: PartsOf, who: Admin) -> dict[str, Any]:
    """Put an adapter into service."""
    await parts.service.use(who.name, name)
    return {"champion": name}


@router.post("/rollback")
async def rollback(parts: PartsOf, who: Admin, key: Key) -> dict[str, Any]:
    """Put the champion before this one back."""
    return {"champion": await parts.service.rollback(who.name, key=key)}


def _shown(adapter: Adapter) -> dict[str, Any]:
    return {
        "name": adapter.name,
        "state": adapter.state,
        "run": adapter.run,
        "created_at": adapter.created_at,
        "reasons": adapter.reasons,
    }
