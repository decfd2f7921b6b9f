"""Adapters over HTTP: list, look at, download, import, promote, roll back, delete."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from ftchat import exam
from ftchat.parts import Parts
from ftchat.records import Adapter, Person, Verdict
from ftchat.web.common import Admin, Key, PartsOf, Reviewer, Viewer
from ftchat.web.repeats import RepeatsOf
from ftchat.web.shapes.runs import AdapterOut, AdapterPage, AdapterWhole, ChampionOut, DeletedOut
from ftchat.web.zipped import zipped

router = APIRouter(prefix="/api", tags=["adapters"])
_BINARY: dict[str, Any] = {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "adapter_config.json, adapter_model.safetensors and manifest.json",
        **_BINARY,
    }
}


@router.get("/adapters", response_model=AdapterPage)
def adapters(parts: PartsOf, who: Viewer) -> Any:
    """The adapters of this base, newest first, and who is in service."""
    items = [_shown(parts, adapter, who) for adapter in parts.service.adapters()]
    return {"champion": parts.service.champion(), "items": items}


@router.get("/adapters/{name}", response_model=AdapterWhole)
def adapter(name: str, parts: PartsOf, who: Viewer) -> Any:
    """One adapter. Reviewers are told which feedback trained it."""
    found = parts.store.training.adapter(name)
    reads = who.is_at_least("reviewer")
    rows = sorted(parts.store.lineage.held_by(name)) if reads else []
    return {**_shown(parts, found, who), "trained_on": rows}


@router.get("/adapters/{name}/download", response_class=StreamingResponse, responses=_ZIP)
def download(name: str, parts: PartsOf, who: Reviewer) -> Any:
    """An adapter as a zip that PEFT and vLLM load once it is unpacked."""
    files = parts.service.published(name)
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    return StreamingResponse(zipped(files), media_type="application/zip", headers=headers)


@router.post(
    "/adapters/import",
    status_code=201,
    response_model=AdapterOut,
    openapi_extra={"requestBody": {"required": True, **_BINARY}},
)
async def import_(request: Request, parts: PartsOf, who: Admin, key: Key, repeats: RepeatsOf) -> Any:
    """Take in an adapter that PEFT saved, as a zip of its folder: checked and tried, or refused with the reason."""

    async def take() -> dict[str, Any]:
        with parts.service.inbox() as file:
            with file.open("wb") as target:
                async for portion in request.stream():
                    target.write(portion)
            name = await parts.service.receive(who.name, file)
        return _shown(parts, parts.store.training.adapter(name), who)

    return await repeats.once(who, key, take)


@router.delete("/adapters/{name}", response_model=DeletedOut)
async def delete(name: str, parts: PartsOf, who: Admin) -> Any:
    """Delete an adapter that nothing refers to: not in service, lately a champion or answering, nor made here and in
    blind votes."""
    await parts.service.delete(who.name, name)
    return {"adapter": name, "deleted": True}


@router.post("/adapters/{name}/promote", response_model=ChampionOut)
async def promote(name: str, parts: PartsOf, who: Admin, key: Key, repeats: RepeatsOf) -> Any:
    """Put an adapter into service."""

    async def use() -> dict[str, str]:
        await parts.service.use(who.name, name)
        return {"champion": name}

    return await repeats.once(who, key, use)


@router.post("/rollback", response_model=ChampionOut)
async def rollback(parts: PartsOf, who: Admin, key: Key) -> Any:
    """Put the champion before this one back."""
    return {"champion": await parts.service.rollback(who.name, key=key)}


def _shown(parts: Parts, adapter: Adapter, who: Person) -> dict[str, Any]:
    """Where it comes from is in its manifest; what its exam measured is with its run. Pins are for reviewers."""
    verdict = parts.store.training.run(adapter.run).verdict if adapter.run else None
    manifest = parts.service.manifest(adapter.name)
    kept = {key: value for key, value in manifest.items() if key not in ("files", "name")}
    return {
        "name": adapter.name,
        "state": adapter.state,
        "run": adapter.run,
        "created_at": adapter.created_at,
        "reasons": list(adapter.reasons) if who.is_at_least("reviewer") else exam.without_pins(adapter.reasons),
        "lineage": {**kept, "base": adapter.base, "run": adapter.run},
        "verdict": verdict.decision if verdict else None,
        "scores": _scores(verdict, who),
    }


def _scores(verdict: Verdict | None, who: Person) -> dict[str, Any]:
    figures = verdict.figures if verdict else {}
    return {key: value for key, value in figures.items() if key != "pins" or who.is_at_least("reviewer")}
