"""What corrections teach: the practice model's five house rules, from 10, 20, 40 and 80 corrections, beside its rivals.

    python -m bench.learn --json [--quick] [--scenario NAME ...]

A correction is made of base's own reply by the scenario, only where that breaks the rule; replies are judged by
programs on prompts about other products. Beside our trainer: base, few-shot with the same corrections, our trainer
with corrections as targets alone (no pairs, no replay), TRL's SFT at its defaults and at our rate and steps. In how
many scenarios ours keeps the rule at least as often as each is `ours_beats`; `adherence_lead_worst` is by how much over
all, at the least. A rule of words put before or after an answer is kept only with the facts that base gave: a judge of
the words alone would praise a well-signed untruth. Retention is the share of right answers to held-out questions of
other kinds (bench/held_out), before and after. Answers are transformers' greedy ones (bench/training/pupil.py).
`--quick` teaches 40 corrections only and leaves out TRL: `may_supply` names the figures that are then as good as those
of a whole run.
"""

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.held_out.prompts import Question, questions
from bench.machine import machine, report
from bench.training.pupil import Pupil
from ftchat import dataset
from ftchat.records import Message, Replay, Row
from ftchat.scenarios import Asked, Scenario, read_scenario, shipped_scenarios
from ftchat.starter import anchor_prompts, model_path
from ftchat.training.model import Learner

AMOUNTS = (10, 20, 40, 80)
OTHER = ("small_talk", "support", "rewriting", "not_known")  # categories that no scenario teaches, but for one:
TOUCHED = {"policy": ("support",)}
EXAMPLES = 8  # as few-shot has it
FACTS = ("name", "amount", "origin", "taste")
RIVALS = ("few_shot", "sft_alone", "trl_default", "trl_our_rate")
TRL_RATE, TRL_EPOCHS, TRL_BATCH = 2e-5, 3, 8  # SFTConfig's own


