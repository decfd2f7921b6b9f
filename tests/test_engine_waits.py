"""The plugin's part that keeps vLLM's processes from spinning. What it does to speed: bench.gateway."""

from types import SimpleNamespace

from ftchat.cpu_lora import waits


class Spin:
    """As vLLM's: it spins for `busy_loop_s` after each read."""

    def __init__(self, busy_loop_s: float = 1) -> None:
        self.busy_loop_s = busy_loop_s
        self.reads = 0

    def record_read(self) -> None:
        self.reads += 1


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


def test_a_vllm_that_waits_in_another_way_is_left_alone():
    class Other:
        def wait(self) -> None:
            """Without spinning."""

    assert not waits.shorten(SimpleNamespace())
    assert not waits.shorten(SimpleNamespace(SpinCondition=Other))
