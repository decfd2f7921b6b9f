"""The plugin's operations and layers against a plain reference, and when it stays away. That vLLM uses it:
test_engine_real and test_families.
"""

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ftchat import cpu_lora, sizing
from ftchat.cpu_lora import operations

RANK, WIDTH, SLOTS = 4, 24, 3
MIXED = [2, -1, 0, 0, -1, 2, 1, -1]
ALONE = [1] * 8
NOBODY = [-1] * 8


def reference(rows: torch.Tensor, stack: torch.Tensor, slots: list[int]) -> torch.Tensor:
    """Row by row, what the adapter in its slot makes of it; zero for a row without one."""
    nothing = torch.zeros(stack.shape[-2])
    return torch.stack(
        [stack[s, 0].float() @ r.float() if s >= 0 else nothing for r, s in zip(rows, slots, strict=True)]
    )


def runs(slots: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int, int, int]:
    """The same slots as vLLM gives them for prompts: start, length and slot of each run of equal ones."""
    found, lengths = torch.unique_consecutive(torch.tensor(slots), return_counts=True)
    return torch.cumsum(lengths, 0) - lengths, lengths, found, len(found), int(lengths.max()), len(slots)


def random(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@pytest.mark.parametrize("slots", [MIXED, ALONE, NOBODY])
@pytest.mark.parametrize("by_runs", [False, True])
def test_shrink_is_one_product_per_adapter_and_leaves_base_rows_alone(slots, by_runs):
    rows, stack = random(8, WIDTH, dtype=torch.bfloat16), random(SLOTS, 1, RANK, WIDTH, dtype=torch.bfloat16)
    output = torch.full((8, RANK + 2), 7.0)  # two columns more than the adapter fills
    if by_runs:
        operations.sgmv_shrink(rows, stack, output, *runs(slots), 0.5)
    else:
        operations.bgmv_shrink(rows, stack, output, torch.tensor(slots), 0.5)
    expected = torch.full((8, RANK + 2), 7.0)
    served = torch.tensor(slots) >= 0
    expected[served, :RANK] = 0.5 * reference(rows, stack, slots)[served]
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("slots", [MIXED, ALONE, NOBODY])
@pytest.mark.parametrize("by_runs", [False, True])
@pytest.mark.parametrize("add", [False, True])
def test_expand_adds_or_sets_and_leaves_base_rows_alone(slots, by_runs, add):
    rows, stack = random(8, RANK), random(SLOTS, 1, WIDTH, RANK)
    output = random(8, WIDTH - 3)  # a model that pads its output less than the adapter does
    served = (torch.tensor(slots) >= 0).unsqueeze(1)
    delta = reference(rows, stack, slots)[:, : WIDTH - 3]
    expected = torch.where(served, output + delta if add else delta, output)
    if by_runs:
        operations.sgmv_expand(rows, stack, output, *runs(slots), add)
    else:
        operations.bgmv_expand(rows, stack, output, torch.tensor(slots), add)
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("slots", [MIXED, ALONE, NOBODY])
@pytest.mark.parametrize("by_runs", [False, True])
def test_expand_into_a_slice_leaves_the_other_columns_alone(slots, by_runs):
    rows, stack, output = random(8, RANK), random(SLOTS, 1, 5, RANK), random(8, WIDTH)
    expected = output.clone()
    expected[:, 6:11] += reference(rows, stack, slots)
    if by_runs:
        operations.sgmv_expand_slice(rows, stack, output, *runs(slots), 6, 5, True)
    else:
        operations.bgmv_expand_slice(rows, stack, output, torch.tensor(slots), 6, 5, True)
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize(("slots", "taken_as"), [([1], [1] * 8), ([1, 1, 1], [1] * 8), ([1, -1], NOBODY), ([], NOBODY)])
def test_scored_prompt_takes_the_adapter_that_all_requests_share(slots, taken_as):
    rows, stack, output = random(8, RANK), random(SLOTS, 1, WIDTH, RANK), random(8, WIDTH)
    expected = output + reference(rows, stack, taken_as)
    operations.bgmv_expand(rows, stack, output, torch.tensor(slots, dtype=torch.long), True)
    torch.testing.assert_close(output, expected)


def test_agrees_with_the_operations_of_the_installed_vllm():
    from vllm.lora.ops import torch_ops

    theirs = {name: getattr(torch_ops, name) for name in ("bgmv_shrink", "sgmv_expand", "bgmv_expand_slice")}
    assert cpu_lora.disagreement(theirs) == ""


@pytest.mark.parametrize(
    ("operation", "trouble"),
    [
        (None, "this vLLM has no bgmv_shrink."),
        (lambda x, w, y, slots, scale: y.zero_(), "bgmv_shrink of this vLLM computes something else."),
        (lambda: None, "bgmv_shrink of this vLLM takes other arguments"),
    ],
)
def test_stays_away_from_a_vllm_that_means_something_else(operation, trouble):
    assert cpu_lora.disagreement({"bgmv_shrink": operation}).startswith(trouble)


@pytest.fixture
def counters(monkeypatch):
    """vLLM's modules that count how many tokens are likelier; as they were, afterwards."""
    with warnings.catch_warnings():  # torch's own, at import
        warnings.simplefilter("ignore", DeprecationWarning)
        from vllm.v1.sample import sampler
        from vllm.v1.sample.ops import logprobs
    for module in (logprobs, sampler):
        monkeypatch.setattr(module, "batched_count_greater_than", logprobs.batched_count_greater_than)
    return logprobs, sampler


def test_register_replaces_all_operations_once_and_only_when_wanted(monkeypatch, counters):
    from vllm import platforms
    from vllm.distributed.device_communicators.shm_broadcast import SpinCondition
    from vllm.lora.ops import torch_ops
    from vllm.lora.punica_wrapper import punica_cpu
    from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

    from ftchat.cpu_lora.wrapper import Wrapper

    monkeypatch.setattr(platforms.current_platform, "is_cpu", lambda: True)
    monkeypatch.setattr(punica_cpu, "PunicaWrapperCPU", PunicaWrapperCPU)
    theirs = SpinCondition.record_read
    monkeypatch.setattr(SpinCondition, "record_read", theirs)
    logprobs, sampler = counters
    counting = logprobs.batched_count_greater_than
    names = ["bgmv_shrink", "bgmv_expand", "bgmv_expand_slice", "sgmv_shrink", "sgmv_expand", "sgmv_expand_slice"]
    for name in names:
        monkeypatch.setattr(punica_cpu, name, getattr(torch_ops, name))
    monkeypatch.setenv("FTCHAT_CPU_LORA", "0")
    cpu_lora.register()
    assert [getattr(punica_cpu, name) for name in names] == [getattr(torch_ops, name) for name in names]
    assert punica_cpu.PunicaWrapperCPU is PunicaWrapperCPU
    assert SpinCondition.record_read is theirs
    assert sampler.batched_count_greater_than is counting
    monkeypatch.setenv("FTCHAT_CPU_LORA", "1")
    cpu_lora.register()
    cpu_lora.register()
    assert [getattr(punica_cpu, name) for name in names] == [getattr(operations, name) for name in names]
    assert punica_cpu.PunicaWrapperCPU is Wrapper
    assert SpinCondition.record_read is not theirs
    assert sampler.batched_count_greater_than is logprobs.batched_count_greater_than is not counting


def test_ranks_are_counted_without_compiling_anything(counters):
    from ftchat.cpu_lora import ranks

    logprobs, sampler = counters
    many, least = random(70, 11), random(70, 1)
    assert torch.equal(ranks.count(many, least), (many >= least).sum(-1))  # more rows than are counted at once
    assert ranks.count_plainly(logprobs)
    assert sampler.batched_count_greater_than is ranks.count
    assert not ranks.count_plainly(logprobs), "it is plain already"
    assert not ranks.count_plainly(SimpleNamespace()), "a vLLM that has no such thing"
    other = SimpleNamespace(batched_count_greater_than=lambda: None)
    other.batched_count_greater_than._torchdynamo_orig_callable = lambda x, values: (x > values).sum(-1)
    assert not ranks.count_plainly(other), "a vLLM that counts something else"
    told = torch.log_softmax(random(5, 11), dim=-1)
    asked = torch.tensor([3, 0, 10, 7, 7])
    compiled = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    found = sampler.Sampler.gather_logprobs(told, 0, asked)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == compiled
    expected = [int((row >= row[token]).sum()) for row, token in zip(told, asked, strict=True)]
    assert found.selected_token_ranks.tolist() == expected


def test_stays_silent_where_there_is_a_gpu(monkeypatch):
    from vllm import platforms
    from vllm.lora.punica_wrapper import punica_cpu

    monkeypatch.setattr(platforms.current_platform, "is_cpu", lambda: False)
    before = punica_cpu.bgmv_shrink
    cpu_lora.register()
    assert punica_cpu.bgmv_shrink is before


# -- linear layers --

WIDTHS = (20, 8, 8)  # of a packed layer, as q, k and v
LARGEST = 16  # the rank that vLLM fills adapters up to
IDS = [None, 50, 60]  # of the adapters in the slots; the first is free


@pytest.fixture(autouse=True)
def as_in_vllm():
    with torch.inference_mode():
        yield


def stacks(dtype: torch.dtype = torch.float32, *, width: int = WIDTH, widths: tuple[int, ...] = WIDTHS) -> Any:
    """Room for three adapters of the largest rank, as vLLM makes it before it serves."""
    with torch.inference_mode(mode=False):
        first = tuple(torch.zeros(SLOTS, 1, LARGEST, width, dtype=dtype) for _ in widths)
        return first, tuple(torch.zeros(SLOTS, 1, wide, LARGEST, dtype=dtype) for wide in widths)


def put(stacked: Any, slot: int, *, rank: int, seed: int, only: tuple[int, ...] = (0, 1, 2)) -> None:
    """Write a random adapter over what is in that slot, as vLLM does; `only` some of the packed projections."""
    generator = torch.Generator().manual_seed(seed)
    for at, (a, b) in enumerate(zip(*stacked, strict=True)):
        a[slot], b[slot] = 0, 0
        if at in only:
            a[slot, 0, :rank].copy_(torch.randn(rank, a.shape[-1], generator=generator) * a.shape[-1] ** -0.5)
            b[slot, 0, :, :rank].copy_(torch.randn(b.shape[2], rank, generator=generator))


def wrapper(slots: list[int], prompts: list[int] | None = None) -> Any:
    """What stands between vLLM's layers and their adapters, for a batch of rows in these slots."""
    from ftchat.cpu_lora.wrapper import Wrapper

    made = Wrapper(4096, 64, "cpu")
    ids = [tuple(IDS[slot] if slot >= 0 else 0 for slot in found) for found in (slots, prompts or slots)]
    mapping = SimpleNamespace(index_mapping=ids[0], prompt_mapping=ids[1], is_prefill=True)
    made.update_metadata(mapping, IDS, SLOTS + 1, 100)
    return made


def packed(rows: torch.Tensor, stacked: Any, slots: list[int]) -> torch.Tensor:
    """In float32, what a packed layer should have added to each row."""
    return torch.cat([reference(reference(rows, a, slots), b, slots) for a, b in zip(*stacked, strict=True)], dim=1)


BATCHES = {
    "one": [2],
    "few": [2, 2, 2],
    "base": [-1] * 5,
    "beside base": [-1, 2, -1],
    "mixed": [2, -1, 1, 2, 2, -1, 1, 1],
    "prompt": [1] * 40,
    "prompts": [1] * 40 + [-1] * 9 + [2] * 30 + [1] * 11,
}


@pytest.mark.parametrize("slots", BATCHES.values(), ids=list(BATCHES))
@pytest.mark.parametrize("width", [WIDTH, 5000])  # of the second, no copy in float32 is kept
def test_layer_adds_what_the_adapter_of_each_row_makes_of_it(slots, width):
    stacked = stacks(width=width)
    put(stacked, 1, rank=4, seed=1)
    put(stacked, 2, rank=16, seed=2, only=(0, 2))
    rows, output = random(len(slots), width), random(len(slots), sum(WIDTHS))
    expected = output + packed(rows, stacked, slots)
    wrapper(slots).add_lora_linear(output, rows, *stacked, 1.0, WIDTHS)
    torch.testing.assert_close(output, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("slots", BATCHES.values(), ids=list(BATCHES))
def test_rows_of_base_keep_every_bit_and_others_err_by_rounding_alone(slots):
    stacked = stacks(torch.bfloat16)
    put(stacked, 1, rank=4, seed=1)
    put(stacked, 2, rank=8, seed=2)
    rows, output = (random(len(slots), wide, dtype=torch.bfloat16) for wide in (WIDTH, sum(WIDTHS)))
    before, delta = output.clone(), packed(rows, stacked, slots)
    wrapper(slots).add_lora_linear(output, rows, *stacked, 1.0, WIDTHS)
    base = torch.tensor(slots) < 0
    assert torch.equal(output[base], before[base])
    # Two roundings to 8 bits: of the shrunk row, whose values are up to 4 and are summed by up to 8, and of the sum.
    torch.testing.assert_close(output.float(), before.float() + delta, atol=0.06, rtol=2**-7)


def test_adapter_written_over_another_counts_from_the_next_batch_on():
    stacked, slots = stacks(), [1, 1]
    made, rows = wrapper(slots), random(2, WIDTH)
    for seed, rank in ((1, 16), (2, 4), (3, 8)):
        put(stacked, 1, rank=rank, seed=seed)
        output = torch.zeros(2, sum(WIDTHS))
        made.add_lora_linear(output, rows, *stacked, 1.0, WIDTHS)
        torch.testing.assert_close(output, packed(rows, stacked, slots), atol=1e-4, rtol=1e-4)


def test_adapter_that_leaves_a_layer_alone_costs_and_changes_nothing():
    stacked, output = stacks(), random(3, sum(WIDTHS))
    before = output.clone()
    wrapper([1, 1, 2]).add_lora_linear(output, random(3, WIDTH), *stacked, 1.0, WIDTHS)
    assert torch.equal(output, before)


def test_stacks_in_which_a_write_would_not_show_take_the_slower_way_and_stay_right():
    slots = [1, -1, 2]
    first = tuple(torch.zeros(SLOTS, 1, LARGEST, WIDTH) for _ in WIDTHS)  # made within inference mode
    stacked = (first, tuple(torch.zeros(SLOTS, 1, wide, LARGEST) for wide in WIDTHS))
    made, rows = wrapper(slots), random(3, WIDTH)
    for seed in (1, 2):
        put(stacked, 1, rank=4, seed=seed)
        output = torch.zeros(3, sum(WIDTHS))
        made.add_lora_linear(output, rows, *stacked, 1.0, WIDTHS)
        torch.testing.assert_close(output, packed(rows, stacked, slots), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("trained", [False, True])
def test_output_layer_is_changed_by_adapters_that_have_it_and_by_no_other(trained, monkeypatch):
    from vllm.lora.punica_wrapper import punica_cpu

    monkeypatch.setattr(punica_cpu, "bgmv_shrink", operations.bgmv_shrink)
    monkeypatch.setattr(punica_cpu, "bgmv_expand", operations.bgmv_expand)
    (first,), (second,) = stacks(widths=(100,))
    if trained:
        put(((first,), (second,)), 2, rank=4, seed=1)
    slots, rows, output = [2, -1, 1], random(3, WIDTH), random(3, 100)
    expected = output + reference(reference(rows, first, slots), second, slots)
    wrapper(slots).add_lora_logits(output, rows, first, second, 1.0)
    torch.testing.assert_close(output, expected, atol=1e-4, rtol=1e-4)


def test_layers_of_the_installed_vllm_mean_the_same():
    from ftchat.cpu_lora import wrapper

    assert wrapper.disagreement() == ""


def test_layers_of_a_vllm_that_mean_something_else_are_noticed(monkeypatch):
    from ftchat.cpu_lora import wrapper

    monkeypatch.setattr(wrapper.PunicaWrapperCPU, "add_lora_linear", lambda self, y, *rest, **others: y.zero_())
    assert wrapper.disagreement() == "the layers of this vLLM compute something else."
    monkeypatch.setattr(wrapper.PunicaWrapperCPU, "update_metadata", lambda self, mapping: None)
    assert wrapper.disagreement().startswith("the layers of this vLLM are built in another way")


def test_sizing_reckons_with_the_copies_that_are_made() -> None:
    from ftchat.cpu_lora.wrapper import SMALL

    assert sizing._COPIED == SMALL
