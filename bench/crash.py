"""Votes that were acknowledged, against an app that is killed with SIGKILL at random moments, again and again.

    python -m bench.crash --json [--quick] [--rounds N] [--seed N]

The app without its pages runs as a child process over a real store, its engine scripted; clients vote over HTTP under
idempotency keys, and send again what got no answer. What they were told was saved is then looked for in the database:
`acked_lost` and `duplicates` must be 0. A kill does not lose what the system holds in memory: that each vote waited for
the disk is what `fsyncs_per_vote` of bench.store counts.
"""

import argparse
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.machine import calibration, machine, report
from bench.voting import homes
from bench.voting.app import App
from bench.voting.clients import Voters
from ftchat.launch import free_port
from ftchat.store import copies

THREADS = 8
ANSWER_S = 60.0  # within which an app that was started must take a vote
SPREAD_S = 0.4  # over which the moment of a kill is drawn
REPEATED = 0.05  # share of votes that are clicked a second time
LIMIT_S = 540.0  # after which no further kill is begun: `rounds` says how many there were


def crash(home: Path, *, rounds: int, acks_a_round: int, seed: int) -> dict[str, Any]:
    """Kill so many times, and count what was lost."""
    until = time.monotonic() + LIMIT_S
    database = home / "data" / "ftchat.db"
    turns = homes.waiting(database, turns=rounds * (acks_a_round + 400))
    app = App(home, free_port())
    voters = Voters(app.port, turns, threads=THREADS, repeat_share=REPEATED)
    chance = random.Random(seed)
    voters.start()
    restarts = []
    try:
        for _ in range(rounds):
            restarts.append(_restart(app, voters))
            if not voters.wait_for(len(voters.ledger) + acks_a_round, within_s=ANSWER_S):
                raise TimeoutError(f"Too few votes were taken.\n{app.log_end()}")
            time.sleep(chance.uniform(0, SPREAD_S))
            app.kill()
            if time.monotonic() > until:
                break
        restarts.append(_restart(app, voters))
        voters.finish(within_s=ANSWER_S)
    finally:
        app.kill()
    ledger = voters.ledger
    return {
        "rounds": len(restarts) - 1,
        "rounds_wanted": rounds,
        "threads": THREADS,
        **_compare(database, voters),
        "sent_again": ledger.sent_again,
        "clicked_twice": ledger.repeated,
        "wrong_answers": len(ledger.wrong),
        "first_wrong_answer": ledger.wrong[0] if ledger.wrong else None,
        "restart_p50_s": round(statistics.median(restarts), 3),
        "restart_p95_s": round(statistics.quantiles(restarts, n=20, method="inclusive")[18], 3),
        "restart_max_s": round(max(restarts), 3),
    }


def _restart(app: App, voters: Voters) -> float:
    """Start the app; seconds until a vote is acknowledged."""
    before = len(voters.ledger)
    started = time.monotonic()
    app.start()
    if not voters.wait_for(before + 1, within_s=ANSWER_S):
        raise TimeoutError(f"The app did not take a vote within {ANSWER_S:.0f} s of its start.\n{app.log_end()}")
    return time.monotonic() - started


def _compare(database: Path, voters: Voters) -> dict[str, Any]:
    """The ledger against the rows. A vote is kept when turn, winner and id are what its voter was told."""
    rows = copies.verified(database)  # every page, index and reference in order
    with closing(sqlite3.connect(database)) as connection:
        votes = connection.execute("SELECT id, turn, winner FROM votes").fetchall()
        unequal = connection.execute(
            """SELECT COUNT(*) FROM votes v WHERE
                 (SELECT COUNT(*) FROM reviews WHERE target = v.id AND status = 'approved') <> 1 OR
                 (SELECT status FROM standing WHERE id = v.id) IS NOT 'approved'"""
        ).fetchone()[0]
    kept = {(turn, winner, vote) for vote, turn, winner in votes}
    acked = [(a.turn, a.winner, a.vote) for a in voters.ledger.acked]
    a_turn = Counter(turn for _, turn, _ in votes)
    return {
        "acked": len(acked),
        "acked_lost": len([vote for vote in acked if vote not in kept]),
        "duplicates": sum(number - 1 for number in a_turn.values()),
        "stored": len(votes),
        "half_written": unequal + abs(rows["idempotency"] - len(votes)),
        "integrity": "ok",
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and report. Exit status 1 when a vote was lost, doubled or half-written."""
    parser = argparse.ArgumentParser("bench.crash", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line, as always")
    parser.add_argument("--quick", action="store_true", help="5 kills instead of 100")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args(argv)
    rounds = given.rounds or (5 if given.quick else 100)
    started = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="ftchat-crash-"))
    try:
        figures = crash(home, rounds=rounds, acks_a_round=101, seed=given.seed)
    finally:
        shutil.rmtree(home)
    facts = {
        "bench": "crash",
        "quick": given.quick,
        "seed": given.seed,
        "seconds": round(time.monotonic() - started, 1),
    }
    report({**facts, **figures, "machine": machine(), "calibration": calibration()})
    if figures["acked_lost"] or figures["duplicates"] or figures["half_written"] or figures["wrong_answers"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
