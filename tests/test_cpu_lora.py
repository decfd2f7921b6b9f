"""The plugin's operations against a plain reference, and when it stays away. That vLLM uses it: test_engine_real."""

import pytest
import torch

from ftchat import cpu_lora

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
        cpu_lora.sgmv_shrink(rows, stack, output, *runs(slots), 0.5)
    else:
        cpu_lora.bgmv_shrink(rows, stack, output, torch.tensor(slots), 0.5)
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
        cpu_lora.sgmv_expand(rows, stack, output, *runs(slots), add)
    else:
        cpu_lora.bgmv_expand(rows, stack, output, torch.tensor(slots), add)
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("slots", [MIXED, ALONE, NOBODY])
@pytest.mark.parametrize("by_runs", [False, True])
def test_expand_into_a_slice_leaves_the_other_columns_alone(slots, by_runs):
    rows, stack, output = random(8, RANK), random(SLOTS, 1, 5, RANK), random(8, WIDTH)
    expected = output.clone()
    expected[:, 6:11] += reference(rows, stack, slots)
    if by_runs:
        cpu_lora.sgmv_expand_slice(rows, stack, output, *runs(slots), 6, 5, True)
    else:
        cpu_lora.bgmv_expand_slice(rows, stack, output, torch.tensor(slots), 6, 5, True)
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize(("slots", "taken_as"), [([1], [1] * 8), ([1, 1, 1], [1] * 8), ([1, -1], NOBODY), ([], NOBODY)])
def test_scored_prompt_takes_the_adapter_that_all_requests_share(slots, taken_as):
    rows, stack, output = random(8, RANK), random(SLOTS, 1, WIDTH, RANK), random(8, WIDTH)
    expected = output + reference(rows, stack, taken_as)
    cpu_lora.bgmv_expand(rows, stack, output, torch.tensor(slots, dtype=torch.long), True)
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


def test_register_replaces_all_operations_once_and_only_when_wanted(monkeypatch):
    from vllm import platforms
    from vllm.lora.ops import torch_ops
    from vllm.lora.punica_wrapper import punica_cpu

    monkeypatch.setattr(platforms.current_platform, "is_cpu", lambda: True)
    names = ["bgmv_shrink", "bgmv_expand", "bgmv_expand_slice", "sgmv_shrink", "sgmv_expand", "sgmv_expand_slice"]
    for name in names:
        monkeypatch.setattr(punica_cpu, name, getattr(torch_ops, name))
    monkeypatch.setenv("FTCHAT_CPU_LORA", "0")
    cpu_lora.register()
    assert [getattr(punica_cpu, name) for name in names] == [getattr(torch_ops, name) for name in names]
    monkeypatch.setenv("FTCHAT_CPU_LORA", "1")
    cpu_lora.register()
    cpu_lora.register()
    assert [getattr(punica_cpu, name) for name in names] == [getattr(cpu_lora, name) for name in names]


def test_stays_silent_where_there_is_a_gpu(monkeypatch):
    from vllm import platforms
    from vllm.lora.punica_wrapper import punica_cpu

    monkeypatch.setattr(platforms.current_platform, "is_cpu", lambda: False)
    before = punica_cpu.bgmv_shrink
    cpu_lora.register()
    assert punica_cpu.bgmv_shrink is before
