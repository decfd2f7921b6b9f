"""How long vLLM's processes wait by spinning: a millisecond instead of a second.

vLLM's scheduler and its worker ask for each other's messages in a loop, for up to a second after each. On a CPU they
take the time from what they wait for: on two cores, ftchat and vLLM's own server had to stand still for up to half a
second at a time, and short answers through ftchat came at a fifth of the rate. It does not know what the messages say.
"""

from inspect import signature
from typing import Any

SPIN_S = 0.001
_FIRST_READS = 20  # while these last the other side may not have subscribed yet, and its bell would not be heard


def shorten(shm_broadcast: Any) -> bool:
    """Let readers sleep until they are called, after a millisecond; False where this vLLM waits in another way."""
    condition: Any = getattr(shm_broadcast, "SpinCondition", None)
    record_read = getattr(condition, "record_read", None)
    if record_read is None or "busy_loop_s" not in signature(condition).parameters:
        return False

    def recording(self: Any) -> None:
        record_read(self)
        self.ftchat_reads = getattr(self, "ftchat_reads", 0) + 1
        if self.ftchat_reads > _FIRST_READS:
            self.busy_loop_s = min(self.busy_loop_s, SPIN_S)

    condition.record_read = recording
    return True