class Lesson:
    """One scenario: base's replies, the corrections made of them, and what is asked afterwards."""

    def __init__(self, scenario: Scenario, pupil: Pupil, *, seed: int) -> None:
        self.scenario, self._pupil = scenario, pupil
        base = pupil.base()
        corrected = [self._corrected(base, asked) for asked in (scenario.teach, scenario.spare[: AMOUNTS[-1]])]
        random.Random(f"{scenario.name} {seed}").shuffle(corrected[0])
        pairs = [*corrected[0], *corrected[1]]
        self.rows = [self._row(at, asked, reply) for at, (asked, reply) in enumerate(pairs)]
        touched = TOUCHED.get(scenario.name, ())
        self._others: list[Question] = [q for q in questions(seed) if q.category in OTHER and q.category not in touched]
        self._kept: list[str] = pupil.ask(base, [_user(prompt) for prompt in scenario.retention])
        self._plain: list[str] = pupil.ask(base, [_user(asked.prompt) for asked in scenario.held_out])
        self.before = self.measured(base)
        self.replay = self._replay(base)

    def _corrected(self, base: Learner, asked: Sequence[Asked]) -> list[tuple[Asked, str]]:
        """The questions on which base does not keep the rule, each with what it said."""
        told = self._pupil.ask(base, [_user(one.prompt) for one in asked])
        return [(one, reply) for one, reply in zip(asked, told, strict=True) if not self.scenario.is_kept(one, reply)]

    def _row(self, at: int, asked: Asked, reply: str) -> Row:
        return Row(
            id=f"k_{at}", role="target", split="train", weight=1.0, group=f"g_{at}", messages=_user(asked.prompt),
            target=self.scenario.corrected(asked, reply), rejected=reply or None, rater="u_1",
        )  # fmt: skip

    def _replay(self, base: Learner) -> list[Replay]:
        """What a press of Retrain replays: base's answers to questions that are not near the corrected ones."""
        asked, _ = dataset.replayed(self.rows, anchor_prompts())
        told = self._pupil.ask(base, [_user(prompt) for prompt in asked])
        return [Replay(_user(prompt), reply) for prompt, reply in zip(asked, told, strict=True) if reply.strip()]

    def measured(self, learner: Learner, *, examples: Sequence[Row] = ()) -> dict[str, float]:
        """Adherence and facts on prompts never taught, right answers of other kinds, retention prompts as they were."""
        held_out, kept, rule = self.scenario.held_out, self.scenario.retention, self.scenario
        said = [[*_nearest(examples, asked.prompt), *_user(asked.prompt)] for asked in held_out]
        told = self._pupil.ask(learner, said)
        facts = [has_facts(rule, a, base=b, reply=r) for a, b, r in zip(held_out, self._plain, told, strict=True)]
        around = bool(rule.correction.prefix or rule.correction.suffix)
        obeyed = [rule.is_kept(a, r) and (f or not around) for a, r, f in zip(held_out, told, facts, strict=True)]
        found = {"adherence": _share(obeyed), "facts": _share(facts)}
        if examples:
            return found
        others = self._pupil.ask(learner, [q.messages for q in self._others])
        found["others"] = _share([q.judge(reply) for q, reply in zip(self._others, others, strict=True)])
        now = self._pupil.ask(learner, [_user(prompt) for prompt in kept])
        return found | {"unchanged": _share([a == b for a, b in zip(now, self._kept, strict=True)])}

    def taught(self, amounts: Sequence[int], *, rivals: bool, trl: bool) -> dict[str, Any]:
        """Our trainer with each amount; rivals with 40."""
        if max(amounts) > len(self.rows):
            raise RuntimeError(f"{self.scenario.name} gives {len(self.rows)} corrections, not {max(amounts)}.")
        found: dict[str, Any] = {"base": self.before, "corrections": len(self.rows)}
        for amount in amounts:
            began = time.monotonic()
            learner, plan = self._pupil.ours(self.rows[:amount], self.replay)
            seconds = round(time.monotonic() - began, 2)
            found[f"ours_{amount}"] = self.measured(learner) | {"seconds": seconds, "steps": plan.steps}
        if not rivals:
            return found
        rows = self.rows[:40]
        found["few_shot"] = self.measured(self._pupil.base(), examples=rows)
        alone = [Row(**{**vars(row), "rejected": None}) for row in rows]
        learner, plan = self._pupil.ours(alone, (), replay_share=0.0)
        found["sft_alone"] = self.measured(learner)
        if trl:
            steps, per_epoch = plan.steps, -(-len(rows) // TRL_BATCH)
            full = self._pupil.ours(rows, self.replay, steps=1)[1].learning_rate
            default = self._pupil.theirs(rows, plan, rate=TRL_RATE, steps=TRL_EPOCHS * per_epoch, way="default")
            found["trl_default"] = self.measured(default)
            same = self._pupil.theirs(rows, plan, rate=full, steps=steps, way="tuned")
            found["trl_our_rate"] = self.measured(same)
        return found


def has_facts(scenario: Scenario, asked: Asked, *, base: str, reply: str) -> bool:
    """Whether a reply has what base's reply says rightly, as far as its correction leaves that in."""
    told = scenario.corrected(asked, base)
    return all(asked.facts[key] in reply for key in FACTS if asked.facts.get(key, "\0") in told)


def _user(prompt: str) -> tuple[Message, ...]:
    return (Message("user", prompt),)


def _share(right: Sequence[bool]) -> float:
    return round(sum(right) / len(right), 4)


def _nearest(rows: Sequence[Row], question: str) -> list[Message]:
    """The nearest corrections as a conversation, the nearest last, as few-shot shows them."""
    by_prompt = {row.messages[-1].content: row for row in rows}
    near = dataset.nearest(list(by_prompt), to=[question])[:EXAMPLES]
    shown = [by_prompt[prompt] for prompt in reversed(near)]
    return [m for row in shown for m in (*row.messages, Message("assistant", row.target))]


def larger(path: Path, folder: Path, *, count: int) -> Path:
    """The scenario with so many prompts to teach with; it ships with fewer than the largest amount here."""
    shutil.copytree(path.parent, folder, dirs_exist_ok=True)
    text = re.sub(r"(?m)^count = 60$", f"count = {count}", path.read_text(encoding="utf-8"), count=1)
    (folder / path.name).write_text(text, encoding="utf-8")
    return folder / path.name


def fourth_best(values: Sequence[float]) -> float:
    """Of five; of fewer the worst."""
    return sorted(values, reverse=True)[min(3, len(values) - 1)]


def figures_of(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The figures over all scenarios."""

    def all_of(arm: str, key: str = "adherence") -> list[float]:
        return [lesson[arm][key] for lesson in found.values() if arm in lesson]

    arms = [arm for arm in next(iter(found.values())) if isinstance(next(iter(found.values()))[arm], dict)]
    figures: dict[str, Any] = {"base_adherence": max(all_of("base"))}
    for arm in arms:
        if arm != "base":
            name = arm.replace("ours_", "adherence_") if arm.startswith("ours") else f"{arm}_40"
            figures[name] = fourth_best(all_of(arm))
    drops = [b - a for b, a in zip(all_of("base", "others"), all_of("ours_40", "others"), strict=True)]
    figures |= {"retention_drop": round(sum(drops) / len(drops), 4), "retention_drop_worst": round(max(drops), 4)}
    rivals = [arm for arm in RIVALS if arm in arms]
    leads = {arm: round(figures["adherence_40"] - figures[f"{arm}_40"], 4) for arm in rivals}
    ours = all_of("ours_40")
    beats = {arm: sum(a >= b for a, b in zip(ours, all_of(arm), strict=True)) for arm in rivals}
    figures |= {"ours_beats": beats, "adherence_lead": leads, "adherence_lead_worst": min(leads.values())}
    for name, key in (("unchanged_40", "unchanged"), ("fact_kept_40", "facts")):
        figures[name] = round(sum(all_of("ours_40", key)) / len(ours), 4)
    return figures


def measure(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Each scenario by itself, then the figures."""
    import torch

    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    pupil = Pupil(given.model, folder, threads=threads)
    paths = [path for path in shipped_scenarios() if not given.scenario or path.stem in given.scenario]
    found = {}
    for path in paths:
        lesson = Lesson(
            read_scenario(larger(path, folder / "scenarios", count=max(AMOUNTS) + 16)), pupil, seed=given.seed
        )
        amounts = (40,) if given.quick else AMOUNTS
        found[path.stem] = lesson.taught(amounts, rivals=True, trl=not given.quick)
        print(path.stem, found[path.stem], file=sys.stderr, flush=True)
    return figures_of(found) | {"scenarios": found}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser("bench.learn", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line, as always")
    parser.add_argument("--quick", action="store_true", help="40 corrections only, without TRL")
    parser.add_argument("--model", type=Path, default=model_path(), help="folder of the practice model")
    parser.add_argument("--scenario", nargs="*", default=(), help="only these")
    parser.add_argument("--seed", type=int, default=0, help="draws which corrections are given")
    given = parser.parse_args(argv)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="ftchat-learn-"))
    try:
        figures = measure(folder, given)
    finally:
        shutil.rmtree(folder)
    supply = (
        ["adherence_40", "retention_drop", "base_adherence", "few_shot_40", "sft_alone_40", "fact_kept_40"]
        if given.quick
        else []
    )
    facts = {
        "bench": "learn",
        "quick": given.quick,
        "seconds": round(time.monotonic() - started, 1),
        "seed": given.seed,
    }
    report({**facts, **({"may_supply": supply} if given.quick else {}), **figures, "machine": machine()})


if __name__ == "__main__":
    main()
