"""What gradio does anew at each call, done once or not at all: what a component's constructor takes, whether matplotlib
is there; who is logged in to gradio itself (nobody: the doorway knows people); which of eighty addresses is meant; and
a table of how long events took, which nobody is shown and which stays empty. With a hundred comparisons at once almost
half of the processor's time went into that.

Nothing that a page shows or may do is changed by it, only how long it takes.
"""

import inspect
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import fastapi
import gradio as gr
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

_OFTEN = {f"/gradio_api/{path}" for path in ("queue/join", "queue/data", "run/{api_name}")}


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
    blocks._queue.ANALYTICS_MAX_EVENTS = 0


def _login_check(routes: Iterable[BaseRoute]) -> Any:
    return next(route.endpoint for route in routes if isinstance(route, Route) and "login_check" in route.path)


async def _nobody() -> None:
    """Gradio has no users of its own here."""
