"""People who vote over HTTP, several at once: each vote has a key, and is sent again until it is acknowledged.

The ledger is what they were told was saved.
"""

import http.client
import json
import queue
import random
import socket
import threading
import time
from dataclasses import dataclass, field

WINNERS = ("left", "right", "tie", "both_bad")
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Acked:
    """One vote that the app said was saved."""

    turn: str
    winner: str
    vote: str


@dataclass
class Ledger:
    """What clients were told, shared by all of them."""

    acked: list[Acked] = field(default_factory=list)
    sent_again: int = 0  # votes that got no answer the first time
    repeated: int = 0  # second clicks, after the answer
    wrong: list[str] = field(default_factory=list)  # answers that should not have been
    last_ack_at: float = 0.0

    def __len__(self) -> int:
        return len(self.acked)


class Voters:
    """Threads that work through a list of turns until they are told to end."""

    def __init__(self, port: int, turns: list[str], *, threads: int, repeat_share: float = 0.0) -> None:
        self.ledger = Ledger()
        self._port = port
        self._repeat_share = repeat_share
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._todo: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        for item in enumerate(turns):
            self._todo.put(item)
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self, *, within_s: float) -> None:
        """Each thread ends when the vote in its hands is acknowledged; so the app must be running."""
        self._ended.set()
        until = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise TimeoutError("Some votes were never acknowledged.")

    def wait_for(self, acked: int, *, within_s: float) -> bool:
        """Whether so many votes are acknowledged in time."""
        until = time.monotonic() + within_s
        while len(self.ledger) < acked and time.monotonic() < until:
            time.sleep(0.005)
        return len(self.ledger) >= acked

    def _work(self, seed: int) -> None:
        chance = random.Random(seed)
        connection = _connection(self._port)
        while not self._ended.is_set():
            try:
                n, turn = self._todo.get_nowait()
            except queue.Empty:
                break
            winner = WINNERS[n % 4]
            vote = self._until_acked(connection, turn, winner)
            with self._lock:
                self.ledger.acked.append(Acked(turn, winner, vote))
                self.ledger.last_ack_at = time.monotonic()
            if chance.random() < self._repeat_share:
                self._repeat(connection, turn, winner, vote)
        connection.close()

    def _until_acked(self, connection: http.client.HTTPConnection, turn: str, winner: str) -> str:
        unanswered = 0
        while True:
            try:
                status, body = _post(connection, turn, winner)
            except (OSError, http.client.HTTPException):
                connection.close()
                unanswered += 1
                with self._lock:
                    self.ledger.sent_again += unanswered == 1
                time.sleep(0.05)
                continue
            if status == 200:
                return str(json.loads(body)["vote"])
            with self._lock:
                self.ledger.wrong.append(f"{status}: {body[:200]!r}")
            if len(self.ledger.wrong) > 100:
                raise RuntimeError(f"The app refuses votes: {self.ledger.wrong[-1]}")
            time.sleep(0.05)

    def _repeat(self, connection: http.client.HTTPConnection, turn: str, winner: str, vote: str) -> None:
        again = self._until_acked(connection, turn, winner)
        with self._lock:
            self.ledger.repeated += 1
            if again != vote:
                self.ledger.wrong.append(f"{turn}: {vote} became {again}")


class _AtOnce(http.client.HTTPConnection):
    """Without waiting for a full packet: requests here are small."""

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _connection(port: int) -> http.client.HTTPConnection:
    return _AtOnce("127.0.0.1", port, timeout=TIMEOUT_S)


def _post(connection: http.client.HTTPConnection, turn: str, winner: str) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"vote {turn}"}
    connection.request("POST", "/api/votes", json.dumps({"turn": turn, "winner": winner}), headers)
    answer = connection.getresponse()
    return answer.status, answer.read()
