"""How much one user and one address may ask: token buckets, in memory, never more than MOST of them."""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ftchat.errors import TooMany

MOST = 20_000


class Buckets:
    """One bucket for each name: `per_minute` requests fill it, and may be spent at once."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """All full; 0 a minute is no limit."""
        self._rate = per_minute / 60
        self._size = float(per_minute)
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what was left, and when

    def take(self, name: str) -> None:
        """Take one, or refuse with the seconds until there is one again."""
        if not self._rate:
            return
        with self._lock:
            now = self._clock()
            left, at = self._left.get(name, (self._size, now))
            left = min(self._size, left + (now - at) * self._rate)
            if left < 1:
                wait_s = (1 - left) / self._rate
                raise TooMany(f"That is too much at once. Wait {wait_s:.0f} s, then go on.", wait_s=wait_s)
            self._left[name] = (left - 1, now)
            self._left.move_to_end(name)
            if len(self._left) > MOST:
                self._left.popitem(last=False)  # not touched for longest, so the fullest


def neighbourhood(address: str) -> str:
    """The address that is counted: of IPv6 the /64 network, which one machine has to itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    plain = getattr(found, "ipv4_mapped", None) or found
    return str(ipaddress.ip_network(f"{plain}/64", strict=False)) if plain.version == 6 else str(plain)
