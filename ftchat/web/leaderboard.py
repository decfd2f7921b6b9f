"""The leaderboard over HTTP."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from ftchat.ratings import board
from ftchat.web.common import PartsOf, Viewer

router = APIRouter(prefix="/api", tags=["leaderboard"])


@router.get("/leaderboard")
def leaderboard(parts: PartsOf, who: Viewer) -> dict[str, Any]:
    """Who is better by blind votes: win probabilities against the champion, ratings against base, and what to doubt."""
    base, store = parts.base.fingerprint, parts.store
    found = board(
        store.ballots.counted(base),
        contestants=store.ballots.contestants(base),
        champion=store.training.champion(base),
        level=parts.settings.vote_level,
    )
    return {"base": base, "base_name": parts.base.name, **asdict(found)}
