"""The HTTP side of ftchat without its pages: guard, JSON API, OpenAI-compatible /v1, health.

`build` makes the FastAPI app over the parts; the pages are mounted on it by `serve`. It does not know gradio or vLLM.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from ftchat import __version__
from ftchat.errors import FtchatError
from ftchat.parts import Parts
from ftchat.web import health, models, openai, runs, turns
from ftchat.web.guard import Guard

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build(parts: Parts, *, lifespan: Lifespan | None = None) -> FastAPI:
    """The app with every route of the API."""
    app = FastAPI(title="ftchat", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.parts = parts
    for part in (health, turns, runs, models, openai):
        app.include_router(part.router)
    app.add_exception_handler(FtchatError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(Guard, settings=parts.settings)
    return app


async def _refused(request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, FtchatError)
    headers = {"Retry-After": "5"} if err.status == 503 else None
    return JSONResponse({"error": {"type": err.type, "message": err.message}}, err.status, headers)


async def _broken(request: Request, err: Exception) -> JSONResponse:
    said = f"Something in ftchat broke ({type(err).__name__}). The log of the app has the details."
    return JSONResponse({"error": {"type": "InternalError", "message": said}}, 500)


async def _invalid(request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, RequestValidationError)
    first = err.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    return JSONResponse({"error": {"type": "BadInput", "message": f"{where}: {first['msg']}."}}, 400)
