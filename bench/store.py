"""How quick the store is, and that each vote waits for the disk.

    python -m bench.store --json [--quick]

`of_raw_sqlite` is the rate of durable votes through the store over that of a bare INSERT of the same vote into a table
of its own, same pragmas, in turns. A vote through the store is a rater's: what may forbid it is looked up, then vote,
what stands, tallies and idempotency key, in one transaction, as `Judging.vote` commits them.
`of_raw_sqlite_approved` is the same for a reviewer's vote, which is approved as it is given and gives a new question
its split. `http_votes_per_s` goes through the app's own route on loopback. `fsyncs_per_vote` is counted by strace.
`growth_ratio` is the time of a page query at the large size over that at the small one: the worst of `growth`, which
has each. Searching conversations for a word that many texts have is slower with each text that has it, and is told
apart (`common_search_ms`). `leaderboard_s` is from the rows to the leaderboard, with nothing kept from before.
"""

import argparse
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.machine import calibration, machine, report
from bench.voting import homes
from bench.voting.app import ROOT, App
from bench.voting.clients import Voters
from ftchat.launch import free_port
from ftchat.ratings import board
from ftchat.records import new_id, now
from ftchat.store import Store
from ftchat.store.opening import connect

SMALL, LARGE = 1_000, 200_000
PAGE = 20


def beside_raw(folder: Path, *, rounds: int, votes: int) -> dict[str, Any]:
    """Votes through the store and bare INSERTs, in turns, so that a busy moment hits both."""
    ids = homes.waiting(folder / "ftchat.db", turns=2 * rounds * votes)
    store = Store(folder / "ftchat.db")
    turns = iter([store.turns.get(turn) for turn in ids])
    raw = _raw(folder / "raw.db")
    rates: dict[str, list[float]] = {"store": [], "raw": [], "approved": []}

    def through_store(*, approved: bool = False) -> None:
        for _ in range(votes):
            homes.vote_as_people_do(store, next(turns), approved=approved)

    def through_raw() -> None:
        for _ in range(votes):
            raw.execute(_RAW_INSERT, (new_id("v"), new_id("t"), homes.OWNER, "left", 1, "{}", "", now()))

    ways = {"store": through_store, "raw": through_raw, "approved": partial(through_store, approved=True)}
    for number in range(rounds):
        for name in ways if number % 2 else reversed(ways):
            rates[name].append(votes / _timed(ways[name]))
    store.close()
    raw.close()

    def of_raw(name: str) -> float:
        return round(statistics.median(s / r for s, r in zip(rates[name], rates["raw"], strict=True)), 3)

    return {
        "of_raw_sqlite": of_raw("store"),
        "of_raw_sqlite_approved": of_raw("approved"),
        "durable_votes_per_s": round(statistics.median(rates["store"]), 1),
        "raw_inserts_per_s": round(statistics.median(rates["raw"]), 1),
        "compared": {"rounds": rounds, "votes_a_round": votes},
    }


_RAW_INSERT = "INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def _raw(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    connection.execute(
        """CREATE TABLE votes (id TEXT PRIMARY KEY, turn TEXT NOT NULL, rater TEXT NOT NULL, winner TEXT NOT NULL,
           blind INTEGER NOT NULL, reasons TEXT NOT NULL, comment TEXT NOT NULL, created_at TEXT NOT NULL) STRICT"""
    )
    return connection


def over_http(folder: Path, *, seconds: float, threads: int) -> dict[str, Any]:
    """Votes through POST /api/votes on turns that were there beforehand."""
    turns = homes.waiting(folder / "data" / "ftchat.db", turns=int(seconds * 2500))
    app = App(folder, free_port())
    voters = Voters(app.port, turns, threads=threads)
    app.start()
    voters.start()
    try:
        if not voters.wait_for(threads * 4, within_s=60):
            raise TimeoutError(f"The app took no vote.\n{app.log_end()}")
        before, started = len(voters.ledger), time.perf_counter()
        time.sleep(seconds)
        rate = (len(voters.ledger) - before) / (time.perf_counter() - started)
        voters.finish(within_s=60)
    finally:
        app.kill()
    return {"http_votes_per_s": round(rate, 1), "http_threads": threads, "http_wrong_answers": len(voters.ledger.wrong)}


