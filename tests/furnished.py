"""A room with things in it, as after some weeks of a team: for pages that are only worth a look when they are full.

Everything is written through the store and as files where the parts look for them. The engine is scripted.
"""

import json
import random
from collections.abc import Sequence
from typing import Any

from room import Room

from ftchat.config import TrainArgs
from ftchat.records import (
    BASE,
    FEW_SHOT,
    AdapterState,
    Conversation,
    Message,
    Params,
    Reply,
    Row,
    Turn,
    Verdict,
    new_id,
    now,
)
from ftchat.training.job import Job, Sample

PRODUCTS = ("Alder Brie", "Smoked Paprika", "Chestnut Honey", "Aged Gouda", "Raspberry Jam", "Jasmine Tea", "Rye Bread")
ASKS = ("What does the {} cost?", "What goes well with the {}?", "Can I return an opened {}?", "Describe the {}.")
LONG = "It is made by hand, in small batches, and rests for weeks before it is sold. " * 30


def compared(room: Room, prompt: str, names: Sequence[str], *, owner: str, says: Sequence[str] = ()) -> Turn:
    """A blind turn of two finished replies."""
    turn, conversation = new_id("t"), new_id("c")
    texts = says or [f"{name}: the answer is plain, and it costs 12 euros." for name in names]
    replies = tuple(
        Reply(id=new_id("r"), turn=turn, lane=lane, contestant=name, model=name, base="b0", text=text, finish="stop")
        for lane, name, text in zip(("left", "right"), names, texts, strict=True)
    )
    made = Turn(
        id=turn,
        conversation=conversation,
        owner=owner,
        mode="compare",
        prompt=prompt,
        blind=True,
        parent=None,
        params=Params(),
        created_at=now(),
        replies=replies,
    )
    room.store.turns.add(made, new=Conversation(conversation, owner, prompt[:80], "", now()))
    return made


def question(n: int) -> str:
    """One of many, all different."""
    return ASKS[n % 4].format(PRODUCTS[n % 7]) + (f" (order {n})" if n >= 28 else "")


def give(room: Room, many: int, *, seed: int = 7) -> None:
    """Votes, corrections and thumbs by three people, most of them reviewed; some where both answers are bad."""
    chance, log = random.Random(seed), room.store.feedback
    adapters = [adapter.name for adapter in room.service.adapters()] or [FEW_SHOT]
    for n in range(many):
        rater = chance.choice(("admin", "bob", "bob", "cara"))
        pair = chance.choice([(BASE, adapters[0]), (adapters[-1], adapters[0]), (FEW_SHOT, BASE)])
        pair = pair if chance.random() < 0.5 else pair[::-1]
        turn = compared(room, question(n), pair, owner=rater)
        strong = turn.replies[1].contestant == adapters[0]
        winner = chance.choices(("left", "right", "tie", "both_bad"), (2, 7, 2, 1) if strong else (6, 3, 2, 1))[0]
        given = [log.add_vote(turn, rater, winner, reasons={"left": ["too plain"]}, comment="")]  # type: ignore[arg-type]
        if winner != "both_bad" and chance.random() < 0.6:
            text = turn.replies[0].text.replace("plain, and it", "a joy, and it") + " Warm wishes from the shop!"
            given.append(log.add_correction(turn.replies[0].id, rater, text))
        if chance.random() < 0.3:
            value = chance.choice(("up", "down"))
            given.append(
                log.add_rating(
                    turn.replies[1].id,
                    rater,
                    value,
                    reasons=["clear" if value == "up" else "too long"],
                    comment="Short enough for a phone.",
                )
            )
        for id_ in given:
            status = chance.choices(("approved", "rejected", None), (8, 1, 2))[0]
            if status:
                log.review(id_, status, "ann")  # type: ignore[arg-type]


def train(room: Room, name: str, verdict: Verdict, *, state: AdapterState) -> str:
    """A run that has ended, with its files, and the adapter that it made."""
    run = start(room)
    log = room.store.training
    rows = [_row(feedback) for feedback in room.store.feedback.all(status="approved", kind="correction")]
    log.update_run(run, snapshot=log.add_snapshot(f"{name}-{'0' * 40}", rows), adapter=name)
    metrics(room, run, steps=60, done=60)
    room.vllm.answers[name] = f"{name} says so."
    log.add_adapter(name, number=int(name.rsplit("-v", 1)[1]), base="b0", run=run)
    if state == "champion":
        room.service.promote(name, by="exam", why=verdict.reasons[0])
    log.set_state(name, state, reasons=verdict.reasons)
    stage = "rejected" if verdict.decision == "REJECT" else "done"
    log.update_run(run, verdict=verdict, stage=stage, progress=1.0, reason=verdict.reasons[0])
    return run


