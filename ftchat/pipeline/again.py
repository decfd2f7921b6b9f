"""The same once more: a run on the very snapshot of an earlier one, with its arguments, to see the same losses.

Rows, replay answers and questions for the exam come from what the earlier run wrote down. What the machine and the
libraries do is not in a snapshot: its manifest names their versions, so that a difference can be explained.
"""

import shutil
from contextlib import suppress

from ftchat.errors import BadInput, Conflict, EngineNotReady, NotFound
from ftchat.pipeline.course import FROZEN
from ftchat.pipeline.means import Means
from ftchat.records import Run
from ftchat.training.job import FILE, Job


def prepared(means: Means, user: str, run: str) -> Run:
    """A new run that has its snapshot already; to be called inside the transaction that makes it."""
    log = means.store.training
    earlier = log.run(run)
    written = means.folder / "runs" / run / FROZEN
    if earlier.snapshot is None or not written.is_file():
        raise Conflict(f"Run {run} ended before its snapshot was made, or its files are gone: press Retrain instead.")
    if log.base_of(run) != means.base.fingerprint:
        raise Conflict(f"Run {run} was made for another base model, so it cannot be done again with this one.")
    if means.store.lineage.holds_withdrawn(run):
        raise Conflict(f"Run {run} learned from feedback that was withdrawn since: press Retrain to train without it.")
    start = means.store.lineage.start_of(run)
    if start is not None and start not in means.registry.names():
        raise Conflict(f"Run {run} went on from {start}, which is gone: press Retrain instead.")
    if means.engine_stage()[0] != "ready":
        raise EngineNotReady("The engine is not ready, and training needs it. Try again when it is.")
    made = log.start_run(by=user, base=means.base.fingerprint, args=log.args_of(run))
    folder = means.folder / "runs" / made.id
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(written, folder / FROZEN)
    with suppress(BadInput, NotFound):  # with half the tokens at once, say, if the earlier run ended with them
        Job.read(written.with_name(FILE)).write(folder / FILE)
    log.update_run(made.id, snapshot=earlier.snapshot)
    means.store.lineage.went_on_from(made.id, start)
    return made
