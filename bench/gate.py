"""Does the gate fool itself: real runs on feedback that means nothing, and on feedback that contradicts itself.

    python -m bench.gate --json [--quick] [--runs 20] [--rows 8,15,30] [--only noise|contradicting] [--kept FILE]

Each run is the whole loop on the practice model with real vLLM: press, train, exam, verdict. *Noise*: on 40 questions
corrections are another question's text or random words, and votes and thumbs are drawn by lot; 8, 15 or 30 exam groups
hold the same kind. `promoted` counts how many runs were promoted at each number of rows, `share` over all of them, and
`level` what the test allows. *Contradicting*: a champion that was taught a rule is retrained with as much feedback
again, of which two in five, so one in five of all, say the contrary; `worst_fall` is how much less of the champion's
answers keep the rule afterwards, on questions that were never taught, and `promoted_worst_fall` the same where the new
adapter was promoted. `run_s` is how long one run took. Every press has effort *quick*, which on a champion goes on from
it. Each press is a chance of its own: `level` is how often one may be promoted by chance, so of many presses on
feedback that means nothing one will be. `--quick` is what ten minutes allow: 2 runs of each. All of it takes over an
hour: with `--kept FILE` each run is written down when it has ended, and the same command goes on there. Exit status 1,
but with `--quick`, when `share` is above `level` or `worst_fall` above 0.05.
"""

import argparse
import asyncio
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bench.machine import calibration, machine, report
from bench.serving.real import Engine as Vllm
from ftchat.config import Settings
from ftchat.engine import Request
from ftchat.records import BASE, Conversation, Message, Params, Reply, Run, Split, Turn, group_key, new_id, now
from ftchat.scenarios import Asked, Scenario, read_scenario, shipped_scenarios
from ftchat.serve import App
from ftchat.starter import model_path
from ftchat.store import Store

TRAIN, TUNE = 40, 4
RULE = "sign-off"
MOST_FALL = 0.05
_GREEDY = Params(temperature=0.0, top_p=1.0, max_tokens=64)
_WARM = Params(temperature=1.0, top_p=1.0, max_tokens=64)
_WORDS = Path(__file__).parent / "held_out" / "words.txt"


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Kept:
    """The runs that have ended, each with what it said; in a file where one is given."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else []
        self._found: dict[str, dict[str, Any]] = {found["run"]: found for found in map(json.loads, lines)}

    def get(self, run: str) -> dict[str, Any] | None:
        return self._found.get(run)

    def add(self, run: str, **said: Any) -> dict[str, Any]:
        """Keep it, and say it."""
        self._found[run] = {"run": run, **said}
        tell(json.dumps(self._found[run]))
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self._found[run]) + "\n")
        return self._found[run]

    def seconds(self) -> float:
        """Of a run, in the middle."""
        return round(statistics.median([float(found["seconds"]) for found in self._found.values()]), 1)


class Bench:
    """One engine, and what is known of base's answers, for all homes."""

    def __init__(self, vllm: Vllm, folder: Path, *, kept: Kept) -> None:
        self.vllm, self.folder, self.kept = vllm, folder, kept
        self.words = _WORDS.read_text(encoding="utf-8").split()
        self.replayed: dict[str, str] = {}
        self.said: dict[str, tuple[str, str]] = {}
        self._homes = 0

    @asynccontextmanager
    async def home(self, *, like: Path | None = None) -> AsyncIterator[App]:
        """An app over a home of its own, or over a copy of another, on the one engine; ready."""
        self._homes += 1
        folder, endpoint = self.folder / f"home{self._homes}", self.vllm.endpoint
        if like is not None:
            shutil.copytree(like, folder)
        app = App(
            Settings(
                home=folder, name=f"gate{self._homes}", open=True, port=0, engine_url=(endpoint.url,),
                engine_key=endpoint.key, max_loras=2, max_cpu_loras=8, max_lora_rank=32,
            )
        )  # fmt: skip
        for prompt, answer in self.replayed.items():
            app.store.training.keep_replay_answer(app.base.fingerprint, prompt, answer)
        while app.engine_stage()[0] != "ready":
            await app.reconcile.look()
            await asyncio.sleep(0.05)
        watch = asyncio.create_task(app.reconcile.keep())
        try:
            yield app
            self.replayed = app.store.training.replay_answers(app.base.fingerprint)
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            await app.parts.pipeline.close()
            for adapter in app.parts.service.adapters():
                if adapter.name.startswith(f"gate{self._homes}-"):
                    await app.engine.unload(adapter.name)
            await app.engine.close()
            app.store.close()
            app.lease.release()

    async def pressed(self, app: App) -> tuple[Run, float]:
        """One whole run, and its seconds."""
        began = time.monotonic()
        run = (await app.parts.pipeline.press("bench", effort="quick")).id
        found = app.store.training.run(run)
        while not found.ended:
            await asyncio.sleep(0.05)
            found = app.store.training.run(run)
        if found.verdict is None:
            raise RuntimeError(f"A run ended without a verdict: {found.stage}, {found.reason}")
        return found, round(time.monotonic() - began, 1)

    async def two_replies(self, app: App, prompt: str) -> tuple[str, str]:
        """What base says to a prompt, greedily and by lot; asked once."""
        if prompt not in self.said:
            ids, _ = app.prompter.fit([Message("user", prompt)], room=_GREEDY.max_tokens)
            asked = [Request(model=BASE, token_ids=ids, params=params) for params in (_GREEDY, _WARM)]
            plain, warm = await asyncio.gather(*(app.engine.answer(one) for one in asked))
            self.said[prompt] = (plain[0].strip() or "-", warm[0].strip() or "--")
        return self.said[prompt]


