"""What was made from what, over HTTP: an adapter's feedback, a piece of feedback's adapters; leaving someone out."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from ftchat import lineage
from ftchat.web.common import Admin, Key, PartsOf, Rater, Reviewer
from ftchat.web.repeats import RepeatsOf
from ftchat.web.shapes import Text
from ftchat.web.shapes.lineage import IngredientPage, TracedOut, WithdrawnOut

router = APIRouter(prefix="/api", tags=["lineage"])


@router.get("/adapters/{name}/rows", response_model=IngredientPage)
def rows(
    name: str,
    parts: PartsOf,
    who: Reviewer,
    after: Annotated[Text, Query(description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Any:
    """The feedback that an adapter was made from and examined by."""
    parts.store.training.adapter(name)
    log = parts.store.lineage
    found = log.rows_of(name, after=after, limit=limit + 1)
    more = found[limit - 1].feedback if len(found) > limit else None
    items = [asdict(item) for item in found[:limit]]
    return {"adapter": name, "counts": log.counts_of(name), "items": items, "next": more}


@router.get("/feedback/{feedback}/adapters", response_model=TracedOut)
def adapters(feedback: str, parts: PartsOf, who: Rater) -> Any:
    """The adapters that a piece of feedback is in: raters follow what they gave, reviewers everything."""
    return asdict(lineage.trace(parts.store, who, feedback, base=parts.base.fingerprint))


@router.post("/people/{name}/withdraw", response_model=WithdrawnOut)
def withdraw(name: str, parts: PartsOf, who: Admin, key: Key, repeats: RepeatsOf) -> Any:
    """Take all feedback of a person out of everything made from now on, and mark the adapters that hold some of it."""
    return repeats.at_once(who, key, lambda: asdict(lineage.withdraw(parts.store, who, name)))
