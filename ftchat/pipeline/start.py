"""Where a run starts: from base, or, when it is to be quick, from the champion, whose rows it then rehearses.

It goes on from an adapter that was trained here, as long as nothing in it was withdrawn since, something is new to it,
and no other shape is asked for. The choice is written down before the snapshot is, so that a run that lost its app does
not take another.
"""

from collections.abc import Sequence
from pathlib import Path

from ftchat import dataset
from ftchat.pipeline.means import Means
from ftchat.records import Row
from ftchat.store.lessons import feedback_of


def choose(means: Means, run: str, rows: Sequence[Row]) -> None:
    """Choose where a run starts."""
    means.store.lineage.went_on_from(run, _champion(means, run, rows))


def chosen(means: Means, run: str, rows: Sequence[Row]) -> tuple[Path | None, tuple[str, ...]]:
    """The folder of the adapter that a run goes on from, and the rows that are new to it; nothing for base."""
    name = means.store.lineage.start_of(run)
    if name is None:
        return None, ()
    return means.registry.path(name), _fresh(means, name, rows)


def _champion(means: Means, run: str, rows: Sequence[Row]) -> str | None:
    args, log = means.store.training.args_of(run), means.store.training
    name = means.contestants.champion()
    if args.effort != "quick" or args.rank or args.alpha or name not in means.registry.names():
        return None
    ours = log.adapter(name).run is not None and name not in means.store.lineage.marks()
    return name if ours and _fresh(means, name, rows) else None


def _fresh(means: Means, name: str, rows: Sequence[Row]) -> tuple[str, ...]:
    held = means.store.lineage.held_by(name)
    return tuple(row.id for row in dataset.of_split(rows, "train") if feedback_of(row.id) not in held)
