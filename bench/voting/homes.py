"""Databases made for measuring: with turns that wait for a vote, or with any amount of feedback of every kind.

Rows are inserted in bulk in one transaction; the tables that follow from others are kept by the schema's own triggers.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftchat.records import Turn, group_key, new_id, now
from ftchat.store import Store

BASE = "b0"  # the fingerprint that tests/room.py gives its base
OWNER = "admin"  # who everyone is with `open`
TURNS_A_CONVERSATION = 4
RARE, COMMON = "zugzwang", "ordinary"  # a word of ten texts, and one of every tenth text
_VOCABULARY = [f"word{i}" for i in range(2000)]
_CONTESTANTS = ("base", "few-shot", "shop-v1", "shop-v2", "shop-v3")


@dataclass
class Rows:
    """Rows of each table, as they will be inserted."""

    of: dict[str, list[dict[str, Any]]]

    def add(self, table: str, **row: Any) -> None:
        self.of.setdefault(table, []).append(row)

    def write(self, store: Store) -> None:
        with store.writing() as db:
            for table, rows in self.of.items():
                names = ", ".join(rows[0])
                values = ", ".join(f":{name}" for name in rows[0])
                db.conn.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", rows)


def waiting(path: Path, *, turns: int) -> list[str]:
    """A database with compare turns on each of which both replies are finished and no vote was given; their ids."""
    store = Store(path)
    store.turns.add_base(BASE, "starter")
    chance = random.Random(1)
    rows = Rows({})
    ids = [_turn(rows, f"question {n}", owner=OWNER, conversation=None, chance=chance) for n in range(turns)]
    rows.write(store)
    store.close()
    return ids


def full(path: Path, *, feedback: int, only_votes: bool = False, seed: int = 1) -> Store:
    """An open store with so much feedback, four tenths of it votes or all of it, by ten people, reviewed or not."""
    store = Store(path)
    store.turns.add_base(BASE, "starter")
    for number, name in enumerate(_CONTESTANTS[2:], 1):
        store.training.add_adapter(name, number=number, base=BASE, run=None)
    chance = random.Random(seed)
    texts = _texts(feedback, chance)
    for start in range(0, feedback, 20_000):
        rows = Rows({})
        conversation = ""
        for n in range(start, min(start + 20_000, feedback)):
            owner = f"person{n // TURNS_A_CONVERSATION % 10}"
            begins = n % TURNS_A_CONVERSATION == 0 or not conversation
            turn = _turn(rows, next(texts), owner=owner, conversation=None if begins else conversation, chance=chance)
            conversation = rows.of["turns"][-1]["conversation"]
            _feedback(rows, turn, owner, n=n, kind=0 if only_votes else n % 10, chance=chance)
        rows.write(store)
    store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return store


def _texts(number: int, chance: random.Random) -> Iterator[str]:
    """Questions of ten words; one in ten has the common word, and ten of them all, spread evenly, the rare one."""
    for n in range(number):
        words = [*chance.choices(_VOCABULARY, k=9), f"number{n}"]
        if n % 10 == 0:
            words[1] = COMMON
        if n % max(1, number // 10) == 0:
            words[2] = RARE
        yield " ".join(words)


def _turn(rows: Rows, prompt: str, *, owner: str, conversation: str | None, chance: random.Random) -> str:
    turn, at = new_id("t"), now()
    where = conversation or new_id("c")
    parent = None
    if conversation is None:
        about = {"title": prompt[:80], "group_key": group_key(prompt)}
        rows.add("conversations", id=where, owner=owner, mode="compare", created_at=at, **about)
    else:
        parent = rows.of["turns"][-1]["id"]
    asked = {"mode": "compare", "blind": 1, "prompt": prompt, "params": '{"stop": []}', "created_at": at}
    rows.add("turns", id=turn, conversation=where, owner=owner, parent=parent, **asked)
    left, right = chance.sample(_CONTESTANTS, 2)
    for lane, contestant in (("left", left), ("right", right)):
        answer = {"text": f"{lane} answer to {prompt}", "finish": "stop", "completion_tokens": 5}
        rows.add(
            "replies",
            id=new_id("r"),
            turn=turn,
            lane=lane,
            contestant=contestant,
            model=contestant,
            base=BASE,
            **answer,
        )
    rows.add("words", id=turn, turn=turn, owner=owner, said=prompt)
    return turn


def _feedback(rows: Rows, turn: str, rater: str, *, n: int, kind: int, chance: random.Random) -> None:
    reply, at = rows.of["replies"][-1]["id"], now()
    match kind:
        case 0 | 1 | 2 | 3:
            given = new_id("v")
            winner = chance.choice(("left", "right", "tie", "both_bad"))
            about = {"winner": winner, "blind": 1, "reasons": "{}", "comment": "", "created_at": at}
            rows.add("votes", id=given, turn=turn, rater=rater, **about)
        case 4 | 5 | 6:
            given = new_id("g")
            thumb = {"value": chance.choice(("up", "down")), "reasons": "[]", "comment": "", "created_at": at}
            rows.add("ratings", id=given, reply=reply, rater=rater, **thumb)
        case _:
            given = new_id("k")
            prompt = rows.of["turns"][-1]["prompt"]
            rows.add("corrections", id=given, reply=reply, rater=rater, text=f"better answer {n}", created_at=at)
            rows.add("correction_prompts", correction=given, prompt=prompt)
            rows.add("words", id=given, turn=turn, owner=rater, said=f"{prompt}\nbetter answer {n}")
    if n // 10 % 10 >= 3:
        status = "approved" if n // 10 % 10 < 9 else "rejected"
        rows.add("reviews", target=given, status=status, by="reviewer", created_at=at)


def vote_as_people_do(store: Store, turn: Turn, *, approved: bool = False) -> str:
    """One vote under an idempotency key: the transaction of Judging.vote; a reviewer's is approved as it is given."""
    with store.writing():
        assert store.once(OWNER, turn.id) is None
        vote = store.feedback.add_vote(turn, OWNER, "left", reasons={}, comment="")
        if approved:
            store.feedback.review(vote, "approved", OWNER)
        store.remember(OWNER, turn.id, vote)
    return vote
