"""What gradio does anew at each call, done once or not at all: what a component's constructor takes, whether matplotlib
is there; who is logged in to gradio itself (nobody: the doorway knows people); which states are listened to; a thread
for each text that comes, and a new component for each that an event leaves as it is; a description of each component
for each page, for links into its state, which are refused; which of eighty addresses is meant; and a table of how long
events took, which nobody is shown and which stays empty. With a hundred comparisons at once most of the processor's
time went into that.

Nothing that a page shows or may do is changed by it, only how long it takes.
"""

import inspect
import sys
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import fastapi
import gradio as gr
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.components.base import _Keywords
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import deep_hash
from starlette.routing import BaseRoute, Route

_OFTEN = {f"/gradio_api/{path}" for path in ("queue/join", "queue/data", "run/{api_name}")}


class Pages(gr.Blocks):
    """Blocks that pass on what they are given, and make nothing anew for it."""

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        """What a callback is given: states, texts, numbers and yes or no here, all else as gradio has it."""
        whole = len(inputs) == len(block_fn.inputs) and not block_fn.component_prop_inputs
        given = list(zip(block_fn.inputs, inputs, strict=False))
        if state is not None and whole and all(block.stateful or _is_plain(block, value) for block, value in given):
            with suppress(Exception):  # a value that a component refuses: gradio finds the words for it
                return [_taken(block_fn, block, value, state) for block, value in given]
        found: list[Any] = await super().preprocess_data(block_fn, inputs, state, explicit_call)
        return found

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: Any, state: SessionState | None
    ) -> list[Any]:
        """What is sent to the page: what is left as it is and texts of HTML here, all else as gradio has it."""
        given = _listed(block_fn, predictions)
        if given is None or state is None or len(given) != len(block_fn.outputs):
            found: list[Any] = await super().postprocess_data(block_fn, predictions, state)
            return found
        sent, others = list[Any](), list[int]()
        for at, (block, value) in enumerate(zip(block_fn.outputs, given, strict=True)):
            done, what = _sent(block_fn, block, value, state)
            sent.append(what)
            others += [] if done else [at]
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
    """Whether gradio would do nothing with it but ask the component."""
    return value is None or (type(value) in (str, bool, int, float) and getattr(block, "data_model", None) is None)


def _taken(block_fn: BlockFunction, block: Any, value: Any, state: SessionState) -> Any:
    """What the callback is given for one input."""
    if block.stateful:
        return state[block._id]
    return state.get(block._id, block).preprocess(value) if block_fn.preprocess else value


def _sent(block_fn: BlockFunction, block: Any, value: Any, state: SessionState) -> tuple[bool, Any]:
    """Whether it is known here what the page is sent for one output; and that."""
    if value == gr.skip():
        return True, None if block.stateful else value
    if block.stateful and type(value) is str:
        state[block._id] = value
        return True, None
    if _is_plain(block, value) and value is not None and not block.stateful and block_fn.postprocess:
        with suppress(Exception):  # as above
            return True, state.get(block._id, block).postprocess(value)
    return False, None


class _Session(SessionState):
    """What gradio holds for one page, without a description of each component."""

    def __init__(self, blocks: gr.Blocks) -> None:
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks={}))  # type: ignore[arg-type]

    def __setitem__(self, key: int, value: Any) -> None:
        block = self.blocks_config.blocks.get(key)
        if isinstance(block, gr.State):
            self._state_ttl[key] = (block.time_to_live, datetime.now())  # noqa: DTZ005 - as gradio notes it
            self.state_data[key] = value
        else:
            self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        """Nobody reads it."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nobody reads it."""


class _Sessions(StateHolder):
    """One for each page."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Session(self.blocks)
        return super().__getitem__(session_id)


def _listed(block_fn: BlockFunction, predictions: Any) -> list[Any] | None:
    """A value for each output; None where gradio shall see to it."""
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


def remember(blocks: gr.Blocks) -> None:
    """Note the signatures of all components of these pages, where Python looks for one before it works it out."""
    kinds = {kind for block in blocks.blocks.values() for kind in type(block).__mro__}
    for constructor in [vars(kind)["__init__"] for kind in kinds if "__init__" in vars(kind)]:
        function = constructor
        while inspect.isfunction(function):  # gradio wraps each constructor, and asks both
            function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
            function = getattr(function, "__wrapped__", None)
    if find_spec("matplotlib") is None:
        sys.modules["matplotlib"] = None  # type: ignore[assignment]  # "there is none", as Python itself says it


def spare(app: fastapi.FastAPI, blocks: gr.Blocks) -> None:
    """Leave out what gradio's mounted app would ask and note for each call and each event."""
    check = _login_check(app.routes)
    for route in app.routes:
        if not isinstance(route, APIRoute):
            continue
        needs = route.dependant.dependencies
        for at, one in enumerate(needs):
            if one.call is check:  # an override would be worked out anew at each call
                needs[at] = get_dependant(path=route.path, call=_nobody, name=one.name)
    app.router.routes.sort(key=lambda route: getattr(route, "path", "") not in _OFTEN)
    app.state_holder = _Sessions()  # type: ignore[attr-defined, no-untyped-call]
    app.state_holder.set_blocks(blocks)  # type: ignore[attr-defined]
    blocks._queue.ANALYTICS_MAX_EVENTS = 0


def _login_check(routes: Iterable[BaseRoute]) -> Any:
    return next(route.endpoint for route in routes if isinstance(route, Route) and "login_check" in route.path)


async def _nobody() -> None:
    """Gradio has no users of its own here."""
