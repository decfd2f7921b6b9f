"""How well the practice model answers, and how well it can be taught.

    python -m bench.starter --json [--quick] [--model DIR] [--seed N] [--show FILE]

Held-out prompts are answered through real vLLM, greedily and at temperature 0.7, and judged by programs; one that the
corpus has too is refused and not counted. `in_domain_correct` and `followup_correct` are over the part of the corpus
that is kept out of training: wordings, facts, random words. `hand_written_correct` and `hand_written_followups` are
over prompts that were written by hand apart from the corpus (bench/held_out), which is harder. The hundred prompts of
out_of_domain.txt were written before the corpus. Teachable is measured in this process, by PEFT and transformers.
`--quick` asks every fourth question and teaches two phrases: `may_supply` names the figures that are then as good as
those of a whole run.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.held_out import drawn, overlap, prompts, teachable
from bench.held_out.asking import Answer, Asked, serving
from bench.held_out.judges import Judge, handles, repeats_itself, stumbles
from bench.machine import machine, report
from ftchat.records import Message
from ftchat.scenarios import read_scenario, shipped_scenarios
from ftchat.starter import model_path

CORPUS_LINES = 200_000
PHRASES = 10
TEMPERATURE = 0.7


@dataclass
class Record:
    """All answers of a run, for the figures that are over all of them, and what went wrong, to read."""

    answers: list[Answer] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kinds: Sequence[str], asked: Sequence[str], answers: Sequence[Answer], right: Sequence[bool]) -> None:
        self.answers += answers
        rows = zip(kinds, asked, answers, right, strict=True)
        self.shown += [{"kind": kind, "asked": a, "reply": b.text, "right": ok} for kind, a, b, ok in rows]


def is_right(answer: Answer, judge: Judge, *, prompt: str) -> bool:
    """Whether the reply ended by itself, stumbles over nothing, and is what its judge asks for."""
    sound = not answer.empty_or_endless and not repeats_itself(answer.text) and not stumbles(answer.text, prompt=prompt)
    return sound and judge(answer.text)


def share(right: Sequence[bool]) -> float:
    return round(sum(right) / len(right), 4) if right else 0.0


async def ask_in_domain(
    base: Asked, found: Sequence[prompts.Question], *, temperature: float, record: Record
) -> dict[str, float]:
    """Each category's share of right answers."""
    answers = await base.answers([question.messages for question in found], temperature=temperature)
    by_category: dict[str, list[bool]] = defaultdict(list)
    asked = [question.messages[-1].content for question in found]
    said = ["\n".join(message.content for message in question.messages) for question in found]
    right = [
        is_right(answer, question.judge, prompt=prompt)
        for question, answer, prompt in zip(found, answers, said, strict=True)
    ]
    for question, ok in zip(found, right, strict=True):
        by_category[question.category].append(ok)
    kinds = [f"{question.category} {temperature}" for question in found]
    record.add(kinds, asked, answers, right)
    return {name: share(oks) for name, oks in by_category.items()} | {"": share(right)}


async def ask_follow_ups(base: Asked, found: Sequence[prompts.FollowUp], *, record: Record) -> float:
    """Two turns; the first reply is the model's own."""
    firsts = await base.answers([[Message("user", one.first)] for one in found])
    asked = [
        [Message("user", one.first), Message("assistant", first.text or " "), Message("user", one.second)]
        for one, first in zip(found, firsts, strict=True)
    ]
    seconds = await base.answers(asked)
    right = [
        is_right(second, partial(one.judge, first.text), prompt=one.second)
        for one, first, second in zip(found, firsts, seconds, strict=True)
    ]
    told = [f"{one.first} / {first.text} / {one.second}" for one, first in zip(found, firsts, strict=True)]
    record.answers += firsts
    record.add(["follow-up"] * len(told), told, seconds, right)
    return share(right)


async def ask_out_of_domain(base: Asked, *, record: Record) -> float:
    asked = prompts.out_of_domain()
    answers = await base.answers([[Message("user", prompt)] for prompt in asked])
    right = [is_right(answer, handles(prompt), prompt=prompt) for prompt, answer in zip(asked, answers, strict=True)]
    record.add(["out of domain"] * len(asked), asked, answers, right)
    return share(right)


async def ask_scenarios(base: Asked, *, record: Record) -> dict[str, float]:
    """How often base keeps each scenario's rule before anybody taught it."""
    found = {}
    for path in shipped_scenarios():
        scenario = read_scenario(path)
        answers = await base.answers([[Message("user", asked.prompt)] for asked in scenario.held_out])
        kept = [scenario.is_kept(asked, answer.text) for asked, answer in zip(scenario.held_out, answers, strict=True)]
        prompts_of_it = [asked.prompt for asked in scenario.held_out]
        record.add([f"scenario {scenario.name}"] * len(kept), prompts_of_it, answers, kept)
        found[scenario.name] = share(kept)
    return found


