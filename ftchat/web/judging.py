"""Votes, thumbs and corrections over HTTP, each with its undo; and redrafts, which propose a correction."""

from dataclasses import asdict
from functools import partial
from typing import Any

from fastapi import APIRouter

from ftchat import similar
from ftchat.errors import BadInput
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.web.common import Key, PartsOf, Rater
from ftchat.web.repeats import RepeatsOf
from ftchat.web.shapes.judging import (
    CorrectionIn,
    CorrectionOut,
    CorrectionsOut,
    RatingIn,
    RatingOut,
    ReasonsIn,
    RedraftIn,
    RedraftOut,
    SimilarIn,
    SimilarOut,
    UndoneOut,
    VoteIn,
    VoteOut,
)

router = APIRouter(prefix="/api", tags=["judging"])


@router.post("/votes", response_model=VoteOut)
async def vote(body: VoteIn, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Vote; the answer reveals the names."""
    given = await parts.judging.vote(who, body.turn, body.winner, reasons=body.reasons, comment=body.comment, key=key)
    return {"vote": given.id, "contestants": {"left": given.left, "right": given.right}}


@router.post("/votes/{vote}/reasons", response_model=VoteOut)
async def explain(vote: str, body: ReasonsIn, parts: PartsOf, who: Rater, key: Key, repeats: RepeatsOf) -> Any:
    """Say why one voted as one did, once the names are known."""

    async def add() -> dict[str, Any]:
        say = partial(parts.judging.explain, who, vote, reasons=body.reasons, comment=body.comment)
        given = await parts.store.soon(say)
        return {"vote": given.id, "contestants": {"left": given.left, "right": given.right}}

    return await repeats.once(who, key, add)


@router.post("/votes/{vote}/undo", response_model=UndoneOut, response_model_exclude_unset=True)
def undo_vote(vote: str, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Take back one's own vote. There is no second blind vote on its turn."""
    return _undo(parts, who, vote, "vote")


@router.post("/ratings", response_model=RatingOut)
def rate(body: RatingIn, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Thumb up or down; it replaces one's earlier one on this reply."""
    given = parts.judging.rate(who, body.reply, body.value, reasons=body.reasons, comment=body.comment, key=key)
    return {"rating": given}


@router.post("/ratings/{rating}/undo", response_model=UndoneOut, response_model_exclude_unset=True)
def undo_rating(rating: str, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Take back one's own thumb."""
    return _undo(parts, who, rating, "rating")


@router.post("/corrections", response_model=CorrectionOut)
def correct(body: CorrectionIn, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Say what a reply should have been; it replaces one's earlier correction of it."""
    given = parts.judging.correct(who, body.reply, body.text, instruction=body.instruction, key=key)
    return {"correction": given}


@router.post("/corrections/{correction}/undo", response_model=UndoneOut, response_model_exclude_unset=True)
def undo_correction(correction: str, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Take back one's own correction."""
    return _undo(parts, who, correction, "correction")


@router.get("/corrections/{correction}/similar", response_model=SimilarOut)
def like_it(correction: str, parts: PartsOf, who: Rater) -> Any:
    """What the change of one's own correction would make of other answers. Nothing is saved."""
    found = similar.preview(parts.store, who, correction)
    items = [asdict(one) for one in found.shown]
    return {"correction": correction, "words": found.words, "found": found.found, "items": items}


@router.post("/corrections/{correction}/similar", response_model=CorrectionsOut)
def correct_like_it(correction: str, body: SimilarIn, parts: PartsOf, who: Rater, key: Key) -> Any:
    """Correct other answers in the same way: all that are named, or none."""
    return {"corrections": similar.apply(parts.store, parts.judging, who, correction, body.replies, key=key)}


@router.post("/redrafts", response_model=RedraftOut)
async def redraft(body: RedraftIn, parts: PartsOf, who: Rater, key: Key, repeats: RepeatsOf) -> Any:
    """Let the model rewrite a reply on instruction. It proposes; giving it as a correction is what saves it."""

    async def propose() -> str:
        return await parts.redrafts.propose(who, body.reply, body.instruction, text=body.text)

    return {"text": await repeats.once(who, key, propose)}


_PREFIXES = {"vote": "v_", "rating": "g_", "correction": "k_"}


def _undo(parts: Parts, who: Person, id_: str, kind: str) -> dict[str, Any]:
    """Doing it twice is doing it once, with a key or without."""
    if not id_.startswith(_PREFIXES[kind]):
        raise BadInput(f"This is not the id of a {kind}.")
    parts.judging.undo(who, id_)
    return {kind: id_, "undone": True}
