"""What a callback refuses, told on the page in its sentence: a login ended while it was under way, or a role changed.

Gradio writes a traceback into the log for each exception; a refusal is no fault. What is broken still leaves one.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import wraps
from typing import Any

import gradio as gr

from ftchat.errors import FtchatError


def tell_of(blocks: gr.Blocks) -> None:
    """In all events of these pages."""
    for event in blocks.fns.values():
        if event.fn is not None:
            event.fn = _telling(event.fn)


def _telling(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def plain(*args: Any) -> Any:
        with _told():
            return callback(*args)

    @wraps(callback)
    async def awaited(*args: Any) -> Any:
        with _told():
            return await callback(*args)

    @wraps(callback)
    async def streamed(*args: Any) -> Any:
        with _told():
            async with aclosing(callback(*args)) as views:
                async for view in views:
                    yield view

    told: Callable[..., Any] = plain
    if inspect.isasyncgenfunction(callback):
        told = streamed
    elif inspect.iscoroutinefunction(callback):
        told = awaited
    told.__signature__ = inspect.signature(callback)  # type: ignore[attr-defined]  # gradio asks at each call, thrice
    return told


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except FtchatError as err:
        if err.status >= 500:
            raise
        raise gr.Error(err.message, print_exception=False) from err
