"""The HTTP side of ftchat without its pages: guard, JSON API, OpenAI-compatible /v1, health.

`build` makes the FastAPI app over the parts; the pages are mounted on it by `serve`. It does not know gradio or vLLM.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from ftchat import __version__
from ftchat.parts import Parts
from ftchat.web import (
    accounts,
    dataset,
    description,
    feedback,
    health,
    judging,
    leaderboard,
    lineage,
    login,
    models,
    openai,
    pins,
    refusals,
    runs,
    schedule,
    sessions,
    turns,
)
from ftchat.web.arriving import arriving
from ftchat.web.description import Described, name_of
from ftchat.web.gate import Gate
from ftchat.web.guard import Guard
from ftchat.web.repeats import Repeats

__all__ = ["arriving", "build"]

_ROUTES = (
    *(openai, health, description, turns, judging, sessions, feedback, dataset, pins, runs, models, leaderboard),
    *(schedule, lineage, accounts, login),
)
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build(parts: Parts, *, lifespan: Lifespan | None = None) -> FastAPI:
    """The app with every route of the API."""
    app = Described(
        title="ftchat",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=name_of,
    )
    app.state.parts = parts
    app.state.repeats = Repeats(parts.store)
    for part in _ROUTES:
        app.include_router(part.router)
    refusals.add_to(app)
    # The last one added is the first one asked. No other site may read an answer: gradio, which is lenient, keeps to
    # what its parent has.
    app.add_middleware(CORSMiddleware, allow_origins=())
    app.add_middleware(Gate, parts=parts)
    app.add_middleware(Guard, settings=parts.settings)
    return app
