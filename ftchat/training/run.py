"""One job from its rows to its adapter, told as it goes: what __main__ calls once torch may be imported."""

import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

import torch

from ftchat import fp32
from ftchat.prompt import Prompter
from ftchat.training import cores, guards
from ftchat.training.checkpoint import Checkpoint
from ftchat.training.curves import Curves
from ftchat.training.job import Job, MetricsLog
from ftchat.training.loop import Course
from ftchat.training.model import Learner, device_here, load_base, width_of
from ftchat.training.plan import Amounts, Plan, choose
from ftchat.training.precision import quickest
from ftchat.training.probe import probe_of
from ftchat.training.rows import Examples, Role, prepare
from ftchat.training.save import save_adapter
from ftchat.training.snapshot import Snapshot
from ftchat.training.start import Start, read_start


@fp32.tiny_is_nought()
def run(job: Job, snapshot: Snapshot, *, log: MetricsLog, stop: threading.Event) -> None:
    """Train, write the adapter, and say `done`; every way of failing is raised."""
    began = time.monotonic()
    log.write("stage", stage="loading")
    device = device_here()
    threads = job.threads or cores.share(device, job.base)
    cores.take(threads)
    start, checkpoint = read_start(job), Checkpoint(job)
    prompter = Prompter(job.base, context_length=job.context_length)
    examples = prepare(snapshot, prompter)
    kind = torch.bfloat16 if job.halve else quickest(job.base, device)
    base = load_base(job.base, device, kind=kind)
    plan = choose(job.args, amounts_of(examples, width=width_of(base), fresh=job.fresh, start=start))
    log.write("plan", **_told(plan, examples, threads=threads), precision=str(kind).removeprefix("torch."))
    first = start.weights if start else None
    learner = Learner(base, rank=plan.rank, alpha=plan.alpha, seed=plan.seed, start=first)
    log.write("stage", stage="training")
    course = Course(
        learner, examples, plan=plan, prompter=prompter, samples=job.samples, log=log, stop=stop, keeper=checkpoint,
        fresh=frozenset(job.fresh), halve=job.halve,
    )  # fmt: skip
    with closing(_curves(job, log)):
        outcome = course.run()
    log.listener = None
    log.write("stage", stage="saving")
    save_adapter(learner, job.out, base_name=job.base.name, probe=_probe(learner, examples, log))
    try:
        log.write("done", **asdict(outcome), seconds=round(time.monotonic() - began, 2))
    except OSError:
        shutil.rmtree(job.out)  # nobody was told of it; the checkpoint is still there
        raise
    checkpoint.remove()


def _curves(job: Job, log: MetricsLog) -> Curves:
    """Curves that are told every event, as long as they can be written."""
    curves = Curves(job.metrics.parent / "tensorboard")

    def take(event: Mapping[str, Any]) -> None:
        try:
            curves.take(event)
        except OSError as err:
            log.listener = None
            log.write("warning", message=f"No more curves for TensorBoard: {err}.")

    log.listener = take
    return curves


def _probe(learner: Learner, examples: Examples, log: MetricsLog) -> dict[str, Any] | None:
    """What the trained model gives some tokens, where there is memory to ask it."""
    try:
        return probe_of(learner, examples.feedback)
    except (MemoryError, RuntimeError) as err:
        if not guards.starved(err):
            raise
        log.write("warning", message="The adapter is kept without a probe: there was not enough memory for it.")
        return None


def amounts_of(examples: Examples, *, width: int, fresh: tuple[str, ...] = (), start: Start | None = None) -> Amounts:
    """What the plan is made from."""
    return Amounts(
        targets=examples.count("target"),
        pairs=examples.count("pair"),
        positives=examples.count("positive"),
        negatives=examples.count("negative"),
        replay=len(examples.replay),
        tune=len(examples.tune),
        width=width,
        lopsided=examples.lopsided,
        typical=examples.typical,
        fresh=sum(e.id in fresh for e in examples.feedback),
        rank=start.rank if start else 0,
        alpha=start.alpha if start else 0,
    )


def _told(plan: Plan, examples: Examples, *, threads: int) -> dict[str, object]:
    """The plan as people and pages are told of it."""
    roles: tuple[Role, ...] = ("target", "pair", "positive", "negative")
    kinds = {f"{role}s": examples.count(role) for role in roles}
    rows = {**kinds, "replay": len(examples.replay), "tune": len(examples.tune)}
    more = {"left_out": list(examples.left_out), "negatives_eased": examples.eased, "threads": threads}
    return {**asdict(plan), "rows": rows, **more}
