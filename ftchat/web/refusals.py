"""Every refusal in one form, `{"error": {"type", "message"}}`: ftchat's own, FastAPI's, and addresses there are not."""

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ftchat.errors import BadInput, FtchatError, NotFound
from ftchat.web.common import refusal

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


class WrongMethod(BadInput):
    """The address takes other methods."""

    status = 405


def add_to(app: FastAPI) -> None:
    """Handle every error of an app; after its routes, for what none of them takes."""
    app.add_exception_handler(FtchatError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _broken)
    app.include_router(_nothing)


_nothing = APIRouter(include_in_schema=False)  # behind it are the pages, which answer to anything


@_nothing.api_route("/api/{rest:path}", methods=_METHODS)
@_nothing.api_route("/v1/{rest:path}", methods=_METHODS)
async def nothing(request: Request, rest: str) -> JSONResponse:
    """No route, or none for this method."""
    allowed = {
        method
        for route in request.app.router.routes
        if route.matches(request.scope)[0] is Match.PARTIAL
        for method in getattr(route, "methods", ())
    }
    if not allowed:
        raise NotFound(f"There is nothing at {request.url.path}. The description of all calls is at /openapi.json.")
    answer = refusal(WrongMethod(f"{request.url.path} takes {', '.join(sorted(allowed))}, not {request.method}."))
    answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


async def _refused(request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, FtchatError)
    return refusal(err)


async def _broken(request: Request, err: Exception) -> JSONResponse:
    said = f"Something in ftchat broke ({type(err).__name__}). The log of the app has the details."
    return JSONResponse({"error": {"type": "InternalError", "message": said}}, 500)


async def _invalid(request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, RequestValidationError)
    first = err.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "The body"
    if first["type"] == "json_invalid":
        return refusal(BadInput(f"The body is not JSON: {first['ctx']['error']}."))
    return refusal(BadInput(f"{where:.200}: {first['msg']}."))


async def _http(request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, HTTPException)
    if err.status_code == 404:
        return refusal(NotFound(f"There is nothing at {request.url.path}."))
    answer = refusal(BadInput(str(err.detail)))
    answer.status_code = err.status_code
    answer.headers.update(err.headers or {})
    return answer