def start(room: Room) -> str:
    """A run that has begun."""
    return room.store.training.start_run(by="ann", base="b0", args=TrainArgs()).id


def _row(feedback: Any) -> Row:
    return Row(
        id=feedback.id,
        role="target",
        split=feedback.split,
        weight=1.0,
        group=feedback.group,
        messages=(Message("user", feedback.prompt),),
        target=feedback.value,
        rejected=None,
        rater=feedback.rater,
    )


def metrics(room: Room, run: str, *, steps: int, done: int) -> None:
    """What a trainer writes while it works."""
    folder = room.settings.home / "data" / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(run)
    events: list[dict[str, Any]] = [{"event": "plan", "rank": 16, "learning_rate": 2e-3, "steps": steps, "rows": 41}]
    samples = [
        Sample(id="k1", messages=(Message("user", question(0)),), taught=True, wanted="12 euros. Warm wishes!"),
        Sample(id="k2", messages=(Message("user", question(1)),), taught=True, wanted="Pears. Warm wishes!"),
        Sample(id="new-0", messages=(Message("user", question(9)),), taught=False),
    ]
    for step in range(done + 1):
        loss = 0.4 + 2.1 * 0.95**step + chance.uniform(-0.15, 0.15)
        if step:
            events.append({"event": "step", "step": step, "steps": steps, "loss": loss})
        if step % 10 == 0:
            events.append({"event": "tune", "step": step, "loss": 0.9 + 1.3 * 0.96**step})
            now_ = [("k1", "It costs 12 euros."), ("k2", "Bread."), ("new-0", "It is a tea.")]
            if step >= 30:
                now_ = [
                    ("k1", "12 euros. Warm wishes!"),
                    ("k2", "Bread. Warm wishes!"),
                    ("new-0", "A tea. Warm wishes!"),
                ]
            items = [{"id": id_, "text": text} for id_, text in now_]
            events.append({"event": "samples", "step": step, "items": items})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    job = Job(base=folder, snapshot=folder, out=folder, metrics=folder / "metrics.jsonl", samples=tuple(samples))
    job.write(folder / "job.json")


_GROUPS = 12  # that an exam asked about


def verdict(decision: Any, *, ours: float, name: str, champion: str, better: int = 11) -> Verdict:
    """What an exam said."""
    closer = f"{better} of {_GROUPS} questions it had never seen now come closer"
    figures = {
        "groups": _GROUPS,
        "better": better,
        "nll": {name: ours, BASE: 1.94, champion: 1.2 if champion != BASE else 1.94},
    }
    reasons = [f"{closer} to what you wanted than with {champion}.", "What base knew, it still knows."]
    if decision == "INSUFFICIENT":
        reasons.append("Chance alone would bring such a gain in likelihood 19% of the time; the limit is 5%.")
    return Verdict(decision=decision, reasons=tuple(reasons), figures=figures)


def scored(room: Room, **nlls: float) -> None:
    """Progress as if everyone had been asked today's exam rows."""
    standings = room.pipeline.standings
    asked = standings._today()
    for name, nll in nlls.items():
        name = name.replace("_", "-")
        found = dict.fromkeys(asked.few_shot if name == FEW_SHOT else asked.plain, nll)
        room.store.exams.keep_scores("b0", name, found)


def furnish(room: Room, *, feedback: int = 60) -> None:
    """A home with three adapters and people who gave feedback."""
    give(room, feedback // 2)
    train(room, "shop-v1", verdict("PROMOTE", ours=1.1, name="shop-v1", champion=BASE), state="champion")
    bad = verdict("REJECT", ours=1.7, name="shop-v2", champion="shop-v1", better=3)
    train(room, "shop-v2", bad, state="rejected")
    open_ = verdict("INSUFFICIENT", ours=0.72, name="shop-v3", champion="shop-v1", better=8)
    train(room, "shop-v3", open_, state="challenger")
    give(room, feedback // 2, seed=8)
    scored(room, base=1.94, few_shot=1.5, shop_v1=1.12, shop_v2=1.68, shop_v3=0.74)
