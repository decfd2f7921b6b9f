"""Passwords: slow hashes that carry their own parameters, and waiting times after wrong ones.

It knows neither users nor the database.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ftchat.errors import BadInput, TooMany


@dataclass(frozen=True)
class Cost:
    """How dear a guess is: scrypt's n, r and p."""

    n: int
    r: int
    p: int


COST = Cost(2**14, 8, 5)  # 16 MiB; about a tenth of a second


def hashed(password: str, cost: Cost) -> str:
    """A password as it is stored: scheme, parameters, salt and hash."""
    salt = secrets.token_bytes(16)
    return "$".join(
        ["scrypt", str(cost.n), str(cost.r), str(cost.p), _text(salt), _text(_scrypt(password, salt, cost))]
    )


def matches(password: str, stored: str) -> bool:
    """Whether this is the password that was stored."""
    cost, salt, wanted = _parsed(stored)
    return hmac.compare_digest(_scrypt(password, salt, cost), wanted)


def is_outdated(stored: str, cost: Cost) -> bool:
    """Whether it was stored with other parameters than are used now."""
    return _parsed(stored)[0] != cost


def _parsed(stored: str) -> tuple[Cost, bytes, bytes]:
    scheme, n, r, p, salt, wanted = stored.split("$")
    if scheme != "scrypt":
        raise BadInput(f"A stored password is of the kind {scheme!r}, which this ftchat does not know.")
    return Cost(int(n), int(r), int(p)), base64.b64decode(salt), base64.b64decode(wanted)


def _scrypt(password: str, salt: bytes, cost: Cost) -> bytes:
    # One password, however a keyboard puts its letters together.
    given = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    room = 256 * cost.n * cost.r + (1 << 20)
    return hashlib.scrypt(given, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=room, dklen=32)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


_FREE = {"both": 5, "name": 50, "address": 50}  # so many without waiting


@dataclass
class _Count:
    wrong: int = 0
    at: float = 0.0


class Tries:
    """Wrong passwords, counted for a name from an address, for the name and for the address.

    Kept in memory, and never more than MOST of them: what was not touched for longest is forgotten first.
    """

    MOST = 20_000
    LONGEST_S = 900.0
    FORGET_S = 3600.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody has tried yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, ...], _Count] = OrderedDict()

    def begin(self, name: str, address: str) -> None:
        """Count an attempt as wrong, before it is known: many at once are many. Refuse it when it came too soon."""
        with self._lock:
            now = self._clock()
            kinds = self._keys(name, address)
            wait = max(self._wait(kind, key, now) for kind, key in kinds.items())
            if wait > 0:
                raise TooMany(f"Too many wrong passwords. Wait {wait:.0f} s, then try again.", wait_s=wait)
            for key in kinds.values():
                count = self._counts.setdefault(key, _Count())
                count.wrong, count.at = count.wrong + 1, now
                self._counts.move_to_end(key)
            while len(self._counts) > self.MOST:
                self._counts.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """The password was right. The address keeps its count, less this attempt: one right password is no licence."""
        with self._lock:
            keys = self._keys(name, address)
            self._counts.pop(keys["both"], None)
            self._counts.pop(keys["name"], None)
            if (count := self._counts.get(keys["address"])) is not None:
                count.wrong -= 1

    def _keys(self, name: str, address: str) -> dict[str, tuple[str, ...]]:
        name = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()  # a name may be as long as a body
        return {"both": ("both", name, address), "name": ("name", name), "address": ("address", address)}

    def _wait(self, kind: str, key: tuple[str, ...], now: float) -> float:
        """Seconds until the next attempt: 1, 2, 4 and so on after the last, once patience is used up."""
        count = self._counts.get(key)
        if count is None or now - count.at > self.FORGET_S:
            self._counts.pop(key, None)
            return 0.0
        beyond = count.wrong - _FREE[kind]
        return count.at + min(self.LONGEST_S, 2.0 ** min(beyond, 20)) - now if beyond >= 0 else 0.0