async def ask_all(model: Path, corpus: overlap.Corpus, *, quick: bool, record: Record) -> dict[str, Any]:
    """Everything that is asked through vLLM."""
    every = 4 if quick else 1
    refused = overlap.refused([one.wording for one in (*prompts.questions(), *prompts.follow_ups())], corpus)
    trained = sorted({one.wording for one in drawn.questions()} & corpus.whole)
    drawn_ones = [one for one in drawn.questions() if one.wording not in corpus.whole]
    kept = [one for one in drawn_ones if one.category != drawn.FOLLOW_UP][::every]
    continued = [one for one in drawn_ones if one.category == drawn.FOLLOW_UP][::every]
    written = prompts.questions(refused=refused)[::every]
    followed = prompts.follow_ups(refused=refused)[::every]
    async with serving(model) as base:
        by_category = await ask_in_domain(base, kept, temperature=0.0, record=record)
        sampled = None if quick else await ask_in_domain(base, kept, temperature=TEMPERATURE, record=record)
        by_hand = await ask_in_domain(base, written, temperature=0.0, record=record)
        figures: dict[str, Any] = {
            "in_domain_correct": by_category.pop(""),
            "by_category": by_category,
            "worst_category": min(by_category.values()),
            "sampled_correct": sampled[""] if sampled else None,
            "followup_correct": (await ask_in_domain(base, continued, temperature=0.0, record=record))[""],
            "hand_written_correct": by_hand.pop(""),
            "hand_written_by_category": by_hand,
            "hand_written_followups": await ask_follow_ups(base, followed, record=record),
            "out_of_domain_handled": await ask_out_of_domain(base, record=record),
            "scenarios_kept_by_base": await ask_scenarios(base, record=record),
        }
    asked = {"in_domain": len(kept), "follow_ups": len(continued), "out_of_domain": len(prompts.out_of_domain())}
    asked |= {"hand_written": len(written), "hand_written_followups": len(followed)}
    return figures | {"asked": asked, "refused_wordings": sorted(refused), "trained_too": trained}


def over_all(record: Record) -> dict[str, Any]:
    """Figures over every answer of the run."""
    answers = record.answers
    return {
        "empty_or_endless": sum(answer.empty_or_endless for answer in answers),
        "repeats": share([repeats_itself(answer.text) for answer in answers]),
        "answers": len(answers),
    }


def teach(model: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Random phrases taught; their words, so that a run can be judged by eye."""
    taught = teachable.teach_all(model, teachable.drawn(random.Random(seed), count=count), seed=seed)
    return {
        "teachable": round(statistics.mean(one.share for one in taught), 4),
        "teachable_worst": min(one.share for one in taught),
        "teachable_in_place": round(statistics.mean(one.placed for one in taught), 4),
        "teachable_seed": seed,
        "teachable_served_by": "transformers, greedy, fp32",
        "phrases": {one.phrase.text: one.share for one in taught},
    }


def measure(model: Path, *, quick: bool, seed: int, show: Path | None) -> dict[str, Any]:
    began, record = time.monotonic(), Record()
    corpus = overlap.read_corpus(CORPUS_LINES // 10 if quick else CORPUS_LINES)
    near = [prompt for prompt in prompts.out_of_domain() if overlap.nearly_occurs(prompt, corpus)]
    figures = asyncio.run(ask_all(model.resolve(), corpus, quick=quick, record=record))
    figures |= {"out_of_domain_overlap": len(near), "overlapping": near, "corpus_lines": corpus.read}
    if show:
        show.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in record.shown), encoding="utf-8")
    asked_s = round(time.monotonic() - began)
    print(f"asked and judged {len(record.answers)} replies in {asked_s} s; now teaching", file=sys.stderr)
    figures |= over_all(record) | {"asking_s": asked_s} | teach(model, count=2 if quick else PHRASES, seed=seed)
    figures["may_supply"] = ["out_of_domain_handled", "scenarios_kept_by_base"] if quick else "all"
    return {
        "bench": "starter",
        "quick": quick,
        "machine": machine(),
        "seconds": round(time.monotonic() - began),
    } | figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.starter", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object (it always does)")
    parser.add_argument("--quick", action="store_true", help="every fourth question, two phrases, no sampling")
    parser.add_argument("--model", type=Path, default=model_path(), help="model folder; the shipped one by default")
    parser.add_argument("--seed", type=int, default=None, help="of the random phrases; drawn anew by default")
    parser.add_argument(
        "--show", type=Path, default=None, help="write every question, reply and judgement here, as JSONL"
    )
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch comes: threads that spin beside others cost much
    seed = secrets.randbits(32) if given.seed is None else given.seed
    report(measure(given.model, quick=given.quick, seed=seed, show=given.show))


if __name__ == "__main__":
    main()
