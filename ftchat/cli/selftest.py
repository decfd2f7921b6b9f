"""ftchat selftest: the whole loop once, on this machine and with your model, and a report of it.

An app of its own is started on a home that is thrown away; a small team teaches it one habit; the new adapter is put
into service, asked, and taken back. Exit status 0: every step was as it should be. Run: `ftchat selftest --model X`.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ftchat.cli.home import client_of, say
from ftchat.cli.memory import Peaks, Watch
from ftchat.cli.own_app import OTHERS, OwnApp, from_hub, own_app
from ftchat.cli.simulate import settings_flags, tell
from ftchat.config import EFFORTS, add_flags
from ftchat.errors import FtchatError
from ftchat.records import BASE, CHAMPION
from ftchat.scenarios import read_scenario
from ftchat.simulate import Orders, Round, Team, called
from ftchat.starter import model_path

_PATIENCE_S = 1800.0
_QUESTION = "What is a boat?"


@dataclass
class Report:
    """What was found so far."""

    checks: list[tuple[str, bool, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    learned: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)  # of the run
    memory: Peaks = field(default_factory=Peaks)

    def check(self, what: str, ok: bool, detail: str = "") -> None:
        """Note whether something is as it should be."""
        self.checks.append((what, ok, detail))

    @property
    def ok(self) -> bool:
        """Whether everything was."""
        return bool(self.checks) and all(ok for _, ok, _ in self.checks)

    def facts(self, model: str) -> dict[str, Any]:
        """As JSON has it."""
        checks = [{"check": what, "ok": ok, "detail": detail} for what, ok, detail in self.checks]
        seconds = {what: round(took, 1) for what, took in self.seconds.items()}
        stages = {stage: round(took, 1) for stage, took in self.stages.items()}
        rest = {"seconds": seconds, "stages_s": stages, "memory_gib": self.memory.facts(), "learned": self.learned}
        return {"ok": self.ok, "model": model, "checks": checks, **rest}

    def words(self, model: str) -> str:
        """For people."""
        marks = [
            f"  {'ok    ' if ok else 'FAILED'}  {what}{f': {told}' if told else ''}" for what, ok, told in self.checks
        ]
        times, stages = _times(self.seconds), _times(self.stages)
        end = "The whole loop works here." if self.ok else "The loop does not work here as it should."
        rest = [
            f"  time: {times}",
            f"  stages of the run: {stages or 'none'}",
            f"  memory, at most: {self.memory.words()}",
        ]
        return "\n".join([model, *marks, *rest, end])


def _times(seconds: dict[str, float]) -> str:
    return ", ".join(f"{what} {took:.1f} s" for what, took in seconds.items())


def main(argv: Sequence[str]) -> None:
    """Do it, and report."""
    args = _parser().parse_args(argv)
    model, report = args.model or "the practice model", Report()
    began = time.monotonic()
    try:
        flags = [*settings_flags(args), *from_hub(args.model, tell)]
        with own_app(flags, tell=tell) as app, Watch(app.group, report.memory):
            report.seconds["start"] = app.started_s
            report.check("the engine starts and answers", True)
            asyncio.run(_loop(app, args, report))
    except FtchatError as err:
        report.check("everything up to here", False, err.message)
    report.seconds["all"] = time.monotonic() - began
    say(args, report.facts(model), report.words(model))
    raise SystemExit(0 if report.ok else 1)


def _parser() -> argparse.ArgumentParser:
    about = "The whole loop once, on this machine and with your model, in a home that is thrown away."
    made = argparse.ArgumentParser("ftchat selftest", description=about)
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_argument("--effort", choices=EFFORTS, default="normal", help="of the run (default: normal)")
    made.add_argument("--feedback", type=int, default=16, help="corrections that are given (default: 16)")
    add_flags(made, leaving_out=OTHERS)
    return made


async def _loop(app: OwnApp, args: argparse.Namespace, report: Report) -> None:
    async with client_of(app.at, patience_s=_PATIENCE_S) as client:
        one = await _teach(client, args, report)
        if one.adapter is None or one.outcome in ("broken", ""):
            report.check("Retrain makes an adapter", False, " ".join(one.reasons))
            return
        report.check("Retrain makes an adapter", True, f"{one.adapter}, {one.verdict}")
        report.check("the exam does not reject it", one.outcome != "rejected", " ".join(one.reasons[:1]))
        await _swap(client, one, report)
        _learned(one, report)


async def _teach(client: httpx.AsyncClient, args: argparse.Namespace, report: Report) -> Round:
    scenario = read_scenario(Path(model_path()).parent / "selftest.toml")
    orders = Orders(rounds=1, feedback=args.feedback, effort=args.effort, votes=0)
    began = time.monotonic()
    (one,) = (await Team(client, scenario, orders=orders, tell=tell).play()).rounds
    report.stages = one.stages_s
    report.seconds |= {"retrain": one.run_s, "asking": time.monotonic() - began - one.run_s}
    report.check("feedback is taken", sum(one.feedback.values()) >= min(args.feedback, len(scenario.teach)))
    return one


async def _swap(client: httpx.AsyncClient, one: Round, report: Report) -> None:
    """Into service, asked, back, asked."""
    began = time.monotonic()
    if one.champion != one.adapter:
        await called(client, "POST", f"/api/adapters/{one.adapter}/promote")
    who, text = await _asked(client)
    report.check("the new adapter is in service and answers", who == one.adapter and bool(text.strip()), text[:80])
    report.seconds["swap"] = time.monotonic() - began
    began = time.monotonic()
    await called(client, "POST", "/api/rollback")
    who, text = await _asked(client)
    report.check("rolling back brings the base back", who == BASE, text[:80])
    report.seconds["roll back"] = time.monotonic() - began


def _learned(one: Round, report: Report) -> None:
    base, now = one.adherence["base"], one.adherence["newest"]
    report.learned = {"base": base.facts(), "now": now.facts(), "others_kept": one.retention.facts()}
    report.check(
        "it learned",
        now.share > base.share,
        f"of {now.asked} questions that it was never taught, {base.kept} went as wished before and {now.kept} now; "
        f"{one.retention.kept} of {one.retention.asked} other answers stayed as they were under it",
    )


async def _asked(client: httpx.AsyncClient) -> tuple[str, str]:
    """Who answers for the champion, and what."""
    body = {"prompt": _QUESTION, "mode": "chat", "contestants": [CHAMPION]}
    turn = await called(client, "POST", "/api/turns", body)
    return turn["lanes"][0].get("contestant", ""), turn["lanes"][0]["text"]