def add(store: Store, base: str, prompt: str, split: Split, texts: Sequence[str]) -> Turn:
    """A turn that somebody had, in a group of the given split."""
    key, mode = group_key(prompt), "compare" if len(texts) == 2 else "chat"
    store.feedback.settle(key, split)
    turn_id = new_id("t")
    lanes = ("left", "right") if len(texts) == 2 else ("only",)
    replies = tuple(
        Reply(id=new_id("r"), turn=turn_id, lane=lane, contestant=BASE, model=BASE, base=base, text=text, finish="stop")  # type: ignore[arg-type]
        for lane, text in zip(lanes, texts, strict=True)
    )
    turn = Turn(
        id=turn_id, conversation=new_id("c"), owner="ann", mode=mode, prompt=prompt, blind=False, parent=None,  # type: ignore[arg-type]
        params=Params(), created_at=now(), replies=replies,
    )  # fmt: skip
    store.turns.add(turn, new=Conversation(turn.conversation, "ann", prompt, "", turn.created_at))
    return turn


def questions_of(scenario: Scenario) -> list[Asked]:
    """Its questions, each of a group of its own."""
    return list({group_key(asked.prompt): asked for asked in (*scenario.teach, *scenario.spare)}.values())


def splits(rows: int) -> list[Split]:
    """Which question is for what."""
    return [*["train"] * TRAIN, *["tune"] * TUNE, *["exam"] * rows]  # type: ignore[list-item]


async def nonsense(bench: Bench, app: App, questions: Sequence[Asked], *, rows: int, lot: random.Random) -> None:
    """Feedback that means nothing, of every kind."""
    store, base = app.store, app.base.fingerprint
    chosen = lot.sample(list(questions), TRAIN + TUNE + rows)
    others = lot.sample(chosen, len(chosen))
    for n, (asked, other, split) in enumerate(zip(chosen, others, splits(rows), strict=True)):
        plain, warm = await bench.two_replies(app, asked.prompt)
        kind = lot.choice(("text", "text", "vote", "thumb" if split == "train" else "vote"))
        kind = "text" if plain == warm else kind  # nobody can choose between two that say the same
        if kind == "text":
            words = " ".join(lot.choices(bench.words, k=12)).capitalize() + "."
            text = (await bench.two_replies(app, other.prompt))[0] if n % 2 else words
            reply = add(store, base, asked.prompt, split, [plain]).replies[0].id
            given = store.feedback.add_correction(reply, "ann", text if text != plain else words)
        elif kind == "vote":
            turn = add(store, base, asked.prompt, split, [plain, warm])
            given = store.feedback.add_vote(turn, "ann", lot.choice(("left", "right")), reasons=None, comment="")
        else:
            reply = add(store, base, asked.prompt, split, [plain]).replies[0].id
            given = store.feedback.add_rating(reply, "ann", lot.choice(("up", "down")), reasons=None, comment="")
        store.feedback.review(given, "approved", "ann")


async def taught(
    bench: Bench, app: App, scenario: Scenario, questions: Sequence[Asked], *, contrary: float, lot: random.Random
) -> None:
    """Corrections by the scenario's rule; a share of them says the contrary."""
    store = app.store
    for asked, split in zip(questions, splits(12), strict=True):
        plain, _ = await bench.two_replies(app, asked.prompt)
        text = scenario.corrected(asked, plain)
        if lot.random() < contrary:  # as if somebody wanted the rule taken back: the text, and not a word of the rule
            text = text.replace(scenario.correction.suffix, "").strip() + " So it is."
        reply = add(store, app.base.fingerprint, asked.prompt, split, [plain]).replies[0].id
        store.feedback.review(store.feedback.add_correction(reply, "ann", text), "approved", "ann")


async def adherence(app: App, scenario: Scenario) -> float:
    """The share of the champion's answers to questions never taught that keep the rule."""
    champion = app.parts.service.champion()

    async def kept(asked: Asked) -> bool:
        ids, _ = app.prompter.fit([Message("user", asked.prompt)], room=_GREEDY.max_tokens)
        text, _ = await app.engine.answer(Request(model=champion, token_ids=ids, params=_GREEDY))
        return scenario.is_kept(asked, text)

    await app.parts.service.summon(champion)
    found = await asyncio.gather(*(kept(asked) for asked in scenario.held_out))
    return sum(found) / len(found)