def fsyncs(folder: Path, *, votes: int) -> dict[str, Any]:
    """Calls of fsync and fdatasync while so many votes are saved, beyond those of a process that saves none."""
    strace = shutil.which("strace")
    if strace is None:
        return {"fsyncs_per_vote": None, "fsyncs_counted_by": "not counted: strace is not installed"}
    calls = []
    for number in (0, votes):
        home = folder / f"{number}"
        homes.waiting(home / "ftchat.db", turns=votes)
        trace = home / "trace"
        command = [strace, "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
        voting = [sys.executable, "-m", "bench.store", "--vote", str(home / "ftchat.db"), str(number)]
        subprocess.run([*command, *voting], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        calls.append(sum("sync(" in line for line in trace.read_text().splitlines()))
    return {
        "fsyncs_per_vote": round((calls[1] - calls[0]) / votes, 3),
        "fsyncs_counted_by": f"strace -f, {votes} votes: {calls[1]} calls, without a vote {calls[0]}",
    }


def _vote(path: Path, number: int) -> None:
    """For `fsyncs`: save so many votes, and end without closing, which would sync once more."""
    store = Store(path)
    for row in store.rows("SELECT id FROM turns LIMIT :n", {"n": number}):
        homes.vote_as_people_do(store, store.turns.get(row["id"]))


def queries(store: Store) -> dict[str, Callable[[], object]]:
    """What pages and the API ask of the store."""
    page = store.feedback.page
    middle = store.rows(
        "SELECT id FROM standing ORDER BY substr(id, 3) LIMIT 1 OFFSET :n", {"n": _standing(store) // 2}
    )
    turn = store.rows("SELECT id FROM turns ORDER BY id DESC LIMIT 1")[0]["id"]
    conversations = store.turns.conversations
    return {
        "feedback, newest": lambda: page(limit=PAGE),
        "feedback, pending": lambda: page(status="pending", limit=PAGE),
        "feedback, approved corrections": lambda: page(status="approved", kind="correction", limit=PAGE),
        "feedback, by one person": lambda: page(rater="person3", limit=PAGE),
        "feedback, from the middle": lambda: page(after=middle[0]["id"], limit=PAGE),
        "feedback, search of a rare word": lambda: page(search=homes.RARE, limit=PAGE),
        "feedback, search of a common word": lambda: page(search=homes.COMMON, limit=PAGE),
        "feedback, search among pending": lambda: page(search=homes.COMMON, status="pending", limit=PAGE),
        "conversations, newest": lambda: conversations("person3", limit=PAGE),
        "conversations, by mode": lambda: conversations("person3", limit=PAGE, mode="compare"),
        "conversations, everyone's": lambda: conversations(None, limit=PAGE),
        "conversations, search of a rare word": lambda: conversations(None, limit=PAGE, search=homes.RARE),
        "one turn with its vote": lambda: (
            store.turns.get(turn),
            store.feedback.vote_of(turn),
            store.feedback.revealed(turn),
        ),
        "counts": store.feedback.counts,
        "groups": store.feedback.groups,
        "what caches depend on": store.feedback.newest,
    }


def _common(store: Store) -> object:
    return store.turns.conversations(None, limit=PAGE, search=homes.COMMON)


def _standing(store: Store) -> int:
    return sum(store.feedback.counts().values())


def growth(small: Store, large: Store, *, times: int) -> dict[str, Any]:
    """Times at both sizes, measured in turns: the quickest quarter, so that a neighbour's work is not counted."""
    sizes = {"small": queries(small), "large": queries(large)}
    found = {}
    for name in sizes["small"]:
        taken: dict[str, list[float]] = {"small": [], "large": []}
        for number in range(times):
            for size in taken if number % 2 else reversed(taken):
                taken[size].append(_timed(sizes[size][name]))
        at = {size: statistics.quantiles(seconds, n=4)[0] * 1000 for size, seconds in taken.items()}
        found[name] = {
            "small_ms": round(at["small"], 3),
            "large_ms": round(at["large"], 3),
            "ratio": round(at["large"] / at["small"], 2),
        }
    return {
        "growth_ratio": max(one["ratio"] for one in found.values()),
        "growth": found,
        "common_search_ms": round(_timed(lambda: _common(large)) * 1000, 1),
        "growth_sizes": [_standing(small), _standing(large)],
    }


def keeping(folder: Path) -> dict[str, Any]:
    """Opening the large database with its check for damage, and a verified backup of it."""
    stores: list[Store] = []
    opening_s = _timed(lambda: stores.append(Store(folder / "ftchat.db")))
    backup_s = _timed(lambda: stores[0].copy_to(folder / "copy.db"))
    stores[0].close()
    size = (folder / "ftchat.db").stat().st_size / 2**20
    return {"opening_s": round(opening_s, 3), "backup_s": round(backup_s, 3), "large_mib": round(size, 1)}


def leaderboard(path: Path) -> dict[str, Any]:
    """The leaderboard from all votes, by a store that has counted none before."""
    fresh = Store(path)
    started = time.perf_counter()
    found = board(
        fresh.ballots.counted(homes.BASE),
        contestants=fresh.ballots.contestants(homes.BASE),
        champion=fresh.training.champion(homes.BASE),
    )
    first_s = time.perf_counter() - started
    fresh.close()
    return {"leaderboard_s": round(first_s, 3), "leaderboard_votes": found.votes}


def _timed(what: Callable[[], object]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Everything, the parts that wait for the disk first."""
    for name in ("raw", "http", "fsync", "small", "large", "votes"):
        (folder / name).mkdir()
    figures = beside_raw(folder / "raw", rounds=10 if quick else 40, votes=25 if quick else 50)
    figures |= over_http(folder / "http", seconds=2 if quick else 6, threads=8)
    figures |= fsyncs(folder / "fsync", votes=50 if quick else 500)
    small = homes.full(folder / "small" / "ftchat.db", feedback=SMALL)
    size = 20_000 if quick else LARGE
    large = homes.full(folder / "large" / "ftchat.db", feedback=size)
    figures |= growth(small, large, times=30 if quick else 200)
    small.close()
    large.close()
    figures |= keeping(folder / "large")
    voted = homes.full(folder / "votes" / "ftchat.db", feedback=size * 10 // 9 + 10, only_votes=True)
    voted.close()
    return figures | leaderboard(voted.path)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser("bench.store", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line, as always")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer repetitions")
    parser.add_argument("--vote", nargs=2, metavar=("DATABASE", "NUMBER"), help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.vote:
        _vote(Path(given.vote[0]), int(given.vote[1]))
        return
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="ftchat-store-"))
    try:
        figures = measure(folder, quick=given.quick)
        facts = {"bench": "store", "quick": given.quick, "seconds": round(time.monotonic() - started, 1)}
        report({**facts, **figures, "machine": machine(), "calibration": calibration(folder)})
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
