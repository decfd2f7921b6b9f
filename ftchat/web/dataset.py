"""What a press of Retrain would use, over HTTP: the card, and row by row what each piece of feedback becomes."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from ftchat.dataset import Became
from ftchat.web.common import PartsOf, Reviewer
from ftchat.web.shapes import Text
from ftchat.web.shapes.dataset import BecamePage, CardOut

router = APIRouter(prefix="/api/dataset", tags=["runs"])
What = Literal["train", "tune", "exam", "dropped", "personal"]


@router.get("", response_model=CardOut)
def card(parts: PartsOf, who: Reviewer) -> Any:
    """The card of a snapshot made now."""
    made = parts.pipeline.card()
    dropped = [{"why": why, "count": n, "words": made.why[why]} for why, n in made.dropped.items()]
    return {**{key: value for key, value in asdict(made).items() if key != "why"}, "dropped": dropped}


@router.get("/rows", response_model=BecamePage)
def rows(
    parts: PartsOf,
    who: Reviewer,
    what: Annotated[
        What | None, Query(description="only rows of a split, what is dropped, or what may be personal")
    ] = None,
    after: Annotated[Text | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Any:
    """What each piece of approved feedback becomes, by id."""
    found = [item for item in parts.pipeline.became() if item.id > (after or "") and _is(item, what)]
    more = found[limit - 1].id if len(found) > limit else None
    return {"items": [asdict(item) for item in found[:limit]], "next": more}


def _is(item: Became, what: What | None) -> bool:
    if what == "personal":
        return bool(item.personal)
    if what == "dropped":
        return item.split is None
    return what is None or item.split == what