async def one_of_noise(bench: Bench, questions: Sequence[Asked], *, name: str, rows: int, seed: int) -> dict[str, Any]:
    """One run on feedback that means nothing."""
    async with bench.home() as app:
        await nonsense(bench, app, questions, rows=rows, lot=random.Random(f"{rows} {seed}"))
        run, seconds = await bench.pressed(app)
    verdict = run.verdict
    assert verdict is not None
    told = {key: verdict.figures.get(key) for key in ("groups", "p", "fit_p", "mean_gain", "replay_nll_rise")}
    return bench.kept.add(
        name, decision=verdict.decision, last_reason=verdict.reasons[-1], figures=told, seconds=seconds
    )


async def noise(bench: Bench, scenario: Scenario, *, rows: Sequence[int], runs: int) -> dict[str, Any]:
    """How often feedback that means nothing is promoted."""
    questions = questions_of(scenario)
    decisions: dict[int, Counter[str]] = {n: Counter() for n in rows}
    grounds: Counter[str] = Counter()
    for seed in range(runs):
        for n in rows:
            name = f"noise, {n} rows, {seed}"
            found = bench.kept.get(name) or await one_of_noise(bench, questions, name=name, rows=n, seed=seed)
            decisions[n][found["decision"]] += 1
            grounds[found["last_reason"].split("(")[0].strip()[:60]] += 1
    promoted = {str(n): found["PROMOTE"] for n, found in decisions.items()}
    return {
        "runs_each": runs,
        "promoted": promoted,
        "share": round(sum(promoted.values()) / (runs * len(rows)), 4),
        "level": Settings().exam_level,
        "decisions": {str(n): dict(found) for n, found in decisions.items()},
        "grounds": dict(grounds),
    }


async def contradicting(bench: Bench, scenario: Scenario, *, runs: int) -> dict[str, Any]:
    """How much of what the champion was taught is lost when one in five says the contrary."""
    both, many = questions_of(scenario), TRAIN + TUNE + 12
    async with bench.home() as first:
        await taught(bench, first, scenario, both[:many], contrary=0.0, lot=random.Random(0))
        run, _ = await bench.pressed(first)
        assert run.adapter is not None
        if first.parts.service.champion() != run.adapter:
            await first.parts.service.use("bench", run.adapter)
        before, like = await adherence(first, scenario), first.settings.home
    falls, moved, decisions = list[float](), list[float](), Counter[str]()
    for seed in range(runs):
        name, lot = f"contradicting, {seed}", random.Random(f"contrary {seed}")
        found = bench.kept.get(name)
        if found is None:
            async with bench.home(like=like) as app:
                await taught(bench, app, scenario, lot.sample(both[many:], many), contrary=0.4, lot=lot)
                found = await contradicted(bench, app, scenario, name=name, before=before)
        falls.append(found["fell"])
        decisions[found["decision"]] += 1
        if found["decision"] == "PROMOTE":
            moved.append(found["fell"])
    return {
        "contradicting_runs": runs,
        "adherence_before": round(before, 4),
        "worst_fall": round(max(falls), 4),
        "promoted_worst_fall": round(max(moved), 4) if moved else None,
        "contradicting_decisions": dict(decisions),
    }


async def contradicted(bench: Bench, app: App, scenario: Scenario, *, name: str, before: float) -> dict[str, Any]:
    """One run, and how much less of the champion's answers keep the rule after it."""
    run, seconds = await bench.pressed(app)
    assert run.verdict is not None
    fell = round(before - await adherence(app, scenario), 4)
    return bench.kept.add(name, decision=run.verdict.decision, fell=fell, seconds=seconds)


async def main(asked: argparse.Namespace) -> dict[str, Any]:
    """All of it on one engine."""
    rows = [int(n) for n in asked.rows.split(",")]
    runs = 2 if asked.quick else asked.runs
    scenario = next(found for found in map(read_scenario, shipped_scenarios()) if found.name == RULE)
    with tempfile.TemporaryDirectory() as folder:
        vllm = Vllm(model_path(), Path(folder) / "vllm", settings=Settings(max_loras=2, max_cpu_loras=16))
        bench, figures = Bench(vllm, Path(folder), kept=Kept(asked.kept)), dict[str, Any]()
        try:
            if asked.only != "contradicting":
                figures |= await noise(bench, scenario, rows=rows, runs=runs)
            if asked.only != "noise":
                figures |= await contradicting(bench, scenario, runs=runs)
        finally:
            vllm.end()
    figures["run_s"] = bench.kept.seconds()
    return {"bench": "gate", "quick": asked.quick, **figures, "machine": machine(), "calibration": calibration()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="as all benches print it")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rows", default="8,15,30")
    parser.add_argument("--only", choices=("noise", "contradicting"), default="")
    parser.add_argument("--kept", type=Path, help="where ended runs are written down, and looked for")
    given = parser.parse_args()
    found = asyncio.run(main(given))
    report(found)
    if not given.quick and (found.get("share", 0) > found.get("level", 1) or found.get("worst_fall", 0) > MOST_FALL):
        raise SystemExit(1)
