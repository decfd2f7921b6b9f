"""What gradio finds out anew at each update, found out once: what a component's constructor takes, and whether
matplotlib is there. With a hundred comparisons at once a quarter of the processor's time went into that.

It changes nothing that gradio does, only how long it takes.
"""

import inspect
import sys
from importlib.util import find_spec

import gradio as gr


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
