"""Votes that decide about an adapter, through all that counts them: blind comparisons in SQLite, the app's own way of
taking a vote, and what it looks at after each. That the bare rule is sound is in test_ratings.py.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import furnished
import gradio as gr
import httpx
import pytest
from room import Room
from test_registry_hostile import good

from ftchat import web
from ftchat.progress import Trial
from ftchat.ratings import sequential
from ftchat.records import Person, Winner
from ftchat.ui.models import ModelsPage

PEOPLE = (Person("ann", "admin"), Person("bob", "rater"), Person("cara", "reviewer"))
SWEEP = next(n for n in range(1, 50) if sequential(n, 0).decision)  # votes that decide when all are for one side
AT_ONCE = 8  # homes; what waits for the disk waits together


@dataclass(frozen=True)
class Vote:
    """Who judges which question; whether the adapter is better on it, and whether they take it back where it lost."""

    who: Person
    question: str
    better: bool
    regrets: bool

    def winner(self, chance: random.Random, *, left: str) -> Winner:
        """Mostly whoever is better there, as all agree; else the left one more often than the right one."""
        if chance.random() < 0.8:
            return "left" if self.better == (left != "base") else "right"
        winners: tuple[Winner, ...] = ("left", "right", "tie", "both_bad")
        return chance.choices(winners, (0.4, 0.1, 0.25, 0.25))[0]


def drawn(chance: random.Random, asked: list[bool]) -> Vote:
    """Of two equal models, each is better on half of the questions; many of these are judged by several people, and
    some by one person twice."""
    if not asked or chance.random() < 0.4:
        asked.append(chance.random() < 0.5)
    number = chance.randrange(max(0, len(asked) - 4), len(asked))
    return Vote(chance.choice(PEOPLE), f"What is number {number}?", asked[number], regrets=chance.random() < 0.3)


async def outcome(home: Path, *, votes: int, seed: int) -> str:
    """What becomes of a challenger that is as good as base, under so many votes, the trial being looked at after each.

    Each look must count what was said: each question once, by what was said first.
    """
    chance, asked, said = random.Random(seed), list[bool](), dict[str, str]()
    room, told = Room(home), list[list[Trial]]()
    room.contestants._chance = chance
    room.judging.after_vote = lambda: told.append(room.pipeline.settle())
    name = room.adapter()
    room.store.training.set_state(name, "challenger", reasons=["The exam could not decide."])
    try:
        for _ in range(votes):
            vote = drawn(chance, asked)
            turn = furnished.compared(room, vote.question, room.contestants.pair(), owner=vote.who.name)
            side = vote.winner(chance, left=turn.reply("left").contestant)
            given = await room.judging.vote(vote.who, turn.id, side)
            winner = {"left": given.left, "right": given.right}.get(side, side)
            said.setdefault(vote.question, winner)
            if vote.regrets and winner == "base":
                room.judging.undo(vote.who, given.id)
            ((look,),) = told[-1:]
            tally = Counter(said.values())
            assert (look.wins, look.losses) == (tally[name], tally["base"])
            assert look.decided == (sequential(look.wins, look.losses).decision or "")
            if look.decided:
                break
        return room.service.adapters()[0].state
    finally:
        await room.close()


async def outcomes(folder: Path, *, repetitions: int, votes: int) -> Counter[str]:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> str:
        async with limit:
            return await outcome(folder / str(seed), votes=votes, seed=seed)

    return Counter(await asyncio.gather(*map(one, range(repetitions))))


async def test_two_equal_models_are_still_undecided_after_votes_that_were_liked_regretted_and_repeated(
    tmp_path: Path,
) -> None:
    assert await outcomes(tmp_path, repetitions=4, votes=30) == {"challenger": 4}


@pytest.mark.soak
async def test_two_equal_models_under_500_votes_looked_at_after_each_are_hardly_ever_promoted(tmp_path: Path) -> None:
    found = await outcomes(tmp_path, repetitions=200, votes=500)
    print(f"of 200 repetitions: {dict(found)}")
    assert found.total() == 200
    assert found["champion"] <= 0.05 * 200


# -- adapters that came from elsewhere --


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path / "home")
    made.vllm.logprobs |= {"shop-v1": -0.5, "shop-v2": -0.5}
    yield made
    await made.close()


def shown(room: Room) -> str:
    """Its card on the Models page."""
    with gr.Blocks():
        page = ModelsPage(room.parts)
    return str(page.view(Person("ann", "admin"))[page.list])


async def test_an_imported_adapter_is_put_to_the_vote_and_votes_promote_it(room: Room, tmp_path: Path) -> None:
    transport = httpx.ASGITransport(app=web.build(room.parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:
        given = await client.post("/api/adapters/import", content=good(tmp_path).zipped().read_bytes())
        assert (given.json()["name"], given.json()["state"]) == ("shop-v1", "challenger")
        assert "No blind votes against base yet" in shown(room)
        for n in range(SWEEP):
            told = room.pipeline.trial("shop-v1")
            assert told is not None
            assert (told.champion, told.wins, told.losses, told.decided) == ("base", n, 0, "")
            turn = furnished.compared(room, f"Question {n}?", ("shop-v1", "base"), owner="admin")
            await client.post("/api/votes", json={"turn": turn.id, "winner": "left"})
        assert (await client.get("/api/adapters/shop-v1")).json()["state"] == "champion"
    assert room.service.champion() == "shop-v1"
    why = room.store.rows("SELECT by, why FROM champions")[-1]
    assert (why["by"], why["why"].startswith("Blind votes against base: ")) == ("votes", True)


async def test_what_learned_from_withdrawn_feedback_is_promoted_by_no_votes(room: Room, tmp_path: Path) -> None:
    given = good(tmp_path).folder
    assert await room.service.receive("ann", given) == "shop-v1"
    marks = {"shop-v1": ("1 piece of feedback in it by bob was withdrawn",)}
    room.store.lineage.marks = lambda: marks  # type: ignore[method-assign]  # as if it had been made here
    for n in range(SWEEP + 1):
        turn = furnished.compared(room, f"Question {n}?", ("shop-v1", "base"), owner="ann")
        await room.judging.vote(PEOPLE[0], turn.id, "left")
    told = room.pipeline.trial("shop-v1")
    assert told is not None
    assert (told.wins, told.decided) == (SWEEP + 1, "")
    assert told.words.endswith("It learned from feedback that was withdrawn since, so you decide.")
    assert room.service.champion() == "base"
    assert "so you decide" in shown(room)


async def test_an_imported_adapter_is_retired_by_votes_and_until_then_it_may_be_deleted(
    room: Room, tmp_path: Path
) -> None:
    given = good(tmp_path).folder
    assert await room.service.receive("ann", given) == "shop-v1"
    turn = furnished.compared(room, "Question?", ("base", "shop-v1"), owner="ann")
    await room.judging.vote(PEOPLE[0], turn.id, "left")
    assert 'data-act="delete" data-value="shop-v1"' in shown(room)
    await room.service.delete("ann", "shop-v1")
    assert await room.service.receive("ann", given) == "shop-v2"
    for n in range(SWEEP):
        turn = furnished.compared(room, f"Question {n}?", ("base", "shop-v2"), owner="ann")
        await room.judging.vote(PEOPLE[0], turn.id, "left")
    (adapter,) = room.service.adapters()
    assert adapter.state == "retired"
    assert adapter.reasons[0] == "Imported by ann; it was not examined."
    assert adapter.reasons[1].startswith("Blind votes against base: 0 to ")
