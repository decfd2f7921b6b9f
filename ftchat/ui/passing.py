"""Blocks that pass on what events bring and give, where gradio would make something anew for it.

Each of the three methods of `Pages` stands for the one of the same name in gradio's blocks.py, which still does all
that is not plain. A text, a number or a yes or no can carry no file, so that gradio's checks of files have nothing to
look at in it; each component is asked as gradio asks it, only not in a thread of its own. An output that an event
leaves as it is gets nothing new. What that is worth with a hundred comparisons at once: bench/RESULTS.md.
"""

from copy import copy
from functools import cached_property
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.components.base import _Keywords
from gradio.state_holder import SessionState
from gradio.utils import deep_hash

_PLAIN = (str, bool, int, float)


class Pages(gr.Blocks):
    """All that gr.Blocks is; what is plain takes a shorter way."""

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        """What a callback is given. When any input is not plain, gradio sees to all of them."""
        if state is not None and len(inputs) == len(block_fn.inputs) and not block_fn.component_prop_inputs:
            given = list(zip(block_fn.inputs, inputs, strict=True))
            if all(block.stateful or value is None or _is_plain(block, value) for block, value in given):
                try:
                    return [_taken(block, value, state, raw=not block_fn.preprocess) for block, value in given]
                except Exception:  # noqa: BLE001 - a component refuses a value: gradio does it again and says so
                    pass
        found: list[Any] = await super().preprocess_data(block_fn, inputs, state, explicit_call)
        return found

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: Any, state: SessionState | None
    ) -> list[Any]:
        """What is sent to the page. Gradio sees to the outputs that are not plain."""
        given = _listed(block_fn, predictions)
        if given is None or state is None or len(given) != len(block_fn.outputs):
            found: list[Any] = await super().postprocess_data(block_fn, predictions, state)
            return found
        sent, others = list[Any](), list[int]()
        for at, (block, value) in enumerate(zip(block_fn.outputs, given, strict=True)):
            if value == gr.skip():
                sent.append(None if block.stateful else value)
            elif block.stateful and type(value) is str:
                state[block._id] = value
                sent.append(None)
            elif block_fn.postprocess and not block.stateful and _is_plain(block, value):
                sent.append(state.get(block._id, block).postprocess(value))
            else:
                sent.append(None)
                others.append(at)
        if others:
            part = copy(block_fn)
            part.outputs = [block_fn.outputs[at] for at in others]
            rest = [given[at] for at in others]
            found = await super().postprocess_data(part, rest if len(rest) > 1 else rest[0], state)
            for at, value in zip(others, found, strict=True):
                sent[at] = value
        return sent

    def get_state_ids_to_track(
        self, block_fn: BlockFunction, state: SessionState | None
    ) -> tuple[list[int], list[Any]]:
        """The states that this event may change and something listens to, with what stands for their values now."""
        if state is None:
            return [], []
        ids = [block._id for block in block_fn.outputs if block.stateful and block._id in self._listened]
        return ids, [deep_hash(state[one]) for one in ids]  # type: ignore[no-untyped-call]

    @cached_property
    def _listened(self) -> frozenset[int | None]:
        return frozenset(id_ for event in self.fns.values() for id_, kind in event.targets if kind == "change")


def _is_plain(block: Any, value: Any) -> bool:
    """Whether gradio would only ask the component about it."""
    return type(value) in _PLAIN and getattr(block, "data_model", None) is None


def _taken(block: Any, value: Any, state: SessionState, *, raw: bool) -> Any:
    """What the callback is given for one input."""
    if block.stateful:
        return state[block._id]
    return value if raw else state.get(block._id, block).preprocess(value)


def _listed(block_fn: BlockFunction, predictions: Any) -> list[Any] | None:
    """A value for each output; None where gradio shall find out what is meant, or what is wrong."""
    outputs = block_fn.outputs
    if block_fn.batch or block_fn.is_validator_function:
        return None
    if isinstance(predictions, dict):
        if predictions and all(isinstance(part, Block) for part in predictions):
            known = set(outputs)
            return [predictions.get(block, gr.skip()) for block in outputs] if known.issuperset(predictions) else None
        if predictions == gr.skip():
            return [gr.skip()] * len(outputs)
    if len(outputs) == 1:
        predictions = [predictions]
    if not isinstance(predictions, (list, tuple)):
        return None
    ended = _Keywords.FINISHED_ITERATING
    return None if any(value is ended for value in predictions) else list(predictions)
