"""One job from its rows to its adapter, told as it goes: what __main__ calls once torch may be imported."""

import threading
import time
from dataclasses import asdict

import torch

from ftchat.prompt import Prompter
from ftchat.training.job import Job, MetricsLog
from ftchat.training.loop import Course
from ftchat.training.model import Learner, device_here, load_base, width_of
from ftchat.training.plan import Amounts, Plan, choose
from ftchat.training.rows import Examples, prepare
from ftchat.training.save import save_adapter
from ftchat.training.snapshot import Snapshot


def run(job: Job, snapshot: Snapshot, *, threads: int, log: MetricsLog, stop: threading.Event) -> None:
    """Train, write the adapter, and say `done`; every way of failing is raised."""
    began = time.monotonic()
    log.write("stage", stage="loading")
    torch.set_num_threads(threads)
    prompter = Prompter(job.base)
    examples = prepare(snapshot, prompter)
    base = load_base(job.base, device_here())
    plan = choose(job.args, _amounts(examples, width_of(base)))
    log.write("plan", **_told(plan, examples, threads=threads))
    learner = Learner(base, rank=plan.rank, alpha=plan.alpha, seed=plan.seed)
    log.write("stage", stage="training")
    course = Course(learner, examples, plan=plan, prompter=prompter, samples=job.samples, log=log, stop=stop)
    outcome = course.run()
    log.write("stage", stage="saving")
    save_adapter(learner, job.out, base_name=job.base.name)
    log.write("done", **asdict(outcome), seconds=round(time.monotonic() - began, 2))


def _amounts(examples: Examples, width: int) -> Amounts:
    return Amounts(targets=len(examples.targets), replay=len(examples.replay), tune=len(examples.tune), width=width)


def _told(plan: Plan, examples: Examples, *, threads: int) -> dict[str, object]:
    """The plan as people and pages are told of it."""
    counts = {"targets": len(examples.targets), "replay": len(examples.replay), "tune": len(examples.tune)}
    return {**asdict(plan), "rows": counts, "left_out": list(examples.left_out), "threads": threads}
