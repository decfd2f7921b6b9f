"""Adapters that PEFT saved, taken in by a real vLLM: tried, compared with what the trainer's side computes, deleted."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from ftchat import probing
from ftchat.base import Base
from ftchat.config import Settings
from ftchat.engine import Engine
from ftchat.errors import BadAdapter
from ftchat.prompt import Prompter
from ftchat.records import Message
from ftchat.registry import Registry
from ftchat.server import Server
from ftchat.service import Service
from ftchat.store import Store

pytestmark = pytest.mark.engine


@pytest.fixture
async def service(vllm: Server, starter_path: Path, tmp_path: Path) -> AsyncIterator[Service]:
    base = Base(starter_path, "starter", "b0", practice=True)
    store, engine = Store(tmp_path / "data" / "ftchat.db"), Engine([vllm.endpoint])
    store.turns.add_base("b0", "starter")
    registry = Registry(tmp_path / "adapters", max_rank=16, base=base)
    settings = Settings(home=tmp_path, name=f"real{tmp_path.name[-1]}", max_loras=2, max_cpu_loras=16)
    yield Service(store, engine, prompter=Prompter(starter_path), registry=registry, base=base, settings=settings)
    await engine.close()
    store.close()


def told(starter_path: Path, adapter: Path) -> dict[str, object]:
    """What the trainer's libraries compute for an answer, with the adapter."""
    ids, start = Prompter(starter_path).render_answer([Message("user", "What does the brie cost?")], "It is 4 euros.")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(starter_path, dtype=torch.bfloat16), adapter)
    with torch.no_grad():
        scores = model(torch.tensor([ids])).logits.float().log_softmax(-1)
    logprobs = [float(scores[0, at - 1, ids[at]]) for at in range(start, len(ids))]
    return {"token_ids": ids, "start": start, "logprobs": logprobs}


async def test_what_peft_saved_comes_in_is_what_was_trained_and_goes(
    service: Service, starter_path: Path, adapters: list[Path], tmp_path: Path
) -> None:
    name = await service.receive("ann", adapters[0])
    other = await service.receive("ann", Path(shutil.make_archive(str(tmp_path / "other"), "zip", adapters[1])))
    trained = told(starter_path, adapters[0])
    await probing.as_trained(service._engine, name, trained, tolerance=service._tolerance)
    with pytest.raises(BadAdapter, match="serves another model than was trained"):
        await probing.as_trained(service._engine, other, trained, tolerance=service._tolerance)
    for one in (name, other):
        await service.delete("ann", one)
    assert service.adapters() == []
    served = await service._engine.models()
    assert {name, other}.isdisjoint(served[0] or ())


async def test_an_adapter_without_weights_that_the_engine_uses_does_not_come_in(
    service: Service, adapters: list[Path], tmp_path: Path
) -> None:
    """Checked before vLLM sees it: there it would be served as base, or refused with a 500."""
    shutil.copytree(adapters[0], tmp_path / "given")
    config = json.loads((adapters[0] / "adapter_config.json").read_text())
    (tmp_path / "given" / "adapter_config.json").write_text(json.dumps({**config, "target_modules": ["q_proj"]}))
    with pytest.raises(BadAdapter, match="which its target_modules do not name"):
        await service.receive("ann", tmp_path / "given")
    assert list((tmp_path / "adapters").iterdir()) == []
