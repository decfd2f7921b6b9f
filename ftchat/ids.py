"""Ids that sort by when they were made, also when the clock steps back. It knows numbers and time; nothing else."""

import secrets
import threading
import time
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_BITS = 98
_minting = threading.Lock()
_last = 0  # the newest id's number: what comes after it sorts after it, also when the clock steps back


def new_id(prefix: str) -> str:
    """An id that sorts by when it was made: prefix, 48 bits of milliseconds, 50 random bits, in base 32."""
    global _last
    with _minting:
        fresh = (time.time_ns() // 1_000_000 << 50) | secrets.randbits(50)
        number = _last = max(fresh, _last + 1 + secrets.randbits(32))
    return _id(prefix, number)


def id_at(prefix: str, moment: datetime) -> str:
    """What sorts before every id of a moment and later, and after all of before."""
    return _id(prefix, int(moment.timestamp() * 1000) << 50)


def _id(prefix: str, number: int) -> str:
    digits = []
    for _ in range(20):
        digits.append(_ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(digits))}"


def ids_after(newest: str) -> None:
    """Let ids from now on sort after this one, which an earlier process made; one of another shape says nothing."""
    global _last
    digits = newest.partition("_")[2]
    if len(digits) != 20 or not set(digits) <= set(_ALPHABET):
        return
    number = 0
    for digit in digits:
        number = number << 5 | _ALPHABET.index(digit)
    if number < 1 << _ID_BITS:
        with _minting:
            _last = max(_last, number)
