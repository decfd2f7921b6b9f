"""How vLLM's processes wait for each other's messages: spinning for a millisecond instead of a second, and never long
for a call that was lost.

vLLM's scheduler and its worker ask for each other's messages in a loop, for up to a second after each. On a CPU they
take the time from what they wait for: on two cores, ftchat and vLLM's own server had to stand still for up to half a
second at a time, and short answers through ftchat came at a fifth of the rate.

Who does not ask any more sleeps until called, and a call can be lost: the caller's queue holds one, and drops the next
while the first is on its way. vLLM looks again after 5 s, in which every answer stood still: of twenty rounds of 400
short answers five had that. So the next look comes after half the time that was quiet, and soon while there is work.
It does not know what the messages say.
"""

import time
from inspect import signature
from typing import Any

SPIN_S = 0.001
SOON_MS = 20  # to the next look after a message, should nobody call
_FIRST_READS = 20  # while these last the other side may not have subscribed yet, and its bell would not be heard


def shorten(shm_broadcast: Any) -> bool:
    """Let readers sleep until they are called, after a millisecond; False where this vLLM waits in another way."""
    condition: Any = getattr(shm_broadcast, "SpinCondition", None)
    record_read, wait = getattr(condition, "record_read", None), getattr(condition, "wait", None)
    if record_read is None or wait is None or "busy_loop_s" not in signature(condition).parameters:
        return False
    if "timeout_ms" not in signature(wait).parameters:
        return False

    def recording(self: Any) -> None:
        record_read(self)
        self.ftchat_reads = getattr(self, "ftchat_reads", 0) + 1
        if self.ftchat_reads > _FIRST_READS:
            self.busy_loop_s = min(self.busy_loop_s, SPIN_S)

    def waiting(self: Any, timeout_ms: int | None = None) -> None:
        quiet_ms = 1000 * (time.monotonic() - self.last_read)
        soon_ms = max(SOON_MS, int(quiet_ms / 2))
        wait(self, soon_ms if timeout_ms is None else min(timeout_ms, soon_ms))

    condition.record_read, condition.wait = recording, waiting
    return True
