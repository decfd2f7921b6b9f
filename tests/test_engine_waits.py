"""The plugin's part that keeps vLLM's processes from spinning, and from waiting long for a call that was lost. What it
does to speed: bench.gateway."""

import time
from types import SimpleNamespace

import pytest

from ftchat.cpu_lora import waits


class Spin:
    """As vLLM's: it spins for `busy_loop_s` after each read."""

    def __init__(self, busy_loop_s: float = 1) -> None:
        self.busy_loop_s = busy_loop_s
        self.reads = 0
        self.last_read = time.monotonic()
        self.asked: list[int | None] = []

    def record_read(self) -> None:
        self.reads += 1

    def wait(self, timeout_ms: int | None = None) -> None:
        self.asked.append(timeout_ms)


def test_a_reader_spins_as_vllm_does_until_both_sides_are_surely_there_and_then_for_a_millisecond():
    condition = type("Condition", (Spin,), {"__init__": Spin.__init__})
    assert waits.shorten(SimpleNamespace(SpinCondition=condition))
    made = condition()
    spins = []
    for _ in range(25):
        made.record_read()
        spins.append(made.busy_loop_s)
    assert made.reads == 25
    assert spins == [1] * 20 + [0.001] * 5


def test_a_writer_that_never_spins_goes_on_so():
    condition = type("Condition", (Spin,), {"__init__": Spin.__init__})
    waits.shorten(SimpleNamespace(SpinCondition=condition))
    made = condition(0)
    for _ in range(25):
        made.record_read()
    assert made.busy_loop_s == 0


@pytest.mark.parametrize(
    ("quiet_s", "given_ms", "wanted_ms"),
    [(0.0, None, 20), (0.001, 5000, 20), (1.0, 5000, 500), (1.0, None, 500), (60.0, 5000, 5000), (0.0, 7, 7)],
)
def test_who_is_not_called_looks_again_soon_and_the_later_the_longer_it_was_quiet(
    quiet_s: float, given_ms: int | None, wanted_ms: int
):
    condition = type("Condition", (Spin,), {"__init__": Spin.__init__})
    waits.shorten(SimpleNamespace(SpinCondition=condition))
    made = condition()
    made.last_read = time.monotonic() - quiet_s
    made.wait(timeout_ms=given_ms)
    (asked,) = made.asked
    assert asked == pytest.approx(wanted_ms, abs=20 if quiet_s else 0)


def test_a_vllm_that_waits_in_another_way_is_left_alone():
    class Other:
        def wait(self) -> None:
            """Without spinning."""

    class Patient(Spin):
        def wait(self) -> None:
            """For as long as it takes."""

    assert not waits.shorten(SimpleNamespace())
    assert not waits.shorten(SimpleNamespace(SpinCondition=Patient))
    assert not waits.shorten(SimpleNamespace(SpinCondition=Other))
