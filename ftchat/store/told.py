"""Which runs have ended and whether somebody outside was told. It knows no addresses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftchat.records import ENDED, now

if TYPE_CHECKING:
    from ftchat.store import Store

_ENDED = ", ".join(f"'{stage}'" for stage in ENDED)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of telling about one run."""

    run: str
    status: int | None  # of the last answer, if there was one
    tries: int
    trouble: str  # empty when it was taken
    created_at: str


class ToldLog:
    """Who was told what."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def untold(self, *, since: str) -> Sequence[tuple[str, str]]:
        """Runs that ended from some time on and of which nobody was told yet, oldest first, each with when it ended."""
        rows = self._store.rows(
            f"""SELECT id, ended_at FROM runs WHERE stage IN ({_ENDED}) AND ended_at >= :since
                AND id NOT IN (SELECT run FROM told) ORDER BY id""",
            {"since": since},
        )
        return [(row["id"], row["ended_at"]) for row in rows]

    def keep(self, run: str, *, status: int | None, tries: int, trouble: str) -> None:
        """Note what came of it."""
        row = {"run": run, "status": status, "tries": tries, "trouble": trouble, "created_at": now()}
        self._store.insert("told", row)

    def newest(self) -> Told | None:
        """What came of the last time."""
        row = self._store.row("SELECT * FROM told ORDER BY rowid DESC LIMIT 1")
        return Told(**row) if row else None
